//! What ethtool(8) asks a driver for: ioctl(SIOCETHTOOL) with the structures of include/uapi/linux/ethtool.h.
//!
//! All of it works on an interface by name in the network namespace of the calling thread. Reading needs no privilege,
//! changing needs CAP_NET_ADMIN.

mod features;
mod names;
mod request;
mod statistics;

pub use features::{Feature, feature, set_feature};
pub use statistics::statistics;

use request::ethtool;
use std::io;
use std::mem::size_of;
use std::net::IpAddr;

const ETHTOOL_GDRVINFO: u32 = 0x03;
const ETHTOOL_GRINGPARAM: u32 = 0x10;
const ETHTOOL_SRINGPARAM: u32 = 0x11;
const ETHTOOL_GRXCLSRLCNT: u32 = 0x2e;
const ETHTOOL_GRXCLSRULE: u32 = 0x2f;
const ETHTOOL_GRXCLSRLALL: u32 = 0x30;
const ETHTOOL_SRXCLSRLDEL: u32 = 0x31;
const ETHTOOL_SRXCLSRLINS: u32 = 0x32;
const ETHTOOL_GCHANNELS: u32 = 0x3c;
const ETHTOOL_SCHANNELS: u32 = 0x3d;

const UDP_V4_FLOW: u32 = 0x02;
const UDP_V6_FLOW: u32 = 0x06;
/// The driver chooses the place of a rule by itself, when asked with this one.
const RX_CLS_LOC_SPECIAL: u32 = 0x8000_0000;
const RX_CLS_LOC_ANY: u32 = 0xffff_ffff;

/// `struct ethtool_channels`: how many queues there may be and are.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Channels {
    /// The request's number, set when it is made.
    pub command: u32,
    /// Most queues that only receive.
    pub max_rx: u32,
    /// Most queues that only send.
    pub max_tx: u32,
    /// Most queues for other interrupts.
    pub max_other: u32,
    /// Most queues that do both.
    pub max_combined: u32,
    /// Queues that only receive.
    pub rx: u32,
    /// Queues that only send.
    pub tx: u32,
    /// Queues for other interrupts.
    pub other: u32,
    /// Queues that do both.
    pub combined: u32,
}

/// `struct ethtool_ringparam`: how many packets may wait between driver and card, for each queue.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rings {
    /// The request's number, set when it is made.
    pub command: u32,
    /// Most received packets.
    pub max_rx: u32,
    /// The same for cards with further rings.
    pub max_rx_mini: u32,
    /// The same for cards with further rings.
    pub max_rx_jumbo: u32,
    /// Most packets to be sent.
    pub max_tx: u32,
    /// Received packets.
    pub rx: u32,
    /// The same for cards with further rings.
    pub rx_mini: u32,
    /// The same for cards with further rings.
    pub rx_jumbo: u32,
    /// Packets to be sent.
    pub tx: u32,
}

/// A rule: UDP to this address and port goes to this receive queue, whatever else the frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpRule {
    /// Destination address.
    pub address: IpAddr,
    /// Destination port.
    pub port: u16,
    /// Receive queue.
    pub queue: u32,
}

/// `struct ethtool_drvinfo`.
#[repr(C)]
struct DriverInfo {
    command: u32,
    driver: [u8; 32],
    rest: [u8; 160],
}

/// `struct ethtool_flow_ext`.
#[repr(C)]
#[derive(Clone, Copy)]
struct FlowExt([u8; 20]);

/// `struct ethtool_rx_flow_spec`: the flow's fields by their place in `union ethtool_flow_union`.
#[repr(C)]
#[derive(Clone, Copy)]
struct FlowSpec {
    flow_type: u32,
    fields: [u8; 52],
    ext: FlowExt,
    mask: [u8; 52],
    mask_ext: FlowExt,
    ring_cookie: u64,
    location: u32,
}

/// `struct ethtool_rxnfc`, with room for so many locations of rules.
#[repr(C)]
struct RxNfc<const LOCATIONS: usize> {
    command: u32,
    flow_type: u32,
    data: u64,
    spec: FlowSpec,
    rule_count: u32,
    locations: [u32; LOCATIONS],
}

/// Locations read at once: more rules than any driver has.
const MAX_RULES: usize = 8192;

/// Name of the driver, like `virtio_net` or `veth`; none where the kernel tells none.
pub fn driver(interface: &str) -> Option<String> {
    let mut info = DriverInfo { command: ETHTOOL_GDRVINFO, driver: [0; 32], rest: [0; 160] };
    // SAFETY: the structure of this command.
    unsafe { ethtool(interface, &mut info) }.ok()?;
    let name: Vec<u8> = info.driver.into_iter().take_while(|&octet| octet != 0).collect();
    String::from_utf8(name).ok().filter(|name| !name.is_empty())
}

