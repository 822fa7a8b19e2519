//! Where the frames of a queue are.

/// A snapshot of the places of all frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameCount {
    /// All frames.
    pub total: u32,
    /// In nobody's hands.
    pub free: u32,
    /// On the fill ring, not yet taken by the kernel.
    pub fill: u32,
    /// On the RX ring, not yet received.
    pub rx: u32,
    /// Received or allocated, neither transmitted nor freed yet.
    pub held: u32,
    /// On the TX ring, not yet taken by the kernel.
    pub tx: u32,
    /// On the completion ring, not yet reclaimed.
    pub completion: u32,
    /// In zero-copy mode, taken from the fill and the TX ring and not given back yet on the RX and the completion ring: the
    /// driver has them on rings of its own. In copy mode zero.
    pub driver: u32,
}

impl FrameCount {
    /// Frames in none of these places: in copy mode zero unless the kernel is at work right now, in zero-copy mode zero.
    /// Negative: a frame is in two places.
    pub fn elsewhere(&self) -> i64 {
        let known = [self.free, self.fill, self.rx, self.held, self.tx, self.completion, self.driver];
        i64::from(self.total) - known.into_iter().map(i64::from).sum::<i64>()
    }
}

/// Frames between a ring of which the kernel took so many and the one on which it gave so many back; both counts wrap.
pub(super) const fn on_the_way(taken: u32, given: u32) -> u32 {
    let difference = taken.wrapping_sub(given).cast_signed();
    // What came back since the first was read was not on its way.
    if difference < 0 { 0 } else { difference.cast_unsigned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_driver_holds_is_not_elsewhere_and_what_nobody_holds_is() {
        let count =
            FrameCount { total: 8192, free: 3000, fill: 4096, rx: 14, held: 500, tx: 50, completion: 50, driver: 482 };
        assert_eq!(count.elsewhere(), 0);
        assert_eq!(FrameCount { held: 497, ..count }.elsewhere(), 3, "a frame that was given back to nobody");
        assert_eq!(FrameCount { free: 3001, ..count }.elsewhere(), -1, "in two places");
    }

    #[test]
    fn counts_that_wrap_or_are_read_in_turn_give_what_is_between_them() {
        assert_eq!(on_the_way(241, 0), 241);
        assert_eq!(on_the_way(3, u32::MAX - 2), 6, "the kernel's counts wrap");
        assert_eq!(on_the_way(10, 12), 0, "two came back between the two looks");
    }
}
