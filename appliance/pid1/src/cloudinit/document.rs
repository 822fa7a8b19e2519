//! YAML and JSON read into structs. A value that cannot be used costs only itself, and each key that nobody asked for is
//! named with its path.

use crate::netconf::plan::{Mac, Network, parse_mac};
use runbound::number;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Larger documents are not read: Proxmox keeps all files of a drive under 3 MiB.
pub const MAX_DOCUMENT: usize = 4 << 20;
/// Most letters of a value that a note repeats.
const SHOWN: usize = 60;

/// What is to be said about a document, each line with the path it is about.
#[derive(Debug, Default)]
pub struct Notes(Vec<String>);

impl Notes {
    /// Adds a line about `path`.
    pub fn add(&mut self, path: &str, text: impl AsRef<str>) {
        let text = text.as_ref();
        self.0.push(if path.is_empty() { text.to_owned() } else { format!("{path}: {text}") });
    }

    /// A key that has no value and needs one.
    pub fn missing(&mut self, path: &str, key: &str) {
        self.add(path, format!("{key} is missing; this is left out"));
    }

    /// A key that is known nowhere.
    pub fn unknown(&mut self, path: &str, key: &str) {
        self.add(&below(path, key), "is not supported; it is ignored");
    }

    /// The lines.
    pub fn into_lines(self) -> Vec<String> {
        self.0
    }
}

/// Where a key stands: `network.config[0].name`.
pub fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// Reads YAML, of which JSON is a part. An empty document is null.
///
/// # Errors
/// What is wrong with it, on one line, with line and column.
pub fn parse(text: &str) -> Result<Value, String> {
    if text.len() > MAX_DOCUMENT {
        return Err(format!("{} bytes are more than the {MAX_DOCUMENT} that are read", text.len()));
    }
    let significant = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    if !text.lines().any(significant) {
        return Ok(Value::Null);
    }
    serde_saphyr::from_str(text).map_err(|error| {
        let text = error.to_string();
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        lines.first().copied().unwrap_or("not YAML").to_owned()
    })
}

/// A part of a document.
pub trait Part: Sized {
    /// The part that a value is; `None` when it is none.
    fn of(value: &Value) -> Option<Self>;

    /// What the value has to be, in words.
    fn wanted() -> String;

    /// Notes what is within it and cannot be used, or is known nowhere.
    fn report(&self, _path: &str, _notes: &mut Notes) {}
}

/// What a key is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Given<T> {
    /// Nothing, or null.
    #[default]
    Absent,
    /// What it cannot be given: the note.
    Wrong(String),
    /// This.
    Is(T),
}

impl<T: Part> Given<T> {
    /// What a value is.
    pub fn of(value: &Value) -> Self {
        if value.is_null() {
            return Self::Absent;
        }
        match T::of(value) {
            Some(part) => Self::Is(part),
            None => {
                let mut found = value.to_string();
                if let Some((end, _)) = found.char_indices().nth(SHOWN) {
                    found.truncate(end);
                    found.push('…');
                }
                Self::Wrong(format!("{found} is not {}; it is left out", T::wanted()))
            }
        }
    }

    /// Notes what is wrong with it, and within it.
    pub fn report(&self, path: &str, notes: &mut Notes) {
        match self {
            Self::Absent => {}
            Self::Wrong(note) => notes.add(path, note),
            Self::Is(part) => part.report(path, notes),
        }
    }
}

impl<T> Given<T> {
    /// The part, where it can be used.
    pub fn get(&self) -> Option<&T> {
        if let Self::Is(part) = self { Some(part) } else { None }
    }

    /// The part, or nothing with a note that `key` of `path` is missing. A wrong one has its note.
    pub fn required(&self, path: &str, key: &str, notes: &mut Notes) -> Option<&T> {
        if let Self::Absent = self {
            notes.missing(path, key);
        }
        self.get()
    }
}

impl<'de, T: Part> Deserialize<'de> for Given<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(|value| Self::of(&value))
    }
}

/// A list; a single value is a list of one, null one of none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T> {
    items: Vec<Given<T>>,
    is_single: bool,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { items: Vec::new(), is_single: false }
    }
}

impl<T> List<T> {
    /// What can be used of it, each with its path.
    pub fn entries(&self, path: &str) -> impl Iterator<Item = (String, &T)> {
        let usable = self.items.iter().enumerate().filter_map(|(at, item)| item.get().map(|item| (at, item)));
        usable.map(move |(at, item)| (self.path_of(path, at), item))
    }

    /// What can be used of it.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.items.iter().filter_map(Given::get)
    }

    fn path_of(&self, path: &str, at: usize) -> String {
        if self.is_single { path.to_owned() } else { format!("{path}[{at}]") }
    }
}

impl<T: Part> List<T> {
    /// Notes what is wrong with each.
    pub fn report(&self, path: &str, notes: &mut Notes) {
        self.items.iter().enumerate().for_each(|(at, item)| item.report(&self.path_of(path, at), notes));
    }
}

