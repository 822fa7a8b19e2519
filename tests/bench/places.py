"""Where the contenders stand: the bare veth pair, and the reference topology of docs/proxmox.md.

    pair        generator's veth-c ══ veth-s of the server
    reference   generator's veth-c ══ port ── br-rb ── veth-bnd ══ veth-rb of the server, beside br-rb's own address

Two namespaces each, every pair with one queue each way; neighbours are permanent, so that no question is lost to address resolution.
"""

from lab import sh

CLIENT4, SERVER4, HOST4 = "10.53.0.1", "10.53.0.2", "10.53.0.201"


class Place:
    """A topology, made in a lab.

    `outside` and `inside` are the generator's and the server's namespace; `interface` is the server's, `peer` its other end if that
    is in the server's namespace, `client` the generator's interface.
    """

    client = "veth-c"

    def __init__(self, lab, name, title, interface, peer):
        self.name, self.title, self.interface, self.peer = name, title, interface, peer
        self.outside, self.inside = lab.namespace(f"{name}-c"), lab.namespace(f"{name}-s")

    def programs(self):
        """The lines of the server's interfaces that speak of XDP programs."""
        return [line for interface in self.interfaces() for line in self.inside.xdp_programs(interface)]

    def interfaces(self):
        """The ends of the server's pair that are in its namespace."""
        return [self.interface] + ([self.peer] if self.peer else [])

    def detach(self):
        """Take away what a contender and kxdpgun left: both of Knot leave their XDP program. The next contender would run behind
        the one; the other makes a veth end take what is sent by XDP_TX, which it does not do of itself."""
        for interface in self.interfaces():
            self.inside.ip("link", "set", "dev", interface, "xdp", "off")
        self.outside.ip("link", "set", "dev", self.client, "xdp", "off")


def pair(lab):
    """The bare pair: the server's other end is the generator's."""
    place = Place(lab, "pair", "one veth pair", "veth-s", None)
    lab.veth((place.outside, place.client, [CLIENT4 + "/24"]), (place.inside, place.interface, [SERVER4 + "/24"]))
    return place


def reference(lab):
    """The reference topology, as `runbound --install` leaves it: the bridge's route to the network goes first."""
    place = Place(lab, "reference", "the reference topology, a bridge between", "veth-rb", "veth-bnd")
    outside, inside = place.outside, place.inside
    lab.veth((outside, place.client, [CLIENT4 + "/24"]), (inside, "port", []))
    lab.veth((inside, place.interface, []), (inside, place.peer, []))
    lab.bridge(inside, "br-rb", ["port", place.peer], [HOST4 + "/24"])
    inside.ip("address", "add", SERVER4 + "/24", "dev", place.interface, "metric", "4096")
    for key, value in (("veth-rb.rp_filter", 2), ("br-rb.arp_ignore", 1), ("br-rb.arp_announce", 2)):
        inside.sysctl(f"net.ipv4.conf.{key}", value)
    for interface in ("br-rb", place.interface):
        inside.ip("neigh", "replace", CLIENT4, "lladdr", outside.mac(place.client), "dev", interface)
    # Queries alone do not keep the server's MAC known to the bridge where the kernel's sockets answer, by br-rb.
    sh("bridge", "-n", inside.name, "fdb", "replace", inside.mac(place.interface), "dev", place.peer, "master", "static")
    for address, interface in ((SERVER4, place.interface), (HOST4, "br-rb")):
        outside.ip("neigh", "replace", address, "lladdr", inside.mac(interface), "dev", place.client)
    return place


PLACES = {"pair": pair, "reference": reference}
