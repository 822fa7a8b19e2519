//! What is known of where a name's servers are (answer_norec_from_cache() of Unbound's worker.c).

use super::Cache;
use super::lookup::{Climb, Found, Hit};
use super::messages::{Head, NO_EDE};
use super::rrset::Key;
use super::rrsets::seconds;
use crate::dns::name::Name;
use crate::dns::{header, rcode, rtype};
use crate::validate::Security;
use std::time::Duration;

impl Cache {
    /// The referral to the deepest cut that is known at or above a name, wire form: its NS RRset, and addresses of its servers.
    pub fn referral(&mut self, name: &[u8], qclass: u16, now: Duration) -> Option<Hit<'_>> {
        let climb = Climb {
            name,
            rtype: rtype::NS,
            class: qclass,
            strictly_above: false,
            no_expired_above: Some(Name::ROOT.as_wire()),
        };
        let ns = self.closest(&climb, now)?;
        let (reference, ttl) = (ns.reference(), ns.ttl(seconds(now)));
        let servers: Vec<Name> = ns.records().filter_map(Name::from_wire).collect();
        let mut found = Found::default();
        found.sections.0[1].push(reference);
        for server in servers {
            for rtype in [rtype::A, rtype::AAAA] {
                if let Some(set) = self.rrsets.get(&Key::new(server.as_wire(), rtype, qclass), now) {
                    found.sections.0[2].push(set.reference());
                }
            }
        }
        self.found = found;
        let flags = header::flag::QR | rcode::NOERROR;
        let head = Head { flags, security: Security::Unchecked, ede: NO_EDE, ttl };
        let now = seconds(now);
        Some(Hit { cache: self, now, head, is_message: false, refresh_after: ttl, expired: false, given_up: false })
    }
}
