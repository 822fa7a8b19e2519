//! What the worker is to count of the queries that come by kernel sockets.

use super::Program;
use crate::serve::worker::Command;

impl Program {
    /// Tells the worker which queries are to come over XDP, where that is news. A worker that is late is told it later.
    pub(super) fn tell_promised(&mut self) {
        let promised = self.fast_path.promised();
        if promised == self.promised || !self.threads.orders.collect() {
            return;
        }
        // It has the list now, or gets it late, which the log says.
        let _ = self.threads.orders.ask(Command::Promise(promised.clone()));
        self.promised = promised;
        self.fast_path.count_anew();
    }
}
