#!/bin/bash
# Makes a virtual machine of the appliance on Proxmox VE, or upgrades one: prints the commands; with --run, on a Proxmox
# host, runs them.
#
#   appliance/proxmox.sh upgrade VMID [IMAGE] [--run]
#
# writes the system of IMAGE (target/appliance/runbound.qcow2) over that of the machine's disk; the configuration stays. It
# is to be run on the host, also without --run: it then looks and changes nothing.
#
#   appliance/proxmox.sh --vmid 900 --ip 192.168.10.250/24 --gw 192.168.10.1 --nameserver 9.9.9.9 [OPTION...] [--run]
#
#   --vmid N            number of the machine, 100 or more
#   --image FILE        the disk (default: target/appliance/runbound.qcow2)
#   --name NAME         its name and host name (runbound)
#   --storage NAME      where its disk and its cloud-init drive go (local-lvm)
#   --bridge NAME       the bridge of its network card (vmbr0)
#   --vlan N            VLAN tag on that bridge, 1 to 4094 (none)
#   --cores N           1 to 64 (2)
#   --queues N          queues of the network card, 1 to 64 (as many as cores)
#   --memory MB         192 or more, with ovmf 256 or more (512)
#   --ip ADDRESS        ADDRESS/LENGTH, or dhcp (dhcp)
#   --gw ADDRESS        IPv4 gateway
#   --ip6 ADDRESS       ADDRESS/LENGTH, auto or dhcp (auto)
#   --gw6 ADDRESS       IPv6 gateway
#   --nameserver LIST   addresses to forward to, with commas; never the machine's own. Without it Proxmox takes the host's
#   --bios KIND         seabios, or ovmf: UEFI with secure boot (seabios)
#   --mtu N             1: as the bridge's; or 576 to 65520, the bridge's at most (Proxmox's default)
#   --firewall          Proxmox's firewall before it: in come DNS and ping, and DHCP where it is to ask by that
#   --ha                keep it up by ha-manager; its storage must be there on every node it may go to
#   --ha-nodes LIST     NODE or NODE:PRIORITY, with commas: where it is to be (with --ha)
#   --template          make a template instead of a machine: without addresses, for `qm clone`
#   --start             start it at the end
#   --run               run the commands; without it they are only printed
# shellcheck disable=SC2015,SC2016  # A && B || die dies when either fails; backquotes in messages are for people
set -u
export LC_ALL=C # a locale that ssh brought and the host has not makes every Perl program warn
SELF=$(readlink -f "$0")
# shellcheck source=appliance/lib/upgrade.sh
. "$(dirname "$SELF")/lib/upgrade.sh"

die() { printf 'proxmox.sh: %s\n' "$*" >&2; exit 2; }
say() { printf 'proxmox.sh: %s\n' "$*" >&2; }
usage() { sed -n '2,/^# shellcheck/{/^# shellcheck/d;s/^# \{0,1\}//p}' "$SELF"; }

# --- checks: each dies with the option's name ------------------------------------------------------------------------

