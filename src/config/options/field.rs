//! From a directive's values to a field of [`Config`], and back to text.

use crate::config::address::ScopedAddress;
use crate::config::diagnostic::Location;
use crate::config::include::Place;
use crate::config::model::Config;
use crate::config::noted::Noted;
use crate::config::record::Record;
use crate::config::values::{Host, Netblock, Value};
use crate::dns::name_text::NameBuf;

/// Carries checked values into the configuration.
pub type Setter = fn(&mut Config, &mut Args<'_>) -> Result<(), String>;

/// Emits the values of a directive, one each, as the file would have them.
pub type Getter = fn(&Config, &mut dyn FnMut(&str));

/// Where the values of an honoured directive go.
#[derive(Clone, Copy)]
pub struct Field {
    /// Into the configuration.
    pub set: Setter,
    /// Out of it.
    pub show: Show,
    /// Several lines add up; else the last one counts.
    pub adds_up: bool,
}

/// How the values of a directive can be seen.
#[derive(Clone, Copy)]
pub enum Show {
    /// By `get_option`.
    Values(Getter),
    /// By this control command; the configuration of a running server does not hold them.
    Command(&'static str),
}

/// The values of one directive, checked, with room to work in.
pub struct Args<'a> {
    pub(in crate::config) values: [Value<'a>; 3],
    /// Where the directive stands.
    pub(in crate::config) at: Location,
    pub(in crate::config) name: &'a NameBuf,
    pub(in crate::config) record: &'a mut Record,
    pub(in crate::config) noted: &'a mut Noted,
    /// The clause that it stands in.
    pub(in crate::config) clause: Option<super::Clause>,
    /// Where files are found; `None` when none is looked at.
    pub(in crate::config) place: Option<&'a Place>,
    /// Something that does not work yet, to be said as a warning.
    pub(in crate::config) warning: Option<String>,
}

impl<'a> Args<'a> {
    pub(super) fn flag(&self, index: usize) -> bool {
        matches!(self.values.get(index), Some(Value::Flag(true)))
    }

    /// A number; its range was checked against the table's, which fits the field it goes to.
    pub(super) fn number<T: TryFrom<i64> + Default>(&self, index: usize) -> T {
        match self.values.get(index) {
            Some(Value::Number(number)) => T::try_from(*number).unwrap_or_default(),
            _ => T::default(),
        }
    }

    pub(super) fn text(&self, index: usize) -> &'a str {
        match self.values.get(index) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }

    pub(super) fn bytes(&self, index: usize) -> &'a [u8] {
        match self.values.get(index) {
            Some(Value::Bytes(bytes)) => bytes,
            _ => &[],
        }
    }

    pub(super) fn choice(&self, index: usize) -> usize {
        match self.values.get(index) {
            Some(Value::Choice(choice)) => *choice,
            _ => usize::MAX,
        }
    }

    pub(super) fn host(&self, index: usize) -> Option<(Host, Option<u16>)> {
        match self.values.get(index) {
            Some(Value::Host(host, port)) => Some((host.clone(), *port)),
            _ => None,
        }
    }

    pub(super) fn server(&self, index: usize) -> Option<(ScopedAddress, u16, &'a str)> {
        match self.values.get(index) {
            Some(Value::Server(address, port, name)) => Some((address.clone(), *port, name)),
            _ => None,
        }
    }

    pub(super) fn netblock(&self, index: usize) -> Option<Netblock> {
        match self.values.get(index) {
            Some(Value::Netblock(netblock)) => Some(*netblock),
            _ => None,
        }
    }
}

pub(super) const fn yes_no(on: bool) -> &'static str {
    if on { "yes" } else { "no" }
}

/// A field of its own setter and getter.
pub(super) const fn field(set: Setter, get: Getter) -> Field {
    Field { set, show: Show::Values(get), adds_up: false }
}

/// The same of which several lines add up.
pub(super) const fn list(set: Setter, get: Getter) -> Field {
    Field { set, show: Show::Values(get), adds_up: true }
}

/// A list that this control command shows.
pub(super) const fn shown_by(command: &'static str, set: Setter) -> Field {
    Field { set, show: Show::Command(command), adds_up: true }
}

/// A field that takes one value as it is: `plain!(flag do_ip4)`, `plain!(number port)`, `plain!(text username)`,
/// `plain!(path pidfile)`, `plain!(some identity)`, `plain!(choice xdp.steer, TOGGLES, WORDS)`.
macro_rules! plain {
    (flag $($field:ident).+) => {
        field(
            |config, args| { config.$($field).+ = args.flag(0); Ok(()) },
            |config, emit| emit(yes_no(config.$($field).+)),
        )
    };
    (number $($field:ident).+) => {
        field(
            |config, args| { config.$($field).+ = args.number(0); Ok(()) },
            |config, emit| emit(&config.$($field).+.to_string()),
        )
    };
    (text $($field:ident).+) => {
        field(
            |config, args| { config.$($field).+ = args.text(0).into(); Ok(()) },
            |config, emit| emit(&config.$($field).+),
        )
    };
    (path $($field:ident).+) => {
        field(
            |config, args| { config.$($field).+ = args.text(0).into(); Ok(()) },
            |config, emit| emit(&config.$($field).+.to_string_lossy()),
        )
    };
    (some $($field:ident).+) => {
        field(
            |config, args| { config.$($field).+ = Some(args.text(0).into()); Ok(()) },
            |config, emit| emit(config.$($field).+.as_deref().unwrap_or_default()),
        )
    };
    (choice $($field:ident).+, $list:expr, $words:expr) => {
        field(
            |config, args| {
                if let Some(value) = $list.get(args.choice(0)) {
                    config.$($field).+ = *value;
                }
                Ok(())
            },
            |config, emit| {
                let place = $list.iter().position(|value| *value == config.$($field).+);
                emit(place.and_then(|place| $words.get(place)).copied().unwrap_or_default());
            },
        )
    };
}
pub(super) use plain;
