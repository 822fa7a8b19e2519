"""What the comparison with Unbound is made of: one configuration, the zone behind it, a thousand questions.

TTLs tell where a record comes from: local data has at most 600 s (Unbound's built-in zones 3,600 and 10,800), records
of the upstream zone have 20,000 s or more, and its negative answers between 2,000 and 3,000 s. Only the latter two age.
"""

import random

import dnsmsg

SERVER4, SERVER6, CLIENT4, CLIENT6 = "10.53.0.2", "fd53::2", "10.53.0.1", "fd53::1"
NETWORKS = ["10.53.0.0/24", "fd53::/64", "127.0.0.0/8", "::1"]
UPSTREAM = "127.0.0.1@5300"
NEGATIVE_TTL = 3000

# The types that Unbound 1.17.1 knows (block_a and its like came later and are tested against their documentation).
PLAIN_TYPES = ["static", "transparent", "typetransparent", "refuse", "deny", "inform", "inform_deny",
               "always_transparent", "always_refuse", "always_nxdomain", "always_nodata", "always_deny", "always_null"]
REDIRECT_TYPES = ["redirect", "inform_redirect"]
# A redirect zone whose data is a wildcard CNAME, and its TTL.
WILDCARD_REDIRECT, WILDCARD_TTL = "rwild.lz.example.", 90
FORWARDED = "fwd.example."


def ages(ttl):
    """Does a record with this TTL come from the upstream zone, and so count down in a cache?"""
    return ttl > 15000 or 1000 < ttl <= NEGATIVE_TTL


# max-udp-size: the default went from 4096 to 1232 with Unbound 1.18; version: the answer to version.bind.
SETTINGS = """    incoming-num-tcp: 100
    extended-statistics: yes
    max-udp-size: 1232
    identity: "ns1"
    version: "resolver"
    nsid: "ascii_ns1.example"
    ede: yes
    private-address: 198.18.33.0/24
    private-address: 198.18.100.4/30
    private-address: 2001:db8:1::9
    private-domain: "multi9.fwd.example"
"""


def configuration():
    """Lines for the `server:` clause (local data) and the clauses behind it (forwarding)."""
    out = ['local-zone: "nothing.lz.example." static']
    for kind in PLAIN_TYPES:
        zone = f"{kind}.lz.example."
        out.append(f'local-zone: "{zone}" {kind}')
        out += [f'local-data: "{text}"' for text in (
            f"a.{zone} 300 IN A 192.0.2.1", f"a.{zone} 300 IN A 192.0.2.2", f"a.{zone} 300 IN AAAA 2001:db8::1",
            f"{zone} 200 IN A 192.0.2.9", f"mx.{zone} 100 IN MX 10 a.{zone}", f"deep.er.{zone} 60 IN A 192.0.2.3")]
        out.append(f"local-data: 'txt.{zone} 100 IN TXT \"one\" \"two words\"'")
    soa = "ns.lz.example. root.lz.example. 1 3600 600 86400 450"
    out += [f'local-zone: "soa-{kind}.lz.example." {kind}' for kind in ("static", "refuse", "redirect")]
    out += [f'local-data: "soa-{kind}.lz.example. 500 IN SOA {soa}"' for kind in ("static", "refuse", "redirect")]
    out += [f'local-data: "soa-{kind}.lz.example. 500 IN NS ns.lz.example."' for kind in ("static", "redirect")]
    out.append('local-data: "here.soa-static.lz.example. 30 IN A 192.0.2.30"')
    for kind in REDIRECT_TYPES:
        zone = f"{kind}.lz.example."
        out.append(f'local-zone: "{zone}" {kind}')
        out += [f'local-data: "{zone} 120 IN A 192.0.2.50"', f'local-data: "{zone} 120 IN AAAA 2001:db8::50"',
                f"local-data: '{zone} 120 IN TXT \"redirected\"'"]
    out += ['local-zone: "rcname.lz.example." redirect',
            'local-data: "rcname.lz.example. 90 IN CNAME h1.fwd.example."',
            f'local-zone: "{WILDCARD_REDIRECT}" redirect',
            f'local-data: "{WILDCARD_REDIRECT} {WILDCARD_TTL} IN CNAME *.wild.fwd.example."',
            'local-zone: "hole.static.lz.example." transparent',
            'local-zone: "closed.transparent.lz.example." refuse',
            'local-zone: "168.192.in-addr.arpa." nodefault',
            'local-zone: "onion." transparent']
    out += [f'local-data: "{text}"' for text in (
        "host.bare.example. 240 IN A 192.0.2.77", "alias.bare.example. 240 IN CNAME h2.fwd.example.",
        "alias.static.lz.example. 240 IN CNAME a.static.lz.example.", "*.bare.example. 240 IN A 192.0.2.78",
        "_sip._udp.types.example. 240 IN SRV 1 2 5060 host.types.example.",
        "caa.types.example. 240 IN CAA 0 issue \\\"ca.example\\\"", "ptr.types.example. 240 IN PTR host.types.example.",
        "naptr.types.example. 240 IN NAPTR 1 2 \\\"u\\\" \\\"sip+E2U\\\" \\\"!^.*$!sip:x@y!\\\" .",
        "ssh.types.example. 240 IN SSHFP 1 1 123456789abcdef67890123456789abcdef67890",
        "tlsa.types.example. 240 IN TLSA 3 1 1 "
        "d2abde240d7cd3ee6b4b28c54df034b97983a1d16e8a410e4561cb106618e971",
        "hinfo.types.example. 240 IN HINFO pc unix", "ns.types.example. 240 IN NS host.types.example.",
        "https.types.example. 240 IN HTTPS 1 . alpn=h2 port=443", "host.types.example. IN A 192.0.2.80",
        "unknown.types.example. 240 IN TYPE731 \\\\# 4 01020304", "dname.types.example. 240 IN DNAME fwd.example.",
        "0.0.0.0.lz.example. 240 IN A 0.0.0.0")]
    out = [line.replace('\\"', "'") if line.startswith('local-data: "') and '\\"' in line else line for line in out]
    out = [_requote(line) for line in out]
    out += [f'local-data: "big.lz.example. 150 IN A 198.51.100.{n}"' for n in range(1, 101)]
    out += ['local-data-ptr: "192.0.2.77 host.bare.example."', 'local-data-ptr: "2001:db8::77 600 host.bare.example."']
    server = "".join(f"    {line}\n" for line in out) + SETTINGS
    return server, f'forward-zone:\n    name: "."\n    forward-addr: {UPSTREAM}\n'


