//! VLAN tags that are to stay on the frames of an interface, where the program sees them.

use super::refused::{Because, Refusal};
use crate::attach::{Tags, Target};
use crate::host::{Changes, Driver, TagsLost};
use std::time::Duration;

/// What was sent before the tags were put into the frames again has come in by then.
pub(super) const CLEARS: Duration = Duration::from_millis(100);

/// Why VLAN tags do not stay on the frames of an interface, as it was last said.
#[derive(Debug, Default)]
pub(super) struct Lost(Option<String>);

impl Lost {
    /// What is in force.
    pub(super) fn cause(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// Takes what came of [`keep`] at `interface`. Says it when it is news, and when it is over.
    pub(super) fn take(&mut self, cause: Option<String>, interface: &str) -> bool {
        let is_news = cause != self.0;
        self.0 = cause;
        match &self.0 {
            Some(cause) if is_news => log::warn!("{cause}"),
            None if is_news => log::info!("{interface}: VLAN tags stay on the frames again"),
            _ => (),
        }
        is_news
    }
}

/// Has VLAN tags left on the frames: without, those of every VLAN look like untagged ones. Gives why they are not, where the
/// configuration says that this does no harm.
///
/// # Errors
/// Why they are not, and what to do; or that the host is another than it was for the plan.
pub(super) fn keep<D: Driver>(target: &Target, changes: &mut Changes<D>) -> Result<Option<String>, Refusal> {
    let name = &target.interface;
    let kept = match &target.tags {
        Tags::Stay | Tags::PeerElsewhere => return Ok(None),
        Tags::Driver => changes.keep_received_tags(name, target.index),
        Tags::Peer { name: peer, index } => changes.keep_tags_of_peer(name, peer, *index),
    };
    match kept {
        Err(TagsLost::Moved(cause)) => Err(Refusal { because: Because::Moved, ..cause.into() }),
        Err(TagsLost::Fixed(cause)) if target.named && target.places.iter().all(|place| place.vlan.is_none()) => {
            Ok(Some(format!("{cause}; xdp-interface: {name} says that no frames of a VLAN come there")))
        }
        Err(TagsLost::Fixed(cause)) => {
            Err(format!("{cause} (`xdp-interface: {name}` says that no frames of a VLAN come there)").into())
        }
        Ok(()) => Ok(None),
    }
}

/// Whether it is known that they are left on now.
pub(super) fn stay<D: Driver>(target: &Target, changes: &Changes<D>) -> bool {
    match &target.tags {
        Tags::Stay | Tags::PeerElsewhere => true,
        Tags::Driver => changes.leaves_tags(&target.interface, false),
        Tags::Peer { name, .. } => changes.leaves_tags(name, true),
    }
}

/// # Errors
/// The interface of the target has another name than the plan has for it, or is gone.
pub(super) fn is_still_there<D: Driver>(target: &Target, changes: &Changes<D>) -> Result<(), Refusal> {
    match changes.name(target.index) {
        Ok(name) if name == target.interface => Ok(()),
        _ => {
            let reason = format!("{}: it was renamed, moved or removed while XDP was put there", target.interface);
            Err(Refusal { because: Because::Moved, ..reason.into() })
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use super::*;
    use crate::sys::ethtool::{Channels, Feature, UdpRule};
    use rustix::io::Errno;
    use std::io;

    /// A driver that takes tags off or not, and lets nobody change it (`fixed` in `ethtool -k`).
    #[derive(Default)]
    struct Fixed<const ON: bool>;

    impl<const ON: bool> Driver for Fixed<ON> {
        fn index(&self, _interface: &str) -> Option<u32> {
            Some(2)
        }
        fn name(&self, index: u32) -> io::Result<String> {
            if index == 2 { Ok("eth0".into()) } else { Err(Errno::NODEV.into()) }
        }
        fn feature(&self, _interface: &str, _feature: Feature) -> io::Result<bool> {
            Ok(ON)
        }
        fn set_feature(&mut self, _interface: &str, _feature: Feature, _on: bool) -> io::Result<()> {
            Err(Errno::OPNOTSUPP.into())
        }
        fn channels(&self, _interface: &str) -> io::Result<Channels> {
            Err(Errno::OPNOTSUPP.into())
        }
        fn set_channels(&mut self, _interface: &str, _channels: Channels) -> io::Result<()> {
            Err(Errno::OPNOTSUPP.into())
        }
        fn find_rule(&self, _interface: &str, _rule: &UdpRule) -> io::Result<Option<u32>> {
            Ok(None)
        }
        fn insert_rule(&mut self, _interface: &str, _rule: &UdpRule) -> io::Result<u32> {
            Err(Errno::OPNOTSUPP.into())
        }
        fn delete_rule(&mut self, _interface: &str, _location: u32) -> io::Result<()> {
            Err(Errno::OPNOTSUPP.into())
        }
    }

    /// A card whose link an attach resets.
    pub(in crate::serve::fast_path) fn target(named: bool) -> Target {
        Target {
            interface: "eth0".into(),
            index: 2,
            mtu: 1500,
            reply_mtu: 1500,
            driver: None,
            physical: true,
            tags: Tags::Driver,
            peer_mtu: None,
            named,
            resets: true,
            bond: None,
            standby: false,
            carrier: true,
            carried_by: 2,
            places: Vec::new(),
            own: Vec::new(),
            port: 53,
            generic: false,
        }
    }

    #[test]
    fn a_driver_that_keeps_no_tags_is_said_once_and_when_it_is_over() {
        let (mut lost, named) = (Lost::default(), target(true));
        let (mut refuses, mut leaves) = (Changes::<Fixed<true>>::default(), Changes::<Fixed<false>>::default());
        assert!(!lost.take(keep(&named, &mut leaves).unwrap(), "eth0"), "nothing to say");
        assert!(lost.take(keep(&named, &mut refuses).unwrap(), "eth0"), "it is news");
        assert!(lost.cause().unwrap().contains("ethtool -K eth0"), "and shown");
        assert!(!lost.take(keep(&named, &mut refuses).unwrap(), "eth0"), "once");
        assert!(lost.take(keep(&named, &mut leaves).unwrap(), "eth0"), "it is over");
        assert_eq!(lost.cause(), None);
        let refusal = keep(&target(false), &mut refuses).unwrap_err();
        assert!(
            refusal.reason.contains("`xdp-interface: eth0` says") && refusal.because == Because::Other,
            "{refusal:?}"
        );
    }

    #[test]
    fn tags_stay_where_whoever_may_take_them_off_says_so() {
        let (takes, leaves) = (Changes::<Fixed<true>>::default(), Changes::<Fixed<false>>::default());
        let pair = Target { tags: Tags::Peer { name: "eth1".into(), index: 3 }, ..target(false) };
        for target in [&target(false), &pair] {
            assert!(stay(target, &leaves) && !stay(target, &takes));
        }
        assert!(stay(&Target { tags: Tags::PeerElsewhere, ..target(false) }, &takes), "it is read beside the frame");
    }

    #[test]
    fn nothing_is_attached_beside_an_end_that_is_not_there_as_planned() {
        let mut leaves = Changes::<Fixed<false>>::default();
        let beside = |index| Target { tags: Tags::Peer { name: "eth1".into(), index }, ..target(true) };
        let refusal = keep(&beside(9), &mut leaves).unwrap_err();
        assert!(refusal.because == Because::Moved && refusal.reason.contains("eth1"), "{refusal:?}");
        assert!(keep(&beside(2), &mut leaves).is_ok(), "it is called eth0 by now");
        assert!(is_still_there(&target(false), &leaves).is_ok());
        for moved in [Target { index: 9, ..target(false) }, Target { interface: "eth1".into(), ..target(false) }] {
            assert_eq!(is_still_there(&moved, &leaves).unwrap_err().because, Because::Moved);
        }
    }
}
