"""One contender asked at a rate: what came back, what it cost, and how much of it the XDP program answered itself."""

import time
from dataclasses import dataclass

import load
from capacity import Used
from contenders import GENERATOR_CPU, SERVER4
from lab import PATIENCE, LabError

BEFORE, AFTER = 0.5, 0.5  # seconds that the generator asks before and after the look at the cores
# The counter of questions that the XDP program answered itself, and all of its kind; the state of an interface: on, trial, off (why).
ANSWERED, OF_ANSWERS, STATE = "xdp.answers.queries", "xdp.answers.", "xdp.interface.{}.answers"
TRIES = 6  # of asking until the program answers
FOLDED = 1.2  # seconds until the program's hits are in the server's counters
NOT_THERE = "not there"
ALL = 0.99  # of the questions that came back right: as good as all


@dataclass(repr=False)
class Asked:
    """What came of it."""
    rate: float  # right answers per second
    share: float  # right answers per question
    used: Used
    program: float | str | None  # share of the server's questions that the program answered; NOT_THERE; None: no such server

    def __repr__(self):
        return f"{self.rate:,.0f}/s ({self.share:.1%}) for {self.used}, by the program {percent(self.program)}"

    @property
    def complete(self):
        """As good as all were answered: at a flood, the generator was the limit."""
        return self.share >= ALL


def asked(field, capacity, server, questions, rate, seconds):
    """Ask at `rate` a second for a little longer than `seconds`, in which the cores are looked at."""
    before = _counters(server)
    process = load.start_flood(field.lab, field.outside, SERVER4, questions, int(rate), seconds + BEFORE + AFTER, GENERATOR_CPU)
    time.sleep(BEFORE)
    used = capacity.used(seconds)
    if process.wait(seconds + PATIENCE) is None:
        raise LabError("kxdpgun does not end")
    result = load.parse_flood(process.log(), seconds + BEFORE + AFTER)
    right = result.rcodes.get("NOERROR", 0)
    return Asked(right / result.seconds, right / result.sent if result.sent else 0, used, _by_program(server, before))


def _counters(server):
    """The counters of a server that has a control socket and answers as runbound does."""
    if server.control_path is None:
        return None
    counters = server.counters()
    return counters if "xdp.queries" in counters else None


def _by_program(server, before):
    """The share of the questions since `before` that the program answered."""
    if before is None:
        return None
    if ANSWERED not in before:
        others = sorted(name for name in before if name.startswith(OF_ANSWERS))
        return f"{NOT_THERE}, but {', '.join(others)}" if others else NOT_THERE
    time.sleep(FOLDED)
    after = server.counters()
    questions = after["total.num.queries"] - before["total.num.queries"]
    return (after[ANSWERED] - before[ANSWERED]) / questions if questions else 0.0


def settle(field, key, server, ask):
    """Have the contender whose program is to answer begin with that while `ask` asks for a second or so: it wants queries to prove
    that replies leave. Fails with its reason if it does not: it would be measured as another one."""
    if key != "rb-yes":
        return
    state = None
    for _ in range(TRIES):
        ask()
        state = server.counters().get(STATE.format(field.place.interface))
        if state in ("on", None):  # there is none in a server that does not tell
            return
    raise LabError(f"its program does not answer: {state}")


def warm(field, questions, seconds, rate=100_000):
    """Let a contender see what is hot, if there is time for it."""
    if seconds:
        load.flood(field.outside, SERVER4, questions, rate, seconds, GENERATOR_CPU)


def percent(value):
    """A share, or why there is none."""
    return "–" if value is None else value if isinstance(value, str) else f"{value:.1%}"
