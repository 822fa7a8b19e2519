"""The networks of a Proxmox host that are no plain bridges: VLAN zones and a simple zone of the SDN, and an Open vSwitch.

/etc/network/interfaces.d/sdn is what Proxmox would write there, and Debian's ifupdown2 makes it so. At each place the address
first stands on the interface that is there, and the printed commands bring it to a veth pair; then `--install` does, and its
pair outlives `ifreload -a`.
"""

import re

import topology

MODULES = ("openvswitch", "vxlan")
SOME, LEAST = 1_000, 990
PORTS = ("port0", "port1", "port2")
VLANS = {10: "far0", 20: "far1", 40: "far2", 50: "far2"}  # the clients' ends of the ports
SDN = "/etc/network/interfaces.d/sdn"
INTERFACES = """auto lo
iface lo inet loopback

iface port0 inet manual

iface port1 inet manual

auto vmbr0
iface vmbr0 inet static
    address 192.168.1.201/24
    bridge-ports port0
    bridge-stp off
    bridge-fd 0
    bridge-vlan-aware yes
    bridge-vids 2-4094

auto vmbr1
iface vmbr1 inet manual
    bridge-ports port1
    bridge-stp off
    bridge-fd 0

auto port2
iface port2 inet manual
    ovs_type OVSPort
    ovs_bridge vmbr2

auto vlan40
iface vlan40 inet static
    address 192.168.40.201/24
    ovs_type OVSIntPort
    ovs_bridge vmbr2
    ovs_options tag=40

auto vmbr2
iface vmbr2 inet manual
    ovs_type OVSBridge
    ovs_ports port2 vlan40

source /etc/network/interfaces.d/*
"""
# Vnets 1 and 2 are of VLAN zones on vmbr0 and vmbr1, 3 is of a simple zone, 5 of a VLAN zone on the Open vSwitch, 6 of one of
# VXLAN.
ZONES = """#version:7

auto ln_vnet2
iface ln_vnet2
\tlink-type veth
\tveth-peer-name pr_vnet2

auto ln_vnet5
iface ln_vnet5
\tovs_type OVSIntPort
\tovs_bridge vmbr2
\tovs_options tag=50

auto pr_vnet2
iface pr_vnet2
\tlink-type veth
\tveth-peer-name ln_vnet2

auto vmbr1v20
iface vmbr1v20
\tbridge_ports  port1.20 pr_vnet2
\tbridge_stp off
\tbridge_fd 0

auto vmbr2
iface vmbr2
\tovs_ports ln_vnet5

auto vnet1
iface vnet1
\tbridge_ports vmbr0.10
\tbridge_stp off
\tbridge_fd 0

auto vnet2
iface vnet2
\tbridge_ports ln_vnet2
\tbridge_stp off
\tbridge_fd 0

auto vnet3
iface vnet3
\taddress 192.168.30.1/24
\tbridge_ports none
\tbridge_stp off
\tbridge_fd 0
\tip-forward on

auto vnet5
iface vnet5
\tbridge_ports ln_vnet5
\tbridge_stp off
\tbridge_fd 0

auto vnet6
iface vnet6
\tbridge_ports vxlan_vnet6
\tbridge_stp off
\tbridge_fd 0
\tmtu 1450

auto vxlan_vnet6
iface vxlan_vnet6
\tvxlan-id 600
\tvxlan_remoteip 192.168.1.202
\tmtu 1450
"""
# What the SDN adds when a vnet is made.
ANOTHER = """
auto vnet4
iface vnet4
\tbridge_ports vmbr0.60
\tbridge_stp off
\tbridge_fd 0
"""
# A guest of the simple zone, as its tap would be. Proxmox' ifupdown2 leaves taps in at `ifreload -a`, Debian's takes it out.
GUEST = """ip link show tap3 >/dev/null 2>&1 || ip link add tap3 type veth peer name guest3 netns far
ip link set tap3 master vnet3 up
ip -n far link set guest3 up
ip -n far address replace 192.168.30.9/24 dev guest3
"""


class Place:
    """A bridge for the pair. `carrier`: where the address stands at first, `below` and `behind`: the chain from there and from the
    pair; `words`: of --install, if that is tried there; `gateway`: the carrier keeps its address."""

    def __init__(self, vlan, carrier, below, behind, words, gateway=False):
        self.network, self.carrier, self.below, self.behind, self.words = f"192.168.{vlan}", carrier, below, behind, words
        self.gateway, self.address = gateway, f"192.168.{vlan}.{1 if gateway else 250}"


