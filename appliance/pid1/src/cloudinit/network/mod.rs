//! A drive's network-config, version 1 or 2, to one [`NetworkPlan`](crate::netconf::NetworkPlan).

mod v1;
mod v2;

#[cfg(test)]
mod tests;

use super::document::{self, Node, Notes, Table};
use crate::netconf::Parsed;
use crate::netconf::plan::is_link_name;
use runbound::number;

/// Reads a cloud drive's network-config, version 1 or 2, with or without `network:` around it.
///
/// # Errors
/// Why it says nothing at all: not YAML, or of another version. Anything less is a warning.
pub fn network_config(text: &str) -> Result<Parsed, String> {
    let value = document::parse(text)?;
    let mut notes = Notes::default();
    let root = Node::root(&value);
    let whole = |notes: Notes| notes.into_lines().join("; ");
    let Some(mut table) = root.table(&mut notes) else { return Err(whole(notes)) };
    if table.has("network") {
        let inner = table.take("network").and_then(|node| node.table(&mut notes));
        let Some(inner) = inner else { return Err(whole(notes)) };
        table.finish(&mut notes);
        table = inner;
    }
    let version = table.take("version").and_then(|node| node.number(1..=2, &mut notes));
    let plan = match version {
        Some(1) => {
            let Some(config) = table.take("config") else { return Err("version 1 without config:".into()) };
            v1::read(&config, &mut notes)
        }
        Some(2) => v2::read(&mut table, &mut notes),
        _ => {
            notes.add("", "no version: 1 or version: 2");
            return Err(whole(notes));
        }
    };
    table.finish(&mut notes);
    Ok(Parsed { plan, warnings: notes.into_lines() })
}

fn required<'a>(table: &mut Table<'a>, key: &'static str, notes: &mut Notes) -> Option<Node<'a>> {
    let node = table.take(key);
    if node.is_none() {
        notes.add(&table.path, format!("{key} is missing; this is left out"));
    }
    node
}

fn link_name(node: &Node<'_>, notes: &mut Notes) -> Option<String> {
    let name = node.text(notes)?;
    link_name_text(&node.path, &name, notes)
}

fn link_name_text(path: &str, name: &str, notes: &mut Notes) -> Option<String> {
    if is_link_name(name) {
        return Some(name.to_owned());
    }
    notes.add(path, format!("{name:?} is no name for an interface (1 to 15 octets); it is left out"));
    None
}

fn tag(node: &Node<'_>, notes: &mut Notes) -> Option<u16> {
    node.number(1..=4094, notes).and_then(|tag| u16::try_from(tag).ok())
}

/// A word of a list, or its number.
fn named(node: &Node<'_>, words: &[&str], notes: &mut Notes) -> Option<u8> {
    let text = node.text(notes)?;
    let at = words
        .iter()
        .position(|word| *word == text)
        .or_else(|| number::read(&text, 0..=words.len().saturating_sub(1)).ok());
    match at {
        Some(at) => u8::try_from(at).ok(),
        None => {
            notes.add(&node.path, format!("{text:?} is none of {}; it is ignored", words.join(", ")));
            None
        }
    }
}
