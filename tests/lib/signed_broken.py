"""Zones of which one thing each is wrong: signed as others, then spoiled by a function that has the zone's name."""

import base64
import dataclasses

import signed_keys
from signed_keys import P256, RSASHA256
from signed_zones import Spec, ds_for, key, pair

FAR = 30  # days for which signatures hold
KSK, ZSK, OTHER_KSK, OTHER_ZSK = key(P256, True), key(P256, False), key(P256, True, 1), key(P256, False, 1)
NSEC3 = ("-", 0, False)
BROKEN = []


def broken(tld="bad.", **how):
    """A zone of the function's name below `tld`, spoiled by it."""
    def add(spoil):
        BROKEN.append(Spec(f"{spoil.__name__.replace('_', '-')}.{tld}", spoil=spoil, house="broken", **how))
        return spoil
    return add


def full(zone, owner):
    """A name within the zone."""
    return f"{owner}.{zone.name}" if owner else zone.name


def those(zone, owner, rtype):
    """The records of an RRset; `owner` is None for all names."""
    return [record for record in zone.records if record[2] == rtype and owner in (None, record[0].removesuffix(zone.name).removesuffix("."))]


def signatures(zone, owner, covered):
    """The signatures of an RRset; of all types where `covered` is None."""
    return [record for record in those(zone, owner, "RRSIG") if covered in (None, record[3].split()[0])]


def drop(zone, records):
    """Take records out."""
    gone = {id(record) for record in records}
    zone.records = [record for record in zone.records if id(record) not in gone]


def field(zone, owner, covered, place, value):
    """Write one field of an RRset's signatures anew: `value` of what it was."""
    for record in signatures(zone, owner, covered):
        words = record[3].split()
        words[place] = str(value(words[place]))
        record[3] = " ".join(words)


ALGORITHM, LABELS, TTL, EXPIRATION, INCEPTION, TAG, SIGNER, SIGNATURE = range(1, 9)


def octets(change):
    """A change of octets as a change of base64."""
    return lambda text: base64.b64encode(change(base64.b64decode(text))).decode()


def flipped(data):
    """A bit of the middle is another."""
    return data[:20] + bytes([data[20] ^ 1]) + data[21:]


def take_from(zone, other, owner, covered):
    """Have the signatures that another signing made of an RRset."""
    drop(zone, signatures(zone, owner, covered))
    mine, zone.records = zone.records, other
    found = signatures(zone, owner, covered)
    zone.records = mine + found


# Times.

@broken()
def expired(zone):
    zone.records = zone.sign(days=(-60, -FAR))


@broken(nsec3=NSEC3)
def expired3(zone):
    zone.records = zone.sign(days=(-60, -FAR))


@broken()
def early(zone):
    zone.records = zone.sign(days=(FAR, 60))


@broken()
def expired_www(zone):
    take_from(zone, zone.sign(days=(-60, -FAR)), "www", "A")


@broken()
def early_www(zone):
    take_from(zone, zone.sign(days=(FAR, 60)), "www", "A")


@broken()
def expired_keys(zone):
    take_from(zone, zone.sign(days=(-60, -FAR)), "", "DNSKEY")


@broken()
def early_keys(zone):
    take_from(zone, zone.sign(days=(FAR, 60)), "", "DNSKEY")


@broken()
def expired_nsec(zone):
    old = zone.sign(days=(-60, -FAR))
    take_from(zone, old, None, "NSEC")


@broken(nsec3=NSEC3)
def expired_nsec3(zone):
    take_from(zone, zone.sign(days=(-60, -FAR)), None, "NSEC3")


@broken()
def expired_soa(zone):
    take_from(zone, zone.sign(days=(-60, -FAR)), "", "SOA")


@broken()
def inverted(zone):
    for record in signatures(zone, "www", "A"):
        words = record[3].split()
        words[EXPIRATION], words[INCEPTION] = words[INCEPTION], words[EXPIRATION]
        record[3] = " ".join(words)


@broken()
def expired_beside_good(zone):
    mine = zone.records
    zone.records = zone.sign(days=(-60, -FAR))
    zone.records = mine + signatures(zone, "www", "A")


@broken()
def expired_within_skew(zone):
    take_from(zone, zone.sign(days=(-FAR, -1 / 48)), "www", "A")


@broken()
def short_lived(zone):
    take_from(zone, zone.sign(days=(-FAR, 1 / 48)), "www", "A")


# Keys and DS.

@broken()
def zsk_gone(zone):
    other = zone.sign(keys=OTHER_ZSK(zone.ring) + KSK(zone.ring))
    drop(zone, those(zone, "", "DNSKEY"))
    take_from(zone, other, "", "DNSKEY")
    zone.records += [record for record in other if record[2] == "DNSKEY"]


@broken(ds=ds_for(OTHER_KSK))
def ds_of_another(zone):
    pass


@broken(ds=ds_for(OTHER_KSK), nsec3=NSEC3)
def ds_of_another3(zone):
    pass


@broken(keys=ZSK, ds=ds_for(KSK), published=KSK)
def keys_by_zsk(zone):
    pass


@broken()
def no_dnskey(zone):
    drop(zone, those(zone, "", "DNSKEY") + signatures(zone, "", "DNSKEY"))


@broken()
def unsigned_keys(zone):
    drop(zone, signatures(zone, "", "DNSKEY"))


@broken()
def unsigned(zone):
    drop(zone, those(zone, None, "RRSIG") + those(zone, None, "NSEC") + those(zone, "", "DNSKEY"))


