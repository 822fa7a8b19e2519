//! Whether the plan comes true: what XDP is to have, and whether it has it.

use super::FastPath;
use super::attached::Attached;
use super::promise::Unseen;
use crate::attach::Target;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Between two looks whether the plan comes true.
const VERIFY_EVERY: Duration = Duration::from_secs(5);

impl FastPath {
    /// The addresses, each with its port, of which all queries from other hosts are to come over XDP now. In order, each once.
    /// None of an interface that has no program yet, or one that lacks an address: what comes in there is the kernel's so long.
    pub fn promised(&self) -> Vec<SocketAddr> {
        let of = |target: &Target| {
            let port = target.port;
            target.in_force().into_iter().map(move |place| SocketAddr::new(place.address, port)).collect::<Vec<_>>()
        };
        let (behind, serving): (Vec<&Attached>, Vec<&Attached>) = self.attached.iter().partition(|one| one.is_behind());
        let behind = behind.into_iter().map(|attached| &attached.target);
        let without = self.refused.iter().map(|refused| &refused.target).chain(&self.unsettled).chain(behind);
        let without: Vec<SocketAddr> = without.flat_map(of).collect();
        let mut promised: Vec<SocketAddr> = serving.into_iter().flat_map(|attached| of(&attached.target)).collect();
        promised.retain(|address| !without.contains(address));
        promised.sort_unstable();
        promised.dedup();
        promised
    }

    /// What kernel sockets had by another plan, or while an interface had no program, breaks no promise of this one.
    pub fn count_anew(&mut self) {
        self.unseen = Unseen::default();
        self.attached.iter_mut().for_each(Attached::count_anew);
    }

    /// Compares the plan with the ways that queries come, `kernel` of those that are promised by kernel sockets so far; to be
    /// called a few times a second. What does not come true is a log line for each interface and cause, and shown until it does.
    pub fn verify(&mut self, kernel: u64, now: Instant) {
        if self.verified.is_some_and(|at| now < at + VERIFY_EVERY) || self.attached.is_empty() {
            return;
        }
        self.verified = Some(now);
        let seen = self.attached.iter_mut().map(|attached| attached.verify(kernel, now)).sum();
        if let Some(sight) = self.unseen.look(seen, kernel) {
            let serving = self.attached.iter_mut().filter(|attached| !attached.target.stands_by());
            serving.for_each(|attached| attached.take_unseen(sight, now));
        }
    }
}