/// How many queues the interface has and may have.
///
/// # Errors
/// ioctl(2)'s: EOPNOTSUPP when the driver has no number to tell.
pub fn channels(interface: &str) -> io::Result<Channels> {
    let mut channels = Channels { command: ETHTOOL_GCHANNELS, ..Channels::default() };
    // SAFETY: the structure of this command.
    unsafe { ethtool(interface, &mut channels) }.map(|()| channels)
}

/// Sets the numbers of queues: the `max_` members are not looked at.
///
/// # Errors
/// ioctl(2)'s, whatever the driver makes of it.
pub fn set_channels(interface: &str, channels: Channels) -> io::Result<()> {
    let mut request = Channels { command: ETHTOOL_SCHANNELS, ..channels };
    // SAFETY: the structure of this command.
    unsafe { ethtool(interface, &mut request) }
}

/// How long the rings of each queue are and may be.
///
/// # Errors
/// ioctl(2)'s: EOPNOTSUPP when the driver has no number to tell.
pub fn rings(interface: &str) -> io::Result<Rings> {
    let mut rings = Rings { command: ETHTOOL_GRINGPARAM, ..Rings::default() };
    // SAFETY: the structure of this command.
    unsafe { ethtool(interface, &mut rings) }.map(|()| rings)
}

/// Sets the lengths of the rings: the `max_` members are not looked at. Most drivers begin anew for that, so frames on
/// their way are lost, and the link of a card that is up may go down for seconds.
///
/// # Errors
/// ioctl(2)'s, whatever the driver makes of it.
pub fn set_rings(interface: &str, rings: Rings) -> io::Result<()> {
    let mut request = Rings { command: ETHTOOL_SRINGPARAM, ..rings };
    // SAFETY: the structure of this command.
    unsafe { ethtool(interface, &mut request) }
}

const NO_FLOW: FlowSpec = FlowSpec {
    flow_type: 0,
    fields: [0; 52],
    ext: FlowExt([0; 20]),
    mask: [0; 52],
    mask_ext: FlowExt([0; 20]),
    ring_cookie: 0,
    location: 0,
};

const fn request<const LOCATIONS: usize>(command: u32) -> RxNfc<LOCATIONS> {
    RxNfc { command, flow_type: 0, data: 0, spec: NO_FLOW, rule_count: 0, locations: [0; LOCATIONS] }
}

/// `struct ethtool_tcpip4_spec`: source, destination, source port, destination port; `ethtool_tcpip6_spec`: the same with
/// longer addresses. In network order.
fn spec(rule: &UdpRule, location: u32) -> FlowSpec {
    let mut spec = NO_FLOW;
    let (flow, address) = match rule.address {
        IpAddr::V4(v4) => (UDP_V4_FLOW, v4.octets().to_vec()),
        IpAddr::V6(v6) => (UDP_V6_FLOW, v6.octets().to_vec()),
    };
    let port_at = 2 * address.len() + 2;
    spec.flow_type = flow;
    spec.fields[address.len()..2 * address.len()].copy_from_slice(&address);
    spec.mask[address.len()..2 * address.len()].fill(0xff);
    spec.fields[port_at..port_at + 2].copy_from_slice(&rule.port.to_be_bytes());
    spec.mask[port_at..port_at + 2].fill(0xff);
    spec.ring_cookie = u64::from(rule.queue);
    spec.location = location;
    spec
}

/// Whether the driver keeps this rule as it was asked for. It may mask out what it does not look at in fields that are
/// not masked in.
fn holds(found: &FlowSpec, rule: &UdpRule) -> bool {
    let wanted = spec(rule, found.location);
    let same =
        |at: usize| found.mask[at] == wanted.mask[at] && (found.fields[at] ^ wanted.fields[at]) & wanted.mask[at] == 0;
    found.flow_type == wanted.flow_type && found.ring_cookie == wanted.ring_cookie && (0..52).all(same)
}

