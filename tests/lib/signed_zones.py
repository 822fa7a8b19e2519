"""The zones of the signed test internet: which there are, who signs each and how, and what can be asked of them.

`SPECS` has the sound ones; signed_broken.BROKEN those of which one thing each is wrong.
"""

import dataclasses
from collections.abc import Callable

from internet_zones import Zone, v4, v6
from signed_keys import ED25519, ED448, P256, P384, RSASHA256

# house: (its program, the number in its addresses)
GROUPS = {"root": ("nsd", 0), "upper": ("nsd", 1), "upper-knot": ("knot", 2), "nsd": ("nsd", 3), "knot": ("knot", 4), "bind": ("bind", 5),
          "plain": ("nsd", 6), "broken": ("nsd", 7)}
ADDRESSES = 2  # of each family that a house has
SALT, LONG_SALT = "ABCD", "0123456789abcdef" * 31


@dataclasses.dataclass(frozen=True)
class Spec:
    """How a zone is made.

    `keys`: of a Ring makes those that sign; `published`: those that are only in the DNSKEY RRset. `nsec3`: salt, iterations,
    whether opt-out; None is NSEC. `ds`: of the zone makes the data of its DS records, None for those of its keys. `spoil`: what is done to the signed
    zone. `asked`: questions beyond the usual, as "owner TYPE".
    """
    name: str
    signer: str = "bind"
    house: str = "nsd"
    keys: Callable = lambda ring: ring.pair()
    published: Callable = lambda ring: []
    nsec3: tuple | None = None
    ds: Callable | None = None
    spoil: Callable | None = None
    asked: tuple = ()
    algorithm: str = ""  # of a zone that Knot signs, by Knot's name


def pair(*how, **more):
    """Keys of one algorithm."""
    return lambda ring: ring.pair(*how, **more)


def both(*makes):
    """The keys of several."""
    return lambda ring: [key for make in makes for key in make(ring)]


def key(algorithm, ksk, number=0):
    """One key alone."""
    return lambda ring: [ring.key(algorithm, ksk, number)]


def ds_for(*makes, digests=(2,)):
    """DS records of these keys, by these digests."""
    return lambda zone: [key.ds(zone.name, digest) for make in makes for key in make(zone.ring) for digest in digests]


TLDS = [Spec("n.", "bind", "upper"), Spec("h.", "ldns", "upper", pair(RSASHA256), nsec3=(SALT, 5, False)),
        Spec("o.", "bind", "upper", pair(RSASHA256, bits=2048), nsec3=("-", 0, True)),
        Spec("k.", "knot", "upper-knot", algorithm="ecdsap256sha256", nsec3=("8", 1, True)),
        Spec("kn.", "knot", "upper-knot", algorithm="ed25519"), Spec("open.", None, "upper"),
        Spec("bad.", "bind", "upper"), Spec("bad3.", "bind", "upper", nsec3=(SALT, 1, False))]
ROOT = Spec(".", "bind", "root", pair(RSASHA256, bits=2048))

