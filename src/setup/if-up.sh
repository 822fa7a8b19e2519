#!/bin/sh
# Made by `runbound --install`, replaced by the next, removed by --uninstall.
# ifupdown runs this for every interface that comes up: the pair becomes a port of the bridge whichever of the two comes
# last, and hardware steers queries for runbound to its first receive queue. `down`: the steering and the port of an Open vSwitch are
# taken back. `mac LINK`: the MAC of an end of the pair.
BRIDGE=@BRIDGE@
# The port's VLANs on a VLAN-aware bridge or an Open vSwitch, what becomes of their tags there, and all other VLANs.
VLANS="@VLANS@"
FLAGS="@FLAGS@"
OTHERS="@OTHERS@"
# Where the host itself may be in the same network.
HOSTS="@HOSTS@"
NICS="@NICS@"
ADDRESSES="@ADDRESSES@"
NET=/sys/class/net
# The links that were taken for cards of a mesh since the boot.
OPENED=/run/runbound.opened
PORT=veth-bnd
AGAIN="once that is mended: ifup --force veth-rb"

# ifupdown2 shows nobody what a hook says.
complain() {
    echo "runbound: $1" >&2
    ! command -v logger >/dev/null || logger -t runbound -- "$1"
}

# attempt LOSS FIX COMMAND...: runs it; when it fails, says what that costs, what it said and what to do.
attempt() {
    loss=$1 fix=$2
    shift 2
    said=$("$@" 2>&1) && return 0
    complain "$loss: $(printf %s "${said:-$1 failed}" | tr '\n' ' '); $fix"
    return 1
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

# mac LINK: one that is the same whenever the link is made, and no other host's: clients keep the one that they have learned. The
# port's is none of the least.
mac() {
    case $1 in veth-rb) first=02 ;; *) first=fe ;; esac
    { cat /etc/machine-id 2>/dev/null || hostname; echo "runbound $1"; } | sha256sum |
        sed "s/^\(..\)\(..\)\(..\)\(..\)\(..\).*/$first:\1:\2:\3:\4:\5/"
}

# announce: has the kernel tell the MAC of each address (arp_notify, ndisc_notify), which it does when a MAC is set.
announce() {
    for link in $NET/veth-rb $NET/veth-rb.*; do
        [ ! -e "$link" ] || ip link set dev "${link##*/}" address "$(cat "$link/address")"
    done
}

# A bridge takes the least MAC of its ports, too: this is none of the least.
fit_mac() {
    mac=$(cat $NET/$PORT/address)
    case $mac in fe:*) return 0 ;; esac
    attempt "$BRIDGE may take the MAC $mac of $PORT" "after that by hand: ip link set dev $PORT address fe:${mac#*:}" \
        ip link set dev $PORT address "fe:${mac#*:}"
}

fit_vlans() {
    for vlan in $VLANS; do
        attempt "$PORT is not in VLAN $vlan of $BRIDGE" "by hand: bridge vlan add dev $PORT vid $vlan $FLAGS" \
            bridge vlan add dev $PORT vid "$vlan" $FLAGS
    done
    for range in $OTHERS; do
        attempt "$PORT may be in the VLANs $range of $BRIDGE" "by hand: bridge vlan del dev $PORT vid $range" \
            bridge vlan del dev $PORT vid "$range"
    done
}

# A bridge of the kernel.
join_bridge() {
    if [ -n "$VLANS" ] && [ "$(cat "$NET/$BRIDGE/bridge/vlan_filtering")" != 1 ]; then
        complain "$BRIDGE is not VLAN-aware, $PORT stays out: write bridge-vlan-aware yes below iface $BRIDGE"
        return 1
    fi
    unplug
    fit_mac
    fit_mtu
    if [ ! -e "$NET/$BRIDGE/brif/$PORT" ]; then
        # Not for a moment in the VLAN that a new port is in.
        [ -z "$VLANS" ] || attempt "$PORT stays out of $BRIDGE, as it would be in its VLAN at first" "$AGAIN" \
            ip link set dev $PORT down || return 1
        attempt "$PORT is no port of $BRIDGE, no query comes to veth-rb" "$AGAIN" \
            ip link set dev $PORT master "$BRIDGE" || return 1
    fi
    fit_vlans
}

# switch COMMAND...: of Open vSwitch, which waits for its daemon.
switch() { ovs-vsctl --timeout=10 "$@"; }

# An Open vSwitch: the port and its VLANs come in one step, and stay in its database until unplug. One that another switch has is
# taken out there in the same step.
join_switch() {
    [ ! -e $NET/$PORT/brport ] || ip link set dev $PORT nomaster
    fit_mac
    fit_mtu
    list=$(echo $VLANS | tr ' ' ,)
    case $FLAGS,$VLANS in
        ,) set -- ;;
        ,*) set -- -- set port $PORT "trunks=$list" ;;
        *) set -- -- set port $PORT "tag=$list" ;;
    esac
    set -- --may-exist add-port "$BRIDGE" $PORT -- clear port $PORT tag trunks vlan_mode "$@"
    before=$(switch port-to-br $PORT 2>/dev/null)
    case $before in
        "" | "$BRIDGE") ;;
        *) set -- --if-exists del-port "$before" $PORT -- "$@" ;;
    esac
    attempt "$PORT is no port of $BRIDGE, no query comes to veth-rb" "$AGAIN" switch "$@"
}

