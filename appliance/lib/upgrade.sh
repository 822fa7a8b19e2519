# shellcheck shell=bash
# shellcheck disable=SC2154,SC2015 # what is said and run is proxmox.sh's, which reads this file
#
# Another image over the system of an appliance's disk, with the data as they are: LVM, LVM-thin, ZFS, raw and qcow2 files.
#
# The disk is one for all: partition table, system, data (appliance/lib/images.py). A new disk beside the old one would have
# both with the label runbound-data, so the system's part is written over; qemu-img does that in every form of a disk,
# and refuses what another program has open. What was there is kept as an image like any other, so the way back is the same way.

SECTORS=2048                          # of 512 octets in a MiB
SYSTEM=1 BOOT=2 DATA=66 END=131       # where the parts begin, in MiB: BIOS boot, EFI system partition, data; the image's end
COPIES=${RUNBOUND_COPIES:-/var/lib/runbound}

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

# Whether a disk is laid out as the image is. It may be larger, and so may its data partition. Else $fault says why not.
is_ours() { # FORM PATH
    local found want label
    fault=$({ qemu-img convert -O raw --image-opts "$(part "$1" "$2" 0 1 ,file.force-share=on)" "$work/table" &&
        qemu-img convert -O raw --image-opts "$(part "$1" "$2" $DATA $((DATA + 1)) ,file.force-share=on)" "$work/data"; } 2>&1 |
        tail -n 1) && [ -z "$fault" ] || return 1
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
    config=$(qm config "$vmid" 2>&1) || refuse "machine $vmid: $config"
    ! grep -q '^template: 1' <<<"$config" ||
        refuse "machine $vmid is a template; make another one of the new image, by --template"
    lock=$(sed -n 's/^lock: //p' <<<"$config")
    [ -z "$lock" ] || refuse "machine $vmid is locked ($lock); wait for what does that, or: qm unlock $vmid"
    was=$(qm status "$vmid" | sed -n 's/^status: //p')
}

# The disk with the appliance's layout: its path and form.
find_disk() {
    local key value volume named="" looked=""
    while IFS=' ' read -r key value; do
        [[ $key =~ ^(scsi|virtio|sata|ide)[0-9]+:$ && $value != *media=cdrom* && $value != none* ]] || continue
        volume=${value%%,*}
        reach "$volume"
        form=$(form_of "$volume")
        if is_ours "$form" "$path"; then
            [ -z "$named" ] || refuse "machine $vmid has two disks of the appliance, $named and ${key%:}; detach one"
            named=${key%:} disk=$path disk_form=$form
        else
            looked+=" ${key%:}: $fault;"
        fi
    done <<<"$config"
    [ -n "$named" ] || refuse "machine $vmid has no disk of the appliance:${looked:- it has no disk} give the number of another"
    say "machine $vmid: $named is the appliance's, $disk ($disk_form)"
}

# The path of a volume that is there, as a file or a block device.
reach() { # VOLUME
    case $1 in /*) path=$1 ;; *) path=$(pvesm path "$1" 2>&1) || refuse "$1: $path" ;; esac
    [[ $path =~ ^[A-Za-z0-9_+:./@-]+$ ]] || refuse "$path: qemu-img does not take that path"
    is_lvm "$path" && [ $run = no ] && [ ! -e "$path" ] &&
        refuse "$1 is not active, since the machine is off; --run activates it, or by hand: lvchange -ay -K $path"
    activate "$path"
    [ -f "$path" ] || [ -b "$path" ] ||
        refuse "$1 is $path, no file and no block device of this host: LVM, ZFS and files can be upgraded"
}

# LVM takes away what no machine uses.
is_lvm() { [[ $1 == /dev/*/* && $1 != /dev/zvol/* ]]; }
activate() { # PATH
    [ -e "$1" ] || ! is_lvm "$1" || step lvchange -ay -K "$1"
}

version() { # what the server says to the guest agent
    qm guest exec "$vmid" --timeout 10 -- unbound-control status 2>/dev/null |
        sed -n 's/.*"out-data" *: *"version: \([^\\"]*\).*/\1/p'
}

# --- what is done --------------------------------------------------------------------------------------------------------

state="nothing was changed"
refuse() { die "$*"; }
fail() { printf 'proxmox.sh: %s; %s\n' "$1" "$state" >&2; exit 1; }
do_step() { step "$@" || fail "$1 failed"; }

# The old disk as an image that `upgrade` takes.
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
    say "the disk as it was: $copy; the way back, also when this is broken off: $way_back"
}

write_system() {
    local new old
    new=$(part "$(form_of "$image")" "$image" $SYSTEM $DATA) old=$(part "$disk_form" "$disk" $SYSTEM $DATA)
    state="the system on the disk is half written, do not start the machine; back: $way_back; or: $SELF upgrade $vmid $image --run"
    do_step qemu-img convert -n -t writeback --image-opts --target-image-opts "$new" "$old"
    do_step qemu-img compare -q --image-opts "$new" "$old"
    do_step qemu-img compare -q --image-opts "$(part qcow2 "$copy" $DATA $END)" "$(part "$disk_form" "$disk" $DATA $END)"
    do_step qemu-img compare -q --image-opts "$(part qcow2 "$copy" 0 $SYSTEM)" "$(part "$disk_form" "$disk" 0 $SYSTEM)"
    state="the new system is written, the machine is off: qm start $vmid; back: $way_back"
}

switch_off() {
    [ "$was" = running ] || return 0
    state="nothing was changed; if nothing runs in it that could hear it: qm stop $vmid, and once more"
    do_step qm shutdown "$vmid" --timeout 60 --keepActive 1
    do_step qm wait "$vmid" --timeout 120 # a machine that ha-manager keeps is switched off later
    state="nothing was written, the machine is off: qm start $vmid"
    activate "$disk"
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
    trap 'rm -rf "$work"' EXIT
    trap 'fail "broken off"' HUP INT TERM
    if [ $run = yes ]; then
        mkdir -p "$COPIES" && exec 9>"$COPIES/.lock-$vmid" && flock -n 9 ||
            refuse "machine $vmid is being upgraded, or $COPIES cannot be written"
    fi
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
    switch_off
    keep_copy
    write_system
    switch_on
}
