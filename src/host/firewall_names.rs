//! What stands behind the names in the rules of Proxmox' firewall: aliases and sets of addresses of the cluster's file, which the
//! node's rules may name as well.

use super::InterfaceAddress;
use crate::number;
use std::collections::HashMap;
use std::net::IpAddr;

/// Most members of a set that are kept. Of a longer one it is not known whom it holds else.
const MOST_MEMBERS: usize = 4096;
/// The set to which Proxmox adds the network of the cluster.
const MANAGEMENT: &str = "management";

/// The aliases and sets of a cluster, by their names in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressNames {
    aliases: HashMap<String, InterfaceAddress>,
    sets: HashMap<String, AddressSet>,
}

/// A set of addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressSet {
    members: Vec<InterfaceAddress>,
    /// What is taken out again, by `!`.
    excluded: Vec<InterfaceAddress>,
    /// There is more in it than is known here.
    has_more: bool,
}

impl AddressNames {
    /// From the lines of `[ALIASES]` and those of each `[IPSET name]`, without comments.
    pub(super) fn from_lines(aliases: &[String], sets: &HashMap<String, Vec<String>>) -> Self {
        let alias = |line: &String| {
            let (name, value) = line.split_once(char::is_whitespace)?;
            Some((name.to_ascii_lowercase(), network(value.trim())?))
        };
        let mut names = Self { aliases: aliases.iter().filter_map(alias).collect(), sets: HashMap::new() };
        let set = |(name, lines): (&String, &Vec<String>)| (name.clone(), AddressSet::from_lines(name, lines, &names));
        names.sets = sets.iter().map(set).collect();
        names
    }

    /// The network that an alias of the cluster stands for; `None` for what is no such alias.
    pub fn alias(&self, word: &str) -> Option<InterfaceAddress> {
        self.aliases.get(&of_cluster(word)).copied()
    }

    /// The set that `+name` or `+dc/name` stands for; `None` when it is none of the cluster.
    pub fn set(&self, word: &str) -> Option<&AddressSet> {
        self.sets.get(&of_cluster(word.strip_prefix('+')?))
    }
}

/// A name without what says that it is the cluster's, in lower case.
fn of_cluster(word: &str) -> String {
    let word = word.to_ascii_lowercase();
    word.strip_prefix("dc/").map_or(word.clone(), str::to_owned)
}

/// An address, or a network like `10.0.0.0/8`.
pub fn network(text: &str) -> Option<InterfaceAddress> {
    let (ip, prefix) = text.split_once('/').map_or((text, None), |(ip, prefix)| (ip, Some(prefix)));
    let ip: IpAddr = ip.parse().ok()?;
    let longest = if ip.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.map_or(Some(longest), |prefix| number::read(prefix, 0..=longest).ok())?;
    Some(InterfaceAddress { ip, prefix })
}

impl AddressSet {
    fn from_lines(name: &str, lines: &[String], names: &AddressNames) -> Self {
        let mut set = Self { has_more: name == MANAGEMENT || lines.len() > MOST_MEMBERS, ..Self::default() };
        for line in lines.iter().take(MOST_MEMBERS) {
            let (text, list) = match line.strip_prefix('!') {
                Some(text) => (text.trim_start(), &mut set.excluded),
                None => (line.as_str(), &mut set.members),
            };
            match network(text).or_else(|| names.alias(text)) {
                Some(network) => list.push(network),
                None => set.has_more = true,
            }
        }
        set
    }

    /// Whether an address is in it; `None` when that is not known, as of one that is in a network which is taken out, and in a
    /// smaller one within that: ipset has the smaller one in the set, nftables does not.
    pub fn holds(&self, ip: IpAddr) -> Option<bool> {
        let narrowest = |list: &[InterfaceAddress]| {
            list.iter().filter(|network| network.covers(ip)).map(|network| network.prefix).max()
        };
        match (narrowest(&self.members), narrowest(&self.excluded)) {
            (Some(member), Some(excluded)) if excluded > member => (!self.has_more).then_some(false),
            (Some(_), Some(_)) => None,
            (Some(_), None) => (!self.has_more).then_some(true),
            (None, _) => (!self.has_more).then_some(false),
        }
    }

