//! Commands that an administrator is advised to run.

use super::arp::{self, ANNOUNCE_OWN, OfHost};
use super::is_global;
use crate::config::site::PROXMOX_BRIDGE;
use crate::host::{GUESTS_BRIDGE, InterfaceAddress, Kind, Link, Links, PAIR, PAIR_METRIC, VlanProtocol};
pub(super) use crate::words::quoted;

/// The MTU that a veth has when it is made.
const VETH_MTU: u32 = 1500;
/// The first octet of the MACs of guests' interfaces on the host, and of what `--install` gives to a pair.
const GUESTS_MAC: u8 = 0xfe;

/// Commands that move `address` from `link` to a veth pair, where native XDP works: at the bridge that is there, or at a
/// new one. `None` where `link` is of another kind, or other addresses would be cut off by that.
pub fn veth_pair(links: &Links, link: &Link, address: InterfaceAddress) -> Option<String> {
    let others = |link: &Link| link.addresses.iter().any(|other| other.ip != address.ip && is_global(other.ip));
    let (own, peer) = (free_name(links, "veth-rb")?, free_name(links, "veth-bnd")?);
    if link.kind.is_open_vswitch() {
        return Some(at_open_vswitch(links, link, address, (&own, &peer)));
    }
    let stacked = matches!(link.kind, Kind::Ipvlan | Kind::Macvlan);
    let mut lines = Vec::new();
    let lower = match link.kind {
        // Its parent cannot be a bridge's port at the same time: both want the frames first.
        Kind::Ipvlan | Kind::Macvlan if !others(link) => {
            lines.push(format!("ip link del {}", quoted(&link.name)));
            links.parent(link)?
        }
        Kind::Bridge | Kind::Vlan { .. } | Kind::Bond { .. } => link,
        _ => return None,
    };
    let (bridge, mtu) = match (&lower.kind, links.master(lower)) {
        (Kind::Bridge, _) => (lower.name.clone(), mtu_for(links, lower)),
        (_, Some(master)) => (master.name.clone(), mtu_for(links, master)),
        (_, None) if others(lower) => return None,
        (_, None) => {
            let bridge = free_name(links, "br-rb")?;
            lines.push(format!("ip link add {bridge} type bridge"));
            lines.push(format!("ip link set {} master {bridge}", quoted(&lower.name)));
            lines.push(format!("ip link set {bridge} up"));
            (bridge, lower.mtu)
        }
    };
    lines.push(format!("ip link add {own} type veth peer name {peer}"));
    lines.extend(fit(&peer, mtu));
    lines.push(format!("ip link set {peer} master {} up", quoted(&bridge)));
    if !stacked {
        lines.push(format!("ip address del {address} dev {}", quoted(&link.name)));
    }
    lines.push(format!("ip link set {own} up"));
    lines.push(add_address(links, address, &own));
    lines.push(arp_for_itself_only(&bridge, links));
    Some(lines.join("\n"))
}

/// The commands for one end of a new pair before it joins a bridge, or its equal of Open vSwitch: that takes the least MAC of its
/// ports, and the least MTU, unless they were set.
fn fit(peer: &str, mtu: u32) -> Vec<String> {
    let mut lines = vec![fit_mac(peer)];
    lines.extend((mtu != VETH_MTU).then(|| format!("ip link set {peer} mtu {mtu}")));
    lines
}

/// A MAC that is none of the least, as those of guests: its own but for the first octet.
fn fit_mac(port: &str) -> String {
    format!("ip link set {port} address fe:$(cut -d: -f2- /sys/class/net/{port}/address)")
}

/// The MTU with which a new port changes none of its bridge: no less than the bridge and its other ports have.
fn mtu_for(links: &Links, bridge: &Link) -> u32 {
    links.least_mtu(bridge, 0).unwrap_or(0).max(bridge.mtu)
}

/// The commands that make the end of a pair, which is there, a port of the bridge; without one, of the one that is put for BRIDGE.
pub fn join(port: &Link, bridge: Option<&Link>) -> String {
    let name = quoted(&port.name);
    let fit = port.mac.is_some_and(|mac| mac[0] != GUESTS_MAC).then(|| fit_mac(&name));
    let bridge = bridge.map_or("BRIDGE".into(), |bridge| quoted(&bridge.name));
    fit.into_iter().chain([format!("ip link set {name} master {bridge}")]).collect::<Vec<_>>().join("\n")
}

