//! What a pair has now and would lose: a host has one pair, so another address takes the place of the first.

use super::{STANZAS, serves};
use crate::config;
use crate::config::site::Site;
use crate::host::{Facts, InterfaceAddress, PAIR, pair_addresses, pair_addresses_now};
use crate::setup::{CONFIGURATION, Run, SetupError};
use std::path::Path;

/// # Errors
/// The configuration serves an address that the pair has now, and `site` neither repeats it nor says that it may go.
pub(super) fn keeps_what_is_served(run: &Run, site: &Site, facts: Option<&Facts>) -> Result<(), SetupError> {
    let lost = lost(site, &pair_addresses(&run.text(STANZAS)), facts);
    if site.replace || lost.is_empty() {
        return Ok(());
    }
    let path = run.path(CONFIGURATION);
    // One with errors is served from as well, by who read it before it had them.
    let config = config::read(&path).config;
    let served: Vec<String> =
        lost.into_iter().filter(|own| serves(&config, own.ip)).map(|own| own.to_string()).collect();
    if served.is_empty() {
        return Ok(());
    }
    let given: Vec<String> = site.addresses.iter().map(|address| format!("--address {address}")).collect();
    let more: Vec<String> = served.iter().map(|address| format!("--address {address}")).collect();
    let cause = format!(
        "takes the place of {}, which {PAIR} has now and {} serves: clients that ask there would get no answer",
        served.join(" and "),
        path.display()
    );
    let fix = format!(
        "add {} (before the --vlan it is in, if it is in one) and {PAIR} has both, or --replace, if it is to go",
        more.join(" ")
    );
    Err(SetupError::new(Path::new(&given.join(" ")), &cause, &fix))
}

/// The addresses of the pair, by its file and as it is now, that are not among those of `site`.
fn lost(site: &Site, written: &[InterfaceAddress], facts: Option<&Facts>) -> Vec<InterfaceAddress> {
    let mut all = pair_addresses_now(written, facts.map(|facts| &facts.links));
    all.retain(|own| site.addresses.iter().all(|address| address.ip != own.ip));
    all
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::host::recorded;

    #[test]
    fn an_address_of_a_pair_that_is_up_counts_as_well() {
        let facts = recorded::facts("reference");
        let mut site = Site::default();
        site.add_address("192.168.10.251/24").unwrap();
        let told =
            |site: &Site| lost(site, &[], Some(&facts)).iter().map(InterfaceAddress::to_string).collect::<Vec<_>>();
        assert!(told(&site).contains(&"192.168.10.250/24".to_owned()), "{:?}", told(&site));
        site.add_address("192.168.10.250/24").unwrap();
        assert!(!told(&site).contains(&"192.168.10.250/24".to_owned()), "it is repeated");
    }
}
