"""The scripted server of `attacks`, a program of its own: `attackers.py ADDRESS`. For each way to make a validator work it has a
zone, `NAME.attack.`, with a key that is signed with here and a trust anchor; all else that it says is as wrong as it can be made
without being cheap to find out.

Keys that cost most are of Ed448, and of RSA with the longest exponent that is taken. One octet pair of each is chosen so that all
have one key tag.
"""

import base64
import hashlib
import os
import random
import selectors
import socket
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import dnsmsg

A, CNAME, SOA, DS, RRSIG, DNSKEY, NSEC3 = 1, 5, 6, 43, 46, 48, 50
RSASHA256, ED25519, ED448 = 8, 15, 16
TTL, FROM, UNTIL, TAG = 300, 1735689600, 2051222400, 4711  # signatures hold from 2025 to 2035
COLLIDING, SIGNATURES, LINKS, LABELS = 400, 60, 11, 110
OWNER = b"\xc0\x0c"  # the name that was asked for
ADDRESS = b"\xcb\x00\x71\x07"

# Ed25519 (RFC 8032 section 5.1), slow and without secrets worth keeping.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
# The base point of Ed448 (RFC 8032 section 5.2), which is what any signature of it may begin with.
BASE448 = 298819210078481492676017930443930673437544040154080242095928241372331506189835876003536878655418784733982303233503462500531545062832660


