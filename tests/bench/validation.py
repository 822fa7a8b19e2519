"""Validation: floods of signed answers from the cache, 2,000 signed zones resolved from the root on, signed names forwarded.

The tree is that of recursion.py, each zone signed by ldns-signzone with one key of ECDSA with P-256 and NSEC, and the root's key the
trust anchor. Every name is an RRset of its own, so that each costs a signature.
"""

import base64
import hashlib
import os
import random
from concurrent.futures import ThreadPoolExecutor

import client
import dnsmsg
import measure
import recursion
import servers
from contenders import GENERATOR_CPU, SERVER4
from lab import LabError, sh

HOSTS, CACHED, MISSED = 12, 2000, 20_000
FORWARDER = "198.18.2.1"
TEXT = 103  # octets of text that make an unsigned answer as long as an address with its signature


class Signed:
    """What the servers upstream have, and the questions."""

    def __init__(self, field):
        self.field, self.directory = field, field.lab.path("signed")
        os.mkdir(self.directory)
        self._make_key()
        soa = "{0} 3600 IN SOA ns.{0} host.{0} 1 3600 600 86400 300\n{0} 86400 IN NS ns.{0}\nns.{0} 86400 IN A {1}\n"
        leaves, tlds = {}, {f"tld{t}.": soa.format(f"tld{t}.", recursion.TLD) for t in range(recursion.TLDS)}
        for n in range(recursion.ZONES):
            name = recursion.zone(n)
            hosts = "".join(f"ns{k}.{name} 172800 IN A {recursion.leaf(n + k)}\n{name} 172800 IN NS ns{k}.{name}\n" for k in (1, 2))
            tlds[f"tld{n % recursion.TLDS}."] += hosts + self._ds(name)
            leaves[name] = (f"{name} 3600 IN SOA ns1.{name} host.{name} 1 3600 600 86400 300\n{hosts}"
                            + "".join(f"h{k}.{name} 86400 IN A 198.18.255.{k}\n" for k in range(HOSTS)))
        root = (f". 86400 IN SOA ns.root. host.root. 1 3600 600 86400 300\n. 518400 IN NS ns.root.\nns.root. 518400 IN A {recursion.ROOT}\n"
                + "".join(f"{t} 172800 IN NS ns.{t}\nns.{t} 172800 IN A {recursion.TLD}\n{self._ds(t)}" for t in tlds))
        bulk = ("bulk. 3600 IN SOA ns.bulk. host.bulk. 1 3600 600 86400 300\nbulk. 86400 IN NS ns.bulk.\nns.bulk. 86400 IN A 198.18.0.9\n"
                + "".join(f"m{n}.bulk. 86400 IN A 198.18.254.{n % 250}\n" for n in range(MISSED + CACHED)))
        plain = ("plain. 3600 IN SOA ns.plain. host.plain. 1 3600 600 86400 300\nplain. 86400 IN NS ns.plain.\nns.plain. 86400 IN A 198.18.0.9\n"
                 + "".join(f'p{n + MISSED}.plain. 86400 IN TXT "{"t" * (TEXT - 1)}"\n' for n in range(CACHED)))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            self.houses = [(house, addresses, dict(zip(zones, pool.map(self._sign, zones, zones.values())))) for house, addresses, zones in (
                ("sroot", [recursion.ROOT], {".": root}), ("stlds", [recursion.TLD], tlds),
                ("sleaves", [recursion.leaf(n) for n in range(recursion.HOUSES)], leaves), ("sbulk", [FORWARDER], {"bulk.": bulk}))]
        self.houses[-1][2]["plain."] = plain
        rng, names = random.Random(9), [f"h{k}.{recursion.zone(n)}" for k in range(1, HOSTS) for n in range(recursion.ZONES)]
        rng.shuffle(names)
        first = [f"h0.{recursion.zone(n)}" for n in range(recursion.ZONES)]
        rng.shuffle(first)
        self.names, self.cold, self.count = field.questions("signed", names), field.questions("signed-cold", first), len(names)
        self.missed = field.questions("signed-missed", [f"m{n}.bulk." for n in range(MISSED)])
        # kxdpgun's D is DO; dnsperf takes lines without it.
        self.flooded, self.warmed = {}, {}
        for kind, line in (("signed", "m{0}.bulk. A"), ("plain", "p{0}.plain. TXT")):
            lines = [line.format(n + MISSED) for n in range(CACHED)]
            self.warmed[kind] = field.lab.write(f"{kind}-warm.questions", "".join(f"{one}\n" for one in lines))
            self.flooded[kind] = field.lab.write(f"{kind}-flood.questions", "".join(f"{one} D\n" for one in lines))
        self.hints = field.lab.write("signed.hints", f". 3600000 NS ns.root.\nns.root. 3600000 A {recursion.ROOT}\n")

    def _make_key(self):
        made = sh("sh", "-c", f"cd {self.directory} && ldns-keygen -a ECDSAP256SHA256 -k key.example").split()[-1]
        with open(f"{self.directory}/{made}.private") as file:
            self.private = file.read()
        with open(f"{self.directory}/{made}.key") as file:
            self.public = file.read().split("\t")[3].split(";")[0].strip()
        self.data = self._octets()

    def _octets(self):
        flags, protocol, algorithm, *key = self.public.removeprefix("DNSKEY").split()
        return int(flags).to_bytes(2, "big") + bytes([int(protocol), int(algorithm)]) + base64.b64decode("".join(key))

    def _ds(self, name):
        """A line with the DS of a zone, each of which has the same key."""
        total = sum(octet << 8 if place % 2 == 0 else octet for place, octet in enumerate(self.data))
        digest = hashlib.sha256(dnsmsg.name_to_wire(name) + self.data).hexdigest()
        return f"{name} 86400 IN DS {(total + (total >> 16)) & 0xFFFF} 13 2 {digest}\n"

    def _sign(self, name, text):
        """Sign a zone; returns the file's path."""
        base = f"{self.directory}/{name}"
        for end, content in (("zone", text), ("key", f"{name}\t3600\tIN\tDNSKEY\t{self.public.removeprefix('DNSKEY').strip()}\n"), ("private", self.private)):
            with open(f"{base}{end}", "w") as file:
                file.write(content)
        sh("ldns-signzone", "-o", name, "-f", f"{base}signed", f"{base}zone", base.rstrip("."), timeout=120)
        return f"{base}signed"

    def start(self):
        """Start the servers upstream; returns them."""
        ns, started = self.field.inside, []
        for house, addresses, zones in self.houses:
            for address in addresses:
                ns.ip("address", "replace", f"{address}/32", "dev", "lo")
            started.append(servers.start_nsd(self.field.lab, ns, zones, addresses, name=house, cpu=GENERATOR_CPU))
        return started

    def configuration(self, forwards=False):
        """unbound.conf for runbound and Unbound alike."""
        anchor = "bulk." if forwards else "."
        options = (f"    root-hints: {self.hints}\n    module-config: \"validator iterator\"\n    trust-anchor: \"{self._ds(anchor).strip()}\"\n"
                   "    trust-anchor-signaling: no\n    msg-cache-size: 64m\n    rrset-cache-size: 128m\n    so-rcvbuf: 4m\n    so-sndbuf: 4m\n")
        zones = [f"forward-zone:\n    name: \"{name}\"\n    forward-addr: {FORWARDER}\n" for name in ("bulk.", "plain.") if forwards]
        return servers.server_clause([SERVER4], ["10.53.0.0/24"], options) + "".join(zones)


