"""The table of the parts that ask on one place, and the ratios that matter."""

import os
import platform
import sys
import time

import attacks
import contenders
import validation
from contenders import ROWS


def number(value, form="{:,.0f}"):
    return "–" if value is None else form.format(value)


def flooded(row, column):
    """A flood rate, with a sign when the generator was its limit."""
    return ("≥ " if (row.get(f"{column}-share") or 0) > 0.99 else "") + number(row.get(column))


def ratio(table, key, other, column, form="{:.2f}"):
    mine, its = table.get(key, {}).get(column), table.get(other, {}).get(column)
    return form.format(mine / its) if mine and its else "–"


def print_head():
    """What was run, when and where."""
    with open("/proc/cpuinfo") as file:
        cpu = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), "?")
    print(f"`tests/bench/run {' '.join(sys.argv[1:])}`, {time.strftime('%Y-%m-%d')}: {os.cpu_count()} cores ({cpu}), Linux "
          f"{platform.release().split('-')[0]}, one queue; {contenders.versions()}.\n")


def print_table(table, place):
    """The Markdown table and the ratios that matter."""
    print(f"On {place.title}:\n")
    head = ["server", "local data, replies/s", "× null", "loss-free/s", "p50 µs", "p99 µs", "100,000 cached, replies/s", "× null",
            "misses/s", "known to the resolver/s", "from the root/s", "2,000 zones at first: s", "lost", "RSS MB", "idle CPU",
            "1M zones: start s", "RSS MB", "local replies/s", "blocked replies/s"]
    print("| " + " | ".join(head) + " |")
    print("|---|" + "---:|" * (len(head) - 1))
    for key, row in table.items():
        cells = [ROWS[key], flooded(row, "local"), ratio(table, key, "null", "local"), number(row.get("lossfree")),
                 number(row.get("p50")), number(row.get("p99")), flooded(row, "cached"), ratio(table, key, "null", "cached"),
                 number(row.get("misses")), number(row.get("known")),
                 number(row.get("recursion")), number(row.get("recursion-more"), "{:.2f}"), number(row.get("lost")), number(row.get("rss"), "{:.0f}"),
                 number(row.get("idle"), "{:.1%}"), number(row.get("million-start"), "{:.2f}"),
                 number(row.get("million-rss"), "{:.0f}"), number(row.get("million-local")), number(row.get("million-blocked"))]
        print("| " + " | ".join(cells) + " |")
    print("\n≥: all that was asked was answered, the generator was the limit; ratios with such a figure say little.")
    print("\n| ratio | measured | target |\n|---|---:|---:|")
    for text, key, other, column, target in (
            ("runbound AF_XDP / Knot DNS AF_XDP, local data", "rb-xdp", "knot-xdp", "local", 1.15),
            ("runbound AF_XDP / null responder, local data", "rb-xdp", "null", "local", 0.90),
            ("runbound AF_XDP / null responder, 100,000 cached", "rb-xdp", "null", "cached", 0.85),
            ("runbound `--no-xdp` / Unbound, local data", "rb-udp", "unbound", "local", 1.1),
            ("runbound AF_XDP / Unbound, misses", "rb-xdp", "unbound", "misses", 1.5),
            ("runbound AF_XDP / Unbound, 100,000 names from the root", "rb-xdp", "unbound", "recursion", 2.5),
            ("Unbound / runbound AF_XDP, seconds of 2,000 zones at first", "unbound", "rb-xdp", "recursion-more", 1.0)):
        print(f"| {text} | {ratio(table, key, other, column)} | {target:.2f} |")
    for way in ("xdp", "udp") if "base-xdp" in table else ():
        for column in ("local", "cached", "misses", "known", "recursion", "recursion-more", "million-start", "million-rss",
                       "million-local"):
            value = ratio(table, f"rb-{way}", f"base-{way}", column, "{:.3f}")
            if value != "–":
                print(f"| runbound / the other, {way}, {column} | {value} | |")
    row = table.get("rb-xdp", {})
    if row.get("known") and row.get("misses"):
        print(f"| runbound AF_XDP, known to the resolver / misses | {row['known'] / row['misses']:.2f} | 4.00 |")
    # Where the machine is shared, this says more of what a thread can do than the rates.
    other = table.get("unbound", {})
    for text, much, little in (("a miss of runbound / what its resolver knows", row.get("misses-spent"), row.get("known-spent")),
                               ("a miss of Unbound / of runbound", other.get("misses-spent"), row.get("misses-spent")),
                               ("from the root, Unbound / runbound", other.get("recursion-spent"), row.get("recursion-spent"))):
        if much and little:
            print(f"| microseconds of the thread that resolves, {text}: {much:.1f} / {little:.1f} | {much / little:.2f} | |")
    for key, row in table.items():
        for text, at in (("cached names, alone and beside 50,000 misses a second", 0),
                         ("misses, alone and beside 20,000 a second of a silent zone", 4)):
            if row.get("beside"):
                p50, p99, p50_beside, p99_beside = row["beside"][at:at + 4]
                print(f"| {ROWS[key]}, p50/p99 of {text}: {p50:.0f}/{p99:.0f}, {p50_beside:.0f}/{p99_beside:.0f} µs "
                      f"| {p99_beside / p99:.2f} | 1.10 |")
    for line in validation.lines(table, ROWS):
        print(line)
    for line in attacks.lines({ROWS[key]: row["attacks"] for key, row in table.items() if row.get("attacks")}):
        print(line)
    small, large = row.get("local"), row.get("million-local")
    print(f"| runbound AF_XDP, 1M zones / small file, local data | {f'{large / small:.2f}' if small and large else '–'} | 0.90 |")
