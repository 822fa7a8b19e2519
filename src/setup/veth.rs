//! `--address` and `--bridge`: a veth pair of runbound's own beside the host's bridge, made by ifupdown2 or ifupdown, and
//! `--steer`.
//!
//! One end, veth-rb, carries the address; the other, veth-bnd, is a port of the bridge. Files that others wrote are read
//! and never changed, and nothing is brought up without `--now`.

use super::files::{self, Kind};
use super::interfaces::Interfaces;
use super::{Run, SetupError};
use crate::config::site::{HostAddress, Site};
use crate::host::{self, Facts};
use std::fmt::Write;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

/// The stanzas.
pub(super) const STANZAS: &str = "etc/network/interfaces.d/runbound";
/// What ifupdown runs when an interface comes up.
pub(super) const HOOK: &str = "etc/network/if-up.d/runbound";
/// The end that carries the address.
const VETH: &str = "veth-rb";
/// The bridge that Proxmox' own network stands on; it is the administrator's alone to change.
const PROXMOX_BRIDGE: &str = "vmbr0";
/// Files that start with this are ours.
const MARK: &str = "Made by `runbound --install`";
const HOOK_TEMPLATE: &str = include_str!("if-up.sh");

/// Looks whether the pair can be made as asked; to be done before anything is written.
///
/// # Errors
/// What is in the way. What an administrator may want to do by hand was said before.
pub(super) fn check(run: &mut Run, site: &Site) -> Result<(), SetupError> {
    let Some(bridge) = &site.bridge else { return Ok(()) };
    let interfaces = Interfaces::read(&run.root);
    let facts = if run.is_host() { Some(read_host()?) } else { None };
    for address in &site.addresses {
        is_free(run, address, &interfaces, facts.as_ref())?;
    }
    if bridge == PROXMOX_BRIDGE {
        run.note(&format!(
            "{bridge} is left alone; to put runbound beside it nevertheless, write {STANZAS} and {HOOK}:"
        ));
        show(run, &stanzas(site));
        show(run, &hook(site));
        let fix = "give runbound a bridge of its own, such as br-rb on bond0.10, or write the lines above yourself";
        return Err(SetupError::new(Path::new("--bridge vmbr0"), "carries Proxmox' own network", fix));
    }
    is_bridge(bridge, &interfaces, facts.as_ref())?;
    site.steer.iter().try_for_each(|nic| is_hardware(nic, facts.as_ref()))?;
    for below in [STANZAS, HOOK] {
        is_ours_or_free(run, below)?;
    }
    Ok(())
}

fn read_host() -> Result<Facts, SetupError> {
    host::facts(&host::Wanted::default()).map_err(|cause| SetupError::io(Path::new("the host's links"), &cause))
}

/// The address must be nobody's: it is to be runbound's alone, and never that by which the host is managed.
fn is_free(
    run: &mut Run,
    address: &HostAddress,
    interfaces: &Interfaces,
    facts: Option<&Facts>,
) -> Result<(), SetupError> {
    let ip = address.ip;
    let stanza = interfaces.carrier(ip, VETH);
    let carrier = facts.and_then(|facts| facts.links.carriers(ip).find(|link| link.name != VETH));
    let default = facts.and_then(|facts| facts.routes.iter().find(|route| route.destination.prefix == 0));
    let Some(name) = carrier.map(|link| link.name.clone()).or_else(|| stanza.map(|stanza| stanza.name.clone())) else {
        return Ok(());
    };
    let managed = default.is_some_and(|route| route.link == name) || stanza.is_some_and(|stanza| stanza.has_gateway());
    if managed {
        run.note(&format!("{ip} is the address this host is managed by: {name} carries it and the default route"));
        run.note("nothing is changed; should runbound have this address, give the host another one first:");
        let file = stanza.map_or("/etc/network/interfaces".into(), |stanza| stanza.file.display().to_string());
        run.note(&format!("    in {file}, below `iface {name}`: another `address`; then `ifreload -a`"));
    }
    let fix = format!("choose a free address in {}", address.network());
    Err(SetupError::new(Path::new(&format!("--address {address}")), &format!("{name} carries it already"), &fix))
}

