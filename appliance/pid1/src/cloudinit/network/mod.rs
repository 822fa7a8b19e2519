//! A drive's network-config, version 1 or 2, to one [`NetworkPlan`](crate::netconf::NetworkPlan).

mod v1;
mod v2;

#[cfg(test)]
mod tests;

use super::document::{Given, MAPPING, Notes, Part, Whole, below, parse};
use crate::netconf::Parsed;
use crate::netconf::plan::{BOND_MODES, HASH_POLICIES, MTU, is_link_name};
use runbound::number;
use serde_json::Value;

/// Reads a cloud drive's network-config, version 1 or 2, with or without `network:` around it.
///
/// # Errors
/// Why it says nothing at all: not YAML, or of another version. Anything less is a warning.
pub fn network_config(text: &str) -> Result<Parsed, String> {
    let whole = parse(text)?;
    let mut notes = Notes::default();
    let (inner, path) = match whole.get("network").filter(|inner| !inner.is_null()) {
        Some(inner) => (inner, "network"),
        None => (&whole, ""),
    };
    let keys = whole.as_object().into_iter().flat_map(|keys| keys.keys());
    keys.filter(|key| !path.is_empty() && *key != path).for_each(|key| notes.unknown("", key));
    if !inner.is_object() {
        notes.add(path, format!("is not {MAPPING}"));
        return Err(notes.into_lines().join("; "));
    }
    let version = inner.get("version").map(Given::<Whole<1, 2>>::of).unwrap_or_default();
    version.report(&below(path, "version"), &mut notes);
    let plan = match version.get() {
        Some(Whole(1)) if inner.get("config").is_none_or(Value::is_null) => {
            return Err("version 1 without config:".into());
        }
        Some(Whole(1)) => v1::read(inner, path, &mut notes),
        Some(_) => v2::read(inner, path, &mut notes),
        None => {
            notes.add("", "no version: 1 or version: 2");
            return Err(notes.into_lines().join("; "));
        }
    };
    Ok(Parsed { plan, warnings: notes.into_lines() })
}

/// An MTU.
type Mtu = Whole<{ *MTU.start() }, { *MTU.end() }>;
/// The tag of a VLAN.
type Tag = Whole<1, 4094>;
/// A number that the kernel takes as it is.
type Any = Whole<0, { u32::MAX }>;

/// The name of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LinkName(String);

impl Part for LinkName {
    fn of(value: &Value) -> Option<Self> {
        String::of(value).filter(|name| is_link_name(name)).map(Self)
    }

    fn wanted() -> String {
        "a name for an interface (1 to 15 octets)".into()
    }
}

/// A word of a list, or its number.
fn named<T: TryFrom<usize>>(value: &Value, words: &[&str]) -> Option<T> {
    let text = String::of(value)?;
    let at = words.iter().position(|word| *word == text);
    at.or_else(|| number::read(&text, 0..=words.len().checked_sub(1)?).ok())?.try_into().ok()
}

/// A bond's mode, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mode(u8);

impl Part for Mode {
    fn of(value: &Value) -> Option<Self> {
        named(value, &BOND_MODES).map(Self)
    }

    fn wanted() -> String {
        format!("one of {}", BOND_MODES.join(", "))
    }
}

/// How a bond chooses a port, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct HashPolicy(u8);

impl Part for HashPolicy {
    fn of(value: &Value) -> Option<Self> {
        named(value, &HASH_POLICIES).map(Self)
    }

    fn wanted() -> String {
        format!("one of {}", HASH_POLICIES.join(", "))
    }
}

/// How often LACP is spoken: fast or slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rate {
    is_fast: bool,
}

const RATES: [&str; 2] = ["slow", "fast"];

impl Part for Rate {
    fn of(value: &Value) -> Option<Self> {
        named(value, &RATES).map(|at: usize| Self { is_fast: at == 1 })
    }

    fn wanted() -> String {
        format!("one of {}", RATES.join(", "))
    }
}
