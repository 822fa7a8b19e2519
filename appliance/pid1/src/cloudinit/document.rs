//! YAML and JSON as one tree that is read key by key, so that what nobody asked for can be named.

use crate::netconf::plan::{Mac, Network, parse_mac};
use runbound::number;
use serde_json::{Map, Value};
use std::net::IpAddr;

/// Larger documents are not read: Proxmox keeps all files of a drive under 3 MiB.
pub const MAX_DOCUMENT: usize = 4 << 20;

/// What is to be said about a document, each line with the path it is about.
#[derive(Debug, Default)]
pub struct Notes(Vec<String>);

impl Notes {
    /// Adds a line about `path`.
    pub fn add(&mut self, path: &str, text: impl AsRef<str>) {
        let text = text.as_ref();
        self.0.push(if path.is_empty() { text.to_owned() } else { format!("{path}: {text}") });
    }

    /// The lines.
    pub fn into_lines(self) -> Vec<String> {
        self.0
    }
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

/// A value and where it stands.
pub struct Node<'a> {
    /// The value.
    pub value: &'a Value,
    /// `network.config[0].name`
    pub path: String,
}

impl<'a> Node<'a> {
    /// The root of a document.
    pub fn root(value: &'a Value) -> Self {
        Self { value, path: String::new() }
    }

    /// A mapping.
    pub fn table(&self, notes: &mut Notes) -> Option<Table<'a>> {
        match self.value {
            Value::Object(map) => Some(Table { map, path: self.path.clone(), taken: Vec::new() }),
            _ => self.not(notes, "a mapping of keys to values"),
        }
    }

    /// A list; a single value is a list of one, null one of none.
    pub fn list(&self) -> Vec<Node<'a>> {
        match self.value {
            Value::Array(values) => values
                .iter()
                .enumerate()
                .map(|(at, value)| Node { value, path: format!("{}[{at}]", self.path) })
                .collect(),
            Value::Null => Vec::new(),
            value => vec![Node { value, path: self.path.clone() }],
        }
    }

    /// A word: YAML takes one for a number or a truth value where it looks like that.
    pub fn text(&self, notes: &mut Notes) -> Option<String> {
        match self.value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(truth) => Some(truth.to_string()),
            _ => self.not(notes, "text"),
        }
    }

    /// A truth value, also in the words of YAML 1.1.
    pub fn truth(&self, notes: &mut Notes) -> Option<bool> {
        match self.value {
            Value::Bool(truth) => Some(*truth),
            Value::String(text) if ["yes", "on", "true"].contains(&text.to_ascii_lowercase().as_str()) => Some(true),
            Value::String(text) if ["no", "off", "false"].contains(&text.to_ascii_lowercase().as_str()) => Some(false),
            Value::Number(number) if number.as_u64().is_some_and(|number| number <= 1) => {
                Some(number.as_u64() == Some(1))
            }
            _ => self.not(notes, "true or false"),
        }
    }

    /// A whole number within `range`.
    pub fn number(&self, range: std::ops::RangeInclusive<u32>, notes: &mut Notes) -> Option<u32> {
        let number = match self.value {
            Value::Number(number) => number::read(&number.to_string(), range.clone()).ok(),
            Value::String(text) => number::read(text.trim(), range.clone()).ok(),
            _ => None,
        };
        number.or_else(|| self.not(notes, &format!("a number from {} to {}", range.start(), range.end())))
    }

    /// An IP address.
    pub fn ip(&self, notes: &mut Notes) -> Option<IpAddr> {
        let text = self.text(notes)?;
        text.trim().parse::<IpAddr>().ok().or_else(|| self.not(notes, "an IP address"))
    }

    /// An address with a prefix.
    pub fn network(&self, notes: &mut Notes) -> Option<Network> {
        let text = self.text(notes)?;
        text.parse::<Network>().ok().or_else(|| self.not(notes, "an address with a prefix, such as 192.0.2.1/24"))
    }

    /// A MAC address.
    pub fn mac(&self, notes: &mut Notes) -> Option<Mac> {
        let text = self.text(notes)?;
        parse_mac(&text).or_else(|| self.not(notes, "a MAC address, such as 02:00:5e:00:53:01"))
    }

    fn not<T>(&self, notes: &mut Notes, wanted: &str) -> Option<T> {
        let mut found = self.value.to_string();
        if let Some((end, _)) = found.char_indices().nth(60) {
            found.truncate(end);
            found.push('…');
        }
        notes.add(&self.path, format!("{found} is not {wanted}; it is left out"));
        None
    }
}