def _requote(line):
    """local-data whose text holds double quotes (or the stand-in for them) is written in single quotes."""
    if line.startswith('local-data: "') and "'" in line:
        inner = line[len('local-data: "'):-1].replace("'", '"')
        return f"local-data: '{inner}'"
    return line.replace("\\\\#", "\\#")


def zone():
    """The root zone that the upstream server answers from."""
    out = [f". 86400 IN SOA ns.upstream. host.upstream. 1 3600 600 86400 {NEGATIVE_TTL}", ". 86400 IN NS ns.upstream.",
           "ns.upstream. 86400 IN A 127.0.0.1"]
    for n in range(100):
        out += [f"h{n}.fwd.example. {20000 + n} IN A 198.18.{n}.1", f"h{n}.fwd.example. {21000 + n} IN AAAA 2001:db8:1::{n}"]
    for n in range(20):
        out += [f"multi{n}.fwd.example. 30000 IN A 198.18.100.{i}" for i in range(n + 1)]
        out += [f"mail{n}.fwd.example. 30000 IN MX {10 * i} h{n + i}.fwd.example." for i in range(3)]
        out += [f"txt{n}.fwd.example. 30000 IN TXT \"{'v=%d ' % n * (n + 1)}\" \"second\"",
                f"srv{n}.fwd.example. 30000 IN SRV 1 {n} 53 h{n}.fwd.example.",
                f"{n}.8.8.8.in-addr.arpa. 30000 IN PTR h{n}.fwd.example.",
                f"c{n}.fwd.example. 40000 IN CNAME {f'c{n + 1}' if n % 4 else 'h7'}.fwd.example.",
                f"svc{n}.fwd.example. 30000 IN HTTPS 1 . alpn=h2,h3 ipv4hint=198.18.{n}.1",
                f"caa{n}.fwd.example. 30000 IN CAA 0 issue \"ca{n}.example\""]
    out += ["c20.fwd.example. 40000 IN CNAME gone.fwd.example.", "lost.fwd.example. 40000 IN CNAME nodata.fwd.example.",
            "nodata.fwd.example. 40000 IN TXT \"only text\"", "*.wild.fwd.example. 25000 IN A 198.18.200.1",
            "*.wild.fwd.example. 25000 IN TXT \"wild\"", "dname.fwd.example. 25000 IN DNAME wild.fwd.example.",
            "child.fwd.example. 25000 IN NS ns.child.fwd.example.", "\\000odd\\.dot.fwd.example. 25000 IN A 198.18.201.1"]
    out += [f"big.fwd.example. 50000 IN A 198.19.0.{n}" for n in range(1, 201)]
    out += [f"bigtxt.fwd.example. 50000 IN TXT \"{n:02d}{'x' * 240}\"" for n in range(9)]
    for kind in PLAIN_TYPES + ["bare"]:
        base = f"{kind}.lz.example." if kind != "bare" else "bare.example."
        out += [f"up.{base} 22000 IN A 198.18.50.1", f"a.{base} 22000 IN A 198.18.50.2", f"a.{base} 22000 IN TXT \"up\""]
    out += ["up.hole.static.lz.example. 22000 IN A 198.18.51.1", "hidden.onion. 22000 IN A 198.18.52.1",
            "7.1.168.192.in-addr.arpa. 22000 IN PTR printer.fwd.example."]
    return "\n".join(out) + "\n"


