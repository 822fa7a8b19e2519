//! How many files a server by a configuration has open.

use super::{Config, XdpUse};

/// Open files without which nothing works, beside the listening sockets: what every thread waits with, the log, netlink, a
/// few sockets upstream and clients over TCP.
const FEWEST_FILES: u64 = 48;
/// With XDP: ten for each program that is loaded, ahead or for one interface alone, four for each that is for the other end of a
/// pair, a few for sockets and links.
const XDP_FILES: u64 = 200;

/// Limits of open files (RLIMIT_NOFILE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenFiles {
    /// With less the server does not start.
    pub least: u64,
    /// With less it has fewer sockets upstream and fewer clients over TCP.
    pub wanted: u64,
}

impl Config {
    /// What the server asks for.
    pub fn open_files(&self) -> OpenFiles {
        let sockets = 2 * self.interfaces.len().max(2) + self.remote_control.sockets.len();
        let xdp = if self.xdp.enable == XdpUse::No { 0 } else { XDP_FILES };
        OpenFiles {
            least: FEWEST_FILES + xdp + sockets as u64,
            wanted: u64::from(self.outgoing.range) + u64::from(self.incoming_num_tcp) + 1024,
        }
    }
}