impl<'de, T: Part> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Value::deserialize(deserializer)? {
            Value::Null => Self::default(),
            Value::Array(values) => Self { items: values.iter().map(Given::of).collect(), is_single: false },
            value => Self { items: vec![Given::of(&value)], is_single: true },
        })
    }
}

/// A mapping whose keys are names that somebody chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named<T>(BTreeMap<String, Given<T>>);

impl<T> Named<T> {
    /// What can be used of it: name, path, part.
    pub fn entries(&self, path: &str) -> impl Iterator<Item = (&str, String, &T)> {
        self.0.iter().filter_map(move |(name, part)| part.get().map(|part| (name.as_str(), below(path, name), part)))
    }
}

impl<T: Part> Part for Named<T> {
    fn of(value: &Value) -> Option<Self> {
        let parts = value.as_object()?.iter().map(|(name, value)| (name.clone(), Given::of(value)));
        Some(Self(parts.collect()))
    }

    fn wanted() -> String {
        MAPPING.to_owned()
    }

    fn report(&self, path: &str, notes: &mut Notes) {
        self.0.iter().for_each(|(name, part)| part.report(&below(path, name), notes));
    }
}

/// What a struct is read from.
pub const MAPPING: &str = "a mapping of keys to values";

/// Keys that several structs have: those of none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct NoMore {}

impl NoMore {
    pub fn report(&self, _path: &str, _notes: &mut Notes) {}
}

/// A struct that is a [`Part`]: its fields with their keys (and other spellings of them), the keys it shares with others,
/// and the keys that are known and mean nothing here.
macro_rules! document {
    ($(#[$doc:meta])* shared $name:ident { $($field:ident: $kind:ty = $key:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
        #[serde(default)]
        struct $name {
            $(#[serde(rename = $key)] $field: $kind,)*
        }

        impl $name {
            fn report(&self, path: &str, notes: &mut $crate::cloudinit::document::Notes) {
                $(self.$field.report(&$crate::cloudinit::document::below(path, $key), notes);)*
            }
        }
    };
    ($(#[$doc:meta])* $name:ident with $shared:ident {
        $($field:ident: $kind:ty = $key:literal $(or $other:literal)*,)*
    } ignored $ignored:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
        #[serde(default)]
        struct $name {
            $(#[serde(rename = $key $(, alias = $other)*)] $field: $kind,)*
            #[serde(flatten)]
            shared: $shared,
            #[serde(flatten)]
            others: std::collections::BTreeMap<String, serde_json::Value>,
        }

        impl $crate::cloudinit::document::Part for $name {
            fn of(value: &serde_json::Value) -> Option<Self> {
                value.is_object().then(|| serde::Deserialize::deserialize(value).ok()).flatten()
            }

            fn wanted() -> String {
                $crate::cloudinit::document::MAPPING.to_owned()
            }

            fn report(&self, path: &str, notes: &mut $crate::cloudinit::document::Notes) {
                $(self.$field.report(&$crate::cloudinit::document::below(path, $key), notes);)*
                self.shared.report(path, notes);
                let ignored: &[&str] = &$ignored;
                let unknown = self.others.keys().filter(|key| !ignored.contains(&key.as_str()));
                unknown.for_each(|key| notes.unknown(path, key));
            }
        }
    };
}
pub(super) use document;

/// A word: YAML takes one for a number or a truth value where it looks like that.
impl Part for String {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(truth) => Some(truth.to_string()),
            _ => None,
        }
    }

    fn wanted() -> String {
        "text".into()
    }
}

/// A truth value, also in the words of YAML 1.1.
impl Part for bool {
    fn of(value: &Value) -> Option<Self> {
        match String::of(value)?.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some(true),
            "false" | "no" | "off" | "0" => Some(false),
            _ => None,
        }
    }

    fn wanted() -> String {
        "true or false".into()
    }
}

/// A whole number from `LOW` to `HIGH`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole<const LOW: u32, const HIGH: u32>(pub u32);

impl<const LOW: u32, const HIGH: u32> Part for Whole<LOW, HIGH> {
    fn of(value: &Value) -> Option<Self> {
        number::read(String::of(value)?.trim(), LOW..=HIGH).ok().map(Self)
    }

    fn wanted() -> String {
        format!("a number from {LOW} to {HIGH}")
    }
}

impl Part for IpAddr {
    fn of(value: &Value) -> Option<Self> {
        String::of(value)?.trim().parse::<IpAddr>().ok()
    }

    fn wanted() -> String {
        "an IP address".into()
    }
}

impl Part for Network {
    fn of(value: &Value) -> Option<Self> {
        String::of(value)?.parse::<Network>().ok()
    }

    fn wanted() -> String {
        "an address with a prefix, such as 192.0.2.1/24".into()
    }
}

impl Part for Mac {
    fn of(value: &Value) -> Option<Self> {
        parse_mac(&String::of(value)?)
    }

    fn wanted() -> String {
        "a MAC address, such as 02:00:5e:00:53:01".into()
    }
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;