# Out of the Open vSwitch of this pair, or of the one before.
unplug() {
    case $(readlink $NET/$PORT/master) in
        */ovs-system) ;;
        *) [ ! -e "$NET/$BRIDGE/bridge" ] && command -v ovs-vsctl >/dev/null || return 0 ;;
    esac
    attempt "$PORT may still be a port of an Open vSwitch" "by hand: ovs-vsctl --if-exists del-port $PORT" \
        switch --if-exists del-port $PORT
}

join() {
    [ -e $NET/$PORT ] && [ -e "$NET/$BRIDGE" ] || return 0
    if [ -e "$NET/$BRIDGE/bridge" ]; then
        join_bridge || return 0
    elif command -v ovs-vsctl >/dev/null; then
        join_switch || return 0
    else
        complain "$BRIDGE is no bridge, $PORT stays out"
        return 0
    fi
    attempt "$PORT is down, no query comes to veth-rb" "$AGAIN" ip link set dev $PORT up
    for link in $HOSTS; do quiet "$link"; done
}

# quiet LINK: it speaks ARP for its own addresses alone, or queries would come to it and never to veth-rb.
quiet() {
    [ -e "/proc/sys/net/ipv4/conf/$1" ] || return 0
    for setting in arp_ignore=1 arp_announce=2; do
        file=/proc/sys/net/ipv4/conf/$1/${setting%=*}
        attempt "queries may come to $1 and not to veth-rb" "by hand: sysctl -w net/ipv4/conf/$1/$setting" \
            sh -c 'echo "$1" >"$2"' sh "${setting#*=}" "$file"
    done
}

# A host in a routed mesh has an address that is of no network, a /32 on lo or a dummy; its neighbours ask for it at the cards, which
# have no network either. Those speak ARP for it, though links begin by speaking for themselves alone. A card that has its network
# later than its link is taken for one until then.
keep_mesh() {
    anchors=
    for link in lo $(ip -o link show type dummy | sed 's/^[0-9]*: \([^:@]*\).*/\1/'); do
        anchors="$anchors $(ip -o -4 address show dev "$link" | sed -n '/ inet 127\./d; s,.* inet \([0-9.]*/32\) .*,\1,p')"
    done
    case $anchors in *[0-9]*) ;; *) return 0 ;; esac
    for link in $NET/*; do
        link=${link##*/}
        case " lo $PORT $BRIDGE $HOSTS " in *" $link "*) continue ;; esac
        case $link in veth-rb*) continue ;; esac
        case $(ip -d -o link show dev "$link") in
            *" master "* | *NOARP* | *" bridge "* | *" tun "* | *" dummy "* | *" openvswitch "*) continue ;;
            # One that is down has its addresses to come.
            *[\<,]UP[,\>]*link/ether*) ;;
            *) continue ;;
        esac
        own=$(ip -o -4 address show dev "$link") lacks=
        if echo "$own" | grep -v ' inet .*/32 ' | grep -q ' inet '; then
            leave_mesh "$link"
            continue
        fi
        for anchor in $anchors; do
            case $own in *" inet $anchor "*) ;; *) lacks=1 ;; esac
        done
        [ -n "$lacks" ] || continue
        for setting in arp_ignore arp_announce; do
            file=/proc/sys/net/ipv4/conf/$link/$setting value=$(cat /proc/sys/net/ipv4/conf/default/$setting)
            [ "$value" != 0 ] && [ "$(cat "$file")" = "$value" ] || continue
            attempt "$link may not answer ARP for the host's address" "by hand: sysctl -w net/ipv4/conf/$link/$setting=0" \
                sh -c 'echo 0 >"$1"' sh "$file" && echo "$link" >>$OPENED
        done
    done
}

# leave_mesh LINK: it has a network of its own, and speaks for itself as others do, if it was keep_mesh that had it do otherwise.
leave_mesh() {
    grep -qxF "$1" $OPENED 2>/dev/null || return 0
    for setting in arp_ignore arp_announce; do
        file=/proc/sys/net/ipv4/conf/$1/$setting
        [ "$(cat "$file")" != 0 ] || cat /proc/sys/net/ipv4/conf/default/$setting >"$file"
    done
    sed -i "\\|^$1\$|d" $OPENED
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
        for number in $(rules "$1" "$address"); do
            attempt "$1 goes on steering $address" "by hand: ethtool -N $1 delete $number" ethtool -N "$1" delete "$number"
        done
    done
}

if [ "$1" = mac ]; then
    mac "$2"
    exit 0
fi
if [ "$1" = down ]; then
    for nic in $NICS; do unsteer "$nic"; done
    unplug
    exit 0
fi
case $IFACE in veth-rb | "$BRIDGE") join ;; esac
[ "$IFACE" != veth-rb ] || announce
for link in $HOSTS; do [ "$IFACE" != "$link" ] || quiet "$link"; done
keep_mesh
for nic in $NICS; do
    case $IFACE in veth-rb | "$nic") [ ! -e "$NET/$nic" ] || steer "$nic" ;; esac
done
exit 0
