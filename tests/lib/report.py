"""Counting of checks: every end-to-end test ends with the line `N passed, M failed`."""

import sys
import traceback

from lab import Lab


class Report:
    """Passed and failed checks of one test program; the details of at most `show` failures are printed."""

    def __init__(self, show=40):
        self.passed = 0
        self.failed = 0
        self.show = show

    def check(self, good, name, detail=""):
        """Count one check; print it when it failed. Returns `good`."""
        if good:
            self.passed += 1
            return True
        self.failed += 1
        if self.failed <= self.show:
            print(f"FAIL {name}" + (f"\n     {str(detail).rstrip()}" if str(detail) else ""), flush=True)
        elif self.failed == self.show + 1:
            print("     ... further failures are only counted", flush=True)
        return False

    def equal(self, got, want, name):
        """Check equality, showing both sides when they differ."""
        return self.check(got == want, name, f"got  {got!r}\n     want {want!r}")

    def finish(self):
        """Print the last line and leave with 0 or 1."""
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        sys.exit(0 if self.failed == 0 and self.passed > 0 else 1)


def run(test):
    """Run `test(lab, report)` in a lab of its own; an exception is a failed check, and so is anything left behind.

    What failed while the emulator of a virtual machine did (Machine.emulator_fault) says nothing: the test is run once more.
    """
    report, faults = _run(test)
    if report.failed and faults:
        print(f"{'; '.join(faults)}: the test is run once more", flush=True)
        report, _ = _run(test)
    report.finish()


def _run(test):
    """Run it; returns the report and what emulators did wrong."""
    report, faults = Report(), []
    lab = Lab()
    try:
        with lab:
            try:
                test(lab, report)
            except Exception:  # the verdict must be printed whatever happens
                report.check(False, "the test ran to its end", traceback.format_exc())
                for process in lab.processes:
                    tail = process.log()[-1500:]
                    if tail:
                        print(f"---- {process.log_path}\n{tail}")
            faults = [fault for machine in lab.machines if (fault := machine.emulator_fault())]
        report.check(True, "nothing left behind")
    except Exception:
        report.check(False, "nothing left behind", traceback.format_exc())
    return report, faults
