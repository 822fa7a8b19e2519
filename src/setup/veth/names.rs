//! The names of interfaces on the command line: files and scripts have those that the kernel and ifupdown go by.

use crate::config::site::Site;
use crate::host::{self, Interface, Named};
use crate::setup::{Run, SetupError};
use std::path::Path;

/// Most octets of an interface's own name (IFNAMSIZ without the final zero).
const LONGEST: usize = 15;

/// `site` with the bridge and the NICs by their own names, where one of their other names (`altname` of ip-link(8)) was given.
///
/// # Errors
/// When the interfaces of this host cannot be read, or a name that is none of them is longer than their own may be.
pub(in crate::setup) fn by_own_names(run: &mut Run, site: &Site) -> Result<Site, SetupError> {
    let mut site = site.clone();
    if site.bridge.is_none() {
        return Ok(site);
    }
    let here = if run.is_host() {
        host::interfaces().map_err(|cause| SetupError::io(Path::new("the host's interfaces"), &cause))?
    } else {
        Vec::new()
    };
    for (given, own) in take_own_names(&mut site, &here) {
        if !run.prints {
            run.note(&format!("{given} is another name of {own}, which the files have"));
        }
    }
    let names =
        site.bridge.iter().map(|name| ("--bridge", name)).chain(site.steer.iter().map(|name| ("--steer", name)));
    let Some((option, name)) = names.into_iter().find(|(_, name)| name.len() > LONGEST) else { return Ok(site) };
    let cause = format!(
        "there is no such interface: it has {} letters, names have at most {LONGEST}, and other names (altname) are known of this \
         host alone",
        name.len()
    );
    Err(SetupError::new(Path::new(&format!("{option} {name}")), &cause, "`ip -br link` lists the names"))
}

/// Puts own names for others, and tells which: the name that was given, and the own one. A NIC that has now been named twice is
/// named once.
fn take_own_names(site: &mut Site, here: &[Interface]) -> Vec<(String, String)> {
    let mut taken = Vec::new();
    for name in site.bridge.iter_mut().chain(&mut site.steer) {
        if let Some(found) = here.iter().find(|interface| interface.is_called(name) && interface.name != *name) {
            taken.push((name.clone(), found.name.clone()));
            name.clone_from(&found.name);
        }
    }
    let mut nics = Vec::new();
    site.steer.retain(|name| {
        !nics.contains(name) && {
            nics.push(name.clone());
            true
        }
    });
    taken
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::host::tests::recorded;

    #[test]
    fn other_names_give_way_to_own_ones() {
        let mut here = recorded(&[("br-rb", &[]), ("nic0", &[]), ("nic1", &[])]);
        here[0].altnames = vec!["resolvers".into()];
        here[1].altnames = vec!["enx525400123456".into(), "enp33s0f0np0-of-the-first-card".into()];
        let mut site = Site::default();
        site.set_bridge("resolvers").unwrap();
        for nic in ["enp33s0f0np0-of-the-first-card", "nic1", "nic0", "eth9"] {
            site.add_steer(nic).unwrap();
        }
        let taken = take_own_names(&mut site, &here);
        assert_eq!(
            (site.bridge.as_deref(), site.steer),
            (Some("br-rb"), vec!["nic0".into(), "nic1".into(), "eth9".into()])
        );
        let texts: Vec<String> = taken.iter().map(|(given, own)| format!("{given}={own}")).collect();
        assert_eq!(texts, ["resolvers=br-rb", "enp33s0f0np0-of-the-first-card=nic0"]);
    }
}
