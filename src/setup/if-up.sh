#!/bin/sh
# Made by `runbound --install`, replaced by the next, removed by --uninstall.
# ifupdown runs this for every interface that comes up: the pair becomes a port of the bridge whichever of the two comes
# last, and hardware steers queries for runbound to its first receive queue. `down`: the steering is taken back.
BRIDGE=@BRIDGE@
NICS="@NICS@"
ADDRESSES="@ADDRESSES@"

join() {
    [ -e /sys/class/net/veth-bnd ] && [ -e "/sys/class/net/$BRIDGE/bridge" ] || return 0
    ip link set dev veth-bnd master "$BRIDGE" up
    # The bridge speaks ARP for its own address alone, or queries would come to it and never to veth-rb.
    echo 1 >"/proc/sys/net/ipv4/conf/$BRIDGE/arp_ignore"
    echo 2 >"/proc/sys/net/ipv4/conf/$BRIDGE/arp_announce"
}

# rules NIC ADDRESS: the numbers of the rules that steer the address.
rules() {
    ethtool -n "$1" 2>/dev/null | awk -v want="$2" '
        /^Filter:/ { number = $2; address = "" }
        /Dest IP addr:/ { address = $4 }
        /Dest port: 53 / && address == want { print number }'
}

steer() {
    ethtool -K "$1" ntuple on || echo "runbound: $1 has no ntuple filters; queries come in on all its queues" >&2
    for address in $ADDRESSES; do
        [ -z "$(rules "$1" "$address")" ] || continue
        case $address in *:*) type=udp6 ;; *) type=udp4 ;; esac
        ethtool -N "$1" flow-type $type dst-ip "$address" dst-port 53 action 0 ||
            echo "runbound: $1 does not steer $address; queries for it come in on all its queues" >&2
    done
}

unsteer() {
    for address in $ADDRESSES; do
        for number in $(rules "$1" "$address"); do ethtool -N "$1" delete "$number"; done
    done
}

if [ "$1" = down ]; then
    for nic in $NICS; do unsteer "$nic"; done
    exit 0
fi
case $IFACE in veth-rb | "$BRIDGE") join ;; esac
for nic in $NICS; do
    case $IFACE in veth-rb | "$nic") [ ! -e "/sys/class/net/$nic" ] || steer "$nic" ;; esac
done
exit 0
