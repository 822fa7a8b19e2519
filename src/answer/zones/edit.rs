//! What leaves a table: records, zones, and the names that stood there for their sake.

use super::Zones;
use super::build::ZonesBuilder;
use super::node::{APEX, COUNTED, CUT, HAS_SOA, IN_DATA, MADE, NONE, Node, Rrset};
use super::record::{LocalRecord, ZoneError};
use crate::dns::{class, name, rtype};

/// Less waste than this is left where it is.
const WASTE_MIN: usize = 1 << 18;
/// The waste may be one part in this of what is in use.
const WASTE_SHARE: usize = 4;

impl ZonesBuilder {
    /// Removes all records of a name (wire form), in every class. None is no error.
    pub fn remove_data(&mut self, name: &[u8]) {
        for qclass in class::IN..class::IN + 16 {
            let cut = self.known_cut(name, qclass);
            for node in cut.into_iter().chain(self.known(name, qclass)) {
                self.records_at(node).clear();
                self.leave_if_empty(node);
            }
        }
    }

    /// Removes a zone of class IN (wire form) with its data. None is no error. The DS records at its apex stay: they are data
    /// of the zone above.
    pub fn remove_zone(&mut self, name: &[u8]) {
        let apex = self.known(name, class::IN).filter(|&node| self.node_at(node).flags & APEX != 0);
        if let Some(apex) = apex {
            self.names_below(apex).into_iter().for_each(|node| self.bury(node));
            self.bury(apex);
        }
    }

    /// The nodes below `node` in the data of its zone.
    fn names_below(&self, node: u32) -> Vec<u32> {
        let mut found = vec![node];
        let mut looked = 0;
        while let Some(&node) = found.get(looked) {
            looked += 1;
            let mut child = self.zones.links.get(node).child;
            while child != NONE {
                let link = self.zones.links.get(child);
                if link.below & COUNTED != 0 && self.node_at(child).name_len > 0 {
                    found.push(child);
                }
                child = link.next;
            }
        }
        found.split_off(1)
    }

    fn name_at(&self, node: u32) -> Vec<u8> {
        self.zones.name_of(self.node_at(node)).to_vec()
    }

    fn above(&mut self, node: u32, name: &[u8]) -> Option<u32> {
        let qclass = self.node_at(node).class();
        self.known(name::suffixes(name).nth(1)?, qclass)
    }

    /// A name becomes a zone's apex: what stands in another zone's data at it and below is the new zone's, but for DS records
    /// at the name itself.
    ///
    /// # Errors
    /// [`ZoneError::Full`]; nothing is taken then.
    pub(super) fn take_data(&mut self, apex: u32) -> Result<(), ZoneError> {
        if self.node_at(apex).flags & IN_DATA == 0 {
            return Ok(());
        }
        let name = self.name_at(apex);
        self.leave_ds_above(apex, &name)?;
        self.names_below(apex).into_iter().for_each(|number| self.node_mut(number).zone = apex);
        self.node_mut(apex).zone = apex;
        self.uncount_and_leave(apex, &name);
        // Its SOA is rendered for negative answers from now on.
        if self.records_at(apex).is_empty() && self.below(apex) == 0 {
            self.node_mut(apex).flags &= !IN_DATA;
        }
        Ok(())
    }

    /// The DS records of what becomes a zone's apex get a node of their own in the data of the zone above.
    fn leave_ds_above(&mut self, apex: u32, name: &[u8]) -> Result<(), ZoneError> {
        let node = *self.node_at(apex);
        let Some(above) = self.above(apex, name) else { return Ok(()) };
        if !self.records_at(apex).iter().any(|record| record.rtype == rtype::DS) {
            return Ok(());
        }
        let cut = self.node_with(name, node.class(), CUT)?;
        self.link(cut, above);
        let at = self.node_mut(cut);
        at.flags |= IN_DATA;
        at.zone = node.zone;
        let records = std::mem::take(self.records_at(apex));
        let (above, own) = records.into_iter().partition(|record| record.rtype == rtype::DS);
        *self.records_at(cut) = above;
        *self.records_at(apex) = own;
        Ok(())
    }

    /// The name above need no more stand in the data for the sake of this one.
    fn uncount_and_leave(&mut self, node: u32, name: &[u8]) {
        if self.zones.links.get(node).below & COUNTED == 0 {
            return;
        }
        self.zones.links.get_mut(node).below &= !COUNTED;
        if let Some(above) = self.above(node, name) {
            let at = self.zones.links.get_mut(above);
            at.below = at.below & COUNTED | (at.below & !COUNTED).saturating_sub(1);
            self.leave_if_empty(above);
        }
    }

    /// A name without records and without names below it does not stand in the data; the names above, and a zone that was
    /// made for the data, go with it.
    fn leave_if_empty(&mut self, number: u32) {
        let node = *self.node_at(number);
        let kept = self.below(number) > 0 || node.flags & IN_DATA == 0 || !self.records_at(number).is_empty();
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

    /// Takes a node out of the index; what it was is waste. What stood in the data above for an apex is a name as others are.
    fn bury(&mut self, number: u32) {
        self.unlist(number);
        self.data.remove(&number);
        self.waste_records(number);
        let (sizes, node) = (&mut self.zones.sizes, *self.zones.nodes.get(number));
        let len = usize::from(node.name_len);
        sizes.nodes -= 1;
        sizes.zones -= usize::from(node.flags & APEX != 0);
        sizes.names -= len;
        sizes.live -= size_of::<Node>() + len;
        sizes.waste += size_of::<Node>() + len;
        let name = self.name_at(number);
        let buried = self.node_mut(number);
        buried.name_len = 0;
        buried.flags = 0;
        if node.flags & APEX != 0
            && let Some(cut) = self.known_cut(&name, node.class())
        {
            self.unlist(cut);
            self.node_mut(cut).flags &= !CUT;
            self.list(cut);
        }
    }

    fn list(&mut self, number: u32) {
        let node = self.zones.nodes.get(number);
        self.scan.scan_whole(self.zones.name_of(node), self.zones.key);
        let hash = self.scan.hash() ^ node.salt();
        self.zones.filter.add(hash);
        self.zones.index.insert(hash, number);
    }

    fn unlist(&mut self, number: u32) {
        let Zones { nodes, names, index, key, .. } = &mut self.zones;
        index.remove(number, |number| {
            let node = nodes.get(number);
            self.scan.scan_whole(names.run(node.name_at, usize::from(node.name_len)), *key);
            self.scan.hash() ^ node.salt()
        });
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
