//! What leaves a table: records, zones, and the names that stood there for their sake.

use super::build::ZonesBuilder;
use super::record::LocalRecord;
use super::{APEX, COUNTED, HAS_SOA, IN_DATA, MADE, NONE, Node, Rrset, Slot, Zones};
use crate::dns::{class, name};

/// Less waste than this is left where it is.
const WASTE_MIN: usize = 1 << 18;
/// The waste may be one part in this of what is in use.
const WASTE_SHARE: usize = 4;

impl ZonesBuilder {
    /// Removes all records of a name (wire form), in every class. None is no error.
    pub fn remove_data(&mut self, name: &[u8]) {
        for qclass in class::IN..class::IN + 16 {
            if let Some(node) = self.known(name, qclass) {
                self.records_at(node).clear();
                self.leave_if_empty(node);
            }
        }
    }

    /// Removes a zone of class IN (wire form) with its data. None is no error.
    pub fn remove_zone(&mut self, name: &[u8]) {
        let Some(apex) = self.known(name, class::IN).filter(|&node| self.node_at(node).flags & APEX != 0) else {
            return;
        };
        if self.node_at(apex).below & !COUNTED > 0 {
            // Nothing leads from a zone to its names: the one edit that looks at the whole table.
            let (zones, names) = self.members(apex, name);
            zones.into_iter().for_each(|zone| self.uncount_within(zone, apex));
            names.into_iter().for_each(|node| self.bury(node));
        }
        self.uncount_and_leave(apex, name);
        self.bury(apex);
    }

    /// What lies below `apex`: zones that stand in the data of one above (for a DS record), and names in its own data.
    fn members(&self, apex: u32, name: &[u8]) -> (Vec<u32>, Vec<u32>) {
        let qclass = self.node_at(apex).class();
        let below = self.zones.live_nodes().filter(|(number, node)| {
            let stands = if node.flags & APEX != 0 { node.below & COUNTED != 0 } else { node.zone == apex };
            let here = stands && *number != apex && node.class() == qclass;
            here && name::is_at_or_below(self.zones.name_of(node), name)
        });
        let (zones, names): (Vec<_>, Vec<_>) = below.partition(|(_, node)| node.flags & APEX != 0);
        let numbers = |nodes: Vec<(u32, &Node)>| nodes.into_iter().map(|(number, _)| number).collect();
        (numbers(zones), numbers(names))
    }

    /// Of a zone that stands in the data of `apex`: it no more does.
    fn uncount_within(&mut self, zone: u32, apex: u32) {
        let name = self.name_at(zone);
        let above = self.above(zone, &name);
        if above.is_some_and(|above| self.node_at(above).zone == apex) {
            self.node_mut(zone).below &= !COUNTED;
        }
    }

    fn name_at(&self, node: u32) -> Vec<u8> {
        self.zones.name_of(self.node_at(node)).to_vec()
    }

    fn above(&mut self, node: u32, name: &[u8]) -> Option<u32> {
        let qclass = self.node_at(node).class();
        self.known(name::suffixes(name).nth(1)?, qclass)
    }

    /// A name becomes a zone's apex: what stands in another zone's data at it and below is the new zone's.
    pub(super) fn take_data_below(&mut self, apex: u32) {
        let node = *self.node_at(apex);
        if node.flags & IN_DATA == 0 {
            return;
        }
        let name = self.name_at(apex);
        if node.below & !COUNTED > 0 {
            let stands = |other: &Node| other.zone == node.zone && other.flags & APEX == 0;
            let nodes = self.zones.live_nodes().filter(|(_, other)| stands(other));
            let nodes = nodes.filter(|(_, other)| name::is_at_or_below(self.zones.name_of(other), &name));
            let below: Vec<u32> = nodes.map(|(number, _)| number).collect();
            below.into_iter().for_each(|number| self.node_mut(number).zone = apex);
        }
        self.node_mut(apex).zone = apex;
        self.uncount_and_leave(apex, &name);
        // Its SOA is rendered for negative answers from now on.
        self.records_at(apex);
    }

