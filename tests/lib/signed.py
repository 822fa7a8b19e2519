"""A signed test internet in a namespace: a signed root, TLDs and zones signed by BIND's, ldns's and Knot's signers, on NSD, Knot DNS and
BIND. Of some zones one thing is wrong (signed_broken).

What stands below a zone is in another house than it. Zones of Knot's houses are signed by the running server, so the DS records
above them are asked of it; all others are signed first.
"""

import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import client
import dnsmsg
import internet
import signed_broken
import signed_keys
import signed_misuse
import signed_zones
from internet_zones import v4, v6
from lab import LabError, wait_until, PATIENCE
from signed_zones import ADDRESSES, GROUPS, PLAIN, ROOT, SPECS, TLDS, Spec

DAY = 86400


class Signed:
    """A zone with its keys and its records after signing, each as [owner, TTL, type, data]."""

    def __init__(self, spec, ring, folder):
        self.spec, self.name, self.ring, self.folder = spec, spec.name, ring, folder
        self.unsigned = signed_zones.content(spec.name, spec.house)
        self.keys = spec.keys(ring) if spec.signer in ("bind", "ldns") else []
        self.records = []

    def ds(self):
        """The data of its DS records in its parent."""
        if self.spec.ds:
            return self.spec.ds(self)
        return [key.ds(self.name) for key in self.keys if key.flags & signed_keys.SEP]

    def make(self):
        """Sign it and spoil what is to be wrong."""
        self.records = self.sign()
        if self.spec.spoil:
            self.spec.spoil(self)

    def text(self):
        """The zone file."""
        if not self.records:
            return self.unsigned.text()
        return "".join(f"{owner} {ttl} IN {rtype} {data}\n" for owner, ttl, rtype, data in self.records)

    def sign(self, keys=None, published=None, days=(-1, 30), more=(), nsec3=None):
        """The records as signed by `keys`, valid from and until so many days from now; `more`: further lines of the zone."""
        keys = self.keys if keys is None else keys
        published = self.spec.published(self.ring) if published is None else published
        nsec3 = nsec3 or self.spec.nsec3
        number = len(os.listdir(self.folder))
        folder = f"{self.folder}/{number}"
        os.mkdir(folder)
        paths = []
        for index, key in enumerate(keys):  # a folder for each: keys of one tag have one name
            os.mkdir(f"{folder}/{index}")
            paths.append(key.put(f"{folder}/{index}", self.name))
        with open(f"{folder}/zone", "w") as file:
            file.write("\n".join([*self.unsigned.lines, *more, *(f"{self.name} 3600 IN DNSKEY {key.text()}" for key in [*keys, *published])]) + "\n")
        first, last = (time.strftime("%Y%m%d%H%M%S", time.gmtime(time.time() + count * DAY)) for count in days)
        if self.spec.signer == "ldns":
            argv = ["ldns-signzone", "-i", first, "-e", last, "-o", self.name, "-f", "signed"]
            if nsec3:
                salt, iterations, optout = nsec3
                argv += ["-n", "-a", "1", "-t", str(iterations), *([] if salt == "-" else ["-s", salt]), *(["-p"] if optout else [])]
        else:
            argv = ["dnssec-signzone", "-q", "-P", "-O", "full", "-n", "1", "-s", first, "-e", last, "-o", self.name, "-f", "signed"]
            argv += ["-z"] if all(key.flags & signed_keys.SEP for key in keys) else []
            if nsec3:
                salt, iterations, optout = nsec3
                argv += ["-3", salt, "-H", str(iterations), *(["-A"] if optout else [])]
        done = subprocess.run([*argv, "zone", *paths], cwd=folder, capture_output=True, text=True)
        if done.returncode != 0:
            raise LabError(f"{self.name}: {' '.join(argv)}: {done.stderr}")
        with open(f"{folder}/signed") as file:
            return read(file.read())


def read(text):
    """Records out of a signer's file, which has one a line with names in full."""
    records = []
    for line in text.splitlines():
        words = line.partition(";")[0].split() if '"' not in line else line.split()
        if len(words) > 4:
            owner, ttl, _, rtype, *data = words
            join = {"RRSIG": 8, "DNSKEY": 3}.get(rtype, len(data))  # what is in base64 may be written in pieces
            records.append([owner.lower(), int(ttl), rtype, " ".join([*data[:join], "".join(data[join:])]).strip()])
    return records


