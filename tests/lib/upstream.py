"""A scriptable upstream server: a thread with a UDP and a TCP socket that answers as the test tells it to."""

import contextlib
import selectors
import socket
import struct
import threading
import time
from dataclasses import dataclass, field

import dnsmsg


@dataclass
class Asked:
    """One query as the upstream saw it."""
    raw: bytes
    tcp: bool
    source: tuple
    message: dnsmsg.Message
    name: str = ""
    qtype: int = 0

    def reply(self, records=(), rcode=0, flags=dnsmsg.RA, ident=None, question=None, authority=()):
        """A reply to it: records are (name, type, ttl, rdata bytes); id and question can be falsified."""
        ident = self.message.id if ident is None else ident
        if question is None:
            question = self.raw[12:self._question_end()]
        out = dnsmsg.header(ident, flags | dnsmsg.QR | dnsmsg.RD, 0, rcode, (1, len(records), len(authority), 0)) + question
        for name, rtype, ttl, rdata in (*records, *authority):
            out += dnsmsg.name_to_wire(name) + struct.pack("!HHIH", dnsmsg.TYPES[rtype], 1, ttl, len(rdata)) + rdata
        return out

    def address(self, text, ttl=300):
        """The common case: one A record for the name asked."""
        return self.reply([(self.name, "A", ttl, socket.inet_aton(text))])

    def _question_end(self):
        return dnsmsg.name_from_wire(self.raw, 12)[1] + 4


@dataclass
class Send:
    """A datagram or message to send: after `delay` seconds, from another socket if `forged`."""
    data: bytes
    delay: float = 0.0
    forged: bool = False


@dataclass
class Upstream:
    """Answers on (address, port) in `ns` with what `script(Asked)` returns: None, bytes, Send or a list of those."""
    ns: object
    address: str
    script: object
    port: int = 53
    seen: list = field(default_factory=list)

    def __enter__(self):
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        with self.ns.inside():
            self._udp = socket.socket(family, socket.SOCK_DGRAM)
            self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
            self._other = socket.socket(family, socket.SOCK_DGRAM)
            self._tcp = socket.socket(family, socket.SOCK_STREAM)
        self._tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for sock in (self._udp, self._tcp):
            # With the index behind % of a link-local address, which a pair would lose.
            sock.bind(socket.getaddrinfo(self.address, self.port, family)[0][4])
        self._tcp.listen(64)
        self._stop = False
        self._later = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop = True
        self._thread.join(5)
        for sock in (self._udp, self._other, self._tcp):
            sock.close()

    def count(self, name=None, tcp=None):
        """How many queries came (for a name, over a transport)."""
        return sum(1 for asked in list(self.seen) if (name is None or asked.name.lower() == name)
                   and (tcp is None or asked.tcp == tcp))

    def _serve(self):
        selector = selectors.DefaultSelector()
        selector.register(self._udp, selectors.EVENT_READ, self._datagrams)
        selector.register(self._tcp, selectors.EVENT_READ, lambda: self._accept(selector))
        while not self._stop:
            for key, _ in selector.select(0.01):
                with contextlib.suppress(OSError):
                    key.data()
            now = time.monotonic()
            due = [entry for entry in self._later if entry[0] <= now]
            self._later = [entry for entry in self._later if entry[0] > now]
            for _, send in due:
                with contextlib.suppress(OSError):
                    send()
        selector.close()

    def _datagrams(self):
        self._udp.setblocking(False)
        for _ in range(64):
            try:
                data, source = self._udp.recvfrom(65535)
            except BlockingIOError:
                return
            self._answer(data, False, source, lambda item, to=source: (
                self._other if item.forged else self._udp).sendto(item.data, to))

    def _accept(self, selector):
        sock, source = self._tcp.accept()
        sock.settimeout(1)
        buffer = bytearray()

        def readable():
            part = sock.recv(65535)
            if not part:
                selector.unregister(sock)
                sock.close()
                return
            buffer.extend(part)
            while len(buffer) >= 2 and len(buffer) >= 2 + struct.unpack_from("!H", buffer)[0]:
                length = struct.unpack_from("!H", buffer)[0]
                data = bytes(buffer[2:2 + length])
                del buffer[:2 + length]
                self._answer(data, True, source, lambda item: sock.sendall(struct.pack("!H", len(item.data)) + item.data))

        selector.register(sock, selectors.EVENT_READ, readable)

    def _answer(self, data, tcp, source, send):
        try:
            message = dnsmsg.parse(data)
            asked = Asked(data, tcp, source, message, message.question[0][0], message.question[0][1])
        except (dnsmsg.BadMessage, IndexError):
            return
        self.seen.append(asked)
        said = self.script(asked)
        for item in said if isinstance(said, list) else [said]:
            if item is None:
                continue
            item = item if isinstance(item, Send) else Send(item)
            if item.delay:
                self._later.append((time.monotonic() + item.delay, lambda item=item: send(item)))
            else:
                send(item)
