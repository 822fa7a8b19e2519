"""A test internet in a namespace: a root, TLDs, and hundreds of zones on Knot DNS, NSD and BIND, and a scripted server.

Servers stand on addresses of one namespace, to which each resolver has a link of its own. What nobody serves there is silent, or
refuses by ICMP. The zones, their servers and the questions are `internet_zones.World`'s, all by one seed.
"""

import os
import shutil
import sys

import client
import dnsmsg
import hostile
import internet_zones
from internet_zones import GROUPS, HOSTILE, REFUSING, SERVERS, SIGNED, v4, v6
from lab import PATIENCE, wait_until

SEED, ZONES = 11, 300
HINTS = "".join(f". 3600000 NS {letter}.roots.\n{letter}.roots. 3600000 A {v4(0, n)}\n{letter}.roots. 3600000 AAAA {v6(0, n)}\n"
                for n, letter in enumerate("abc", 1))


class Internet:
    """The namespace with its servers; all of them answer when this is made."""

    def __init__(self, lab, seed=SEED, zones=ZONES):
        self.lab = lab
        self.world = internet_zones.World(seed, zones)
        self._hostile_zones()
        self.ns = lab.namespace("net")
        self.hints = lab.write("root.hints", HINTS)
        self.links = 0
        self.processes = {}
        self._addresses()
        for house, zones_of in self.world.houses().items():
            self.start(house, zones_of)
        self.scripted = lab.start(self.ns, [sys.executable, hostile.__file__, str(seed)], "scripted")
        self._wait()

    def _hostile_zones(self):
        zone = self.world.zones["evil."]
        for index, name in enumerate(hostile.ZONES, 1):
            zone.add(f"{name}.evil.", "NS", f"ns.{name}.evil.", 172800)
            zone.add(f"ns.{name}.evil.", "A", v4(HOSTILE, index), 172800)
        for name, targets in hostile.CIRCLES.items():
            for target in targets:
                zone.add(f"{name}.evil.", "NS", target)

    def _addresses(self):
        """All at once: one by one they take seconds."""
        groups = [(group, range(1, SERVERS + 1)) for _, group in GROUPS.values()]
        groups += [(HOSTILE, range(1, len(hostile.ZONES) + 1)), (REFUSING, range(1, 201))]
        batch = "".join(f"address add {v4(group, n)}/32 dev lo\naddress add {v6(group, n)}/128 dev lo nodad\n"
                        for group, numbers in groups for n in numbers)
        self.ns.ip("-batch", self.lab.write("addresses", batch))

    def connect(self, ns):
        """A link from a resolver's namespace, with its routes; returns the resolver's addresses there."""
        self.links += 1
        near, far = f"10.54.{self.links}.2", f"10.54.{self.links}.1"
        near6, far6 = f"fd54:{self.links}::2", f"fd54:{self.links}::1"
        self.lab.veth((self.ns, f"to-{self.links}", [far + "/24", far6 + "/64"]), (ns, "upstream", [near + "/24", near6 + "/64"]))
        ns.ip("route", "add", "198.18.0.0/15", "via", far)
        ns.ip("route", "add", "2001:db8:53::/48", "via", far6)
        return near, near6

    def start(self, house, zones):
        """Start the server of a house; zone files stay as they are when it was there before."""
        program, group = GROUPS[house]
        folder = self.lab.path(f"house-{house}")
        os.makedirs(folder, exist_ok=True)
        paths = {}
        for index, (name, text) in enumerate(zones.items()):
            paths[name] = f"{folder}/{index}.zone"
            with open(paths[name], "w") as file:
                file.write(text)
        addresses = [make(group, n) for n in range(1, SERVERS + 1) for make in (v4, v6)]
        signed = {self.world.names[n] for n in SIGNED if n < len(self.world.names)}
        argv, text = {"nsd": nsd, "knot": knot, "bind": bind}[program](folder, addresses, paths, signed)
        with open(f"{folder}/conf", "w") as file:
            file.write(text)
        self.processes[house] = self.lab.start(self.ns, [*argv, f"{folder}/conf"], house)

    def restart(self, house):
        """Start the server of a house again, which was stopped."""
        self.start(house, self.world.houses()[house])
        self._wait([house])

    def _wait(self, houses=tuple(GROUPS)):
        for house in houses:
            group, last = GROUPS[house][1], list(self.world.houses()[house])[-1]
            message = dnsmsg.query(last, "SOA", ident=1, flags=0)
            for make in (v4, v6):
                wait_until(lambda make=make, group=group, message=message: answers(self.ns, make(group, 1), message), PATIENCE,
                           f"an answer of {house}")
        wait_until(lambda: self.tell("good", "count") is not None, PATIENCE, "an answer of the scripted server")

    def tell(self, zone, word):
        """Say `word` to the scripted server about one of its zones; returns what it says."""
        index = 1 + list(hostile.ZONES).index(zone)
        reply = client.ask(self.ns, v4(HOSTILE, index), f"{word}.{zone}.evil.", "TXT", qclass="CH", timeout=1, flags=0)
        return reply and reply.answer[0].rdata[1:].decode()

    def asked(self, zone, source=None):
        """How many queries came for a zone of the scripted server, from one address or from all; None when it is silent."""
        text = self.tell(zone, "count")
        if text is None:
            return None
        counts = dict(word.rsplit("=", 1) for word in text.split())
        return sum(int(count) for asker, count in counts.items() if source in (None, asker))


