//! What the firewall of a Proxmox VE host is told: the options and the rules for what comes in, of the cluster and of this node
//! (pve-firewall(8); pve-firewall and its successor proxmox-firewall, which speaks nftables, read the same files). A line that
//! Proxmox cannot read it passes over, and so it is here.

use super::firewall_names::AddressNames;
use crate::whole_file;
use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::path::Path;

/// The file of the cluster and that of this node, below [`PROXMOX`](super::facts::PROXMOX).
const FILES: [&str; 2] = ["firewall/cluster.fw", "local/host.fw"];
/// Most octets that are read of a file: the file system of the cluster keeps none that is longer.
const LONGEST: u64 = 1 << 20;
/// Most letters of a line that a message repeats.
const SHOWN: usize = 120;
/// Most rules that are looked at: a group has its rules at each line that names it.
const MOST_RULES: usize = 1 << 15;

/// The firewall of a Proxmox VE host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Firewall {
    /// Whether it is on for the host: `enable: 1` of the cluster, and no `enable: 0` of the node.
    pub on: bool,
    /// What becomes of what comes in and no rule is about.
    pub policy: Verdict,
    /// The rules for what comes in, in the order they are tried: those of the node first. Those of a security group stand where
    /// the group is named, those that are switched off are left out.
    pub rules: Vec<Rule>,
    /// The aliases and sets of the cluster, which rules name.
    pub names: AddressNames,
    /// Files that could not be read, with the cause: what they say is not in here.
    pub unread: Vec<String>,
    /// Lines that Proxmox passes over.
    pub passed_over: Vec<String>,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// It comes in.
    Accept,
    /// It is dropped, or refused with an error.
    #[default]
    Drop,
}

/// A rule for what comes in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// File and line: `/etc/pve/firewall/cluster.fw:12`.
    pub place: String,
    /// The line, without its comment; of a long one the start.
    pub text: String,
    /// What becomes of what it is about; `None` when that is not known: of a security group that is not there.
    pub verdict: Option<Verdict>,
    /// The macro, such as `DNS`, which says protocols and ports.
    pub predefined: Option<String>,
    /// `-i`: the interface it comes in by.
    pub interface: Option<String>,
    /// `-p`: the protocol, by name or number.
    pub protocol: Option<String>,
    /// `-dport`: ports, ranges like `80:85` and names of services, by commas.
    pub port: Option<String>,
    /// `-dest`: addresses, networks and ranges, by commas; or an alias, or `+` and a set.
    pub destination: Option<String>,
    /// `-source`: addresses of clients, in the same forms.
    pub source: Option<String>,
    /// It is about a part of the clients alone: `-source`, `-sport`.
    pub some_clients: bool,
}

impl Firewall {
    /// Reads both files below `folder`. One that is not there says nothing.
    pub(super) fn read(folder: &Path) -> Self {
        let mut unread = Vec::new();
        let [cluster, node] = FILES.map(|file| {
            let path = folder.join(file);
            let text = text(&path).unwrap_or_else(|cause| {
                unread.push(format!("{} cannot be read: {cause}", path.display()));
                String::new()
            });
            (path.display().to_string(), text)
        });
        Self { unread, ..Self::from_texts((&cluster.0, &cluster.1), (&node.0, &node.1)) }
    }

    /// From name and text of the cluster's file and of the node's.
    pub fn from_texts(cluster: (&str, &str), node: (&str, &str)) -> Self {
        let (cluster, node) = (Sections::read(cluster, true), Sections::read(node, false));
        // A time instead of 1 is that of a trial of one minute.
        let on = cluster.option("enable") == Some("1") && node.option("enable") != Some("0");
        let accepts = cluster.option("policy_in").is_some_and(|policy| policy.eq_ignore_ascii_case("accept"));
        let lines = node.rules.iter().chain(&cluster.rules);
        let rules = expanded(lines, &cluster.groups);
        let policy = if accepts { Verdict::Accept } else { Verdict::Drop };
        let passed_over = [cluster.passed_over, node.passed_over].concat();
        let names = AddressNames::from_lines(&cluster.aliases, &cluster.sets);
        Self { on, policy, rules, names, unread: Vec::new(), passed_over }
    }
}

fn text(path: &Path) -> io::Result<String> {
    match whole_file::read_text(path, LONGEST) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(String::new()),
        text => text,
    }
}

/// The rules that the lines stand for, as far as they are few; then one of which it is not known what it does, for all that follows.
fn expanded<'a>(lines: impl Iterator<Item = &'a Line>, groups: &HashMap<String, Vec<Rule>>) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    for line in lines {
        let mut more = line.expanded(groups);
        if rules.len() + more.len() > MOST_RULES {
            let (Line::Rule(at) | Line::Group { at, .. }) = line;
            let text = format!("{} and what follows: more than {MOST_RULES} rules, with those of the groups", at.text);
            rules.push(Rule { place: at.place.clone(), text, ..Rule::default() });
            break;
        }
        rules.append(&mut more);
    }
    rules
}

/// A line of rules for what comes in.
enum Line {
    Rule(Rule),
    /// A security group, with the interface it is for.
    Group {
        name: String,
        at: Rule,
    },
}

impl Line {
    /// The rules that it stands for.
    fn expanded(&self, groups: &HashMap<String, Vec<Rule>>) -> Vec<Rule> {
        let (name, at) = match self {
            Self::Rule(rule) => return vec![rule.clone()],
            Self::Group { name, at } => (name, at),
        };
        let Some(rules) = groups.get(name) else { return vec![at.clone()] };
        let here = |rule: &Rule| Rule { interface: at.interface.clone().or(rule.interface.clone()), ..rule.clone() };
        rules.iter().map(here).collect()
    }
}

