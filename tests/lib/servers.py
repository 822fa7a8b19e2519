"""The servers of the tests: how each is configured and started, and how one knows that it answers.

Environment:
  RUNBOUND   the server under test, a command line. Default: the release build of this tree. When its program is called
             `unbound`, Debian's server stands in (the tests of the tests): what only runbound has is not asked for.
"""

import os
import shlex
import shutil
import socket
import time

import client
import dnsmsg
from lab import PATIENCE, LabError, wait_until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
COMMAND = shlex.split(os.environ.get("RUNBOUND", f"{ROOT}/target/x86_64-unknown-linux-musl/release/runbound"))
STAND_IN = os.path.basename(COMMAND[0]) == "unbound"

# What Unbound needs to run in the foreground from a test directory; runbound honours or accepts every line of it.
BASE = """
    do-daemonize: no
    use-syslog: no
    logfile: ""
    log-time-ascii: no
    verbosity: 1
    username: ""
    chroot: ""
    pidfile: ""
    directory: ""
    num-threads: 1
    do-not-query-localhost: no
"""


def server_clause(addresses, networks, extra=""):
    """A `server:` clause: the base options, the addresses to listen on, the networks to serve, further lines."""
    lines = [f"    interface: {address}" for address in addresses]
    lines += [f"    access-control: {network} allow" for network in networks]
    return "server:" + BASE + "\n".join(lines) + "\n" + extra


def control_clause(socket_path):
    """A `remote-control:` clause for a unix socket without certificates."""
    return (f"remote-control:\n    control-enable: yes\n    control-use-cert: no\n"
            f"    control-interface: {socket_path}\n")


def read_counters(text):
    """The lines `name=value` of statistics as a dictionary; numbers are numbers, the rest is text."""
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition("=")
        try:
            found[name] = float(value) if "." in value else int(value)
        except ValueError:
            found[name] = value
    return found


class Server:
    """A running DNS server: its process, where it answers, its control socket."""

    def __init__(self, process, address, control, started_in=None):
        self.process = process
        self.address = address
        self.control_path = control
        self.started_in = started_in  # seconds from exec to the first answer

    def control(self, command, timeout=PATIENCE):
        """Send one command over Unbound's control protocol (UBCT1); returns the text of the reply."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(timeout)
            sock.connect(self.control_path)
            sock.sendall(f"UBCT1 {command}\n".encode())
            data = b""
            while part := sock.recv(65536):
                data += part
        return data.decode()

    def load_cache(self, dump):
        """`load_cache` with the text of a dump behind it; returns the reply."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(PATIENCE)
            sock.connect(self.control_path)
            sock.sendall(b"UBCT1 load_cache\n" + dump.encode())
            data = b""
            while part := sock.recv(65536):
                data += part
        return data.decode()

    def counters(self):
        """stats_noreset as a dictionary; numbers are numbers, the rest (xdp.mode) is text."""
        return read_counters(self.control("stats_noreset"))

    def accounts_for_all(self):
        """Whether every query that was taken is answered, or dropped and counted."""
        counters = self.counters()
        taken, answered = (sum(counters[f"xdp.{way}{kind}"] for way in ("", "kernel.udp.", "kernel.tcp."))
                           for kind in ("queries", "replies"))
        return taken == answered + counters["runbound.dropped"] + counters["xdp.reply_no_room"]

    def frames(self):
        """The frames of all interfaces by place (total, free, fill, rx, tx, completion, driver, lost, twice), summed."""
        found = {}
        for name, value in self.counters().items():
            if name.startswith("xdp.interface.") and ".frames." in name:
                place = name.rpartition(".")[2]
                found[place] = found.get(place, 0) + value
        return found


def wait_for_answer(ns, address, process, seconds=PATIENCE, name="ready.test.", qtype="SOA"):
    """Poll until the server answers anything at all; returns the seconds it took. LabError with its log otherwise."""
    begin = time.monotonic()
    message = dnsmsg.query(name, qtype, ident=1)

    def answered():
        if not process.alive():
            raise LabError(f"the server ended with {process.popen.returncode}:\n{process.log()[-2000:]}")
        return client.exchange(ns, address, message, timeout=0.1)

    try:
        wait_until(answered, seconds, f"an answer from {address}", pause=0.005)
    except LabError as error:
        raise LabError(f"{error}\n{process.log()[-2000:]}") from error
    return time.monotonic() - begin


