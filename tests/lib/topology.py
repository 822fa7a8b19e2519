"""The topologies of a Proxmox host within one guest: both ends of every cable, in namespaces that come and go.

Cards in pairs, one of each pair for the server's side and one for the other: two pairs of igb (`enp1s0f0`, `enp1s0f1` and
`far0`, `far1`) and one of virtio_net (`eth0` and `feth0`). The namespace `host` is the server's machine, `far` its
clients', `vm` a guest on the host's bridge. A card goes back to the guest's own namespace with the one it was in.
"""

import contextlib
import json
import os
import re
import subprocess
import time

import kernels
import servers
from guest import TOOLS, Guest
from lab import PATIENCE, LabError, wait_until

RUNBOUND = "/bin/runbound"
ADDRESS, HOST, CLIENT, NEIGHBOUR = "192.168.10.250", "192.168.10.201", "192.168.10.9", "192.168.10.77"
NAME, ANSWER, OTHER_ANSWER = "a.lan.example.", "192.0.2.1", "192.0.2.77"
EXAMPLES = f"{servers.ROOT}/target/x86_64-unknown-linux-musl/debug/examples"
CARDS = {"enp1s0f0": "52:54:00:aa:01:00", "far0": "52:54:00:bb:01:00", "enp1s0f1": "52:54:00:aa:01:01",
         "far1": "52:54:00:bb:01:01", "eth0": "52:54:00:aa:02:00", "feth0": "52:54:00:bb:02:00"}
# Without its filter of VLANs the card takes every tagged frame, as it does with vhost. With it, QEMU drops from 10.0.4 on what is
# of a VLAN that the guest's kernel has not asked for, unless the card is promiscuous: the replies to a client that sends tagged
# frames from a packet socket. Earlier versions offer the filter, and let everything through.
VIRTIO = ("virtio-net-pci", ",ctrl_vlan=off")
SERVER = """server:
    interface: {address}
    access-control: 192.168.0.0/16 allow
    local-zone: "lan.example." static
    local-data: "{name} 300 IN A {answer}"
    username: ""
    chroot: ""
    directory: ""
    pidfile: ""
    logfile: ""
    use-syslog: no
    verbosity: 1
{extra}
remote-control:
    control-enable: yes
    control-use-cert: no
    control-interface: {control}
forward-zone:
    name: "."
    forward-addr: 192.0.2.53
"""
LACP = "mode 802.3ad lacp_rate fast miimon 100 xmit_hash_policy layer3+4"
BACKUP = "mode active-backup miimon 100"
ALB = "mode balance-alb miimon 100"

# Conditions in the guest: exit 1, having said why, when they do not hold.
LINKS_UP = f"""for ns in host far; do
    ip -n $ns -br link show up > /tmp/links
    while read -r name state _; do
        case $name=$state in *=UP) ;; {"=* | ".join(CARDS)}=*) echo "$name $state"; exit 1 ;; esac
    done < /tmp/links
done
"""
BOND_READY = """for ns in host far; do
    ip netns exec $ns cat /proc/net/bonding/bond0
done > /tmp/bonds
[ $(grep -c '^MII Status: up' /tmp/bonds) = 6 ] || { cat /tmp/bonds; exit 1; }
"""
# Each of the four ports says of itself and of its partner that it collects and distributes: it is more than to be aggregated.
TWO_PORTS = "[ $(grep -c 'port state: 63' /tmp/bonds) = 8 ] || { cat /tmp/bonds; exit 1; }\n"


def reference(port):
    """Commands that make the reference topology behind a link of the server's machine: the pair at a bridge, its end with the
    address."""
    return f"""ip link add br-rb type bridge
ip link set {port} master br-rb
ip link set br-rb up
ip link add veth-rb type veth peer name veth-bnd
ip link set veth-bnd master br-rb up
ip link set veth-rb up
ip address add {ADDRESS}/24 dev veth-rb
"""


def build_client(name="ask"):
    """A static client that asks from within the guest. `cargo test` has built it, too."""
    subprocess.run(["cargo", "build", "--locked", "-q", "--workspace", "--example", name], cwd=servers.ROOT, check=True)
    return f"{EXAMPLES}/{name}"


