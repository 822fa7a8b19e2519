//! The watchdog over one receive queue: does what the program redirects arrive at the socket?
//!
//! A frame that is redirected to a socket that cannot take it is dropped by the kernel, not handed up its stack. So a queue
//! begins with one frame on trial, and one whose frames stop to arrive is closed, and tried again with one frame later.

/// Looks, a quarter of a second apart, without an arrival after which an open queue is closed.
const SILENT: u32 = 2;
/// Looks that the frame on trial may take. Only that one is at stake.
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
    /// One frame was let through and may take so many looks yet; before that it was closed for so many.
    Trial { left: u32, wait: u32 },
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Watch {
    redirected: u64,
    received: u64,
    state: State,
}

impl Default for Watch {
    fn default() -> Self {
        Self { redirected: 0, received: 0, state: State::Watching { silent: 0 } }
    }
}

impl Watch {
    /// Whether the kernel's sockets serve the queue because its frames did not arrive.
    pub(super) fn is_tripped(&self) -> bool {
        !matches!(self.state, State::Watching { .. })
    }

    /// Takes the counts of now: frames redirected to the socket and received by it. Both only grow, and the first is to be
    /// read before the second.
    pub(super) fn look(&mut self, redirected: u64, received: u64) -> Step {
        let (sent, came) = (redirected > self.redirected, received > self.received);
        let proven = received > 0;
        let (state, step) = match self.state {
            State::Watching { .. } if came => (State::Watching { silent: 0 }, Step::Stay),
            State::Watching { silent } => {
                // Under overload a socket drops some of what comes and receives the rest. So only one that receives nothing
                // at all counts, while more is sent to it; on its first trial nothing more is.
                let silent = silent + u32::from(if proven { sent } else { redirected > 0 });
                if silent >= if proven { SILENT } else { TRIAL } {
                    (State::Closed { left: FIRST_RETRY, wait: FIRST_RETRY }, Step::Close)
                } else {
                    (State::Watching { silent }, Step::Stay)
                }
            }
            State::Closed { left: 0, wait } => (State::Trial { left: TRIAL, wait }, Step::Try),
            State::Closed { left, wait } => (State::Closed { left: left - 1, wait }, Step::Stay),
            State::Trial { .. } if came => (State::Watching { silent: 0 }, Step::Open),
            State::Trial { left: 0, wait } => {
                let wait = (wait * 2).min(LAST_RETRY);
                (State::Closed { left: wait, wait }, Step::Close)
            }
            // Without a query there is nothing to tell.
            State::Trial { left, wait } => {
                (State::Trial { left: left - u32::from(left < TRIAL || sent), wait }, Step::Stay)
            }
        };
        (self.redirected, self.received, self.state) = (redirected, received, state);
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_twice_closes_an_open_queue() {
        let mut watch = Watch::default();
        assert_eq!(watch.look(100, 90), Step::Stay, "some lost under load");
        assert_eq!(watch.look(200, 90), Step::Stay);
        assert_eq!(watch.look(200, 90), Step::Stay, "nothing new says nothing");
        assert_eq!(watch.look(201, 90), Step::Close);
        assert!(watch.is_tripped());
        assert_eq!(watch.look(201, 90), Step::Stay, "said once");
        let mut watch = Watch::default();
        assert_eq!(watch.look(20, 5), Step::Stay);
        assert_eq!(watch.look(30, 5), Step::Stay);
        assert_eq!(watch.look(30, 6), Step::Stay, "late, but it works");
        assert_eq!(watch.look(40, 6), Step::Stay);
    }

    #[test]
    fn the_first_frame_has_more_time() {
        let mut watch = Watch::default();
        assert_eq!(watch.look(0, 0), Step::Stay);
        for _ in 1..TRIAL {
            assert_eq!(watch.look(1, 0), Step::Stay);
        }
        assert_eq!(watch.look(1, 0), Step::Close);
    }

    #[test]
    fn a_closed_queue_is_tried_again_with_one_frame() {
        let mut watch = Watch::default();
        while watch.look(1, 0) != Step::Close {}
        for _ in 0..FIRST_RETRY {
            assert_eq!(watch.look(1, 0), Step::Stay);
        }
        assert_eq!(watch.look(1, 0), Step::Try);
        for _ in 0..100 {
            assert_eq!(watch.look(1, 0), Step::Stay, "no query came yet");
        }
        let mut looks = 0;
        while watch.look(2, 0) != Step::Close {
            looks += 1;
        }
        assert_eq!(looks, TRIAL, "that one was lost, too");
        looks = 0;
        while watch.look(2, 0) != Step::Try {
            looks += 1;
        }
        assert_eq!(looks, 2 * FIRST_RETRY, "longer each time");
        assert_eq!(watch.look(3, 1), Step::Open);
        assert!(!watch.is_tripped());
        assert_eq!(watch.look(900, 800), Step::Stay);
    }
}