class SignedInternet(internet.Internet):
    """The namespace with its servers; all of them answer when this is made."""

    def __init__(self, lab):  # not that of the base: these are other zones
        self.lab, self.links, self.processes = lab, 0, {}
        self.ns = lab.namespace("net")
        self.hints = lab.write("root.hints", internet.HINTS)
        batch = "".join(f"address add {v4(group, n)}/32 dev lo\naddress add {v6(group, n)}/128 dev lo nodad\n"
                        for _, group in GROUPS.values() for n in range(1, 4))
        self.ns.ip("-batch", lab.write("addresses", batch))
        self.ring = signed_keys.Ring(lab.path("keys"))
        self.specs = [*SPECS, *signed_broken.BROKEN]
        self.zones = {}
        self._make([*self.specs, *signed_misuse.KIDS])
        self._plain()
        for house in ("nsd", "knot", "bind", "plain", "broken"):
            self._start(house)
        self._make(TLDS, [*self.specs, *(Spec(name, None, "plain") for name in PLAIN)])
        for house in ("upper", "upper-knot"):
            self._start(house)
        self._make([ROOT], TLDS)
        self._start("root")
        self.anchor = lab.write("root.key", "".join(f". IN DS {data}\n" for data in self.zones["."].ds()))
        self.anchor_key = lab.write("root.dnskey", "".join(
            f". 3600 IN DNSKEY {key.text()}\n" for key in self.zones["."].keys if key.flags & signed_keys.SEP))

    def _make(self, specs, children=()):
        """Make and sign zones, with the delegations to children."""
        made = []
        for spec in specs:  # keys are made one after the other
            folder = self.lab.path(f"zone-{len(self.zones)}")
            os.mkdir(folder)
            self.zones[spec.name] = Signed(spec, self.ring, folder)
            made.append(self.zones[spec.name])
        if ROOT in specs:
            self._roots(self.zones["."].unsigned)
        for spec in [*children, *(kid for kid in signed_misuse.KIDS if kid in specs)]:
            parent = self.zones[spec.name.partition(".")[2] or "."]
            ds = self.asked_ds(spec) if spec.signer == "knot" else self.zones[spec.name].ds() if spec.signer else []
            signed_zones.delegate(parent.unsigned, spec.name, spec.house, ds)
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(lambda zone: zone.make(), [zone for zone in made if zone.keys]))

    @staticmethod
    def _roots(root):
        for n, letter in enumerate("abc", 1):
            root.add("", "NS", f"{letter}.roots.", 518400)
            root.add(f"{letter}.roots.", "A", v4(0, n), 172800)
            root.add(f"{letter}.roots.", "AAAA", v6(0, n), 172800)

    def asked_ds(self, spec):
        """DS data of the keys that Knot has made."""
        reply = client.ask(self.ns, v4(GROUPS[spec.house][1], 1), spec.name, "DNSKEY", tcp=True, flags=0)
        keys = [record.rdata for record in reply.answer if record.type == dnsmsg.TYPES["DNSKEY"]]
        return [signed_keys.ds_of(spec.name, key) for key in keys if key[1] & signed_keys.SEP]

    def _plain(self):
        """The zones that nobody signs."""
        for name in [*PLAIN, *(f"sub.{spec.name}" for spec in self.specs)]:
            spec = Spec(name, None, "plain")
            self.zones[name] = Signed(spec, self.ring, None)
            self.zones[name].unsigned = signed_zones.content(name, "plain", plain=True)

    def _start(self, house):
        program, group = GROUPS[house]
        folder = self.lab.path(f"house-{house}")
        os.makedirs(folder)
        zones = {name: zone for name, zone in self.zones.items() if zone.spec.house == house}
        paths = {}
        for index, (name, zone) in enumerate(zones.items()):
            paths[name] = f"{folder}/{index}.zone"
            with open(paths[name], "w") as file:
                file.write(zone.text())
        addresses = [make(group, n) for n in range(1, 4 if house == "root" else ADDRESSES + 1) for make in (v4, v6)]
        if program == "knot":
            argv, text = knot(folder, addresses, paths, {name: zone.spec for name, zone in zones.items()})
        else:
            argv, text = {"nsd": internet.nsd, "bind": internet.bind}[program](folder, addresses, paths, None)
        with open(f"{folder}/conf", "w") as file:
            file.write(text)
        self.processes[house] = self.lab.start(self.ns, [*argv, f"{folder}/conf"], house)
        last = list(zones)[-1]
        wait_until(lambda: internet.answers(self.ns, v4(group, 1), dnsmsg.query(last, "SOA", ident=1, flags=0)), PATIENCE, f"an answer of {house}")
        for name in zones if program == "knot" else ():
            wait_until(lambda name=name: self._has_signed(name, group), PATIENCE, f"signatures of {name}")

    def _has_signed(self, name, group):
        reply = client.ask(self.ns, v4(group, 1), name, "SOA", tcp=True, flags=0, edns=dnsmsg.Edns(flags=0x8000))
        return reply and any(record.type == dnsmsg.TYPES["RRSIG"] for record in reply.answer)


def knot(folder, addresses, paths, specs):
    """Knot's command without the file's name, and its file, with a policy for each zone."""
    text = (f"server:\n    rundir: {folder}\n    user: root\n    udp-workers: 1\n    tcp-workers: 1\n    background-workers: 2\n"
            f"    automatic-acl: off\n    listen: [{', '.join(f'{address}@53' for address in addresses)}]\n"
            f"log:\n  - target: stderr\n    any: warning\ndatabase:\n    storage: {folder}\npolicy:\n")
    for index, spec in enumerate(specs.values()):
        text += f"  - id: p{index}\n    algorithm: {spec.algorithm}\n    single-type-signing: {'on' if index % 3 == 0 else 'off'}\n"
        if "rsa" in spec.algorithm:
            text += "    ksk-size: 2048\n    zsk-size: 1024\n"
        if spec.nsec3:
            salt, iterations, optout = spec.nsec3
            text += (f"    nsec3: on\n    nsec3-salt-length: {salt}\n    nsec3-iterations: {iterations}\n"
                     f"    nsec3-opt-out: {'on' if optout else 'off'}\n")
    text += "zone:\n"
    for index, (zone, path) in enumerate(paths.items()):
        text += (f"  - domain: {zone}\n    file: {path}\n    journal-content: none\n    zonefile-load: whole\n    zonefile-sync: -1\n"
                 f"    dnssec-signing: on\n    dnssec-policy: p{index}\n")
    return [internet.program("knotd"), "-c"], text
