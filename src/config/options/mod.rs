//! The one table of directives: name, clause, type, default, and what becomes of it here.
//!
//! All directives of Unbound 1.22 are in it, those of later versions with the version that brought them. A row holds the
//! function that carries its value into [`Config`], so a directive is described in one place.

mod answers;
mod cache;
mod clause;
mod clauses;
mod dnssec;
mod listen;
mod process;
mod transport;
mod upstream;

pub use clause::Clause;

use super::address::ScopedAddress;
use super::diagnostic::Location;
use super::model::Config;
use super::names::NameBuf;
use super::record::Record;
use super::values::{Host, Kind, NUMBER, Netblock, Value};
use std::collections::HashMap;
use std::fmt;
use std::sync::OnceLock;

/// Carries checked values into the configuration.
pub type Setter = fn(&mut Config, &mut Args<'_>) -> Result<(), String>;

/// What becomes of a directive.
#[derive(Clone, Copy)]
pub enum Status {
    /// It does what Unbound does.
    Honoured(Setter),
    /// It does nothing, and why that harms nobody.
    AcceptedWithoutEffect(&'static str),
    /// It would change answers or safety and does not yet: a warning. With a value of `harmless` nothing is lost.
    NotYet {
        /// What happens instead.
        instead: &'static str,
        /// Values that ask for what happens anyway.
        harmless: &'static [&'static str],
    },
    /// It does nothing yet, and going on without it would be unsafe: an error.
    Refused {
        /// Why, and what to do.
        why: &'static str,
        /// Values that ask for what happens anyway.
        harmless: &'static [&'static str],
    },
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Status {
    /// One word for the status, as docs/configuration.md has it.
    pub fn word(&self) -> &'static str {
        match self {
            Status::Honoured(_) => "honoured",
            Status::AcceptedWithoutEffect(_) => "no effect",
            Status::NotYet { .. } => "not yet: warning",
            Status::Refused { .. } => "not yet: error",
        }
    }
}

/// One directive.
#[derive(Clone, Copy, Debug)]
pub struct OptionSpec {
    /// Its name without the colon.
    pub name: &'static str,
    /// Other names for the same.
    pub aliases: &'static [&'static str],
    /// Where it may stand.
    pub clause: Clause,
    /// The type of each of its values.
    pub args: &'static [Kind],
    /// What holds without it, for people.
    pub default: &'static str,
    /// What becomes of it.
    pub status: Status,
    /// The version of Unbound that brought it, when that is after 1.22; `runbound` for our own.
    pub since: Option<&'static str>,
    /// How a directive that is honoured differs from Unbound's all the same.
    pub note: Option<&'static str>,
}

impl OptionSpec {
    /// A second name.
    const fn alias(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// In another clause than `server:`.
    const fn inside(mut self, clause: Clause) -> Self {
        self.clause = clause;
        self
    }

    /// Not in Unbound 1.22.
    const fn since(mut self, version: &'static str) -> Self {
        self.since = Some(version);
        self
    }

    /// Honoured, with a difference.
    const fn note(mut self, note: &'static str) -> Self {
        self.note = Some(note);
        self
    }
}

const fn row(name: &'static str, args: &'static [Kind], default: &'static str, status: Status) -> OptionSpec {
    OptionSpec { name, aliases: &[], clause: Clause::Server, args, default, status, since: None, note: None }
}

const fn honoured(name: &'static str, args: &'static [Kind], default: &'static str, set: Setter) -> OptionSpec {
    row(name, args, default, Status::Honoured(set))
}

const fn inert(name: &'static str, args: &'static [Kind], default: &'static str, why: &'static str) -> OptionSpec {
    row(name, args, default, Status::AcceptedWithoutEffect(why))
}

const fn not_yet(
    name: &'static str,
    args: &'static [Kind],
    default: &'static str,
    instead: &'static str,
    harmless: &'static [&'static str],
) -> OptionSpec {
    row(name, args, default, Status::NotYet { instead, harmless })
}

const YES_NO: &[Kind] = &[Kind::YesNo];
const COUNT: &[Kind] = &[NUMBER];
const BYTES: &[Kind] = &[Kind::Bytes];
const PATH: &[Kind] = &[Kind::Path];
const TEXT: &[Kind] = &[Kind::Text];
const NAME: &[Kind] = &[Kind::Name];
const NETBLOCK: &[Kind] = &[Kind::Netblock];
const PORT: &[Kind] = &[Kind::Number(0, 65535)];

/// The values of one directive, checked, with room to work in.
pub struct Args<'a> {
    pub(super) values: [Value<'a>; 3],
    /// Where the directive stands.
    pub(super) at: Location,
    pub(super) name: &'a NameBuf,
    pub(super) record: &'a mut Record,
    /// Something that does not work yet, to be said as a warning.
    pub(super) warning: Option<String>,
}

impl<'a> Args<'a> {
    fn flag(&self, index: usize) -> bool {
        matches!(self.values.get(index), Some(Value::Flag(true)))
    }

    /// A number; its range was checked against the table's, which fits the field it goes to.
    fn number<T: TryFrom<i64> + Default>(&self, index: usize) -> T {
        match self.values.get(index) {
            Some(Value::Number(number)) => T::try_from(*number).unwrap_or_default(),
            _ => T::default(),
        }
    }

