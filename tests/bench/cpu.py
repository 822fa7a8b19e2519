"""Part `cpu`: cores that are used at 10,000, 100,000 and 300,000 questions a second for 1,000 names of local data.

All that happens on the machine counts: server, kernel, bridge and generator (capacity.py).
"""

import measure
from asked import asked, percent, settle, warm
from contenders import ROWS

RATES = (10_000, 100_000, 300_000)
KEYS = ("rb-yes", "rb-no", "rb-udp", "base-xdp", "base-udp", "unbound", "knot-xdp")
AT, SHARE, CORE = 100_000, 0.6, 0.05  # issue 13: cores of `yes` / `no` at most, and of the server's core


def round_of(field, key, capacity, seconds):
    """One contender: what asked gives, by rate."""
    capacity.at_rest(min(1, seconds))
    server = field.start(key)
    try:
        settle(field, key, server, lambda: warm(field, field.local, 1))
        warm(field, field.local, seconds // 2)
        return {rate: asked(field, capacity, server, field.local, rate, seconds) for rate in RATES}
    finally:
        field.stop(server)


def middle(rounds, rate, value):
    """The median over the rounds of `value` of what came at a rate."""
    return measure.median([value(found[rate]) for found in rounds])


def cores(rounds, rate):
    """Cores used in all."""
    return middle(rounds, rate, lambda of: of.used.all)


def _cell(rounds, rate):
    found = [middle(rounds, rate, value) for value in (lambda of: of.used.all, lambda of: of.used.generator,
                                                       lambda of: of.used.server, lambda of: of.share)]
    text = f"{found[0]:.2f} ({found[1]:.2f} + {found[2]:.2f})"
    return text if found[3] >= 0.99 else f"{text}, {found[3]:.0%} answered"


def _by_program(rounds):
    """The share of the last rate that the program answered, or why there is none."""
    return [found[RATES[-1]].program for found in rounds][-1]


def lines(found, place):
    """Markdown of {key: [rounds]}, one at least of each."""
    yield f"Cores used in all (generator's core + server's core) on {place.title}:\n"
    yield "| server | " + " | ".join(f"{rate:,} queries/s" for rate in RATES) + f" | by the program at {RATES[-1]:,}/s |"
    yield "|---|" + "---:|" * (len(RATES) + 1)
    for key, rounds in found.items():
        cells = [_cell(rounds, rate) for rate in RATES] + [percent(_by_program(rounds))]
        yield f"| {ROWS[key]} | " + " | ".join(cells) + " |"
    yield "\n| ratio of cores in all | " + " | ".join(f"{rate:,}/s" for rate in RATES) + " | aim |"
    yield "|---|" + "---:|" * (len(RATES) + 1)
    for key in found:
        for other in ("rb-no", "rb-udp", "unbound", "knot-xdp"):
            if key in ("rb-yes", "rb-no") and other in found and other != key and (key == "rb-yes" or other != "rb-no"):
                ratios = [f"{cores(found[key], rate) / cores(found[other], rate):.2f}" for rate in RATES]
                aim = f"{SHARE:.2f} at {AT:,}/s" if (key, other) == ("rb-yes", "rb-no") else ""
                yield f"| {ROWS[key]} / {ROWS[other]} | " + " | ".join(ratios) + f" | {aim} |"
    if "rb-yes" in found:
        of = middle(found["rb-yes"], AT, lambda asked: asked.used.server)
        yield f"| the server's core with `xdp-answers: yes` at {AT:,}/s: {of:.1%} | | | | {CORE:.0%} |"
