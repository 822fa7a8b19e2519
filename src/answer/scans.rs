//! Where the names of queries are scanned to.

use crate::dns::scan::NameScan;

/// Queries that may be looked at before the first of them is decided.
pub const AHEAD: usize = 64;

/// Where names are scanned to: one place for each query of a batch, and one for those that nobody looked at before.
pub(super) struct Scans(Box<[NameScan; AHEAD + 1]>);

impl Scans {
    /// The place of a query that nobody looked at before.
    pub(super) const OWN: u8 = AHEAD as u8;

    pub(super) fn new() -> Scans {
        Scans(Box::new([const { NameScan::new() }; AHEAD + 1]))
    }

    #[inline]
    pub(super) fn at(&self, place: u8) -> &NameScan {
        &self.0[usize::from(place.min(Self::OWN))]
    }

    #[inline]
    pub(super) fn at_mut(&mut self, place: u8) -> &mut NameScan {
        &mut self.0[usize::from(place.min(Self::OWN))]
    }
}