number() { # OPTION VALUE LEAST MOST
    [[ $2 =~ ^[1-9][0-9]{0,8}$ ]] && [ "$2" -ge "$3" ] && [ "$2" -le "$4" ] || die "$1 $2: a number from $3 to $4 is wanted"
}
word() { [[ $2 =~ ^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$ ]] || die "$1 $2: letters, digits, '.', '_' and '-' only"; }
host_name() { [[ ${#2} -le 63 && $2 =~ ^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$ ]] || die "$1 $2: not a host name"; }

is_ip4() {
    local octet octets
    [[ $1 =~ ^[0-9]{1,3}(\.[0-9]{1,3}){3}$ ]] || return 1
    IFS=. read -ra octets <<<"$1"
    for octet in "${octets[@]}"; do [ "$((10#$octet))" -le 255 ] || return 1; done
}

is_ip6() { # the form only: up to eight groups, at most one `::`
    local text=$1 groups
    [[ $text =~ ^[0-9A-Fa-f:]+$ && $text == *:* && $text != *:::* && ! $text =~ ::.*:: ]] || return 1
    [[ $text =~ (^|:)[0-9A-Fa-f]{5} || $text =~ ^:[^:] || $text =~ [^:]:$ ]] && return 1
    groups=$(tr ':' '\n' <<<"$text" | grep -c .)
    if [[ $text == *::* ]]; then [ "$groups" -le 7 ]; else [ "$groups" -eq 8 ]; fi
}

address() { is_ip4 "$2" || is_ip6 "$2" || die "$1 $2: not an address"; }
prefix() { # OPTION VALUE FAMILY MOST
    [[ $2 == */* ]] && "is_ip$3" "${2%/*}" && [[ ${2#*/} =~ ^[1-9][0-9]{0,2}$ ]] && [ "${2#*/}" -le "$4" ] ||
        die "$1 $2: ADDRESS/LENGTH of IPv$3 is wanted"
}

# --- the commands ------------------------------------------------------------------------------------------------------

run=no
# Prints a command, and runs it with --run.
step() {
    local word text=""
    for word in "$@"; do
        if [[ $word =~ ^[A-Za-z0-9_+=:,./@-]+$ ]]; then text+=" $word"; else text+=" $(printf %q "$word")"; fi
    done
    printf '%s\n' "${text# }"
    [ $run = no ] || "$@"
}

undo="" # what takes back what was made so far
make_step() {
    step "$@" && return
    say "\`$1 $2\` failed${undo:+; \`$undo\` takes back what was made}"
    exit 1
}

make() {
    local net="virtio,bridge=$bridge,queues=$queues" ipconfig="ip=$ip" firmware=(--bios seabios)
    [ -z "$vlan" ] || net+=",tag=$vlan"
    [ -z "$mtu" ] || net+=",mtu=$mtu"
    [ $firewall = no ] || net+=",firewall=1"
    [ -z "$gw" ] || ipconfig+=",gw=$gw"
    ipconfig+=",ip6=$ip6"
    [ -z "$gw6" ] || ipconfig+=",gw6=$gw6"
    [ "$bios" = seabios ] || firmware=(--bios ovmf --machine q35 --efidisk0 "$storage:0,efitype=4m,pre-enrolled-keys=1")
    make_step qm create "$vmid" --name "$name" --ostype l26 --cpu host --cores "$cores" --memory "$memory" --net0 "$net" \
        --scsihw virtio-scsi-pci --serial0 socket --vga std --agent enabled=1 --rng0 source=/dev/urandom \
        --watchdog model=i6300esb,action=reset --onboot 1 "${firmware[@]}"
    undo="qm destroy $vmid"
    make_step qm set "$vmid" --scsi0 "$storage:0,import-from=$image,discard=on"
    make_step qm set "$vmid" --ide2 "$storage:cloudinit"
    make_step qm set "$vmid" --boot order=scsi0
    make_step qm set "$vmid" --ipconfig0 "$ipconfig"
    [ -z "$nameserver" ] || make_step qm set "$vmid" --nameserver "${nameserver//,/ }"
    [ $firewall = no ] || protect
    [ $template = no ] || make_step qm template "$vmid"
    if [ $ha = yes ]; then
        keep_up
    elif [ $start = yes ]; then
        make_step qm start "$vmid"
    fi
}

# The firewall's rules are there before the machine is.
protect() {
    local firewall_of="/nodes/localhost/qemu/$vmid/firewall" dhcp=0 macro
    [ "$ip" != dhcp ] && [ "$ip6" != dhcp ] || dhcp=1
    for macro in DNS Ping; do
        make_step pvesh create "$firewall_of/rules" --type in --action ACCEPT --macro $macro --enable 1
    done
    # Out goes everything, since it asks whomever its configuration names; ndp lets neighbours and routers be heard.
    make_step pvesh set "$firewall_of/options" --enable 1 --policy_in DROP --policy_out ACCEPT --ndp 1 --dhcp $dhcp
}

# Proxmox VE 9 says by a rule where a machine is to be, 8 by a group.
keep_up() {
    local state=stopped name="runbound-$vmid" major
    [ $start = no ] || state=started
    major=$(pveversion 2>/dev/null | sed -n 's|^pve-manager/\([0-9]*\).*|\1|p')
    if [ -z "$ha_nodes" ]; then
        make_step ha-manager add "vm:$vmid" --state $state
    elif [ "${major:-9}" -ge 9 ]; then
        make_step ha-manager add "vm:$vmid" --state $state
        undo="ha-manager remove vm:$vmid; $undo"
        make_step ha-manager rules add node-affinity "$name" --resources "vm:$vmid" --nodes "$ha_nodes"
    else
        make_step ha-manager groupadd "$name" --nodes "$ha_nodes"
        undo="ha-manager groupremove $name; $undo"
        make_step ha-manager add "vm:$vmid" --group "$name" --state $state
    fi
}

check() {
    local server servers
    [ -n "$vmid" ] || die "--vmid is missing (--help shows all options)"
    number --vmid "$vmid" 100 999999999
    number --cores "$cores" 1 64
    number --queues "$queues" 1 64
    # The firmware of secure boot takes so much that with less the kernel finds no room to unpack itself.
    if [ "$bios" = ovmf ]; then number --memory "$memory" 256 4194304; else number --memory "$memory" 192 4194304; fi
    [ -z "$vlan" ] || number --vlan "$vlan" 1 4094
    [ -z "$mtu" ] || [ "$mtu" = 1 ] || number --mtu "$mtu" 576 65520
    [ -z "$ha_nodes" ] || [ $ha = yes ] || die "--ha-nodes $ha_nodes: it goes with --ha"
    [[ $ha_nodes =~ ^([A-Za-z0-9][A-Za-z0-9-]*(:[0-9]{1,4})?(,|$))*$ && $ha_nodes != *, ]] ||
        die "--ha-nodes $ha_nodes: NODE or NODE:PRIORITY, with commas, is wanted"
    if [ $template = yes ]; then
        [ $start = no ] && [ $ha = no ] || die "--template: a template is never started; give --start and --ha to its clones"
        [[ $ip != */* && $ip6 != */* ]] ||
            die "--template: all clones would have that address; set it in each: qm set CLONE --ipconfig0"
    fi
    host_name --name "$name"
    word --storage "$storage"
    word --bridge "$bridge"
    [ "$ip" = dhcp ] || prefix --ip "$ip" 4 32
    [ "$ip6" = auto ] || [ "$ip6" = dhcp ] || prefix --ip6 "$ip6" 6 128
    [ -z "$gw" ] || { [ "$ip" != dhcp ] && is_ip4 "$gw"; } ||
        die "--gw $gw: an IPv4 address beside --ip ADDRESS/LENGTH is wanted"
    [ -z "$gw6" ] || { [[ $ip6 == */* ]] && is_ip6 "$gw6"; } ||
        die "--gw6 $gw6: an IPv6 address beside --ip6 ADDRESS/LENGTH is wanted"
    IFS=, read -ra servers <<<"$nameserver"
    for server in "${servers[@]}"; do
        address --nameserver "$server"
        [ "$server" != "${ip%/*}" ] && [ "$server" != "${ip6%/*}" ] || die "--nameserver $server: that is the machine itself"
    done
    case $bios in seabios | ovmf) ;; *) die "--bios $bios: seabios or ovmf is wanted" ;; esac
    [[ $image != *[,$'\n']* ]] || die "--image $image: Proxmox takes no comma in it"
    if [ $run = yes ]; then
        command -v qm >/dev/null || die "no qm here: --run works on a Proxmox host; without it the commands are printed"
        [ $firewall = no ] || command -v pvesh >/dev/null || die "no pvesh here: --firewall needs it"
        [ $ha = no ] || command -v ha-manager >/dev/null || die "no ha-manager here: --ha needs it"
        [ -f "$image" ] || die "--image $image: no such file; appliance/build makes it"
        ! qm status "$vmid" >/dev/null 2>&1 || die "--vmid $vmid: that machine exists"
    fi
}

main() {
    local word
    vmid="" name=runbound storage=local-lvm bridge=vmbr0 vlan="" cores=2 queues="" memory=512 start=no bios=seabios
    mtu="" firewall=no ha=no ha_nodes="" template=no
    ip=dhcp gw="" ip6=auto gw6="" nameserver="" image="$(dirname "$SELF")/../target/appliance/runbound.qcow2"
    if [ "${1:-}" = upgrade ]; then
        shift
        upgrade "$@"
        return
    fi
    while [ $# -gt 0 ]; do
        case $1 in
            --run | --start | --firewall | --ha | --template) declare -g "${1#--}=yes" ;;
            --vmid | --name | --storage | --bridge | --vlan | --cores | --queues | --memory | --ip | --gw | --ip6 | --gw6 | \
                --nameserver | --image | --bios | --mtu | --ha-nodes)
                [ $# -ge 2 ] && [ -n "$2" ] || die "$1 wants a value"
                word=${1#--}
                declare -g "${word//-/_}=$2"
                shift
                ;;
            -h | --help) usage; exit 0 ;;
            *) die "unknown option $1 (--help shows all)" ;;
        esac
        shift
    done
    queues=${queues:-$cores}
    image=$(readlink -m "$image")
    check
    make
}

main "$@"
