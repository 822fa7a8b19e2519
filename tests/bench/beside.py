"""What those who are answered from the cache feel of others: a flood of names that have to be asked for, and of names below a zone
whose servers are silent.

Latencies are of 1,000 questions a second (dnsperf, before all else on the generator's core), in microseconds.
"""

import socket

import measure
import servers
from contenders import SERVER4, UPSTREAM

RATE, MISSES, TORTURE = 1000, 50_000, 20_000  # a second
SECONDS = 6
NAMES = 400_000
# A port where nobody reads.
SILENT = 5399


class Beside:
    """The questions."""

    def __init__(self, field):
        self.field = field
        self.asked = field.questions("asked", [f"n{n}.cache.example." for n in range(1000)])
        self.unique = field.questions("unique", [f"u{n}.miss.example." for n in range(NAMES)])
        self.tortured = field.questions("tortured", [f"t{n}.silent.example." for n in range(NAMES)])
        self.others = field.questions("others", [f"o{n}.miss.example." for n in range(NAMES)])

    def configuration(self):
        """The bench's, with a zone whose server is silent."""
        options = "    msg-cache-size: 64m\n    rrset-cache-size: 128m\n    so-rcvbuf: 4m\n    so-sndbuf: 4m\n"
        zones = (("silent.example", f"127.0.0.1@{SILENT}"), (".", UPSTREAM))
        return servers.server_clause([SERVER4], ["10.53.0.0/24"], options) + "".join(
            f"forward-zone:\n    name: \"{name}\"\n    forward-addr: {address}\n" for name, address in zones)


def percentiles(field, questions):
    """p50 and p99."""
    return measure.percentiles(field, questions, RATE, SECONDS)


def under(field, flooded, rate, questions):
    """The same beside a flood."""
    return measure.beside(field, flooded, rate, SECONDS, lambda: percentiles(field, questions))


def round_of(field, key, beside):
    """One contender: of cached names alone, beside misses; of names that have to be asked for alone, beside water torture. Each p50
    and p99."""
    with field.inside.inside():
        silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with silent:
        silent.bind(("127.0.0.1", SILENT))
        server = field.start(key, text=beside.configuration(), cpu=None)
        try:
            measure.dnsperf(field, beside.asked, outstanding=50)
            quiet = percentiles(field, beside.asked)
            busy = under(field, beside.unique, MISSES, beside.asked)
            alone = percentiles(field, beside.others)
            tortured = under(field, beside.tortured, TORTURE, beside.others)
            return (*quiet, *busy, *alone, *tortured)
        finally:
            field.stop(server)