fn is_bridge(bridge: &str, interfaces: &Interfaces, facts: Option<&Facts>) -> Result<(), SetupError> {
    let link = facts.and_then(|facts| facts.links.by_name(bridge));
    let what = format!("--bridge {bridge}");
    let fix = format!(
        "make it first, in /etc/network/interfaces: auto {bridge}, iface {bridge} inet manual, bridge-ports bond0.10 \
         (the port your network is at), bridge-stp off, bridge-fd 0"
    );
    match link {
        Some(link) if link.kind == host::Kind::Bridge => Ok(()),
        Some(_) => Err(SetupError::new(Path::new(&what), "is an interface and no bridge", &fix)),
        None if interfaces.has_bridge(bridge) => Ok(()),
        None => {
            let cause = "there is no such bridge, neither now nor in /etc/network/interfaces";
            Err(SetupError::new(Path::new(&what), cause, &fix))
        }
    }
}

/// Bonds, VLANs and the like have no receive queues of their own to steer to.
fn is_hardware(nic: &str, facts: Option<&Facts>) -> Result<(), SetupError> {
    let Some(facts) = facts else { return Ok(()) };
    let what = format!("--steer {nic}");
    let hardware: Vec<&str> =
        facts.links.iter().filter(|link| link.kind == host::Kind::Physical).map(|link| link.name.as_str()).collect();
    if hardware.contains(&nic) {
        return Ok(());
    }
    let cause = if facts.links.by_name(nic).is_some() { "is no hardware" } else { "there is no such interface" };
    Err(SetupError::new(Path::new(&what), cause, &format!("name hardware of this host: {}", hardware.join(" "))))
}

fn is_ours_or_free(run: &Run, below: &str) -> Result<(), SetupError> {
    let path = run.path(below);
    match fs::read(&path) {
        Ok(content) if !is_ours(&content) => {
            Err(SetupError::new(&path, "was not made by --install", "move it away and run it again"))
        }
        _ => Ok(()),
    }
}

fn is_ours(content: &[u8]) -> bool {
    String::from_utf8_lossy(content).lines().take(2).any(|line| line.contains(MARK))
}

/// Writes the files. With `--dry-run` what would be in them is shown.
pub(super) fn put(run: &mut Run, site: &Site) -> Result<(), SetupError> {
    let before = fs::read_to_string(run.path(STANZAS)).unwrap_or_default();
    if site.bridge.is_none() {
        if !before.is_empty() {
            run.note(&format!("kept {}; --address and --bridge replace it", run.path(STANZAS).display()));
        }
        return Ok(());
    }
    put_shown(run, HOOK, &hook(site), Kind::Program)?;
    put_shown(run, STANZAS, &stanzas(site), Kind::Text)?;
    let new: Vec<String> = site.addresses.iter().map(HostAddress::to_string).collect();
    let old: Vec<&str> = before.lines().filter_map(|line| line.trim().strip_prefix("address ")).collect();
    if !old.is_empty() && old != new {
        run.note(&format!("{VETH}: {} instead of {}", new.join(" "), old.join(" ")));
    }
    let interfaces = Interfaces::read(&run.root);
    if !interfaces.reads(&Path::new("/").join(STANZAS)) {
        let main = run.path("etc/network/interfaces").display().to_string();
        let what = if interfaces.is_there() { "does not read it" } else { "is not there, so nothing reads it" };
        run.note(&format!("{main} {what}: ifupdown2 or ifupdown has to be there, and at the end of that file:"));
        run.note("    source /etc/network/interfaces.d/*");
    }
    Ok(())
}

fn put_shown(run: &mut Run, below: &str, text: &str, kind: Kind) -> Result<(), SetupError> {
    let changes = run.changes;
    files::put(run, below, text.as_bytes(), kind)?;
    if run.dry_run && run.changes > changes {
        show(run, text);
    }
    Ok(())
}

fn show(run: &mut Run, text: &str) {
    text.lines().for_each(|line| run.note(&format!("    | {line}")));
}

/// Takes the pair away, if it is there, and the files.
pub(super) fn remove(run: &mut Run) -> Result<(), SetupError> {
    let ours = |below: &str| fs::read(run.path(below)).is_ok_and(|content| is_ours(&content));
    let (stanzas, hook) = (ours(STANZAS), ours(HOOK));
    if stanzas && run.is_host() && is_up() {
        down(run)?;
    }
    for (below, ours) in [(STANZAS, stanzas), (HOOK, hook)] {
        if ours {
            files::remove(run, below)?;
        } else if run.path(below).exists() {
            run.note(&format!("kept {}: --install did not write it", run.path(below).display()));
        }
    }
    Ok(())
}

/// Whether the pair is there now.
fn is_up() -> bool {
    Path::new("/sys/class/net").join(VETH).exists()
}