SWITCH = "ovs-system (Open vSwitch)"
PLACES = [
    Place(10, "vnet1", "vnet1 → vmbr0.10 → vmbr0", "vnet1 → vmbr0.10 → vmbr0", "--bridge vnet1"),
    Place(20, "vnet2", "vnet2 → ln_vnet2 ⇄ pr_vnet2 → vmbr1v20 → port1.20 → port1 ⇄ (another network namespace)",
          "vnet2 → ln_vnet2 ⇄ pr_vnet2 → vmbr1v20 → port1.20 → port1 ⇄ (another network namespace)", "--bridge vnet2"),
    Place(30, "vnet3", "vnet3", "vnet3", "--bridge vnet3", gateway=True),
    Place(40, "vlan40", "vlan40 (Open vSwitch)", SWITCH, "--bridge vmbr2 --vlan 40"),
    Place(50, "vnet5", "vnet5 → ln_vnet5 (Open vSwitch)", "vnet5 → ln_vnet5 (Open vSwitch)", "--bridge vnet5"),
    Place(70, "vmbr2", "vmbr2 (Open vSwitch)", SWITCH, None),
]


class Host(topology.Field):
    """The machine itself as the server's, and its clients in the namespace `far`."""

    def __init__(self, guest):
        self.guest = guest

    def findings(self, path, ns="host", wrap="", program="/test/runbound"):
        return super().findings(path, ns, wrap, program)

    def serve(self, ns="host", name="runbound", options="", wrap="", program="/test/runbound", **configuration):
        return super().serve(ns, name, options, wrap, program, **configuration)


def install_beside(place):
    """What a Proxmox host is advised: another address, N, at the bridge that is there, or at the switch."""
    if not place.below.startswith(f"{place.carrier} (Open vSwitch)"):
        return f"runbound --install --address N/24 --bridge {place.carrier} --now"
    vsctl, name = "ovs-vsctl --timeout=10", place.carrier
    tag = f"$({vsctl} get port {name} tag | sed -n 's/^[0-9][0-9]*$/--vlan &/p')"
    return f"runbound --install --address N/24 --bridge $({vsctl} iface-to-br {name} 2>/dev/null || echo {name}) {tag} --share-bridge --now"


def prepare(guest):
    """The far side, the daemons of Open vSwitch, and the files with what they make."""
    script = "ln -sf /test/ask /usr/bin/ask; mkdir -p /etc/pve /etc/iproute2/rt_tables.d; ip netns add far; ip netns attach host 1\n"
    for number, port in enumerate(PORTS):
        script += f"ip link add far{number} netns far type veth peer name {port}; ip -n far link set far{number} up\n"
    for vlan, end in VLANS.items():
        name = f"{end}.{vlan}"
        script += (f"ip -n far link add link {end} name {name} type vlan id {vlan}; ip -n far link set {name} up\n"
                   f"ip -n far address add 192.168.{vlan}.9/24 dev {name}\n")
    script += "ip -n far address add 192.168.70.9/24 dev far2\n"
    guest.sh(script, 120)
    guest.sh("systemctl start openvswitch-switch", 120)
    guest.write("/etc/network/interfaces", INTERFACES)
    guest.write(SDN, ZONES)
    guest.sh("ifreload -a", 300)
    guest.sh(GUEST)


def told(findings, *names):
    """The findings of those names."""
    return [found for found in findings if found["name"] in names]


def to_mend(findings):
    """Those that want something mended."""
    return [found for found in findings if found["level"] in ("warn", "fail")]


def asked(check, where, ask, counters, on_xdp, log):
    """All are answered, and on AF_XDP or by kernel sockets as is promised. A queue proves itself on one question first."""
    ask(64)
    before = counters()
    tally = ask(SOME)
    got = counters() - before
    print(f"{where}: {tally.text}; {got} on AF_XDP", flush=True)
    check.check(tally.complete(), f"{where}: {SOME} of {SOME} answered", f"{tally.text}\n{log()}")
    good = got >= LEAST if on_xdp else got == 0
    check.check(good, f"{where}: {f'{LEAST} on AF_XDP' if on_xdp else 'by kernel sockets'}", f"{got} of {SOME}\n{log()}")


def served(host, check, place, where, on_xdp):
    """A server of its own at the address."""
    server = host.serve(address=place.address, extra=f"access-control: {place.network}.0/24 allow")
    host.forget_neighbours()
    asked(check, where, lambda count: host.ask(count, server=place.address),
          lambda: server.counters()["xdp.queries"], on_xdp, server.log)
    server.stop()