    /// The name above need no more stand in the data for the sake of this one.
    fn uncount_and_leave(&mut self, node: u32, name: &[u8]) {
        if self.node_at(node).below & COUNTED == 0 {
            return;
        }
        self.node_mut(node).below &= !COUNTED;
        if let Some(above) = self.above(node, name) {
            let at = self.node_mut(above);
            at.below = at.below & COUNTED | (at.below & !COUNTED).saturating_sub(1);
            self.leave_if_empty(above);
        }
    }

    /// A name without records and without names below it does not stand in the data; the names above, and a zone that was
    /// made for the data, go with it.
    fn leave_if_empty(&mut self, number: u32) {
        let node = *self.node_at(number);
        let kept = node.below & !COUNTED > 0 || node.flags & IN_DATA == 0 || !self.records_at(number).is_empty();
        if kept {
            return;
        }
        let name = self.name_at(number);
        self.node_mut(number).flags &= !IN_DATA;
        self.uncount_and_leave(number, &name);
        if node.flags & APEX == 0 || node.flags & MADE != 0 {
            self.bury(number);
        }
    }

    /// Takes a node out of the index; what it was is waste.
    fn bury(&mut self, number: u32) {
        self.unlink(number);
        self.data.remove(&number);
        self.waste_records(number);
        let sizes = &mut self.zones.sizes;
        let node = self.zones.nodes.get_mut(number);
        let len = usize::from(node.name_len);
        sizes.nodes -= 1;
        sizes.zones -= usize::from(node.flags & APEX != 0);
        sizes.names -= len;
        sizes.live -= size_of::<Node>() + len;
        sizes.waste += size_of::<Node>() + len;
        node.name_len = 0;
        node.flags = 0;
    }

    /// A node's records are going to be rendered anew, or no more.
    pub(super) fn waste_records(&mut self, number: u32) {
        let node = *self.node_at(number);
        let soa = u32::from(node.flags & HAS_SOA != 0);
        let rrsets = self.zones.rrsets_from(node.first_rrset - soa, usize::from(node.rrset_count) + soa as usize);
        let octets: usize = rrsets.iter().map(|rrset| size_of::<Rrset>() + rrset.len as usize).sum();
        self.zones.sizes.live -= octets;
        self.zones.sizes.waste += octets;
        let node = self.node_mut(number);
        node.rrset_count = 0;
        node.flags &= !HAS_SOA;
    }

    /// Takes a node's slot away; the slots that a search would pass it to reach move up.
    fn unlink(&mut self, number: u32) {
        let mask = self.zones.mask;
        let mut hole = self.hash_of(number) as usize & mask;
        while self.zones.index.get(hole as u32).node != number {
            hole = (hole + 1) & mask;
        }
        let mut next = hole;
        loop {
            next = (next + 1) & mask;
            let slot = *self.zones.index.get(next as u32);
            if slot.node == NONE {
                break;
            }
            let home = self.hash_of(slot.node) as usize & mask;
            if next.wrapping_sub(home) & mask >= next.wrapping_sub(hole) & mask {
                *self.zones.index.get_mut(hole as u32) = slot;
                hole = next;
            }
        }
        *self.zones.index.get_mut(hole as u32) = Slot { tag: 0, node: NONE };
    }
}

impl Zones {
    pub(super) fn is_wasteful(&self) -> bool {
        self.sizes.waste > WASTE_MIN.max(self.sizes.live / WASTE_SHARE)
    }

    /// The same zones and data without waste.
    pub(super) fn written_anew(&self) -> Zones {
        let mut builder = ZonesBuilder::new(self.key);
        builder.reserve(self.sizes.nodes);
        // What was taken once is taken again.
        for (_, node) in self.live_nodes().filter(|(_, node)| node.flags & APEX != 0) {
            let _ = builder.zone_in_class(self.name_of(node), node.kind, node.class());
            if node.flags & MADE != 0 {
                builder.mark_made(self.name_of(node), node.class());
            }
        }
        for (_, node) in self.live_nodes() {
            self.for_each_record_at(node, |fixed, rdata| {
                let _ = builder.record(LocalRecord {
                    owner: self.name_of(node).to_vec(),
                    rtype: fixed.rtype,
                    class: fixed.class,
                    ttl: fixed.ttl,
                    rdata: rdata.to_vec(),
                });
            });
        }
        builder.finish()
    }
}