/// By ifdown; and by hand, where ifdown is not there or knows nothing of it.
fn down(run: &mut Run) -> Result<(), SetupError> {
    let ifdown = ["/usr/sbin/ifdown", "/sbin/ifdown"].iter().any(|path| Path::new(path).exists());
    if ifdown {
        run.command("ifdown", &[VETH], "run it by hand")?;
    }
    if !ifdown || !run.dry_run && is_up() {
        run.command("ip", &["link", "del", "dev", VETH], "run it by hand")?;
    }
    Ok(())
}

/// Says how the pair comes up, or with `now` has it come up. `changed`: its files are not what they were.
pub(super) fn bring_up(run: &mut Run, site: &Site, now: bool, changed: bool) -> Result<(), SetupError> {
    if site.bridge.is_none() || !run.is_host() {
        return Ok(());
    }
    let up = is_up();
    if up && !changed {
        return Ok(());
    }
    if !now {
        let first = if up { "ifdown veth-rb; " } else { "" };
        run.note(&format!("to bring the pair up now, run as root: {first}ifup {VETH}"));
        return Ok(());
    }
    if up {
        down(run)?;
    }
    run.command("ifup", &[VETH], "it is part of the packages ifupdown2 and ifupdown; `ip link show` tells more")
}

/// What interfaces(5) of both ifupdown2 and ifupdown take. Each address has a stanza, as ifupdown wants it.
fn stanzas(site: &Site) -> String {
    let mut text = format!(
        "# {MARK}, replaced by the next, removed by --uninstall.\n\
         # {VETH} carries runbound's address; the other end, veth-bnd, becomes a port of {} by /{HOOK}.\n\
         auto {VETH}\n",
        site.bridge.as_deref().unwrap_or_default()
    );
    for (place, address) in site.addresses.iter().enumerate() {
        let family = if address.ip.is_ipv4() { "inet" } else { "inet6" };
        let _ = writeln!(text, "iface {VETH} {family} static\n    address {address}");
        if address.ip.is_ipv6() {
            // ifupdown would wait for duplicate address detection, which gets nowhere before the bridge is there.
            text.push_str("    dad-attempts 0\n");
        }
        if place == 0 {
            text.push_str(FIRST);
        }
        if place + 1 == site.addresses.len() {
            let _ = writeln!(text, "    post-down /{HOOK} down\n    post-down ip link del dev {VETH}");
        }
    }
    text
}

/// Strict reverse-path filtering would drop what comes in on veth-rb, because the route to the subnet may lead over the
/// bridge. Router advertisements are the bridge's to take.
const FIRST: &str = "    \
    pre-up ip link show dev veth-rb >/dev/null 2>&1 || ip link add dev veth-rb type veth peer name veth-bnd
    pre-up ip link set dev veth-bnd up
    pre-up echo 2 >/proc/sys/net/ipv4/conf/veth-rb/rp_filter
    pre-up [ ! -e /proc/sys/net/ipv6/conf/veth-rb ] || echo 0 >/proc/sys/net/ipv6/conf/veth-rb/accept_ra
    pre-up IFACE=veth-rb /etc/network/if-up.d/runbound
";

fn hook(site: &Site) -> String {
    let addresses: Vec<String> = site.addresses.iter().map(|address| address.ip.to_string()).collect();
    HOOK_TEMPLATE
        .replace("@BRIDGE@", site.bridge.as_deref().unwrap_or_default())
        .replace("@NICS@", &site.steer.join(" "))
        .replace("@ADDRESSES@", &addresses.join(" "))
}

/// The lines for `server:` that have the addresses served, to their subnets.
pub(super) fn directives(addresses: &[HostAddress]) -> String {
    addresses.iter().fold(String::new(), |mut text, address| {
        let _ = writeln!(text, "    interface: {}\n    access-control: {} allow", address.ip, address.network());
        text
    })
}

/// Says what a configuration that was there before lacks.
pub(super) fn say_what_to_serve(run: &mut Run, site: &Site) {
    let path = run.path(super::CONFIGURATION);
    let Ok(loaded) = crate::config::load(&path) else { return };
    let everywhere = |ip: IpAddr| if ip.is_ipv4() { "0.0.0.0" } else { "::" }.parse::<IpAddr>().ok();
    let served = |address: &&HostAddress| {
        loaded.config.interfaces.iter().any(|line| match &line.host {
            crate::config::Host::Address(own) => own.ip == address.ip || Some(own.ip) == everywhere(address.ip),
            crate::config::Host::Name(_) => false,
        })
    };
    let missing: Vec<HostAddress> = site.addresses.iter().filter(|address| !served(address)).copied().collect();
    if !missing.is_empty() {
        run.note(&format!("{} does not serve it yet; below server: write", path.display()));
        directives(&missing).lines().for_each(|line| run.note(line));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
