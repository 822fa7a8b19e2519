"""A lab of network namespaces: made by one test, removed by the same test.

Names carry a prefix and the process id, so that tests run side by side; what a killed test left behind is swept away
by the next one. Everything here needs root. Only the standard library is used (Debian 12 has Python 3.11, which has no
os.setns yet, hence ctypes).
"""

import contextlib
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
NETNS_DIR = "/run/netns"
PREFIX = os.environ.get("LAB_PREFIX", "rb")
# Seconds to wait for what surely comes: a machine that is slow and busy needs a small part of them.
PATIENCE = 120

_libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    """Something in the lab itself went wrong: not a verdict on the server under test."""


def sh(*argv, check=True, timeout=PATIENCE):
    """Run a command, return its standard output; raise LabError with its standard error when it fails."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout)
    if check and done.returncode != 0:
        raise LabError(f"{' '.join(argv)}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def wait_until(condition, seconds, what, pause=0.01):
    """Poll `condition` until it is true; returns its value; LabError after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise LabError(f"not within {seconds} s: {what}")
        time.sleep(pause)


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Namespace:
    """One network namespace. Sockets opened `with ns.inside():` stay in it for life."""

    def __init__(self, name):
        self.name = name

    @contextlib.contextmanager
    def inside(self):
        """Move the calling thread into the namespace for the length of the block."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        there = os.open(f"{NETNS_DIR}/{self.name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(there)
            try:
                yield self
            finally:
                _setns(home)
        finally:
            os.close(home)
            os.close(there)

    def ip(self, *args):
        """`ip -n NAME ...`; returns its output."""
        return sh("ip", "-n", self.name, *args)

    def run(self, *argv, check=True, timeout=PATIENCE):
        """Run a command in the namespace to its end; returns its standard output."""
        return sh("ip", "netns", "exec", self.name, *argv, check=check, timeout=timeout)

    def sysctl(self, key, value):
        """Set net.* of this namespace: /proc/sys/net shows the caller's namespace."""
        with self.inside(), open("/proc/sys/" + key.replace(".", "/"), "w") as file:
            file.write(str(value))

    def mac(self, interface):
        """The interface's MAC address as text."""
        return re.search(r"link/ether (\S+)", self.ip("link", "show", interface)).group(1)

    def xdp_programs(self, interface):
        """The lines of `ip -details link` that speak of an XDP program on the interface; empty when there is none."""
        text = self.ip("-details", "link", "show", "dev", interface)
        return [line.strip() for line in text.splitlines() if re.search(r"\bprog/xdp|\bxdp(generic|offload)?/id", line)]


