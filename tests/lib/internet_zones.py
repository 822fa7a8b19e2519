"""The zones of the test internet and what can be asked of them, all by a seed.

A house is a server program with addresses of its own. What is below another zone's cut is in another house than that, so
every delegation is followed and no server answers for the zone below by itself.
"""

import random

GROUPS = {  # house: (its program, the number in its addresses)
    "root": ("knot", 0), "upper": ("bind", 1), "lower": ("nsd", 2), "nsd": ("nsd", 3), "knot": ("knot", 4), "bind": ("bind", 5)}
LEAVES = ("nsd", "knot", "bind")
TLDS = {"com": "upper", "net": "upper", "org": "upper", "info": "lower", "example": "lower", "deep": "lower", "arpa": "lower",
        "evil": "lower"}
SERVERS = 4  # addresses of each family that a house has
HOSTILE, REFUSING, SILENT = 6, 8, 9  # the groups of the scripted server, of addresses without a server, of no address at all
DEPTH = 9
SIGNED = (4, 13, 22)  # zones in the house of knot, which signs them
BIG, HUGE = 150, 900  # records that do not fit a datagram, and those that take TCP to fetch and TCP to pass on

KINDS = "plain alias across chain wild none empty dname big many delegated deep reverse signed odd apex".split()


def v4(group, number):
    """The IPv4 address of a server."""
    return f"198.18.{group}.{number}"


def v6(group, number):
    """The same server's IPv6 address."""
    return f"2001:db8:53:{group}::{number}"


class Zone:
    """A zone's records, and the house that serves it."""

    def __init__(self, name, house, minimum):
        self.name, self.house = name, house
        self.lines = [f"{name} 7200 IN SOA ns1.{'nic' if name == '.' else name} host.{name.lstrip('.')} 7 7200 900 1209600 {minimum}"]

    def add(self, owner, rtype, rdata, ttl=3600):
        """A record; `owner` is below the zone's name, empty for the name itself, absolute with a final dot."""
        if not owner.endswith("."):
            owner = f"{owner}.{self.name}" if owner else self.name
        self.lines.append(f"{owner} {ttl} IN {rtype} {rdata}")

    def address(self, owner, number, ttl=3600):
        """An address record that tells by its number whose it is."""
        self.add(owner, "A", f"203.0.{number // 250 % 250}.{number % 250 + 1}", ttl)

    def text(self):
        """The zone file."""
        return "\n".join(self.lines) + "\n"


