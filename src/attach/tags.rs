//! What native XDP depends on beyond the link itself: who may take the VLAN tags off its frames, and the longest of them.

use crate::host::{Kind, Link, Links};

/// The greatest MTU that veth (of the other end) and virtio_net take with a program that sees whole frames in one page: the
/// page less headroom (256), skb_shared_info (320) and Ethernet header (14); `veth_xdp_set` of drivers/net/veth.c,
/// `virtnet_xdp_set` of drivers/net/virtio_net.c.
pub const PAGE_MTU: u32 = 4096 - 256 - 320 - 14;

/// What a buffer of Intel's drivers holds of a frame, less Ethernet header, checksum and two VLAN tags.
const INTEL_MTU: u32 = 3072 - 14 - 4 - 2 * 4;

/// The greatest MTU that a card's driver takes with a program, and the kernel from which on it gives frames of several buffers to
/// a program like ours, so that no MTU is in its way. `None` of drivers of which that is not known, or not the same on all of
/// their cards. `igb_xdp_setup`, `ixgbe_xdp_setup`, `igc_xdp_set_prog`, `i40e_xdp_setup` and `virtnet_xdp_set`, at pages of 4 KiB.
pub fn longest(driver: &str) -> Option<(u32, Option<(u32, u32)>)> {
    match driver {
        "igb" | "ixgbe" => Some((INTEL_MTU, None)),
        "igc" => Some((1500, None)),
        "i40e" => Some((INTEL_MTU, Some((6, 4)))),
        "virtio_net" => Some((PAGE_MTU, Some((6, 3)))),
        _ => None,
    }
}

/// Who may take VLAN tags off the frames of an interface, so that a program there sees them without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tags {
    /// Nobody.
    Stay,
    /// Its own driver.
    Driver,
    /// The other end of the veth pair: it hands tags over beside the frame.
    Peer {
        /// Its name when the links were read.
        name: String,
        /// Its index, by which it is found again whatever it is called.
        index: u32,
    },
    /// The same in another network namespace, where it cannot be changed.
    PeerElsewhere,
}

impl Tags {
    /// Of `link`.
    pub fn of(links: &Links, link: &Link) -> Self {
        match (&link.kind, links.peer(link)) {
            (Kind::Veth { .. }, Some(peer)) => Self::Peer { name: peer.name.clone(), index: peer.index },
            (Kind::Veth { .. }, None) => Self::PeerElsewhere,
            (Kind::Physical | Kind::Other(_), _) => Self::Driver,
            _ => Self::Stay,
        }
    }

    /// Whether the same one may take them off, whatever it is called.
    pub fn is_by_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Peer { index, .. }, Self::Peer { index: others, .. }) => index == others,
            _ => self == other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_the_same_under_another_name() {
        let end = |name: &str, index| Tags::Peer { name: name.into(), index };
        assert!(end("veth-bnd", 3).is_by_same(&end("dnsp", 3)));
        assert!(!end("veth-bnd", 3).is_by_same(&end("veth-bnd", 4)));
        assert!(!end("veth-bnd", 3).is_by_same(&Tags::PeerElsewhere) && Tags::Stay.is_by_same(&Tags::Stay));
    }
}
