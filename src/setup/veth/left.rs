//! A pair that lives while the file that made it is gone or no more as it was written.

use super::{HOOK, PORT, VETH};
use crate::host;
use crate::setup::interfaces::Interfaces;
use crate::setup::{Run, SetupError, files};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Takes it away, if it is the one that `--install` made; else says what is left, and how it goes.
pub(super) fn remove(run: &mut Run) -> Result<(), SetupError> {
    if let Some(stanza) = Interfaces::read(&run.root).stanza_elsewhere(VETH, Path::new("")) {
        let file = stanza.file.display();
        run.note(&format!(
            "kept {VETH}: {file} has an `iface {VETH}` that --install did not write; `ifdown {VETH}` takes the pair away"
        ));
        return Ok(());
    }
    if is_ours()? {
        return by_hand(run);
    }
    run.note(&format!(
        "kept {VETH}: no file makes it any more, and it has not the MAC that --install gives; if it is left of that: \
         `ip link del dev {VETH}`"
    ));
    Ok(())
}

/// Without ifdown: what the hook does when the pair goes, and its end.
pub(super) fn by_hand(run: &mut Run) -> Result<(), SetupError> {
    if files::is_ours(run, HOOK) {
        let hook = run.path(HOOK).display().to_string();
        if let Err(cause) = run.command(&hook, &["down"], "run it by hand") {
            run.note(&cause.to_string());
        }
    } else if is_switched() {
        let words = ["--timeout=10", "--if-exists", "del-port", PORT];
        if let Err(cause) = run.command("ovs-vsctl", &words, "run it by hand") {
            run.note(&cause.to_string());
        }
    }
    run.command("ip", &["link", "del", "dev", VETH], "run it by hand")
}

/// Whether the other end is a port of an Open vSwitch, whose database keeps it when the link is gone.
fn is_switched() -> bool {
    let master = fs::read_link(format!("/sys/class/net/{PORT}/master"));
    master.is_ok_and(|master| master.ends_with("ovs-system"))
}

/// Whether the pair has the MAC that the hook makes for it, which no other program gives.
pub(super) fn is_ours() -> Result<bool, SetupError> {
    let links = host::links().map_err(|cause| SetupError::io(Path::new("the host's links"), &cause))?;
    let veth = links.iter().find(|link| link.name == VETH && matches!(link.kind, host::Kind::Veth { .. }));
    let Some(mac) = veth.and_then(|link| link.mac) else { return Ok(false) };
    let text = mac.map(|octet| format!("{octet:02x}")).join(":");
    let made = Command::new("sh").args(["-c", super::pair::HOOK_TEMPLATE, "sh", "mac", VETH]).output();
    let made =
        made.map_err(|cause| SetupError::command("sh", &cause.to_string(), "it tells which pair is runbound's"))?;
    Ok(String::from_utf8_lossy(&made.stdout).trim() == text)
}
