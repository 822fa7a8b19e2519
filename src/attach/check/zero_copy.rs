//! Whether a driver hands frames to an AF_XDP socket without a copy. All works with the copy; it costs speed.

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
    for target in &subject.plan.targets {
        let name = &target.interface;
        let Some(link) = subject.facts.links.by_index(target.index) else { continue };
        let lack = never(target, link).map(Lack::Never).or_else(|| by_driver(link, subject.facts.kernel?));
        found.push(match (subject.config.xdp.zerocopy, lack) {
            (Toggle::Yes, Some(Lack::Never(what))) => refused(subject, name, what),
            (Toggle::Yes, Some(Lack::Yet(what))) => refused(subject, name, &what),
            (Toggle::Yes, Some(Lack::Unknown(driver))) => {
                let text = format!(
                    "{name}: xdp-zerocopy: yes: whether {driver} has AF_XDP zero-copy shows at the start; if not, {}",
                    subject.otherwise()
                );
                Finding::new(Level::Info, "zero-copy", text)
            }
            (Toggle::Auto, Some(Lack::Yet(what))) => {
                let text = format!("{name}: {what}: frames are copied, which costs speed and nothing else");
                Finding::new(Level::Info, "zero-copy", text)
            }
            (Toggle::Auto | Toggle::No, _) | (_, None) => continue,
        });
    }
}

fn refused(subject: &Subject, name: &str, what: &str) -> Finding {
    let text = format!("{name}: xdp-zerocopy: yes, and {what}: {}; write auto", subject.otherwise());
    Finding::new(subject.level(), "zero-copy", text)
}

/// What there is no zero-copy by, or perhaps none.
enum Lack {
    /// No kernel has it.
    Never(&'static str),
    /// A newer kernel has it.
    Yet(String),
    /// What is known of this driver, by its name, does not tell.
    Unknown(String),
}

/// Why there is no zero-copy at a target in any kernel (drivers/net/veth.c has no ndo_xsk_wakeup).
fn never(target: &Target, link: &Link) -> Option<&'static str> {
    match link.kind {
        _ if target.generic => Some("generic mode copies every frame"),
        Kind::Veth { .. } => Some("a veth has no AF_XDP zero-copy"),
        _ => None,
    }
}

/// Whether the sockets at a target are bound so; `None` where the start will tell.
pub(super) fn is_had(subject: &Subject, target: &Target) -> Option<bool> {
    let link = subject.facts.links.by_index(target.index)?;
    if subject.config.xdp.zerocopy == Toggle::No || never(target, link).is_some() {
        return Some(false);
    }
    match by_driver(link, subject.facts.kernel?) {
        Some(Lack::Unknown(_)) => None,
        lack => Some(lack.is_none()),
    }
}

fn by_driver(link: &Link, version @ (major, minor): (u32, u32)) -> Option<Lack> {
    let Some(driver) = link.driver.as_deref().filter(|driver| !ALWAYS.contains(driver)) else {
        return link.driver.is_none().then(|| Lack::Unknown("its driver".to_owned()));
    };
    let Some((_, since, words)) = SINCE.iter().find(|(name, ..)| *name == driver) else {
        return Some(Lack::Unknown(driver.to_owned()));
    };
    let lacks = format!("{driver} has AF_XDP zero-copy {words}, this is Linux {major}.{minor}");
    (version < *since).then_some(Lack::Yet(lacks))
}

/// Whether `xdp-zerocopy: yes` asks for what the places of an address do not have in any kernel.
pub(super) fn is_refused(subject: &Subject, outcome: &Outcome) -> bool {
    let never_has =
        |target: &Target| subject.facts.links.by_index(target.index).is_some_and(|link| never(target, link).is_some());
    let is_meant = |target: &&Target| outcome.spots().iter().any(|spot| spot.index == target.index);
    subject.config.xdp.zerocopy == Toggle::Yes && subject.plan.targets.iter().filter(is_meant).any(never_has)
}
