//! What a port of a bridge lets pass, beside the VLANs (linux/if_link.h, IFLA_BRPORT_…; net/bridge/br_forward.c).

/// The state of a port: what the spanning tree, or `bridge link set`, has made of it (linux/if_bridge.h, BR_STATE_…).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortState {
    /// 0: nothing passes.
    Disabled,
    /// 1: nothing passes yet.
    Listening,
    /// 2: MACs are learned, and nothing passes yet.
    Learning,
    /// 3: all passes.
    Forwarding,
    /// 4: nothing passes, for another way is taken.
    Blocking,
}

impl PortState {
    /// The state of a number; `None` of one that has no meaning.
    pub(super) const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Disabled,
            1 => Self::Listening,
            2 => Self::Learning,
            3 => Self::Forwarding,
            4 => Self::Blocking,
            _ => return None,
        })
    }

    /// Its name, as bridge(8) has it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Listening => "listening",
            Self::Learning => "learning",
            Self::Forwarding => "forwarding",
            Self::Blocking => "blocking",
        }
    }

    /// Whether the spanning tree ends it by itself: each takes the bridge's forward delay.
    pub const fn passes(self) -> bool {
        matches!(self, Self::Listening | Self::Learning)
    }
}

/// The settings of a port of a bridge. What the kernel does not tell is as a new port has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BridgePort {
    /// Its state.
    pub state: PortState,
    /// It exchanges nothing with other ports that are isolated.
    pub isolated: bool,
    /// Unicast frames to MACs that the bridge does not know are sent there.
    pub floods: bool,
    /// Broadcasts, such as requests of ARP, are sent there.
    pub broadcasts: bool,
    /// Multicasts that nobody behind a port is known to want, such as neighbour solicitations, are sent there.
    pub multicasts: bool,
    /// Frames of MACs that the bridge does not know there are dropped (802.1X).
    pub locked: bool,
    /// Frames of any MAC are let in: it is not locked, or the bridge knows one there.
    pub admits: bool,
}

impl Default for BridgePort {
    fn default() -> Self {
        Self {
            state: PortState::Forwarding,
            isolated: false,
            floods: true,
            broadcasts: true,
            multicasts: true,
            locked: false,
            admits: true,
        }
    }
}

impl BridgePort {
    /// Whether frames pass by it at all.
    pub fn forwards(&self) -> bool {
        self.state == PortState::Forwarding
    }

    /// Whether a frame passes from one port to another, as far as these settings decide it.
    pub fn reaches(&self, other: &Self) -> bool {
        self.forwards() && other.forwards() && !(self.isolated && other.isolated)
    }
}
