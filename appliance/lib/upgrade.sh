# shellcheck shell=bash
# shellcheck disable=SC2154,SC2015 # what is said and run is proxmox.sh's, which reads this file
#
# Another image over the system of an appliance's disk, with the data as they are: LVM, LVM-thin, ZFS, raw and qcow2 files.
#
# The disk is one for all: partition table, system, data (appliance/lib/images.py). A new disk beside the old one would have
# both with the label runbound-data, so the system's part is written over; qemu-img does that in every form of a disk,
# and refuses what another program has open. Its first 131 MiB as they were are kept as an image like any other, so the way back
# is the same way. That is enough for the way back, and no backup of the data: a larger disk has more of them.

SECTORS=2048                          # of 512 octets in a MiB
SYSTEM=1 BOOT=2 DATA=66 END=131       # where the parts begin, in MiB: BIOS boot, EFI system partition, data; the image's end
# Of root alone: /var/lib/runbound is the folder of the user that a server on this host runs as.
COPIES=${RUNBOUND_COPIES:-/var/lib/runbound-copies}

# The MiB of a disk from START up to END, as qemu-img takes them. More options follow MORE.
part() { # FORM PATH START END [MORE]
    local protocol=file
    [ ! -b "$2" ] || protocol=host_device
    printf 'driver=raw,offset=%s,size=%s%s' "$(($3 << 20))" "$((($4 - $3) << 20))" "${5:-}"
    case $1 in
        qcow2) printf ',file.driver=qcow2,file.file.driver=%s,file.file.filename=%s' "$protocol" "$2" ;;
        *) printf ',file.driver=%s,file.filename=%s' "$protocol" "$2" ;;
    esac
}

form_of() { case $1 in *.qcow2) echo qcow2 ;; *) echo raw ;; esac; }

# --- whose disk it is --------------------------------------------------------------------------------------------------

# The first three partitions of a GPT in a file: first and last sector and name, one a line.
partitions() { # FILE
    local number at name
    [ "$(dd if="$1" bs=1 skip=512 count=8 status=none | tr -d '\0')" = "EFI PART" ] || return 1
    for number in 0 1 2; do
        at=$((1024 + number * 128))
        name=$(dd if="$1" bs=1 skip=$((at + 56)) count=72 status=none | tr -d '\0') # UTF-16, of ASCII
        # shellcheck disable=SC2046  # two words are wanted
        printf '%s %s %s\n' $(od -An -v -t u8 -j $((at + 32)) -N 16 "$1") "$name"
    done
}

# What a command answers. What it says beside that counts only when it fails, and is then what said() has.
ask() { "$@" 2>"$work/said"; }
said() { tail -n 1 "$work/said" | grep . || echo "it failed without a word"; }

# One MiB of a disk in a file.
take() { # FORM PATH START FILE
    rm -f "$4" # what is there is another disk's
    ask qemu-img convert -O raw --image-opts "$(part "$1" "$2" "$3" $(($3 + 1)) ,file.force-share=on)" "$4" && [ -s "$4" ]
}

# Whether a disk is laid out as the image is. It may be larger, and so may its data partition. Else $fault says why not.
is_ours() { # FORM PATH
    local found want label
    take "$1" "$2" 0 "$work/table" && take "$1" "$2" $DATA "$work/data" || { fault="qemu-img: $(said)"; return 1; }
    want="$((SYSTEM * SECTORS)) $((BOOT * SECTORS - 1)) runbound-bios
$((BOOT * SECTORS)) $((DATA * SECTORS - 1)) runbound-boot
$((DATA * SECTORS)) runbound-data"
    found=$(partitions "$work/table" | sed '3s/ [0-9]* / /')
    label=$(dd if="$work/data" bs=1 skip=1144 count=16 status=none | tr -d '\0') # of ext4: superblock at 1024
    fault="its partitions are not those of runbound.qcow2"
    [ "$found" = "$want" ] || return 1
    fault="the partition with the data has no ext4 labelled runbound-data"
    [ "$(od -An -t x1 -j 1080 -N 2 "$work/data")" = " 53 ef" ] && [ "$label" = runbound-data ]
}

# --- what is asked before anything is touched -----------------------------------------------------------------------------

check_image() {
    local folder name
    folder=$(dirname "$image") name=$(basename "$image")
    [ -f "$image" ] || refuse "$image: no such file; appliance/build makes it"
    [[ $image =~ ^[A-Za-z0-9_+:./-]+$ ]] || refuse "$image: letters, digits and _ + : . / - only; rename it"
    grep -q "^[0-9a-f]\{64\}  $name\$" "$folder/SHA256SUMS" 2>/dev/null ||
        refuse "$image: $folder/SHA256SUMS has no line for it; copy that file of the build along with the image"
    (cd "$folder" && grep "^[0-9a-f]\{64\}  $name\$" SHA256SUMS | sha256sum --check --status) ||
        refuse "$image: it is not what SHA256SUMS says; copy or build it anew"
    is_ours "$(form_of "$image")" "$image" || refuse "$image: that is no disk of the appliance: $fault"
}