/// The locations of all rules, the number of places, and whether the driver chooses a place by itself.
fn rules(interface: &str) -> io::Result<(Vec<u32>, u32, bool)> {
    let mut count = request::<0>(ETHTOOL_GRXCLSRLCNT);
    // SAFETY: the structure of this command.
    unsafe { ethtool(interface, &mut count) }?;
    let chooses = count.data & u64::from(RX_CLS_LOC_SPECIAL) != 0;
    let mut list = Box::new(request::<MAX_RULES>(ETHTOOL_GRXCLSRLALL));
    list.rule_count = count.rule_count.min(MAX_RULES as u32);
    // SAFETY: the structure of this command; the kernel writes at most as many locations as it is told there is room for.
    unsafe { ethtool(interface, &mut *list) }?;
    let known = (list.rule_count as usize).min(MAX_RULES);
    let places = u32::try_from(list.data & u64::from(!RX_CLS_LOC_SPECIAL)).unwrap_or(0);
    Ok((list.locations[..known].to_vec(), places, chooses))
}

fn rule_at(interface: &str, location: u32) -> io::Result<FlowSpec> {
    let mut request = request::<0>(ETHTOOL_GRXCLSRULE);
    request.spec.location = location;
    // SAFETY: the structure of this command.
    unsafe { ethtool(interface, &mut request) }.map(|()| request.spec)
}

/// The location of a rule, when the driver has it.
///
/// # Errors
/// ioctl(2)'s: EOPNOTSUPP when the driver steers by no rules.
pub fn find_rule(interface: &str, rule: &UdpRule) -> io::Result<Option<u32>> {
    let (locations, ..) = rules(interface)?;
    let is_it = |&location: &u32| rule_at(interface, location).is_ok_and(|found| holds(&found, rule));
    Ok(locations.into_iter().find(is_it))
}

/// Adds a rule; gives its location.
///
/// # Errors
/// ioctl(2)'s: EOPNOTSUPP when the driver steers by no rules or by none like this, ENOSPC when it has room for no more.
pub fn insert_rule(interface: &str, rule: &UdpRule) -> io::Result<u32> {
    let (taken, places, chooses) = rules(interface)?;
    let free = || (0..places).rev().find(|place| !taken.contains(place));
    let location = if chooses { RX_CLS_LOC_ANY } else { free().ok_or(io::Error::from_raw_os_error(libc::ENOSPC))? };
    let mut request = request::<0>(ETHTOOL_SRXCLSRLINS);
    request.spec = spec(rule, location);
    // SAFETY: the structure of this command.
    unsafe { ethtool(interface, &mut request) }?;
    Ok(request.spec.location)
}

/// Removes the rule at a location.
///
/// # Errors
/// ioctl(2)'s.
pub fn delete_rule(interface: &str, location: u32) -> io::Result<()> {
    let mut request = request::<0>(ETHTOOL_SRXCLSRLDEL);
    request.spec.location = location;
    // SAFETY: the structure of this command.
    unsafe { ethtool(interface, &mut request) }
}

// The sizes of the C structures on 64-bit machines.
const _: () = assert!(size_of::<FlowSpec>() == 168 && size_of::<RxNfc<0>>() == 192 && size_of::<Channels>() == 36);
const _: () = assert!(size_of::<Rings>() == 36);
const _: () = assert!(size_of::<DriverInfo>() == 196 && std::mem::offset_of!(RxNfc<1>, locations) == 188);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_laid_out_as_the_kernel_reads_it() {
        let rule = UdpRule { address: "192.0.2.1".parse().expect("address"), port: 53, queue: 0 };
        let four = spec(&rule, 7);
        assert_eq!((four.flow_type, four.location), (2, 7));
        assert_eq!(four.fields[..12], [0, 0, 0, 0, 192, 0, 2, 1, 0, 0, 0, 53]);
        assert_eq!(four.mask[..13], [0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 255, 255, 0]);
        let six = spec(&UdpRule { address: "2001:db8::1".parse().expect("address"), ..rule }, 0);
        assert_eq!(
            (six.flow_type, &six.fields[16..20], &six.fields[32..36]),
            (6, &[32, 1, 13, 184][..], &[0, 0, 0, 53][..])
        );
        assert!(holds(&four, &rule));
        assert!(!holds(&four, &UdpRule { queue: 1, ..rule }) && !holds(&four, &UdpRule { port: 54, ..rule }));
        let mut wider = four;
        wider.mask[4..8].fill(0);
        assert!(!holds(&wider, &rule), "a driver that widens the rule steers more than was asked for");
    }

    #[test]
    fn loopback_has_no_rules() {
        assert!(
            insert_rule("lo", &UdpRule { address: "127.0.0.1".parse().expect("address"), port: 53, queue: 0 }).is_err()
        );
        assert!(rings("lo").is_err() && set_rings("lo", Rings::default()).is_err());
        assert!(channels("no-such-if").is_err() && driver("a-name-that-is-far-too-long").is_none());
    }
}