/// A mapping that remembers what was asked of it.
pub struct Table<'a> {
    map: &'a Map<String, Value>,
    /// Where it stands.
    pub path: String,
    taken: Vec<&'static str>,
}

impl<'a> Table<'a> {
    /// The value of a key; a null counts as absent.
    pub fn take(&mut self, key: &'static str) -> Option<Node<'a>> {
        self.taken.push(key);
        let value = self.map.get(key).filter(|value| !value.is_null())?;
        Some(Node { value, path: self.below(key) })
    }

    /// Whether a key has a value.
    pub fn has(&self, key: &str) -> bool {
        self.map.get(key).is_some_and(|value| !value.is_null())
    }

    /// Keys that are known and mean nothing here.
    pub fn ignore(&mut self, keys: &[&'static str]) {
        self.taken.extend(keys);
    }

    /// All keys with their values.
    pub fn entries(&self) -> Vec<(&'a str, Node<'a>)> {
        self.map.iter().map(|(key, value)| (key.as_str(), Node { value, path: self.below(key) })).collect()
    }

    /// Names each key that nobody asked for.
    pub fn finish(self, notes: &mut Notes) {
        for key in self.map.keys().filter(|key| !self.taken.contains(&key.as_str())) {
            notes.add(&self.below(key), "is not supported; it is ignored");
        }
    }

    fn below(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_asked_for_is_named() {
        let value = parse("network:\n  version: 1\n  color: red\n  list: [1, {a: b}]\n").unwrap();
        let mut notes = Notes::default();
        let mut root = Node::root(&value).table(&mut notes).unwrap();
        let mut network = root.take("network").unwrap().table(&mut notes).unwrap();
        assert_eq!(network.take("version").unwrap().number(1..=2, &mut notes), Some(1));
        let list = network.take("list").unwrap().list();
        assert_eq!(list[1].path, "network.list[1]");
        assert_eq!(list[1].text(&mut notes), None);
        root.finish(&mut notes);
        network.finish(&mut notes);
        let lines = notes.into_lines();
        assert_eq!(lines[0], "network.list[1]: {\"a\":\"b\"} is not text; it is left out");
        assert_eq!(lines[1], "network.color: is not supported; it is ignored");
    }

    #[test]
    fn broken_documents_say_where() {
        let error = parse("version: 1\nconfig:\n  - type: [physical\n").unwrap_err();
        assert!(error.contains("line") && !error.contains('\n'), "{error}");
        assert_eq!(parse("").unwrap(), Value::Null);
        assert_eq!(parse("#cloud-config\n\n").unwrap(), Value::Null);
        assert!(parse(&" ".repeat(MAX_DOCUMENT + 1)).is_err());
    }

    #[test]
    fn macs_and_words_of_yaml_1_1_stay_what_they_are() {
        let value = parse("mac: 52:54:00:12:34:56\non: yes\nname: 1e3\n").unwrap();
        let mut notes = Notes::default();
        let mut table = Node::root(&value).table(&mut notes).unwrap();
        assert!(table.take("mac").unwrap().mac(&mut notes).is_some());
        assert_eq!(table.take("on").unwrap().truth(&mut notes), Some(true));
        assert!(notes.into_lines().is_empty());
    }
}
