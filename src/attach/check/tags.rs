//! Who takes VLAN tags off the frames before a program sees them: those of every VLAN would look like untagged ones.

use super::Subject;
use crate::attach::finding::{Finding, Level};
use crate::attach::plan::Target;
use crate::attach::tags::Tags;
use crate::host::Link;

/// The first kernel that shows a program the VLAN tag beside a frame (`bpf_xdp_metadata_rx_vlan_tag`).
const SHOWS_TAGS: (u32, u32) = (6, 8);

pub(super) fn check(subject: &Subject, link: &Link, target: &Target, found: &mut Vec<Finding>) {
    let name = &link.name;
    let info = |text: String| Finding::new(Level::Info, "rx-vlan", text);
    found.push(match &target.tags {
        Tags::Driver if link.rx_vlan == Some(true) => info(format!(
            "{name}: its driver takes VLAN tags off the frames: rxvlan is switched off while the program is there, and on \
             again at exit"
        )),
        Tags::Peer { name: peer, .. } if subject.facts.links.peer(link).is_some_and(hands_over_tags) => info(format!(
            "{name}: its other end {peer} hands VLAN tags over beside the frames: txvlan and tx-vlan-stag-hw-insert are \
             switched off there while the program is here, and on again at exit"
        )),
        Tags::PeerElsewhere => elsewhere(subject, name, target),
        Tags::Stay | Tags::Driver | Tags::Peer { .. } => return,
    });
}

fn hands_over_tags(peer: &Link) -> bool {
    peer.tx_vlan != Some(false) || peer.tx_stag != Some(false)
}

/// The other end cannot be looked at from here, nor changed.
fn elsewhere(subject: &Subject, name: &str, target: &Target) -> Finding {
    let text = format!(
        "{name}: its other end, in another network namespace, may hand VLAN tags over beside the frames; what comes with one \
         is to be left to the kernel"
    );
    match subject.facts.kernel {
        Some(kernel) if kernel < SHOWS_TAGS && !target.named => {
            let text = format!(
                "{text}, and Linux shows programs those tags since {}.{}: {}; where no frames of a VLAN \
                 come, or the other end puts tags into the frames (`ethtool -K PEER txvlan off tx-vlan-stag-hw-insert off` \
                 there), write xdp-interface: {name}",
                SHOWS_TAGS.0,
                SHOWS_TAGS.1,
                subject.otherwise()
            );
            Finding::new(subject.level(), "rx-vlan", text)
        }
        _ => Finding::new(Level::Info, "rx-vlan", text),
    }
}
