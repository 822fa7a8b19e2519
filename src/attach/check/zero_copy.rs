//! Whether a driver hands frames to an AF_XDP socket without a copy. All works with the copy; it costs speed.

use super::Subject;
use crate::attach::finding::{Finding, Level};
use crate::attach::plan::Target;
use crate::config::Toggle;
use crate::host::Kind;

/// Drivers that learned it after bpf_link came (5.9), without which no program of ours is attached: the version that has it
/// in both directions, and a word on it.
const SINCE: [(&str, (u32, u32), &str); 3] = [
    ("igb", (6, 14), "since Linux 6.14"),
    ("igc", (5, 14), "since Linux 5.14"),
    ("virtio_net", (6, 13), "since Linux 6.11 to receive and 6.13 to send"),
];

pub(super) fn check(subject: &Subject, found: &mut Vec<Finding>) {
    for target in &subject.plan.targets {
        let name = &target.interface;
        let Some(lack) = lack(subject, target) else { continue };
        found.push(match (subject.config.xdp.zerocopy, lack) {
            (Toggle::Yes, Lack::Never(what) | Lack::Yet(what)) => {
                let text = format!("{name}: xdp-zerocopy: yes, and {what}: {}; write auto", subject.otherwise());
                Finding::new(subject.level(), "zero-copy", text)
            }
            (Toggle::Auto, Lack::Yet(what)) => {
                let text = format!("{name}: {what}: frames are copied, which costs speed and nothing else");
                Finding::new(Level::Info, "zero-copy", text)
            }
            (Toggle::Auto, Lack::Never(_)) | (Toggle::No, _) => continue,
        });
    }
}

/// What there is no zero-copy by.
enum Lack {
    /// No kernel has it.
    Never(String),
    /// A newer kernel has it.
    Yet(String),
}

fn lack(subject: &Subject, target: &Target) -> Option<Lack> {
    let link = subject.facts.links.by_index(target.index)?;
    if target.generic {
        return Some(Lack::Never("generic XDP has no zero-copy".to_owned()));
    }
    if matches!(link.kind, Kind::Veth { .. }) {
        return Some(Lack::Never("veth has no zero-copy".to_owned()));
    }
    let (driver, version) = (link.driver.as_deref()?, subject.facts.kernel?);
    let (.., words) = SINCE.iter().find(|(name, since, _)| *name == driver && version < *since)?;
    let (major, minor) = version;
    Some(Lack::Yet(format!("{driver} has AF_XDP zero-copy {words}, this is Linux {major}.{minor}")))
}
