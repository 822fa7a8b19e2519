"""The steps of ./tests/run: each prints its name, time and result; the last line is the sum of all tests.

Most steps run one after the other, in the foreground. Beside them run lanes (`Lane`): what compiles on one core, downloads, or
waits. Every step prints its own time and result when it is its turn in the list, so that the output has one order, and the
times add up to more than the whole took.
"""

import glob
import os
import re
import signal
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAMS = f"{ROOT}/target/x86_64-unknown-linux-musl/release"
E2E = ["binary", "demo", "clients", "client_limits", "compare", "bad_messages", "control", "local_edits", "upstream_failures", "recursion", "memory", "internet",
       "signed", "hostile_internet", "rollover", "no_interference", "answers", "answers_alike", "unsound_frames", "conservation", "lifecycle", "late_worker", "limits",
       "million_zones",
       "deployment", "reattach", "below", "absent_addresses", "moving_address", "one_network", "promise", "tags_beside",
       "unit_findings",
       "user_namespace", "install", "confinement", "proxmox_snippet", "proxmox_recipe", "proxmox_upgrade"]
WAITING = ["reattach", "late_worker"]  # for nearly all of a minute, and so do those at the same time in the foreground
# Those that emulate machines: name, what is needed beside the program, test and its words.
MACHINES = [("vm_topologies", "vm-build", ["vm_topologies", "6.12"]), ("vm_answers", "vm-build", ["vm_answers", "6.12", "6.1"]),
            ("vm_kernels", "vm-build", ["vm_topologies", "6.1", "newest"]),
            ("vm_vlans", "vm-build", ["vm_vlans"]), ("vm_findings", "vm-build", ["vm_findings"]),
            ("vm_guests", "vm-build", ["vm_guests"]), ("vm_bonds", "vm-build", ["vm_bonds"]), ("vm_systemd", "vm-debian", ["vm_systemd"]),
            ("vm_install", "vm-debian", ["vm_install"]),
            ("vm_appliance", "appliance", ["vm_appliance", "cd-bios", "disk-uefi"]),
            *((name, "appliance", [name]) for name in ("vm_appliance_bad_input", "vm_appliance_cloudinit", "vm_appliance_upgrade",
                                                       "vm_appliance_bond"))]
# What runs only when it is named, or with --all.
ON_DEMAND = [("soak", "build", ["soak"]), ("appliance_twice", "appliance", ["appliance_build"]), ("vm_appliance_ways", "appliance", ["vm_appliance"]),
             *((name, "appliance", [name]) for name in ("vm_appliance_kill", "vm_appliance_load")),
             ("vm_vlans_kernels", "vm-build", ["vm_vlans", "6.12", "6.1", "newest"]), ("vm_bonds_newest", "vm-build", ["vm_bonds", "newest"])]
FUZZ_TARGETS = sorted(name.removesuffix(".rs") for name in os.listdir(f"{ROOT}/tests/fuzz/fuzz_targets"))
FUZZ_SECONDS = int(os.environ.get("FUZZ_SECONDS", "60"))  # of random inputs for each target, with --all
# After so many seconds a step hangs: a machine at a quarter of the speed, with others beside, ends each sooner.
HANGS = 3600
LONG_FUZZ = "fuzz-long-"
COMPILING = ("format", "clippy", "unit", "replay", "replay-restart", "build")
SHOWN = 150  # lines of a failed step's output


class Lane:
    """Steps that run beside those in the foreground: in their order, `width` of them at a time.

    `after`: steps of the foreground that are over when it starts. `idle`: it gets the time only that all else leaves.
    """

    ended = False  # nothing more is started

    def __init__(self, after=(), idle=False, width=1):
        self.after, self.idle, self.width, self.started = after, idle, width, False

    def start(self, chosen):
        """Start its steps among the chosen ones."""
        self.started = True
        turns, one_at_a_time = iter([step for step in chosen if step.lane is self]), threading.Lock()

        def take():
            with one_at_a_time:
                return next(turns, None)

        def work():
            while not Lane.ended and (step := take()):
                step.perform(chosen)

        for _ in range(self.width):
            threading.Thread(target=work, daemon=True).start()