/// What a file has in its sections.
#[derive(Default)]
struct Sections {
    options: Vec<(String, String)>,
    rules: Vec<Line>,
    groups: HashMap<String, Vec<Rule>>,
    aliases: Vec<String>,
    sets: HashMap<String, Vec<String>>,
    passed_over: Vec<String>,
}

/// The section that a line stands in.
enum Section {
    Options,
    Rules,
    Group(String),
    Aliases,
    Set(String),
}

impl Section {
    /// From the line that begins it; the node's file has options and rules alone.
    fn begun_by(line: &str, of_cluster: bool) -> Option<Self> {
        let inside = line.strip_prefix('[')?.split_once(']')?.0.to_ascii_lowercase();
        let mut words = inside.split_whitespace();
        match (words.next()?, words.next(), of_cluster) {
            ("options", None, _) => Some(Self::Options),
            ("rules", None, _) => Some(Self::Rules),
            ("group", Some(name), true) => Some(Self::Group(name.to_owned())),
            ("aliases", None, true) => Some(Self::Aliases),
            ("ipset", Some(name), true) => Some(Self::Set(name.to_owned())),
            _ => None,
        }
    }
}

impl Sections {
    fn read((file, text): (&str, &str), of_cluster: bool) -> Self {
        let mut all = Self::default();
        let mut section = None;
        let lines = text.lines().map(str::trim).zip(1u32..);
        for (line, number) in lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#')) {
            if let Some(begun) = Section::begun_by(line, of_cluster) {
                match &begun {
                    Section::Group(name) => drop(all.groups.insert(name.clone(), Vec::new())),
                    Section::Set(name) => drop(all.sets.insert(name.clone(), Vec::new())),
                    Section::Options | Section::Rules | Section::Aliases => {}
                }
                section = Some(begun);
                continue;
            }
            let place = format!("{file}:{number}");
            if all.take(section.as_ref(), line, &place).is_none() {
                all.passed_over
                    .push(format!("{place} is not understood, and passed over as Proxmox does: {}", start(line)));
            }
        }
        all
    }

    /// Takes in a line of a section; `None` when it is none that belongs there.
    fn take(&mut self, section: Option<&Section>, line: &str, place: &str) -> Option<()> {
        match section? {
            Section::Aliases => self.aliases.push(without_comment(line).to_owned()),
            Section::Set(name) => self.sets.entry(name.clone()).or_default().push(without_comment(line).to_owned()),
            Section::Options => {
                let (key, value) = line.split_once(':')?;
                let (key, value) = (key.to_ascii_lowercase(), value.trim().to_owned());
                let fits = match key.as_str() {
                    "enable" => value.bytes().all(|byte| byte.is_ascii_digit()) && !value.is_empty(),
                    "policy_in" => ["accept", "drop", "reject"].iter().any(|word| value.eq_ignore_ascii_case(word)),
                    _ => true,
                };
                self.options.push(fits.then_some((key, value))?);
            }
            Section::Rules => self.rules.extend(rule(line, place)?),
            Section::Group(name) => match rule(line, place)? {
                Some(Line::Rule(rule)) => self.groups.entry(name.clone()).or_default().push(rule),
                Some(Line::Group { .. }) => return None,
                None => {}
            },
        }
        Some(())
    }

    /// The last counts.
    fn option(&self, key: &str) -> Option<&str> {
        self.options.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}

/// As much of a line as a message repeats.
fn start(line: &str) -> String {
    let cut = line.char_indices().nth(SHOWN).map(|(at, _)| &line[..at]);
    cut.map_or_else(|| line.to_owned(), |cut| format!("{cut}…"))
}

fn without_comment(line: &str) -> &str {
    line.split('#').next().unwrap_or(line).trim()
}

/// `IN ACCEPT -p tcp -dport 53 # why`; `Some(None)` for one that is switched off by `|` or is about what goes out or through.
fn rule(line: &str, place: &str) -> Option<Option<Line>> {
    let line = without_comment(line);
    let (text, off) = line.strip_prefix('|').map_or((line, false), |rest| (rest.trim_start(), true));
    let mut words = text.split_whitespace();
    let (direction, action) = (words.next()?.to_ascii_lowercase(), words.next()?);
    let (place, text) = (place.to_owned(), start(text));
    let mut rule = Rule { place, text, ..Rule::default() };
    while let Some(option) = words.next() {
        let value = words.next()?.to_owned();
        // Both spellings but for -i and -p, as Proxmox takes them.
        match option.strip_prefix("--").or(option.strip_prefix('-'))? {
            "i" => rule.interface = Some(value),
            "p" | "proto" => rule.protocol = Some(value),
            "dport" => rule.port = Some(value),
            "dest" => rule.destination = Some(value),
            "source" => (rule.some_clients, rule.source) = (true, Some(value)),
            "sport" => rule.some_clients = true,
            "log" | "icmp-type" => {}
            _ => return None,
        }
    }
    let line = match direction.as_str() {
        "group" => Line::Group { name: action.to_ascii_lowercase(), at: rule },
        "in" => {
            let (predefined, word) = match action.split_once('(') {
                Some((name, word)) => (Some(name.to_owned()), word.strip_suffix(')')?),
                None => (None, action),
            };
            rule.predefined = predefined;
            rule.verdict = Some(match word {
                "ACCEPT" => Verdict::Accept,
                "DROP" | "REJECT" => Verdict::Drop,
                _ => return None,
            });
            Line::Rule(rule)
        }
        "out" | "forward" => return Some(None),
        _ => return None,
    };
    Some((!off).then_some(line))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "firewall_tests.rs"]
mod tests;
