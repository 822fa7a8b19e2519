"""The servers of the benchmark, and the data that all of them serve."""

import os
import random
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import places
import servers
from lab import PATIENCE, LabError, sh, wait_until
from places import SERVER4

HERE = os.path.dirname(os.path.abspath(__file__))
UPSTREAM = "127.0.0.1@5300"
LOCAL_NAMES, CACHED_NAMES, MISSED_NAMES, BLOCKED_ZONES = 1000, 100_000, 200_000, 1_000_000
GENERATOR_CPU, SERVER_CPU = 0, 1
ATTACHED = 20  # seconds in which a contender's queries come by AF_XDP

ROWS = {  # key: the name in the table
    "reflect": "frame reflector, XDP_TX", "null": "null responder, AF_XDP", "rb-yes": "**runbound, `xdp-answers: yes`**",
    "rb-no": "**runbound, `xdp-answers: no`**", "rb-xdp": "**runbound, AF_XDP**", "rb-udp": "**runbound, `--no-xdp`**",
    "base-xdp": "the other runbound, AF_XDP", "base-udp": "the other runbound, `--no-xdp`",
    "knot-xdp": "Knot DNS, AF_XDP", "knot-udp": "Knot DNS, UDP", "unbound": "Unbound, UDP", "nsd": "NSD, UDP"}
RESOLVERS = ("rb-yes", "rb-no", "rb-xdp", "rb-udp", "base-xdp", "base-udp", "unbound")
# For these the question is where answers come from: the parts that have another one take them only when they are named.
ON_ANSWERS = ("reflect", "rb-yes", "rb-no")
RESPONDERS = {"null": "socket", "reflect": "reflect"}  # who does not read the question: its mode
WITH_PROGRAM = ("reflect", "null", "rb-yes", "rb-no", "rb-xdp", "base-xdp", "knot-xdp")


def versions():
    """Versions of what takes part, as text."""
    def last_word(*argv):
        text = sh(*argv, check=False) if shutil.which(argv[0]) else ""
        return text.splitlines()[0].split()[-1] if text else "?"

    nsd = sh("dpkg-query", "-W", "-f=${Version}", "nsd", check=False) or "?"
    return (f"Unbound {last_word('unbound', '-V')}, Knot DNS {last_word('knotd', '-V')}, NSD {nsd}, "
            f"kxdpgun {last_word('kxdpgun', '-V')}")


def refusal(lab):
    """Why the server's binary refuses `xdp-answers:`, None when it does not."""
    if servers.STAND_IN:
        return "a stand-in has none"
    conf = lab.write("refused.conf", servers.server_clause(["127.0.0.1"], []) + "    xdp: no\n    xdp-answers: yes\n")
    done = subprocess.run([*servers.COMMAND, "--check-config", "-c", conf], capture_output=True, text=True, timeout=PATIENCE)
    said = [line for line in (done.stdout + done.stderr).splitlines() if "xdp-answers" in line and "[error]" in line]
    return said[0].partition(": ")[2].removesuffix(" [error]") if said else None