check_machine() {
    local lock
    config=$(ask qm config "$vmid") || refuse "machine $vmid: $(said)"
    ! grep -q '^template: 1' <<<"$config" ||
        refuse "machine $vmid is a template; make another one of the new image, by --template"
    lock=$(sed -n 's/^lock: //p' <<<"$config")
    [ -z "$lock" ] || refuse "machine $vmid is locked ($lock); wait for what does that, or: qm unlock $vmid"
    was=$(status)
}

status() { ask qm status "$vmid" | sed -n 's/^status: //p'; }

# The disk with the appliance's layout: its path and form.
find_disk() {
    local key value volume named="" looked=()
    while IFS=' ' read -r key value; do
        [[ $key =~ ^(scsi|virtio|sata|ide)[0-9]+:$ && $value != *media=cdrom* && $value != none* ]] || continue
        volume=${value%%,*}
        form=$(form_of "$volume")
        if reach "$volume" && is_ours "$form" "$path"; then
            [ -z "$named" ] || refuse "machine $vmid has two disks of the appliance, $named and ${key%:}; detach one"
            named=${key%:} disk=$path disk_form=$form
        else
            looked+=("${key%:} is not the appliance's: $fault")
        fi
    done <<<"$config"
    [ -n "$named" ] || refuse "machine $vmid has no disk of the appliance; $(printf '%s; ' "${looked[@]:-it has none}")give the number of another"
    for value in "${looked[@]}"; do say "machine $vmid: $value"; done
    say "machine $vmid: $named is the appliance's, $disk ($disk_form)"
}

# The path of a volume that is there, as a file or a block device. Else $fault says why not.
reach() { # VOLUME
    case $1 in /*) path=$1 ;; *) path=$(ask pvesm path "$1") || { fault="$1: $(said)"; return 1; } ;; esac
    fault="$1 is in Ceph, no block device of this host; \`rbd map\` makes it one, and then by hand (docs/appliance.md)"
    [[ $path != rbd:* && $path != /dev/rbd* ]] || [ -b "$path" ] || return 1
    fault="$path: qemu-img does not take that path"
    [[ $path =~ ^[A-Za-z0-9_+:./@-]+$ ]] || return 1
    fault="$1 is not active, since the machine is off; --run activates it, or by hand: lvchange -ay -K $path"
    ! is_lvm "$path" || [ $run = yes ] || [ -e "$path" ] || return 1
    fault="$1 is $path, no file and no block device of this host: LVM, ZFS and files can be upgraded"
    activate "$path" && { [ -f "$path" ] || [ -b "$path" ]; }
}

# LVM takes away what no machine uses.
is_lvm() { [[ $1 == /dev/*/* && $1 != /dev/zvol/* && $1 != /dev/rbd* ]]; }
activated=()
activate() { # PATH
    [ ! -e "$1" ] && is_lvm "$1" || return 0
    step lvchange -ay -K "$1" && activated+=("$1")
}

# A machine that was off leaves its volumes as they were.
leave() {
    local volume
    rm -rf "$work"
    [ $run = yes ] && [ "${was:-running}" != running ] || return 0
    for volume in "${activated[@]}"; do step lvchange -an "$volume" 9>&-; done
}

version() { # what the server says to the guest agent
    ask qm guest exec "$vmid" --timeout 10 -- unbound-control status |
        sed -n 's/.*"out-data" *: *"version: \([^\\"]*\).*/\1/p'
}

# --- what is done --------------------------------------------------------------------------------------------------------

state="nothing was changed" restart=no
refuse() { die "$*"; }
do_step() { step "$@" || fail "$1 failed"; }
fail() {
    trap : HUP INT TERM
    if [ $restart = yes ] && step qm start "$vmid"; then
        state="nothing was changed, the machine was started again"
    fi
    say "$1; $state"
    [ -z "${way_back:-}" ] || note "$1; $state"
    exit 1
}

# To syslog, for whom the session left.
note() { [ $run = no ] || ! command -v logger >/dev/null || logger -t proxmox.sh -- "$1" 2>/dev/null; }

# The copy is at most as large as what it is of, and a little more.
check_room() {
    local free
    [ -d "$COPIES" ] || return 0
    free=$(df --output=avail -B 1M "$COPIES" | tail -n 1 | tr -d ' ')
    [ "${free:-0}" -ge $((END + 4)) ] ||
        refuse "$COPIES: ${free:-0} MiB are free, $((END + 4)) are wanted for the copy; RUNBOUND_COPIES=FOLDER names another folder"
}

