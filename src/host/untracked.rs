//! Rules of iptables that keep packets out of the connection tracking (iptables-extensions(8), CT and NOTRACK). The table `raw` is asked
//! for as an administrator would, by `iptables-save`, which reads and changes nothing.

use super::network;
use crate::number;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};

/// The programs of a family, of nf_tables and of the older kind, where Debian has them, and the file that names the tables that the
/// older kind has in the kernel: to ask for another one would make it.
const PROGRAMS: [(&str, &str, &str); 2] = [
    ("/usr/sbin/iptables-nft-save", "/usr/sbin/iptables-legacy-save", "/proc/net/ip_tables_names"),
    ("/usr/sbin/ip6tables-nft-save", "/usr/sbin/ip6tables-legacy-save", "/proc/net/ip6_tables_names"),
];

/// A rule of PREROUTING. What is not set is any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Untracked {
    source: Option<(IpAddr, u8)>,
    destination: Option<(IpAddr, u8)>,
    from_port: Option<u16>,
    to_port: Option<u16>,
    /// The port of a bridge that it came in at.
    physdev: Option<String>,
    is_v4: bool,
}

/// UDP packets of DNS that pass a bridge.
#[derive(Clone, Copy, Debug)]
pub struct Passing<'a> {
    /// The server's address.
    pub server: IpAddr,
    /// Its port.
    pub port: u16,
    /// Where they come into the bridge.
    pub link: &'a str,
    /// They are replies, of the server.
    pub replies: bool,
}

impl Untracked {
    /// What a line of `iptables-save -t raw`, or of `ip6tables-save`, says; `None` of a rule that does something else, or asks for
    /// more than is known here.
    pub fn of_line(line: &str, is_v4: bool) -> Option<Self> {
        rule(line, is_v4)
    }

    /// Whether it is about all of them.
    pub fn covers(&self, passing: &Passing) -> bool {
        let Passing { server, port, link, replies } = *passing;
        let (own, other) = if replies { (self.source, self.destination) } else { (self.destination, self.source) };
        let (own_port, other_port) =
            if replies { (self.from_port, self.to_port) } else { (self.to_port, self.from_port) };
        let is_there = own.is_none_or(|(ip, prefix)| super::InterfaceAddress { ip, prefix }.covers(server));
        let at = |name: &String| match name.strip_suffix('+') {
            Some(start) => link.starts_with(start),
            None => link == name,
        };
        self.is_v4 == server.is_ipv4()
            && is_there
            && own_port.is_none_or(|own| own == port)
            && other.is_none_or(|(_, prefix)| prefix == 0)
            && other_port.is_none()
            && self.physdev.as_ref().is_none_or(at)
    }
}

/// Those of this network namespace, of both families. None where they cannot be read.
pub(super) fn read() -> Vec<Untracked> {
    let mut all = Vec::new();
    for (at, (new, old, tables)) in PROGRAMS.into_iter().enumerate() {
        let has_raw = fs::read_to_string(tables).is_ok_and(|names| names.lines().any(|name| name == "raw"));
        for program in [(new, true), (old, has_raw)].into_iter().filter(|(_, asked)| *asked).map(|(program, _)| program)
        {
            all.extend(rules(&saved(program).unwrap_or_default(), at == 0));
        }
    }
    all
}

fn saved(program: &str) -> Option<String> {
    let mut command = Command::new(Path::new(program));
    let done = command.args(["-t", "raw"]).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    done.status.success().then(|| String::from_utf8_lossy(&done.stdout).into_owned())
}

fn rules(saved: &str, is_v4: bool) -> impl Iterator<Item = Untracked> {
    saved.lines().filter_map(move |line| Untracked::of_line(line, is_v4))
}

