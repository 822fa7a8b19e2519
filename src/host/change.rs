//! One change of an interface, and its line in the journal.

use crate::sys::ethtool::{Feature, UdpRule};
use crate::words::quoted;
use std::fmt;
use std::str::FromStr;

/// What takes a change back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undo {
    /// Switch a feature back.
    Feature(Feature, bool),
    /// So many queues: receiving, sending, other, combined.
    Channels([u32; 4]),
    /// Remove a rule.
    Rule(UdpRule),
}

/// A change, and the interface it was made on. Names pass from one interface to another, the index is what it is found
/// again by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// The interface that it was made for, as the rest of the program calls it: the same one, or a veth's other end.
    pub(super) target: String,
    /// The name when the change was made.
    pub(super) interface: String,
    /// The index; 0, which none has, when it could not be found out: then the name has to do.
    pub(super) index: u32,
    pub(super) undo: Undo,
}

impl fmt::Display for Undo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Feature(feature, on) => write!(f, "{} {}", feature.word(), if *on { "on" } else { "off" }),
            Self::Channels([rx, tx, other, combined]) => write!(f, "channels {rx} {tx} {other} {combined}"),
            Self::Rule(rule) => write!(f, "rule {} {} {}", rule.address, rule.port, rule.queue),
        }
    }
}

impl Undo {
    /// The command that does the same.
    pub(super) fn by_hand(&self, interface: &str) -> String {
        let name = quoted(interface);
        match self {
            Self::Feature(..) => format!("ethtool -K {name} {self}"),
            Self::Channels([rx, tx, other, combined]) => {
                let all = [("rx", rx), ("tx", tx), ("other", other), ("combined", combined)];
                let words = all.iter().filter(|(_, count)| **count > 0).map(|(word, count)| format!(" {word} {count}"));
                format!("ethtool -L {name}{}", words.collect::<String>())
            }
            Self::Rule(rule) => {
                format!("`ethtool -n {name}` shows the rule for {}, `ethtool -N {name} delete N`", rule.address)
            }
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.index, self.interface, self.undo)
    }
}

impl FromStr for Change {
    type Err = ();

    fn from_str(line: &str) -> Result<Self, ()> {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words.get(at).and_then(|word| word.parse::<u32>().ok()).ok_or(());
        let on = || match words.get(3) {
            Some(&"on") => Ok(true),
            Some(&"off") => Ok(false),
            _ => Err(()),
        };
        let word = *words.get(2).ok_or(())?;
        let undo = match word {
            "channels" => Undo::Channels([number(3)?, number(4)?, number(5)?, number(6)?]),
            "rule" => Undo::Rule(UdpRule {
                address: words.get(3).and_then(|word| word.parse().ok()).ok_or(())?,
                port: number(4)?.try_into().map_err(|_| ())?,
                queue: number(5)?,
            }),
            _ => Undo::Feature(Feature::from_word(word).ok_or(())?, on()?),
        };
        let interface = words[1].to_owned();
        Ok(Self { index: number(0)?, target: interface.clone(), interface, undo })
    }
}
