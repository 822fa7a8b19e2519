"""The scripted server of the test internet, a program of its own: `hostile.py SEED`. It has an address for each of its zones,
`NAME.evil.`, and does to each question what the zone is named for, over UDP and over TCP.

Of class CH it is asked about itself: `count.NAME.evil. TXT` for the queries that came for the zone, as `SOURCE=NUMBER ...`;
`heal.NAME.evil.` makes the zone an ordinary one from now on, `harm.NAME.evil.` what it was.
"""

import contextlib
import heapq
import itertools
import os
import random
import selectors
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dnsmsg
from internet_zones import HOSTILE, v4

AA, TC, A, NS, SOA, TXT, CH = dnsmsg.AA, dnsmsg.TC, 1, 2, 6, 16, 3
FALSE = "66.66.66.66"  # what no answer may ever have
RESOLVER4, RESOLVER6 = "10.53.0.2", "fd53::2"  # the resolver's own addresses
SERVERS_OF_NXNS, CHAIN = 1500, 100
SLOW, OCTETS_APART = 1.2, 1.0  # seconds
VICTIMS = ("www.z0.com.", "www.z1.org.", "www.z2.example.")  # of whom lies are told
rng = random.Random(0)
numbers = itertools.count()


class Asked:
    """One question."""

    def __init__(self, data, tcp, source):
        message = dnsmsg.parse(data)
        self.raw, self.tcp, self.source, self.id, self.edns = data, tcp, source, message.id, message.edns
        self.name, self.type, self.klass = message.question[0]
        labels = self.name.lower().split(".")
        self.zone, self.below = labels[-3], labels[:-3]
        self.apex = f"{self.zone}.evil."

    def reply(self, answer=(), authority=(), additional=(), rcode=0, flags=AA, **false):
        """A reply; records are (name, type, ttl, rdata). `false`: another id, question (name, type, class), opcode or flags."""
        name, rtype, klass = false.get("question", (self.name, self.type, self.klass))
        counts = (false.get("questions", 1), len(answer), len(authority), len(additional) + bool(self.edns))
        out = dnsmsg.header(false.get("ident", self.id), false.get("bits", dnsmsg.QR) | flags, 0, rcode, counts)
        question = dnsmsg.name_to_wire(name) + struct.pack("!HH", rtype, klass)
        out += question * counts[0]
        for owner, rtype, ttl, rdata in (*answer, *authority, *additional):
            place = b"\xc0\x0c" if owner.lower() == name.lower() and counts[0] else dnsmsg.name_to_wire(owner)
            out += place + struct.pack("!HHIH", rtype, 1, ttl, len(rdata)) + rdata
        return out + (dnsmsg.opt(dnsmsg.Edns()) if self.edns else b"")

    def soa(self):
        """The zone's SOA record."""
        rdata = dnsmsg.name_to_wire(f"ns.{self.apex}") + dnsmsg.name_to_wire("host.evil.") + struct.pack("!5I", 1, 900, 300, 9000, 60)
        return (self.apex, SOA, 600, rdata)


def address(name, text=None, ttl=300):
    """An address record; without an address it is what honest answers have."""
    return (name, A, ttl, socket.inet_aton(text or "203.0.113.7"))


def named(owner, rtype, target, ttl=300):
    """A record whose data is a name: NS, CNAME (5), DNAME (39)."""
    return (owner, rtype, ttl, dnsmsg.name_to_wire(target))


def good(asked):
    """What an ordinary zone says, in which every name has an address."""
    if asked.type == NS and not asked.below:
        return asked.reply([named(asked.apex, NS, f"ns.{asked.apex}")])
    if asked.below == ["ns"] and asked.type == A:
        return asked.reply([address(asked.name, v4(HOSTILE, 1 + list(ZONES).index(asked.zone)))])
    if asked.type == A and asked.below and not asked.below[0].startswith("nx"):
        return asked.reply([address(asked.name)])
    return asked.reply(authority=[asked.soa()], rcode=3 if asked.below and asked.below[0].startswith("nx") else 0)


