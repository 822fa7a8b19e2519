//! A small zone, and what is true of it: found by walking over its names, without any proof.

use crate::dns::name::Name;
use crate::dns::rtype::{A, CNAME, DNAME, DS, NS, SOA, TXT};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// The types that are asked for.
pub const ASKED: [u16; 7] = [A, NS, CNAME, SOA, TXT, DNAME, DS];

/// Labels of a name from the root's side: as a list, names are in canonical order.
pub type Labels = Vec<String>;

/// The wire form.
pub fn wire(labels: &[String]) -> Vec<u8> {
    let text: Vec<&str> = labels.iter().rev().map(String::as_str).collect();
    Name::from_text(&format!("{}.", text.join("."))).expect("a name").as_wire().to_vec()
}

/// What is true of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// There is an answer: records, an alias, or a wildcard's.
    Answer,
    /// At or below a zone cut; with a DS or without.
    Cut {
        has_ds: bool,
    },
    NoData,
    NameError,
    /// Not of this zone.
    Outside,
}

/// Types by name. What is below zone cuts and DNAMEs is not there.
#[derive(Clone, Debug)]
pub struct Zone {
    pub apex: Labels,
    pub names: BTreeMap<Labels, BTreeSet<u16>>,
}

impl Zone {
    /// A zone of these names below `apex`.
    pub fn new(apex: &[&str], names: Vec<(Vec<&'static str>, Vec<u16>)>) -> Zone {
        let apex: Labels = apex.iter().map(|label| (*label).to_owned()).collect();
        let mut zone = Zone { names: [(apex.clone(), [SOA, NS].into())].into(), apex };
        for (below, types) in names {
            let name = zone.apex.iter().cloned().chain(below.iter().map(|label| (*label).to_owned())).collect();
            let is_wild = below.last() == Some(&"*");
            // What a wildcard's NS or DNAME means is not defined (RFC 4592 section 4.2, RFC 6672 section 3.3).
            let types: BTreeSet<u16> = types.into_iter().filter(|t| !is_wild || ![NS, DS, DNAME].contains(t)).collect();
            if !below.is_empty() && !types.is_empty() {
                zone.names.insert(name, types);
            }
        }
        let whole = zone.clone();
        zone.names.retain(|name, _| whole.end_above(name).is_none());
        zone
    }

    /// Some zone.
    pub fn any(apex: &'static [&'static str]) -> impl Strategy<Value = Zone> {
        let label = prop::sample::select(vec!["a", "b", "*", "bb"]);
        let types = prop::sample::select(vec![
            vec![A],
            vec![TXT],
            vec![A, TXT],
            vec![CNAME],
            vec![A, DNAME],
            vec![NS],
            vec![NS, DS],
        ]);
        let name = (prop::collection::vec(label, 1..4), types);
        prop::collection::vec(name, 0..7).prop_map(|names| Zone::new(apex, names))
    }

    pub fn types(&self, name: &[String]) -> BTreeSet<u16> {
        self.names.get(name).cloned().unwrap_or_default()
    }

    pub fn is_cut(&self, name: &[String]) -> bool {
        self.types(name).contains(&NS) && *name != self.apex
    }

    /// The zone cut or DNAME above a name.
    pub fn end_above(&self, name: &[String]) -> Option<Labels> {
        let above = (self.apex.len()..name.len()).map(|len| name[..len].to_vec());
        above.into_iter().find(|above| self.is_cut(above) || self.types(above).contains(&DNAME))
    }

    pub fn exists(&self, name: &[String]) -> bool {
        self.names.keys().any(|known| known.starts_with(name))
    }

    pub fn encloser(&self, name: &[String]) -> Labels {
        (0..=name.len()).rev().map(|len| name[..len].to_vec()).find(|above| self.exists(above)).expect("the apex")
    }

    /// What is true of a question.
    pub fn truth(&self, name: &[String], qtype: u16) -> Truth {
        if !name.starts_with(&self.apex) || (qtype == DS && *name == self.apex && !self.apex.is_empty()) {
            return Truth::Outside;
        }
        match self.end_above(name) {
            Some(end) if self.is_cut(&end) => return Truth::Cut { has_ds: self.types(&end).contains(&DS) },
            Some(_) => return Truth::Answer,
            None => {}
        }
        if self.is_cut(name) && qtype != DS {
            return Truth::Cut { has_ds: self.types(name).contains(&DS) };
        }
        let mut wildcard = self.encloser(name);
        wildcard.push("*".to_owned());
        match [name, &wildcard[..]].into_iter().find(|name| self.exists(name)) {
            None => Truth::NameError,
            Some(name) if self.types(name).contains(&qtype) || self.types(name).contains(&CNAME) => Truth::Answer,
            Some(_) => Truth::NoData,
        }
    }

    /// Names that lie in, between, above and below those of the zone.
    pub fn questions(&self) -> Vec<Labels> {
        let mut names = vec![self.apex.clone(), self.apex[..self.apex.len() / 2].to_vec(), vec!["other".to_owned()]];
        let mut last = vec![self.apex.clone()];
        for _ in 0..3 {
            let with = |name: &Labels, label: &str| [&name[..], &[label.to_owned()]].concat();
            last = last.iter().flat_map(|name| ["a", "*", "c", "bb"].map(|label| with(name, label))).collect();
            names.extend(last.iter().cloned());
        }
        names
    }
}
