"""Ethernet frames by hand, and a socket that sends them as they are."""

import contextlib
import random
import socket
import struct
import time

from lab import PATIENCE

ETH_P_ALL = 3
PACKET_IGNORE_OUTGOING = 23
SOL_PACKET = 263


def mac_bytes(text):
    """`02:00:..` as six octets."""
    return bytes.fromhex(text.replace(":", ""))


def checksum(data):
    """RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def udp(source, destination, sport, dport, payload, length=None):
    """A UDP datagram with its checksum over the pseudo-header of either family."""
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    length = 8 + len(payload) if length is None else length
    addresses = socket.inet_pton(family, source) + socket.inet_pton(family, destination)
    pseudo = addresses + struct.pack("!HH" if family == socket.AF_INET else "!II", 17 if family == socket.AF_INET else length,
                                     length if family == socket.AF_INET else 17)
    bare = struct.pack("!HHHH", sport, dport, length, 0) + payload
    return bare[:6] + struct.pack("!H", checksum(pseudo + bare) or 0xFFFF) + payload


def ipv4(source, destination, payload, protocol=17, fragment=0, options=b"", version=4, length=None, ihl=None):
    """An IPv4 packet; `fragment` is the flags-and-offset field."""
    words = 5 + len(options) // 4 if ihl is None else ihl
    length = 20 + len(options) + len(payload) if length is None else length
    head = struct.pack("!BBHHHBBH4s4s", version << 4 | words, 0, length, 0x5242, fragment, 64, protocol, 0,
                       socket.inet_aton(source), socket.inet_aton(destination)) + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def ipv6(source, destination, payload, next_header=17, length=None):
    """An IPv6 packet."""
    length = len(payload) if length is None else length
    return struct.pack("!IHBB", 6 << 28, length, next_header, 64) + socket.inet_pton(
        socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, destination) + payload


def ethernet(destination, source, payload, ethertype=0x0800, tag=None):
    """An Ethernet frame, with one 802.1Q tag if asked."""
    head = mac_bytes(destination) + mac_bytes(source)
    if tag is not None:
        head += struct.pack("!HH", 0x8100, tag)
    return head + struct.pack("!H", ethertype) + payload


class Wire:
    """A packet socket on one interface of a namespace: sends frames, shows what the kernel received there."""

    def __init__(self, ns, interface):
        with ns.inside():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            self.socket.bind((interface, ETH_P_ALL))
        self.socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)

    def send(self, frame):
        """Send one frame; False when the interface refused it."""
        try:
            return self.socket.send(frame) == len(frame)
        except OSError:
            return False

    def received(self, wait=0.3):
        """All frames the kernel got on this interface since the last call; returns after `wait` seconds of silence."""
        out = []
        self.socket.settimeout(wait)
        try:
            while True:
                out.append(self.socket.recv(65535))
        except OSError:
            return out

    def received_until(self, over, seconds=PATIENCE):
        """All frames from now on until `over`, asked with all of them after each, is true, or the time is up."""
        out, end = [], time.monotonic() + seconds
        self.socket.settimeout(0.1)
        while not over(out) and time.monotonic() < end:
            with contextlib.suppress(TimeoutError):
                out.append(self.socket.recv(65535))
        return out

    def close(self):
        """Close the socket."""
        self.socket.close()

    __enter__ = lambda self: self
    __exit__ = lambda self, *_: self.close()


def mutated(frames, count, seed):
    """`count` variants of good frames: octets changed, cut off, random tails; some stay good, some are pure noise."""
    rng = random.Random(seed)
    for _ in range(count):
        base = bytearray(rng.choice(frames))
        kind = rng.random()
        if kind < 0.25:
            yield bytes(base)
            continue
        if kind < 0.30:
            yield bytes(base[:12]) + rng.randbytes(rng.randrange(2, 200))
            continue
        for _ in range(rng.randint(1, 6)):  # the destination MAC stays, or the other end would not look at the rest
            base[rng.randrange(12, len(base))] = rng.choice([0, 1, 0x3F, 0x40, 0xC0, 0xFF, rng.randrange(256)])
        if kind > 0.8:
            del base[rng.randrange(14, len(base)):]
        elif kind > 0.7:
            base += rng.randbytes(rng.randrange(1, 1400 - min(len(base), 1300)))
        yield bytes(base)