def referral(asked, depth, servers, glue=()):
    """A delegation of the name of so many labels below the zone."""
    child = ".".join(asked.below[-depth:] + [asked.apex])
    return asked.reply(authority=[named(child, NS, server) for server in servers], additional=list(glue), flags=0)


def unless_apex(then):
    """An ordinary zone but for names below it that are none of its servers'."""
    return lambda asked: then(asked) if asked.below and asked.below != ["ns"] else good(asked)


def false_reply(**how):
    """An answer with an address that is false, and something that tells so."""
    return lambda asked: asked.reply([address(asked.name, FALSE)], **how)


def with_more(asked):
    """The answer, and records that are none of the zone's business."""
    lies = [named(victim.partition(".")[2], NS, f"ns.{asked.apex}", 86400) for victim in VICTIMS] + [named("com.", NS, f"ns.{asked.apex}")]
    return asked.reply([address(asked.name)], lies, [address(victim, FALSE, 86400) for victim in VICTIMS])


def garbage(asked):
    """As much as a datagram holds, the right header before it every other time."""
    body = rng.randbytes(60_000)
    return dnsmsg.header(asked.id, dnsmsg.QR, counts=(1, 60000, 3, 1)) + asked.raw[12:] + body if next(numbers) % 2 else body


def endless_dname(asked):
    """A DNAME at the label above the last, to a name of the same form, with its CNAME."""
    if len(asked.below) < 2:
        return good(asked) if asked.below in ([], ["ns"]) else asked.reply(authority=[asked.soa()])
    owner, target = f"{asked.below[-1]}.{asked.apex}", f"d{next(numbers)}.{asked.apex}"
    name = ".".join(asked.below[:-1] + [target])
    return asked.reply([named(owner, 39, target), named(asked.name, 5, name)])


def long_chain(asked):
    """Aliases, each to the next, in one reply."""
    names = [asked.name] + [f"c{k}.{asked.apex}" for k in range(CHAIN)]
    return asked.reply([named(a, 5, b) for a, b in itertools.pairwise(names)] + [address(names[-1])])


def pointers(asked):
    """A record whose name points at itself."""
    start = len(asked.reply()) - (11 if asked.edns else 0)
    record = struct.pack("!HHHIH4s", 0xC000 | start, A, 1, 300, 4, bytes(4))
    return dnsmsg.header(asked.id, dnsmsg.QR | AA, counts=(1, 1, 0, 0)) + asked.reply()[12:start] + record


def edns_hater(rcode):
    """Dislikes OPT: an error for it, or silence."""
    def answer(asked):
        if not asked.edns:
            return good(asked)
        return rcode and dnsmsg.header(asked.id, dnsmsg.QR, rcode=rcode, counts=(1, 0, 0, 0)) + asked.reply()[12:-11]
    return answer


def ours(asked, *addresses):
    """A delegation to a server at addresses where no server of others can be."""
    server = f"ns.{asked.below[-1]}.{asked.apex}"
    records = [(server, 28 if ":" in text else A, 300, socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text))
               for text in addresses]
    return referral(asked, 1, [server], records)


def truncated(asked):
    """TC, and the whole over TCP only."""
    return asked.reply(flags=AA | TC)


def fresh(asked):
    """A name of the zone that was not there before."""
    return f"n{next(numbers)}.{asked.apex}"