def by_hand(host, check, place):
    """The address on the interface that is there, then on the pair that the printed commands make."""
    if not place.gateway:
        host.on_host(f"ip address add {place.address}/24 dev {place.carrier}")
    config = host.configure("runbound", address=place.address)
    findings = host.findings(config)
    check.equal([found["text"] for found in told(findings, "topology")], [f"{place.address}: {place.below}"],
                f"{place.carrier}: the chain is printed")
    support = told(findings, "xdp-support")
    served(host, check, place, place.carrier, False)
    good = check.check(len(support) == 1 and support[0]["level"] == "warn" and support[0].get("fix"),
                       f"{place.carrier}: no native XDP, and what to do", support)
    if good:
        check.equal(support[0]["fix"], install_beside(place), f"{place.carrier}: the address stays, another is advised")
    if place.gateway:
        return
    # Elsewhere the address itself is moved.
    host.guest.sh("mv /etc/pve /etc/pve.away")
    support = told(host.findings(config), "xdp-support")
    host.guest.sh("mv /etc/pve.away /etc/pve")
    if good:
        host.on_host(support[0]["fix"])
        where = f"{place.carrier}, moved as printed"
        silent(host, check, config, where)
        chain = f"{place.address}: veth-rb ⇄ veth-bnd → {place.behind}"
        check.equal([found["text"] for found in told(host.findings(config), "topology")], [chain], f"{where}: the chain")
        served(host, check, place, where, True)
    host.on_host("ovs-vsctl --timeout=10 --if-exists del-port veth-bnd; ip link del veth-rb")


def silent(host, check, config, where):
    """The fixes of whatever is left are run; then nothing is to be mended."""
    left = to_mend(host.findings(config))
    names = {found["name"] for found in left}
    check.check(names <= {"arp-flux", "arp-later"}, f"{where}: at most who else speaks ARP is named", left)
    host.on_host("\n".join(found["fix"] for found in left))
    check.equal(to_mend(host.findings(config)), [], f"{where}: nothing to mend")


def install(host, check, place):
    """--install --now in place of the pair that was there before."""
    guest, address = host.guest, f"{place.network}.250"
    # As the finding printed it, a free address for N.
    words = install_beside(place).replace(" N/", f" {address}/") + " --replace"
    status, output = guest.run(f"/test/{words}", 120)
    check.check(status == 0, f"{words}: --install {place.words}", output)
    serve(guest, place)
    findings = host.findings("/etc/runbound/unbound.conf")
    chain = f"{address}: veth-rb ⇄ veth-bnd → {place.behind}"
    check.equal([found["text"] for found in told(findings, "topology")], [chain], f"--install {place.words}: the chain")
    network = [found for found in to_mend(findings) if found["name"] in ("arp-flux", "arp-later", "xdp-support", "bridge-vlan", "mtu",
                                                                       "rp-filter", "other-segment", "vlan-tags")]
    check.equal(network, [], f"--install {place.words}: nothing to mend of the network")
    answers(host, check, place, f"--install {place.words}")


def answers(host, check, place, where):
    """The installed server answers on AF_XDP."""
    def counters():
        output = host.guest.sh("ask --control /run/runbound/control stats_noreset")
        return int(re.search(r"^xdp\.queries=(\d+)", output, re.M).group(1))

    def ask(count):
        words = f"--count {count} --answer 127.0.0.1 --timeout 5000 {place.network}.250 localhost."
        return topology.Tally(host.guest.run(f"ip netns exec far ask {words}", 300)[1])
    host.forget_neighbours()
    asked(check, where, ask, counters, True, lambda: host.guest.run("journalctl -u runbound -t runbound -n 40 --no-pager -o cat")[1])


def reloaded(host, check, place, where):
    """ifreload -a leaves the pair in, or brings it back."""
    status, output = host.guest.run("ifreload -a", 300)
    check.check("veth-" not in output, f"{where}: no complaint", (status, output))
    host.guest.sh(GUEST)
    answers(host, check, place, where)


def of_installed(host, name):
    """The findings of a name about the installed server."""
    return told(host.findings("/etc/runbound/unbound.conf"), name)


def wrong_tag(host, check):
    """Another tag than the network has is named, and the printed command mends it."""
    host.on_host("ovs-vsctl --timeout=10 set port veth-bnd tag=41")
    wrong = of_installed(host, "bridge-vlan")
    good = len(wrong) == 1 and wrong[0]["level"] == "warn" and "veth-bnd has tag=41" in wrong[0]["text"] and "in VLAN 40" in wrong[0]["text"]
    if check.check(good, "a wrong tag is named, and that of the network", wrong):
        host.on_host("PATH=$PATH:/usr/local/bin\n" + wrong[0]["fix"])
    check.equal([one["level"] for one in of_installed(host, "bridge-vlan")], ["ok"], "the printed command sets the right one")