def _names():
    """Pairs of (name, types worth asking): every kind of answer at least once."""
    local = ["A", "AAAA", "MX", "TXT", "NS", "SOA", "DS", "ANY", "HTTPS"]
    for kind in PLAIN_TYPES:
        base = f"{kind}.lz.example."
        yield from [(base, local), (f"a.{base}", local), (f"mx.{base}", ["MX", "A"]), (f"txt.{base}", ["TXT", "A"]),
                    (f"er.{base}", ["A", "TXT"]), (f"deep.er.{base}", ["A"]), (f"no.{base}", ["A", "MX", "DS"]),
                    (f"up.{base}", ["A", "AAAA"]), (f"x.y.a.{base}", ["A"])]
    for kind in REDIRECT_TYPES + ["soa-redirect"]:
        yield from [(f"{kind}.lz.example.", local), (f"w.{kind}.lz.example.", local), (f"v.w.{kind}.lz.example.", ["A"])]
    for kind in ("soa-static", "soa-refuse"):
        yield from [(f"{kind}.lz.example.", local), (f"no.{kind}.lz.example.", ["A", "MX"])]
    yield from [("here.soa-static.lz.example.", ["A", "AAAA"]), ("nothing.lz.example.", local), ("x.nothing.lz.example.", ["A"]),
                ("rcname.lz.example.", ["A", "AAAA", "TXT", "CNAME"]), ("any.rcname.lz.example.", ["A", "AAAA", "MX", "CNAME"]),
                ("rwild.lz.example.", ["A", "CNAME"]), ("pc.rwild.lz.example.", ["A", "TXT", "CNAME", "AAAA"]),
                ("up.hole.static.lz.example.", ["A"]), ("x.hole.static.lz.example.", ["A"]),
                ("closed.transparent.lz.example.", ["A", "DS"]), ("x.closed.transparent.lz.example.", ["A"]),
                ("host.bare.example.", local), ("alias.bare.example.", ["A", "AAAA", "CNAME", "MX"]), ("up.bare.example.", ["A"]),
                ("*.bare.example.", ["A"]), ("zzz.bare.example.", ["A"]), ("alias.static.lz.example.", ["A", "CNAME", "TXT"]),
                ("0.0.0.0.lz.example.", ["A"]), ("big.lz.example.", ["A", "ANY"])]
    for name, rtype in [("_sip._udp", "SRV"), ("caa", "CAA"), ("ptr", "PTR"), ("naptr", "NAPTR"), ("ssh", "SSHFP"),
                        ("tlsa", "TLSA"), ("hinfo", "HINFO"), ("ns", "NS"), ("https", "HTTPS"), ("host", "A"),
                        ("unknown", 731), ("dname", "DNAME")]:
        yield (f"{name}.types.example.", [rtype, "ANY", "A"])
    yield from [("77.2.0.192.in-addr.arpa.", ["PTR", "A"]), ("78.2.0.192.in-addr.arpa.", ["PTR"]),
                ("7.7.0.0." + "0." * 20 + "8.b.d.0.1.0.0.2.ip6.arpa.", ["PTR"])]
    # Unbound's built-in zones
    for name in ("localhost.", "x.localhost.", "127.in-addr.arpa.", "1.0.0.127.in-addr.arpa.", "10.in-addr.arpa.",
                 "1.2.3.10.in-addr.arpa.", "16.172.in-addr.arpa.", "5.1.20.172.in-addr.arpa.", "254.169.in-addr.arpa.",
                 "7.1.168.192.in-addr.arpa.", "8.1.168.192.in-addr.arpa.", "64.100.in-addr.arpa.", "d.f.ip6.arpa.",
                 "8.e.f.ip6.arpa.", "1." + "0." * 31 + "ip6.arpa.", "0." * 32 + "ip6.arpa.", "onion.", "hidden.onion.",
                 "x.onion.", "test.", "x.test.", "invalid.", "x.invalid.", "home.arpa.", "x.home.arpa.",
                 "255.255.255.255.in-addr.arpa.", "0.in-addr.arpa.", "8.b.d.0.1.0.0.2.ip6.arpa.", "local.",
                 "resolver.arpa.", "_dns.resolver.arpa.", "service.arpa.", "x.service.arpa."):
        yield (name, ["A", "PTR", "SOA", "NS", "AAAA"])
    # forwarded
    for n in range(0, 100, 3):
        yield (f"h{n}.fwd.example.", ["A", "AAAA", "TXT"])
    for n in range(20):
        yield from [(f"multi{n}.fwd.example.", ["A"]), (f"mail{n}.fwd.example.", ["MX", "A"]), (f"txt{n}.fwd.example.", ["TXT"]),
                    (f"srv{n}.fwd.example.", ["SRV"]), (f"{n}.8.8.8.in-addr.arpa.", ["PTR"]), (f"svc{n}.fwd.example.", ["HTTPS"]),
                    (f"c{n}.fwd.example.", ["A", "AAAA", "CNAME", "MX"]), (f"caa{n}.fwd.example.", ["CAA"]),
                    (f"none{n}.fwd.example.", ["A", "MX"]), (f"pc{n}.wild.fwd.example.", ["A", "TXT", "MX"])]
    yield from [("big.fwd.example.", ["A"]), ("bigtxt.fwd.example.", ["TXT"]), ("lost.fwd.example.", ["A", "TXT"]),
                ("nodata.fwd.example.", ["A", "AAAA"]), ("c20.fwd.example.", ["A"]), ("fwd.example.", ["A", "SOA", "NS"]),
                (".", ["NS", "SOA", "A"]), ("pc.dname.fwd.example.", ["A"]), ("dname.fwd.example.", ["DNAME", "A"]),
                ("\\000odd\\.dot.fwd.example.", ["A"]), ("upstream.", ["A"]), ("h1.fwd.example.", ["ANY"])]


