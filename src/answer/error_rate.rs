//! How many error replies there are a second.

/// How many errors this second had.
#[derive(Default)]
pub(super) struct ErrorRate {
    second: u32,
    errors: u32,
}

impl ErrorRate {
    /// Counts one more error; whether it gets a reply. `most` a second do, all with 0.
    pub(super) fn allows(&mut self, now: u32, most: u32) -> bool {
        if self.second != now {
            *self = Self { second: now, errors: 0 };
        }
        self.errors = self.errors.saturating_add(1);
        most == 0 || self.errors <= most
    }
}