def start_runbound(lab, ns, text, address, name="runbound", asker=None, options=(), cpu=None, command=None):
    """Start the server under test with the configuration `text`; returns a Server that answers.

    `asker`: the namespace that polls for the first answer (default: the server's own, over its loopback). `command`: another
    runbound in its place.
    """
    control = lab.path(f"{name}.sock")
    conf = lab.write(f"{name}.conf", text + control_clause(control))
    flags = ["-d"] if STAND_IN else list(options)
    process = lab.start(ns, [*(command or COMMAND), *flags, "-c", conf], name, cpu=cpu)
    return Server(process, address, control, wait_for_answer(asker or ns, address, process))


def on_xdp(ns, server, address, name="ready.test.", sport=0):
    """Whether a question over the wire from `ns` is answered on AF_XDP now."""
    before = server.counters()["xdp.queries"]
    answered = client.exchange(ns, address, dnsmsg.query(name, ident=1), timeout=0.5, sport=sport)
    return answered is not None and server.counters()["xdp.queries"] > before


def wait_for_xdp(ns, server, *addresses):
    """Wait until questions from `ns` are answered on AF_XDP: the worker's first answer may come before its queues are in the
    program's map, and each queue proves itself on one frame."""
    for address in () if STAND_IN else addresses:
        wait_until(lambda: on_xdp(ns, server, address), PATIENCE, f"{address} on AF_XDP\n{server.process.log()[-2000:]}")


def start_unbound(lab, ns, text, address, name="unbound", asker=None, cpu=None):
    """Start Debian's unbound with the configuration `text`."""
    control = lab.path(f"{name}.sock")
    conf = lab.write(f"{name}.conf", text + control_clause(control))
    process = lab.start(ns, [shutil.which("unbound") or "/usr/sbin/unbound", "-d", "-c", conf], name, cpu=cpu)
    return Server(process, address, control, wait_for_answer(asker or ns, address, process))


def start_nsd(lab, ns, zones, listen, name="nsd", cpu=None):
    """Start NSD for `zones` ({zone name: zone file text or path}); `listen` is ADDRESS or ADDRESS@PORT, or a list of them.

    Its limit of replies per second, 200 unless said otherwise, is off: beyond it NSD is silent or truncates.
    """
    state = lab.path(f"{name}.state")
    os.mkdir(state)
    listen = [listen] if isinstance(listen, str) else listen
    lines = "".join(f" ip-address: {address}\n" for address in listen)
    text = (f"server:\n{lines} server-count: 1\n database: \"\"\n username: \"\"\n chroot: \"\"\n"
            f" zonelistfile: {state}/zone.list\n xfrdfile: {state}/xfrd.state\n pidfile: {state}/pid\n"
            f" xfrdir: {state}\n hide-version: yes\n rrl-ratelimit: 0\nremote-control:\n control-enable: no\n")
    for index, (zone, content) in enumerate(zones.items()):
        path = content if content.startswith("/") else lab.write(f"{name}.{index}.zone", content)
        text += f"zone:\n name: \"{zone}\"\n zonefile: \"{path}\"\n"
    process = lab.start(ns, [shutil.which("nsd") or "/usr/sbin/nsd", "-d", "-c", lab.write(f"{name}.conf", text)],
                        name, cpu=cpu)
    address, _, port = listen[0].partition("@")
    wait_until(lambda: client.exchange(ns, address, dnsmsg.query(next(iter(zones)), "SOA"), timeout=0.1,
                                       port=int(port or 53)), PATIENCE, "an answer from nsd")
    return Server(process, address, None)


def start_knot(lab, ns, zones, listen, name="knot", xdp_interface=None, cpu=None):
    """Start Knot DNS for `zones` ({zone name: path}); UDP and TCP on `listen`, or AF_XDP on an interface."""
    state = lab.path(f"{name}.state")
    os.mkdir(state)
    address, _, port = listen.partition("@")
    text = f"server:\n    rundir: {state}\n    user: root\n    udp-workers: 1\n    tcp-workers: 1\n"
    text += "    background-workers: 1\n    automatic-acl: off\n"
    if xdp_interface:
        text += f"xdp:\n    listen: {xdp_interface}\n    udp: on\n"
    else:
        text += f"    listen: {address}@{port or 53}\n"
    text += f"log:\n  - target: stderr\n    any: info\ndatabase:\n    storage: {state}\nzone:\n"
    for zone, path in zones.items():
        text += (f"  - domain: {zone}\n    file: {path}\n    journal-content: none\n    zonefile-load: whole\n"
                 "    zonefile-sync: -1\n")
    process = lab.start(ns, [shutil.which("knotd") or "/usr/sbin/knotd", "-c", lab.write(f"{name}.conf", text)],
                        name, cpu=cpu)
    return Server(process, address, None)
