//! What the maps of a program hold. That is not always what is wanted there: a change may fail, and is tried again at each look.

use super::place;
use crate::attach::{Place, Target};
use crate::xdp::{Attachment, PutError};
use std::io;
use std::net::IpAddr;

/// The maps of addresses of a program.
pub(super) trait Maps {
    fn put(&self, place: &Place) -> Result<(), PutError>;
    fn remove(&self, address: IpAddr) -> io::Result<()>;
    fn put_own(&self, address: IpAddr) -> io::Result<()>;
    fn remove_own(&self, address: IpAddr) -> io::Result<()>;
}

impl Maps for Attachment {
    fn put(&self, wanted: &Place) -> Result<(), PutError> {
        self.put(&place(wanted))
    }

    fn remove(&self, address: IpAddr) -> io::Result<()> {
        self.remove(address)
    }

    fn put_own(&self, address: IpAddr) -> io::Result<()> {
        self.put_own(address)
    }

    fn remove_own(&self, address: IpAddr) -> io::Result<()> {
        self.remove_own(address)
    }
}

/// What a look changed and what it could not, in words that follow the interface's name and `XDP`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    pub(super) done: Vec<String>,
    /// Without what the last look said already.
    pub(super) failed: Vec<String>,
}

/// See the module's text.
pub(super) struct Held {
    places: Vec<Place>,
    own: Vec<IpAddr>,
    /// What the last look could not do.
    lacks: Vec<String>,
    lacks_own: Vec<String>,
}

impl Held {
    /// What is there after an attach that succeeded.
    pub(super) fn new(target: &Target) -> Self {
        let (places, own) = (target.in_force(), target.own.clone());
        Self { places, own, lacks: Vec::new(), lacks_own: Vec::new() }
    }

    /// What is not as it should be; `None` when all is.
    pub(super) fn lack(&self) -> Option<&str> {
        self.lacks.iter().chain(&self.lacks_own).next().map(String::as_str)
    }

    /// Has these places taken and no others. What of `quiet` comes or goes is said elsewhere.
    pub(super) fn follow_places(&mut self, wanted: &[Place], quiet: &[IpAddr], maps: &impl Maps) -> News {
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        // What goes makes room for what comes.
        self.places.retain(|&Place { address, .. }| {
            if wanted.iter().any(|place| place.address == address) {
                return true;
            }
            let removed = maps.remove(address);
            match &removed {
                Ok(()) if quiet.contains(&address) => {}
                Ok(()) => done.push(format!("serves {address} no more")),
                Err(cause) => failed.push(not_removed(address, cause)),
            }
            removed.is_err()
        });
        for place in wanted {
            if self.places.contains(place) {
                continue;
            }
            let address = place.address;
            let known = self.places.iter().any(|held| held.address == address);
            let put = maps.put(place);
            if put.as_ref().err().is_none_or(|failure| failure.in_force) {
                self.places.retain(|held| held.address != address);
                self.places.push(place.clone());
            }
            let how = if known { "by its new MAC or VLAN" } else { "too" };
            match put {
                Ok(()) if quiet.contains(&address) => {}
                Ok(()) => done.push(format!("serves {address} {how}")),
                Err(failure) => failed.push(not_put(address, known, &failure)),
            }
        }
        News { done, failed: fresh(&mut self.lacks, failed) }
    }

    /// Has these addresses for the host's own and no others.
    pub(super) fn follow_own(&mut self, wanted: &[IpAddr], maps: &impl Maps) -> News {
        let (mut gone, mut come) = (None, None);
        self.own.retain(|address| {
            let kept = if wanted.contains(address) { return true } else { maps.remove_own(*address).err() };
            let stays = kept.is_some();
            gone = gone.take().or(kept);
            stays
        });
        for &address in wanted {
            if self.own.contains(&address) {
                continue;
            }
            match maps.put_own(address) {
                Ok(()) => self.own.push(address),
                Err(cause) => come = come.or(Some(cause)),
            }
        }
        let gone = gone.map(|cause| {
            format!(
                "still takes addresses for this host's that it has no more ({cause}): kernel sockets serve a client that has one of \
                 them now; {TRIED_AGAIN}"
            )
        });
        let come = come.map(|cause| {
            format!(
                "cannot tell this host's new addresses from clients' ({cause}): queries that claim to come from one may be answered \
                 to the wire; {TRIED_AGAIN}"
            )
        });
        let failed: Vec<String> = gone.into_iter().chain(come).collect();
        let mends = failed.is_empty() && !self.lacks_own.is_empty();
        let done = mends.then(|| "tells this host's addresses from clients' again".to_owned());
        News { done: done.into_iter().collect(), failed: fresh(&mut self.lacks_own, failed) }
    }
}

/// What was not `said` at the last look; it is from now on.
fn fresh(said: &mut Vec<String>, failed: Vec<String>) -> Vec<String> {
    let news = failed.iter().filter(|line| !said.contains(line)).cloned().collect();
    *said = failed;
    news
}

const TRIED_AGAIN: &str = "it is tried again each minute";

/// What serves an address whose place could not be put in force as it should; `known`: it has been served before.
fn not_put(address: IpAddr, known: bool, PutError { cause, in_force }: &PutError) -> String {
    match (in_force, known) {
        (true, _) => format!(
            "serves {address} as it should, with a look-up more for each query, as it cannot write the program's settings: {cause}"
        ),
        (false, true) => format!(
            "still serves {address} by its former MAC or VLAN alone: {cause}; kernel sockets serve the rest, and {TRIED_AGAIN}"
        ),
        (false, false) => format!("cannot serve {address}: {cause}; kernel sockets serve it, and {TRIED_AGAIN}"),
    }
}

/// What serves an address that could not be taken out.
fn not_removed(address: IpAddr, cause: &io::Error) -> String {
    format!(
        "still serves {address}, which is not to be served there any more: {cause}; {TRIED_AGAIN}, and a restart ends it"
    )
}

#[cfg(test)]
#[path = "held_tests.rs"]
mod tests;
