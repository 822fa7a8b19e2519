//! The watchdog over one receive queue: does what the program redirects arrive at the socket?
//!
//! A frame that is redirected to a socket that cannot take it is dropped by the kernel, not handed up its stack. So a queue
//! begins with one frame on trial, and one whose frames stop to arrive is closed, and tried again with one frame later.
//! A worker that had no processor meanwhile has not looked, and its silence says nothing: it reads the kernel's sockets as
//! well.

/// Looks, a quarter of a second apart, at which the worker had looked and found no arrival, after which an open queue is
/// closed.
const SILENT: u32 = 2;
/// Such looks that the frame on trial may take. Only that one is at stake.
const TRIAL: u32 = 8;
/// Looks after which a closed queue is first tried again, and at most: one minute, one hour.
const FIRST_RETRY: u32 = 240;
const LAST_RETRY: u32 = 60 * 240;

/// What is to be done with the queue's gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing.
    Stay,
    /// Close it: frames do not arrive.
    Close,
    /// Let one frame through.
    Try,
    /// Open it: that one has come.
    Open,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// On its first trial, or open. So many looks without an arrival.
    Watching { silent: u32 },
    /// Closed for so many looks yet, and before for so many.
    Closed { left: u32, wait: u32 },
    /// One frame is let through beyond those that were redirected before, and may take so many looks yet; before that it was
    /// closed for so many.
    Trial { before: u64, left: u32, wait: u32 },
}

/// What is counted of a queue. All only grow, and the first is to be read before the others.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Frames redirected to its socket.
    pub(super) redirected: u64,
    /// Frames that the worker received from it.
    pub(super) received: u64,
    /// Times that the worker looked for any.
    pub(super) looks: u64,
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Watch {
    seen: Counts,
    state: State,
    doubtful: bool,
}

impl Default for Watch {
    fn default() -> Self {
        Self { seen: Counts::default(), state: State::Watching { silent: 0 }, doubtful: false }
    }
}

impl Watch {
    /// Whether the kernel's sockets serve the queue because its frames did not arrive.
    pub(super) fn is_tripped(&self) -> bool {
        !matches!(self.state, State::Watching { .. })
    }

    /// Whether something was redirected that has not come: a worker that sleeps is to look for it before the next look here.
    pub(super) fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    /// Takes the counts of now.
    pub(super) fn look(&mut self, now: Counts) -> Step {
        let (sent, came) = (now.redirected > self.seen.redirected, now.received > self.seen.received);
        let (proven, looked) = (now.received > 0, now.looks > self.seen.looks);
        // Under overload a socket drops some of what comes and receives the rest. So only one that receives nothing at all
        // counts, while more is sent to it; on a trial nothing more is.
        let expected = match self.state {
            State::Watching { .. } if proven => sent,
            State::Watching { .. } => now.redirected > 0,
            State::Closed { .. } => false,
            State::Trial { before, .. } => now.redirected > before,
        };
        self.doubtful = expected && !came;
        let silent = u32::from(self.doubtful && looked);
        self.seen = now;
        if came { self.arrival() } else { self.silence(silent, if proven { SILENT } else { TRIAL }) }
    }

    fn arrival(&mut self) -> Step {
        let step = match self.state {
            State::Trial { .. } => Step::Open,
            State::Watching { .. } => Step::Stay,
            // What was redirected before it was closed.
            State::Closed { .. } => return self.silence(0, SILENT),
        };
        self.state = State::Watching { silent: 0 };
        step
    }