/// The same from an internal port of an Open vSwitch to a port beside it, in the same VLAN. A bridge's own port is none that
/// `iface-to-br` knows.
fn at_open_vswitch(links: &Links, link: &Link, address: InterfaceAddress, (own, peer): (&str, &str)) -> String {
    let (name, fit) = (quoted(&link.name), fit(peer, link.mtu).join("\n"));
    let vsctl = "ovs-vsctl --timeout=10";
    format!(
        "ip link add {own} type veth peer name {peer}\n{fit}\nip link set {peer} up\n\
         {vsctl} --may-exist add-port $({vsctl} iface-to-br {name} 2>/dev/null || echo {name}) {peer} tag=$({vsctl} get port {name} \
         tag)\nip address del {address} dev {name}\nip link set {own} up\n{}\n{}",
        add_address(links, address, own),
        arp_for_itself_only(&link.name, links)
    )
}

/// The command that gives `address` to the link `name`, which may be one that is not there yet, the end of a new pair. To such an
/// end with a metric, for this host may be in that network by another interface, and what it sends itself is to leave there.
pub fn add_address(links: &Links, address: InterfaceAddress, name: &str) -> String {
    let is_pair = links.by_name(name).is_none_or(|link| links.pair_beyond(link).is_some());
    let metric = if is_pair { format!(" metric {PAIR_METRIC}") } else { String::new() };
    format!("ip address add {address} dev {}{metric}", quoted(name))
}

/// The `--install` that gives the server an address of its own, N, on a veth pair in the network of `address`, which stays on
/// `link`: of a Proxmox host, where /etc/network/interfaces or the SDN would put back what is moved. `None` where `link` is
/// neither a bridge, nor an interface of an Open vSwitch, nor a VLAN on one that keeps VLANs apart.
pub fn install(links: &Links, link: &Link, address: InterfaceAddress) -> Option<String> {
    if !is_global(address.ip) {
        return None;
    }
    let (bridge, vlan) = match link.kind {
        Kind::Vlan { id } => (links.parent(link).filter(|_| is_dot1q(link))?, Some(id)),
        _ => (link, None),
    };
    let tag = vlan.map_or_else(String::new, |id| format!(" --vlan {id}"));
    let name = quoted(&bridge.name);
    let at = match &bridge.kind {
        // No link tells which switch an internal port belongs to, nor its tag.
        kind if kind.is_open_vswitch() => {
            let vsctl = "ovs-vsctl --timeout=10";
            let tag = match vlan {
                Some(_) => tag,
                None => format!(" $({vsctl} get port {name} tag | sed -n 's/^[0-9][0-9]*$/--vlan &/p')"),
            };
            format!("$({vsctl} iface-to-br {name} 2>/dev/null || echo {name}){tag} --share-bridge")
        }
        Kind::Bridge if vlan.is_none() && bridge.name == PROXMOX_BRIDGE => format!("{name} --share-bridge"),
        Kind::Bridge if vlan.is_none() => name.into_owned(),
        Kind::Bridge if bridge.vlan_filtering == Some(true) && is_dot1q(bridge) => {
            let hosts_own =
                bridge.name == PROXMOX_BRIDGE && bridge.vlans.as_ref().is_some_and(|own| own.pvid() == vlan);
            format!("{name}{tag}{}", if hosts_own { " --share-bridge" } else { "" })
        }
        _ => return None,
    };
    Some(format!("runbound --install --address N/{} --bridge {at} --now", address.prefix))
}