# A zone: what it answers over UDP (bytes, None, or a function of the answer's way) and over TCP (the same, or "rst", "trickle").
ZONES = {
    "good": (good, good),
    "lame": (lambda asked: asked.reply(rcode=5, flags=0), good),
    "upward": (lambda asked: asked.reply(authority=[named(".", NS, "a.roots.")], flags=0), good),
    "failing": (lambda asked: asked.reply(rcode=2, flags=0), good),
    "slow": (lambda asked: (SLOW, good(asked)), good),
    "lossy": (lambda asked: good(asked) if rng.random() < 0.5 else None, good),
    "truncating": (truncated, good),
    "rst": (truncated, "rst"),
    "trickle": (truncated, "trickle"),
    "closing": (truncated, lambda asked: "close"),
    "tcpgarbage": (truncated, lambda asked: rng.randbytes(65_535)),
    "formerr": (edns_hater(1), good),
    "notimp": (edns_hater(4), good),
    "noedns": (edns_hater(None), good),
    "mangling": (lambda asked: asked.reply([address(asked.name.swapcase())], question=(asked.name.swapcase(), asked.type, 1))
                 if asked.below and asked.below != ["ns"] else good(asked), good),
    "lowering": (lambda asked: asked.reply([address(asked.name.lower())], question=(asked.name.lower(), asked.type, 1))
                 if asked.below and asked.below != ["ns"] else good(asked), good),
    "wrongid": (lambda asked: false_reply(ident=asked.id ^ 1)(asked), None),
    "wrongname": (lambda asked: false_reply(question=(VICTIMS[0], A, 1))(asked), None),
    "wrongtype": (lambda asked: false_reply(question=(asked.name, 99, 1))(asked), None),
    "wrongclass": (lambda asked: false_reply(question=(asked.name, asked.type, CH))(asked), None),
    "noquestion": (false_reply(questions=0), None),
    "twoquestions": (false_reply(questions=2), None),
    "noreply": (false_reply(bits=0), None),
    "wrongport": (lambda asked: ("port", false_reply()(asked)), None),
    "wrongsource": (lambda asked: ("address", false_reply()(asked)), None),
    "more": (unless_apex(with_more), good),
    "smuggling": (unless_apex(lambda asked: asked.reply([address(asked.name), *(address(name, FALSE, 86400) for name in VICTIMS)])), good),
    "aliasing": (unless_apex(lambda asked: asked.reply([named(asked.name, 5, VICTIMS[1]), address(VICTIMS[1], FALSE, 86400)])), good),
    "silent": (lambda asked: None, None),
    "garbage": (garbage, None),
    "pointers": (unless_apex(pointers), None),
    "cut": (unless_apex(lambda asked: asked.reply([address(asked.name, FALSE)])[:-20]), None),
    "huge": (unless_apex(lambda asked: asked.reply([address(asked.name, f"10.1.{k >> 8}.{k & 255}") for k in range(200)])), good),
    "nosoa": (unless_apex(lambda asked: asked.reply()), good),
    "broken": (lambda asked: good(asked) if len(asked.below) != 1 or asked.below == ["ns"] else
               asked.reply(authority=[asked.soa()], rcode=3), good),
    "nxns": (unless_apex(truncated), unless_apex(
        lambda asked: referral(asked, 1, [f"nx{next(numbers)}.victim.evil." for _ in range(SERVERS_OF_NXNS)]))),
    "victim": (good, good),
    "cnames": (unless_apex(lambda asked: asked.reply([named(asked.name, 5, fresh(asked))])), good),
    "dnames": (endless_dname, good),
    "longchain": (unless_apex(long_chain), good),
    "referrals": (unless_apex(lambda asked: referral(asked, len(asked.below), [f"ns.{asked.apex}"])), good),
    "glueless": (unless_apex(lambda asked: referral(asked, 1, [f"ns.{fresh(asked)}"])), good),
    "itself": (unless_apex(lambda asked: asked.reply(authority=[named(asked.apex, NS, f"ns.{asked.apex}")], flags=0)), good),
    "loopback": (unless_apex(lambda asked: ours(asked, "127.0.0.1", "::1")), good),
    "own": (unless_apex(lambda asked: ours(asked, RESOLVER4, RESOLVER6)), good),
    "nowhere": (unless_apex(lambda asked: ours(asked, "255.255.255.255", "224.0.0.1", "ff02::1")), good),
    "zero": (unless_apex(lambda asked: ours(asked, "0.0.0.0")), good),
}
CIRCLES = {"circle": ["ns.ring.evil."], "ring": ["ns.circle.evil."], "unnamed": ["ns1.nothing.com.", "ns2.nothing.com."]}


