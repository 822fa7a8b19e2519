//! All cuts: those that are found by their names, and those that are found by their numbers alone.

pub use super::cut::{Cut, Known, Seat, Source};
use crate::dns::name::{is_at_or_below, suffixes};
use std::collections::HashMap;
use std::time::Duration;

/// Cuts looked at, when there are too many, for each that is added.
const LOOK_AT: usize = 64;

/// All cuts, by number.
#[derive(Default)]
pub struct Cuts {
    slots: Vec<Option<Cut>>,
    free: Vec<u32>,
    /// Of class IN; delegations and hints.
    by_name: HashMap<Box<[u8]>, u32>,
    /// Servers of cuts that are gone.
    unseated: Vec<u32>,
    /// Where the search for cuts that nobody comes back to goes on.
    hand: usize,
}

impl Cuts {
    /// A server that a delegation or the hints had, which is gone; each is given once.
    pub fn next_unseated(&mut self) -> Option<u32> {
        self.unseated.pop()
    }

    /// Numbers of cuts, those that are free included.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// How many are found by their name.
    pub fn listed(&self) -> usize {
        self.by_name.len()
    }

    /// Looks at some of those that are found by their name, and lets go of one to which no question has come since it was last
    /// looked at; false when there was none such.
    pub fn let_one_go(&mut self) -> bool {
        for _ in 0..LOOK_AT.min(self.slots.len()) {
            self.hand = (self.hand + 1) % self.slots.len();
            let Some(Some(cut)) = self.slots.get_mut(self.hand) else { continue };
            let place = self.hand as u32;
            let is_idle = !std::mem::take(&mut cut.is_recent) && cut.users == 0;
            if is_idle && self.by_name.get(cut.name.as_wire()) == Some(&place) {
                self.by_name.remove(cut.name.as_wire());
                self.release(place);
                return true;
            }
        }
        false
    }

    /// Forgets of the servers that `forgets` says that they do not serve a cut.
    pub fn forget_lame(&mut self, forgets: impl Fn(u32) -> bool) {
        let seats = self.slots.iter_mut().flatten().flat_map(|cut| &mut cut.seats);
        for seat in seats.filter(|seat| forgets(seat.server)) {
            (seat.lame_until, seat.recursive_until) = Default::default();
        }
    }

    /// The cut of a number.
    pub fn get(&self, cut: u32) -> Option<&Cut> {
        self.slots.get(cut as usize)?.as_ref()
    }

    /// The cut of a number.
    pub fn get_mut(&mut self, cut: u32) -> Option<&mut Cut> {
        self.slots.get_mut(cut as usize)?.as_mut()
    }

    /// Adds a cut that is found by its number alone, as a forward zone's.
    pub fn add(&mut self, cut: Cut) -> u32 {
        let place = self.free.pop().unwrap_or(self.slots.len() as u32);
        match self.slots.get_mut(place as usize) {
            Some(slot) => *slot = Some(cut),
            None => self.slots.push(Some(cut)),
        }
        place
    }

    /// Adds a cut that goes with the first question that was asked there.
    pub fn add_unheld(&mut self, mut cut: Cut) -> u32 {
        cut.is_held = false;
        self.add(cut)
    }

    /// Adds a cut that is found by its name; one of that name before is found no more.
    pub fn list(&mut self, mut cut: Cut) -> u32 {
        let name: Box<[u8]> = cut.name.as_wire().into();
        cut.is_recent = true;
        let place = self.add(cut);
        if let Some(before) = self.by_name.insert(name, place) {
            self.release(before);
        }
        place
    }

    /// Adds a cut as its parent makes it, for when all servers of the one that is found by its name have failed; it stays as long
    /// as that one, and is found by it until then.
    pub fn add_parent_side(&mut self, cut: Cut, until: Duration) -> u32 {
        let Some(&listed) = self.by_name.get(cut.name.as_wire()) else { return self.add_unheld(cut) };
        let place = self.add(cut);
        let before = self.get_mut(listed).and_then(|listed| listed.parent_side.replace((place, until)));
        if let Some((before, _)) = before {
            self.release(before);
        }
        place
    }

    /// The cut of a name as its parent makes it, where that is known at `now`.
    pub fn parent_side(&self, name: &[u8], now: Duration) -> Option<u32> {
        let (side, until) = self.get(*self.by_name.get(name)?)?.parent_side?;
        (now < until).then_some(side)
    }

    /// No further question comes to this cut: it goes with its last one.
    pub fn release(&mut self, cut: u32) {
        if let Some(before) = self.get_mut(cut) {
            before.is_held = false;
            self.drop_unused(cut);
        }
    }

    fn drop_unused(&mut self, cut: u32) {
        let Some(slot) = self.slots.get_mut(cut as usize) else { return };
        if let Some(gone) = slot.take_if(|cut| cut.users == 0 && !cut.is_held) {
            self.free.push(cut);
            if gone.source.zone().is_none() {
                self.unseated.extend(gone.seats.iter().map(|seat| seat.server).chain(gone.doubtful));
            }
            if let Some((side, _)) = gone.parent_side {
                self.release(side);
            }
        }
    }

    /// The cut of a name (wire form, lower case), when it is to be believed at `now`.
    pub fn named(&self, name: &[u8], now: Duration) -> Option<u32> {
        let &cut = self.by_name.get(name)?;
        self.get(cut).is_some_and(|cut| now < cut.until).then_some(cut)
    }

    /// The deepest cut that `name` (wire form, lower case) is at or below, of at least so many labels, and that is to be
    /// believed at `now`.
    pub fn find(&mut self, name: &[u8], least: usize, now: Duration) -> Option<u32> {
        let most = suffixes(name).count() - 1;
        for suffix in suffixes(name).take((most + 1).saturating_sub(least)) {
            let Some(&cut) = self.by_name.get(suffix) else { continue };
            if self.get(cut).is_some_and(|cut| now < cut.until) {
                return Some(cut);
            }
            self.by_name.remove(suffix);
            self.release(cut);
        }
        None
    }

    /// Forgets the cuts at and below `zone` (wire form, lower case).
    pub fn forget_below(&mut self, zone: &[u8]) {
        let below = |name: &[u8]| is_at_or_below(name, zone);
        let gone: Vec<u32> = self.by_name.extract_if(|name, _| below(name)).map(|(_, cut)| cut).collect();
        gone.into_iter().for_each(|cut| self.release(cut));
    }

    /// A question is asked at this cut from now on.
    pub fn enter(&mut self, cut: u32) {
        if let Some(cut) = self.get_mut(cut) {
            cut.users += 1;
            cut.is_recent = true;
        }
    }

    /// A question is asked there no more.
    pub fn leave(&mut self, cut: u32) {
        if let Some(left) = self.get_mut(cut) {
            left.users = left.users.saturating_sub(1);
            self.drop_unused(cut);
        }
    }
}
