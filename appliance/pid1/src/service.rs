//! What the loop of PID 1 turns: one service for each descriptor or clock that it watches.

use crate::cloudinit::drives::Drives;
use crate::netconf::time::TimeServers;
use rustix::event::PollFlags;
use rustix::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// A server that lived so long is healthy: it is started again after the first pause, and by the same configuration.
pub const HEALTHY: Duration = Duration::from_secs(60);

/// What a service asks of PID 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Stop the server, sync, unmount, power off. The text says who asked, for the log.
    PowerOff(String),
    /// The same, then reset.
    Reboot(String),
    /// Links or addresses changed: look again.
    LinksChanged,
    /// A lease names these servers to forward to; none when it ended.
    NameServers(String, Vec<std::net::IpAddr>),
    /// Routers on the interface of this index tell these servers; none when their time is over.
    RouterServers(u32, Vec<std::net::IpAddr>),
    /// Disks or their media changed, and this is there now.
    Drives(Box<Drives>),
    /// Somebody tells the server to read its configuration.
    Reload,
    /// A lease names these time servers, by address or name; none when it ended.
    TimeServers(String, Vec<String>),
    /// What the screen is to say from now on about the clock.
    Clock(String),
    /// What the screen is to say from now on about where the configuration lies.
    Storage(String),
    /// This service is done: drop it. The text says why, for the log; empty says nothing.
    Close(String),
}

/// What a service may know of the rest of the appliance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The host's name in force.
    pub hostname: String,
    /// Where the configuration lies: a device, or RAM and why.
    pub storage: String,
    /// Where the network's settings came from: a drive, the kernel's command line, DHCP.
    pub network_source: String,
    /// Process id of the server, `None` while it is down.
    pub server: Option<u32>,
    /// The server is about to start, or has started a moment ago.
    pub starting: bool,
    /// Starts of the server after an end that nobody wanted.
    pub restarts: u32,
    /// The server's control socket.
    pub control_socket: std::path::PathBuf,
    /// The name servers that the server is told to ask.
    pub name_servers: Vec<std::net::IpAddr>,
    /// The configuration says itself whom to ask.
    pub forwards_everything: bool,
    /// Who may be asked for the time.
    pub time_servers: TimeServers,
    /// Whether and by whom the clock was set.
    pub clock: String,
}

/// Something PID 1 watches. Every call returns at once: nothing here may block, the same thread feeds the watchdog.
pub trait Service {
    /// For the log.
    fn name(&self) -> &'static str;

    /// The descriptor to poll; `None` for one that only has a deadline.
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// What to poll the descriptor for. Errors and hang-ups are always told.
    fn interest(&self) -> PollFlags {
        PollFlags::IN
    }

    /// When to be turned at the latest; `None` for never.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// The descriptor is ready (`readiness` is not empty), or the deadline has come.
    fn turn(&mut self, readiness: PollFlags, now: Instant, status: &Status) -> Vec<Event>;

    /// Everything is written and unmounted: the machine is switched off or reset next.
    fn machine_ends(&mut self) {}
}
