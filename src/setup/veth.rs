//! `--address`, `--bridge` and `--vlan`: a veth pair of runbound's own beside the host's bridge, made by ifupdown2 or
//! ifupdown, and `--steer`.
//!
//! One end, veth-rb, carries the address; the other, veth-bnd, is a port of the bridge. Files that others wrote are read
//! and never changed, and nothing is brought up without `--now`.

mod check;
mod guests;
mod hosts;
mod known;
mod left;
mod lost;
mod names;
mod network;
mod occupied;
mod pair;
mod taken;

pub(super) use check::check;
pub(super) use hosts::unnumbered;
pub(super) use known::{Around, around};
pub(super) use names::by_own_names;
pub(super) use pair::{Pair, installed};

use pair::Port;

use super::files::{self, Kind};
use super::interfaces::Interfaces;
use super::{Run, SYSCTL_FILE, SetupError};
use crate::config::site::{HostAddress, Site};
use crate::config::{Config, Host};
use crate::host::{InterfaceAddress, PAIR, PAIR_FILE, is_of_pair, pair_addresses};
use std::fmt::Write;
use std::net::IpAddr;
use std::path::Path;

/// The stanzas.
pub(super) const STANZAS: &str = PAIR_FILE;
/// What ifupdown runs when an interface comes up.
pub(super) const HOOK: &str = "etc/network/if-up.d/runbound";
/// The end that carries the address.
pub(super) const VETH: &str = PAIR;
/// The other end.
const PORT: &str = "veth-bnd";
/// What has the stanzas read, by every version.
const SOURCE: &str = "source /etc/network/interfaces.d/*";

/// Writes the files. With `--dry-run` what would be in them is shown.
pub(super) fn put(run: &mut Run, pair: Option<&Pair>) -> Result<(), SetupError> {
    let Some(pair) = pair else { return known::say_kept(run) };
    let before = run.text(STANZAS);
    let bridge = installed(&run.text(HOOK)).and_then(|(hosts, _)| hosts.into_iter().next());
    let steered = pair::value(&run.text(HOOK), "NICS").unwrap_or_default().to_owned();
    put_shown(run, HOOK, &pair.hook(), Kind::Program)?;
    put_shown(run, STANZAS, &pair.stanzas(), Kind::Text)?;
    let new: Vec<String> = pair.site.addresses.iter().map(HostAddress::to_string).collect();
    let old: Vec<String> = pair_addresses(&before).iter().map(InterfaceAddress::to_string).collect();
    if !old.is_empty() && old != new {
        run.note(&format!("{VETH}: {} instead of {}", new.join(" "), old.join(" ")));
    }
    if let Some(bridge) = bridge.filter(|bridge| bridge != pair.bridge) {
        run.note(&format!(
            "{VETH}: at {} instead of {bridge}, so who is at {bridge} does not reach it any more",
            pair.bridge
        ));
    }
    let missed: Vec<&str> =
        steered.split_whitespace().filter(|nic| pair.site.steer.iter().all(|own| own != nic)).collect();
    if !missed.is_empty() {
        let words: Vec<String> = missed.iter().map(|nic| format!("--steer {nic}")).collect();
        run.note(&format!(
            "queries are not steered by {} any more; `{}` keeps that",
            missed.join(" and "),
            words.join(" ")
        ));
    }
    if let Some(why) = unread(run) {
        run.note(&format!("{why}:"));
        run.note(&format!("    {SOURCE}"));
    }
    Ok(())
}

/// Why nothing reads the stanzas; what is missing at the end of the file that is named is [`SOURCE`].
fn unread(run: &Run) -> Option<String> {
    let interfaces = Interfaces::read(&run.root);
    if interfaces.reads(&Path::new("/").join(STANZAS)) {
        return None;
    }
    let main = run.path("etc/network/interfaces").display().to_string();
    Some(match interfaces.passed_over() {
        Some(line) => {
            format!(
                "{main} does not read it, as the ifupdown2 of this host passes `{line}` over: at the end of that file"
            )
        }
        None if interfaces.is_there() => {
            format!("{main} does not read it: ifupdown2 or ifupdown has to be there, and at the end of that file")
        }
        None => {
            format!(
                "{main} is not there, so nothing reads it: ifupdown2 or ifupdown has to be there, and at the end of that file"
            )
        }
    })
}

