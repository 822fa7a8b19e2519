//! What a pair has now and would lose: a host has one pair, so another address takes the place of the first, and another
//! bridge or VLAN takes it from its clients.

use super::pair::value;
use super::{HOOK, Pair, STANZAS, VETH, serves};
use crate::config;
use crate::config::site::VLANS;
use crate::host::{Facts, InterfaceAddress, Link, Links, is_of_pair, pair_addresses, pair_addresses_now};
use crate::number;
use crate::setup::{CONFIGURATION, Run, SetupError};
use std::path::Path;

/// The pair as it is: by its files, and by what is up.
pub(super) struct Before<'a> {
    pub(super) stanzas: String,
    pub(super) hook: String,
    pub(super) links: Option<&'a Links>,
}

/// What would go, and what to do.
struct Loss {
    option: String,
    cause: String,
    fix: String,
}

/// # Errors
/// The configuration serves an address that the pair has now, and it would go, or leave its network, without a word that it may.
pub(super) fn keeps_what_is_served(run: &Run, pair: &Pair, facts: Option<&Facts>) -> Result<(), SetupError> {
    let links = facts.map(|facts| &facts.links);
    let before = Before { stanzas: run.text(STANZAS), hook: run.text(HOOK), links };
    let path = run.path(CONFIGURATION);
    let mut served = before.addresses();
    if pair.site.replace || served.is_empty() {
        return Ok(());
    }
    // One with errors is served from as well, by who read it before it had them.
    let config = config::read(&path).config;
    served.retain(|own| serves(&config, own.ip));
    if served.is_empty() {
        return Ok(());
    }
    let Some(Loss { option, cause, fix }) = before.loss(pair, &served, &path) else { return Ok(()) };
    let cause = format!("{cause}: clients that ask there would get no answer");
    Err(SetupError::new(Path::new(&option), &cause, &format!("{fix}, or --replace, if it is to go")))
}

fn listed(addresses: &[InterfaceAddress]) -> String {
    addresses.iter().map(InterfaceAddress::to_string).collect::<Vec<_>>().join(" and ")
}

