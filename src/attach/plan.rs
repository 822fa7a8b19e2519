//! Where XDP can be had: what each kind of link and each driver is known for.

use super::is_global;
use crate::config::{Config, XdpMode, XdpUse};
use crate::host::{InterfaceAddress, Kind, Link, Links};

/// Drivers with native XDP and redirect to AF_XDP (the kernel's `ndo_bpf` users), as sysfs names them.
const NATIVE_DRIVERS: [&str; 22] = [
    "atlantic",
    "bnxt_en",
    "ena",
    "fsl_dpaa2_eth",
    "fsl_enetc",
    "gve",
    "hv_netvsc",
    "i40e",
    "ice",
    "igb",
    "igc",
    "ionic",
    "ixgbe",
    "ixgbevf",
    "mana",
    "mlx4_core",
    "mlx5_core",
    "nfp",
    "qede",
    "sfc",
    "tsnep",
    "virtio_net",
];

/// Drivers known to have none.
const GENERIC_DRIVERS: [&str; 8] = ["8139cp", "8139too", "bnx2x", "e1000", "e1000e", "iavf", "r8169", "tg3"];

/// What serves an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The program in the driver, with a word on why that is expected.
    Native(String),
    /// The program in the network stack, because the configuration asks for it.
    Generic,
    /// A driver that nothing is known of: the start will tell.
    Untold(String),
    /// Kernel sockets, because the configuration or the link leave nothing else; why, and whether XDP was wanted.
    Kernel {
        /// Why.
        reason: String,
        /// XDP was asked for, and another place for the address would have it.
        wanted: bool,
    },
}

/// What is expected to serve an address that `link` carries.
pub fn outcome(config: &Config, link: &Link) -> Outcome {
    let kernel = |reason: &str| Outcome::Kernel { reason: reason.into(), wanted: false };
    if link.kind == Kind::Loopback {
        return kernel("loopback carries nothing from outside");
    }
    if config.xdp.enable == XdpUse::No || !config.do_udp {
        return kernel(if config.do_udp { "xdp: no" } else { "do-udp: no" });
    }
    if config.xdp.interface.as_ref().is_some_and(|wanted| *wanted != link.name) {
        return kernel("xdp-interface names another one");
    }
    let without = |reason: String| Outcome::Kernel { reason, wanted: true };
    if link.mac.is_none() {
        return without("no Ethernet interface, so XDP has no frames to look at".into());
    }
    if config.xdp.mode == XdpMode::Generic {
        return Outcome::Generic;
    }
    match (&link.kind, link.driver.as_deref()) {
        (Kind::Veth { .. }, _) => Outcome::Native("veth has native XDP".into()),
        (Kind::Physical, Some(driver)) if NATIVE_DRIVERS.contains(&driver) => {
            Outcome::Native(format!("driver {driver} has native XDP"))
        }
        (Kind::Physical, Some(driver)) if GENERIC_DRIVERS.contains(&driver) => {
            without(format!("driver {driver} has no native XDP"))
        }
        (Kind::Physical, Some(driver)) => Outcome::Untold(format!("driver {driver}")),
        (Kind::Physical, None) => Outcome::Untold("its driver".into()),
        (Kind::Other(word), _) => Outcome::Untold(word.clone()),
        (kind, _) => without(without_native(kind).into()),
    }
}

/// Why a kind of link has no native XDP that an AF_XDP socket could use.
fn without_native(kind: &Kind) -> &'static str {
    match kind {
        Kind::Vlan { .. } => "a VLAN interface has no native XDP",
        Kind::Bridge => "a bridge has no native XDP",
        Kind::Bond { .. } => {
            "a bond runs XDP programs on its slaves, and an AF_XDP socket of the master receives nothing from there"
        }
        Kind::Ipvlan => "an ipvlan has no native XDP",
        Kind::Macvlan => "a macvlan has no native XDP",
        _ => "it has no native XDP",
    }
}

/// Commands that move `address` from `link` to a veth pair, where native XDP works: at the bridge that is there, or at a
/// new one. `None` where `link` is of another kind, or other addresses would be cut off by that.
pub fn veth_pair(links: &Links, link: &Link, address: InterfaceAddress) -> Option<String> {
    let others = |link: &Link| link.addresses.iter().any(|other| other.ip != address.ip && is_global(other.ip));
    let (own, peer) = (free_name(links, "veth-rb")?, free_name(links, "veth-bnd")?);
    let InterfaceAddress { ip, prefix } = address;
    let stacked = matches!(link.kind, Kind::Ipvlan | Kind::Macvlan);
    let mut lines = Vec::new();
    let lower = match link.kind {
        // Its parent cannot be a bridge's port at the same time: both want the frames first.
        Kind::Ipvlan | Kind::Macvlan if !others(link) => {
            lines.push(format!("ip link del {}", link.name));
            links.parent(link)?
        }
        Kind::Bridge | Kind::Vlan { .. } | Kind::Bond { .. } => link,
        _ => return None,
    };
    let bridge = match (&lower.kind, links.master(lower)) {
        (Kind::Bridge, _) => lower.name.clone(),
        (_, Some(master)) => master.name.clone(),
        (_, None) if others(lower) => return None,
        (_, None) => {
            let bridge = free_name(links, "br-rb")?;
            lines.push(format!("ip link add {bridge} type bridge"));
            lines.push(format!("ip link set {} master {bridge}", lower.name));
            lines.push(format!("ip link set {bridge} up"));
            bridge
        }
    };
    lines.push(format!("ip link add {own} type veth peer name {peer}"));
    lines.push(format!("ip link set {peer} master {bridge} up"));
    if !stacked {
        lines.push(format!("ip address del {ip}/{prefix} dev {}", link.name));
    }
    lines.push(format!("ip link set {own} up"));
    lines.push(format!("ip address add {ip}/{prefix} dev {own}"));
    lines.push(sysctl(&bridge, "arp_ignore", 1));
    Some(lines.join("\n"))
}

/// `name`, or with the first number behind it that no link has yet.
fn free_name(links: &Links, name: &str) -> Option<String> {
    let numbered = (2..).map(|number| format!("{name}{number}"));
    std::iter::once(name.to_owned()).chain(numbered).find(|name| links.by_name(name).is_none())
}

/// The command that sets an IPv4 setting of a link. A name with a dot wants slashes between the words.
pub fn sysctl(link: &str, name: &str, value: u32) -> String {
    let separator = if link.contains('.') { "/" } else { "." };
    format!("sysctl -w {}={value}", ["net", "ipv4", "conf", link, name].join(separator))
}
