//! When the worker spins and when it sleeps (`xdp-busy-poll`).

/// Nanoseconds after the last work during which a worker with a core to itself spins.
const SPIN: u64 = 2_000_000;

/// `xdp-busy-poll`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BusyPoll {
    /// Spins while there is traffic, if there is a core to spare; else sleeps at once.
    Auto,
    /// Spins always.
    Yes,
    /// Sleeps at once.
    No,
}

/// What decides.
#[derive(Clone, Copy, Debug)]
pub struct IdleOptions {
    /// The directive.
    pub busy_poll: BusyPoll,
    /// The worker has a core to itself: there are more cores than threads that may be busy.
    pub own_core: bool,
}

/// See the module's text.
pub struct Idle {
    spin: u64,
    last_work: u64,
}

impl Idle {
    /// Compiles the options.
    pub fn new(options: IdleOptions) -> Idle {
        let spin = match (options.busy_poll, options.own_core) {
            (BusyPoll::Yes, _) => u64::MAX,
            (BusyPoll::Auto, true) => SPIN,
            (BusyPoll::Auto, false) | (BusyPoll::No, _) => 0,
        };
        Idle { spin, last_work: 0 }
    }

    /// After a turn: true when the worker is to sleep in `poll(2)`.
    #[inline]
    pub fn may_sleep(&mut self, worked: bool, now: u64) -> bool {
        if worked {
            self.last_work = now;
            return false;
        }
        if now.saturating_sub(self.last_work) < self.spin {
            std::hint::spin_loop();
            return false;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle(busy_poll: BusyPoll, own_core: bool) -> Idle {
        Idle::new(IdleOptions { busy_poll, own_core })
    }

    #[test]
    fn a_shared_core_is_given_up_at_once() {
        let mut idle = idle(BusyPoll::Auto, false);
        assert!(!idle.may_sleep(true, 5));
        assert!(idle.may_sleep(false, 5));
    }

    #[test]
    fn a_core_of_its_own_spins_a_while() {
        let mut idle = idle(BusyPoll::Auto, true);
        assert!(!idle.may_sleep(true, 1_000));
        assert!(!idle.may_sleep(false, 1_000 + SPIN - 1));
        assert!(idle.may_sleep(false, 1_000 + SPIN));
    }

    #[test]
    fn always_and_never() {
        assert!(!idle(BusyPoll::Yes, false).may_sleep(false, u64::MAX - 1));
        assert!(idle(BusyPoll::No, true).may_sleep(false, 0));
    }
}
