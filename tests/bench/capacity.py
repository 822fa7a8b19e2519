"""Processor time by idle capacity: what a loop of SCHED_IDLE on each core (idle_turns.c) still gets while others work.

It counts all that happens on the machine: server, kernel, bridge and generator. Ticks do not: what softirqs do is charged to whoever
is interrupted, and who paces itself by timers runs between the ticks.
"""

import glob
import os
from dataclasses import dataclass

from contenders import GENERATOR_CPU, SERVER_CPU
from lab import PATIENCE, LabError, sh

HERE = os.path.dirname(os.path.abspath(__file__))
CPUS = sorted(os.sched_getaffinity(0))
QUIET = 0.05  # cores that others use at rest, beyond which figures say little
SPEED = 0.3  # seconds to learn the loop's speed
# Where groups for the processor are made: the one hierarchy of version 2, or one of version 1.
GROUPS = ("/sys/fs/cgroup", "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct")
PREFIX = "runbound-bench-"


def idle_group():
    """Make a group whose processes have a processor only when no other group wants it (cpu.idle, Linux 5.15); returns its path."""
    for root in GROUPS:
        for left in glob.glob(f"{root}/{PREFIX}*"):
            if not os.path.exists(f"/proc/{left.rpartition('-')[2]}"):
                os.rmdir(left)
        path = f"{root}/{PREFIX}{os.getpid()}"
        try:
            os.mkdir(path)
        except OSError:
            continue
        try:
            with open(f"{path}/cpu.idle", "r+") as file:  # the kernel's, none that this would make
                file.write("1")
            return path
        except OSError:
            os.rmdir(path)
    raise LabError(f"cores cannot be counted: no group with cpu.idle can be made in {', '.join(GROUPS)}")


@dataclass(repr=False)
class Used:
    """Shares of cores that were used."""
    cores: dict  # by CPU

    def __repr__(self):
        return " + ".join(f"{share:.2f}" for share in self.cores.values()) + " cores"

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
    """The loop, and its speed; a context manager."""

    def __init__(self, lab):
        self.binary = lab.path("idle_turns")
        sh("gcc", "-O2", f"{HERE}/idle_turns.c", "-o", self.binary)
        self.speed, self.rest = {}, []

    def __enter__(self):
        self.group = idle_group()
        return self

    def __exit__(self, *_):
        os.rmdir(self.group)

    def _turns(self, seconds, tasks):
        """{cpu: (turns, seconds that the loop had, seconds)}."""
        text = sh(self.binary, str(seconds), tasks, *map(str, CPUS), timeout=seconds + PATIENCE)
        return {int(cpu): (int(turns), float(had), float(of)) for cpu, turns, had, of in (line.split() for line in text.splitlines())}

    def at_rest(self, seconds=1.0):
        """Learn the loop's speed while nothing of the bench works, and what others use.

        The speed is that of a second which an ordinary process has, so it can be learnt on a busy machine, too.
        """
        self.speed = {cpu: turns / had for cpu, (turns, had, _) in self._turns(SPEED, "-").items()}
        self.rest.append(self.used(seconds))

    def used(self, seconds):
        """What is used of each core from now on for so many seconds."""
        found = self._turns(seconds, f"{self.group}/cgroup.procs")
        return Used({cpu: 1 - turns / of / self.speed[cpu] for cpu, (turns, _, of) in found.items()})

    def line(self):
        """What is to be said of the machine beside the figures."""
        most = max((used.all for used in self.rest), default=0)
        return (f"At rest {most:.2f} cores were used at most" + ("." if most <= QUIET else
                                                                  ": **not a quiet machine, the figures say nothing**."))
