//! Views on Ethernet, 802.1Q, IPv4, IPv6, UDP; checksums.
//!
//! [`parse_udp_frame`] looks at every length once and clamps it to what was received; what it returns has accessors
//! that cannot fail. [`reply_in_place`] turns the frame round, [`write_headers`] builds one for an answer that comes
//! later. No function here panics, on any input.

pub mod checksum;
mod frame;
mod path;
mod reply;

pub use frame::{UdpFrame, WireError, parse_udp_frame};
pub use path::ReturnPath;
pub use reply::{reply_in_place, set_traffic_class, write_headers};

/// Ethernet header: destination, source, type (IEEE 802.3).
pub const ETHERNET_LEN: usize = 14;
/// 802.1Q tag: control information, type of what follows.
pub const VLAN_TAG_LEN: usize = 4;
/// IPv4 header without options (RFC 791 section 3.1).
pub const IPV4_LEN: usize = 20;
/// IPv6 header (RFC 8200 section 3).
pub const IPV6_LEN: usize = 40;
/// UDP header (RFC 768).
pub const UDP_LEN: usize = 8;

const TYPE_IPV4: u16 = 0x0800;
const TYPE_IPV6: u16 = 0x86dd;
const TYPE_VLAN: u16 = 0x8100;
const PROTOCOL_UDP: u8 = 17;
