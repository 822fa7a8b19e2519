//! The cache: the store against a map, RRsets against a slow model, lookups, and bodies against those of replies.

mod compose;
mod dump;
mod flush;
mod lookup;
mod messages;
mod reply;
mod rrsets;
mod store;

use super::load::Loaded;
use super::messages::{Head, NO_EDE, Sections};
use super::rrset::flag;
use super::rrsets::{Checked, Moment, Outcome, Stored};
use super::trust::Trust;
use super::*;
use crate::dns::{Name, class, rtype};
use crate::validate::Security;
use std::time::Duration;

const KEY: HashKey = HashKey::fixed(11);

fn at(seconds: u32) -> Duration {
    Duration::from_secs(u64::from(seconds))
}

fn name(text: &str) -> Name {
    Name::from_text(text).unwrap()
}

fn wire(text: &str) -> Vec<u8> {
    name(text).as_wire().to_vec()
}

fn cache() -> Cache {
    with_rules(Rules::default())
}

fn with_rules(rules: Rules) -> Cache {
    Cache::new(1 << 20, 1 << 20, rules, KEY).unwrap()
}

/// An RRset of class IN.
struct Put<'a> {
    owner: &'a str,
    rtype: u16,
    ttl: u32,
    records: Vec<Vec<u8>>,
    signatures: Vec<Vec<u8>>,
    trust: Trust,
    security: Security,
}

fn put<'a>(owner: &'a str, rtype: u16, records: &[&[u8]]) -> Put<'a> {
    let records = records.iter().map(|data| data.to_vec()).collect();
    let (trust, security) = (Trust::AuthoritativeAnswer, Security::Unchecked);
    Put { owner, rtype, ttl: 300, records, signatures: Vec::new(), trust, security }
}

impl Put<'_> {
    fn ttl(self, ttl: u32) -> Self {
        Put { ttl, ..self }
    }

    fn trust(self, trust: Trust) -> Self {
        Put { trust, ..self }
    }

    fn security(self, security: Security) -> Self {
        Put { security, ..self }
    }

    fn signed(mut self, labels: u8, signer: &str) -> Self {
        let fixed = [&self.rtype.to_be_bytes()[..], &[8, labels], &[0; 14]].concat();
        self.signatures.push([&fixed[..], &wire(signer), b"signature"].concat());
        self
    }

    fn into(self, rrsets: &mut RrsetCache, now: u32) -> Option<Stored> {
        self.learnt(rrsets, &Moment::at(at(now)))
    }

    fn learnt(self, rrsets: &mut RrsetCache, moment: &Moment) -> Option<Stored> {
        let mut draft = Draft::default();
        draft.start(&Key::new(&wire(self.owner), self.rtype, class::IN), self.ttl);
        self.records.iter().for_each(|data| draft.push(data));
        self.signatures.iter().for_each(|data| draft.push_signature(data));
        rrsets.insert(&mut draft, self.trust, self.security, moment)
    }
}

/// Type, TTL and last octets of what is kept.
fn kept(rrsets: &mut RrsetCache, owner: &str, rtype: u16, now: u32) -> Option<(u32, Vec<Vec<u8>>)> {
    let set = rrsets.get(&Key::new(&wire(owner), rtype, class::IN), at(now))?;
    Some((set.ttl(now), set.records().map(<[u8]>::to_vec).collect()))
}

/// Keeps a message of what is kept already.
fn remember(cache: &mut Cache, qname: &str, qtype: u16, head: Head, sections: [&[RrsetRef]; 3], now: u32) -> bool {
    let learnt = Learnt { sections: Sections(sections.map(<[_]>::to_vec)), ..Learnt::default() };
    let key = MessageKey { name: &wire(qname), qtype, qclass: class::IN, checking_disabled: false };
    cache.remember(&key, &head, &learnt, &Context::at(at(now)))
}