    /// `more`: one when the look counts; `most`: how many close an open queue.
    fn silence(&mut self, more: u32, most: u32) -> Step {
        let (state, step) = match self.state {
            State::Watching { silent } if silent + more >= most => {
                (State::Closed { left: FIRST_RETRY, wait: FIRST_RETRY }, Step::Close)
            }
            State::Watching { silent } => (State::Watching { silent: silent + more }, Step::Stay),
            State::Closed { left: 0, wait } => {
                (State::Trial { before: self.seen.redirected, left: TRIAL, wait }, Step::Try)
            }
            State::Closed { left, wait } => (State::Closed { left: left - 1, wait }, Step::Stay),
            State::Trial { left, wait, .. } if left <= more => {
                let wait = (wait * 2).min(LAST_RETRY);
                (State::Closed { left: wait, wait }, Step::Close)
            }
            State::Trial { before, left, wait } => (State::Trial { before, left: left - more, wait }, Step::Stay),
        };
        self.state = state;
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A watch, and a worker that looks once between two looks at it.
    #[derive(Default)]
    struct Queue {
        watch: Watch,
        looks: u64,
    }

    impl Queue {
        fn look(&mut self, redirected: u64, received: u64) -> Step {
            self.looks += 1;
            self.starve(redirected, received)
        }

        /// The worker has no processor.
        fn starve(&mut self, redirected: u64, received: u64) -> Step {
            self.watch.look(Counts { redirected, received, looks: self.looks })
        }
    }

    #[test]
    fn silence_twice_closes_an_open_queue() {
        let mut queue = Queue::default();
        assert_eq!(queue.look(100, 90), Step::Stay, "some lost under load");
        assert_eq!(queue.look(200, 90), Step::Stay);
        assert_eq!(queue.look(200, 90), Step::Stay, "nothing new says nothing");
        assert_eq!(queue.look(201, 90), Step::Close);
        assert!(queue.watch.is_tripped());
        assert_eq!(queue.look(201, 90), Step::Stay, "said once");
        let mut queue = Queue::default();
        assert_eq!(queue.look(20, 5), Step::Stay);
        assert_eq!(queue.look(30, 5), Step::Stay);
        assert_eq!(queue.look(30, 6), Step::Stay, "late, but it works");
        assert_eq!(queue.look(40, 6), Step::Stay);
    }

    #[test]
    fn a_worker_that_had_no_processor_closes_no_queue() {
        let mut queue = Queue::default();
        assert_eq!(queue.look(100, 90), Step::Stay);
        assert!(!queue.watch.is_doubtful());
        for sent in 200..300 {
            assert_eq!(queue.starve(sent, 90), Step::Stay);
            assert!(queue.watch.is_doubtful(), "it is to be woken");
        }
        assert_eq!(queue.look(300, 200), Step::Stay);
        assert!(!queue.watch.is_doubtful());
        let mut queue = Queue::default();
        for _ in 0..100 {
            assert_eq!(queue.starve(1, 0), Step::Stay, "nor on its first trial");
        }
        assert_eq!(queue.look(1, 1), Step::Stay);
        assert!(!queue.watch.is_tripped());
    }

    #[test]
    fn the_first_frame_has_more_time() {
        let mut queue = Queue::default();
        assert_eq!(queue.look(0, 0), Step::Stay);
        for _ in 1..TRIAL {
            assert_eq!(queue.look(1, 0), Step::Stay);
        }
        assert_eq!(queue.look(1, 0), Step::Close);
    }

    #[test]
    fn a_closed_queue_is_tried_again_with_one_frame() {
        let mut queue = Queue::default();
        while queue.look(1, 0) != Step::Close {}
        for _ in 0..FIRST_RETRY {
            assert_eq!(queue.look(1, 0), Step::Stay);
        }
        assert_eq!(queue.look(1, 0), Step::Try);
        for _ in 0..100 {
            assert_eq!(queue.look(1, 0), Step::Stay, "no query came yet");
        }
        for _ in 0..100 {
            assert_eq!(queue.starve(2, 0), Step::Stay, "nobody looked for it yet");
        }
        let mut looks = 0;
        while queue.look(2, 0) != Step::Close {
            looks += 1;
        }
        assert_eq!(looks, TRIAL - 1, "that one was lost, too");
        looks = 0;
        while queue.look(2, 0) != Step::Try {
            looks += 1;
        }
        assert_eq!(looks, 2 * FIRST_RETRY, "longer each time");
        assert_eq!(queue.look(3, 1), Step::Open);
        assert!(!queue.watch.is_tripped());
        assert_eq!(queue.look(900, 800), Step::Stay);
    }

    #[test]
    fn what_comes_late_to_a_closed_queue_does_not_open_it() {
        let mut queue = Queue::default();
        while queue.look(1, 0) != Step::Close {}
        assert_eq!(queue.look(1, 1), Step::Stay);
        assert!(queue.watch.is_tripped());
    }
}
