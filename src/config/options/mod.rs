//! The one table of directives: name, clause, type, default, status, and for those that are honoured the field they are
//! carried to, how `get_option` shows them, and what a change of them takes.
//!
//! All directives of Unbound 1.22 are in it, those of later versions with the version that brought them. A row is made
//! by a function that wants every one of these, so a directive is described in one place and wholly. Rows of `server:`
//! stand in files by topic, the other clauses have files of their own.

mod anchors;
mod answers;
mod cache;
mod checks;
pub(super) mod clause;
mod clients;
mod dnssec;
mod features;
mod field;
mod forward;
mod listen;
mod process;
mod remote;
mod row;
mod transport;
mod unknown;
mod upstream;
mod zones;

pub use clause::Clause;
pub use field::{Args, Field, Getter, Setter, Show};
pub use row::{Change, OptionSpec, Status, Unset};
pub(super) use unknown::explain_unknown;

use super::model::Config;
use super::values::{Host, Kind, NUMBER, Netblock};
use field::{field, list, plain, shown_by, yes_no};
use row::{
    AT_LEAST_1, BYTES, COUNT, NAME, NAT64_PREFIX, NETBLOCK, PATH, PORT, REAL_PORT, RELOAD, RESTART, SLABS, TEXT,
    YES_NO, changes_nothing, honoured, inert, inside, is, not_yet, refused, words,
};
use std::collections::HashMap;
use std::sync::OnceLock;

/// All rows, in the order of docs/configuration.md.
pub fn all() -> impl Iterator<Item = &'static OptionSpec> {
    let tables = [
        listen::OPTIONS,
        clients::OPTIONS,
        answers::OPTIONS,
        cache::OPTIONS,
        upstream::OPTIONS,
        dnssec::OPTIONS,
        transport::OPTIONS,
        process::OPTIONS,
        remote::OPTIONS,
        forward::OPTIONS,
        forward::STUB,
        zones::AUTH,
        zones::RPZ,
        zones::VIEW,
        features::DNSTAP,
        features::DNSCRYPT,
        features::CACHEDB,
        features::IPSET,
        features::PYTHON,
        features::DYNLIB,
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

/// The row that `get_option` means by `word`: of `server:` or `remote-control:`, whose directives have different names.
pub fn of_the_server(word: &str) -> Option<&'static OptionSpec> {
    find(Clause::Server, word).or_else(|| find(Clause::RemoteControl, word))
}

/// Directives whose value is another in `new` than in `old`, and that a reload does not put in force, or not wholly.
pub fn changed_for_restart(old: &Config, new: &Config) -> Vec<String> {
    let wanting = all().filter_map(|spec| match spec.status {
        Status::Honoured(_, Change::Restart) => Some((spec, String::new())),
        Status::Honoured(_, Change::RestartFor(part)) => Some((spec, format!(" ({part})"))),
        _ => None,
    });
    let changed = wanting.filter(|(spec, _)| spec.values(old) != spec.values(new));
    changed.map(|(spec, part)| format!("{}{part}", spec.name)).collect()
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
}