/// Writes a text file or a program; with `--dry-run` what would be in it is shown.
pub(super) fn put_shown(run: &mut Run, below: &str, text: &str, kind: Kind) -> Result<(), SetupError> {
    let changes = run.changes;
    files::put(run, below, text.as_bytes(), kind)?;
    if run.dry_run && run.changes > changes {
        text.lines().for_each(|line| run.note(&format!("    | {line}")));
    }
    Ok(())
}

/// Takes the pair away, if it is there, and the files.
pub(super) fn remove(run: &mut Run) -> Result<(), SetupError> {
    if run.is_host() && is_up() {
        if files::is_ours(run, STANZAS) {
            down(run)?;
        } else {
            left::remove(run)?;
        }
    }
    files::remove_ours(run, STANZAS)?;
    files::remove_ours(run, HOOK)?;
    Ok(())
}

/// Whether the pair is there now.
pub(super) fn is_up() -> bool {
    Path::new("/sys/class/net").join(VETH).exists()
}

/// By ifdown; and by hand, where ifdown is not there or knows nothing of it, as its stanza was edited.
fn down(run: &mut Run) -> Result<(), SetupError> {
    let ifdown = is_program("ifdown");
    if ifdown && let Err(cause) = run.command("ifdown", &[VETH], "it is done without") {
        run.note(&cause.to_string());
    }
    if !ifdown || !run.dry_run && is_up() {
        left::by_hand(run)?;
    }
    Ok(())
}

/// Says how the pair comes up, or with `now` has it come up. `changed`: its files are not what they were.
pub(super) fn bring_up(run: &mut Run, now: bool, changed: bool) -> Result<(), SetupError> {
    if !run.is_host() {
        return Ok(());
    }
    let up = is_up();
    if up && !changed {
        return Ok(());
    }
    if !now {
        let first = if up { "ifdown veth-rb; " } else { "" };
        run.note(&format!("to bring the pair up now, run as root: sysctl -e -p /{SYSCTL_FILE}; {first}ifup {VETH}"));
        return Ok(());
    }
    if unread(run).is_some() && !run.dry_run {
        let fix = format!("write `{SOURCE}` at the end of /etc/network/interfaces and run it again");
        return Err(SetupError::new(
            &run.path(STANZAS),
            "is read by nobody yet, so ifup would find no such interface",
            &fix,
        ));
    }
    if up {
        down(run)?;
    }
    let fix = if is_program("ifup") {
        "`ip link show` tells more"
    } else {
        "it is part of the packages ifupdown2 and ifupdown"
    };
    // One that went without ifdown is up in its books.
    run.command("ifup", &["--force", VETH], fix)
}

fn is_program(name: &str) -> bool {
    ["/usr/sbin", "/sbin"].iter().any(|folder| Path::new(folder).join(name).exists())
}

/// The lines for `server:` that have the addresses served, to their subnets.
pub(super) fn directives(addresses: &[HostAddress]) -> String {
    addresses.iter().fold(String::new(), |mut text, address| {
        let _ = writeln!(text, "    interface: {}\n    access-control: {} allow", address.ip, address.network());
        text
    })
}

/// Whether a configuration has an address of the pair served: by itself, with all of its family, or by the pair's name.
fn serves(config: &Config, ip: IpAddr) -> bool {
    config.interfaces.iter().any(|line| match &line.host {
        Host::Address(own) => own.ip == ip || own.ip.is_unspecified() && own.ip.is_ipv4() == ip.is_ipv4(),
        Host::Name(name) => is_of_pair(name),
    })
}

/// Says what a configuration that was there before lacks.
pub(super) fn say_what_to_serve(run: &mut Run, site: &Site) {
    let path = run.path(super::CONFIGURATION);
    let config = crate::config::read(&path).config;
    let served = |address: &&HostAddress| serves(&config, address.ip);
    let missing: Vec<HostAddress> = site.addresses.iter().filter(|address| !served(address)).copied().collect();
    if !missing.is_empty() {
        run.note(&format!("{} does not serve it yet; below server: write", path.display()));
        directives(&missing).lines().for_each(|line| run.note(line));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
