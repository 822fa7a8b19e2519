//! What changes while the program is attached: addresses, their MACs and VLANs, which slave a bond takes frames in at.

use super::{Attached, place, rules};
use crate::attach::Target;
use crate::host::Changes;
use crate::serve::fast_path::promise::Promise;
use crate::serve::fast_path::tags;
use crate::xdp::PutError;
use std::io;
use std::net::IpAddr;

impl Attached {
    /// Puts addresses, MACs and VLANs that changed in force.
    pub(in crate::serve::fast_path) fn follow(&mut self, target: &Target, changes: &mut Changes) {
        self.follow_own(target);
        let name = &target.interface;
        self.tags.take(tags::keep(target, changes).unwrap_or_else(Some), name);
        self.follow_places(target);
        self.queues.iter().for_each(|queue| queue.share.follow(target));
        if target.standby != self.target.standby {
            // What was counted there was by the other rule.
            self.promise = Promise::default();
        }
        if self.steered && target.places != self.target.places {
            changes.keep_rules(name, &rules(target));
            if let Err(cause) = changes.steer(name, &rules(target), false) {
                log::warn!(
                    "{name}: no steering for the new addresses: {cause}; kernel sockets serve what comes to other queues"
                );
            }
        }
        self.target = target.clone();
    }

    /// Puts in force what is to be taken now. When the bond has failed over that is one log line, not one for each address.
    fn follow_places(&mut self, target: &Target) {
        let (name, before, now) = (&target.interface, self.target.in_force(), target.in_force());
        let flips = target.standby != self.target.standby;
        match target.standby {
            true if flips => log::info!("{name}: XDP stands by: its bond drops what comes in there now"),
            false if flips => log::info!("{name}: XDP serves what its bond takes in there now"),
            _ => (),
        }
        let said = |what: String, failed: Option<String>| match failed {
            None if flips => (),
            None => log::info!("{name}: XDP {what}"),
            Some(failure) => log::warn!("{name}: XDP {failure}"),
        };
        for changed in now.iter().filter(|place| !before.contains(place)) {
            let address = changed.address;
            let known = before.iter().any(|known| known.address == address);
            let how = if known { "by its new MAC or VLAN" } else { "too" };
            let failed = self.attachment.put(&place(changed)).err();
            said(format!("serves {address} {how}"), failed.map(|failed| not_put(address, known, &failed)));
        }
        let wanted = |address| now.iter().any(|place| place.address == address);
        for address in before.iter().map(|place| place.address).filter(|&address| !wanted(address)) {
            let failed = self.attachment.remove(address).err();
            said(format!("serves {address} no more"), failed.map(|cause| not_removed(address, &cause)));
        }
    }

    /// Puts the host's addresses that changed in force, as sources that are the kernel's.
    fn follow_own(&mut self, target: &Target) {
        let (attachment, before, now) = (&self.attachment, &self.target.own, &target.own);
        let name = &target.interface;
        let gone = before.iter().filter(|address| !now.contains(address));
        let come = now.iter().filter(|address| !before.contains(address));
        let failed = |results: Vec<io::Result<()>>| results.into_iter().find_map(Result::err);
        if let Some(cause) = failed(gone.map(|&address| attachment.remove_own(address)).collect()) {
            log::warn!(
                "{name}: XDP still takes addresses for this host's that it has no more ({cause}): kernel sockets serve a client \
                 that has one of them now"
            );
        }
        if let Some(cause) = failed(come.map(|&address| attachment.put_own(address)).collect()) {
            log::warn!(
                "{name}: XDP cannot tell this host's new addresses from clients' ({cause}): queries that claim to come from one \
                 may be answered to the wire"
            );
        }
    }
}

/// What serves an address whose place could not be put in force as it should; `known`: it has been served before.
fn not_put(address: IpAddr, known: bool, PutError { cause, in_force }: &PutError) -> String {
    match (in_force, known) {
        (true, _) => format!(
            "serves {address} as it should, with a look-up more for each query, as it cannot write the program's settings: {cause}"
        ),
        (false, true) => format!(
            "still serves {address} by its former MAC or VLAN alone: {cause}; kernel sockets serve the rest until a restart"
        ),
        (false, false) => format!("cannot serve {address}: {cause}; kernel sockets serve it until a restart"),
    }
}

/// What serves an address that could not be taken out.
fn not_removed(address: IpAddr, cause: &io::Error) -> String {
    format!("still serves {address}, which is not to be served there any more: {cause}; a restart ends that")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_serves_the_address_then() {
        let address = "192.0.2.1".parse().expect("an address");
        let failed = |in_force| PutError { cause: io::Error::from_raw_os_error(1), in_force };
        for (in_force, known, says, not) in [
            (
                false,
                false,
                "cannot serve 192.0.2.1: Operation not permitted (os error 1); kernel sockets serve it",
                "look-up",
            ),
            (false, true, "by its former MAC or VLAN alone", "cannot serve"),
            (true, false, "serves 192.0.2.1 as it should", "kernel sockets"),
            (true, true, "serves 192.0.2.1 as it should", "former"),
        ] {
            let told = not_put(address, known, &failed(in_force));
            assert!(told.contains(says) && !told.contains(not), "{told}");
        }
        let told = not_removed(address, &io::Error::from_raw_os_error(1));
        assert!(told.starts_with("still serves 192.0.2.1") && !told.contains("kernel sockets"), "{told}");
    }
}
