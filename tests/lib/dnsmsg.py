"""DNS messages for tests: build a query, parse a reply (RFC 1035, RFC 6891, RFC 7766). Standard library only."""

import struct
from dataclasses import dataclass, field

TYPES = {
    "A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "NULL": 10, "PTR": 12, "HINFO": 13, "MX": 15, "TXT": 16, "RP": 17, "AAAA": 28,
    "LOC": 29, "SRV": 33, "NAPTR": 35, "DNAME": 39, "OPT": 41, "DS": 43, "SSHFP": 44, "RRSIG": 46, "NSEC": 47,
    "DNSKEY": 48, "NSEC3": 50, "TLSA": 52, "SVCB": 64, "HTTPS": 65, "SPF": 99, "TKEY": 249, "TSIG": 250, "IXFR": 251, "AXFR": 252,
    "MAILB": 253, "MAILA": 254, "ANY": 255, "URI": 256, "CAA": 257}
CLASSES = {"IN": 1, "CH": 3, "HS": 4, "NONE": 254, "ANY": 255}
RCODES = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH",
          "NOTZONE"]
QR, AA, TC, RD, RA, Z, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0040, 0x0020, 0x0010
FLAGS = {"QR": QR, "AA": AA, "TC": TC, "RD": RD, "RA": RA, "Z": Z, "AD": AD, "CD": CD}

# Where names stand in the RDATA of the types that RFC 1035 (and RFC 3597 section 4) let servers compress:
# (bytes before the first name, number of names).
_NAMES_IN_RDATA = {2: (0, 1), 5: (0, 1), 6: (0, 2), 12: (0, 1), 15: (2, 1), 17: (0, 2), 33: (6, 1), 39: (0, 1)}


class BadMessage(Exception):
    """The bytes are no DNS message."""


def rcode_name(number):
    """RFC 1035 mnemonic of a response code; BADVERS for 16."""
    return RCODES[number] if number < len(RCODES) else {16: "BADVERS"}.get(number, f"RCODE{number}")


def name_to_wire(text):
    """`www.example.` to wire format; `\\DDD` and `\\X` escapes as in master files."""
    out, label, index = bytearray(), bytearray(), 0
    while index < len(text):
        char = text[index]
        if char == "\\" and text[index + 1:index + 4].isdigit():
            label.append(int(text[index + 1:index + 4]))
            index += 4
            continue
        if char == "\\":
            index += 1
            label += text[index].encode()
        elif char == ".":
            if label:
                out += bytes([len(label)]) + label
            label = bytearray()
        else:
            label += char.encode()
        index += 1
    if label:
        out += bytes([len(label)]) + label
    return bytes(out) + b"\0"


def name_from_wire(message, offset):
    """Read a possibly compressed name; returns (text, offset behind it)."""
    labels, behind, hops = [], None, 0
    while True:
        if offset >= len(message):
            raise BadMessage("name runs past the end")
        length = message[offset]
        if length >= 0xC0:
            if offset + 1 >= len(message) or hops > 64:
                raise BadMessage("compression pointer")
            behind = behind if behind is not None else offset + 2
            offset = (length & 0x3F) << 8 | message[offset + 1]
            hops += 1
            continue
        if length > 63:
            raise BadMessage("label type")
        offset += 1
        if length == 0:
            break
        labels.append("".join(chr(b) if 33 <= b < 127 and chr(b) not in '."\\' else f"\\{b:03d}"
                              for b in message[offset:offset + length]))
        offset += length
    return ".".join(labels) + ".", behind if behind is not None else offset


@dataclass(frozen=True)
class Record:
    """One resource record; `rdata` holds names uncompressed and in lower case (compression may borrow the asker's case)."""
    name: str
    type: int
    klass: int
    ttl: int
    rdata: bytes

    def key(self):
        """The record without its TTL and without letter case in its owner."""
        return (self.name.lower(), self.type, self.klass, self.rdata)


