//! The links where a program could see the queries for an address: the one that carries it and those below, and what each
//! kind of link and each driver is known for.

use super::tags::Tags;
use super::vlans;
use crate::config::Config;
use crate::host::{Kind, Link, Links, Named, VlanProtocol};

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

/// The driver that attaches without resetting its link: guests' cards.
const SMOOTH_DRIVER: &str = "virtio_net";

const DUMMY_CARRIES_NOTHING: &str =
    "a dummy carries nothing from outside: its addresses are reached by other interfaces";

/// Where a program is to be attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    /// Index of the link.
    pub index: u32,
    /// What the frames for the carrier's addresses look like there.
    pub frames: Frames,
}

/// What the frames for a carrier's addresses look like at a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frames {
    /// The MAC that they are sent to.
    pub mac: [u8; 6],
    /// VLAN id; `None` for no tag.
    pub vlan: Option<u16>,
}

/// Where on a link a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hook {
    /// In the driver: native XDP.
    Driver,
    /// In the network stack: generic XDP.
    Stack,
}

/// What a link is good for: why that is expected, or why it is good for nothing.
type Fit = Result<Expectation, String>;

/// Why a program is expected to work on a link.
struct Expectation {
    why: String,
    /// The kind of link or its driver is known for it; else the start will tell.
    sure: bool,
}

/// What the walk down from a carrier found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The places to attach to.
    pub(super) taken: Vec<Spot>,
    /// For each kind of them, why it fits.
    pub(super) whys: Vec<String>,
    /// Some of them are not known to fit: the start will tell.
    pub(super) unsure: bool,
    /// The places that were thought of and not taken, with the reason.
    pub(super) passed_over: Vec<String>,
    /// The configuration keeps XDP away, not the links.
    pub(super) by_choice: bool,
}

impl Found {
    /// Why nothing was taken, in one line.
    pub(super) fn reason(&self) -> String {
        self.passed_over.join("; ")
    }
}

/// Walks down from `carrier` to the nearest links where a program fits.
pub(super) fn find(config: &Config, links: &Links, carrier: &Link, hook: Hook) -> Found {
    let mut walk = Walk { config, links, hook, seen: Vec::new(), found: Found::default() };
    if let Some(mac) = carrier.mac {
        walk.visit(carrier, Frames { mac, vlan: None }, true);
    }
    walk.found
}

struct Walk<'a> {
    config: &'a Config,
    links: &'a Links,
    hook: Hook,
    /// A link is visited once, so that a topology that bites its tail ends.
    seen: Vec<u32>,
    found: Found,
}

impl Walk<'_> {
    fn visit(&mut self, link: &Link, frames: Frames, is_carrier: bool) {
        if self.seen.contains(&link.index) {
            return;
        }
        self.seen.push(link.index);
        let name = &link.name;
        let fit = match self.hook {
            Hook::Driver => native(link),
            Hook::Stack => generic(link),
        };
        if let Err(why) = self.comes_up(link, frames.vlan) {
            return self.found.passed_over.push(format!("{name}: {why}"));
        }
        let permitted = |expected| {
            self.permitted(link, is_carrier).and_then(|()| self.sees_tags(link, frames.vlan)).map(|()| expected)
        };
        match fit.and_then(permitted) {
            Ok(Expectation { why, sure }) => {
                self.found.taken.push(Spot { index: link.index, frames });
                self.found.unsure |= !sure;
                if !self.found.whys.contains(&why) {
                    self.found.whys.push(why);
                }
                return;
            }
            Err(why) => self.found.passed_over.push(format!("{name}: {why}")),
        }
        let inside = match vlans::inside(link, frames.vlan) {
            Ok(vlan) => vlan,
            Err(why) => return self.found.passed_over.push(format!("below {name}: {why}")),
        };
        for lower in below(self.links, link) {
            match vlans::at_port(link, lower, inside) {
                Ok(vlan) => self.visit(lower, Frames { mac: self.mac_at(link, lower, frames.mac), vlan }, false),
                Err(why) => self.found.passed_over.push(format!("{}: {why}", lower.name)),
            }
        }
    }

    /// The MAC that the frames which `link` has for `mac` are sent to at `lower`, below it. What is sent to a slave's own MAC is
    /// its bond's: balance-alb gives each slave another, and tells clients the one or the other. A bridge above would take that
    /// for another host's, except that the kernel writes the bond's MAC over it when the bond itself is the bridge's port.
    fn mac_at(&self, link: &Link, lower: &Link, mac: [u8; 6]) -> [u8; 6] {
        let above = self.seen.iter().filter_map(|&index| self.links.by_index(index));
        let bridged = above.filter(|above| above.kind == Kind::Bridge).any(|bridge| link.master != Some(bridge.index));
        let own = matches!(link.kind, Kind::Bond { .. }) && link.mac == Some(mac) && !bridged;
        lower.mac.filter(|_| own).unwrap_or(mac)
    }

    /// Whether the frames of a VLAN come as far as the carrier: a VLAN interface that stands on a link on the way gets those
    /// of its VLAN before a bridge or bond does.
    fn comes_up(&self, link: &Link, vlan: Option<u16>) -> Result<(), String> {
        let taker = vlan.and_then(|id| self.links.vlan_taker(link, VlanProtocol::Dot1q, id));
        match taker.filter(|taker| !self.seen.contains(&taker.index)) {
            Some(upper) => Err(format!("{} takes the frames of its VLAN there", upper.name)),
            None => Ok(()),
        }
    }

    /// Whether the configuration lets a program be attached to a link where that works.
    fn permitted(&mut self, link: &Link, is_carrier: bool) -> Result<(), String> {
        if !self.config.xdp.interfaces.is_empty() {
            return if is_named(self.config, link) {
                Ok(())
            } else {
                self.found.by_choice = true;
                Err("xdp-interface names another one".into())
            };
        }
        let Some(master) = self.links.master(link) else { return Ok(()) };
        if resets(link) && !is_carrier && !self.config.xdp.physical {
            let harm = match self.hook {
                Hook::Driver => "attaching would reset its link for seconds, and with it all that goes",
                Hook::Stack => "a program in the network stack would slow down all that goes",
            };
            return Err(format!("{harm} through {} (xdp-physical: yes permits that)", master.name));
        }
        Ok(())
    }

    /// Whether a program sees the VLAN tag of each frame where that matters, or the configuration says that it does. Of a
    /// frame without one it can be told later, when the program is loaded: by kernel and driver.
    fn sees_tags(&self, link: &Link, vlan: Option<u16>) -> Result<(), String> {
        let elsewhere = Tags::of(self.links, link) == Tags::PeerElsewhere;
        if !elsewhere || is_named(self.config, link) || vlan.is_none() && self.hook == Hook::Driver {
            return Ok(());
        }
        let name = &link.name;
        let iflink = format!("cat /sys/class/net/{name}/iflink");
        Err(format!(
            "its other end, number $({iflink}) of another network namespace, hands VLAN tags over beside the frames, where a \
             program does not see them: `ethtool -K PEER txvlan off tx-vlan-stag-hw-insert off` there, and `xdp-interface: \
             {name}` here"
        ))
    }
}

