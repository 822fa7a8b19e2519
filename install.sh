#!/bin/bash
# Builds runbound and installs it, or shows it at work without installing anything.
#
#   ./install.sh          build, then `runbound --install`: program, unit, user and, if there is none, configuration
#                         (with --dry-run: only say what would be done; with --now: enable and start the service;
#                         with --address A/LEN --bridge BRIDGE [--vlan N] [--share-bridge] [--replace] [--no-probe] [--steer NIC]: a veth pair on the bridge, too)
#   ./install.sh --demo   build, then run it on AF_XDP in a throw-away pair of network namespaces until Ctrl-C
#                         (with --once, or without a terminal: show the answers and end)
#
# As root on Debian 12 or 13, or Proxmox VE 8 or 9. Packages that a build needs are installed when they are missing.
set -u
cd "$(dirname "$(readlink -f "$0")")" || exit 1
. tests/lib/deps.sh

BINARY=target/x86_64-unknown-linux-musl/release/runbound

usage() { sed -n '2,10s/^# \{0,1\}//p' install.sh; }
die() { say "install.sh: $*"; exit 1; }
misused() { { say "install.sh: $*"; usage; } >&2; exit 2; }

build() {
    [ "$(uname -m)" = x86_64 ] || die "this is $(uname -m); runbound is built for x86_64"
    build_deps "$PWD" || die "what a build needs is not there (see above)"
    say "building runbound (the first time takes a few minutes)"
    cargo build --locked -q --release || die "the build failed"
}

# --- the demonstration ---------------------------------------------------------------------------------------------

DEMO=rbdemo$$
CLIENT=$DEMO-client
SERVER=$DEMO-server
PIDS=""
FOLDER=""

demo_end() {
    trap - EXIT
    trap '' INT TERM HUP
    local pid
    for pid in $PIDS; do kill "$pid" 2>/dev/null; done
    for pid in $PIDS; do wait "$pid" 2>/dev/null; done
    ip netns del "$CLIENT" 2>/dev/null
    ip netns del "$SERVER" 2>/dev/null
    [ -z "$FOLDER" ] || rm -rf "$FOLDER"
    say "stopped; namespaces and files of the demonstration are gone"
}

demo_network() {
    ip netns add "$CLIENT" && ip netns add "$SERVER" || die "cannot make network namespaces"
    ip link add veth-c netns "$CLIENT" type veth peer name veth-rb netns "$SERVER" || die "cannot make a veth pair"
    ip -n "$SERVER" link set lo up
    ip -n "$CLIENT" address add 10.53.0.1/24 dev veth-c
    ip -n "$SERVER" address add 10.53.0.2/24 dev veth-rb
    ip -n "$CLIENT" address add fd53::1/64 dev veth-c nodad
    ip -n "$SERVER" address add fd53::2/64 dev veth-rb nodad
    ip -n "$CLIENT" link set veth-c up && ip -n "$SERVER" link set veth-rb up || die "cannot bring the veth pair up"
}

demo_configuration() {
    FOLDER=$(mktemp -d) || die "no temporary folder"
    cat >"$FOLDER/unbound.conf" <<CONF
server:
    interface: 10.53.0.2
    interface: fd53::2
    # The other end of the pair is in another namespace; that no frames of a VLAN come from there is known here alone.
    xdp-interface: veth-rb
    access-control: 10.53.0.0/24 allow
    access-control: fd53::/64 allow
    username: ""
    do-not-query-localhost: no
    local-zone: "home.lan." static
    local-data: "router.home.lan. 300 IN A 10.53.0.1"
    local-data: "router.home.lan. 300 IN AAAA fd53::1"
    local-data: "home.lan. 300 IN MX 10 router.home.lan."
    local-data: 'home.lan. 300 IN TXT "answered in the frame it came in"'
    local-zone: "ads.example." always_nxdomain
    root-hints: $FOLDER/root.hints
remote-control:
    control-enable: yes
    control-interface: $FOLDER/control
CONF
    printf '. 3600 IN NS a.root.demo.\na.root.demo. 3600 IN A 127.0.0.1\n' >"$FOLDER/root.hints"
    # The root server of the demonstration is a second runbound: the namespace has no way to the Internet's.
    cat >"$FOLDER/root.conf" <<CONF
server:
    interface: 127.0.0.1
    username: ""
    local-zone: "." static
    local-data: ". 3600 IN SOA a.root.demo. nobody.demo. 1 3600 900 604800 3600"
    local-data: ". 3600 IN NS a.root.demo."
    local-data: "a.root.demo. 3600 IN A 127.0.0.1"
    local-data: "www.example.org. 3600 IN A 192.0.2.80"
CONF
}