def processor_seconds(stat):
    """User and system time in a `stat` of /proc."""
    with open(stat) as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Process:
    """A server that the lab started; its output goes to a file."""

    def __init__(self, popen, log_path):
        self.popen = popen
        self.pid = popen.pid
        self.log_path = log_path

    def log(self):
        """All it wrote so far (standard output and standard error)."""
        with open(self.log_path, errors="replace") as file:
            return file.read()

    def alive(self):
        """Still running?"""
        return self.popen.poll() is None

    def signal(self, number):
        """Send a signal if it still runs."""
        if self.alive():
            self.popen.send_signal(number)

    def wait(self, seconds):
        """Wait for its end; returns the exit status, None when it did not end in time."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, seconds=PATIENCE):
        """SIGTERM, SIGKILL when that does not help; returns the exit status."""
        self.signal(signal.SIGTERM)
        status = self.wait(seconds)
        if status is None:
            self.signal(signal.SIGKILL)
            status = self.popen.wait()
        return status

    def tree(self):
        """Its process ids: itself and all descendants (NSD forks)."""
        children = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                with contextlib.suppress(OSError):
                    with open(f"/proc/{entry}/stat") as file:
                        parent = int(file.read().rsplit(")", 1)[1].split()[1])
                    children.setdefault(parent, []).append(int(entry))
        found, queue = [], [self.pid]
        while queue:
            pid = queue.pop()
            found.append(pid)
            queue += children.get(pid, [])
        return found

    def resident_kib(self):
        """Resident memory in KiB: RSS of a single process, the sum of proportional shares for several."""
        pids = self.tree()
        if len(pids) == 1:
            with open(f"/proc/{self.pid}/status") as file:
                return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))
        total = 0
        for pid in pids:
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/smaps_rollup") as file:
                    total += int(re.search(r"Pss:\s+(\d+)", file.read()).group(1))
        return total

    def cpu_seconds(self):
        """User and system time used so far by the process and its descendants."""
        seconds = 0.0
        for pid in self.tree():
            with contextlib.suppress(OSError):
                seconds += processor_seconds(f"/proc/{pid}/stat")
        return seconds

    def thread_seconds(self, name):
        """Time on a processor used so far by its threads of a name; None when it has none."""
        tasks, found = f"/proc/{self.pid}/task", []
        for task in os.listdir(tasks):
            with open(f"{tasks}/{task}/comm") as comm, open(f"{tasks}/{task}/schedstat") as times:
                if comm.read().strip() == name:
                    found.append(int(times.read().split()[0]) / 1e9)
        return sum(found) if found else None

    def main_thread_seconds(self):
        """The same of its first thread alone, which in the server reads the configuration and obeys commands."""
        return processor_seconds(f"/proc/{self.pid}/task/{self.pid}/stat")


def die_with_parent():
    """To run in a child before exec: it is killed when this process ends, however it ends."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Lab:
    """Namespaces, links and servers of one test; a context manager that leaves nothing behind."""

    def __init__(self):
        if os.geteuid() != 0:
            raise LabError("the lab makes network namespaces: run it as root")
        self.name = f"{PREFIX}{os.getpid()}"
        self.namespaces = []
        self.processes = []
        self.machines = []
        self.directory = None

    def __enter__(self):
        sweep()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda got, _: sys.exit(128 + got))
        self.directory = tempfile.mkdtemp(prefix=f"{self.name}-")
        os.chmod(self.directory, 0o755)
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Stop the servers, remove the namespaces, and check that they are gone."""
        for process in reversed(self.processes):
            process.signal(signal.SIGTERM)
        for process in reversed(self.processes):
            process.stop(10)  # the verdict is there: what does not heed SIGTERM is killed
        for ns in self.namespaces:
            sh("ip", "netns", "del", ns.name, check=False)
        left = [ns.name for ns in self.namespaces if os.path.exists(f"{NETNS_DIR}/{ns.name}")]
        left += [f"process {p.pid}" for p in self.processes if p.alive()]
        self.namespaces, self.processes = [], []
        if self.directory:
            shutil.rmtree(self.directory, ignore_errors=True)
        if left:
            raise LabError("left behind: " + ", ".join(left))

    def path(self, name):
        """A path in the lab's own temporary directory."""
        return os.path.join(self.directory, name)

    def write(self, name, text):
        """Write a file there; returns its path."""
        with open(self.path(name), "w") as file:
            file.write(text)
        return self.path(name)

    def namespace(self, short):
        """Make a namespace; duplicate address detection is off, so IPv6 addresses work at once."""
        ns = Namespace(f"{self.name}-{short}")
        sh("ip", "netns", "add", ns.name)
        self.namespaces.append(ns)
        for scope in ("all", "default"):
            ns.sysctl(f"net.ipv6.conf.{scope}.accept_dad", 0)
            ns.sysctl(f"net.ipv6.conf.{scope}.router_solicitations", 0)
        ns.ip("link", "set", "lo", "up")
        return ns

    def veth(self, left, right, queues=1):
        """A veth pair. Each end is (namespace, interface, [address/prefix, ...]); same number of queues both ways."""
        count = ["numtxqueues", str(queues), "numrxqueues", str(queues)]
        sh("ip", "link", "add", left[1], *count, "netns", left[0].name, "type", "veth",
           "peer", "name", right[1], *count, "netns", right[0].name)
        for ns, interface, addresses in (left, right):
            for address in addresses:
                ns.ip("address", "add", address, "dev", interface, *(["nodad"] if ":" in address else []))
        for ns, interface, _ in (left, right):
            ns.ip("link", "set", interface, "up")
        for (ns, interface, _), (other, peer, addresses) in ((left, right), (right, left)):
            for address in addresses:  # permanent neighbours: no question is lost to address resolution
                ns.ip("neigh", "replace", address.split("/")[0], "lladdr", other.mac(peer), "dev", interface)
        wait_until(lambda: "state UP" in left[0].ip("link", "show", left[1]), PATIENCE, "veth up")

    def bridge(self, ns, name, ports, addresses=()):
        """A bridge in `ns` over interfaces that are already there."""
        ns.ip("link", "add", name, "type", "bridge", "forward_delay", "0", "stp_state", "0")
        for port in ports:
            ns.ip("link", "set", port, "master", name, "up")
        for address in addresses:
            ns.ip("address", "add", address, "dev", name, *(["nodad"] if ":" in address else []))
        ns.ip("link", "set", name, "up")

    def start(self, ns, argv, name, cpu=None):
        """Start a server in `ns` (pinned to one core if asked); it dies with this process."""
        log_path = self.path(f"{name}.{len(self.processes)}.log")
        pin = ["taskset", "-c", str(cpu)] if cpu is not None else []
        with open(log_path, "wb") as log:
            popen = subprocess.Popen(
                ["ip", "netns", "exec", ns.name, *pin, *argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=die_with_parent, cwd=self.directory)
        process = Process(popen, log_path)
        self.processes.append(process)
        return process


def sweep():
    """Remove the namespaces and directories of labs whose process is gone."""
    pattern = re.compile(rf"{re.escape(PREFIX)}(\d+)-")
    places = [(NETNS_DIR, lambda name: sh("ip", "netns", "del", name, check=False)),
              (tempfile.gettempdir(), lambda name: shutil.rmtree(os.path.join(tempfile.gettempdir(), name), True))]
    for directory, remove in places:
        for name in os.listdir(directory) if os.path.isdir(directory) else []:
            match = pattern.match(name)
            if match and not os.path.exists(f"/proc/{match.group(1)}"):
                remove(name)