# Each algorithm by each signer, with NSEC and NSEC3 of several kinds.
ALGORITHMS = [
    Spec("rsasha1.n.", keys=pair(5)), Spec("nsec3rsasha1.h.", house="bind", keys=pair(7), nsec3=("-", 0, False)),
    Spec("rsa1024.o.", keys=pair(8, bits=1024)), Spec("rsa2048.k.", house="bind", keys=pair(8, bits=2048), nsec3=(SALT, 10, False)),
    Spec("rsa4096.kn.", keys=pair(8, bits=4096)), Spec("rsasha512.n.", house="bind", keys=pair(10, bits=2048)),
    Spec("p256.n.", house="bind"), Spec("p256h.h.", keys=pair(P256), nsec3=("-", 0, False)), Spec("p384.o.", house="bind", keys=pair(P384)),
    Spec("p384h.n.", keys=pair(P384), nsec3=(SALT, 1, True)), Spec("ed25519.k.", keys=pair(ED25519)),
    Spec("ed25519h.kn.", house="bind", keys=pair(ED25519), nsec3=("-", 0, True)), Spec("ed448.h.", keys=pair(ED448)),
    Spec("ed448h.o.", house="bind", keys=pair(ED448), nsec3=(LONG_SALT, 0, False)),
    Spec("lrsasha1.h.", "ldns", keys=pair(5, 1)), Spec("lnsec3rsasha1.n.", "ldns", "bind", pair(7, 1), nsec3=(SALT, 2, False)),
    Spec("lrsa512.k.", "ldns", keys=pair(8, bits=512)), Spec("lrsa768.n.", "ldns", "bind", pair(8, bits=768), nsec3=("-", 0, False)),
    Spec("lrsa1024.o.", "ldns", "bind", pair(8)), Spec("lrsasha512.kn.", "ldns", keys=pair(10), nsec3=("-", 0, True)),
    Spec("lp256.k.", "ldns", "bind"), Spec("lp384.h.", "ldns", keys=pair(P384), nsec3=(SALT, 100, False)),
    Spec("led25519.o.", "ldns", "bind", pair(ED25519), nsec3=(SALT, 3, True)), Spec("led448.n.", "ldns", keys=pair(ED448)),
    *(Spec(f"k{name}.{tld}.", "knot", "knot", algorithm=name, nsec3=nsec3) for name, tld, nsec3 in (
        ("rsasha1", "n", None), ("rsasha1-nsec3-sha1", "h", ("8", 0, False)), ("rsasha256", "o", None),
        ("rsasha512", "k", ("0", 0, False)), ("ecdsap256sha256", "kn", None), ("ecdsap384sha384", "n", ("8", 20, True)),
        ("ed25519", "h", ("4", 0, True)), ("ed448", "o", None))),
]
ITERATED = [Spec(f"iterations{count}.{tld}.", "bind" if count <= 150 else "ldns", nsec3=(SALT, count, optout), keys=pair(alg)) for count, tld, optout, alg in (
    (50, "n", False, P256), (149, "h", True, P256), (150, "o", False, 8), (151, "k", False, P256), (500, "kn", True, 8), (2500, "n", False, P256))]
KSK, ZSK, NEW_KSK, NEW_ZSK = key(P256, True), key(P256, False), key(P256, True, 1), key(P256, False, 1)
OLD = pair(RSASHA256)
ROLLOVERS = [
    Spec("prepublished.n.", published=NEW_ZSK), Spec("standby.h.", published=NEW_KSK, nsec3=("-", 0, False)),
    Spec("doublezsk.o.", keys=both(KSK, ZSK, NEW_ZSK)), Spec("postpublished.k.", keys=both(KSK, NEW_ZSK), published=ZSK),
    Spec("doubleksk.kn.", keys=both(KSK, NEW_KSK, ZSK), ds=ds_for(KSK)), Spec("newds.n.", keys=both(KSK, NEW_KSK, ZSK), ds=ds_for(NEW_KSK)),
    Spec("doubleds.h.", ds=ds_for(KSK, NEW_KSK), nsec3=(SALT, 1, False)), Spec("onlynewksk.o.", keys=both(NEW_KSK, ZSK), ds=ds_for(KSK, NEW_KSK)),
    Spec("csk.k.", keys=KSK), Spec("csk256.kn.", keys=ZSK, ds=ds_for(ZSK)), Spec("zskds.n.", ds=ds_for(ZSK)),
    Spec("algroll.n.", keys=both(OLD, pair()), ds=ds_for(key(8, True))), Spec("algrollds.h.", keys=both(OLD, pair()), ds=ds_for(key(8, True), KSK)),
    Spec("algliberal.o.", keys=OLD, published=pair(), ds=ds_for(key(8, True))),
    Spec("algliberalds.k.", keys=OLD, published=pair(), ds=ds_for(key(8, True), KSK)),
    Spec("algolddsleft.kn.", keys=pair(), ds=ds_for(key(8, True), KSK)), Spec("algthree.n.", keys=both(OLD, pair(), pair(ED25519))),
    Spec("revokedold.h.", keys=lambda ring: [ring.key(P256, True, 1).revoked(), *ring.pair()], ds=ds_for(KSK)),
    Spec("ds1.n.", ds=ds_for(KSK, digests=(1,))), Spec("ds4.h.", ds=ds_for(KSK, digests=(4,))), Spec("ds124.o.", ds=ds_for(KSK, digests=(1, 2, 4))),
    Spec("island.n.", ds=lambda zone: []), Spec("island3.o.", ds=lambda zone: [], nsec3=("-", 0, False)),
]
SPECS = ALGORITHMS + ITERATED + ROLLOVERS
PLAIN = [f"plain.{spec.name}" for spec in TLDS]

