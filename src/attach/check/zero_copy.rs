//! Whether the kernel's driver can hand frames to an AF_XDP socket without a copy. All works with the copy; it costs speed.

use super::Subject;
use crate::attach::finding::{Finding, Level};
use crate::attach::plan::{Outcome, Target};
use crate::config::Toggle;
use crate::host::{Kind, Link};

/// Drivers that learned it after bpf_link came (5.9), without which no program of ours is attached: the version that has it
/// in both directions, and a word on it.
const SINCE: [(&str, (u32, u32), &str); 3] = [
    ("igb", (6, 14), "since Linux 6.14"),
    ("igc", (5, 14), "since Linux 5.14"),
    ("virtio_net", (6, 13), "since Linux 6.11 to receive and 6.13 to send"),
];

/// Drivers that have it in every kernel that has bpf_link.
const ALWAYS: [&str; 6] = ["i40e", "ice", "ixgbe", "mlx5_core", "stmmac", "st_gmac"];

pub(super) fn check(subject: &Subject, found: &mut Vec<Finding>) {
    let demanded = subject.config.xdp.zerocopy == Toggle::Yes;
    for target in subject.plan.targets.iter().filter(|_| demanded) {
        let name = &target.interface;
        let link = subject.facts.links.by_index(target.index);
        let driver = link.and_then(|link| link.driver.as_deref());
        if let Some(why) = refusal(target, link) {
            let text = format!("{name}: xdp-zerocopy: yes, and {why}: kernel sockets serve; write auto");
            found.push(Finding::new(Level::Warn, "zero-copy", text));
        } else if !driver
            .is_some_and(|driver| ALWAYS.contains(&driver) || SINCE.iter().any(|(name, ..)| *name == driver))
        {
            let text = format!(
                "{name}: xdp-zerocopy: yes: whether {} has AF_XDP zero-copy shows at the start; if not, kernel sockets serve",
                driver.unwrap_or("its driver")
            );
            found.push(Finding::new(Level::Info, "zero-copy", text));
        }
    }
    by_version(subject, found);
}

/// Why there is no zero-copy at a target in any kernel (drivers/net/veth.c has no ndo_xsk_wakeup).
fn refusal(target: &Target, link: Option<&Link>) -> Option<&'static str> {
    match link.map(|link| &link.kind) {
        _ if target.generic => Some("generic mode copies every frame"),
        Some(Kind::Veth { .. }) => Some("a veth has no AF_XDP zero-copy"),
        _ => None,
    }
}

/// Whether `xdp-zerocopy: yes` asks for what the places of an address do not have.
pub(super) fn is_refused(subject: &Subject, outcome: &Outcome) -> bool {
    let is_meant = |target: &&Target| outcome.spots().iter().any(|spot| spot.index == target.index);
    let refused = |target: &Target| refusal(target, subject.facts.links.by_index(target.index)).is_some();
    subject.config.xdp.zerocopy == Toggle::Yes && subject.plan.targets.iter().filter(is_meant).any(refused)
}

/// What newer kernels alone have.
fn by_version(subject: &Subject, found: &mut Vec<Finding>) {
    let Some(version @ (major, minor)) = subject.facts.kernel else { return };
    for target in subject.plan.targets.iter().filter(|target| !target.generic) {
        let link = subject.facts.links.by_index(target.index);
        let driver = link.and_then(|link| link.driver.as_deref()).unwrap_or("");
        let Some((.., words)) = SINCE.iter().find(|(name, since, _)| *name == driver && version < *since) else {
            continue;
        };
        let text = format!(
            "{}: {driver} has AF_XDP zero-copy {words}, this is Linux {major}.{minor}: frames are copied, which costs speed \
             and nothing else",
            target.interface
        );
        found.push(match subject.config.xdp.zerocopy {
            Toggle::No => continue,
            Toggle::Auto => Finding::new(Level::Info, "zero-copy", text),
            Toggle::Yes => {
                let text = format!(
                    "{}: xdp-zerocopy: yes, and {driver} has it {words}, this is Linux {major}.{minor}: kernel sockets \
                     serve; write auto",
                    target.interface
                );
                Finding::new(Level::Warn, "zero-copy", text)
            }
        });
    }
}
