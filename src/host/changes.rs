//! The few changes this program makes to interfaces, each taken back when it lets go of them: VLAN tags left in place, by
//! the interface's own driver or the other end of a veth pair, queries steered to receive queue 0, fewer receive queues.
//!
//! Before a change is made, what takes it back is written to a journal below /run/runbound, so that the next start takes
//! back what a killed process left.

use super::change::{Change, Undo};
use super::journal::Journal;
use super::netlink;
use crate::sys::ethtool::{self, Channels, Feature, UdpRule};
use crate::words::quoted;
use rustix::io::Errno;
use std::io;
use std::path::{Path, PathBuf};

/// The part of ethtool that is used, and what it is used on, so that tests can stand in for drivers.
pub trait Driver {
    /// The index of the interface that has this name now.
    fn index(&self, interface: &str) -> Option<u32>;
    /// The name that the interface of an index has now; ENODEV when it is gone.
    fn name(&self, index: u32) -> io::Result<String>;
    /// See [`ethtool::feature`].
    fn feature(&self, interface: &str, feature: Feature) -> io::Result<bool>;
    /// See [`ethtool::set_feature`].
    fn set_feature(&mut self, interface: &str, feature: Feature, on: bool) -> io::Result<()>;
    /// See [`ethtool::channels`].
    fn channels(&self, interface: &str) -> io::Result<Channels>;
    /// See [`ethtool::set_channels`].
    fn set_channels(&mut self, interface: &str, channels: Channels) -> io::Result<()>;
    /// See [`ethtool::find_rule`].
    fn find_rule(&self, interface: &str, rule: &UdpRule) -> io::Result<Option<u32>>;
    /// See [`ethtool::insert_rule`].
    fn insert_rule(&mut self, interface: &str, rule: &UdpRule) -> io::Result<u32>;
    /// See [`ethtool::delete_rule`].
    fn delete_rule(&mut self, interface: &str, location: u32) -> io::Result<()>;
}

/// The kernel's drivers.
#[derive(Debug, Default)]
pub struct Kernel;

impl Driver for Kernel {
    fn index(&self, interface: &str) -> Option<u32> {
        netlink::links().ok()?.into_iter().find(|link| link.name == interface).map(|link| link.index)
    }
    fn name(&self, index: u32) -> io::Result<String> {
        let link = netlink::links()?.into_iter().find(|link| link.index == index);
        link.map(|link| link.name).ok_or(Errno::NODEV.into())
    }
    fn feature(&self, interface: &str, feature: Feature) -> io::Result<bool> {
        ethtool::feature(interface, feature)
    }
    fn set_feature(&mut self, interface: &str, feature: Feature, on: bool) -> io::Result<()> {
        ethtool::set_feature(interface, feature, on)
    }
    fn channels(&self, interface: &str) -> io::Result<Channels> {
        ethtool::channels(interface)
    }
    fn set_channels(&mut self, interface: &str, channels: Channels) -> io::Result<()> {
        ethtool::set_channels(interface, channels)
    }
    fn find_rule(&self, interface: &str, rule: &UdpRule) -> io::Result<Option<u32>> {
        ethtool::find_rule(interface, rule)
    }
    fn insert_rule(&mut self, interface: &str, rule: &UdpRule) -> io::Result<u32> {
        ethtool::insert_rule(interface, rule)
    }
    fn delete_rule(&mut self, interface: &str, location: u32) -> io::Result<()> {
        ethtool::delete_rule(interface, location)
    }
}

/// Why VLAN tags do not stay on the frames of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagsLost {
    /// Its driver, or that of the other end, takes them off and cannot be told otherwise: the cause and what to do.
    Fixed(String),
    /// The interface that it is about is not here, or was given another name just now.
    Moved(String),
}

/// The switches of a driver that take VLAN tags off what it receives, and those of the other end of a veth pair that hand them
/// over beside what it sends.
const RECEIVED: [Feature; 2] = [Feature::RxVlan, Feature::RxStag];
const SENT: [Feature; 2] = [Feature::TxVlan, Feature::TxStag];

/// All changes that are in force.
#[derive(Debug, Default)]
pub struct Changes<D = Kernel> {
    driver: D,
    /// Where the journal is made at the first change; nowhere without a name.
    folder: PathBuf,
    journal: Option<Journal>,
    made: Vec<Change>,
}

impl Changes<Kernel> {
    /// For this host; first takes back what processes that are gone left in the journals of `folder`. Every change taken
    /// back, and a journal that cannot be had, is a log line.
    pub fn of_this_host(folder: &Path) -> Self {
        let mut left = Self { made: Journal::take_over(folder), ..Self::default() };
        while let Some(interface) = left.made.last().map(|change| change.target.clone()) {
            log::info!("{interface}: a runbound that was killed left changes there");
            left.undo(&interface);
        }
        Self { folder: folder.to_owned(), ..Self::default() }
    }
}

impl<D: Driver> Changes<D> {
    /// Has VLAN tags left on the frames that an interface receives: the XDP program looks for them. It is found by its `index`,
    /// whatever it is called by now.
    ///
    /// # Errors
    /// Why they are not there, and what to do.
    pub fn keep_received_tags(&mut self, interface: &str, index: u32) -> Result<(), TagsLost> {
        self.switch_off(interface, (interface, index), &RECEIVED)
    }