class Step:
    """A command; `count` reads the number of passed and failed tests out of its output.

    `needs`: names of steps without which it is not run. `lane`: None is the foreground.
    """

    def __init__(self, name, argv, env=None, count=None, needs=(), lane=None):
        self.name, self.argv, self.env = name, argv, env or {}
        self.needs, self.lane = needs, lane
        self.count = count or (lambda output, status: (1, 0) if status == 0 else (0, 1))
        self.process, self.done = None, threading.Event()
        self.passed, self.failed, self.output, self.took = 0, 1, "it could not be started", None

    def perform(self, chosen):
        """Run it, if those of the chosen steps that it needs have passed, for which it waits."""
        try:
            for other in chosen:
                if other.name in self.needs:
                    other.done.wait()
                    if other.failed:
                        self.output = f"not run: {other.name} failed"
                        return
            started = time.monotonic()
            self.passed, self.failed, self.output = self.run()
            self.took = time.monotonic() - started
        finally:
            self.done.set()

    def run(self):
        """Run it; returns (passed, failed, output)."""
        idle = self.lane is not None and self.lane.idle
        argv = ["chrt", "--idle", "0", *self.argv] if idle else self.argv
        with subprocess.Popen(argv, cwd=ROOT, env={**os.environ, **self.env}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                              start_new_session=True) as process:
            self.process = process
            try:
                output, _ = process.communicate(timeout=HANGS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGTERM)
                try:
                    output, _ = process.communicate(timeout=20)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    output, _ = process.communicate()
                return 0, 1, output + f"\nstopped after {HANGS} s"
        passed, failed = self.count(output, process.returncode)
        if process.returncode != 0 and failed == 0:
            failed = 1
        return passed, failed, output

    def report(self):
        """Print what came of it."""
        if self.took is None:
            print(f" FAILED             {self.output}", flush=True)
            return
        print(f" {'FAILED' if self.failed else 'ok    '} {self.took:7.1f} s  {self.passed} passed"
              + (f", {self.failed} failed" if self.failed else ""), flush=True)
        if self.failed:
            lines = self.output.rstrip().splitlines()
            print("\n".join(f"    | {line}" for line in lines[-SHOWN:]), flush=True)


def count_cargo(output, _):
    """Sum of the `test result:` lines of cargo test."""
    results = re.findall(r"^test result: \w+\. (\d+) passed; (\d+) failed", output, re.M)
    return sum(int(a) for a, _ in results), sum(int(b) for _, b in results)


def count_replay(output, _):
    """The last line of tests/replay/run; what is skipped needs what is not there yet."""
    match = re.search(r"^(\d+) passed, (\d+) failed, \d+ skipped\s*\Z", output, re.M)
    return (int(match.group(1)), int(match.group(2))) if match else (0, 1)


def count_report(output, _):
    """The last line of an end-to-end test."""
    match = re.search(r"^(\d+) passed, (\d+) failed\s*\Z", output, re.M)
    return (int(match.group(1)), int(match.group(2))) if match else (0, 1)