@broken()
def keys_alone_signed(zone):
    keep = {id(record) for record in signatures(zone, "", "DNSKEY")}
    drop(zone, [record for record in those(zone, None, "RRSIG") + those(zone, None, "NSEC") if id(record) not in keep])


def ds_spoiled(change, keys=KSK):
    """The DS with its words changed."""
    def make(zone):
        return [" ".join(change(key.ds(zone.name).split())) for key in keys(zone.ring)]
    return make


def last(text):
    """Another last digit."""
    return text[:-1] + ("0" if text[-1] != "0" else "1")


@broken(ds=ds_spoiled(lambda ds: [*ds[:3], last(ds[3])]))
def ds_digest_flipped(zone):
    pass


@broken(ds=ds_spoiled(lambda ds: [str((int(ds[0]) + 1) % 65536), *ds[1:]]))
def ds_other_tag(zone):
    pass


@broken(ds=ds_spoiled(lambda ds: [ds[0], "8", *ds[2:]]))
def ds_other_algorithm(zone):
    pass


@broken(ds=ds_spoiled(lambda ds: [ds[0], "100", *ds[2:]]))
def ds_unknown_algorithm(zone):
    pass


@broken(ds=ds_spoiled(lambda ds: [ds[0], ds[1], "99", ds[3]]))
def ds_unknown_digest(zone):
    pass


@broken(ds=ds_spoiled(lambda ds: [ds[0], ds[1], "99", ds[3]]), nsec3=NSEC3)
def ds_unknown_digest3(zone):
    pass


@broken(ds=ds_spoiled(lambda ds: [ds[0], ds[1], "3", ds[3]]))
def ds_gost(zone):
    pass


@broken(ds=lambda zone: [*ds_for(KSK)(zone), *ds_spoiled(lambda ds: [ds[0], ds[1], "99", ds[3]])(zone)])
def ds_unknown_beside_good(zone):
    pass


@broken(ds=lambda zone: [KSK(zone.ring)[0].ds(zone.name, 1), *ds_spoiled(lambda ds: [*ds[:3], last(ds[3])])(zone)])
def ds_sha256_wrong(zone):
    pass


@broken(ds=lambda zone: [*ds_for(KSK)(zone), *ds_spoiled(lambda ds: [ds[0], ds[1], "1", last(ds[3][:40])])(zone)])
def ds_sha1_wrong(zone):
    pass


@broken(ds=ds_spoiled(lambda ds: [ds[0], ds[1], "1", ds[3][:40]]))
def ds_sha1_alone_wrong(zone):
    pass


@broken(keys=lambda ring: [ring.key(P256, True).revoked(), ring.key(P256, False)])
def revoked(zone):
    pass


def rewrite_keys(zone, change):
    """Change the words of the DNSKEY records, and sign nothing anew."""
    for record in those(zone, "", "DNSKEY"):
        record[3] = " ".join(change(record[3].split()))


def ds_of_records(change):
    """DS of the key that signs keys as it is after a change of its words."""
    def make(zone):
        flags, protocol, algorithm, public = change(KSK(zone.ring)[0].text().split())
        rdata = int(flags).to_bytes(2, "big") + bytes([int(protocol), int(algorithm)]) + base64.b64decode(public)
        return [signed_keys.ds_of(zone.name, rdata)]
    return make


def no_zone_bit(words):
    return [str(int(words[0]) & ~signed_keys.ZONE), *words[1:]]


def protocol_2(words):
    return [words[0], "2", *words[2:]]


def algorithm_100(words):
    return [*words[:2], "100", words[3]]


def short_public(words):
    return [*words[:3], base64.b64encode(base64.b64decode(words[3])[:-1]).decode()]


@broken(ds=ds_of_records(no_zone_bit))
def no_zone_key(zone):
    rewrite_keys(zone, no_zone_bit)


@broken(ds=ds_of_records(protocol_2))
def other_protocol(zone):
    rewrite_keys(zone, protocol_2)


@broken(ds=ds_of_records(algorithm_100))
def unknown_algorithm(zone):
    rewrite_keys(zone, algorithm_100)
    for record in those(zone, None, "RRSIG"):
        record[3] = record[3].replace(f" {P256} ", " 100 ", 1)


@broken(ds=ds_of_records(short_public))
def short_key(zone):
    rewrite_keys(zone, short_public)


def colliding_zsk(ring):
    """A key that signs the rest with the tag of the one that signs keys."""
    first = ring.key(RSASHA256, True)
    return [first, signed_keys.colliding((ring.key(RSASHA256, False, number) for number in range(30)), first.tag())]


@broken(keys=colliding_zsk, signer="ldns")
def tags_collide(zone):
    pass


@broken(keys=pair(RSASHA256), published=lambda ring: decoys(ring, 1))
def tag_of_decoy(zone):
    pass


@broken(keys=pair(RSASHA256), published=lambda ring: decoys(ring, 12))
def tag_of_many(zone):
    pass


def decoys(ring, count):
    """Keys with the tag of the one that signs the rest, which sign nothing: garbage but for their tag."""
    zsk, found = ring.key(RSASHA256, False), []
    for number in range(count):
        body = b"\3\1\0\1" + bytes([128 + number]) + bytes(125)
        base = dataclasses.replace(zsk, public=base64.b64encode(body + b"\0\0").decode(), private="")
        step = (zsk.tag() - base.tag()) % 65535
        decoy = dataclasses.replace(base, public=base64.b64encode(body + step.to_bytes(2, "big")).decode())
        found += [decoy] if decoy.tag() == zsk.tag() else []
    return found
