#!/bin/sh
# Made by `runbound --install`, replaced by the next, removed by --uninstall.
# ifupdown runs this for every interface that comes up: the pair becomes a port of the bridge whichever of the two comes
# last, and hardware steers queries for runbound to its first receive queue. `down`: the steering is taken back.
BRIDGE=@BRIDGE@
# The port's VLANs on a VLAN-aware bridge, what becomes of their tags there, and all other VLANs.
VLANS="@VLANS@"
FLAGS="@FLAGS@"
OTHERS="@OTHERS@"
# Where the host itself may be in the same network.
HOSTS="@HOSTS@"
NICS="@NICS@"
ADDRESSES="@ADDRESSES@"
NET=/sys/class/net
PORT=veth-bnd

# ifupdown2 shows nobody what a hook says.
complain() {
    echo "runbound: $1" >&2
    ! command -v logger >/dev/null || logger -t runbound -- "$1"
}

# A bridge takes the least MTU of its ports, unless one was set: the port asks for no less than what is there without it.
fit_mtu() {
    mtu=$(cat "$NET/$BRIDGE/mtu") least=
    for port in "$NET/$BRIDGE"/brif/*; do
        port=${port##*/}
        [ "$port" != $PORT ] && [ -e "$NET/$port/mtu" ] || continue
        other=$(cat "$NET/$port/mtu")
        [ -n "$least" ] && [ "$least" -le "$other" ] || least=$other
    done
    [ "${least:-0}" -le "$mtu" ] || mtu=$least
    [ "$(cat $NET/$PORT/mtu)" = "$mtu" ] || ip link set dev $PORT mtu "$mtu" ||
        complain "$PORT cannot have the MTU $mtu: it holds that of $BRIDGE down"
}

# A bridge takes the least MAC of its ports, too: this is none of the least.
fit_mac() {
    mac=$(cat $NET/$PORT/address)
    case $mac in fe:*) ;; *) ip link set dev $PORT address "fe:${mac#*:}" ;; esac
}

fit_vlans() {
    for vlan in $VLANS; do bridge vlan add dev $PORT vid "$vlan" $FLAGS || complain "$PORT: VLAN $vlan is not set"; done
    for range in $OTHERS; do bridge vlan del dev $PORT vid "$range"; done
}

join() {
    [ -e $NET/$PORT ] && [ -e "$NET/$BRIDGE/bridge" ] || return 0
    if [ -n "$VLANS" ] && [ "$(cat "$NET/$BRIDGE/bridge/vlan_filtering")" != 1 ]; then
        complain "$BRIDGE is not VLAN-aware, $PORT stays out: write bridge-vlan-aware yes below iface $BRIDGE"
        return 0
    fi
    fit_mac
    fit_mtu
    if [ ! -e "$NET/$BRIDGE/brif/$PORT" ]; then
        # Not for a moment in the VLAN that a new port is in.
        [ -z "$VLANS" ] || ip link set dev $PORT down
        ip link set dev $PORT master "$BRIDGE"
    fi
    fit_vlans
    ip link set dev $PORT up
    for link in $HOSTS; do quiet "$link"; done
}

# quiet LINK: it speaks ARP for its own addresses alone, or queries would come to it and never to veth-rb.
quiet() {
    [ -e "/proc/sys/net/ipv4/conf/$1" ] || return 0
    echo 1 >"/proc/sys/net/ipv4/conf/$1/arp_ignore"
    echo 2 >"/proc/sys/net/ipv4/conf/$1/arp_announce"
}

# rules NIC ADDRESS: the numbers of the rules that steer the address.
rules() {
    ethtool -n "$1" 2>/dev/null | awk -v want="$2" '
        /^Filter:/ { number = $2; address = "" }
        /Dest IP addr:/ { address = $4 }
        /Dest port: 53 / && address == want { print number }'
}

steer() {
    ethtool -K "$1" ntuple on || complain "$1 has no ntuple filters; queries come in on all its queues"
    for address in $ADDRESSES; do
        [ -z "$(rules "$1" "$address")" ] || continue
        case $address in *:*) type=udp6 ;; *) type=udp4 ;; esac
        ethtool -N "$1" flow-type $type dst-ip "$address" dst-port 53 action 0 ||
            complain "$1 does not steer $address; queries for it come in on all its queues"
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
for link in $HOSTS; do [ "$IFACE" != "$link" ] || quiet "$link"; done
for nic in $NICS; do
    case $IFACE in veth-rb | "$nic") [ ! -e "$NET/$nic" ] || steer "$nic" ;; esac
done
exit 0
