//! What validation goes by.

use super::algorithm::Fakes;
use super::anchors::Anchors;
use super::autotrust::Followed;
use super::autotrust_step::Timers;
use super::iterations::Iterations;
use super::{Clock, Denial, Keys, Set, chain};
use std::sync::Arc;

/// What counts as now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Date {
    /// The clock of the wall.
    #[default]
    Wall,
    /// This second since 1970 (`val-override-date:`).
    Fixed(u32),
    /// Nothing: times of signatures are not looked at (`val-override-date: -1`).
    Any,
}

/// Settings of validation.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Where trust begins, and where none is wanted.
    pub anchors: Arc<Anchors>,
    /// `val-override-date:`
    pub date: Date,
    /// `val-sig-skew-min:`
    pub skew_min: u32,
    /// `val-sig-skew-max:`
    pub skew_max: u32,
    /// `val-nsec3-keysize-iterations:`
    pub iterations: Iterations,
    /// `harden-dnssec-stripped:`
    pub harden_stripped: bool,
    /// `harden-algo-downgrade:`
    pub harden_downgrade: bool,
    /// `val-permissive-mode:`
    pub permissive: bool,
    /// `val-clean-additional:`
    pub clean_additional: bool,
    /// `val-bogus-ttl:`, seconds.
    pub bogus_ttl: u32,
    /// `val-max-restart:`, how often other servers are asked for what is bogus.
    pub restarts: u8,
    /// `ignore-cd-flag:`
    pub ignore_cd: bool,
    /// `key-cache-size:`, octets.
    pub key_cache: usize,
    /// `disable-dnssec-lame-check: no`
    pub checks_lameness: bool,
    /// `aggressive-nsec:`
    pub aggressive: bool,
    /// `neg-cache-size:`, octets.
    pub negative_cache: usize,
    /// `auto-trust-anchor-file:`, as the files had it.
    pub followed: Vec<Followed>,
    /// How these are followed.
    pub timers: Timers,
    /// `root-key-sentinel:`
    pub sentinel: bool,
    /// `trust-anchor-signaling:`
    pub signals: bool,
    /// `prefetch-key:`
    pub prefetches: bool,
    /// Which signatures count as valid: none but in scenarios.
    pub fakes: Fakes,
}

impl Default for Rules {
    /// As without any of these in the configuration.
    fn default() -> Rules {
        Rules {
            anchors: Arc::default(),
            date: Date::Wall,
            skew_min: 3600,
            skew_max: 86400,
            iterations: Iterations::default(),
            harden_stripped: true,
            harden_downgrade: false,
            permissive: false,
            clean_additional: true,
            bogus_ttl: 60,
            restarts: 5,
            ignore_cd: false,
            key_cache: 4 << 20,
            checks_lameness: true,
            aggressive: true,
            negative_cache: 1 << 20,
            followed: Vec::new(),
            timers: Timers::default(),
            sentinel: true,
            signals: true,
            prefetches: false,
            fakes: Fakes::default(),
        }
    }
}

impl Rules {
    /// The time when the clock of the wall has `wall`, seconds since 1970.
    pub fn clock(&self, wall: u64) -> Clock {
        let now = match self.date {
            // Modulo 2³², as RRSIG has it (RFC 4034 section 3.1.5).
            Date::Wall => Some(wall as u32),
            Date::Fixed(second) => Some(second),
            Date::Any => None,
        };
        Clock { now, skew_min: self.skew_min, skew_max: self.skew_max }
    }

    /// What proofs that a zone has signed are worth: how often a name is hashed again depends on its keys.
    pub(super) fn denial<'d>(&self, keys: &'d Keys, proofs: &[Set<'d>]) -> Denial<'d> {
        Denial::new(keys.zone(), proofs, self.iterations.of_key(keys.largest()))
    }

    /// What a step of a chain of trust goes by.
    pub(super) fn step(&self, clock: Clock) -> chain::Rules {
        chain::Rules { clock, harden_algo_downgrade: self.harden_downgrade, fakes: self.fakes }
    }
}