impl Before<'_> {
    /// The addresses of the pair, by its file and as it is now.
    pub(super) fn addresses(&self) -> Vec<InterfaceAddress> {
        pair_addresses_now(&pair_addresses(&self.stanzas), self.links)
    }

    /// Where the other end is a port.
    pub(super) fn bridge(&self) -> Option<String> {
        let live = || {
            let links = self.links?;
            Some(links.master(links.peer(links.by_name(VETH)?)?)?.name.clone())
        };
        // What the stanzas begin with.
        let written = || self.stanzas.split_once(" becomes a port of ")?.1.split_whitespace().next();
        value(&self.hook, "BRIDGE").or_else(written).map(str::to_owned).or_else(live)
    }

    /// The VLAN that an address of it is in, if that was given.
    pub(super) fn vlan(&self, own: &InterfaceAddress) -> Option<u16> {
        let of_trunk = |line: &str| {
            let rest = line.trim().strip_prefix(&format!("up ip address replace {own} dev {VETH}."))?;
            number::read(rest.split_whitespace().next()?, VLANS).ok()
        };
        let live = || {
            let mut carriers = self.links?.carriers(own.ip).filter(|link| is_of_pair(&link.name));
            carriers.find_map(|link| number::read(link.name.strip_prefix(&format!("{VETH}."))?, VLANS).ok())
        };
        let access = || {
            let flags = value(&self.hook, "FLAGS").filter(|flags| !flags.is_empty());
            number::read(flags.and(value(&self.hook, "VLANS"))?, VLANS).ok()
        };
        let live_access = || {
            let links = self.links.filter(|_| self.hook.is_empty())?;
            let port = links.peer(links.by_name(VETH)?)?;
            vlan_alone(port, links.master(port)?)
        };
        self.stanzas.lines().find_map(of_trunk).or_else(live).or_else(access).or_else(live_access)
    }

    /// What of `served` would leave its bridge, its VLAN, or the pair.
    fn loss(&self, pair: &Pair, served: &[InterfaceAddress], configuration: &Path) -> Option<Loss> {
        let (new, conf) = (pair.bridge, configuration.display());
        if let Some(old) = self.bridge().filter(|old| old != new) {
            return Some(Loss {
                option: format!("--bridge {new}"),
                cause: format!("takes {VETH} with {} from {old}, where {conf} serves it", listed(served)),
                fix: format!("make a second pair at {new} (docs/proxmox.md, A second pair)"),
            });
        }
        if let Some((own, vlan)) = self.moved(pair, served) {
            let from = vlan.map_or_else(|| new.to_owned(), |vlan| format!("VLAN {vlan} of {new}"));
            return Some(Loss {
                option: format!("--address {own}"),
                cause: format!("would leave {from}, where {conf} serves it"),
                fix: self.stays(pair, &[own]),
            });
        }
        let gone: Vec<InterfaceAddress> = served.iter().copied().filter(|own| pair.place(own.ip).is_none()).collect();
        let given: Vec<String> = pair.site.addresses.iter().map(|address| format!("--address {address}")).collect();
        (!gone.is_empty()).then(|| Loss {
            option: given.join(" "),
            cause: format!("takes the place of {}, which {VETH} has now and {conf} serves", listed(&gone)),
            fix: self.stays(pair, &gone),
        })
    }

    /// The first of `served` that would be in another VLAN, and the one it is in.
    fn moved(&self, pair: &Pair, served: &[InterfaceAddress]) -> Option<(InterfaceAddress, Option<u16>)> {
        let now = |own: &InterfaceAddress| self.vlan(own).or(pair.untagged);
        let moved = |own: &&InterfaceAddress| pair.place(own.ip).is_some_and(|place| pair.vlan(place) != now(own));
        served.iter().find(moved).map(|own| (*own, now(own)))
    }

    /// The words by which the pair has `own` where they are now, and what was given beside them.
    fn stays(&self, pair: &Pair, own: &[InterfaceAddress]) -> String {
        let now = own.iter().map(|own| (own.to_string(), self.vlan(own).or(pair.untagged)));
        let plain = pair.site.vlans().is_empty() && now.clone().all(|(_, vlan)| vlan == pair.untagged);
        let given = pair.site.addresses.iter().enumerate();
        let given = given.filter(|(_, address)| own.iter().all(|own| own.ip != address.ip));
        let given = given.map(|(place, address)| (address.to_string(), pair.vlan(place)));
        let each = |(address, vlan): (String, Option<u16>)| Some(format!("--address {address} --vlan {}", vlan?));
        if plain {
            let more: Vec<String> = now.map(|(address, _)| format!("--address {address}")).collect();
            return format!("add {} and {VETH} has both", more.join(" "));
        }
        match now.chain(given).map(each).collect::<Option<Vec<String>>>() {
            Some(words) => format!("`{}` has each in its VLAN", words.join(" ")),
            None => "make a second pair for it (docs/proxmox.md, A second pair)".to_owned(),
        }
    }
}

/// The VLAN that a port is in alone, where that is another than its bridge has for frames without a tag.
pub(super) fn vlan_alone(port: &Link, bridge: &Link) -> Option<u16> {
    let own = port.vlans.as_ref().filter(|_| bridge.vlan_filtering == Some(true))?.pvid()?;
    let untagged = bridge.vlans.as_ref().and_then(|table| table.pvid());
    (Some(own) != untagged).then_some(own)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::host::recorded;

    #[test]
    fn what_is_up_counts_as_well() {
        let facts = recorded::facts("reference");
        let before = Before { stanzas: String::new(), hook: String::new(), links: Some(&facts.links) };
        assert_eq!(listed(&before.addresses()), "192.168.10.250/24");
        assert_eq!(before.bridge().as_deref(), Some("br-rb"));
    }
}