/// Whether an `xdp-interface:` line names a link.
pub(super) fn is_named(config: &Config, link: &Link) -> bool {
    config.xdp.interfaces.iter().any(|line| link.is_called(&line.name))
}

/// Whether attaching in the driver may reset the link for seconds: network cards, but a guest's.
pub(super) fn resets(link: &Link) -> bool {
    link.kind == Kind::Physical && link.driver.as_deref() != Some(SMOOTH_DRIVER)
}

/// What a link stands on, as far as queries for it come that way. A veth carries frames of its own; the other ports of a
/// bridge than hardware are guests.
pub(super) fn below<'a>(links: &'a Links, link: &Link) -> Vec<&'a Link> {
    match &link.kind {
        Kind::Vlan { .. } | Kind::Ipvlan | Kind::Macvlan => links.parent(link).into_iter().collect(),
        Kind::Bond { .. } => links.ports(link).collect(),
        Kind::Bridge => links.ports(link).filter(|port| leads_down(port)).collect(),
        Kind::Loopback | Kind::Physical | Kind::Veth { .. } | Kind::Other(_) => Vec::new(),
    }
}

/// Whether a bridge's port leads to the network rather than to a guest.
pub(super) fn leads_down(port: &Link) -> bool {
    matches!(port.kind, Kind::Physical | Kind::Bond { .. } | Kind::Vlan { .. })
}

/// Whether a program in the driver can send frames to AF_XDP sockets.
fn native(link: &Link) -> Fit {
    let sure = |why: String| Ok(Expectation { why, sure: true });
    let untold =
        |what: &str| Ok(Expectation { why: format!("whether {what} has native XDP shows at the start"), sure: false });
    let none = |what: &str| Err(format!("{what} has no native XDP"));
    match (&link.kind, link.driver.as_deref()) {
        (Kind::Veth { .. }, _) => sure("veth has native XDP".into()),
        (Kind::Physical, Some(driver)) if NATIVE_DRIVERS.contains(&driver) => {
            sure(format!("driver {driver} has native XDP"))
        }
        (Kind::Physical, Some(driver)) if GENERIC_DRIVERS.contains(&driver) => none(&format!("driver {driver}")),
        (Kind::Physical, Some(driver)) => untold(&format!("driver {driver}")),
        (Kind::Physical, None) => untold("its driver"),
        (Kind::Loopback, _) => Err("loopback carries nothing from outside".into()),
        (kind, _) if kind.is_for_addresses() => Err(DUMMY_CARRIES_NOTHING.into()),
        (kind, _) if kind.is_open_vswitch() => none("an interface that Open vSwitch makes"),
        (Kind::Other(word), _) => untold(word),
        (Kind::Vlan { .. }, _) => none("a VLAN interface"),
        (Kind::Ipvlan, _) => none("an ipvlan"),
        (Kind::Macvlan, _) => none("a macvlan"),
        (Kind::Bridge, _) => none("a bridge"),
        (Kind::Bond { .. }, _) => Err(
            "a bond runs XDP programs on its slaves, and an AF_XDP socket of the master receives nothing from there"
                .into(),
        ),
    }
}

/// Whether a program in the network stack can. A bond and a bridge are never attached to.
fn generic(link: &Link) -> Fit {
    match &link.kind {
        Kind::Bond { .. } | Kind::Bridge => Err("an AF_XDP socket there receives nothing".into()),
        Kind::Loopback => Err("loopback carries nothing from outside".into()),
        kind if kind.is_for_addresses() => Err(DUMMY_CARRIES_NOTHING.into()),
        _ => Ok(Expectation { why: "generic XDP".into(), sure: true }),
    }
}