# demo_start NAME WORD...: starts a server in its namespace, waits at most ten seconds for its line `ready`
demo_start() {
    local name=$1 tries
    shift
    ip netns exec "$SERVER" "$PWD/$BINARY" "$@" -c "$FOLDER/$name.conf" >"$FOLDER/$name.log" 2>&1 &
    PIDS="$PIDS $!"
    for tries in $(seq 200); do
        grep -q ready "$FOLDER/$name.log" && return 0
        kill -0 $! 2>/dev/null || break
        sleep 0.05
    done
    cat "$FOLDER/$name.log" >&2
    die "runbound did not start (see above)"
}

ask() {
    printf '\n$ dig %s\n' "$*"
    ip netns exec "$CLIENT" dig +noall +answer +comments +nocookie +time=2 +tries=1 "$@" |
        sed -n '/status: /{s/.*status: \([A-Z]*\),.*/\1/p;d}; /^[^;]/p'
}

# The counters over the control socket (Unbound's protocol): perl is part of every Debian.
counter() {
    perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0) && connect(S, sockaddr_un($ARGV[0])) or die "$ARGV[0]: $!\n";
        syswrite S, "UBCT1 stats_noreset\n"; while (<S>) { print $1 if /^\Q$ARGV[1]\E=(.*)/ }' "$FOLDER/control" "$1"
}

demo() {
    demo_deps || die "what the demonstration needs is not there (see above)"
    trap demo_end EXIT
    trap 'exit 130' INT TERM HUP
    demo_configuration
    demo_network
    demo_start root --no-xdp
    demo_start unbound
    ask @10.53.0.2 router.home.lan A
    ask @fd53::2 router.home.lan AAAA
    ask @10.53.0.2 home.lan MX
    ask @10.53.0.2 home.lan TXT
    ask @10.53.0.2 nothing.home.lan A
    ask @10.53.0.2 tracker.ads.example A
    ask @10.53.0.2 www.example.org A
    ask @10.53.0.2 +tcp router.home.lan A
    printf '\nXDP mode on veth-rb: %s\n' "$(counter xdp.interface.veth-rb.mode)"
    printf 'questions that came over AF_XDP: %s, kernel UDP: %s, kernel TCP: %s\n' \
        "$(counter xdp.queries)" "$(counter xdp.kernel.udp.queries)" "$(counter xdp.kernel.tcp.queries)"
    if [ "$1" = once ] || [ ! -t 0 ] || [ ! -t 1 ]; then
        return 0
    fi
    printf '\nrunbound keeps running. Ask it from another terminal, as root:\n'
    printf '    ip netns exec %s dig @10.53.0.2 router.home.lan\nCtrl-C ends it and removes everything.\n' "$CLIENT"
    tail -f /dev/null &
    PIDS="$PIDS $!"
    wait $!
}

main() {
    local mode=install once="" words=()
    while [ $# -gt 0 ]; do
        case $1 in
            --demo) mode=demo ;;
            --once) once=once ;;
            --dry-run | --now | --share-bridge | --replace | --no-probe) words+=("$1") ;;
            --address | --bridge | --vlan | --steer)
                [ $# -ge 2 ] || misused "$1 wants a value behind it"
                words+=("$1" "$2")
                shift
                ;;
            -h | --help) usage; exit 0 ;;
            *) misused "$1 is no option of this script; \`runbound --help\` has those of the program" ;;
        esac
        shift
    done
    [ "$(id -u)" = 0 ] || die "run it as root"
    build
    if [ $mode = demo ]; then demo "$once"; else "$BINARY" --install "${words[@]}" || die "not installed (see above)"; fi
}

main "$@"
