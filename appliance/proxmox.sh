#!/bin/bash
# Makes a virtual machine of the appliance on Proxmox VE: prints the `qm` commands; with --run, on a Proxmox host, runs
# them.
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
#   --start             start it at the end
#   --run               run the commands; without it they are only printed
set -u
SELF=$(readlink -f "$0")

die() { printf 'proxmox.sh: %s\n' "$*" >&2; exit 2; }
usage() { sed -n '2,/^set -u/{/^set -u/d;s/^# \{0,1\}//p}' "$SELF"; }

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
qm_do() {
    local word
    printf 'qm'
    for word in "$@"; do
        if [[ $word =~ ^[A-Za-z0-9_+=:,./-]+$ ]]; then printf ' %s' "$word"; else printf ' %q' "$word"; fi
    done
    printf '\n'
    [ $run = no ] || qm "$@" && return
    printf 'proxmox.sh: that failed; `qm destroy %s` takes back what was made\n' "$vmid" >&2
    exit 1
}

make() {
    local net="virtio,bridge=$bridge,queues=$queues" ipconfig="ip=$ip" firmware=(--bios seabios)
    [ -z "$vlan" ] || net+=",tag=$vlan"
    [ -z "$gw" ] || ipconfig+=",gw=$gw"
    ipconfig+=",ip6=$ip6"
    [ -z "$gw6" ] || ipconfig+=",gw6=$gw6"
    [ "$bios" = seabios ] || firmware=(--bios ovmf --machine q35 --efidisk0 "$storage:0,efitype=4m,pre-enrolled-keys=1")
    qm_do create "$vmid" --name "$name" --ostype l26 --cpu host --cores "$cores" --memory "$memory" --net0 "$net" \
        --scsihw virtio-scsi-pci --serial0 socket --vga std --agent enabled=1 --rng0 source=/dev/urandom \
        --watchdog model=i6300esb,action=reset --onboot 1 "${firmware[@]}"
    qm_do set "$vmid" --scsi0 "$storage:0,import-from=$image,discard=on"
    qm_do set "$vmid" --ide2 "$storage:cloudinit"
    qm_do set "$vmid" --boot order=scsi0
    qm_do set "$vmid" --ipconfig0 "$ipconfig"
    [ -z "$nameserver" ] || qm_do set "$vmid" --nameserver "${nameserver//,/ }"
    [ $start = no ] || qm_do start "$vmid"
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
        [ -f "$image" ] || die "--image $image: no such file; appliance/build makes it"
        ! qm status "$vmid" >/dev/null 2>&1 || die "--vmid $vmid: that machine exists"
    fi
}

main() {
    vmid="" name=runbound storage=local-lvm bridge=vmbr0 vlan="" cores=2 queues="" memory=512 start=no bios=seabios
    ip=dhcp gw="" ip6=auto gw6="" nameserver="" image="$(dirname "$SELF")/../target/appliance/runbound.qcow2"
    while [ $# -gt 0 ]; do
        case $1 in
            --run | --start) declare -g "${1#--}=yes" ;;
            --vmid | --name | --storage | --bridge | --vlan | --cores | --queues | --memory | --ip | --gw | --ip6 | --gw6 | \
                --nameserver | --image | --bios)
                [ $# -ge 2 ] && [ -n "$2" ] || die "$1 wants a value"
                declare -g "${1#--}=$2"
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