    fn text(&self, index: usize) -> &'a str {
        match self.values.get(index) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }

    fn bytes(&self, index: usize) -> &'a [u8] {
        match self.values.get(index) {
            Some(Value::Bytes(bytes)) => bytes,
            _ => &[],
        }
    }

    fn choice(&self, index: usize) -> usize {
        match self.values.get(index) {
            Some(Value::Choice(choice)) => *choice,
            _ => usize::MAX,
        }
    }

    fn host(&self, index: usize) -> Option<(Host, Option<u16>)> {
        match self.values.get(index) {
            Some(Value::Host(host, port)) => Some((host.clone(), *port)),
            _ => None,
        }
    }

    fn server(&self, index: usize) -> Option<(ScopedAddress, u16, &'a str)> {
        match self.values.get(index) {
            Some(Value::Server(address, port, name)) => Some((address.clone(), *port, name)),
            _ => None,
        }
    }

    fn netblock(&self, index: usize) -> Option<Netblock> {
        match self.values.get(index) {
            Some(Value::Netblock(netblock)) => Some(*netblock),
            _ => None,
        }
    }
}

/// A setter for one field: `set!(flag do_ip4)`, `set!(number port)`, `set!(text username)`.
macro_rules! set {
    (flag $($field:ident).+) => { |config, args| { config.$($field).+ = args.flag(0); Ok(()) } };
    (number $($field:ident).+) => { |config, args| { config.$($field).+ = args.number(0); Ok(()) } };
    (text $($field:ident).+) => { |config, args| { config.$($field).+ = args.text(0).into(); Ok(()) } };
    (some $($field:ident).+) => { |config, args| { config.$($field).+ = Some(args.text(0).into()); Ok(()) } };
    (choice $($field:ident).+, $list:expr) => {
        |config, args| {
            if let Some(value) = $list.get(args.choice(0)) {
                config.$($field).+ = *value;
            }
            Ok(())
        }
    };
}
use set;

/// All rows, in the order of docs/configuration.md.
pub fn all() -> impl Iterator<Item = &'static OptionSpec> {
    let tables = [
        listen::OPTIONS,
        answers::OPTIONS,
        cache::OPTIONS,
        upstream::OPTIONS,
        dnssec::OPTIONS,
        transport::OPTIONS,
        process::OPTIONS,
        clauses::OPTIONS,
    ];
    tables.into_iter().flatten()
}

/// The row of `word` in `clause`.
pub(super) fn find(clause: Clause, word: &str) -> Option<&'static OptionSpec> {
    static INDEX: OnceLock<HashMap<(Clause, &'static str), &'static OptionSpec>> = OnceLock::new();
    let index = INDEX.get_or_init(|| {
        let names = |spec: &'static OptionSpec| {
            std::iter::once(&spec.name).chain(spec.aliases).map(|name| (spec.clause, *name))
        };
        all().flat_map(|spec| names(spec).map(move |key| (key, spec))).collect()
    });
    index.get(&(clause, word)).copied()
}

/// What to say about a word that is no directive of `clause`.
pub(super) fn explain_unknown(clause: Option<Clause>, word: &str) -> String {
    let mut homes = Clause::ALL.into_iter().filter(|clause| find(*clause, word).is_some()).map(Clause::word);
    if let Some(home) = homes.next() {
        let homes = homes.fold(format!("{home}:"), |homes, home| format!("{homes} or {home}:"));
        let place = clause.map_or("outside of a clause".into(), |clause| format!("in {}:", clause.word()));
        return format!("{word}: stands {place}; it belongs in {homes}, put such a line above it");
    }
    let candidates = all().filter(|spec| clause.is_none_or(|clause| clause == spec.clause));
    let names = candidates.flat_map(|spec| std::iter::once(spec.name).chain(spec.aliases.iter().copied()));
    // Names whose lengths alone lie further apart need no closer look.
    let most = 2 + word.len() / 4;
    let letters = word.chars().count();
    let near = names.chain(Clause::ALL.map(Clause::word)).filter(|name| name.len().abs_diff(letters) <= most);
    match near.map(|name| (distance(name, word), name)).min() {
        Some((distance, name)) if distance <= most => {
            format!("unknown directive {word}: (did you mean {name}: ?)")
        }
        _ => format!("unknown directive {word}: (docs/configuration.md has the list)"),
    }
}

/// Insertions, deletions and replacements from `a` to `b` (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    // A directive has at most 40 letters; more of a stranger's word changes nothing.
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_name_stands_once_in_its_clause() {
        let mut seen = HashSet::new();
        for spec in all() {
            for name in std::iter::once(&spec.name).chain(spec.aliases) {
                assert!(seen.insert((spec.clause, *name)), "{name} twice in {:?}", spec.clause);
            }
            assert!((1..=3).contains(&spec.args.len()), "{}", spec.name);
        }
        assert!(seen.len() > 380, "{}", seen.len());
    }

    #[test]
    fn unknown_words_get_the_nearest_name_or_their_clause() {
        assert!(explain_unknown(Some(Clause::Server), "interfaces").contains("did you mean interface: ?"));
        assert!(explain_unknown(Some(Clause::Server), "local-dara").contains("did you mean local-data: ?"));
        assert!(explain_unknown(Some(Clause::Server), "forward-addr").contains("belongs in forward-zone:"));
        assert!(explain_unknown(None, "port").contains("outside of a clause; it belongs in server:"));
        assert!(explain_unknown(None, "serve").contains("did you mean server: ?"));
        assert!(!explain_unknown(Some(Clause::Server), "qqqqqqqqqqqqqqqqqq").contains("did you mean"));
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("port", "port"), 0);
    }
}
