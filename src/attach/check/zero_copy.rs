//! Whether the kernel's driver can hand frames to an AF_XDP socket without a copy. All works with the copy; it costs speed.

use super::Subject;
use crate::attach::finding::{Finding, Level};
use crate::config::Toggle;

/// Drivers that learned it after bpf_link came (5.9), without which no program of ours is attached: the version that has it
/// in both directions, and a word on it.
const SINCE: [(&str, (u32, u32), &str); 3] = [
    ("igb", (6, 14), "since Linux 6.14"),
    ("igc", (5, 14), "since Linux 5.14"),
    ("virtio_net", (6, 13), "since Linux 6.11 to receive and 6.13 to send"),
];

pub(super) fn check(subject: &Subject, found: &mut Vec<Finding>) {
    let Some(version @ (major, minor)) = subject.facts.kernel else { return };
    for target in subject.plan.targets.iter().filter(|target| !target.generic) {
        let Some(link) = subject.facts.links.by_index(target.index) else { continue };
        let driver = link.driver.as_deref().unwrap_or("");
        let Some((.., words)) = SINCE.iter().find(|(name, since, _)| *name == driver && version < *since) else {
            continue;
        };
        let text = format!(
            "{}: {driver} has AF_XDP zero-copy {words}, this is Linux {major}.{minor}: frames are copied, which costs speed \
             and nothing else",
            link.name
        );
        found.push(match subject.config.xdp.zerocopy {
            Toggle::No => continue,
            Toggle::Auto => Finding::new(Level::Info, "zero-copy", text),
            Toggle::Yes => {
                let text = format!(
                    "{}: xdp-zerocopy: yes, and {driver} has it {words}, this is Linux {major}.{minor}: kernel sockets \
                     serve; write auto",
                    link.name
                );
                Finding::new(Level::Warn, "zero-copy", text)
            }
        });
    }
}
