//! When an interface that refused is tried again.

use super::tags::tests::target;
use super::*;

fn refused(target: &Target, disturbs: bool) -> Refused {
    let mut path = FastPath::default();
    path.refuse(target, Refusal { reason: "eth0: attach refused".into(), disturbs }, false);
    path.refused.remove(0)
}

#[test]
fn a_card_that_a_try_disturbs_is_tried_once() {
    let (card, later) = (target(false), Instant::now() + 2 * RETRY_MOST);
    let left = refused(&card, true);
    assert_eq!(left.again, None, "nothing calls for it");
    assert!(left.waits(&card, later));
    assert!(left.reason.contains("a restart"), "{}", left.reason);
    // What the try itself brings about, and what any address of the host does.
    let own = vec!["192.0.2.1".parse().expect("an address")];
    assert!(left.waits(&Target { carrier: false, own, ..card.clone() }, later));
    for other in [Target { mtu: 9000, ..card.clone() }, Target { index: 3, ..card.clone() }, target(true)] {
        assert!(!left.waits(&other, later), "{other:?}");
    }
}

#[test]
fn others_are_tried_again_and_at_once_when_they_are_another() {
    let card = target(false);
    let left = refused(&card, false);
    let again = left.again.expect("a time");
    assert!(left.waits(&card, again - Duration::from_secs(1)) && !left.waits(&card, again));
    assert!(!left.waits(&Target { mtu: 9000, ..card }, again - Duration::from_secs(1)));
}

#[test]
fn slaves_with_a_link_come_first() {
    let slave = |index, carrier| Target { index, carrier, bond: Some(9), ..target(false) };
    let targets =
        [slave(2, false), slave(3, true), Target { bond: None, carrier: false, ..slave(4, false) }, slave(5, true)];
    let turn: Vec<u32> = in_turn(&targets).iter().map(|target| target.index).collect();
    assert_eq!(turn, [3, 4, 5, 2]);
}