/// The `--install` that has the pair that the last one made, at `link`, with all that it carries at another place: a bridge, and a
/// VLAN of it. `None` where it made none there, or one with several VLANs. `pair`: the addresses that it gave.
pub fn reinstall(
    links: &Links,
    link: &Link,
    (bridge, vlan): (&str, Option<&str>),
    pair: &[InterfaceAddress],
) -> Option<String> {
    let carried = |own: &&InterfaceAddress| link.address(own.ip).is_some();
    if link.name != PAIR || pair.is_empty() || !pair.iter().all(|own| carried(&own)) || links.by_name(PAIR).is_none() {
        return None;
    }
    let addresses: Vec<String> = pair.iter().map(|own| format!("--address {own}")).collect();
    let share = if bridge == PROXMOX_BRIDGE { " --share-bridge" } else { "" };
    // Where that is what is written already, it is what is in force that was set otherwise, and only the hook sets it back.
    let back = if vlan.is_some() { format!("\nifup --force {PAIR}") } else { String::new() };
    let vlan = vlan.map_or_else(String::new, |vlan| format!(" --vlan {vlan}"));
    let words = addresses.join(" ");
    Some(format!("runbound --install {words} --bridge {}{vlan}{share} --replace --now{back}", quoted(bridge)))
}

/// The one that writes anew what the last one wrote of its pair, for what is set by hand goes with the pair. `length`: with another
/// prefix for the addresses of /32, as words. `None` where it made no pair, or one at an Open vSwitch or with several VLANs.
pub fn written_anew(links: &Links, pair: &[InterfaceAddress], length: Option<&str>) -> Option<String> {
    let port = links.peer(links.by_name(PAIR).filter(|_| !pair.is_empty())?)?;
    let bridge = links.master(port).filter(|master| master.kind == Kind::Bridge)?;
    let table = port.vlans.as_ref().filter(|_| bridge.vlan_filtering == Some(true));
    let untagged = bridge.vlans.as_ref().and_then(|table| table.pvid());
    let vlan = table.and_then(|table| table.pvid()).filter(|vlan| Some(*vlan) != untagged);
    let vlan = vlan.map_or_else(String::new, |vlan| format!(" --vlan {vlan}"));
    let share = if bridge.name == PROXMOX_BRIDGE { " --share-bridge" } else { "" };
    let words = pair.iter().map(|own| match length.filter(|_| own.prefix == 32 && own.ip.is_ipv4()) {
        Some(length) => format!("--address {}/{length}", own.ip),
        None => format!("--address {own}"),
    });
    let words = words.collect::<Vec<_>>().join(" ");
    Some(format!("runbound --install {words} --bridge {}{vlan}{share} --replace", quoted(&bridge.name)))
}

