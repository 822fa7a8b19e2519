//! VLANs as a bridge keeps them: which tags it goes by, and the table of each port (`bridge vlan show`).

use super::bridge_port::PortState;

/// What VLAN tags begin with on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VlanProtocol {
    /// IEEE 802.1Q: 0x8100.
    Dot1q,
    /// IEEE 802.1ad, service tags: 0x88a8.
    Dot1ad,
}

impl VlanProtocol {
    /// That of an Ethernet type.
    pub fn from_type(ethernet_type: u16) -> Option<Self> {
        match ethernet_type {
            0x8100 => Some(Self::Dot1q),
            0x88a8 => Some(Self::Dot1ad),
            _ => None,
        }
    }
}

/// VLANs in a row that a port treats alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VlanRange {
    /// The first ID.
    pub first: u16,
    /// The last ID, the first itself when it is one VLAN.
    pub last: u16,
    /// What comes in without a tag belongs to it.
    pub pvid: bool,
    /// Its frames leave without a tag.
    pub untagged: bool,
    /// Whether they pass here, as a spanning tree for each VLAN has it, or `bridge vlan set`.
    pub state: PortState,
}

/// The VLANs of a bridge's port, or of the bridge's own port towards the host (`self`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VlanTable(Vec<VlanRange>);

impl VlanTable {
    /// From its rows, in any order.
    pub fn new(rows: Vec<VlanRange>) -> Self {
        Self(rows)
    }

    /// Its rows.
    pub fn rows(&self) -> &[VlanRange] {
        &self.0
    }

    /// The VLAN of what comes in without a tag; `None` when that is dropped.
    pub fn pvid(&self) -> Option<u16> {
        self.0.iter().find(|row| row.pvid).map(|row| row.first)
    }

    /// Whether frames of a VLAN come in and go out here.
    pub fn carries(&self, id: u16) -> bool {
        self.row(id).is_some()
    }

    /// Whether frames of a VLAN leave without a tag, when they leave.
    pub fn untags(&self, id: u16) -> bool {
        self.row(id).is_some_and(|row| row.untagged)
    }

    /// Whether its frames pass here, if they are carried.
    pub fn state(&self, id: u16) -> PortState {
        self.row(id).map_or(PortState::Forwarding, |row| row.state)
    }

    fn row(&self, id: u16) -> Option<&VlanRange> {
        self.0.iter().find(|row| (row.first..=row.last).contains(&id))
    }
}
