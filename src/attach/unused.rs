//! The words of `xdp-interface:` by which no program goes anywhere.

use crate::config::{Config, XdpUse};
use crate::host::{Kind, Links};

/// A word of `xdp-interface:` by which nothing is attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unused {
    /// The word, its line, the cause and what to do, in one line of text.
    pub text: String,
    /// It never is an interface to attach to as the host is now: none is called that, or it is a bond. Of another interface it
    /// may be meant that an address comes there later.
    pub is_wrong: bool,
}

/// Those of a configuration that name none of the links, by index, that are to be attached to; each word once.
pub(super) fn words(config: &Config, attached: &[u32], links: &Links) -> Vec<Unused> {
    if config.xdp.enable == XdpUse::No || !config.do_udp || links.user_namespace {
        return Vec::new();
    }
    let mut all: Vec<Unused> = Vec::new();
    for (number, line) in config.xdp.interfaces.iter().enumerate() {
        let name = &line.name;
        let link = links.by_name(name);
        let again = config.xdp.interfaces.iter().take(number).any(|before| before.name == *name);
        if again || link.is_some_and(|link| attached.contains(&link.index)) {
            continue;
        }
        // A default stands in no file.
        let at = if line.at.line > 0 { format!(" ({})", config.files.describe(line.at)) } else { String::new() };
        let (is_wrong, why) = match link.map(|link| &link.kind) {
            None => (
                true,
                format!(
                    "there is no {name} here{at}, so by that line XDP goes nowhere: write a name that `ip -brief link` \
                     shows, or remove the line"
                ),
            ),
            Some(Kind::Bond { .. }) => (true, format!("{name} is a bond{at}: name its slaves, a line each")),
            Some(_) => (
                false,
                format!(
                    "{name} neither carries an address that is listened at nor stands below one, or has no native XDP{at}, \
                     so by that line XDP goes nowhere"
                ),
            ),
        };
        all.push(Unused { text: format!("xdp-interface: {why}"), is_wrong });
    }
    all
}

#[cfg(test)]
#[path = "unused_tests.rs"]
mod tests;