def answers(ns, address, message):
    """Whether an authoritative answer comes."""
    reply = client.exchange(ns, address, message, timeout=0.5)
    return reply is not None and dnsmsg.parse(reply).rcode == 0 and dnsmsg.parse(reply).flags & dnsmsg.AA


def program(name):
    """Where a server's program is, which need not be on the path of a user."""
    return shutil.which(name) or f"/usr/sbin/{name}"


def nsd(folder, addresses, zones, _):
    """NSD's command without the file's name, and its file; without its limit of replies per second."""
    text = "server:\n" + "".join(f" ip-address: {address}\n" for address in addresses)
    text += (f" server-count: 1\n database: \"\"\n username: \"\"\n chroot: \"\"\n zonelistfile: {folder}/zone.list\n"
             f" xfrdfile: {folder}/xfrd.state\n pidfile: {folder}/pid\n xfrdir: {folder}\n rrl-ratelimit: 0\n tcp-count: 500\n"
             "remote-control:\n control-enable: no\n")
    text += "".join(f"zone:\n name: \"{zone}\"\n zonefile: \"{path}\"\n" for zone, path in zones.items())
    return [program("nsd"), "-d", "-c"], text


def knot(folder, addresses, zones, signed):
    """The same of Knot DNS."""
    text = (f"server:\n    rundir: {folder}\n    user: root\n    udp-workers: 1\n    tcp-workers: 1\n    background-workers: 1\n"
            f"    automatic-acl: off\n    listen: [{', '.join(f'{address}@53' for address in addresses)}]\n"
            f"log:\n  - target: stderr\n    any: warning\ndatabase:\n    storage: {folder}\n"
            "policy:\n  - id: plain\n    single-type-signing: on\n    algorithm: ecdsap256sha256\nzone:\n")
    for zone, path in zones.items():
        text += (f"  - domain: {zone}\n    file: {path}\n    journal-content: none\n    zonefile-load: whole\n    zonefile-sync: -1\n"
                 + ("    dnssec-signing: on\n    dnssec-policy: plain\n" if zone in signed else ""))
    return [program("knotd"), "-c"], text


def bind(folder, addresses, zones, _):
    """The same of BIND."""
    four = "".join(f" {address};" for address in addresses if ":" not in address)
    six = "".join(f" {address};" for address in addresses if ":" in address)
    text = (f"options {{ directory \"{folder}\"; listen-on {{{four} }}; listen-on-v6 {{{six} }}; recursion no; notify no;\n"
            f"  pid-file none; session-keyfile \"{folder}/key\"; dnssec-validation no; empty-zones-enable no; tcp-clients 500;\n"
            "  check-integrity no; interface-interval 0; max-records-per-type 0; };\ncontrols { };\n")
    for zone, path in zones.items():
        text += f"zone \"{zone}\" {{ type primary; file \"{path}\"; }};\n"
    return [program("named"), "-g", "-n", "1", "-c"], text
