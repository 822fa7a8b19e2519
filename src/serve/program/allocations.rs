//! Memory that the worker asked for while it runs, which it never should: a fault that no answer shows.

use super::Program;
use crate::sys::allocator;

impl Program {
    /// Says once that there was some, and how much the first was: what tells where it is asked for.
    pub(super) fn tell_allocations(&mut self) {
        let all = allocator::watched_allocations();
        if all > 0 && !std::mem::replace(&mut self.told_allocations, true) {
            let octets = allocator::first_watched_octets();
            log::warn!(
                "the worker asked for memory, first for {octets} octets, which it never should while it runs ({all} times so far: \
                 runbound.worker.allocations): answers may wait for that; please report this line with those before it"
            );
        }
    }
}
