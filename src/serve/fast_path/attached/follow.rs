//! What changes while the program is attached: addresses, their MACs and VLANs, which slave a bond takes frames in at.

use super::held::News;
use super::{Attached, rules};
use crate::attach::Target;
use crate::host::Changes;
use crate::serve::fast_path::promise::Promise;
use crate::serve::fast_path::queue::is_away;
use std::net::IpAddr;
use std::time::Instant;

impl Attached {
    /// Puts addresses, MACs and VLANs that changed in force.
    pub(in crate::serve::fast_path) fn follow(&mut self, target: &Target, changes: &mut Changes) {
        if is_away(target) {
            self.pause_answers();
        }
        let name = &target.interface;
        tell(name, self.held.follow_own(&target.own, &self.attachment));
        self.follow_places(target);
        self.queues.iter().for_each(|queue| queue.share.follow(target));
        if target.standby != self.target.standby {
            // What was counted there was by the other rule.
            self.promise = Promise::default();
        }
        self.follow_rules(target, changes);
        self.target = target.clone();
        self.review_tags(changes, Instant::now());
    }

    /// Puts in force what is to be taken now. When the bond has failed over that is one log line, not one for each address.
    fn follow_places(&mut self, target: &Target) {
        let name = &target.interface;
        let flips = target.standby != self.target.standby;
        match target.standby {
            true if flips => log::info!("{name}: XDP stands by: its bond drops what comes in there now"),
            false if flips => log::info!("{name}: XDP serves what its bond takes in there now"),
            _ => (),
        }
        let quiet: Vec<IpAddr> = if flips { addresses(target).collect() } else { self.tell_shut_places(target) };
        let news = self.held.follow_places(&target.in_force(), &quiet, &self.attachment);
        tell(name, news);
    }

    /// Says which places are not to be taken any more as something above is in their way, and which are again. Gives the
    /// addresses of those that changed so.
    fn tell_shut_places(&mut self, target: &Target) -> Vec<IpAddr> {
        let name = &target.interface;
        self.shut.news(target, Instant::now()).iter().for_each(|line| log::info!("{name}: XDP: {line}"));
        let before = |address| self.target.places.iter().find(|place| place.address == address);
        let flips = target
            .places
            .iter()
            .filter(|place| before(place.address).is_some_and(|before| before.shut.is_some() != place.shut.is_some()));
        flips.map(|place| place.address).collect()
    }

    /// Has the driver's rules send the addresses that changed to queue 0, too; where it failed, at each look.
    fn follow_rules(&mut self, target: &Target, changes: &mut Changes) {
        let name = &target.interface;
        if !self.steered || self.unsteered.is_none() && target.places == self.target.places {
            return;
        }
        changes.keep_rules(name, &rules(target));
        let failed = changes.steer(name, &rules(target), false).err();
        match &failed {
            Some(cause) if self.unsteered != failed => log::warn!(
                "{name}: no steering for the new addresses: {cause}; kernel sockets serve what comes to other queues"
            ),
            None if self.unsteered.is_some() => log::info!("{name}: rules of the driver steer the new addresses, too"),
            _ => (),
        }
        self.unsteered = failed;
    }

    /// Whether something could not be put in force and is to be tried again.
    pub(in crate::serve::fast_path) fn is_behind(&self) -> bool {
        self.held.lack().is_some() || self.unsteered.is_some()
    }
}

fn addresses(target: &Target) -> impl Iterator<Item = IpAddr> {
    target.places.iter().map(|place| place.address)
}

fn tell(interface: &str, news: News) {
    news.done.iter().for_each(|line| log::info!("{interface}: XDP {line}"));
    news.failed.iter().for_each(|line| log::warn!("{interface}: XDP {line}"));
}