    /// Whether any address of a family is in it; `None` when that is not known.
    pub fn has_family(&self, ipv4: bool) -> Option<bool> {
        let is_out = |member: &InterfaceAddress| {
            self.excluded.iter().any(|excluded| excluded.prefix <= member.prefix && excluded.covers(member.ip))
        };
        let mut members = self.members.iter().filter(|member| member.ip.is_ipv4() == ipv4).peekable();
        match members.peek() {
            None => (!self.has_more).then_some(false),
            Some(_) => members.any(|member| !is_out(member)).then_some(true),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn names(aliases: &[&str], sets: &[(&str, &[&str])]) -> AddressNames {
        let owned = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<String>>();
        let sets = sets.iter().map(|(name, lines)| ((*name).to_owned(), owned(lines))).collect();
        AddressNames::from_lines(&owned(aliases), &sets)
    }

    fn holds(lines: &[&str], ip: &str) -> Option<bool> {
        names(&["office 10.1.0.0/16"], &[("a", lines)]).set("+a").unwrap().holds(ip.parse().unwrap())
    }

    #[test]
    fn a_set_holds_its_members_but_what_is_taken_out() {
        let lines = ["10.0.0.0/8", "!10.1.0.0/16", "192.0.2.1", "fd53::/64", "! fd53::1"];
        for (ip, expected) in [
            ("10.2.0.1", true),
            ("10.1.0.1", false),
            ("192.0.2.1", true),
            ("192.0.2.2", false),
            ("fd53::2", true),
            ("fd53::1", false),
        ] {
            assert_eq!(holds(&lines, ip), Some(expected), "{ip}");
        }
        assert_eq!(
            holds(&["10.0.0.0/8", "!10.1.0.0/16", "10.1.2.0/24"], "10.1.2.3"),
            None,
            "ipset and nftables differ"
        );
        assert_eq!(holds(&["office"], "10.1.0.1"), Some(true));
        assert_eq!(holds(&["dc/OFFICE", "!10.1.0.1"], "10.1.0.1"), Some(false));
        assert_eq!((holds(&["gone"], "10.1.0.1"), holds(&["10.0.0.1-10.0.0.9"], "10.0.0.2")), (None, None));
        assert_eq!(holds(&["!gone", "10.1.0.1"], "10.1.0.1"), None, "it may be taken out");
        assert_eq!(holds(&[], "10.1.0.1"), Some(false));
    }

    #[test]
    fn the_families_of_a_set_are_told() {
        let family = |lines: &[&str], ipv4| names(&[], &[("a", lines)]).set("+dc/A").unwrap().has_family(ipv4);
        assert_eq!((family(&["10.0.0.1"], true), family(&["10.0.0.1"], false)), (Some(true), Some(false)));
        assert_eq!(family(&["10.0.0.1", "!10.0.0.0/8"], true), None);
        assert_eq!(family(&["10.0.0.0/8", "!10.0.0.1"], true), Some(true));
        assert_eq!(family(&["10.0.0.1", "gone"], false), None);
    }

    #[test]
    fn of_long_sets_and_of_that_which_proxmox_adds_to_the_rest_is_not_known() {
        let long: Vec<String> =
            (0..=MOST_MEMBERS).map(|number| format!("10.0.{}.{}", number >> 8, number & 255)).collect();
        let long: Vec<&str> = long.iter().map(String::as_str).collect();
        assert_eq!(holds(&long[..MOST_MEMBERS], "192.0.2.1"), Some(false));
        assert_eq!(holds(&long, "192.0.2.1"), None);
        let management = names(&[], &[("management", &["10.0.0.1"])]);
        assert_eq!(management.set("+management").unwrap().holds("192.0.2.1".parse().unwrap()), None);
        assert!(management.set("management").is_none() && management.set("+sdn/a").is_none());
    }
}
