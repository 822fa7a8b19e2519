"""More zones of which one thing is wrong: signatures and records that are not what they should be, proofs that are missing or
prove something else, delegations without their proof."""

import base64

import signed_keys
from signed_broken import (ALGORITHM, BROKEN, FAR, LABELS, NSEC3, SIGNATURE, SIGNER, TAG, TTL, broken, drop, field, flipped, full, octets,
                           signatures, take_from, those)
from signed_zones import SALT, Spec

KIDS = []  # zones below those, which are themselves sound


# Signatures.

@broken()
def flipped_www(zone):
    field(zone, "www", "A", SIGNATURE, octets(flipped))


@broken()
def truncated(zone):
    field(zone, "www", "A", SIGNATURE, octets(lambda data: data[:-8]))


@broken()
def of_one_octet(zone):
    field(zone, "www", "A", SIGNATURE, octets(lambda data: data[:1]))


@broken()
def too_long(zone):
    field(zone, "www", "A", SIGNATURE, octets(lambda data: data + b"\0"))


@broken()
def stripped(zone):
    drop(zone, signatures(zone, "www", "A"))


@broken()
def only_signatures(zone):
    drop(zone, those(zone, "www", "A"))


@broken()
def labels_more(zone):
    field(zone, "www", "A", LABELS, lambda count: int(count) + 1)


@broken()
def labels_less(zone):
    field(zone, "www", "A", LABELS, lambda count: int(count) - 1)


@broken()
def signer_sibling(zone):
    field(zone, "www", "A", SIGNER, lambda name: "p256.n.")


@broken()
def signer_parent(zone):
    field(zone, "www", "A", SIGNER, lambda name: name.partition(".")[2])


@broken()
def signer_below(zone):
    field(zone, "www", "A", SIGNER, lambda name: f"www.{name}")