    /// The same of an interface that is one end of a veth pair: the other end, `peer` with its `index`, hands tags over beside the
    /// frame unless they are put into it there.
    ///
    /// # Errors
    /// As before.
    pub fn keep_tags_of_peer(&mut self, interface: &str, peer: &str, index: u32) -> Result<(), TagsLost> {
        self.switch_off(interface, (peer, index), &SENT)
    }

    /// Whether it is known that VLAN tags stay on what `interface` receives, or as the other end of a pair sends where `sends`. By
    /// its name, and without a look at all links: this is asked whenever it may have changed.
    pub fn leaves_tags(&self, interface: &str, sends: bool) -> bool {
        // A driver that tells nothing takes nothing off.
        let is_off = |feature| match self.driver.feature(interface, feature) {
            Ok(on) => !on,
            Err(cause) => cause.raw_os_error() != Some(Errno::NODEV.raw_os_error()),
        };
        if sends { SENT } else { RECEIVED }.into_iter().all(is_off)
    }

    /// The name that the interface of an index has now.
    ///
    /// # Errors
    /// ENODEV when it is gone; the netlink socket's.
    pub fn name(&self, index: u32) -> io::Result<String> {
        self.driver.name(index)
    }

    /// Whether anything is changed for the sake of `target`.
    pub fn has_any(&self, target: &str) -> bool {
        self.made.iter().any(|change| change.target == target)
    }

    /// Switches features of an interface off for the sake of `target`. A driver is told by the name of the interface, which may
    /// pass to another: so it is looked before and after whose it is.
    fn switch_off(&mut self, target: &str, (known, index): (&str, u32), features: &[Feature]) -> Result<(), TagsLost> {
        let moved = || {
            TagsLost::Moved(format!(
                "{target}: {known} was renamed, moved or removed just now, so it is not known that VLAN tags stay on the frames"
            ))
        };
        let interface = self.driver.name(index).map_err(|_| moved())?;
        // A driver that tells nothing takes nothing off.
        let is_on = |changes: &Self, feature| changes.driver.feature(&interface, feature).unwrap_or(false);
        let switched = features.iter().try_for_each(|&feature| match is_on(self, feature) {
            true => self.switch_one_off(target, (&interface, index), feature),
            false => Ok(()),
        });
        if self.driver.name(index).ok().as_ref() == Some(&interface) { switched } else { Err(moved()) }
    }

    fn switch_one_off(
        &mut self,
        target: &str,
        (interface, index): (&str, u32),
        feature: Feature,
    ) -> Result<(), TagsLost> {
        let word = feature.word();
        let undo = Undo::Feature(feature, true);
        let change = Change { target: target.to_owned(), interface: interface.to_owned(), index, undo };
        // It may have been switched on again by somebody else meanwhile, or the interface renamed.
        let same = |made: &Change| (&made.target, made.index, made.undo) == (&change.target, index, undo);
        let is_news = !self.made.iter().any(same);
        if is_news {
            self.made.push(change.clone());
            self.write();
        }
        if let Err(cause) = self.driver.set_feature(interface, feature, false) {
            if is_news {
                self.made.retain(|made| *made != change);
                self.write();
            }
            let missing = match cause.raw_os_error() {
                Some(libc::EPERM) => ": CAP_NET_ADMIN is missing (in a unit AmbientCapabilities=)",
                _ => "",
            };
            return Err(TagsLost::Fixed(format!(
                "{target}: {interface} takes VLAN tags off the frames, where a program does not see them, and `ethtool -K {} \
                 {word} off` fails: {cause}{missing}",
                quoted(interface)
            )));
        }
        log::info!("{interface}: {word} is off while XDP serves at {target}: the program there sees VLAN tags");
        Ok(())
    }

    /// Has what `rules` name sent to receive queue 0. With `force`, the steering of the driver is switched on for that.
    ///
    /// # Errors
    /// Why they are not: nothing is steered then.
    pub fn steer(&mut self, interface: &str, rules: &[UdpRule], force: bool) -> Result<(), String> {
        let failed = |what: &str, cause: io::Error| format!("{what}: {cause}");
        let on = self.driver.feature(interface, Feature::Ntuple).map_err(|cause| failed("ntuple", cause))?;
        if !on {
            if !force {
                return Err(format!(
                    "its ntuple filters are off; `ethtool -K {} ntuple on`, or xdp-steer: yes",
                    quoted(interface)
                ));
            }
            self.note(interface, Undo::Feature(Feature::Ntuple, false));
            if let Err(cause) = self.driver.set_feature(interface, Feature::Ntuple, true) {
                self.forget(interface, Undo::Feature(Feature::Ntuple, false));
                return Err(failed("the driver has no ntuple filters", cause));
            }
        }
        let steered = rules.iter().try_for_each(|rule| self.add_rule(interface, rule));
        if steered.is_err() {
            self.undo_some(interface, |undo| matches!(undo, Undo::Rule(_) | Undo::Feature(Feature::Ntuple, _)));
        }
        steered
    }

