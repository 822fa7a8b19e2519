//! Whether the MTU of a link is more than its driver takes with a program.

use super::Subject;
use crate::attach::advice::quoted;
use crate::attach::finding::{Finding, Level};
use crate::attach::plan::Target;
use crate::attach::tags::{PAGE_MTU, Tags, longest};
use crate::host::{Kind, Link};

/// The kernel from which on veth gives a program frames of several buffers, so that no MTU is in its way.
pub(super) const VETH_FRAGS: (u32, u32) = (5, 18);

/// What limits native XDP at a link: the end whose MTU decides, the most that it may have, and the driver of a card.
struct Limit<'a> {
    end: &'a Link,
    most: u32,
    driver: Option<&'a str>,
}

/// Before [`VETH_FRAGS`], veth looks at the MTU of the other end alone: that is the longest frame that comes.
fn limit<'a>(subject: &'a Subject, link: &'a Link, target: &Target) -> Option<Limit<'a>> {
    let takes_any = |since| subject.facts.kernel.is_none_or(|kernel| kernel >= since);
    match &target.tags {
        Tags::Peer { .. } if !takes_any(VETH_FRAGS) => {
            Some(Limit { end: subject.facts.links.peer(link)?, most: PAGE_MTU, driver: None })
        }
        Tags::Driver => {
            let driver = link.driver.as_deref()?;
            let (most, since) = longest(driver)?;
            let limited = since.is_none_or(|since| !takes_any(since));
            limited.then_some(Limit { end: link, most, driver: Some(driver) })
        }
        _ => None,
    }
}

/// Whether no program can be attached to a link because of that.
pub(super) fn is_too_long(subject: &Subject, link: &Link) -> bool {
    let target = subject.plan.targets.iter().find(|target| target.index == link.index && !target.generic);
    target.and_then(|target| limit(subject, link, target)).is_some_and(|limit| limit.end.mtu > limit.most)
}

pub(super) fn check(subject: &Subject, link: &Link, target: &Target, found: &mut Vec<Finding>) {
    let name = &link.name;
    if target.generic {
        return;
    }
    if target.tags == Tags::PeerElsewhere && subject.facts.kernel.is_some_and(|kernel| kernel < VETH_FRAGS) {
        let text = format!(
            "{name}: native XDP takes at most {PAGE_MTU} at its other end, in another network namespace; its own does not matter"
        );
        return found.push(Finding::new(Level::Info, "mtu", text));
    }
    let Some(limit) = limit(subject, link, target) else { return };
    let Limit { end, most, driver } = &limit;
    let whose = match driver {
        Some(driver) => format!(" ({driver})"),
        None => " (at the other end of the pair; its own does not matter)".to_owned(),
    };
    let text = format!("{name}: native XDP takes at most {most}, {} has {}{whose}", end.name, end.mtu);
    if end.mtu <= *most {
        return found.push(Finding::new(Level::Ok, "mtu", text));
    }
    let finding = |text| Finding::new(subject.level(), "mtu", text);
    if target.resets {
        // Its network may need it: a command that cuts frames off is none to be printed.
        let text = format!("{text}: {}; an address on a veth pair takes any", subject.otherwise());
        return found.push(finding(text));
    }
    let text = format!("{text}: {}", subject.otherwise());
    found.push(finding(text).with_fix(lower(subject, link, &limit)));
}

/// The commands that lower it.
fn lower(subject: &Subject, link: &Link, Limit { end, most, .. }: &Limit) -> String {
    let mut fix = vec![format!("ip link set {} mtu {most}", quoted(&end.name))];
    // Otherwise a bridge whose MTU nobody set takes the least of its ports', for all of them.
    if let Some(bridge) = subject.facts.links.master(end).filter(|master| master.kind == Kind::Bridge) {
        fix.insert(0, format!("ip link set {} mtu {}", quoted(&bridge.name), bridge.mtu));
    }
    // What the host sends must not be longer than the other end takes.
    if end.index != link.index && link.mtu > *most {
        fix.push(format!("ip link set {} mtu {most}", quoted(&link.name)));
    }
    fix.join("\n")
}
