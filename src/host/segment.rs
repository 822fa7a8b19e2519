//! The broadcast domain of a link, as far as it lies in this network namespace: who hears what a neighbour of it broadcasts.
//!
//! A frame is followed from place to place as the kernel hands it on. A place is a link, a direction and the VLAN tags that
//! the frame has there. Where frames leave the namespace (a network card, a guest's tap, a veth whose other end is
//! elsewhere), a neighbour may be who gets them, and whose own broadcasts come in there with the same tags; so the way goes
//! back in. Two cards are not taken to be of one network because both leave the namespace.
//!
//! What is left out errs on the side of hearing: modes of macvlans, filters of netfilter and tc.

use super::links::{Kind, Link, Links};
use super::vlan::VlanProtocol;
use std::collections::BTreeSet;

/// Places looked at, at most.
const MOST: usize = 1 << 16;

/// The broadcast domain of a link. Indices are in ascending order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The links at which a broadcast of a neighbour arrives without a tag and as their own, so that the kernel's ARP on that
    /// link sees it: not the ports of a bridge, the slaves of a bond, nor what speaks no ARP. The link itself is one of them
    /// unless something takes its frames from it.
    pub hears: Vec<u32>,
    /// The bridges it goes through, also those whose own port it does not reach.
    pub bridges: Vec<u32>,
    /// The links at which it goes on outside of this namespace: network cards and the like, not the taps of guests.
    pub ways_out: Vec<u32>,
    /// False when something on the way does not tell where it sends what: an Open vSwitch, a VLAN table that could not be
    /// read, more than two VLAN tags. There may then be more than is listed.
    pub whole: bool,
    /// An Open vSwitch is on the way: no link tells which of its ports are in one VLAN.
    pub open_vswitch: bool,
}

impl Links {
    /// The broadcast domain of `link`.
    pub fn segment(&self, link: &Link) -> Segment {
        let mut walk = Walk { links: self, seen: BTreeSet::new(), todo: Vec::new(), whole: true, open_vswitch: false };
        walk.go(link, Way::Out, Tags::default());
        while let Some(place) = walk.todo.pop() {
            walk.step(place);
        }
        let own = |place: &&Place| place.way == Way::In && place.tags == Tags::default();
        let heard = walk.seen.iter().filter(own).filter_map(|place| self.by_index(place.link));
        let hears = heard.filter(|link| self.answers(link)).map(|link| link.index).collect();
        let bridges = walk.seen.iter().filter_map(|place| self.bridge_at(place)).collect::<BTreeSet<u32>>();
        let left = walk.seen.iter().filter(|place| place.way == Way::Out).filter_map(|place| self.by_index(place.link));
        let ways_out = left.filter(|link| self.leads_out(link)).map(|link| link.index).collect::<BTreeSet<u32>>();
        let list = |indices: BTreeSet<u32>| indices.into_iter().collect();
        Segment {
            hears,
            bridges: list(bridges),
            ways_out: list(ways_out),
            whole: walk.whole && !walk.open_vswitch,
            open_vswitch: walk.open_vswitch,
        }
    }

    /// Whether what arrives at `link` is its own, and it speaks ARP.
    fn answers(&self, link: &Link) -> bool {
        link.up && link.arp && link.kind != Kind::Loopback && matches!(self.taker(link), Taker::None)
    }

    /// Whether what is sent at `link` leaves this namespace for a network rather than for a guest.
    fn leads_out(&self, link: &Link) -> bool {
        link.up
            && match &link.kind {
                Kind::Physical => true,
                Kind::Other(kind) => kind != "tun",
                // A bridge's port that leads to another namespace is a container's.
                Kind::Veth { .. } => self.peer(link).is_none() && !matches!(self.taker(link), Taker::Bridge(_)),
                Kind::Vlan { .. } | Kind::Macvlan | Kind::Ipvlan => self.parent(link).is_none(),
                Kind::Loopback | Kind::Bridge | Kind::Bond { .. } => false,
            }
    }

    /// The bridge that is passed at a place.
    fn bridge_at(&self, place: &Place) -> Option<u32> {
        let link = self.by_index(place.link).filter(|link| link.up)?;
        let bridge = if link.kind == Kind::Bridge { Some(link) } else { self.master(link) };
        Some(bridge.filter(|bridge| bridge.kind == Kind::Bridge && bridge.up)?.index)
    }

    /// Who takes the frames that come in at a link.
    fn taker(&self, link: &Link) -> Taker<'_> {
        let Some(index) = link.master else { return Taker::None };
        match self.by_index(index) {
            Some(master) => match &master.kind {
                Kind::Bridge => Taker::Bridge(master),
                Kind::Bond { .. } => Taker::Bond(master),
                Kind::Other(kind) if kind == "team" => Taker::Bond(master),
                Kind::Other(kind) if kind == "vrf" => Taker::None,
                kind if kind.is_open_vswitch() => Taker::OpenVswitch,
                _ => Taker::Unknown,
            },
            None => Taker::Unknown,
        }
    }
}