    /// Removes our rules that are not among `rules`.
    pub fn keep_rules(&mut self, interface: &str, rules: &[UdpRule]) {
        self.undo_some(interface, |undo| matches!(undo, Undo::Rule(rule) if !rules.contains(rule)));
    }

    /// One rule, read back. A rule that is there already is somebody else's and stays at exit.
    fn add_rule(&mut self, interface: &str, rule: &UdpRule) -> Result<(), String> {
        if matches!(self.driver.find_rule(interface, rule), Ok(Some(_))) {
            return Ok(());
        }
        self.note(interface, Undo::Rule(*rule));
        let inserted = self.driver.insert_rule(interface, rule);
        match inserted.map(|_| self.driver.find_rule(interface, rule)) {
            Ok(Ok(Some(_))) => Ok(()),
            Ok(_) => Err(format!("the driver took a rule for {} and does not show it", rule.address)),
            Err(cause) => {
                self.forget(interface, Undo::Rule(*rule));
                Err(format!("the driver refuses a rule for UDP to {} port {}: {cause}", rule.address, rule.port))
            }
        }
    }

    /// Has the interface receive on one queue. The driver may reset its link for that.
    ///
    /// # Errors
    /// Why it does not.
    pub fn receive_on_one_queue(&mut self, interface: &str) -> Result<(), String> {
        let before = self.driver.channels(interface).map_err(|cause| format!("channels: {cause}"))?;
        if before.rx + before.combined <= 1 {
            return Ok(());
        }
        let one =
            if before.combined > 0 { Channels { combined: 1, rx: 0, ..before } } else { Channels { rx: 1, ..before } };
        let undo = Undo::Channels([before.rx, before.tx, before.other, before.combined]);
        self.note(interface, undo);
        self.driver.set_channels(interface, one).map_err(|cause| {
            self.forget(interface, undo);
            format!("`ethtool -L {}` fails: {cause}", quoted(interface))
        })
    }

    /// Takes back what was changed for an interface, whatever its name is by now, the last change first. What cannot be taken
    /// back is a log line; an interface that is gone took its settings along.
    pub fn undo(&mut self, target: &str) {
        self.undo_some(target, |_| true);
    }

    /// Takes back everything.
    pub fn undo_all(&mut self) {
        while let Some(last) = self.made.last() {
            let target = last.target.clone();
            self.undo(&target);
        }
    }

    fn undo_some(&mut self, target: &str, which: impl Fn(&Undo) -> bool) {
        while let Some(at) = self.made.iter().rposition(|change| change.target == target && which(&change.undo)) {
            let Change { index, interface, undo, .. } = self.made.remove(at);
            match self.take_back_by_index(index, &interface, undo) {
                Ok(name) => log::info!("{name}: set back: {undo}"),
                Err(cause) if cause.raw_os_error() == Some(Errno::NODEV.raw_os_error()) => (),
                Err(cause) => {
                    log::warn!("{interface}: not set back: {undo}: {cause}; by hand: {}", undo.by_hand(&interface))
                }
            }
        }
        self.write();
    }

    /// Gives the name of the interface now. One that is renamed between the look for its name and the change is looked for again.
    fn take_back_by_index(&mut self, index: u32, known: &str, undo: Undo) -> io::Result<String> {
        if index == 0 {
            return self.take_back(known, undo).map(|()| known.to_owned());
        }
        let mut name = self.driver.name(index)?;
        loop {
            let done = self.take_back(&name, undo);
            let now = self.driver.name(index)?;
            if now == name {
                return done.map(|()| name);
            }
            name = now;
        }
    }

    fn take_back(&mut self, interface: &str, undo: Undo) -> io::Result<()> {
        match undo {
            Undo::Feature(feature, on) => self.driver.set_feature(interface, feature, on),
            Undo::Channels([rx, tx, other, combined]) => {
                self.driver.set_channels(interface, Channels { rx, tx, other, combined, ..Channels::default() })
            }
            Undo::Rule(rule) => match self.driver.find_rule(interface, &rule)? {
                Some(location) => self.driver.delete_rule(interface, location),
                None => Ok(()),
            },
        }
    }

    fn note(&mut self, interface: &str, undo: Undo) {
        let change = self.change(interface, interface, undo);
        self.made.push(change);
        self.write();
    }

    fn change(&self, target: &str, interface: &str, undo: Undo) -> Change {
        let index = self.driver.index(interface).unwrap_or(0);
        Change { target: target.to_owned(), interface: interface.to_owned(), index, undo }
    }

    fn forget(&mut self, interface: &str, undo: Undo) {
        self.made.retain(|change| change.target != interface || change.undo != undo);
        self.write();
    }

    fn write(&mut self) {
        if self.journal.is_none() && !self.made.is_empty() && !self.folder.as_os_str().is_empty() {
            self.journal = Journal::create(&std::mem::take(&mut self.folder));
        }
        if let Some(journal) = &mut self.journal {
            journal.write(&self.made);
        }
    }
}

#[cfg(test)]
#[path = "changes_tests.rs"]
mod tests;