class Field:
    """A place with its two namespaces, the question files, and the upstream server.

    `base`: the other runbound's file. `knows_answers`: the server knows `xdp-answers:`; one that does not has no answers but those
    of `no`.
    """

    def __init__(self, lab, place="pair", contended=False, base=None, knows_answers=True):
        self.lab, self.contended, self.base, self.knows_answers = lab, contended, base, knows_answers
        self.place = places.PLACES[place](lab)
        self.outside, self.inside = self.place.outside, self.place.inside
        rng = random.Random(8)
        self.zone_file = lab.write("bench.zone", "\n".join(
            ["bench.example. 3600 IN SOA ns.bench.example. root.bench.example. 1 3600 600 86400 3600",
             "bench.example. 3600 IN NS ns.bench.example.", "ns.bench.example. 3600 IN A 192.0.2.1"]
            + [f"n{n}.bench.example. 3600 IN A 192.0.{n // 250}.{n % 250 + 1}" for n in range(LOCAL_NAMES)]) + "\n")
        self.local = self.questions("local", [f"n{n}.bench.example." for n in range(LOCAL_NAMES)])
        cached = [f"n{n}.cache.example." for n in range(CACHED_NAMES)]
        self.cached_in_order = self.questions("cached-in-order", cached)
        rng.shuffle(cached)
        self.cached = self.questions("cached", cached)
        self.missed = self.questions("missed", [f"m{n}.miss.example." for n in range(MISSED_NAMES)])
        self.blocked = self.questions("blocked", [blocked(rng.randrange(BLOCKED_ZONES)) for _ in range(10_000)])
        self.responder = self._build_responder()
        self._made = 0

    def questions(self, name, names):
        """A file of questions for addresses; returns its path."""
        return self.lab.write(f"{self.place.name}-{name}.questions", "".join(f"{n} A\n" for n in names))

    def _build_responder(self):
        program, binary = self.lab.path("null_responder.bpf.o"), self.lab.path("null_responder")
        sh("clang", "-O2", "-g", "-target", "bpf", f"-I/usr/include/{os.uname().machine}-linux-gnu", "-c",
           f"{HERE}/null_responder.bpf.c", "-o", program)
        sh("gcc", "-O2", f"{HERE}/null_responder.c", "-o", binary, "-lxdp", "-lbpf")
        return [binary, program]

    def start_responder(self, ns, mode, *interfaces, cpu=None):
        """Start the null responder in one of its modes; it is attached when this returns."""
        process = self.lab.start(ns, [*self.responder, mode, *interfaces], f"{self.place.name}-{mode}", cpu=cpu)
        wait_until(lambda: "ready" in process.log() or not process.alive(), PATIENCE, f"the null responder, {mode}")
        if not process.alive():
            raise LabError(process.log())
        return process

    def start_upstream(self):
        """NSD on the generator's core, with wildcards under every name that is not local."""
        zone = (". 86400 IN SOA ns.upstream. host.upstream. 1 3600 600 86400 3600\n. 86400 IN NS ns.upstream.\n"
                "*.cache.example. 86400 IN A 198.18.0.1\n*.miss.example. 86400 IN A 198.18.0.2\n")
        return servers.start_nsd(self.lab, self.inside, {".": zone}, UPSTREAM, name=f"{self.place.name}-upstream", cpu=GENERATOR_CPU)

    def configuration(self, zones=0):
        """unbound.conf for runbound and Unbound alike; `zones` blocked zones more."""
        local = "    local-zone: \"bench.example.\" static\n" + "".join(
            f'    local-data: "n{n}.bench.example. 3600 IN A 192.0.{n // 250}.{n % 250 + 1}"\n' for n in range(LOCAL_NAMES))
        local += "    msg-cache-size: 64m\n    rrset-cache-size: 128m\n    so-rcvbuf: 4m\n    so-sndbuf: 4m\n"
        local += "".join(f'    local-zone: "{blocked(n)}" always_nxdomain\n' for n in range(zones))
        return servers.server_clause([SERVER4], ["10.53.0.0/24"], local) + (
            f"forward-zone:\n    name: \".\"\n    forward-addr: {UPSTREAM}\n")

    def stop(self, server):
        """Stop a contender; what it left on the interfaces goes, too."""
        server.process.stop()
        self.place.detach()

    def _check_way(self, key, server):
        """Fails unless a contender is attached as its name says: who runs on another way is not counted. Of runbound it waits until
        a question has come that way."""
        if key in WITH_PROGRAM and key in RESOLVERS and not servers.STAND_IN:
            wait_until(lambda: servers.on_xdp(self.outside, server, SERVER4), ATTACHED, f"on AF_XDP:\n{server.process.log()}")
        programs = self.place.programs()
        if bool(programs) != (key in WITH_PROGRAM) and not servers.STAND_IN:
            raise LabError(f"its XDP programs are {programs}: {server.process.log()[-500:]}")

    def start(self, key, zones=0, cpu=SERVER_CPU, text=None):
        """Start a contender, with its configuration of the bench or another; it answers when this returns, on the way of its name.

        All its threads are on `cpu`: Knot DNS puts its workers on cores of its own choice, the first on that of the generator.
        """
        others = len(self.lab.processes)
        try:
            server = self._start(key, zones, cpu, text)
            if cpu is not None:
                for pid in server.process.tree():
                    sh("taskset", "--all-tasks", "--pid", "--cpu-list", str(cpu), str(pid))
            self._check_way(key, server)
            return server
        except BaseException:  # the next one would be asked in its place, or run behind its program
            for process in self.lab.processes[others:]:
                process.stop()
            self.place.detach()
            raise

    def _start(self, key, zones, cpu, text):
        self._made += 1
        name = f"{self.place.name}-{key}-{self._made}"
        if key in RESPONDERS:
            interfaces = self.place.interfaces() if key == "reflect" else [self.place.interface]
            return servers.Server(self.start_responder(self.inside, RESPONDERS[key], *interfaces, cpu=cpu), SERVER4, None)
        if key.startswith(("rb-", "base-")):
            options = ("--no-xdp",) if key.endswith("-udp") else ()
            command = [self.base] if key.startswith("base-") else None
            text = text or self.configuration(zones)
            if key in ON_ANSWERS and self.knows_answers:
                text = text.replace("server:\n", f"server:\n    xdp-answers: {key.removeprefix('rb-')}\n", 1)
            return servers.start_runbound(self.lab, self.inside, text, SERVER4, name, self.outside, options, cpu=cpu, command=command)
        if key == "unbound":
            return servers.start_unbound(self.lab, self.inside, text or self.configuration(zones), SERVER4, name, self.outside,
                                         cpu=cpu)
        if key == "nsd":
            return servers.start_nsd(self.lab, self.inside, {"bench.example.": self.zone_file}, SERVER4, name, cpu=cpu)
        server = servers.start_knot(self.lab, self.inside, {"bench.example.": self.zone_file}, SERVER4, name,
                                    xdp_interface=self.place.interface if key == "knot-xdp" else None, cpu=cpu)
        servers.wait_for_answer(self.outside, SERVER4, server.process, name="bench.example.")
        return server


def blocked(number):
    """The name of a blocked zone."""
    return f"ad{number:x}.block{number % 997}.example."