@dataclass
class Edns:
    """The OPT record: UDP size, version, extended flags (DO is 0x8000), options as (code, bytes)."""
    size: int = 1232
    version: int = 0
    flags: int = 0
    options: list = field(default_factory=list)


@dataclass
class Message:
    """A parsed message."""
    id: int
    flags: int
    opcode: int
    rcode: int
    question: list
    answer: list
    authority: list
    additional: list
    edns: Edns | None
    size: int

    def flag_names(self):
        """The flags that are set, as text."""
        return " ".join(name for name, bit in FLAGS.items() if self.flags & bit)

    def addresses(self):
        """RDATA of the A and AAAA records in the answer section."""
        return [record.rdata for record in self.answer if record.type in (1, 28)]


def header(ident=0, flags=RD, opcode=0, rcode=0, counts=(1, 0, 0, 0)):
    """Twelve octets of header."""
    return struct.pack("!6H", ident, flags | opcode << 11 | rcode, *counts)


def opt(edns):
    """The OPT record in wire format."""
    rdata = b"".join(struct.pack("!HH", code, len(value)) + value for code, value in edns.options)
    return struct.pack("!BHHBBHH", 0, 41, edns.size, 0, edns.version, edns.flags, len(rdata)) + rdata


def query(name, qtype="A", qclass="IN", ident=0, flags=RD, edns=None):
    """A query; `name` is text or wire bytes, `qtype` and `qclass` are names or numbers."""
    wire = name if isinstance(name, bytes) else name_to_wire(name)
    qtype = TYPES[qtype] if isinstance(qtype, str) else qtype
    qclass = CLASSES[qclass] if isinstance(qclass, str) else qclass
    out = header(ident, flags, counts=(1, 0, 0, 1 if edns else 0)) + wire + struct.pack("!HH", qtype, qclass)
    return out + opt(edns) if edns else out


def with_id(message, ident):
    """The same message with another id (as it is when it is too short to have one)."""
    return struct.pack("!H", ident) + message[2:] if len(message) >= 2 else message


def _plain_rdata(message, rtype, start, length):
    raw = message[start:start + length]
    if rtype not in _NAMES_IN_RDATA:
        return raw
    before, names = _NAMES_IN_RDATA[rtype]
    out, offset = bytearray(raw[:before]), start + before
    for _ in range(names):
        text, offset = name_from_wire(message, offset)
        out += name_to_wire(text.lower())
    return bytes(out) + message[offset:start + length]


def parse(data):
    """Parse a message; BadMessage when the bytes are none."""
    if len(data) < 12:
        raise BadMessage("shorter than a header")
    ident, flags, *counts = struct.unpack("!6H", data[:12])
    offset, question, sections, edns = 12, [], [[], [], []], None
    try:
        for _ in range(counts[0]):
            name, offset = name_from_wire(data, offset)
            question.append((name, *struct.unpack_from("!HH", data, offset)))
            offset += 4
        for section, count in zip(sections, counts[1:]):
            for _ in range(count):
                name, offset = name_from_wire(data, offset)
                rtype, klass, ttl, length = struct.unpack_from("!HHIH", data, offset)
                offset += 10
                if offset + length > len(data):
                    raise BadMessage("RDATA runs past the end")
                if rtype == 41:
                    edns = Edns(klass, ttl >> 16 & 0xFF, ttl & 0xFFFF, _options(data[offset:offset + length]))
                    extended = ttl >> 24
                else:
                    section.append(Record(name, rtype, klass, ttl, _plain_rdata(data, rtype, offset, length)))
                offset += length
    except struct.error as error:
        raise BadMessage(str(error)) from error
    rcode = flags & 0xF | (extended << 4 if edns else 0)
    return Message(ident, flags & 0x87F0, flags >> 11 & 0xF, rcode, question, *sections, edns, len(data))


def _options(rdata):
    out, offset = [], 0
    while offset + 4 <= len(rdata):
        code, length = struct.unpack_from("!HH", rdata, offset)
        out.append((code, rdata[offset + 4:offset + 4 + length]))
        offset += 4 + length
    return out