/// The lines of sysctl.d(5) that have links speak ARP for themselves after a boot, and whenever they are made anew.
pub fn lasting_arp(links: &[String]) -> String {
    let lines = links.iter().map(|link| {
        let of = |(name, value): (&str, u32)| format!("-net/ipv4/conf/{link}/{name} = {value}\\n");
        let text = OWN_ARP.map(of).concat();
        format!("printf %b {} > /etc/sysctl.d/61-runbound-arp-{}.conf", quoted(&text), quoted(link))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The one that gives the server an address of its own, N, on a pair at `bridge`, in the network of `address`.
pub fn install_at(address: InterfaceAddress, bridge: &str) -> Option<String> {
    let share = if bridge == PROXMOX_BRIDGE { " --share-bridge" } else { "" };
    is_global(address.ip)
        .then(|| format!("runbound --install --address N/{} --bridge {}{share} --now", address.prefix, quoted(bridge)))
}

/// Whether a VLAN, or a bridge that filters, has tags of 802.1Q, as the kernel does unless told otherwise.
fn is_dot1q(link: &Link) -> bool {
    link.vlan_protocol.is_none_or(|protocol| protocol == VlanProtocol::Dot1q)
}

/// `name`, or with the first number behind it that no link has yet.
fn free_name(links: &Links, name: &str) -> Option<String> {
    let numbered = (2..).map(|number| format!("{name}{number}"));
    std::iter::once(name.to_owned()).chain(numbered).find(|name| links.by_name(name).is_none())
}

/// The commands that have a link speak ARP for the addresses it carries itself, and for no other of the host. What
/// `net.ipv4.conf.all` has is set as well where the link's own would not be in force for it.
pub fn arp_for_itself_only(link: &str, links: &Links) -> String {
    let mut lines = own_arp(link);
    lines.extend(of_all(&OfHost::of(links)));
    lines.join("\n")
}

fn of_all(host: &OfHost) -> impl Iterator<Item = String> {
    arp_of_all(host).map(|(name, value)| sysctl("all", name, value))
}

fn own_arp(link: &str) -> Vec<String> {
    OWN_ARP.map(|(name, value)| sysctl(link, name, value)).into()
}

/// Settings and values by which a link speaks ARP for its own addresses.
const OWN_ARP: [(&str, u32); 2] = [("arp_ignore", 1), ("arp_announce", ANNOUNCE_OWN)];

/// What `all` must have for these to do what they say: the greater of it and a link's own is in force. So it must be none where
/// links are to speak for what they do not carry.
fn arp_of_all(host: &OfHost) -> impl Iterator<Item = (&'static str, u32)> {
    let OfHost { all, unnumbered, .. } = host;
    let overrules = [
        all.arp_ignore.is_some_and(|set| set > 1 && arp::answers(set)),
        all.arp_announce.is_some_and(|set| set > ANNOUNCE_OWN),
    ];
    let values = if unnumbered.is_empty() { OWN_ARP } else { OWN_ARP.map(|(name, _)| (name, 0)) };
    values.into_iter().zip(overrules).filter(|(_, overrules)| *overrules).map(|(setting, _)| setting)
}

/// The same for several links. Bridges that Proxmox makes for guests are all meant, those that come later too: each takes its
/// settings away with it.
pub fn arp_of(links: &[String], host: &OfHost) -> String {
    let (guests, others): (Vec<&String>, Vec<&String>) = links.iter().partition(|link| link.starts_with(GUESTS_BRIDGE));
    let mut lines: Vec<String> = others.iter().flat_map(|link| host.kept_at(link).chain(own_arp(link))).collect();
    match &guests[..] {
        [] => lines.extend(of_all(host)),
        [one] => lines.extend(own_arp(one).into_iter().chain([arp_of_later_links(host)])),
        _ => lines.extend([
            format!(
                "for bridge in /proc/sys/net/ipv4/conf/{GUESTS_BRIDGE}*; do echo 1 > $bridge/arp_ignore; echo 2 > \
                 $bridge/arp_announce; done"
            ),
            arp_of_later_links(host),
        ]),
    }
    lines.join("\n")
}

/// The commands that have links made later do the same, now and after a boot. `default` also changes links that are there and
/// never had an IPv4 address nor a setting of their own (net/ipv4/devinet.c, devinet_copy_dflt_conf).
/// So those come first that must go on speaking for an address of the host that they do not carry.
pub fn arp_of_later_links(host: &OfHost) -> String {
    let kept = host.unnumbered.iter().flat_map(|link| OWN_ARP.map(|(name, _)| (link.as_str(), name, 0)));
    let of_default = OWN_ARP.map(|(name, value)| ("default", name, value));
    let of_all = arp_of_all(host).map(|(name, value)| ("all", name, value));
    let of_others: Vec<(&str, &str, u32)> = of_default.into_iter().chain(of_all).collect();
    let lasting = of_others.iter().map(|(link, name, value)| format!("net.ipv4.conf.{link}.{name} = {value}\\n"));
    // One that is not there is no error.
    let lasting_kept = kept.clone().map(|(link, name, value)| format!("-net/ipv4/conf/{link}/{name} = {value}\\n"));
    let lasting: String = lasting.chain(lasting_kept).collect();
    let now: Vec<String> =
        kept.chain(of_others.iter().copied()).map(|(link, name, value)| sysctl(link, name, value)).collect();
    format!("{}\nprintf {} > /etc/sysctl.d/61-runbound-arp.conf", now.join("\n"), quoted(&lasting))
}

/// A setting that is in force, by the name to set it by: `all`'s where that is what decides.
pub fn in_force(link: &str, name: &str, value: u32, all: Option<u32>) -> String {
    let of_all = all == Some(value) && value > 0;
    let place = if of_all { "net.ipv4.conf.all.".to_owned() } else { link.to_owned() };
    format!("{place}{name} {value}")
}

/// The command that sets an IPv4 setting of a link. A name with a dot wants slashes between the words.
pub fn sysctl(link: &str, name: &str, value: u32) -> String {
    let separator = if link.contains('.') { "/" } else { "." };
    let key = ["net", "ipv4", "conf", link, name].join(separator);
    format!("sysctl -w {}={value}", quoted(&key))
}