class Server:
    """All sockets, in one thread."""

    def __init__(self):
        self.selector, self.later, self.counts, self.healed, self.order = selectors.DefaultSelector(), [], {}, set(), itertools.count()
        self.udp = []
        for index in range(1, len(ZONES) + 1):
            udp, tcp = socket.socket(type=socket.SOCK_DGRAM), socket.socket()
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            for sock in (udp, tcp):
                sock.bind((v4(HOSTILE, index), 53))
                sock.setblocking(False)
            tcp.listen(64)
            self.udp.append(udp)
            self.selector.register(udp, selectors.EVENT_READ, self._datagram)
            self.selector.register(tcp, selectors.EVENT_READ, lambda sock, at=index - 1: self._accept(sock, list(ZONES)[at]))
        self.other = socket.socket(type=socket.SOCK_DGRAM)

    def serve(self):
        """Until it is killed."""
        while True:
            wait = max(0.0, self.later[0][0] - time.monotonic()) if self.later else None
            for key, _ in self.selector.select(wait):
                with contextlib.suppress(OSError):
                    key.data(key.fileobj)
            while self.later and self.later[0][0] <= time.monotonic():
                with contextlib.suppress(OSError):
                    heapq.heappop(self.later)[2]()

    def _after(self, seconds, act):
        heapq.heappush(self.later, (time.monotonic() + seconds, next(self.order), act))

    def _said(self, asked):
        """What there is to say to a question."""
        if asked.klass == CH:
            word = asked.below[0]
            if word in ("heal", "harm"):
                (self.healed.add if word == "heal" else self.healed.discard)(asked.zone)
            counts = self.counts.get(asked.zone, {}) if word == "count" else {}
            text = " ".join(f"{source}={count}" for source, count in counts.items()).encode()
            return asked.reply([(asked.name, TXT, 0, bytes([len(text)]) + text)])
        counts = self.counts.setdefault(asked.zone, {})
        counts[asked.source] = counts.get(asked.source, 0) + 1
        way = good if asked.zone in self.healed else ZONES[asked.zone][asked.tcp]
        return way(asked) if callable(way) else way

    def _asked(self, data, tcp, source):
        try:
            asked = Asked(data, tcp, source)
            return self._said(asked) if asked.zone in ZONES else None
        except (dnsmsg.BadMessage, IndexError):
            return None

    def _datagram(self, sock):
        data, source = sock.recvfrom(65535)
        said = self._asked(data, False, source[0])
        how, said = said if isinstance(said, tuple) else (None, said)
        if said is None:
            return
        if isinstance(how, float):
            self._after(how, lambda: sock.sendto(said, source))
        elif how:  # another port of the same address, or port 53 of another
            if how == "port":
                self.other.close()
                self.other = socket.socket(type=socket.SOCK_DGRAM)
                self.other.bind((sock.getsockname()[0], 0))
            (self.other if how == "port" else self.udp[0]).sendto(said, source)
        else:
            sock.sendto(said, source)

    def _accept(self, listener, zone):
        sock, source = listener.accept()
        if ZONES[zone][1] == "rst" and zone not in self.healed:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
            return
        buffer = bytearray()

        def close():
            with contextlib.suppress(KeyError, ValueError):
                self.selector.unregister(sock)
            sock.close()

        def readable(_):
            part = sock.recv(65535)
            if not part:
                return close()
            buffer.extend(part)
            while len(buffer) >= 2 and len(buffer) >= 2 + int.from_bytes(buffer[:2], "big"):
                data = bytes(buffer[2:2 + int.from_bytes(buffer[:2], "big")])
                del buffer[:2 + len(data)]
                said = self._asked(data, True, source[0])
                if said == "close":
                    close()
                elif said == "trickle":
                    self._trickle(sock, data)
                elif said:
                    sock.settimeout(1)
                    sock.sendall(struct.pack("!H", len(said)) + said)
            return None

        self.selector.register(sock, selectors.EVENT_READ, readable)

    def _trickle(self, sock, data):
        """An octet at a time, for as long as the other end takes them."""
        reply = good(Asked(data, True, ""))
        octets = iter(struct.pack("!H", len(reply)) + reply)

        def send():
            octet = next(octets, None)
            if octet is not None:
                sock.sendall(bytes([octet]))
                self._after(OCTETS_APART, send)

        send()


if __name__ == "__main__":
    rng.seed(int(sys.argv[1]))
    Server().serve()
