"""Attacks on validation: what a question costs that a hostile zone answers, and what those who are answered from the cache feel of it.

The zones are those of attackers.py, on an address of the server's namespace. Latencies are of 1,000 questions a second for names that
are cached, in microseconds.
"""

import os
import time

import attackers
import client
import dnsmsg
import measure
import servers
from contenders import GENERATOR_CPU, SERVER4, UPSTREAM
from lab import LabError, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
ATTACKERS = "198.18.3.1"
RATE, ASKED = 1000, 100  # a second: of cached names, of the attack
SECONDS = 5
EDE = 15  # the option's code
WAIT = 0.5  # seconds for a single question


class Attacks:
    """The hostile server, and the questions."""

    def __init__(self, field):
        self.field = field
        self.cached = field.questions("attacked-cached", [f"n{n}.cache.example." for n in range(1000)])
        self.asked = {name: field.questions(f"attack-{name}", attackers.questions(name, 2 * ASKED * SECONDS))
                      for name in attackers.NAMES}
        self.anchors = "".join(zone.anchor() for zone in attackers.zones().values())

    def start(self):
        """Start the hostile server, on the generator's core."""
        ns = self.field.inside
        ns.ip("address", "replace", f"{ATTACKERS}/32", "dev", "lo")
        process = self.field.lab.start(ns, ["python3", f"{HERE}/attackers.py", ATTACKERS], "attackers", cpu=GENERATOR_CPU)
        message = dnsmsg.query("keytrap.attack.", "DNSKEY")
        wait_until(lambda: client.exchange(ns, ATTACKERS, message, timeout=0.2), 60, "the hostile server answers")
        return process

    def configuration(self):
        """unbound.conf for runbound and Unbound alike."""
        options = ("    module-config: \"validator iterator\"\n    qname-minimisation: no\n    ede: yes\n    extended-statistics: yes\n"
                   "    trust-anchor-signaling: no\n    so-rcvbuf: 4m\n    so-sndbuf: 4m\n" + self.anchors)
        stubs = "".join(f"stub-zone:\n    name: \"{name}.attack\"\n    stub-addr: {ATTACKERS}\n" for name in attackers.NAMES)
        return servers.server_clause([SERVER4], ["10.53.0.0/24"], options) + stubs + (
            f"forward-zone:\n    name: \".\"\n    forward-addr: {UPSTREAM}\n")


def cached(field, questions):
    """p50 and p99 of cached names."""
    return measure.percentiles(field, questions, RATE, SECONDS)


def told(field, name):
    """What the first question of an attack is told: the code, and of EDE the numbers."""
    reply = client.ask(field.outside, SERVER4, attackers.questions(name, 1)[0], timeout=15, edns=dnsmsg.Edns(flags=0x8000))
    if not reply:
        return "nothing"
    codes = [str(int.from_bytes(value[:2], "big")) for code, value in (reply.edns.options if reply.edns else []) if code == EDE]
    return " ".join([dnsmsg.rcode_name(reply.rcode), *codes])


def checked(server):
    """Signatures checked so far; None where the server does not say."""
    counters = server.counters()
    return counters.get("num.valops", counters.get("total.num.valops"))


def under(field, server, attack, questions):
    """(signatures and milliseconds for a question of the attack, p50 and p99 of cached names beside)."""
    argv = ["dnsperf", "-s", SERVER4, "-d", attack, "-l", str(SECONDS + 1), "-Q", str(ASKED), "-q", "1000", "-c", "1", "-T", "1", "-t", "5"]
    before, spent = checked(server), server.process.cpu_seconds()
    background = field.lab.start(field.outside, argv, "attack", cpu=GENERATOR_CPU)
    time.sleep(0.5)
    p50, p99 = cached(field, questions)
    background.wait(SECONDS + 10)
    count, after = ASKED * (SECONDS + 1), checked(server)
    checks = None if after is None else (after - before) / count
    return checks, (server.process.cpu_seconds() - spent) * 1e3 / count, p50, p99


def round_of(field, key, attacks):
    """One contender: for each attack, what it is told, signatures and milliseconds for each of its questions, p99 of cached names before
    it and beside it."""
    found = {}
    for name in attackers.NAMES:
        server = field.start(key, text=attacks.configuration(), cpu=None)
        try:
            measure.dnsperf(field, attacks.cached, outstanding=50)
            said = told(field, name)
            idle = server.process.cpu_seconds()
            quiet = cached(field, attacks.cached)
            idle = (server.process.cpu_seconds() - idle) / SECONDS
            checks, spent, p50, p99 = under(field, server, attacks.asked[name], attacks.cached)
            found[name] = (said, checks, spent - idle * 1e3 / ASKED, *quiet, p50, p99)
        except LabError as error:
            found[name] = (str(error)[-100:],)
        finally:
            field.stop(server)
    return found


def lines(table):
    """Rows of the ratios' table: {contender: [what round_of gave]}; the ratio is that of the p99 of cached names."""
    for contender, values in table.items():
        for name in attackers.NAMES:
            of = [value[name] for value in values if len(value.get(name, ())) > 1]
            if not of:
                continue
            checks, spent, _, quiet, _, busy = (measure.median([value[at] for value in of if value[at] is not None]) for at in range(1, 7))
            yield (f"| {contender}, {name}: told {of[0][0]}; signatures checked and ms of processor time for each question "
                   f"{'–' if checks is None else f'{checks:.1f}'}, {spent:.2f}; p99 of cached names without and with it {quiet:.0f}, {busy:.0f} µs "
                   f"| {busy / quiet:.2f} | 1.20 |")