@broken()
def original_ttl_less(zone):
    field(zone, "www", "A", TTL, lambda ttl: int(ttl) // 2)


@broken()
def ttl_raised(zone):
    for record in those(zone, "www", "A") + signatures(zone, "www", "A"):
        record[1] = 86400


@broken()
def tag_wrong(zone):
    field(zone, "www", "A", TAG, lambda tag: (int(tag) + 1) % 65536)


@broken()
def algorithm_wrong(zone):
    field(zone, "www", "A", ALGORITHM, lambda _: 8)


@broken()
def covers_other(zone):
    drop(zone, signatures(zone, "www", "A"))
    for owner, ttl, rtype, data in signatures(zone, "www", "AAAA"):
        zone.records.append([owner, ttl, rtype, data.replace("AAAA", "A", 1)])


@broken()
def of_another_name(zone):
    drop(zone, signatures(zone, "www", "A"))
    for owner, ttl, rtype, data in signatures(zone, "ns1", "A"):
        zone.records.append([full(zone, "www"), ttl, rtype, data])


@broken()
def record_changed(zone):
    those(zone, "www", "A")[0][3] = "203.0.113.99"


@broken()
def record_added(zone):
    zone.records.append([full(zone, "www"), 3600, "A", "203.0.113.99"])


@broken()
def record_taken(zone):
    drop(zone, those(zone, "www", "A")[:1])


@broken()
def flipped_beside_good(zone):
    for owner, ttl, rtype, data in signatures(zone, "www", "A"):
        words = data.split()
        words[SIGNATURE] = octets(flipped)(words[SIGNATURE])
        zone.records.insert(0, [owner, ttl, rtype, " ".join(words)])


@broken()
def many_flipped(zone):
    for owner, ttl, rtype, data in signatures(zone, "www", "A"):
        words = data.split()
        for number in range(20):
            made = bytearray(base64.b64decode(words[SIGNATURE]))
            made[number] ^= 1
            zone.records.append([owner, ttl, rtype, " ".join([*words[:SIGNATURE], base64.b64encode(made).decode()])])
        drop(zone, [record for record in zone.records if record[3] == data])


@broken()
def flipped_soa(zone):
    field(zone, "", "SOA", SIGNATURE, octets(flipped))


@broken()
def flipped_keys(zone):
    field(zone, "", "DNSKEY", SIGNATURE, octets(flipped))


@broken()
def flipped_all(zone):
    for record in those(zone, None, "RRSIG"):
        words = record[3].split()
        if words[0] != "DNSKEY":
            record[3] = " ".join([*words[:SIGNATURE], octets(flipped)(words[SIGNATURE])])


@broken()
def alias_unsigned(zone):
    drop(zone, signatures(zone, "alias", "CNAME"))


@broken(asked=("dn DNAME", "dnout DNAME", "www.dnout A"))
def dname_unsigned(zone):
    drop(zone, signatures(zone, None, "DNAME"))


@broken(asked=("dnout DNAME", "www.dnout A", "x.dn A"))
def dname_flipped(zone):
    field(zone, None, "DNAME", SIGNATURE, octets(flipped))


@broken(asked=("@ NS",))
def servers_unsigned(zone):
    drop(zone, signatures(zone, "", "NS"))


# Denial by NSEC.

@broken()
def no_nsec(zone):
    drop(zone, those(zone, None, "NSEC") + signatures(zone, None, "NSEC"))


@broken()
def nsec_unsigned(zone):
    drop(zone, signatures(zone, None, "NSEC"))


@broken()
def nsec_flipped(zone):
    field(zone, None, "NSEC", SIGNATURE, octets(flipped))


def with_more(*lines):
    """Signed with further records, which are not there afterwards."""
    def spoil(zone):
        zone.records = zone.sign(more=[f"{full(zone, owner)} 3600 IN {rest}" for owner, _, rest in (line.partition(" ") for line in lines)])
        for owner, _, rest in (line.partition(" ") for line in lines):
            rtype = rest.split()[0]
            drop(zone, those(zone, owner, rtype) + signatures(zone, owner, rtype))
    return spoil


@broken()
def type_is_there(zone):
    with_more("www MX 10 www")(zone)


@broken(asked=("nowhere MX",))
def name_is_there(zone):
    with_more("nowhere A 203.0.113.9")(zone)
    drop(zone, those(zone, "nowhere", "NSEC") + signatures(zone, "nowhere", "NSEC"))


@broken()
def alias_is_there(zone):
    with_more("here CNAME www")(zone)


@broken(asked=("zzz A", "aaa A", "nowhere.www A"))
def next_too_far(zone):
    for record in those(zone, None, "NSEC"):
        record[3] = f"{zone.name} {record[3].partition(' ')[2]}"


@broken(asked=("zzz A", "nowhere.ent A", "m A"))
def wildcard_unproven(zone):
    drop(zone, those(zone, "", "NSEC") + signatures(zone, "", "NSEC"))


@broken(asked=("x.wild MX", "y.x.wild A"))
def wildcard_alone(zone):
    for owner in ("*.wild", "*.wildalias", "www"):
        drop(zone, those(zone, owner, "NSEC") + signatures(zone, owner, "NSEC"))


@broken(asked=("forged.wild A", "forged.wild TXT", "forged.wild MX"))
def wildcard_forged(zone):
    for owner, ttl, rtype, data in those(zone, "*.wild", "A") + signatures(zone, "*.wild", "A"):
        zone.records.append([full(zone, "forged.wild"), ttl, rtype, data])


@broken(asked=("forged A", "www A"))
def wildcard_elsewhere(zone):
    for owner, ttl, rtype, data in those(zone, "*.wild", "A") + signatures(zone, "*.wild", "A"):
        zone.records.append([full(zone, "forged"), ttl, rtype, data])


@broken()
def denial_soa_unsigned(zone):
    drop(zone, signatures(zone, "", "SOA"))


@broken(asked=("@ MX",))
def nsec_of_parent(zone):
    """Instead of its own apex NSEC it has one that its parent could have made."""
    for record in those(zone, "", "NSEC"):
        record[3] = f"zz.{zone.name} NS DS RRSIG NSEC"


# Denial by NSEC3.

def nsec3_of(zone, owner):
    """The NSEC3 of a name, and its signatures."""
    salt = b"" if zone.spec.nsec3[0] == "-" else bytes.fromhex(zone.spec.nsec3[0])
    digest = b"".join(bytes([len(label)]) + label.encode() for label in full(zone, owner).lower().split(".")[:-1]) + b"\0"
    for _ in range(zone.spec.nsec3[1] + 1):
        digest = signed_keys.DIGESTS[1](digest + salt).digest()
    hashed = base64.b32hexencode(digest).decode().lower()
    return those(zone, hashed, "NSEC3") + signatures(zone, hashed, "NSEC3")


@broken(nsec3=NSEC3)
def no_nsec3(zone):
    drop(zone, those(zone, None, "NSEC3") + signatures(zone, None, "NSEC3"))


@broken(nsec3=NSEC3)
def nsec3_unsigned(zone):
    drop(zone, signatures(zone, None, "NSEC3"))


@broken(nsec3=NSEC3, asked=("a.nowhere A", "zzz A"))
def no_encloser(zone):
    drop(zone, nsec3_of(zone, ""))


@broken(nsec3=NSEC3, asked=("nowhere.ent A", "b.ent A", "ent A"))
def no_empty_name(zone):
    drop(zone, nsec3_of(zone, "ent"))


@broken(nsec3=NSEC3)
def nsec3_type_is_there(zone):
    with_more("www MX 10 www")(zone)


@broken(nsec3=NSEC3)
def nsec3_missing_www(zone):
    drop(zone, nsec3_of(zone, "www"))


def nsec3_field(zone, place, value):
    """Write a field of all NSEC3 anew."""
    for record in those(zone, None, "NSEC3") + those(zone, None, "NSEC3PARAM"):
        words = record[3].split()
        words[place] = value
        record[3] = " ".join(words)


@broken(nsec3=NSEC3)
def nsec3_other_hash(zone):
    nsec3_field(zone, 0, "2")


@broken(nsec3=NSEC3)
def nsec3_flags(zone):
    for record in those(zone, None, "NSEC3"):
        record[3] = f"1 2 {record[3].split(' ', 2)[2]}"


@broken(nsec3=NSEC3)
def nsec3_optout_forged(zone):
    for record in those(zone, None, "NSEC3"):
        record[3] = f"1 1 {record[3].split(' ', 2)[2]}"


@broken(nsec3=(SALT, 1, False))
def nsec3_other_salt(zone):
    nsec3_field(zone, 3, "ABCE")


@broken(nsec3=("-", 0, True), asked=("sub DS", "www.sub A", "x.wild MX"))
def optout_beside(zone):
    """Nothing is wrong, and yet what is denied may be there."""


@broken(nsec3=(SALT, 2000, False), signer="ldns")
def iterated_expired(zone):
    zone.records = zone.sign(days=(-60, -FAR))


# Delegations.

def with_kid(**how):
    """A zone with a signed one below it, `kid`."""
    def add(spoil):
        name = f"{spoil.__name__.replace('_', '-')}.bad."
        KIDS.append(Spec(f"kid.{name}", house="plain"))
        return broken(asked=("kid DS", "www.kid A", "nowhere.kid A", "sub DS", "www.sub A", *how.pop("asked", ())), **how)(spoil)
    return add


@with_kid()
def delegations_sound(zone):
    """Nothing is wrong."""


@with_kid()
def ds_unsigned(zone):
    drop(zone, signatures(zone, "kid", "DS"))


@with_kid()
def ds_flipped(zone):
    field(zone, "kid", "DS", SIGNATURE, octets(flipped))


@with_kid()
def ds_taken(zone):
    drop(zone, those(zone, "kid", "DS") + signatures(zone, "kid", "DS"))


@with_kid(nsec3=NSEC3)
def ds_taken3(zone):
    drop(zone, those(zone, "kid", "DS") + signatures(zone, "kid", "DS"))


@with_kid(nsec3=("-", 0, True))
def ds_taken_optout(zone):
    drop(zone, those(zone, "kid", "DS") + signatures(zone, "kid", "DS") + nsec3_of(zone, "kid"))


@with_kid()
def insecure_unproven(zone):
    drop(zone, those(zone, "sub", "NSEC") + signatures(zone, "sub", "NSEC"))


@with_kid(nsec3=NSEC3)
def insecure_unproven3(zone):
    drop(zone, nsec3_of(zone, "sub"))


@with_kid()
def insecure_expired(zone):
    take_from(zone, zone.sign(days=(-60, -FAR)), "sub", "NSEC")
    take_from(zone, zone.sign(days=(-60, -FAR)), "kid", "DS")