class Field:
    """A booted guest with the cards; topologies are set up and removed in it."""

    def __init__(self, lab, name, kernel, tools=(), files=()):
        files = {RUNBOUND: servers.COMMAND[0], "/bin/ask": build_client(), **dict(files)}
        self.guest = guest = Guest(lab, name, kernel, files, tools=(*TOOLS, *tools))
        macs = list(CARDS.values())
        for place in range(0, len(macs), 2):
            model, options = VIRTIO if place == 4 else ("igb", "")
            guest.pair(model, macs[place], macs[place + 1], options)
        guest.boot()
        # By way of names with a dot: a card may have the name that another one is to get.
        cases = "".join(f"{mac}) ip link set $link name {name}. ;; " for name, mac in CARDS.items())
        guest.sh(f"cd /sys/class/net; for link in *; do case $(cat $link/address 2>/dev/null) in {cases} esac; done\n"
                 + "".join(f"ip link set {name}. name {name}\n" for name in CARDS))

    def namespaces(self, *names):
        """Make the namespaces."""
        for name in names:
            self.guest.sh(f"ip netns add {name}; ip -n {name} link set lo up; ip netns exec {name} sysctl -qw "
                          "net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1")

    def cable(self, address, ends=("eth0", "feth0"), far_address=CLIENT):
        """One pair of cards: the server's end into `host` with `address` (or none), the other into `far`."""
        near, far = ends
        self.guest.sh(f"ip link set {near} netns host; ip -n host link set {near} up; "
                      f"ip link set {far} netns far; ip -n far link set {far} up; "
                      f"ip -n far address add {far_address}/24 dev {far}"
                      + (f"\nip -n host address add {address}/24 dev {near}" if address else ""))
        self.wait_carrier("host", near)

    def bonds(self, mode=LACP, vlan=10):
        """bond0 and bond0.VLAN over the igb pairs on both sides, up; the far one has the client's address."""
        script = ""
        for ns, slaves in (("host", ("enp1s0f0", "enp1s0f1")), ("far", ("far0", "far1"))):
            script += f"ip -n {ns} link add bond0 type bond {mode}\n"
            for slave in slaves:
                script += f"ip link set {slave} netns {ns}; ip -n {ns} link set {slave} master bond0\n"
            script += f"ip -n {ns} link set bond0 up\nip -n {ns} link add link bond0 name bond0.{vlan} type vlan id {vlan}\n"
            script += f"ip -n {ns} link set bond0.{vlan} up\n"
        self.guest.sh(script + f"ip -n far address add {CLIENT}/24 dev bond0.{vlan}")
        self.wait_bond(2 if mode == LACP else 1)

    def bond_at_switch(self, mode, vlans=(10,), clients=("far",)):
        """bond0 and its VLANs over the host's igb cards, whose cables end at two ports of one switch: for the modes that want
        nothing of it. The clients are at the switch by eth9, each with an address in each VLAN: 192.168.VLAN.9, .8 and so on."""
        script = f"ip -n host link add bond0 type bond {mode}\nip -n far link add sw0 type bridge\nip -n far link set sw0 up\n"
        for near, far in (("enp1s0f0", "far0"), ("enp1s0f1", "far1")):
            script += (f"ip link set {near} netns host; ip -n host link set {near} master bond0\n"
                       f"ip link set {far} netns far; ip -n far link set {far} master sw0 up\n")
        script += "ip -n host link set bond0 up\n" + "".join(
            f"ip -n host link add link bond0 name bond0.{vlan} type vlan id {vlan}; ip -n host link set bond0.{vlan} up\n"
            for vlan in vlans)
        for number, ns in enumerate(clients):
            script += (f"ip -n far link add port{number} type veth peer name eth9 netns {ns}\n"
                       f"ip -n far link set port{number} master sw0 up; ip -n {ns} link set eth9 up\n")
            script += "".join(f"ip -n {ns} link add link eth9 name eth9.{vlan} type vlan id {vlan}; "
                              f"ip -n {ns} link set eth9.{vlan} up; "
                              f"ip -n {ns} address add 192.168.{vlan}.{9 - number}/24 dev eth9.{vlan}\n" for vlan in vlans)
        self.guest.sh(script)
        self.settle()

    def plug(self, card, up):
        """Put in the cable of one of the server's cards, or pull it: both ends have a link or none."""
        place = list(CARDS).index(card)
        for end in (place, place + 1):
            self.guest.qmp("set_link", name=f"nic{end + 1}", up=up)

    def wait_bond(self, ports):
        """Wait until the bonds of both sides carry frames, over `ports` cards."""
        self.guest.wait(BOND_READY + (TWO_PORTS if ports > 1 else ""), "both bonds have their cards")

    def wait_carrier(self, ns, interface):
        """Wait until an interface is up."""
        self.guest.wait(f"ip -n {ns} link show {interface} | grep -q 'state UP'", f"{interface} is up")

    def reset(self):
        """Remove the namespaces and wait until the cards are back."""
        back = " && ".join(f"[ -e /sys/class/net/{name} ]" for name in CARDS)
        self.guest.sh("for ns in $(ip netns list | cut -d ' ' -f 1); do "
                      "for pid in $(ip netns pids $ns); do kill -9 $pid; done; ip netns del $ns; done")
        self.guest.wait(back, "the cards come back")

    def configure(self, name, address=ADDRESS, answer=ANSWER, extra=""):
        """Write a configuration; returns its path."""
        path = f"/run/{name}.conf"
        self.guest.write(path, SERVER.format(address=address, name=NAME, answer=answer, control=f"/run/{name}.ctl",
                                             extra="\n".join(f"    {line}" for line in extra.splitlines())))
        return path

    def serve(self, ns="host", name="runbound", options="", wrap="", program=RUNBOUND, **configuration):
        """Start a runbound in a namespace; returns it when its control socket answers."""
        path = self.configure(name, **configuration)
        server = Server(self.guest, ns, name, f"{wrap} {program} {options} -c {path}")
        server.wait_ready()
        return server

    def findings(self, path, ns="host", wrap="", program=RUNBOUND):
        """What --check-config says of the host: [{level, name, text, fix}]."""
        _, output = self.guest.run(f"ip netns exec {ns} {wrap} {program} --check-config=json -c {path}")
        try:
            return json.loads(output)["host"]
        except (ValueError, KeyError) as error:
            raise LabError(f"--check-config=json: {error}: {output}") from error

    def ask(self, count=1000, server=ADDRESS, answer=ANSWER, ns="far", options="", seconds=5 * PATIENCE):
        """Ask from a namespace; returns a Tally."""
        words = f"--count {count} --answer {answer} {options} {server} {NAME}"
        return Tally(self.guest.run(f"ip netns exec {ns} ask {words}", seconds)[1])

    def ask_both(self, count, seconds=5 * PATIENCE):
        """Ask the server and the DNS server of the guest on the bridge at the same time; returns both Tallies."""
        ask = f"ip netns exec far ask --count {count} --answer"
        _, output = self.guest.run(f"{ask} {ANSWER} {ADDRESS} {NAME} > /run/one &\n"
                                   f"{ask} {OTHER_ANSWER} {NEIGHBOUR} {NAME} > /run/two &\n"
                                   "wait; cat /run/one; echo ----; cat /run/two", seconds)
        one, _, two = output.partition("----\n")
        return Tally(one), Tally(two)

    def settle(self):
        """Wait until every card that is in use has its link: attaching a program resets some for seconds."""
        self.guest.wait(LINKS_UP + "if ip netns exec host grep -q 802.3ad /proc/net/bonding/bond0 2>/dev/null; then\n"
                        + BOND_READY + TWO_PORTS + "fi\n", "the cards have a link")

    @contextlib.contextmanager
    def link_reset(self, *cards):
        """A block in which the server's cards lose their link, as igb does when a program comes or goes; in the end they have
        it again."""
        count = "ip netns exec host cat /sys/class/net/{}/carrier_changes"
        before = {card: int(self.guest.sh(count.format(card))) for card in cards}
        yield
        for card, changes in before.items():
            self.guest.wait(f"[ $({count.format(card)}) -ge {changes + 2} ]", f"{card} has lost its link and got it back")

    def on_host(self, script):
        """Run commands in the namespace of the server's machine."""
        self.guest.write("/run/script", "set -e\n" + script + "\n")
        return self.guest.sh("ip netns exec host dash /run/script")

    def forget_neighbours(self, ns="far"):
        """Have the clients resolve addresses anew. Not those that are being resolved: the queries that wait for them would go,
        too."""
        self.guest.sh(f"ip -n {ns} neigh flush nud reachable nud stale nud delay nud probe nud failed")


