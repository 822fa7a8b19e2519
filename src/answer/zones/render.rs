//! The records of the names that were touched become RRsets.

use super::Zones;
use super::build::ZonesBuilder;
use super::node::{APEX, HAS_SOA, Rrset};
use super::record::LocalRecord;
use crate::dns::rtype;

impl ZonesBuilder {
    /// Compiles.
    pub fn finish(mut self) -> Zones {
        for (node, records) in std::mem::take(&mut self.data) {
            self.render(node, &records);
        }
        if self.zones.is_wasteful() { self.zones.written_anew() } else { self.zones }
    }

    fn render(&mut self, number: u32, records: &[LocalRecord]) {
        self.waste_records(number);
        let node = *self.node_at(number);
        let mut rrsets = Vec::new();
        let soa = records.iter().find(|record| record.rtype == rtype::SOA);
        if let (Some(soa), true) = (soa, node.flags & APEX != 0)
            && let Some(minimum) = soa.rdata.len().checked_sub(4).and_then(|at| crate::dns::get_u32(&soa.rdata, at))
        {
            let negative = LocalRecord { ttl: soa.ttl.min(minimum), ..soa.clone() };
            rrsets.extend(self.rrset(&[&negative]));
        }
        let negative = rrsets.len();
        // In the order of the lines.
        let mut types: Vec<u16> = Vec::new();
        for record in records {
            if !types.contains(&record.rtype) {
                types.push(record.rtype);
            }
        }
        for &rtype in &types {
            let set: Vec<&LocalRecord> = records.iter().filter(|record| record.rtype == rtype).collect();
            rrsets.extend(self.rrset(&set));
        }
        // No table comes to 4 GiB of RRsets before it does of names and octets.
        let first = self.zones.rrsets.push(&rrsets).unwrap_or(0);
        self.zones.sizes.live += size_of_val(&rrsets[..]);
        let node = self.node_mut(number);
        node.flags = node.flags & !HAS_SOA | if negative > 0 { HAS_SOA } else { 0 };
        node.first_rrset = first + negative as u32;
        node.rrset_count = (rrsets.len() - negative) as u8;
    }

    fn rrset(&mut self, records: &[&LocalRecord]) -> Option<Rrset> {
        let mut octets = Vec::new();
        for record in records {
            octets.extend_from_slice(&[0xc0, 0x0c]);
            octets.extend_from_slice(&record.rtype.to_be_bytes());
            octets.extend_from_slice(&record.class.to_be_bytes());
            octets.extend_from_slice(&record.ttl.to_be_bytes());
            octets.extend_from_slice(&(record.rdata.len() as u16).to_be_bytes());
            octets.extend_from_slice(&record.rdata);
        }
        self.zones.sizes.live += octets.len();
        Some(Rrset {
            rtype: records.first()?.rtype,
            records: records.len() as u16,
            at: self.zones.octets.push(&octets)?,
            len: octets.len() as u32,
        })
    }
}