USUAL = ("www A", "www MX", "nowhere A", "x.wild A", "@ DNSKEY", "@ SOA", "@ DS", "alias A")
SOUND = (*USUAL, "a.nowhere TXT", "x.wild MX", "y.x.wild A", "q.wildalias A", "ent A", "b.ent TXT", "out A", "plainout A", "openout A", "badout A",
         "lost A", "lostout A", "x.dn A", "nowhere.dnout A", "www.dnout A", "www.dnplain A", "dnout DNAME", "@ NS", "@ MX", "www DS", "sub DS", "sub A",
         "www.sub A", "nowhere.sub A", "*.wild A", "wild A", "www NSEC", "upsub A")
SOME = (*USUAL, "x.wild MX", "y.x.wild A", "q.wildalias A", "b.ent TXT", "out A", "x.dn A", "sub DS", "www.sub A")
ALL_OF = 3  # of so many sound zones one is asked for everything


def content(name, house, plain=False):
    """A zone's records before it is signed, with its servers; of the root its SOA alone, of a TLD a little more."""
    zone = Zone(name, house, 600)
    if name == ".":
        return zone
    group = GROUPS[house][1]
    zone.add("", "NS", f"ns1.{name}", 7200)
    zone.add("ns1", "A", v4(group, 1), 7200)
    zone.add("ns1", "AAAA", v6(group, 1), 7200)
    zone.add("www", "A", "203.0.113.1")
    if plain:
        zone.add("in", "CNAME", "www.p256.n.")
        zone.add("*.wild", "CNAME", "x.wild.p256.n.")
        zone.add("dn", "DNAME", "p256h.h.")
        zone.add("bad", "CNAME", "www.expired.bad.")
        return zone
    if name.count(".") == 1:
        return zone
    zone.add("www", "A", "203.0.113.2")
    zone.add("www", "AAAA", "2001:db8::1")
    zone.add("www", "TXT", '"text"')
    zone.add("*.wild", "A", "203.0.113.3")
    zone.add("*.wild", "TXT", '"any"')
    zone.add("*.wildalias", "CNAME", f"www.{name}")
    zone.add("a.b.ent", "A", "203.0.113.4")
    for owner, target in (("alias", f"www.{name}"), ("out", "www.p256.n."), ("plainout", "www.plain.h."), ("openout", "in.plain.open."),
                          ("badout", "www.expired.bad."), ("lost", f"nowhere.{name}"), ("lostout", "nowhere.p256h.h."), ("upsub", f"www.sub.{name}")):
        zone.add(owner, "CNAME", target)
    for owner, target in (("dn", f"wild.{name}"), ("dnout", "p256h.h."), ("dnplain", "plain.o.")):
        zone.add(owner, "DNAME", target)
    delegate(zone, f"sub.{name}", "plain", [])
    return zone


def delegate(parent, name, house, ds):
    """A delegation, with glue; `ds`: data of DS records."""
    group = GROUPS[house][1]
    parent.add(name, "NS", f"ns1.{name}", 7200)
    parent.add(f"ns1.{name}", "A", v4(group, 1), 7200)
    parent.add(f"ns1.{name}", "AAAA", v6(group, 1), 7200)
    for data in ds:
        parent.add(name, "DS", data)


def questions(specs):
    """(name, type) of everything that is asked about zones, about those above them, and where there are no zones."""
    asked = []
    for index, spec in enumerate(specs):
        usual = USUAL if spec.spoil else SOME if index % ALL_OF else SOUND
        for text in dict.fromkeys((*usual, *spec.asked)):
            owner, rtype = text.split()
            asked.append((spec.name if owner == "@" else f"{owner}.{spec.name}", rtype))
    for name in PLAIN:
        asked += [(f"{owner}.{name}", "A") for owner in ("www", "in", "x.wild", "www.dn", "nowhere.dn", "bad", "nowhere")]
        asked += [(name, rtype) for rtype in ("SOA", "DS", "DNSKEY", "MX")]
    for spec in [ROOT, *TLDS]:
        asked += [(spec.name, rtype) for rtype in ("SOA", "NS", "DNSKEY", "DS", "MX", "A")]
        below = "" if spec.name == "." else spec.name
        asked += [(f"nowhere.{below}", rtype) for rtype in ("A", "DS")] + [(f"a.b.nowhere.{below}", "A")]
    return asked
