//! The directives of this server's own: `xdp:` and its kin.

use super::diagnostic::Location;

/// `xdp:`, whether to attach XDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum XdpUse {
    /// Where it works; else kernel sockets and one warning.
    Yes,
    /// Kernel sockets only.
    No,
    /// Or do not start.
    Require,
}

/// `xdp-mode:`, how the program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum XdpMode {
    /// Native, on the interface of an address or below it; generic only when `xdp: require` leaves nothing else.
    Auto,
    /// In the driver.
    Native,
    /// In the network stack.
    Generic,
}

/// A choice left to the program, or made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Toggle {
    /// What fits the machine.
    Auto,
    /// On.
    Yes,
    /// Off.
    No,
}

/// The directives of this server's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Xdp {
    /// `xdp:`
    pub enable: XdpUse,
    /// `xdp-interface:` lines; none for the ones that carry the addresses or stand below.
    pub interfaces: Vec<XdpInterface>,
    /// `xdp-physical:`, attach to network cards that other traffic passes through, too.
    pub physical: bool,
    /// `xdp-steer:`, have network cards send what is ours to receive queue 0.
    pub steer: Toggle,
    /// `xdp-mode:`
    pub mode: XdpMode,
    /// `xdp-zerocopy:`
    pub zerocopy: Toggle,
    /// `xdp-busy-poll:`
    pub busy_poll: Toggle,
    /// `xdp-answers:`, the hottest answers from the XDP program itself.
    pub answers: Toggle,
    /// `xdp-huge-pages:`, packet memory in huge pages.
    pub huge_pages: bool,
}

/// One `xdp-interface:` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XdpInterface {
    /// A name that an interface has, or may come to have.
    pub name: String,
    /// The line.
    pub at: Location,
}

#[cfg(test)]
impl From<&str> for XdpInterface {
    /// One that no file says.
    fn from(name: &str) -> Self {
        Self { name: name.to_owned(), at: Location::default() }
    }
}

impl Default for Xdp {
    fn default() -> Self {
        Xdp {
            enable: XdpUse::Yes,
            interfaces: Vec::new(),
            physical: false,
            steer: Toggle::Auto,
            mode: XdpMode::Auto,
            zerocopy: Toggle::Auto,
            busy_poll: Toggle::Auto,
            answers: Toggle::Auto,
            huge_pages: false,
        }
    }
}
