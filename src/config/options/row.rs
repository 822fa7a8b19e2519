//! The row of a directive: everything about it, in one place.

use super::clause::Clause;
use super::field::{Field, Setter, Show};
use crate::config::model::Config;
use crate::config::values::{Kind, NUMBER};
use std::fmt;

/// What becomes of a directive.
#[derive(Clone, Copy)]
pub enum Status {
    /// It does what Unbound does.
    Honoured(Field, Change),
    /// It does nothing, and why that harms nobody.
    AcceptedWithoutEffect(&'static str),
    /// It does nothing where people want a change by it, and why that harms nobody: an info, unless the value is the default.
    ChangesNothing(&'static str),
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
            Status::Honoured(..) => "honoured",
            Status::AcceptedWithoutEffect(_) => "no effect",
            Status::ChangesNothing(_) => "no effect: info",
            Status::NotYet { .. } => "not yet: warning",
            Status::Refused { .. } => "not yet: error",
        }
    }
}

/// What puts another value of a directive in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A reload.
    Reload,
    /// A restart alone.
    Restart,
    /// A reload, but for this part of what it does, which takes a restart.
    RestartFor(&'static str),
}

/// What holds without a directive.
#[derive(Clone, Copy, Debug)]
pub enum Unset {
    /// What this value says.
    Value(&'static str),
    /// What no value says, in words.
    Words(&'static str),
}

impl Unset {
    /// As docs/configuration.md has it.
    pub fn text(&self) -> &'static str {
        match self {
            Unset::Value(text) | Unset::Words(text) => text,
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
    /// What holds without it.
    pub default: Unset,
    /// What its values must be beside their types; it changes nothing that is honoured.
    pub check: Option<Setter>,
    /// What becomes of it.
    pub status: Status,
    /// The version of Unbound that brought it, when that is after 1.22; `runbound` for our own.
    pub since: Option<&'static str>,
    /// How a directive that is honoured differs from Unbound's all the same.
    pub note: Option<&'static str>,
}

impl OptionSpec {
    /// Emits the values of an honoured directive as `get_option` shows them, one each; `false` when it is not one that
    /// can be shown so.
    pub fn show(&self, config: &Config, emit: &mut dyn FnMut(&str)) -> bool {
        match self.status {
            Status::Honoured(Field { show: Show::Values(show), .. }, _) => {
                show(config, emit);
                true
            }
            _ => false,
        }
    }

    /// [`OptionSpec::show`], collected.
    pub fn values(&self, config: &Config) -> Vec<String> {
        let mut values = Vec::new();
        self.show(config, &mut |value| values.push(value.to_owned()));
        values
    }
}

/// A row that has no clause yet: [`inside`] gives it one.
#[derive(Clone, Copy)]
pub(super) struct Row(OptionSpec);

impl Row {
    /// A second name.
    pub(super) const fn alias(mut self, aliases: &'static [&'static str]) -> Self {
        self.0.aliases = aliases;
        self
    }

    /// Values that must fit what else is there.
    pub(super) const fn checked(mut self, check: Setter) -> Self {
        self.0.check = Some(check);
        self
    }

    /// Not in Unbound 1.22.
    pub(super) const fn since(mut self, version: &'static str) -> Self {
        self.0.since = Some(version);
        self
    }

    /// Honoured, with a difference.
    pub(super) const fn note(mut self, note: &'static str) -> Self {
        self.0.note = Some(note);
        self
    }
}

/// The rows of `clause`.
pub(super) const fn inside<const N: usize>(clause: Clause, rows: [Row; N]) -> [OptionSpec; N] {
    let mut placed = [rows[0].0; N];
    let mut index = 0;
    while index < N {
        placed[index] = rows[index].0;
        placed[index].clause = clause;
        index += 1;
    }
    placed
}

const fn row(name: &'static str, args: &'static [Kind], default: Unset, status: Status) -> Row {
    Row(OptionSpec {
        name,
        aliases: &[],
        clause: Clause::Server,
        args,
        default,
        check: None,
        status,
        since: None,
        note: None,
    })
}

/// A directive that does what Unbound does: the field it is carried to, and what a change of it takes.
pub(super) const fn honoured(
    name: &'static str,
    args: &'static [Kind],
    default: Unset,
    field: Field,
    change: Change,
) -> Row {
    row(name, args, default, Status::Honoured(field, change))
}

/// A directive that does nothing, and `why` that harms nobody.
pub(super) const fn inert(name: &'static str, args: &'static [Kind], default: &'static str, why: &'static str) -> Row {
    row(name, args, Unset::Words(default), Status::AcceptedWithoutEffect(why))
}

/// A directive that does nothing where people want a change by it, and `why` that harms nobody.
pub(super) const fn changes_nothing(
    name: &'static str,
    args: &'static [Kind],
    default: &'static str,
    why: &'static str,
) -> Row {
    row(name, args, Unset::Words(default), Status::ChangesNothing(why))
}

/// A directive of which there is a warning, unless its value is `harmless`.
pub(super) const fn not_yet(
    name: &'static str,
    args: &'static [Kind],
    default: &'static str,
    instead: &'static str,
    harmless: &'static [&'static str],
) -> Row {
    row(name, args, Unset::Words(default), Status::NotYet { instead, harmless })
}

/// A directive that is an error, unless its value is `harmless`.
pub(super) const fn refused(
    name: &'static str,
    args: &'static [Kind],
    default: &'static str,
    why: &'static str,
    harmless: &'static [&'static str],
) -> Row {
    row(name, args, Unset::Words(default), Status::Refused { why, harmless })
}

/// The default is what this value says.
pub(super) const fn is(value: &'static str) -> Unset {
    Unset::Value(value)
}

/// The default in words.
pub(super) const fn words(text: &'static str) -> Unset {
    Unset::Words(text)
}

pub(super) const RELOAD: Change = Change::Reload;
pub(super) const RESTART: Change = Change::Restart;

pub(super) const YES_NO: &[Kind] = &[Kind::YesNo];
pub(super) const COUNT: &[Kind] = &[NUMBER];
pub(super) const BYTES: &[Kind] = &[Kind::Bytes];
pub(super) const PATH: &[Kind] = &[Kind::Path];
pub(super) const TEXT: &[Kind] = &[Kind::Text];
pub(super) const NAME: &[Kind] = &[Kind::Name];
pub(super) const NETBLOCK: &[Kind] = &[Kind::Netblock];
pub(super) const NAT64_PREFIX: &[Kind] = &[Kind::Nat64Prefix];
/// Port 0 as well.
pub(super) const PORT: &[Kind] = &[Kind::Number(0, 65535)];
pub(super) const REAL_PORT: &[Kind] = &[Kind::Number(1, 65535)];
pub(super) const AT_LEAST_1: &[Kind] = &[Kind::Number(1, i32::MAX as i64)];
pub(super) const SLABS: &[Kind] = &[Kind::PowerOfTwo];
