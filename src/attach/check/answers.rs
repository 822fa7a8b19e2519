//! Whether the XDP program answers by itself (`xdp-answers:`). Where it does not, the worker does: that costs speed, nothing else.

use super::mtu::VETH_FRAGS;
use super::{Subject, programs, zero_copy};
use crate::attach::answers;
use crate::attach::finding::{Finding, Level};
use crate::attach::plan::Target;
use crate::attach::tags::{PAGE_MTU, Tags};
use crate::config::Toggle;

pub(super) fn check(subject: &Subject, found: &mut Vec<Finding>) {
    let wanted = subject.config.xdp.answers;
    if wanted == Toggle::No {
        return;
    }
    for target in &subject.plan.targets {
        let name = &target.interface;
        // A driver of which that is not known says so at the start.
        let zero_copy = zero_copy::is_had(subject, target);
        let why = answers::without_answers(wanted, subject.config, target, zero_copy == Some(true));
        let finding =
            match why.or_else(|| refused_at_peer(subject, target)).or_else(|| unread_elsewhere(subject, target)) {
                Some(why) => {
                    let level = if wanted == Toggle::Yes { Level::Warn } else { Level::Info };
                    Finding::new(level, "xdp-answers", format!("{name}: the worker answers all: {why}"))
                }
                None => Finding::new(Level::Info, "xdp-answers", format!("{name}: {}", on(target, zero_copy, wanted))),
            };
        found.push(finding);
    }
}

fn on(target: &Target, zero_copy: Option<bool>, wanted: Toggle) -> String {
    let unless = if zero_copy.is_none() && wanted == Toggle::Auto { ", unless its driver has zero-copy" } else { "" };
    let peer = match &target.tags {
        Tags::Peer { name, .. } => {
            format!("; its other end {name} gets a program that lets all pass, as the kernel wants one there")
        }
        Tags::PeerElsewhere => {
            "; a program at its other end, in another network namespace, is to let its replies pass".to_owned()
        }
        _ => String::new(),
    };
    format!(
        "the XDP program answers by itself what is asked most, once a first answer has shown that it leaves{unless}{peer}"
    )
}

/// Why the program for the other end of a pair would not get there.
fn refused_at_peer(subject: &Subject, target: &Target) -> Option<String> {
    let links = &subject.facts.links;
    let Tags::Peer { index, .. } = target.tags else { return None };
    let peer = links.by_index(index)?;
    if let Some((holder, program)) = programs::in_the_way(subject, peer).next() {
        return Some(answers::peer_is_taken(&peer.name, &holder.name, program));
    }
    let old = subject.facts.kernel.is_some_and(|kernel| kernel < VETH_FRAGS);
    (old && target.mtu > PAGE_MTU).then(|| {
        let (peer, mtu) = (&peer.name, target.mtu);
        format!(
            "its MTU of {mtu} lets no program be at its other end {peer}: at most {PAGE_MTU} does, or Linux since 5.18"
        )
    })
}

/// Why nobody would read what the program answers at the other end of a pair, where that is out of reach.
fn unread_elsewhere(subject: &Subject, target: &Target) -> Option<String> {
    let link = subject.facts.links.by_index(target.index).filter(|_| target.tags == Tags::PeerElsewhere)?;
    match link.peer_has_program() {
        Some(true) => None,
        Some(false) => Some(answers::NO_PROGRAM.to_owned()),
        None => Some(answers::UNTOLD.to_owned()),
    }
}