fn rule(line: &str, is_v4: bool) -> Option<Untracked> {
    let line = line.strip_prefix("-A PREROUTING ")?;
    // What somebody noted of it may be several words.
    let (line, rest) = match line.split_once("--comment \"") {
        Some((before, after)) => (before, after.split_once('"')?.1),
        None => (line, ""),
    };
    let mut words = line.split_whitespace().chain(rest.split_whitespace());
    let mut rule = Untracked { is_v4, ..Untracked::default() };
    let mut is_untracked = false;
    let address = |text: &str| {
        let own = network(text)
            .or_else(|| Some(super::InterfaceAddress { ip: text.parse().ok()?, prefix: if is_v4 { 32 } else { 128 } }));
        own.map(|own| (own.ip, own.prefix))
    };
    let port = |text: &str| number::read(text, 0..=u16::MAX).ok();
    while let Some(word) = words.next() {
        match word {
            "-s" => rule.source = Some(address(words.next()?)?),
            "-d" => rule.destination = Some(address(words.next()?)?),
            "--sport" => rule.from_port = Some(port(words.next()?)?),
            "--dport" => rule.to_port = Some(port(words.next()?)?),
            "--physdev-in" => rule.physdev = Some(words.next()?.to_owned()),
            "-p" => _ = words.next().filter(|protocol| *protocol == "udp")?,
            "-m" => _ = words.next().filter(|of| ["udp", "physdev", "comment"].contains(of))?,
            "-j" => {
                is_untracked =
                    matches!((words.next()?, words.clone().next()), ("NOTRACK", _) | ("CT", Some("--notrack")))
            }
            "--notrack" => {}
            "--comment" => _ = words.next()?,
            _ => return None,
        }
    }
    is_untracked.then_some(rule)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// As iptables-save 1.8.11 prints the rules of the finding.
    const SAVED: &str = "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
        -A PREROUTING -s 192.168.10.250/32 -p udp -m physdev --physdev-in veth-bnd -m udp --sport 53 -j CT --notrack\n\
        -A PREROUTING -d 192.168.10.250/32 -p udp -m physdev --physdev-in bond0.10 -m udp --dport 53 -j CT --notrack\nCOMMIT\n";

    fn passing(link: &str, replies: bool) -> Passing<'_> {
        Passing { server: "192.168.10.250".parse().unwrap(), port: 53, link, replies }
    }

    fn covered(saved: &str, passing: Passing) -> bool {
        rules(saved, true).any(|rule| rule.covers(&passing))
    }

    #[test]
    fn rules_of_the_finding_are_known_again() {
        assert!(covered(SAVED, passing("bond0.10", false)) && covered(SAVED, passing("veth-bnd", true)));
        for (link, replies) in [("bond0.20", false), ("bond0.10", true), ("veth-bnd", false)] {
            assert!(!covered(SAVED, passing(link, replies)), "{link}");
        }
        let other = Passing { port: 5353, ..passing("bond0.10", false) };
        assert!(!covered(SAVED, other) && !rules(SAVED, false).any(|rule| rule.covers(&passing("bond0.10", false))));
    }

    #[test]
    fn wider_rules_count_and_narrower_ones_do_not() {
        let line = |words: &str| format!("-A PREROUTING {words}\n");
        for words in [
            "-p udp -m udp --dport 53 -j NOTRACK",
            "-p udp -m comment --comment \"for DNS\" -j NOTRACK",
            "-j CT --notrack",
            "-d 192.168.0.0/16 -m physdev --physdev-in bond+ -j CT --notrack",
        ] {
            assert!(covered(&line(words), passing("bond0.10", false)), "{words}");
        }
        for words in [
            "-p tcp -m tcp --dport 53 -j CT --notrack",
            "-s 10.0.0.0/8 -p udp -j CT --notrack",
            "-p udp -m udp ! --dport 53 -j CT --notrack",
            "-i eno1 -j CT --notrack",
            "-p udp -j CT --zone 1",
            "-p udp -j ACCEPT",
            "-p udp -m udp --sport 1024 -j CT --notrack",
            "-p",
        ] {
            assert!(!covered(&line(words), passing("bond0.10", false)), "{words}");
        }
    }
}