# The old disk, as far as the image goes, as an image that `upgrade` takes.
keep_copy() {
    local name whole
    name="vm-$vmid-$(date +%Y%m%d-%H%M%S).qcow2" whole=$(part "$disk_form" "$disk" 0 $END)
    copy=$COPIES/$name
    do_step mkdir -p "$COPIES"
    step qemu-img convert -c -t writeback -O qcow2 --image-opts "$whole" "$copy" || {
        rm -f "$copy"
        fail "no copy of the disk could be made in $COPIES"
    }
    do_step qemu-img compare -q --image-opts "$whole" "$(part qcow2 "$copy" 0 $END)"
    [ $run = no ] || (cd "$COPIES" && sha256sum "$name" >>SHA256SUMS && sync "$name" SHA256SUMS) || fail "$COPIES: no room"
    way_back="$SELF upgrade $vmid $copy --run"
    say "the disk's first $END MiB as they were: $copy (enough for the way back; no backup of the data)"
    say "the way back, also when this is broken off: $way_back"
    note "machine $vmid is being upgraded; the way back, also when that is broken off: $way_back"
}

# Half a system is worse than either: what ends a session does not end this, nor what it starts.
write_system() {
    local new old
    trap '' HUP INT TERM PIPE
    restart=no
    new=$(part "$(form_of "$image")" "$image" $SYSTEM $DATA) old=$(part "$disk_form" "$disk" $SYSTEM $DATA)
    state="the system on the disk is half written, do not start the machine; back: $way_back; or: $SELF upgrade $vmid $image --run"
    do_step qemu-img convert -n -t writeback --image-opts --target-image-opts "$new" "$old"
    do_step qemu-img compare -q --image-opts "$new" "$old"
    do_step qemu-img compare -q --image-opts "$(part qcow2 "$copy" $DATA $END)" "$(part "$disk_form" "$disk" $DATA $END)"
    do_step qemu-img compare -q --image-opts "$(part qcow2 "$copy" 0 $SYSTEM)" "$(part "$disk_form" "$disk" 0 $SYSTEM)"
    state="the new system is written, the machine is off: qm start $vmid; back: $way_back"
    trap 'fail "broken off"' INT TERM
    trap : HUP PIPE # a lost session is no reason to leave the machine off
}

switch_off() {
    [ "$was" = running ] || return 0
    state="nothing was changed; if nothing runs in it that could hear it: qm stop $vmid, and once more"
    restart=$run
    step qm shutdown "$vmid" --timeout 60 --keepActive 1 || {
        [ "$(status)" = stopped ] || restart=no # it is still on
        fail "qm failed"
    }
    do_step qm wait "$vmid" --timeout 120 # a machine that ha-manager keeps is switched off later
    state="nothing was written, the machine is off: qm start $vmid"
    activate "$disk" || fail "lvchange failed"
}

switch_on() {
    local try now=""
    if [ "$was" != running ]; then
        say "done; the machine was off and stays off: qm start $vmid"
        return
    fi
    do_step qm start "$vmid"
    state="the new system is started; see qm terminal $vmid; back: $way_back"
    if [ $run = no ]; then
        step qm guest exec "$vmid" --timeout 10 -- unbound-control status
        return
    fi
    for ((try = 0; try < ${RUNBOUND_TRIES:-100}; try++)); do
        now=$(version)
        [ -z "$now" ] || break
        sleep 3
    done
    [ -n "$now" ] || fail "the guest agent does not answer"
    say "done: the server says version $now${before:+, before $before}; the copy may be removed: $copy"
}

upgrade() { # VMID [IMAGE] [--run]
    local word words=()
    for word in "$@"; do
        case $word in
            --run) run=yes ;;
            -h | --help) usage; exit 0 ;;
            -*) die "unknown option $word of upgrade (--help shows all)" ;;
            *) words+=("$word") ;;
        esac
    done
    [ ${#words[@]} -ge 1 ] && [ ${#words[@]} -le 2 ] || die "upgrade VMID [IMAGE] [--run] is wanted"
    vmid=${words[0]} image=$(readlink -m "${words[1]:-$(dirname "$SELF")/../target/appliance/runbound.qcow2}")
    number upgrade "$vmid" 100 999999999
    for word in qm pvesm qemu-img; do
        command -v $word >/dev/null || die "no $word here: upgrade works on a Proxmox host, as root"
    done
    work=$(mktemp -d) || die "no folder for temporary files"
    trap leave EXIT
    trap 'fail "broken off"' HUP INT TERM
    [ $run = no ] || trap : PIPE # that nobody reads is no fault
    if [ $run = yes ]; then
        mkdir -p "$COPIES" && exec 9>"$COPIES/.lock-$vmid" && flock -n 9 ||
            refuse "machine $vmid is being upgraded, or $COPIES cannot be written"
    fi
    replace_system 9>&- # the lock is this script's alone: what a command leaves running, such as kvm, would hold it on
    return 0             # also when nobody read the last line
}

replace_system() {
    check_image
    check_machine
    find_disk
    if qemu-img compare -q --image-opts "$(part "$(form_of "$image")" "$image" $SYSTEM $DATA)" \
        "$(part "$disk_form" "$disk" $SYSTEM $DATA ,file.force-share=on)" >/dev/null 2>&1; then
        say "machine $vmid has this system already; nothing is to be done"
        return
    fi
    before=""
    [ "$was" != running ] || before=$(version)
    check_room
    switch_off
    keep_copy
    write_system
    switch_on
}