class World:
    """All zones by name, and questions as (kind, name, type)."""

    def __init__(self, seed, count):
        self.rng = random.Random(seed)
        self.count = count
        self.zones, self.asked = {}, []
        self._top()
        self.names = [f"z{n}.{self._tld(n)}." for n in range(count)]
        for n in range(count):
            self._leaf(n)
        self._deep()
        self._reverse()

    def houses(self):
        """{house: {zone: text}}"""
        found = {}
        for name, zone in self.zones.items():
            found.setdefault(zone.house, {})[name] = zone.text()
        return found

    def ask(self, kind, name, *types):
        """A name that can be asked for, by one or several types."""
        self.asked += [(kind, name, rtype) for rtype in types or ("A",)]

    def questions(self, count):
        """So many of them: of each kind as many as there are, at most an equal share; in an order of the seed."""
        rng, by_kind = random.Random(self.count), {kind: [] for kind in KINDS}
        for question in self.asked:
            by_kind[question[0]].append(question)
        for pool in by_kind.values():
            rng.shuffle(pool)
        chosen = []
        while len(chosen) < count and any(by_kind.values()):
            chosen += [pool.pop() for pool in by_kind.values() if pool]
        rng.shuffle(chosen)
        return chosen[:count]

    @staticmethod
    def _tld(n):
        return ("com", "net", "org", "info", "example")[n * 7 // 3 % 5]

    def _top(self):
        root = self.zones["."] = Zone(".", "root", 1800)
        for n in (1, 2, 3):
            root.add("", "NS", f"{'abc'[n - 1]}.roots.", 518400)
            self._host(root, f"{'abc'[n - 1]}.roots.", "root", n)
        for tld, house in TLDS.items():
            zone = self.zones[f"{tld}."] = Zone(f"{tld}.", house, 900 + 10 * len(tld))
            place = "com" if house == "upper" else tld  # those of net and org have names in com, as the real ones
            self._delegate(root, zone, [f"ns{n}.nic.{place}." for n in (1, 2)])
            for n in (1, 2):
                for to in (root, *([zone] if place == tld else [])):
                    if to is zone or place == tld:
                        self._host(to, f"ns{n}.nic.{place}.", house, n)
            self.ask("apex", f"{tld}.", "NS", "SOA", "A", "DS")
            self.ask("none", f"nothing.{tld}.", "A", "NS")
        self.ask("apex", ".", "NS", "SOA", "A", "TXT")
        for name in ("nowhere.", "a.b.nowhere.", "roots."):
            self.ask("none", name, "A", "MX")

    def _host(self, zone, name, house, number, families="46"):
        group = GROUPS[house][1]
        if "4" in families:
            zone.add(name, "A", v4(group, number), 172800)
        if "6" in families:
            zone.add(name, "AAAA", v6(group, number), 172800)

    @staticmethod
    def _delegate(parent, child, names):
        for name in names:
            parent.add(child.name, "NS", name, 172800)
            child.add("", "NS", name, 86400)

    def _leaf(self, n):
        house = LEAVES[n % 3]
        name = self.names[n]
        zone = self.zones[name] = Zone(name, house, 600 + n)
        parent = self.zones[name.partition(".")[2]]
        following = self.names[(n + 1) % self.count]
        self._servers(n, parent, zone)
        for fill in (self._plain, self._aliases, self._wild, self._none, self._dnames):
            fill(n, zone, following)
        if n % 5 == 0:
            self._large(n, zone)
        if n % 2 == 0:
            self._child(n, zone)
        self.ask("apex", name, "NS", "SOA", "DS", "DNSKEY", "A")
        if n in SIGNED:
            self.ask("signed", f"www.{name}", "A", "AAAA", "HTTPS")
            self.ask("signed", f"nowhere.{name}", "A")
            self.ask("signed", f"x.wild.{name}", "A", "MX")
            self.ask("signed", name, "SOA", "NS", "DNSKEY", "DS")

    def _servers(self, n, parent, zone):
        """Six ways to name a zone's servers: in the zone, in another, some dead, only IPv6, only IPv4, names without glue twice."""
        house, way = zone.house, n // 3 % 6
        if way == 1 or way == 5 and n > 20:  # ... whose own zone is in turn without glue
            other = self.names[n - 3]
            self._delegate(parent, zone, [f"ns1.{other}", f"ns2.{other}"])
            for k in (1, 2):
                self._host(zone, f"ns{k}.{zone.name}", house, k)
            return
        hosts = [(f"ns{k}.{zone.name}", k) for k in range(1, self.rng.randrange(2, SERVERS + 1))]
        self._delegate(parent, zone, [host for host, _ in hosts])
        families = {3: "6", 4: "4"}.get(way, "46")
        for host, number in hosts:
            for to in (parent, zone):
                self._host(to, host, house, number, families)
        if way == 2 and n % 4 == 0:
            dead = f"ns9.{zone.name}"
            self._delegate(parent, zone, [dead])
            for to in (parent, zone):
                to.add(dead, "A", v4(REFUSING if n % 8 else SILENT, n % 200 + 1), 172800)
        # Whose names others go by has them all.
        for number in (1, 2):
            if all(host != f"ns{number}.{zone.name}" for host, _ in hosts):
                self._host(zone, f"ns{number}.{zone.name}", house, number)

    def _plain(self, n, zone, following):
        name = zone.name
        for k in range(self.rng.randrange(1, 5)):
            zone.address("www", 1000 + n * 5 + k)
        zone.add("www", "AAAA", f"2001:db8:{n:x}::80")
        zone.add("www", "HTTPS", f"1 . alpn=h2,h3 ipv4hint=203.0.113.{n % 250}")
        zone.add("_dns", "SVCB", f"1 svc.{following} alpn=dot port=853", 4000)
        zone.add("", "MX", f"10 mail.{name}", 5000)
        zone.add("", "MX", f"20 mail.{following}", 5000)
        zone.address("mail", 20_000 + n)
        zone.add("", "TXT", f'"v=spf1 -all" "zone {n}"', 6000)
        zone.add("", "CAA", f'0 issue "ca{n}.example"')
        zone.add("_sip._tcp", "SRV", f"1 {n % 100} 5060 www.{name}")
        zone.add("_443._tcp.www", "TLSA", "3 1 1 " + f"{n:02x}" * (32 if n < 256 else 16))
        zone.add("num", "NAPTR", f'10 100 "S" "SIP+D2U" "" _sip._udp.{name}')
        zone.add("place", "LOC", "52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m")
        zone.add("key", "SSHFP", "1 1 " + "ab" * 20)
        zone.add("odd", "TYPE65280", "\\# 4 00010203", 604800)
        zone.add("odd", "URI", f'10 1 "https://www.{name}"')
        zone.address("zero", n, 0)
        zone.address("long", n, 604800)
        zone.add("\\000bin\\.dot", "TXT", '"odd name"')
        self.ask("plain", f"www.{name}", "A", "AAAA", "HTTPS", "TXT")
        self.ask("plain", name, "MX", "TXT", "CAA")
        self.ask("plain", f"_sip._tcp.{name}", "SRV", "A")
        self.ask("odd", f"_443._tcp.www.{name}", "TLSA")
        self.ask("odd", f"_dns.{name}", "SVCB")
        self.ask("odd", f"num.{name}", "NAPTR")
        self.ask("odd", f"place.{name}", "LOC")
        self.ask("odd", f"key.{name}", "SSHFP")
        self.ask("odd", f"odd.{name}", 65280, "URI", "A")
        self.ask("odd", f"zero.{name}", "A")
        self.ask("odd", f"long.{name}", "A")
        self.ask("odd", f"\\000bin\\.dot.{name}", "TXT")

    def _aliases(self, n, zone, following):
        name = zone.name
        for owner, target in (("alias", f"www.{name}"), ("alias2", f"alias.{name}"), ("out", f"www.{following}"),
                              ("lost", f"nowhere.{following}"), ("bare", f"place.{following}"), ("loop", f"loop2.{name}"),
                              ("loop2", f"loop.{name}"), ("self", f"self.{name}"), ("fled", "www.nowhere."),
                              ("intowild", f"any.wild.{following}"), ("intodname", f"www.dnx.{following}")):
            zone.add(owner, "CNAME", target, 4500)
            # BIND fails them, and where a zone has a dead server beside, Unbound goes on for more than half a minute.
            if owner in ("loop", "loop2", "self") and zone.house == "bind" and f"ns9.{name}" in zone.text():
                continue
            self.ask("across" if owner in ("out", "lost", "bare", "fled", "intowild", "intodname") else "alias", f"{owner}.{name}",
                     "A", "MX", "CNAME")
        # As many zones as the last digit says, and one chain through all.
        zone.add("chain", "CNAME", f"{'www' if n % 10 == 0 else 'chain'}.{self.names[n - 1]}", 4600)
        zone.add("endless", "CNAME", f"endless.{following}", 4600)
        self.ask("chain", f"chain.{name}", "A", "AAAA", "TXT")
        self.ask("chain", f"endless.{name}", "A")
        if n % 10 == 3:
            for k in range(20):
                zone.add(f"long{k}", "CNAME", f"{f'long{k + 1}' if k < 19 else 'www'}.{name}", 4700)
            # With more than Unbound follows it depends on what is known whether it ends.
            self.ask("chain", f"long11.{name}", "A")
            self.ask("chain", f"long12.{name}", "A", "MX")

    def _wild(self, n, zone, following):
        name = zone.name
        zone.address("*.wild", 30_000 + n)
        zone.add("*.wild", "TXT", '"any"')
        zone.add("here.wild", "TXT", '"here"')
        zone.add("*.wildalias", "CNAME", f"www.{name}", 4800)
        zone.add("*.wildout", "CNAME", f"x.wild.{following}", 4800)
        self.ask("wild", f"a.wild.{name}", "A", "TXT", "MX")
        for owner in ("b.c.wild", "here.wild", "x.here.wild", "q.wildalias", "q.wildout", "*.wild", "wild"):
            self.ask("wild", f"{owner}.{name}", "A", "TXT")

    def _none(self, n, zone, following):
        name = zone.name
        zone.address("a.b.ent", 40_000 + n)
        for owner in ("ent", "b.ent", "a.b.ent", "c.b.ent"):
            self.ask("empty", f"{owner}.{name}", "A", "TXT")
        for owner in ("nowhere", "a.nowhere", "x.www", "_udp", "x.alias"):
            self.ask("none", f"{owner}.{name}", "A", "MX")
        self.ask("none", f"mail.{name}", "AAAA", "HTTPS")

    def _dnames(self, n, zone, following):
        name = zone.name
        zone.add("dn", "DNAME", f"wild.{name}", 4900)
        zone.add("dnx", "DNAME", following, 4900)
        zone.add("dndn", "DNAME", f"dnx.{name}", 4900)
        zone.add("dnlong", "DNAME", ".".join(["l" * 62] * 3) + f".{name}", 4900)
        zone.add("todname", "CNAME", f"alias.dnx.{name}", 4900)
        for owner in ("x.dn", "dn", "www.dnx", "nowhere.dnx", "alias.dnx", "dnx", "www.dndn", "todname", f"{'m' * 63}.dnlong"):
            self.ask("dname", f"{owner}.{name}", "A", "TXT")
        self.ask("dname", f"dnx.{name}", "DNAME", "CNAME")
        self.ask("dname", f"www.dnx.{name}", "CNAME", "DNAME")

    def _large(self, n, zone):
        name = zone.name
        for k in range(BIG):
            zone.address("big", k)
        if n % 20 == 0:
            for k in range(HUGE):
                zone.add("huge", "AAAA", f"2001:db8:ffff::{k:x}")
            self.ask("many", f"huge.{name}", "AAAA", "A")
        zone.add("bigtxt", "TXT", " ".join(f'"{"t" * 250}"' for _ in range(8)))
        zone.add("tobig", "CNAME", f"big.{name}")
        self.ask("big", f"big.{name}", "A", "AAAA")
        self.ask("big", f"bigtxt.{name}", "TXT")
        self.ask("many", f"tobig.{name}", "A")

    def _child(self, n, zone):
        """A zone below, in the next house: its servers there, or those of another zone."""
        house = LEAVES[(n + 1) % 3]
        child = self.zones[f"sub.{zone.name}"] = Zone(f"sub.{zone.name}", house, 700)
        if n % 4 == 0:
            hosts = [f"ns{k}.{child.name}" for k in (1, 2)]
            for k, host in enumerate(hosts, 1):
                self._host(zone, host, house, k)
                self._host(child, host, house, k)
        else:
            hosts = [f"ns{k}.{self.names[(n + 1) % self.count]}" for k in (1, 2)]
        self._delegate(zone, child, hosts)
        child.address("www", 50_000 + n)
        child.add("up", "CNAME", f"www.{zone.name}")
        zone.add("down", "CNAME", f"www.{child.name}")
        for owner in ("www.sub", "up.sub", "down", "nowhere.sub", "sub"):
            self.ask("delegated", f"{owner}.{zone.name}", "A", "NS")
        self.ask("delegated", child.name, "SOA", "DS")

    def _deep(self):
        """A cut at every label, and a name of many labels in one zone."""
        parent = self.zones["deep."]
        for depth in range(DEPTH):
            name = f"d{depth}.{parent.name}"
            zone = self.zones[name] = Zone(name, LEAVES[depth % 3], 800)
            self._delegate(parent, zone, [f"ns1.{name}"])
            for to in (parent, zone):
                self._host(to, f"ns1.{name}", zone.house, 1)
            zone.address("www", 60_000 + depth)
            self.ask("deep", f"www.{name}", "A", "AAAA")
            self.ask("deep", f"nowhere.{name}", "A")
            self.ask("deep", name, "NS", "SOA", "A")
            parent = zone
        for n in range(0, self.count, 3):
            zone, owner = self.zones[self.names[n]], ".".join(str(k % 10) for k in range(30))
            zone.address(f"{owner}.labels", 61_000 + n)
            self.ask("deep", f"{owner}.labels.{zone.name}", "A", "TXT")
            self.ask("deep", f"x.{owner}.labels.{zone.name}", "A")
            self.ask("deep", f"{owner[20:]}.labels.{zone.name}", "A")

    def _reverse(self):
        arpa, name = self.zones["arpa."], "18.198.in-addr.arpa."
        zone = self.zones[name] = Zone(name, "bind", 650)
        self._delegate(arpa, zone, [f"ns{k}.{self.names[2]}" for k in (1, 2)])
        for n in range(100):
            zone.add(f"{n}.7", "PTR", f"www.{self.names[n % self.count]}", 5500)
            self.ask("reverse", f"{n}.7.{name}", "PTR")
        self.ask("reverse", f"200.7.{name}", "PTR", "A")
        self.ask("reverse", f"7.{name}", "PTR", "NS")