def steps():
    """All steps in their order."""
    fetch, release, idle = Lane(), Lane(after=("format", "clippy")), Lane(after=COMPILING, idle=True)
    waiting, pairs = Lane(after=COMPILING), Lane(after=E2E, width=2)
    yield Step("format", ["cargo", "fmt", "--all", "--check"])
    yield Step("clippy", ["cargo", "clippy", "--locked", "-q", "--workspace", "--all-targets", "--", "-D", "warnings"])
    yield Step("unit", ["cargo", "test", "--locked", "--workspace"], count=count_cargo)
    # Our own scenarios, and those of ../shared/replay where that is there.
    yield Step("replay", ["tests/replay/run"], count=count_replay)
    # Those whose files are written, with what serves killed whenever it has written one.
    anchors = sorted(glob.glob(f"{ROOT}/tests/replay/scenarios/anchor_*.rpl"))
    yield Step("replay-restart", ["tests/replay/run", "--restart", *anchors], count=count_replay)
    # The programs as they go into the appliance, so that they are built once and what is tested is what is shipped. Half of
    # the time it keeps one core busy alone, hence beside the unit tests. Not beside clippy: that builds the C libraries for
    # the unit tests, and two such builds at once would meet in the sources of the crate.
    yield Step("build", ["appliance/build", "--programs", PROGRAMS], lane=release)
    for name in E2E:
        yield Step(name, [sys.executable, f"tests/e2e/{name}"], count=count_report, needs=["build"],
                   lane=waiting if name in WAITING else None)
    # Fetch Debian's kernels and make a small Debian when they are not there yet: some minutes, once.
    yield Step("vm-build", [sys.executable, "tests/lib/topology.py"], lane=fetch)
    yield Step("vm-debian", [sys.executable, "tests/lib/debian.py"], needs=["vm-build"], lane=fetch)
    yield Step("appliance", [sys.executable, "tests/e2e/appliance_build", "once"], count=count_report, needs=["build"],
               lane=idle)
    for name, needs, words in MACHINES:
        yield machine(name, ["build", needs], words, pairs)
    # The model tests of the rings: every interleaving, every reordering that a weakly ordered CPU may show.
    loom = {"RUSTFLAGS": "--cfg loom", "LOOM_MAX_PREEMPTIONS": "3", "CARGO_TARGET_DIR": f"{ROOT}/target/loom"}
    loom_test = ["cargo", "test", "--locked", "--release", "--manifest-path", "tests/loom/Cargo.toml"]
    yield Step("loom-build", [*loom_test, "-q", "--no-run"], env=loom, lane=idle)
    yield Step("loom", loom_test, env=loom, count=count_cargo, needs=["loom-build"], lane=pairs)
    yield Step("fuzz-build", ["tests/fuzz/run", "build"], lane=idle)
    for name in FUZZ_TARGETS:
        yield Step(f"fuzz-{name}", ["tests/fuzz/run", name], needs=["fuzz-build"], lane=pairs)
    for name in FUZZ_TARGETS:
        yield Step(f"{LONG_FUZZ}{name}", ["tests/fuzz/run", name, str(FUZZ_SECONDS)], needs=["fuzz-build"], lane=pairs)
    for name, needs, words in ON_DEMAND:
        yield machine(name, ["build", needs], words, idle if name == "appliance_twice" else pairs)


def left_out():
    """Tests that no step runs."""
    run = {*E2E, *(words[0] for _, _, words in [*MACHINES, *ON_DEMAND])}
    return sorted(set(os.listdir(f"{ROOT}/tests/e2e")) - run)


def machine(name, needs, words, lane):
    """A step that emulates machines."""
    return Step(name, [sys.executable, f"tests/e2e/{words[0]}", *words[1:]], count=count_report, needs=needs, lane=lane)


def main(wanted):
    """Run the steps (all, or those named) and print the sum."""
    if left_out():
        print(f"no step runs {', '.join(left_out())}: put it into E2E, MACHINES or ON_DEMAND of tests/lib/steps.py\n0 passed, 1 failed")
        return 1
    known = list(steps())
    rest = {step.name for step in known if step.name.startswith(LONG_FUZZ)} | {name for name, *_ in ON_DEMAND}
    if wanted == ["--list"]:
        print("\n".join(step.name + (" (when named, or with --all)" if step.name in rest else "") for step in known))
        return 0
    unknown = set(wanted) - {step.name for step in known} - {"--all"}
    if unknown:
        print(f"no such step: {', '.join(sorted(unknown))}; ./tests/run --list shows them", file=sys.stderr)
        return 2
    chosen = [step for step in known if step.name in wanted or "--all" in wanted or not wanted and step.name not in rest]
    try:
        return run_all(chosen)
    finally:
        Lane.ended = True
        for step in chosen:
            if step.process and step.process.poll() is None:
                os.killpg(step.process.pid, signal.SIGKILL)


def run_all(chosen):
    """Run the steps, print each in its turn, then the sum; returns the exit status."""
    begin, over = time.monotonic(), set()
    for step in chosen:
        for lane in {other.lane for other in chosen if other.lane and not other.lane.started}:
            if not any(other.name in lane.after for other in chosen if other not in over):
                lane.start(chosen)
        print(f"{step.name:18}", end="", flush=True)
        if step.lane:
            step.done.wait()
        else:
            step.perform(chosen)
        over.add(step)
        step.report()
    passed, failed = sum(step.passed for step in chosen), sum(step.failed for step in chosen)
    print(f"{'all':18}        {time.monotonic() - begin:7.1f} s")
    print(f"{passed} passed, {failed} failed", flush=True)
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
