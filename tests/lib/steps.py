"""The steps of ./tests/run: each prints its name, time and result; the last line is the sum of all tests.

The tests in namespaces wait more than they compute. What is only compiled for the last steps is compiled meanwhile, in the
time that they leave: those steps show no time of their own but what was left to wait for. Emulated machines compute all the
time, so nothing long is left for when they run.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
E2E = ["binary", "clients", "compare", "bad_messages", "control", "upstream_failures", "no_interference", "conservation",
       "lifecycle", "million_zones", "deployment", "reattach", "below", "absent_addresses", "one_network", "unit_findings",
       "install", "confinement", "proxmox_snippet", "proxmox_recipe"]
VM = ["vm_topologies", "vm_findings"]
# Of the appliance: one build and two of the ways to boot. The rest boots dozens of machines and takes about an hour.
APPLIANCE = [("appliance", "build", ["appliance_build", "once"], 1500),
             ("vm_appliance", "appliance", ["vm_appliance", "cd-bios", "disk-uefi"], 600)]
ON_DEMAND = [("appliance_twice", ["appliance_build"]), ("vm_appliance_ways", ["vm_appliance"]),
             *((name, [name]) for name in ("vm_appliance_upgrade", "vm_appliance_cloudinit", "vm_appliance_bad_input",
                                           "vm_appliance_kill", "vm_appliance_load"))]
FUZZ_TARGETS = sorted(name.removesuffix(".rs") for name in os.listdir(f"{ROOT}/tests/fuzz/fuzz_targets"))
FUZZ_SECONDS = int(os.environ.get("FUZZ_SECONDS", "10"))
IDLE_SECONDS = 1200
COMPILING = ("format", "clippy", "build", "unit")  # nothing else is compiled beside them
SHOWN = 150  # lines of a failed step's output


class Step:
    """A command with a time limit; `count` reads the number of passed and failed tests out of its output.

    `idle`: it may run while others do, in their idle time, and so may take longer by IDLE_SECONDS.
    """

    def __init__(self, name, argv, seconds, env=None, count=None, needs=None, idle=False):
        self.name, self.argv, self.seconds, self.env = name, argv, seconds, env or {}
        self.idle, self.process, self.done = idle, None, None
        if idle:
            self.seconds += IDLE_SECONDS
        self.count = count or (lambda output, status: (1, 0) if status == 0 else (0, 1))
        self.needs = needs
        self.outcome = None

    def run(self):
        """Run it; returns (passed, failed, output)."""
        argv = ["chrt", "--idle", "0", *self.argv] if self.idle else self.argv
        with subprocess.Popen(argv, cwd=ROOT, env={**os.environ, **self.env}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                              start_new_session=True) as process:
            self.process = process
            try:
                output, _ = process.communicate(timeout=self.seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGTERM)
                try:
                    output, _ = process.communicate(timeout=20)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    output, _ = process.communicate()
                return 0, 1, output + f"\nstopped after {self.seconds} s"
        passed, failed = self.count(output, process.returncode)
        if process.returncode != 0 and failed == 0:
            failed = 1
        return passed, failed, output

    def result(self):
        """As `run`, which an idle step may have done or be doing already."""
        if not self.done:
            return self.run()
        self.done.wait()
        return self.outcome


def in_idle_time(steps):
    """Starts the idle ones of the steps, one after the other, and returns."""
    waiting = [step for step in steps if step.idle]
    for step in waiting:
        step.done = threading.Event()

    def work():
        for step in waiting:
            step.outcome = (0, 1, "it could not be started")
            try:
                step.outcome = step.run()
            finally:
                step.done.set()

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
    yield Step("format", ["cargo", "fmt", "--check"], 60)
    yield Step("clippy", ["cargo", "clippy", "--locked", "-q", "--all-targets", "--", "-D", "warnings"], 600)
    yield Step("build", ["cargo", "build", "--locked", "-q", "--release"], 900)
    yield Step("unit", ["cargo", "test", "--locked"], 900, count=count_cargo)
    for name in E2E:
        yield Step(name, [sys.executable, f"tests/e2e/{name}"], 300, count=count_report, needs="build")
    # Fetches Debian's kernels when they are not there yet: some minutes, once.
    yield Step("vm-build", [sys.executable, "tests/lib/topology.py"], 1200, needs="build")
    for name in VM:
        yield Step(name, [sys.executable, f"tests/e2e/{name}"], 900, count=count_report, needs="vm-build")
    yield Step("vm-debian", [sys.executable, "tests/lib/debian.py"], 900, needs="vm-build")
    yield Step("vm_systemd", [sys.executable, "tests/e2e/vm_systemd"], 480, count=count_report, needs="vm-debian")
    for name, needs, (script, *words), seconds in APPLIANCE:
        yield Step(name, [sys.executable, f"tests/e2e/{script}", *words], seconds, count=count_report, needs=needs)
    # The model tests of the rings: every interleaving, every reordering that a weakly ordered CPU may show. One that fails
    # may not end by itself, hence the short limit.
    loom = {"RUSTFLAGS": "--cfg loom", "LOOM_MAX_PREEMPTIONS": "3", "CARGO_TARGET_DIR": f"{ROOT}/target/loom"}
    loom_test = ["cargo", "test", "--locked", "--release", "--manifest-path", "tests/loom/Cargo.toml"]
    yield Step("loom-build", [*loom_test, "-q", "--no-run"], 600, env=loom, idle=True)
    yield Step("loom", loom_test, 120, env=loom, count=count_cargo, needs="loom-build")
    yield Step("fuzz-build", ["tests/fuzz/run", "build"], 600, idle=True)
    for name in FUZZ_TARGETS:
        yield Step(f"fuzz-{name}", ["tests/fuzz/run", name, str(FUZZ_SECONDS)], FUZZ_SECONDS + 60, needs="fuzz-build")


def on_demand():
    """The steps that run only when they are named, or with --all."""
    for name, (script, *words) in ON_DEMAND:
        yield Step(name, [sys.executable, f"tests/e2e/{script}", *words], 1800, count=count_report, needs="appliance")


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
            if step.idle and step.process and step.process.poll() is None:
                os.killpg(step.process.pid, signal.SIGKILL)


def run_all(chosen):
    """Run the steps in their order and print the sum; returns the exit status."""
    total_passed = total_failed = 0
    broken, idle_time = set(), False
    begin = time.monotonic()
    for step in chosen:
        if step.name not in COMPILING and not idle_time:
            idle_time = True
            in_idle_time(chosen)
        print(f"{step.name:18}", end="", flush=True)
        if step.needs in broken:
            broken.add(step.name)
            total_failed += 1
            print(f" FAILED             not run: {step.needs} failed", flush=True)
            continue
        started = time.monotonic()
        passed, failed, output = step.result()
        total_passed += passed
        total_failed += failed
        print(f" {'ok    ' if failed == 0 else 'FAILED'} {time.monotonic() - started:7.1f} s  {passed} passed"
              + (f", {failed} failed" if failed else ""), flush=True)
        if failed:
            broken.add(step.name)
            lines = output.rstrip().splitlines()
            print("\n".join(f"    | {line}" for line in lines[-SHOWN:]), flush=True)
    print(f"{'all':18}        {time.monotonic() - begin:7.1f} s")
    print(f"{total_passed} passed, {total_failed} failed", flush=True)
    return 0 if total_failed == 0 and total_passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