def _chaos():
    for name in ("version.bind.", "version.server.", "id.server.", "hostname.bind.", "authors.bind.",
                 "trustanchor.unbound.", "other.bind.", "a.static.lz.example."):
        for qtype in ("TXT", "A", "ANY"):
            yield (name, qtype, "CH")


def _mixed_case(rng, name):
    return "".join(char.upper() if rng.random() < 0.5 else char for char in name)


def _edns(rng):
    pick = rng.random()
    if pick < 0.35:
        return None
    size = rng.choice([512, 1232, 4096, 4096, 1400, 100, 0, 511, 65535])
    options = rng.choice([[], [], [], [(65001, b"private")], [(3, b"")], [(10, b"8bytesok")], [(65001, b""), (65002, b"x")]])
    return dnsmsg.Edns(size, 0, rng.choice([0, 0, 0x8000]), options)


_TOO_BIG = [("big.lz.example.", "A"), ("big.fwd.example.", "A"), ("bigtxt.fwd.example.", "TXT")]


def questions(count=1000, seed=2):
    """At least `count` queries (fewer than 1,000: exactly) as [(label, message bytes)]; the same for the same seed."""
    rng = random.Random(seed)
    certain = [(name, qtype, "IN") for name, types in _names() for qtype in types] + list(_chaos())
    odd_types = [0, 10, 41, 46, 99, 128, 200, 249, 250, 251, 252, 253, 254, 255, 256, 300, 32768, 65280, 65535]
    for name in ("a.static.lz.example.", "h3.fwd.example.", "w.redirect.lz.example.", "a.always_nxdomain.lz.example."):
        certain += [(name, qtype, "IN") for qtype in odd_types]
        certain += [(name, "A", qclass) for qclass in ("CH", "HS", "NONE", "ANY", 0, 2, 4096)]
    certain += [(name, qtype, "IN") for name, qtype in _TOO_BIG] * 6
    rng.shuffle(certain)
    picked = (certain * (count // len(certain) + 1))[:max(count, len(certain)) if count >= 1000 else count]
    out = []
    for index, (name, qtype, qclass) in enumerate(picked):
        flags = 0 if rng.random() < 0.1 else dnsmsg.RD
        flags |= dnsmsg.CD if rng.random() < 0.1 else 0
        flags |= dnsmsg.AD if rng.random() < 0.15 else 0
        flags |= rng.choice([0] * 18 + [dnsmsg.AA, dnsmsg.Z])
        edns = _edns(rng)
        asked = _mixed_case(rng, name) if "\\" not in name and rng.random() < 0.25 else name
        label = f"#{index} {asked} {qclass} {qtype} flags={flags:#06x} edns={edns}"
        out.append((label, dnsmsg.query(asked, qtype, qclass, flags=flags, edns=edns)))
    return out
