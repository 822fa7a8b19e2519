"""The measurements of the benchmark; each starts its server, measures, and stops it."""

import re
import statistics
import time

import contenders
import load
from contenders import GENERATOR_CPU, RESPONDERS, SERVER4, SERVER_CPU
from lab import LabError, sh

OFFERED = 1_500_000  # queries per second of a flood: more than anything here answers
LOSS_FREE = 0.999  # replies per query that count as loss-free


def flood_rate(field, questions, seconds):
    """(replies per second, replies per query) when far more is asked than can be answered.

    A share near 1 means that the generator was the limit: the server could have answered more. A contended field has a
    busy loop on the server's core, which leaves the server half of it, and so makes it the limit.
    """
    load.flood(field.outside, SERVER4, questions, OFFERED // 4, 1, GENERATOR_CPU)
    busy = field.lab.start(field.inside, ["sh", "-c", "while :; do :; done"], "busy", cpu=SERVER_CPU) if field.contended else None
    try:
        result = load.flood(field.outside, SERVER4, questions, OFFERED, seconds, GENERATOR_CPU)
    finally:
        if busy:
            busy.stop()
    return result.rate, result.share


def loss_free_rate(field, questions, upper, seconds, steps):
    """The highest rate at which 99.9 % are answered, by bisection below `upper`; the better of two runs counts."""
    low, high = 0.0, upper
    for _ in range(steps):
        rate = (low + high) / 2
        shares = []
        for _ in range(2):
            shares.append(load.flood(field.outside, SERVER4, questions, int(rate), seconds, GENERATOR_CPU).share)
            if shares[-1] >= LOSS_FREE:
                break
        low, high = (rate, high) if max(shares) >= LOSS_FREE else (low, rate)
    return low


def percentiles(field, questions, rate, seconds):
    """(p50, p99) in microseconds of so many questions a second."""
    return load.p50_p99(load.latencies(field.outside, SERVER4, questions, rate, seconds, GENERATOR_CPU))


def beside(field, flooded, rate, seconds, ask):
    """What `ask`, which takes so many seconds, gives beside a load of `rate`."""
    background = load.start_flood(field.lab, field.outside, SERVER4, flooded, int(rate), seconds + 2, GENERATOR_CPU)
    time.sleep(0.5)
    try:
        return ask()
    finally:
        background.wait(seconds + 10)


def latency(field, questions, rate, seconds):
    """(p50, p99) in microseconds of 500 questions a second beside a load of `rate`."""
    return beside(field, questions, rate, seconds, lambda: percentiles(field, questions, 500, seconds))


def idle_cpu(server, seconds):
    """Share of one core that the server uses while nobody asks."""
    time.sleep(1)
    before, begin = server.process.cpu_seconds(), time.monotonic()
    time.sleep(seconds)
    return (server.process.cpu_seconds() - before) / (time.monotonic() - begin)


def warm(field):
    """Have every cached name asked once."""
    dnsperf(field, field.cached_in_order, outstanding=200)


def dnsperf(field, questions, outstanding):
    """Ask every question of the file once; returns (answers per second, questions lost)."""
    text = sh("ip", "netns", "exec", field.outside.name, "taskset", "-c", str(GENERATOR_CPU), "dnsperf", "-s", SERVER4, "-d",
              questions, "-n", "1", "-q", str(outstanding), "-c", "10", "-T", "1", "-t", "5", "-b", "4096", timeout=300)
    rate = re.search(r"Queries per second:\s+([0-9.]+)", text)
    lost = re.search(r"Queries lost:\s+(\d+)", text)
    if not rate or not lost:
        raise LabError(f"dnsperf: {text[-500:]}")
    return float(rate.group(1)), int(lost.group(1))


def local_round(field, key, seconds):
    """One round for one contender on local data: what flood_rate gives."""
    server = field.start(key)
    try:
        return flood_rate(field, field.local, seconds)
    finally:
        field.stop(server)


def cached_round(field, key, seconds):
    """The same for cached answers; those who do not read get the same questions."""
    server = field.start(key)
    try:
        if key not in RESPONDERS:
            warm(field)
        return flood_rate(field, field.cached, seconds)
    finally:
        field.stop(server)


def details(field, key, flood, seconds, steps):
    """Loss-free rate, latency at half of the flood rate, memory and idle CPU of one contender on local data."""
    server = field.start(key)
    try:
        found = {"idle": idle_cpu(server, seconds) if key not in RESPONDERS else None}
        load.flood(field.outside, SERVER4, field.local, 100_000, 1, GENERATOR_CPU)
        found["lossfree"] = loss_free_rate(field, field.local, flood, seconds, steps)
        if key not in RESPONDERS:
            found["p50"], found["p99"] = latency(field, field.local, flood / 2, seconds)
            found["rss"] = server.process.resident_kib() * 1024 / 1e6
        return found
    finally:
        field.stop(server)


def million(field, key, seconds):
    """With a million blocked zones: seconds to the first answer, memory, flood rates of local and blocked names."""
    field.stop(field.start(key))  # the binary is in the page cache
    server = field.start(key, zones=contenders.BLOCKED_ZONES)
    try:
        return {"start": server.started_in, "rss": server.process.resident_kib() * 1024 / 1e6,
                "local": flood_rate(field, field.local, seconds)[0], "blocked": flood_rate(field, field.blocked, seconds)[0]}
    finally:
        field.stop(server)


def median(values):
    """The median, None of nothing."""
    return statistics.median(values) if values else None