enum Taker<'a> {
    /// Itself. The interfaces of a routing domain (VRF) keep their frames as well.
    None,
    Bridge(&'a Link),
    Bond(&'a Link),
    OpenVswitch,
    /// It is not known what becomes of them.
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// Received there.
    In,
    /// Sent there.
    Out,
}

/// The VLAN tags of a frame, the outer first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Tags([Option<(VlanProtocol, u16)>; 2]);

impl Tags {
    /// With another around them; `None` when there is no room for it.
    fn around(self, tag: (VlanProtocol, u16)) -> Option<Self> {
        let Self([outer, inner]) = self;
        inner.is_none().then_some(Self([Some(tag), outer]))
    }

    /// The outer tag, and the tags without it.
    fn take(self) -> Option<((VlanProtocol, u16), Self)> {
        let Self([outer, inner]) = self;
        Some((outer?, Self([inner, None])))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    link: u32,
    way: Way,
    tags: Tags,
}

struct Walk<'a> {
    links: &'a Links,
    /// A place is looked at once, so that a topology that bites its tail ends.
    seen: BTreeSet<Place>,
    todo: Vec<Place>,
    whole: bool,
    open_vswitch: bool,
}

impl<'a> Walk<'a> {
    fn go(&mut self, link: &Link, way: Way, tags: Tags) {
        let place = Place { link: link.index, way, tags };
        if self.seen.len() >= MOST {
            self.whole = false;
        } else if self.seen.insert(place) {
            self.todo.push(place);
        }
    }

    fn step(&mut self, place: Place) {
        let Some(link) = self.links.by_index(place.link).filter(|link| link.up) else { return };
        match place.way {
            Way::Out => self.sent(link, place.tags),
            Way::In => self.received(link, place.tags),
        }
    }

    fn sent(&mut self, link: &'a Link, tags: Tags) {
        let links = self.links;
        match link.kind {
            Kind::Loopback => {}
            Kind::Bridge => self.forward(link, link, tags),
            Kind::Bond { .. } => links.ports(link).for_each(|slave| self.go(slave, Way::Out, tags)),
            Kind::Vlan { id } => match (links.parent(link), tags.around((link.protocol(), id))) {
                (Some(parent), Some(tagged)) => self.go(parent, Way::Out, tagged),
                (Some(_), None) => self.whole = false,
                (None, _) => self.go(link, Way::In, tags),
            },
            Kind::Macvlan | Kind::Ipvlan => match links.parent(link) {
                Some(parent) => {
                    self.slices(parent, link.index, tags);
                    self.go(parent, Way::Out, tags);
                }
                None => self.go(link, Way::In, tags),
            },
            Kind::Veth { .. } => self.go(links.peer(link).unwrap_or(link), Way::In, tags),
            Kind::Physical | Kind::Other(_) => {
                self.open_vswitch |= link.kind.is_open_vswitch();
                self.go(link, Way::In, tags);
            }
        }
    }

    /// VLANs of a link get theirs before its master does.
    fn received(&mut self, link: &'a Link, tags: Tags) {
        let links = self.links;
        if let Some((tag, rest)) = tags.take()
            && let Some(vlan) = links.vlan_taker(link, tag.0, tag.1)
        {
            return self.go(vlan, Way::In, rest);
        }
        match links.taker(link) {
            Taker::Bridge(bridge) => self.forward(bridge, link, tags),
            Taker::Bond(bond) => self.go(bond, Way::In, tags),
            Taker::OpenVswitch => self.open_vswitch = true,
            Taker::Unknown => self.whole = false,
            Taker::None => self.slices(link, link.index, tags),
        }
    }

    /// To the macvlans and ipvlans of `parent`, but not back to where it comes from.
    fn slices(&mut self, parent: &Link, from: u32, tags: Tags) {
        let is_slice = |link: &&Link| matches!(link.kind, Kind::Macvlan | Kind::Ipvlan);
        let slices = self.links.iter().filter(|link| link.parent == Some(parent.index) && link.index != from);
        slices.filter(is_slice).for_each(|slice| self.go(slice, Way::In, tags));
    }

    /// Within a bridge, from a port, or from the bridge itself when the host sends.
    fn forward(&mut self, bridge: &'a Link, from: &'a Link, tags: Tags) {
        if !bridge.up {
            return;
        }
        let links = self.links;
        let own = from.index == bridge.index;
        // What the host sends itself is flooded to every port that forwards (net/bridge/br_forward.c, `br_flood`).
        let passes = |port: &&Link| match (own, port.index == bridge.index) {
            (true, _) => port.port.forwards(),
            (false, true) => from.port.forwards(),
            (false, false) => from.port.reaches(&port.port) && port.port.broadcasts,
        };
        let others = links.ports(bridge).chain([bridge]).filter(|port| port.index != from.index).filter(passes);
        let way = |port: &Link| if port.index == bridge.index { Way::In } else { Way::Out };
        if bridge.vlan_filtering != Some(true) {
            return others.for_each(|port| self.go(port, way(port), tags));
        }
        let Some((id, inner)) = self.enters(bridge, from, tags) else { return };
        for port in others {
            match &port.vlans {
                None => self.whole = false,
                Some(vlans) if !vlans.carries(id) => {}
                Some(vlans) if vlans.untags(id) => self.go(port, way(port), inner),
                Some(_) => match inner.around((bridge.protocol(), id)) {
                    Some(tagged) => self.go(port, way(port), tagged),
                    None => self.whole = false,
                },
            }
        }
    }

    /// The VLAN that a frame belongs to within a bridge that filters, and its tags within that; `None` when it is dropped.
    fn enters(&mut self, bridge: &Link, from: &Link, tags: Tags) -> Option<(u16, Tags)> {
        let Some(vlans) = &from.vlans else {
            self.whole = false;
            return None;
        };
        let (id, inner) = match tags.take() {
            Some(((of, id), rest)) if of == bridge.protocol() => (id, rest),
            _ => (vlans.pvid()?, tags),
        };
        vlans.carries(id).then_some((id, inner))
    }
}

#[cfg(test)]
#[path = "segment_tests.rs"]
mod tests;
