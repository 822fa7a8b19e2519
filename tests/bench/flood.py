"""Part `flood`: more is asked than can be answered, for 1,000 names of local data, for 1,000 cached ones, and by Zipf's law for
100,000 cached ones, of which the XDP program can hold the hottest alone.
"""

import random

import measure
from asked import asked, percent, settle, warm
from contenders import CACHED_NAMES, ROWS

OFFERED = 3_000_000  # a second
KEYS = ("reflect", "null", "rb-yes", "rb-no", "rb-udp", "base-xdp", "knot-xdp", "unbound")
BY_ZIPF = ("rb-yes", "rb-no", "base-xdp")
HOT, DRAWN, SHAPE = 1000, 400_000, 1.0  # cached names of the small flood; questions drawn by Zipf's law, and its s
CALM = 100_000  # a second, at which cores are compared
WAYS = ("local", "cached", "zipf", "calm")
HEADS = {"local": "1,000 local names", "cached": "1,000 cached names", "zipf": "100,000 cached names by Zipf's law"}
# Issue 13, on the bare pair: replies of `yes` to those of others at least.
AIMS = {"null": 1.4, "knot-xdp": 1.9, "reflect": 0.85}


class Questions:
    """The question files."""

    def __init__(self, field):
        names = [f"n{n}.cache.example." for n in range(CACHED_NAMES)]
        rng = random.Random(13)
        rng.shuffle(names)
        self.of = {"local": field.local, "cached": field.questions("hot", names[:HOT])}
        weights = [1 / (rank + 1) ** SHAPE for rank in range(CACHED_NAMES)]
        self.of["zipf"] = field.questions("zipf", rng.choices(names, weights, k=DRAWN))


def round_of(field, key, capacity, questions, seconds):
    """One contender: what asked gives, by way. Knot DNS has local names alone; by Zipf's law those are asked whose hottest names are
    the question."""
    capacity.at_rest(min(1, seconds))
    server, found = field.start(key), {}
    try:
        settle(field, key, server, lambda: warm(field, field.local, 1))
        for way in ("local",) if key == "knot-xdp" else ("local", "cached"):
            warm(field, questions.of[way], seconds // 2)
            found[way] = asked(field, capacity, server, questions.of[way], OFFERED, seconds)
        if key in BY_ZIPF:
            measure.warm(field)
            warm(field, questions.of["zipf"], seconds // 2)
            found["zipf"] = asked(field, capacity, server, questions.of["zipf"], OFFERED, seconds)
            found["calm"] = asked(field, capacity, server, questions.of["zipf"], CALM, seconds)
        return found
    finally:
        field.stop(server)


def _middle(rounds, way, value):
    return measure.median([value(found[way]) for found in rounds if way in found])


def _rate(rounds, way):
    return _middle(rounds, way, lambda of: of.rate)


def _replies(rounds, way):
    """Right answers a second, with a sign where the generator was the limit, and the cores that it took."""
    rate = _rate(rounds, way)
    if rate is None:
        return "–"
    limit = "≥ " if all(found[way].complete for found in rounds) else ""
    return f"{limit}{rate:,.0f} ({_middle(rounds, way, lambda of: of.used.all):.2f})"


def _program(rounds, way):
    """The median of the shares that the program answered, or why there is none."""
    shares = [found[way].program for found in rounds if way in found]
    numbers = [share for share in shares if isinstance(share, float)]
    return percent(measure.median(numbers) if numbers else shares[0] if shares else None)


def lines(found, place):
    """Markdown of {key: [rounds]}, one at least of each."""
    yield f"Right answers a second (cores used in all) of {OFFERED:,} asked, and what the program answered of them, on {place.title}:\n"
    heads = [text for way in ("local", "cached", "zipf") for text in (HEADS[way], "by the program")]
    yield "| server | " + " | ".join(heads) + f" | cores, {CALM:,}/s by Zipf's law | by the program |"
    yield "|---|" + "---:|" * (len(heads) + 2)
    for key, rounds in found.items():
        cells = [text for way in ("local", "cached", "zipf") for text in (_replies(rounds, way), _program(rounds, way))]
        calm = _middle(rounds, "calm", lambda of: of.used.all)
        cells += ["–" if calm is None else f"{calm:.2f}", _program(rounds, "calm")]
        yield f"| {ROWS[key]} | " + " | ".join(cells) + " |"
    yield "\n≥: all that was asked was answered, the generator was the limit; ratios with such a figure say little."
    yield "\n| ratio of right answers | 1,000 local | 1,000 cached | by Zipf's law | aim |\n|---|---:|---:|---:|---:|"
    for key in [key for key in ("rb-yes", "rb-no") if key in found]:
        for other in [other for other in ("reflect", "null", "rb-no", "rb-udp", "knot-xdp", "unbound") if other in found and other != key]:
            rates = [(_rate(found[key], way), _rate(found[other], way)) for way in ("local", "cached", "zipf")]
            aim = "" if key == "rb-no" else f"{AIMS[other]:.2f}" if place.peer is None and other in AIMS else "1.00" if (
                place.peer and other == "rb-no") else ""
            yield f"| {ROWS[key]} / {ROWS[other]} | " + " | ".join(f"{a / b:.2f}" if a and b else "–" for a, b in rates) + f" | {aim} |"