class Tally:
    """What the client said: numbers of questions."""

    def __init__(self, output):
        self.text = output.strip()
        words = self.text.split()
        if len(words) < 10 or words[0] != "sent":
            raise LabError(f"the client said: {output}")
        self.sent, self.answered, self.wrong, self.lost = (int(words[place]) for place in (1, 3, 5, 7))
        self.seconds = float(words[9])

    def complete(self):
        """All were answered rightly."""
        return self.answered == self.sent and self.wrong == 0


def attached(counters):
    """Interfaces with a program of the server whose counters these are."""
    found = (re.fullmatch(r"xdp\.interface\.(.*)\.mode", name) for name in counters)
    return [match.group(1) for match in found if match and f"xdp.interface.{match.group(1)}.frames.lost" in counters]


class Server:
    """A runbound in the guest."""

    def __init__(self, guest, ns, name, command):
        self.guest, self.ns, self.name = guest, ns, name
        self.log_path = f"/run/{name}.log"
        self.pid = guest.spawn(f"rm -f /run/{name}.ctl; ip netns exec {ns} {command}", self.log_path)

    def wait_ready(self, seconds=PATIENCE):
        """Wait until the control socket answers."""
        status, _ = self.guest.run(
            f"for i in $(seq {seconds * 5}); do "
            f"ask --control /run/{self.name}.ctl status 2>/dev/null | grep -q running && exit 0; "
            f"kill -0 {self.pid} || exit 1; sleep 0.2; done; exit 1", seconds + 10)
        if status != 0:
            raise LabError(f"{self.name} does not run:\n{self.log()}")

    def control(self, command):
        """A command over the control socket."""
        return self.guest.sh(f"ask --control /run/{self.name}.ctl {command}")

    def counters(self):
        """stats_noreset as a dictionary."""
        return servers.read_counters(self.control("stats_noreset"))

    def path(self, before=None):
        """What answered since the counters were `before`: modes and interfaces with what they received, or `kernel`."""
        counters = self.counters()

        def grown(name):
            return counters.get(name, 0) - (before or {}).get(name, 0)
        found = [f"{counters[f'xdp.interface.{name}.mode']} {name}" for name in attached(counters)
                 if grown(f"xdp.interface.{name}.rx") + grown(f"xdp.interface.{name}.answered") > 0]
        return " + ".join(found + (["kernel"] if grown("xdp.kernel.udp.queries") > 0 else []))

    def check_sound(self, check, where, xdp=True):
        """What holds in every topology. `xdp`: a program is expected on some interface."""
        counters = self.counters()

        def adds_up():  # what is still on its way through the kernel, or too much for a driver's rings, is in none of the places
            return all(counters[f"xdp.interface.{name}.frames.{wrong}"] == 0
                       for name in attached(counters) for wrong in ("lost", "twice"))
        end = time.monotonic() + PATIENCE
        while not adds_up() and time.monotonic() < end:
            counters = self.counters()
        check.check(attached(counters) or not xdp, f"{where}: a program is attached", counters)
        check.check(adds_up(), f"{where}: no frame lost, and none in two places", counters)
        told = [line for line in self.log().splitlines() if "the worker asked for memory" in line]
        check.equal((counters["runbound.worker.allocations"], told), (0, []), f"{where}: the worker allocated nothing")

    @contextlib.contextmanager
    def driver_returns(self, check, where):
        """A block of some thousand queries after which the drivers of igb cards in zero-copy mode hold no more frames than before
        it, or than their receive rings have room for: gives the names of those cards. A frame that a driver kept would be counted
        as on its rings, and not as lost."""
        counters = self.counters()
        names = [name for name in attached(counters)
                 if name.startswith("enp") and counters[f"xdp.interface.{name}.bind"] == "zerocopy"]
        before, queries = self.in_drivers(names), self.counters()["xdp.queries"]
        yield names
        after, counters = self.in_drivers(names), self.counters()
        if names:
            print(f"{where}: frames in drivers {before}, {after} after {counters['xdp.queries'] - queries} queries", flush=True)
        for name in names:
            # In use, the receive ring is filled up when some of its places are free: more or fewer are taken at each look.
            room = self.receive_ring(name)
            check.check(after[name] <= max(before[name], room), f"{where}: the driver of {name} kept no frame",
                        (before[name], after[name], room, counters))

    def receive_ring(self, name):
        """The length of a card's receive ring."""
        now = self.guest.sh(f"ip netns exec host ethtool -g {name}").partition("Current hardware settings:")[2]
        return int(re.search(r"^RX:\s+(\d+)", now, re.M).group(1))

    def in_drivers(self, names):
        """The frames that the drivers of these interfaces hold at rest: when two looks a second apart see the same."""
        seen = []

        def at_rest():
            counters = self.counters()
            seen.append({name: counters[f"xdp.interface.{name}.frames.driver"] for name in names})
            return len(seen) > 1 and seen[-1] == seen[-2]
        if names:
            wait_until(at_rest, PATIENCE, f"the drivers of {names} come to rest", pause=1)
        return seen[-1] if seen else {}

    def log(self):
        """All it wrote."""
        return self.guest.run(f"cat {self.log_path}")[1]

    def stop(self):
        """SIGTERM, and wait for the end."""
        self.guest.sh(f"kill {self.pid} 2>/dev/null || true; "
                      f"for i in $(seq 100); do kill -0 {self.pid} 2>/dev/null || exit 0; sleep 0.1; done; exit 1")


if __name__ == "__main__":  # what takes long the first time
    for package in ("busybox-static", "ovmf"):
        kernels.unpacked(package)
    for wanted in kernels.KERNELS:
        kernels.kernel(wanted)
