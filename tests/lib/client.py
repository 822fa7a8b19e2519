"""Asking servers: many questions at once over UDP or TCP, with every message id in flight told apart."""

import selectors
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor

import dnsmsg
from lab import PATIENCE


def _family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def exchange(ns, address, message, tcp=False, timeout=PATIENCE, port=53, sport=0):
    """Send one message as it is; returns the reply's bytes, None when there was none in time.

    While kxdpgun runs in `ns`, its XDP program takes every UDP frame to a port from 2000 up: give a lower `sport` then.
    """
    with ns.inside():
        sock = socket.socket(_family(address), socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
    with sock:
        sock.settimeout(timeout)
        try:
            if sport:
                sock.bind(("::" if ":" in address else "0.0.0.0", sport))
            # With the index behind % of a link-local address, which a pair would lose.
            sock.connect(socket.getaddrinfo(address, port, sock.family)[0][4] if "%" in address else (address, port))
            if not tcp:
                sock.send(message)
                return sock.recv(65535)
            sock.sendall(struct.pack("!H", len(message)) + message)
            length = struct.unpack("!H", _read(sock, 2))[0]
            return _read(sock, length)
        except (OSError, EOFError):
            return None


def _read(sock, count):
    data = b""
    while len(data) < count:
        part = sock.recv(count - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def ask(ns, address, name, qtype="A", tcp=False, timeout=PATIENCE, sport=0, **options):
    """Ask one question; returns the parsed reply or None."""
    data = exchange(ns, address, dnsmsg.query(name, qtype, ident=0x5242, **options), tcp, timeout, sport=sport)
    return dnsmsg.parse(data) if data else None


def ask_many(ns, address, messages, tcp=False, timeout=PATIENCE, window=64, port=53, tries=1, pace=0.0):
    """Send every message (its id is replaced); returns [(reply, moment)] in the same order, reply None where none came.

    UDP: one socket. TCP: a connection for each message, since a server may close one on a dropped question.
    `pace` is the least time between two messages in seconds. `timeout`: give it where silence is an answer.
    Messages without a reply are sent again `tries - 1` times, so that a loss is not taken for a refusal to answer; in a
    later second each time, since servers limit their error replies per second.
    """
    replies = [(None, 0.0)] * len(messages)
    send = _tcp_round if tcp else _udp_round
    waiting = range(len(messages))
    for attempt in range(tries):
        with ns.inside():
            send(address, port, messages, waiting, replies, timeout, window, pace)
        waiting = [index for index in waiting if replies[index][0] is None]
        if not waiting or attempt == tries - 1:
            break
        time.sleep(1.1)
    return replies


def ask_each(spaces, *how, **more):
    """`ask_many` from several namespaces at the same time; returns the replies for each."""
    with ThreadPoolExecutor(len(spaces)) as threads:
        return list(threads.map(lambda ns: ask_many(ns, *how, **more), spaces))


def _udp_round(address, port, messages, wanted, replies, timeout, window, pace):
    sock = socket.socket(_family(address), socket.SOCK_DGRAM)
    with sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.connect((address, port))
        sock.settimeout(0.02)
        queue, flying = list(reversed(wanted)), {}
        while queue or flying:
            while queue and len(flying) < window:
                index = queue.pop()
                flying[index] = time.monotonic() + timeout
                sock.send(dnsmsg.with_id(messages[index], index))
                time.sleep(pace)
            try:
                data = sock.recv(65535)
                index = struct.unpack("!H", data[:2])[0] if len(data) >= 2 else -1
                if index in flying:
                    del flying[index]
                    replies[index] = (data, time.monotonic())
                    continue
            except OSError:
                pass
            now = time.monotonic()
            flying = {index: end for index, end in flying.items() if end > now}


def _tcp_round(address, port, messages, wanted, replies, timeout, window, pace):
    selector = selectors.DefaultSelector()
    queue, flying = list(reversed(wanted)), {}

    def close(index):
        selector.unregister(flying[index][0])
        flying.pop(index)[0].close()

    while queue or flying:
        while queue and len(flying) < min(window, 32):
            index = queue.pop()
            sock = socket.socket(_family(address), socket.SOCK_STREAM)
            sock.settimeout(timeout)
            try:
                sock.connect((address, port))
                sock.sendall(struct.pack("!H", len(messages[index])) + dnsmsg.with_id(messages[index], index))
            except OSError:
                sock.close()
                continue
            time.sleep(pace)
            flying[index] = [sock, time.monotonic() + timeout, b""]
            selector.register(sock, selectors.EVENT_READ, index)
        for key, _ in selector.select(0.02):
            entry = flying[key.data]
            try:
                part = key.fileobj.recv(65537)
            except OSError:
                part = b""
            entry[2] += part
            whole = len(entry[2]) >= 2 and len(entry[2]) >= 2 + struct.unpack("!H", entry[2][:2])[0]
            if whole:
                reply = entry[2][2:2 + struct.unpack("!H", entry[2][:2])[0]]
                replies[key.data] = (reply, time.monotonic())
            if whole or not part:
                close(key.data)
        now = time.monotonic()
        for index in [index for index, entry in flying.items() if entry[1] < now]:
            close(index)
    selector.close()
