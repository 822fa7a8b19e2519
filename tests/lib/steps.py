"""The steps of ./tests/run: each prints its name, time and result; the last line is the sum of all tests.

Most steps run one after the other, in the foreground. Beside them run lanes (`Lane`): what compiles on one core, downloads, or
waits. Every step prints its own time and result when it is its turn in the list, so that the output has one order, and the
times add up to more than the whole took.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = f"{ROOT}/target/x86_64-unknown-linux-musl/release/runbound"
E2E = ["binary", "clients", "compare", "bad_messages", "control", "upstream_failures", "no_interference", "conservation",
       "lifecycle", "million_zones", "deployment", "reattach", "below", "absent_addresses", "one_network", "unit_findings",
       "install", "confinement", "proxmox_snippet", "proxmox_recipe"]
ON_DEMAND = [("appliance_twice", ["appliance_build"]), ("vm_appliance_ways", ["vm_appliance"]),
             *((name, [name]) for name in ("vm_appliance_upgrade", "vm_appliance_cloudinit", "vm_appliance_bad_input",
                                           "vm_appliance_kill", "vm_appliance_load"))]
FUZZ_TARGETS = sorted(name.removesuffix(".rs") for name in os.listdir(f"{ROOT}/tests/fuzz/fuzz_targets"))
FUZZ_SECONDS = int(os.environ.get("FUZZ_SECONDS", "10"))
IDLE_SECONDS = 1200
COMPILING = ("format", "clippy", "unit", "build")
SHOWN = 150  # lines of a failed step's output


class Lane:
    """Steps that run one after the other beside those in the foreground.

    `after`: steps of the foreground that are over when it starts. `idle`: it gets the time only that all else leaves.
    """

    def __init__(self, after=(), idle=False):
        self.after, self.idle, self.started = after, idle, False


class Step:
    """A command with a time limit; `count` reads the number of passed and failed tests out of its output.

    `needs`: names of steps without which it is not run. `lane`: None is the foreground.
    """

    def __init__(self, name, argv, seconds, env=None, count=None, needs=(), lane=None):
        self.name, self.argv, self.seconds, self.env = name, argv, seconds, env or {}
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
        seconds = self.seconds + IDLE_SECONDS if idle else self.seconds
        with subprocess.Popen(argv, cwd=ROOT, env={**os.environ, **self.env}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                              start_new_session=True) as process:
            self.process = process
            try:
                output, _ = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGTERM)
                try:
                    output, _ = process.communicate(timeout=20)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    output, _ = process.communicate()
                return 0, 1, output + f"\nstopped after {seconds} s"
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


def start_lanes(chosen, over):
    """Start the lanes whose time has come: no step that they come after is still to run in the foreground."""
    lanes = {step.lane: [] for step in chosen if step.lane and not step.lane.started}
    for lane, members in lanes.items():
        if any(step.name in lane.after and step not in over for step in chosen):
            continue
        lane.started = True
        members += [step for step in chosen if step.lane is lane]

        def work(members=members):
            for step in members:
                step.perform(chosen)

        threading.Thread(target=work, daemon=True).start()


def count_cargo(output, _):
    """Sum of the `test result:` lines of cargo test."""
    results = re.findall(r"^test result: \w+\. (\d+) passed; (\d+) failed", output, re.M)
    return sum(int(a) for a, _ in results), sum(int(b) for _, b in results)


def count_report(output, _):
    """The last line of an end-to-end test."""
    match = re.search(r"^(\d+) passed, (\d+) failed\s*\Z", output, re.M)
    return (int(match.group(1)), int(match.group(2))) if match else (0, 1)


def steps():
    """All steps in their order."""
    release, fetch, idle = Lane(), Lane(), Lane(after=COMPILING, idle=True)
    yield Step("format", ["cargo", "fmt", "--check"], 60)
    yield Step("clippy", ["cargo", "clippy", "--locked", "-q", "--all-targets", "--", "-D", "warnings"], 900)
    yield Step("unit", ["cargo", "test", "--locked"], 900, count=count_cargo)
    # The program as it goes into the appliance, so that it is built once and what is tested is what is shipped. Half of
    # the time it keeps one core busy alone, hence beside the others.
    yield Step("build", ["appliance/build", "--program", PROGRAM], 1200, lane=release)
    # Fetch Debian's kernels and make a small Debian when they are not there yet: some minutes, once.
    yield Step("vm-build", [sys.executable, "tests/lib/topology.py"], 1200, lane=fetch)
    yield Step("vm-debian", [sys.executable, "tests/lib/debian.py"], 900, needs=["vm-build"], lane=fetch)
    for name in E2E:
        yield Step(name, [sys.executable, f"tests/e2e/{name}"], 300, count=count_report, needs=["build"])
    yield from machines(idle)
    # The model tests of the rings: every interleaving, every reordering that a weakly ordered CPU may show. One that fails
    # may not end by itself, hence the short limit.
    loom = {"RUSTFLAGS": "--cfg loom", "LOOM_MAX_PREEMPTIONS": "3", "CARGO_TARGET_DIR": f"{ROOT}/target/loom"}
    loom_test = ["cargo", "test", "--locked", "--release", "--manifest-path", "tests/loom/Cargo.toml"]
    yield Step("loom-build", [*loom_test, "-q", "--no-run"], 600, env=loom, lane=idle)
    yield Step("loom", loom_test, 120, env=loom, count=count_cargo, needs=["loom-build"])
    yield Step("fuzz-build", ["tests/fuzz/run", "build"], 600, lane=idle)
    for name in FUZZ_TARGETS:
        yield Step(f"fuzz-{name}", ["tests/fuzz/run", name, str(FUZZ_SECONDS)], FUZZ_SECONDS + 60, needs=["fuzz-build"])


def machines(idle):
    """The steps that emulate machines."""
    for name, words in (("vm_topologies", ["6.12"]), ("vm_kernels", ["6.1", "newest"]), ("vm_findings", [])):
        yield Step(name, [sys.executable, f"tests/e2e/{name}", *words], 900, count=count_report, needs=["build", "vm-build"])
    yield Step("vm_systemd", [sys.executable, "tests/e2e/vm_systemd"], 480, count=count_report, needs=["build", "vm-debian"])
    # Of the appliance: one build and two of the ways to boot.
    yield Step("appliance", [sys.executable, "tests/e2e/appliance_build", "once"], 1500, count=count_report, needs=["build"],
               lane=idle)
    yield Step("vm_appliance", [sys.executable, "tests/e2e/vm_appliance", "cd-bios", "disk-uefi"], 600, count=count_report,
               needs=["appliance"])


def on_demand():
    """The steps that run only when they are named, or with --all."""
    for name, (script, *words) in ON_DEMAND:
        yield Step(name, [sys.executable, f"tests/e2e/{script}", *words], 1800, count=count_report, needs=["appliance"])


def main(wanted):
    """Run the steps (all, or those named) and print the sum."""
    known, rest = list(steps()), list(on_demand())
    if wanted == ["--list"]:
        print("\n".join([step.name for step in known] + [f"{step.name} (when named, or with --all)" for step in rest]))
        return 0
    if wanted == ["--all"]:
        wanted = []
        known += rest
    elif wanted:
        known += rest
    unknown = [name for name in wanted if name not in {step.name for step in known}]
    if unknown:
        print(f"no such step: {', '.join(unknown)}; ./tests/run --list shows them", file=sys.stderr)
        return 2
    chosen = [step for step in known if not wanted or step.name in wanted]
    try:
        return run_all(chosen)
    finally:
        for step in chosen:
            if step.process and step.process.poll() is None:
                os.killpg(step.process.pid, signal.SIGKILL)


def run_all(chosen):
    """Run the steps, print each in its turn, and the sum; returns the exit status."""
    begin, over = time.monotonic(), set()
    for step in chosen:
        start_lanes(chosen, over)
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