def firewall(host, check, place):
    """What Proxmox' firewall of the host would drop is told from its files, until a rule lets it in."""
    check.equal(of_installed(host, "host-firewall"), [], "no firewall is on")
    host.guest.sh("mkdir -p /etc/pve/firewall /etc/pve/nodes/pve1; ln -sfn nodes/pve1 /etc/pve/local")
    host.guest.write("/etc/pve/firewall/cluster.fw", "[OPTIONS]\n\nenable: 1\n\n[RULES]\n\nIN SSH(ACCEPT)\n")
    closed = of_installed(host, "host-firewall")
    rule = f"IN DNS(ACCEPT) -dest {place.network}.250"
    check.check(len(closed) == 1 and closed[0]["level"] == "warn" and rule in closed[0]["text"], "the rule that is missing is named", closed)
    host.guest.write("/etc/pve/local/host.fw", f"[RULES]\n\n{rule}\n")
    check.equal([one["level"] for one in of_installed(host, "host-firewall")], ["ok"], "with that rule queries come in")
    host.guest.sh("rm -r /etc/pve/firewall /etc/pve/nodes /etc/pve/local")


def trunk(host, check):
    """Two VLANs on one pair at the Open vSwitch."""
    guest, switch = host.guest, PLACES[3]
    words = "--address 192.168.40.250/24 --vlan 40 --address 192.168.50.250/24 --vlan 50 --bridge vmbr2 --replace"
    status, output = guest.run(f"/test/runbound --install {words} --now", 120)
    check.check(status == 0, f"--install {words}", output)
    serve(guest, switch)
    check.equal(guest.sh("ovs-vsctl --timeout=10 get port veth-bnd trunks tag").split("\n")[:2], ["[40, 50]", "[]"], "the port is a trunk")
    answers(host, check, switch, f"--install {words}")


def serve(guest, place):
    """Have the installed server serve the address of a place."""
    address = f"{place.network}.250"
    guest.sh(f"sed -i 's/192\\.168\\.[0-9]*\\.250/{address}/; s/192\\.168\\.[0-9]*\\.0/{place.network}.0/' /etc/runbound/unbound.conf; "
             "systemctl restart runbound", 120)
    guest.wait("ask --control /run/runbound/control status | grep -q running", "runbound runs")


def gone(host, check, zones):
    """Nothing is left of it, and the SDN's file is what the SDN wrote."""
    guest = host.guest
    status, output = guest.run("/test/runbound --uninstall --purge", 120)
    check.check(status == 0, "--uninstall --purge", output)
    left = guest.run("find /etc /usr /var/lib -xdev -name '*runbound*'; ip -br link | grep veth-; "
                     "ovs-vsctl --timeout=10 --columns=name list Port | grep veth-")[1]
    check.equal(left.strip(), "", "nothing is left of the pair, nor of its port of the Open vSwitch")
    check.equal(guest.sh(f"cat {SDN}"), zones, f"{SDN} is as it was")


def test(guest, check):
    """All of it, in a guest with ifupdown2."""
    prepare(guest)
    host = Host(guest)
    for place in PLACES:
        by_hand(host, check, place)
    host.on_host("ip address add 192.168.60.250/24 dev vnet6")
    chain = [found["text"] for found in told(host.findings(host.configure("runbound", address="192.168.60.250")), "topology")]
    check.equal(chain, ["192.168.60.250: vnet6 → vxlan_vnet6"], "the chain of a VXLAN zone")
    host.on_host("ip address del 192.168.60.250/24 dev vnet6")
    status, output = guest.run("/test/runbound --install --address 192.168.40.250/24 --bridge vlan40")
    check.check(status == 1 and "--bridge vmbr2 --vlan 40" in output, "an internal port is no bridge, and it is said which is", output)
    guest.sh("rm -f /etc/sysctl.d/61-runbound-arp.conf; sysctl -qw net.ipv4.conf.default.arp_ignore=0 net.ipv4.conf.default.arp_announce=0")
    first, switch = PLACES[0], PLACES[3]
    install(host, check, first)
    zones = ZONES + ANOTHER
    guest.write(SDN, zones)
    reloaded(host, check, first, "another vnet is made")
    for place in [place for place in PLACES[1:] if place.words]:
        install(host, check, place)
        if place is switch:
            check.equal(guest.sh("ovs-vsctl --timeout=10 get port veth-bnd tag").strip(), "40", "the port has the tag")
            wrong_tag(host, check)
            firewall(host, check, place)
            reloaded(host, check, place, "ifreload -a beside an Open vSwitch")
    trunk(host, check)
    gone(host, check, zones)
