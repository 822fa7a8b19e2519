"""Keys of signed zones: made by BIND's dnssec-keygen and ldns-keygen, used for zones of any name, with their tags and DS records.

A key that is made once signs in many zones: neither its records nor its tag hold the zone's name.
"""

import base64
import dataclasses
import hashlib
import math
import os
import re
import threading

import dnsmsg
from lab import sh

ZONE, REVOKE, SEP = 0x100, 0x80, 1
DIGESTS = {1: hashlib.sha1, 2: hashlib.sha256, 4: hashlib.sha384}
P256, P384, ED25519, ED448, RSASHA256 = 13, 14, 15, 16, 8
PRIVATE_SIZE = re.compile(r"^(Modulus|PublicExponent|PrivateExponent|Prime1|Prime2|Exponent1|Exponent2|Coefficient): (\S+)", re.M)


def key_tag(rdata):
    """The tag of a DNSKEY's data (RFC 4034 appendix B)."""
    total = sum(octet if index & 1 else octet << 8 for index, octet in enumerate(rdata))
    return total + (total >> 16) & 0xFFFF


def ds_of(zone, rdata, digest=2):
    """DS data, as text, of a zone's DNSKEY data."""
    made = DIGESTS[digest](dnsmsg.name_to_wire(zone.lower()) + rdata).hexdigest()
    return f"{key_tag(rdata)} {rdata[3]} {digest} {made}"


@dataclasses.dataclass(frozen=True)
class Key:
    """A key with both its parts."""
    flags: int
    algorithm: int
    public: str
    private: str

    def rdata(self, protocol=3):
        """DNSKEY data in wire format."""
        return bytes([self.flags >> 8, self.flags & 0xFF, protocol, self.algorithm]) + base64.b64decode(self.public)

    def text(self):
        """DNSKEY data as text."""
        return f"{self.flags} 3 {self.algorithm} {self.public}"

    def tag(self):
        """Its tag."""
        return key_tag(self.rdata())

    def ds(self, zone, digest=2):
        """The data of a DS for it, as text."""
        return ds_of(zone, self.rdata(), digest)

    def revoked(self):
        """It with the bit that revokes it (RFC 5011 section 3)."""
        return dataclasses.replace(self, flags=self.flags | REVOKE)

    def put(self, folder, zone):
        """Write its files as keys of a zone; returns their path without extension, as signers want it."""
        path = f"{folder}/K{zone.lower()}+{self.algorithm:03d}+{self.tag():05d}"
        with open(f"{path}.key", "w") as file:
            file.write(f"{zone} 3600 IN DNSKEY {self.text()}\n")
        with open(f"{path}.private", "w") as file:
            file.write(self.private)
        return path


class Ring:
    """Keys by algorithm, size, whether they sign keys, and a number; each is made when it is first asked for."""

    def __init__(self, folder):
        self.folder, self.made, self.lock = folder, {}, threading.Lock()
        os.makedirs(folder, exist_ok=True)

    def key(self, algorithm, ksk, number=0, bits=None):
        """The key; the same for the same words."""
        words = (algorithm, ksk, number, bits)
        with self.lock:
            if words not in self.made:
                self.made[words] = self._make(algorithm, ksk, bits)
            return self.made[words]

    def pair(self, algorithm=P256, number=0, bits=None):
        """The key that signs keys, and the one that signs the rest."""
        return [self.key(algorithm, True, number, bits), self.key(algorithm, False, number, bits)]

    def _make(self, algorithm, ksk, bits):
        folder = f"{self.folder}/{len(self.made)}"
        os.mkdir(folder)
        if bits and bits < 1024:  # BIND makes none so short
            name = {5: "RSASHA1", 7: "RSASHA1_NSEC3", 8: "RSASHA256"}[algorithm]
            sh("sh", "-c", f"cd {folder} && ldns-keygen -a {name} -b {bits} {'-k' if ksk else ''} key.")
        else:
            if algorithm in (5, 7, 8, 10) and not bits:
                bits = 1024
            sh("dnssec-keygen", "-q", "-K", folder, "-a", str(algorithm), *(["-b", str(bits)] if bits else []),
               *(["-f", "KSK"] if ksk else []), "key.")
        files = {name.rpartition(".")[2]: f"{folder}/{name}" for name in os.listdir(folder)}
        with open(files["key"]) as file:
            words = re.search(r"DNSKEY\s+(\d+) 3 \d+ ([^;\n]+)", file.read())
        with open(files["private"]) as file:
            return Key(int(words.group(1)), algorithm, words.group(2).replace(" ", ""), file.read())


def colliding(keys, tag):
    """An RSA key whose tag is `tag`, made of the primes of one of `keys`: of all exponents of four octets the first that gives it.

    The tag settles what is left of the exponent modulo 3, 5 and 17, so with some primes there is none.
    """
    for key in keys:
        number = {name: int.from_bytes(base64.b64decode(value), "big") for name, value in PRIVATE_SIZE.findall(key.private)}
        p, q, modulus = number["Prime1"], number["Prime2"], number["Modulus"]
        found = _exponent(key, modulus.to_bytes((modulus.bit_length() + 7) // 8, "big"), tag)
        if math.gcd(found, (p - 1) * (q - 1)) != 1:
            continue
        secret = pow(found, -1, (p - 1) * (q - 1))
        parts = {"Modulus": modulus, "PublicExponent": found, "PrivateExponent": secret, "Prime1": p, "Prime2": q,
                 "Exponent1": secret % (p - 1), "Exponent2": secret % (q - 1), "Coefficient": pow(q, -1, p)}
        texts = {name: base64.b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big")).decode() for name, value in parts.items()}
        public = b"\4" + found.to_bytes(4, "big") + base64.b64decode(texts["Modulus"])
        private = f"Private-key-format: v1.3\nAlgorithm: {key.algorithm} (RSA)\n" + "".join(f"{name}: {text}\n" for name, text in texts.items())
        return dataclasses.replace(key, public=base64.b64encode(public).decode(), private=private)
    raise ValueError(f"no exponent gives the tag {tag}")


def _exponent(key, modulus, tag):
    head = bytes([key.flags >> 8, key.flags & 0xFF, 3, key.algorithm])
    rest = sum(octet if index & 1 else octet << 8 for index, octet in enumerate(head + b"\4\0\0\0\0" + modulus))
    for exponent in range(0x01000001, 0x01040000, 2):
        # It stands at odd places: its first octet is the lower one of a pair.
        total = rest + (exponent >> 24) + (exponent >> 8 & 0xFF00) + (exponent >> 8 & 0xFF) + ((exponent & 0xFF) << 8)
        if total + (total >> 16) & 0xFFFF == tag:
            return exponent
    return 0