def add(a, b):
    """The sum of two points in extended coordinates."""
    x1, x2, x3, x4 = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P, 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = x2 - x1, x4 - x3, x4 + x3, x2 + x1
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiple(number):
    """So many times the base point, compressed."""
    y = 4 * pow(5, -1, P) % P
    square = (y * y - 1) * pow(D * y * y + 1, -1, P)
    x = pow(square, (P + 3) // 8, P)
    x = x if (x * x - square) % P == 0 else x * pow(2, (P - 1) // 4, P) % P
    x = x if x % 2 == 0 else P - x
    point, total = (x, y, 1, x * y % P), (0, 1, 1, 0)
    while number:
        total = add(total, point) if number & 1 else total
        point, number = add(point, point), number >> 1
    inverse = pow(total[2], -1, P)
    return (total[1] * inverse % P | (total[0] * inverse % P & 1) << 255).to_bytes(32, "little")


def number_of(*parts):
    """SHA-512 of these as a number."""
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little")


def key_tag(data):
    """RFC 4034 appendix B."""
    total = sum(octet << 8 if place % 2 == 0 else octet for place, octet in enumerate(data))
    return (total + (total >> 16)) & 0xFFFF


class Key:
    """A key that signs."""

    def __init__(self, seed):
        secret = hashlib.sha512(seed).digest()
        self.scalar = int.from_bytes(secret[:32], "little") & ~7 & ((1 << 255) - 1) | 1 << 254
        self.prefix, self.public = secret[32:], multiple(self.scalar)
        self.data = struct.pack("!HBB", 257, 3, ED25519) + self.public

    def sign(self, message):
        """A signature."""
        nonce = number_of(self.prefix, message) % L
        point = multiple(nonce)
        return point + ((nonce + number_of(point, self.public, message) % L * self.scalar) % L).to_bytes(32, "little")


def labels(wire):
    """Labels of a name without the root."""
    count, at = 0, 0
    while wire[at]:
        count, at = count + 1, at + 1 + wire[at]
    return count


def rrsig(zone, covered, algorithm, owner_labels, tag, signature):
    """An RRSIG's data."""
    return struct.pack("!HBBIIIH", covered, algorithm, owner_labels, TTL, UNTIL, FROM, tag) + zone + signature


def signed(key, zone, owner, rtype, all_data):
    """The RRSIG's data of an RRset whose data are canonical; owner and zone are wire names."""
    head = rrsig(zone, rtype, ED25519, labels(owner), key_tag(key.data), b"")
    records = b"".join(owner + struct.pack("!HHIH", rtype, 1, TTL, len(data)) + data for data in sorted(all_data))
    return head + key.sign(head + records)


def with_tag(data, place):
    """A DNSKEY's data with the pair of octets at a place, which is even, chosen so that the tag is TAG."""
    data = bytearray(data)
    data[place:place + 2] = b"\0\0"
    for pair in range(TAG - key_tag(data) - 2, TAG + 0x20000):
        struct.pack_into("!H", data, place, pair & 0xFFFF)
        if key_tag(data) == TAG:
            return bytes(data)
    raise ValueError("no such tag")


def keys_of_ed448(rng):
    """Keys of Ed448 with one tag; about half of them are points of the curve."""
    return [with_tag(struct.pack("!HBB", 256, 3, ED448) + rng.randbytes(56) + b"\0", 20) for _ in range(COLLIDING)]


def keys_of_rsa(rng, bits, exponent):
    """Keys of RSA with one tag."""
    def modulus():
        return b"\xff" + rng.randbytes(bits // 8 - 2) + bytes([rng.randrange(256) | 1])
    head = struct.pack("!HBBB", 256, 3, RSASHA256, len(exponent)) + exponent
    return [with_tag(head + modulus(), 40) for _ in range(30)]


def false_448(rng):
    """What may be a signature of Ed448."""
    return BASE448.to_bytes(57, "little") + rng.randbytes(55) + b"\0\0"


def record(owner, rtype, data):
    """A record."""
    return owner + struct.pack("!HHIH", rtype, 1, TTL, len(data)) + data


def false_set(zone, algorithm, below, signatures):
    """An address of the name that was asked for, so many labels below the zone, and signatures that none made."""
    data = [rrsig(zone, A, algorithm, labels(zone) + below, TAG, signature) for signature in signatures]
    return [record(OWNER, A, ADDRESS)] + [record(OWNER, RRSIG, one) for one in data], []


class Zone:
    """A zone: its key, other keys beside it, and what it says to all other questions: (answer, authority, rcode)."""

    def __init__(self, name, others=(), said=None):
        self.name, self.wire, self.key = name, dnsmsg.name_to_wire(name), Key(name.encode())
        self.others, self.said = others, said or (lambda _: ([], []))
        keys = [self.key.data, *others]
        self.keys = self._with_signature(b"", DNSKEY, keys)

    def _with_signature(self, label, rtype, all_data):
        owner = label + self.wire
        data = signed(self.key, self.wire, owner, rtype, all_data)
        return [record(owner, rtype, one) for one in all_data] + [record(owner, RRSIG, data)]

    def rrset(self, label, rtype, *all_data):
        """A signed RRset at a label (wire form) below the apex."""
        return self._with_signature(label, rtype, all_data)

    def anchor(self):
        """The trust anchor, as a configuration has it."""
        return f'    trust-anchor: "{self.name} DNSKEY 257 3 {ED25519} {base64.b64encode(self.key.public).decode()}"\n'

    def reply(self, name, rtype):
        """(answer, authority, rcode) to a question for a name in wire form."""
        if rtype == DNSKEY and name == self.wire:
            return self.keys, [], 0
        answer, authority, *rcode = self.said(name)
        return answer, authority, *(rcode or [0])


def soa(zone):
    """A zone's SOA, signed."""
    return zone.rrset(b"", SOA, zone.wire + zone.wire + struct.pack("!5I", 1, 900, 300, 9000, 60))


def hashed(zone, iterations):
    """A zone whose denials are of the apex and hashed so often; they are short of what would prove anything."""
    digest = hashlib.sha1(zone.wire).digest()
    for _ in range(iterations):
        digest = hashlib.sha1(digest).digest()
    alphabet = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789abcdefghijklmnopqrstuv")
    label = b"\x20" + base64.b32encode(digest).translate(alphabet)
    data = struct.pack("!BBHB", 1, 0, iterations, 0) + b"\x14" + digest[:19] + bytes([digest[19] ^ 1]) + b"\0\1\x22"
    proof = soa(zone) + zone.rrset(label, NSEC3, data)
    return lambda _: ([], proof, 3)


def children(zone, rng):
    """Zones below with a DS of a key among hundreds that have its tag: their DNSKEY RRset, and their data."""
    keys = keys_of_ed448(rng)

    def reply(name, rtype):
        if name == zone.wire:
            return zone.keys, [], 0
        if rtype == DS:
            of_keys = [struct.pack("!HBB", TAG, ED448, 2) + hashlib.sha256(name + key).digest() for key in keys[:20]]
            return zone.rrset(name[:1 + name[0]], DS, *of_keys), [], 0
        child = name[1 + name[0]:] if rtype != DNSKEY else name
        signatures = [rrsig(child, rtype, ED448, labels(name), TAG, false_448(rng)) for _ in range(8)]
        data = keys if rtype == DNSKEY else [ADDRESS]
        return [record(OWNER, rtype, one) for one in data] + [record(OWNER, RRSIG, one) for one in signatures], [], 0
    return reply


def chain(zone, rng):
    """Aliases from the name that was asked for on, each with signatures that none made, and many addresses beside them."""
    names = [OWNER] + [bytes([3]) + f"c{k:02}".encode() + zone.wire for k in range(LINKS)]
    sets = []
    for owner, target in zip(names, names[1:]):
        signatures = [rrsig(zone.wire, CNAME, ED448, labels(zone.wire) + 1, TAG, false_448(rng)) for _ in range(8)]
        sets += [record(owner, CNAME, target)] + [record(owner, RRSIG, one) for one in signatures]
    return lambda _: (sets, [])


def zones():
    """All of them, by name."""
    rng = random.Random(12)
    ed448, made = keys_of_ed448(rng), {}

    def put(name, others, said=None):
        made[name] = Zone(f"{name}.attack.", others)
        made[name].said = said(made[name]) if said else made[name].said

    many448 = [false_448(rng) for _ in range(SIGNATURES)]
    put("keytrap", ed448, lambda zone: lambda _: false_set(zone.wire, ED448, 1, many448))
    put("signatures", ed448[:1], lambda zone: lambda _: false_set(zone.wire, ED448, 1, many448))
    for name, bits, exponent in (("rsa4096", 4096, b"\1\xff\xff\xff\xff"), ("rsa2048", 2048, b"\xff" * 8)):
        signatures = [b"\x7f" + rng.randbytes(bits // 8 - 1) for _ in range(8)]
        put(name, keys_of_rsa(rng, bits, exponent),
            lambda zone, signatures=signatures: lambda _: false_set(zone.wire, RSASHA256, 1, signatures))
    put("chain", ed448, lambda zone: chain(zone, rng))
    put("nsec3-2500", (), lambda zone: hashed(zone, 2500))
    put("nsec3-150", (), lambda zone: hashed(zone, 150))
    put("dnskeys", ())
    made["dnskeys"].reply = children(made["dnskeys"], rng)
    return made


def questions(name, count):
    """So many names that nobody has asked before, each of which is an attack."""
    apex = f"{name}.attack."
    below = {"nsec3-150": lambda n: f"n{n}" + ".a" * LABELS, "nsec3-2500": lambda n: f"n{n}" + ".a" * LABELS,
             "dnskeys": lambda n: f"a.c{n}"}.get(name, lambda n: f"n{n}")
    return [f"{below(n)}.{apex}" for n in range(count)]


NAMES = ("keytrap", "signatures", "dnskeys", "chain", "rsa4096", "rsa2048", "nsec3-2500", "nsec3-150")


def answer(made, data, tcp):
    """The reply to a query, None where it is for nobody here."""
    at, last = 12, []
    while data[at]:
        last.append(at)
        at += 1 + data[at]
    rtype, = struct.unpack_from("!H", data, at + 1)
    name, question = data[12:at + 1].lower(), data[12:at + 5]
    zone = next((zone for zone in made.values() if name.endswith(zone.wire)), None)
    if not zone:
        return None
    answers, authority, rcode = zone.reply(name, rtype)
    body = b"".join(answers + authority)
    counts = (1, len(answers), len(authority), 1)
    out = dnsmsg.header(int.from_bytes(data[:2], "big"), dnsmsg.QR | dnsmsg.AA, 0, rcode, counts) + question + body + dnsmsg.opt(dnsmsg.Edns())
    if len(out) > 1232 and not tcp:
        return dnsmsg.header(int.from_bytes(data[:2], "big"), dnsmsg.QR | dnsmsg.AA | dnsmsg.TC, 0, 0, (1, 0, 0, 0)) + question
    return out


def serve(address):
    """Until it is killed."""
    made, selector, buffers = zones(), selectors.DefaultSelector(), {}
    udp, tcp = socket.socket(type=socket.SOCK_DGRAM), socket.socket()
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for sock in (udp, tcp):
        sock.bind((address, 53))
        selector.register(sock, selectors.EVENT_READ)
    tcp.listen(256)
    while True:
        for key, _ in selector.select():
            sock = key.fileobj
            try:
                if sock is udp:
                    data, source = udp.recvfrom(4096)
                    reply = answer(made, data, False)
                    if reply:
                        udp.sendto(reply, source)
                elif sock is tcp:
                    connection, _ = tcp.accept()
                    buffers[connection] = b""
                    selector.register(connection, selectors.EVENT_READ)
                else:
                    part = sock.recv(65536)
                    if not part:
                        raise OSError("closed")
                    buffers[sock] += part
                    while len(buffers[sock]) > 2 and len(buffers[sock]) >= 2 + int.from_bytes(buffers[sock][:2], "big"):
                        size = int.from_bytes(buffers[sock][:2], "big")
                        data, buffers[sock] = buffers[sock][2:2 + size], buffers[sock][2 + size:]
                        reply = answer(made, data, True)
                        if reply:
                            sock.sendall(struct.pack("!H", len(reply)) + reply)
            except (OSError, IndexError, struct.error):
                if sock not in (udp, tcp):
                    selector.unregister(sock)
                    buffers.pop(sock, None)
                    sock.close()


if __name__ == "__main__":
    serve(sys.argv[1])
