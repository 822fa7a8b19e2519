"""Load generators: kxdpgun (Knot DNS) for floods, dnsperf for latency."""

import json
import re
import subprocess
import time
from dataclasses import dataclass

from lab import PATIENCE, LabError, sh, wait_until


# The kernel frees the socket of an earlier run on the same interface a little after its end.
BUSY = "requested resource is busy"
# So many packets are no neighbour discovery: they are the load.
FLOWING = 50


@dataclass
class Flood:
    """What kxdpgun counted."""
    sent: int
    replies: int
    seconds: float
    rcodes: dict

    @property
    def rate(self):
        """Replies per second."""
        return self.replies / self.seconds

    @property
    def share(self):
        """Replies per query."""
        return self.replies / self.sent if self.sent else 0.0


def _argv(ns, address, questions, qps, seconds, cpu, interface):
    # kxdpgun pins its own threads (-F); the binary needs the interface when a route does not tell it
    return ["ip", "netns", "exec", ns.name, "taskset", "-c", str(cpu), "kxdpgun", "-F", str(cpu), "-t", str(seconds),
            "-Q", str(qps), "-b", "10", "-i", questions, *(["-I", interface] if interface else []), address]


def flood(ns, address, questions, qps, seconds, cpu=0, interface=None):
    """Run kxdpgun to its end; `questions` is a file with `NAME TYPE` lines."""
    for _ in range(50):
        done = subprocess.run(_argv(ns, address, questions, qps, seconds, cpu, interface), capture_output=True, text=True,
                              timeout=seconds + PATIENCE)
        if BUSY not in done.stderr + done.stdout:
            break
        time.sleep(0.1)
    return parse_flood(done.stdout + done.stderr, seconds)


def start_flood(lab, ns, address, questions, qps, seconds, cpu=0, interface=None):
    """Start kxdpgun beside the test and wait until it sends; returns the lab's process (its log is for parse_flood)."""
    argv = _argv(ns, address, questions, qps, seconds, cpu, interface)[4:]
    for _ in range(50):
        before, process = _sent(ns), lab.start(ns, argv, "kxdpgun")
        wait_until(lambda: not process.alive() or _sent(ns) > before + FLOWING, PATIENCE, "kxdpgun sends")
        if process.alive() or BUSY not in process.log():
            break
        time.sleep(0.1)
    return process


def _sent(ns):
    """Packets that the interfaces of a namespace have sent."""
    return sum(link.get("stats64", {}).get("tx", {}).get("packets", 0) for link in json.loads(ns.ip("-json", "-s", "link")))


def parse_flood(text, seconds):
    """kxdpgun's report as a Flood; LabError when there is none."""
    sent = re.search(r"total queries:\s+(\d+)", text)
    replies = re.search(r"total replies:\s+(\d+)", text)
    if not sent:
        raise LabError(f"kxdpgun: {text.strip()[-500:]}")
    rcodes = {name: int(count) for name, count in re.findall(r"responded (\w+):\s+(\d+)", text)}
    return Flood(int(sent.group(1)), int(replies.group(1)) if replies else 0, float(seconds), rcodes)


def latencies(ns, address, questions, qps, seconds, cpu=0, port=1500):
    """Ask `qps` questions a second with dnsperf; returns the sorted latencies in microseconds.

    The client port is below 2000: kxdpgun's XDP program takes every UDP frame to a port from 2000 up, so that both can
    run at once. dnsperf runs with real-time priority: what is measured is the server, not the queue for the generator's
    core.
    """
    argv = ["ip", "netns", "exec", ns.name, "chrt", "-f", "10", "taskset", "-c", str(cpu), "dnsperf", "-s", address,
            "-d", questions, "-l", str(seconds), "-Q", str(qps), "-q", "20", "-c", "1", "-T", "1", "-x", str(port), "-t", "1",
            "-v"]
    text = sh(*argv, timeout=seconds + PATIENCE)
    found = re.findall(r"^> \S+ \S+ \S+ ([0-9.]+)$", text, re.M)
    if not found:
        raise LabError(f"dnsperf: {text.strip()[-500:]}")
    return sorted(float(value) * 1e6 for value in found)


def p50_p99(values):
    """The values below which half of the sorted values lie, and 99 % of them."""
    return percentile(values, 0.5), percentile(values, 0.99)


def percentile(values, share):
    """The value below which `share` of the sorted values lie."""
    return values[min(len(values) - 1, int(len(values) * share))]
