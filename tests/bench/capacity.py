"""Processor time by idle capacity: what a loop of SCHED_IDLE on each core (idle_turns.c) still gets while others work.

It counts all that happens on the machine: server, kernel, bridge and generator. Ticks do not: what softirqs do is charged to whoever
is interrupted, and who paces itself by timers runs between the ticks.
"""

import os
from dataclasses import dataclass

from contenders import GENERATOR_CPU, SERVER_CPU
from lab import LabError, sh

HERE = os.path.dirname(os.path.abspath(__file__))
CPUS = sorted(os.sched_getaffinity(0))
ENOUGH = 0.1  # of a core's time the loop must get for its speed to be known
TRIES = 10
QUIET = 0.05  # cores that others use at rest, beyond which figures say little


@dataclass
class Used:
    """Shares of cores that were used."""
    cores: dict  # by CPU

    @property
    def all(self):
        """Cores used in all, those included that nobody is pinned to."""
        return sum(self.cores.values())

    @property
    def generator(self):
        """Of the generator's core."""
        return self.cores[GENERATOR_CPU]

    @property
    def server(self):
        """Of the server's core."""
        return self.cores[SERVER_CPU]


class Capacity:
    """The loop, and what it does on a machine at rest.

    Its speed is turns for each second that it has the core, the most that was seen at rest, and so needs no quiet machine; what
    others use at rest is told.
    """

    def __init__(self, lab):
        self.binary = lab.path("idle_turns")
        sh("gcc", "-O2", "-pthread", f"{HERE}/idle_turns.c", "-o", self.binary)
        self.speed, self.rest = {}, []

    def _turns(self, seconds):
        """{cpu: (turns, seconds that the loop had, seconds)}."""
        text = sh(self.binary, str(seconds), *map(str, CPUS), timeout=seconds + 60)
        return {int(cpu): (int(turns), float(had), float(of)) for cpu, turns, had, of in (line.split() for line in text.splitlines())}

    def at_rest(self, seconds=1.0):
        """Learn the loop's speed while nothing of the bench works; returns what others use."""
        for _ in range(TRIES):
            found = self._turns(seconds)
            for cpu, (turns, had, of) in found.items():
                if had > ENOUGH * of:
                    self.speed[cpu] = max(turns / had, self.speed.get(cpu, 0))
            if len(self.speed) == len(CPUS):
                break
        self.rest.append(self._used(found))
        return self.rest[-1]

    def used(self, seconds):
        """What is used of each core from now on for so many seconds."""
        return self._used(self._turns(seconds))

    def _used(self, found):
        missing = set(CPUS) - set(self.speed)
        if missing:
            raise LabError(f"cores {sorted(missing)} are so busy at rest that the loop's speed is not known")
        return Used({cpu: 1 - turns / of / self.speed[cpu] for cpu, (turns, _, of) in found.items()})

    def line(self):
        """What is to be said of the machine beside the figures."""
        if not self.rest:
            return "The machine at rest was not looked at."
        most = max(used.all for used in self.rest)
        return (f"At rest {most:.2f} cores were used at most" + ("." if most <= QUIET else
                                                                  ": **not a quiet machine, the figures say nothing**."))