def is_secure(field, name):
    """Fails unless an answer is validated: a contender that is not set up so is fast."""
    reply = client.ask(field.outside, SERVER4, name, timeout=5, edns=dnsmsg.Edns(flags=0x8000))
    if not reply or "AD" not in reply.flag_names() or not reply.addresses():
        raise LabError(f"{name}: not validated: {reply}"[:300])


def resolved_round(field, key, signed):
    """One contender, server not pinned: what recursion.asked_once gives of names of zones whose keys are known, and before that the
    seconds until 2,000 zones have been asked and proven for the first time."""
    server = field.start(key, cpu=None, text=signed.configuration())
    try:
        cold, missing = measure.dnsperf(field, signed.cold, outstanding=500)
        rate, lost, spent = recursion.asked_once(field, server, signed.names, signed.count)
        is_secure(field, f"h0.{recursion.zone(0)}")
        return rate, lost + missing, spent, recursion.ZONES / cold
    finally:
        field.stop(server)


def forwarded_round(field, key, signed):
    """The same of signed names that are forwarded, without the fourth."""
    server = field.start(key, cpu=None, text=signed.configuration(forwards=True))
    try:
        found = recursion.asked_once(field, server, signed.missed, MISSED)
        is_secure(field, "m0.bulk.")
        return found
    finally:
        field.stop(server)


def flood_round(field, key, signed, seconds):
    """(signed, unsigned) answers a second from the cache to questions with DO, each as long as the other."""
    server = field.start(key, text=signed.configuration(forwards=True))
    try:
        rates = []
        for kind in ("signed", "plain"):
            measure.dnsperf(field, signed.warmed[kind], outstanding=100)
            rates.append(measure.flood_rate(field, signed.flooded[kind], seconds)[0])
        is_secure(field, f"m{MISSED}.bulk.")
        return tuple(rates)
    finally:
        field.stop(server)


def lines(table, names):
    """Rows of the ratios' table."""
    def ratio(much, little, form="{:.2f}"):
        return form.format(much / little) if much and little else "–"

    for key, row in table.items():
        if row.get("signed-flood"):
            of, plain = row["signed-flood"]
            yield f"| {names[key]}, cached answers with DO, signed / unsigned of one size: {of:,.0f} / {plain:,.0f} | {ratio(of, plain)} | 0.95 |"
    other = table.get("unbound", {})
    for key, row in table.items():
        for text, column, much, little in (
                ("2,000 signed zones at first, seconds of Unbound", "signed-more", other, row),
                ("names of 2,000 signed zones a second / Unbound", "signed", row, other),
                ("signed names forwarded a second / Unbound", "signed-forwarded", row, other),
                ("the resolving thread's µs of a signed name, Unbound", "signed-spent", other, row),
                ("the resolving thread's µs of a signed name forwarded, Unbound", "signed-forwarded-spent", other, row)):
            if key != "unbound" and row.get(column) and other.get(column):
                yield (f"| {names[key]}, {text}: {much[column]:,.2f} / {little[column]:,.2f} | {ratio(much[column], little[column])} "
                       f"| {1.5:.2f} |")
