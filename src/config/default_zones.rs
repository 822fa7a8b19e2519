//! The local zones that are there without a word in the file (RFC 6303, 6761, 7686, 8375, 9462, 9665; Unbound 1.26's list).

use super::lan_zones;
use super::local_data::LocalData;
use super::local_zones::LocalZoneType;
use super::model::Config;
use super::record::Record;
use crate::dns::name_text::{self, NameBuf};
use std::collections::HashSet;

/// A zone to add to what the configuration says.
#[derive(Clone, Debug)]
pub struct DefaultZone {
    /// The name in lower case wire form.
    pub name: NameBuf,
    /// `static`, or `redirect` for localhost.
    pub kind: LocalZoneType,
    /// SOA, NS and what else it holds, in the order Unbound enters them; their location is line 0.
    pub records: LocalData,
}

/// Zones that are there always.
const ALWAYS: &[&str] = &[
    "localhost",
    "127.in-addr.arpa",
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa",
    "home.arpa",
    "resolver.arpa",
    "service.arpa",
    "onion",
    "test",
    "invalid",
];

/// The built-in zones that `config` neither names in a `local-zone:` line nor leaves out.
///
/// A line of any type but `ipset` replaces the zone and all of its records; `nodefault` does nothing beside.
pub fn missing_from(config: &Config) -> Vec<DefaultZone> {
    let mut wanted: Vec<String> = ALWAYS.iter().map(|name| (*name).to_owned()).collect();
    if !config.unblock_lan_zones {
        wanted.extend(lan_zones::names());
    }
    let names: Vec<NameBuf> = wanted.iter().map(|name| wire(name)).collect();
    let mut taken: HashSet<&[u8]> = HashSet::new();
    let known: HashSet<&[u8]> = names.iter().map(|name| &name[..]).collect();
    for zone in config.local_zones.iter().filter(|zone| zone.kind != LocalZoneType::Ipset && may_be_default(zone.name))
    {
        if let Some(name) = known.get(zone.name) {
            taken.insert(name);
        }
    }
    let pairs = wanted.iter().zip(&names).filter(|(_, name)| !taken.contains(&name[..]));
    pairs.map(|(text, name)| build(text, name.clone())).collect()
}

/// A look at the end of the name spares a million of them the hash table.
fn may_be_default(name: &[u8]) -> bool {
    [&b"\x04arpa\0"[..], b"\x09localhost\0", b"\x05onion\0", b"\x04test\0", b"\x07invalid\0"]
        .iter()
        .any(|end| name.ends_with(end))
}

fn build(text: &str, name: NameBuf) -> DefaultZone {
    let mut lines = vec![
        format!("{text}. 10800 IN SOA localhost. nobody.invalid. 1 3600 1200 604800 10800"),
        format!("{text}. 10800 IN NS localhost."),
    ];
    let mut kind = LocalZoneType::Static;
    match text {
        "localhost" => {
            kind = LocalZoneType::Redirect;
            lines.push("localhost. 10800 IN A 127.0.0.1".into());
            lines.push("localhost. 10800 IN AAAA ::1".into());
        }
        "127.in-addr.arpa" => lines.push("1.0.0.127.in-addr.arpa. 10800 IN PTR localhost.".into()),
        _ if text.starts_with("1.0.0.") => lines.push(format!("{text}. 10800 IN PTR localhost.")),
        _ => (),
    }
    if lines.len() > 2 {
        lines.swap(0, 1);
    }
    let mut records = LocalData::default();
    let mut record = Record::default();
    for line in lines {
        // The lines are this file's own, and a test reads them all.
        if record.read(line.as_bytes()).is_ok() {
            records.push(&record, super::Location::default());
        }
    }
    DefaultZone { name, kind, records }
}

fn wire(text: &str) -> NameBuf {
    let mut name = NameBuf::new();
    // As above: all of the list's names are good.
    let _ = name_text::parse_lower(text.as_bytes(), &mut name);
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Location;

    fn names(config: &Config) -> Vec<String> {
        missing_from(config).iter().map(|zone| name_text::to_text(&zone.name)).collect()
    }

    #[test]
    fn the_list_is_unbounds() {
        let config = Config::default();
        let zones = missing_from(&config);
        assert_eq!(zones.len(), 9 + 31 + 64);
        for zone in &zones {
            let text = name_text::to_text(&zone.name);
            let expected = match text.as_str() {
                "localhost." => 4,
                "127.in-addr.arpa." => 3,
                _ if text.starts_with("1.0.0.") => 3,
                _ => 2,
            };
            assert_eq!(zone.records.len(), expected, "{text}");
            assert_eq!(zone.kind == LocalZoneType::Redirect, text == "localhost.");
            assert!(may_be_default(&zone.name), "{text}");
        }
    }

    #[test]
    fn a_line_of_any_type_replaces_the_zone() {
        let mut config = Config::default();
        for (text, kind) in [
            ("onion", LocalZoneType::NoDefault),
            ("10.in-addr.arpa", LocalZoneType::Transparent),
            ("test", LocalZoneType::Ipset),
        ] {
            config.local_zones.push(&wire(text), kind, Location::default());
        }
        let left = names(&config);
        assert_eq!(left.len(), 102);
        assert!(!left.contains(&"onion.".into()) && !left.contains(&"10.in-addr.arpa.".into()));
        assert!(left.contains(&"test.".into()));
    }

    #[test]
    fn lan_zones_can_be_left_out() {
        let config = Config { unblock_lan_zones: true, ..Config::default() };
        assert_eq!(names(&config).len(), 9);
    }
}
