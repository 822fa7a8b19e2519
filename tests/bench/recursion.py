"""Resolving from the root on, and what the resolver's own cache answers: the data, the servers upstream, and the rounds.

A root, eight TLDs and 2,000 zones stand on addresses of the server's namespace, each level on an NSD of its own beside the
generator, on its core. Every zone has two of eight addresses, and a wildcard: 100,000 names are 50 in each.
"""

import random

import contenders
import load
import measure
import servers
from contenders import GENERATOR_CPU, SERVER4
from lab import LabError

ZONES, NAMES, TLDS, HOUSES = 2000, 100_000, 8, 8
ROOT, TLD = "198.18.0.1", "198.18.0.2"
KNOWN = 0.99  # of the questions that the resolver's cache is to answer, so many it must
OFFERED = (600_000, 500_000, 400_000, 300_000, 250_000, 200_000, 150_000, 100_000, 50_000)  # a second
ASKED = 90_000  # of the names that are kept, so that none comes twice


def leaf(n):
    """The address of a server of zones."""
    return f"198.18.1.{n % HOUSES + 1}"


def zone(n):
    """The name of a zone."""
    return f"zone{n}.tld{n % TLDS}."


class Roots:
    """What the servers upstream have, and the questions."""

    def __init__(self, field):
        self.field = field
        soa = "{0} 3600 IN SOA ns.{0} host.{0} 1 3600 600 86400 300\n{0} 86400 IN NS ns.{0}\nns.{0} 86400 IN A {1}\n"
        root = f". 86400 IN SOA ns.root. host.root. 1 3600 600 86400 300\n. 518400 IN NS ns.root.\nns.root. 518400 IN A {ROOT}\n"
        tlds = {}
        for t in range(TLDS):
            tlds[f"tld{t}."] = soa.format(f"tld{t}.", TLD)
            root += f"tld{t}. 172800 IN NS ns.tld{t}.\nns.tld{t}. 172800 IN A {TLD}\n"
        leaves = {}
        for n in range(ZONES):
            name, hosts = zone(n), "".join(f"ns{k}.{zone(n)} 172800 IN A {leaf(n + k)}\n{zone(n)} 172800 IN NS ns{k}.{zone(n)}\n"
                                           for k in (1, 2))
            tlds[f"tld{n % TLDS}."] += hosts
            leaves[name] = f"{name} 3600 IN SOA ns1.{name} host.{name} 1 3600 600 86400 300\n{hosts}*.{name} 86400 IN A 198.18.255.1\n"
        self.houses = [("root", [ROOT], {".": root}), ("tlds", [TLD], tlds), ("leaves", [leaf(n) for n in range(HOUSES)], leaves)]
        rng, names = random.Random(9), [f"h{n // ZONES}.{zone(n % ZONES)}" for n in range(NAMES)]
        rng.shuffle(names)
        first = [f"first.{zone(n)}" for n in range(ZONES)]
        rng.shuffle(first)
        self.names = field.questions("recursive", names)
        self.cold = field.questions("cold", first)
        self.warm = field.questions("warm", [f"w{k}.{zone(n)}" for k in range(4) for n in range(ZONES)])
        self.hints = field.lab.write("bench.hints", f". 3600000 NS ns.root.\nns.root. 3600000 A {ROOT}\n")

    def start(self):
        """Start the servers upstream; returns them."""
        ns, started = self.field.inside, []
        for house, addresses, zones in self.houses:
            for address in addresses:
                ns.ip("address", "replace", f"{address}/32", "dev", "lo")
            started.append(servers.start_nsd(self.field.lab, ns, zones, addresses, name=f"{house}-upstream", cpu=GENERATOR_CPU))
        return started

    def configuration(self):
        """unbound.conf for runbound and Unbound alike."""
        options = (f"    root-hints: {self.hints}\n    module-config: iterator\n    msg-cache-size: 64m\n    rrset-cache-size: 128m\n"
                   "    so-rcvbuf: 4m\n    so-sndbuf: 4m\n")
        return servers.server_clause([SERVER4], ["10.53.0.0/24"], options)


def busy(server):
    """Processor time so far of the thread that resolves: runbound's side thread, all of Unbound, which has one."""
    return server.process.thread_seconds("resolver") or server.process.cpu_seconds()


def asked_once(field, server, questions, count):
    """(answers a second, questions lost, microseconds of the thread that resolves for each) of a file of so many questions."""
    before = busy(server)
    rate, lost = measure.dnsperf(field, questions, outstanding=500)
    return rate, lost, (busy(server) - before) * 1e6 / count


def round_of(field, key, roots):
    """One contender that resolves, server not pinned: what asked_once gives of names whose zones' servers are known, and before that
    the seconds until 2,000 zones have been asked for the first time."""
    server = field.start(key, cpu=None, text=roots.configuration())
    try:
        cold, missing = measure.dnsperf(field, roots.cold, outstanding=500)
        missing += measure.dnsperf(field, roots.warm, outstanding=200)[1]
        rate, lost, spent = asked_once(field, server, roots.names, NAMES)
        return rate, lost + missing, spent, ZONES / cold
    finally:
        field.stop(server)


def misses_round(field, key):
    """The same of 200,000 names that are forwarded, without the fourth."""
    server = field.start(key, cpu=None)
    try:
        return asked_once(field, server, field.missed, contenders.MISSED_NAMES)
    finally:
        field.stop(server)


def known_round(field, key):
    """The same of names that the resolver's cache has and the worker's has not, asked by kxdpgun at the highest of a few rates at which
    less than a hundredth is lost or fails: dnsperf asks no faster than this.

    What was forwarded once is dumped, flushed everywhere and loaded, which fills the resolver's cache alone.
    """
    server = field.start(key, cpu=None)
    try:
        measure.warm(field)
        dump = server.control("dump_cache")
        for rate in OFFERED:
            server.control("flush_zone .")
            server.load_cache(dump)
            before, spent = server.counters()["total.num.recursivereplies"], busy(server)
            result = load.flood(field.outside, SERVER4, field.cached_in_order, rate, ASKED / rate, GENERATOR_CPU)
            asked, good = server.counters()["total.num.recursivereplies"] - before, result.rcodes.get("NOERROR", 0)
            if asked > (1 - KNOWN) * result.sent:
                raise LabError(f"{asked} of {result.sent} names were asked for upstream")
            if good >= KNOWN * result.sent:
                return good / result.seconds, 0, (busy(server) - spent) * 1e6 / good
        raise LabError(f"more than a hundredth is lost at {OFFERED[-1]} a second")
    finally:
        field.stop(server)
