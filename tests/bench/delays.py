"""Part `latency`: p50 and p99 of 1,000 questions a second for names of local data, alone, beside 100,000 others a second, and beside
half of what the contender answers at a flood.

dnsperf asks, before all else on the generator's core; beside it kxdpgun. On the bare pair the generator's end has an empty program
while dnsperf asks alone, as any other end that takes what XDP_TX sends; for all contenders alike.
"""

import contextlib

import load
import measure
from asked import settle
from contenders import GENERATOR_CPU, ROWS, SERVER4

RATE, OTHERS = 1000, 100_000  # a second
KEYS = ("rb-yes", "rb-no", "rb-udp", "base-xdp", "base-udp", "unbound", "knot-xdp")
LOST = 0.005  # of the questions, above which it is said
WAYS = ("alone", "others", "half")


def percentiles(field, seconds):
    """(p50, p99, share lost), microseconds."""
    values = load.latencies(field.outside, SERVER4, field.local, RATE, seconds, GENERATOR_CPU)
    return *load.p50_p99(values), max(0.0, 1 - len(values) / (RATE * seconds))


def beside(field, rate, seconds):
    """The same beside a load."""
    return measure.beside(field, field.local, rate, seconds, lambda: percentiles(field, seconds))


def round_of(field, key, capacity, seconds):
    """One contender: {way: (p50, p99, lost)}, and half of what it answers at a flood."""
    capacity.at_rest(min(1, seconds))
    with contextlib.ExitStack() as over:
        client = None
        if field.place.peer is None:  # the other end of the server's pair is the generator's
            client = field.start_responder(field.outside, "pass", field.place.client)
            over.callback(client.stop)
        server = field.start(key)
        over.callback(field.stop, server)
        measure.dnsperf(field, field.local, outstanding=50)
        settle(field, key, server, lambda: percentiles(field, 1))
        found = {"alone": percentiles(field, seconds)}
        if client:
            client.stop()  # kxdpgun brings a program of its own
        found["rate"] = measure.flood_rate(field, field.local, seconds)[0] / 2
        found["others"] = beside(field, OTHERS, seconds)
        found["half"] = beside(field, found["rate"], seconds)
        return found


def _cell(rounds, way):
    p50, p99, lost = (measure.median([found[way][place] for found in rounds]) for place in range(3))
    return f"{p50:.0f} / {p99:.0f}" + (f", {lost:.1%} lost" if lost > LOST else "")


def lines(found, place):
    """Markdown of {key: [rounds]}, one at least of each."""
    yield f"p50 / p99 in µs of {RATE:,} questions a second on {place.title}:\n"
    yield f"| server | alone | beside {OTHERS:,}/s | beside half of its flood | which is, per second |\n|---|" + "---:|" * 4
    for key, rounds in found.items():
        half = measure.median([one["rate"] for one in rounds])
        yield f"| {ROWS[key]} | " + " | ".join(_cell(rounds, way) for way in WAYS) + f" | {half:,.0f} |"
