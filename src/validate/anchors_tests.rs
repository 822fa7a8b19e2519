use super::*;

fn ds(zone: &[u8], algorithm: u8) -> AnchorRecord {
    AnchorRecord { zone: zone.to_vec(), class: IN, rtype: DS, data: vec![1, 2, algorithm, 2, 9] }
}

fn zone_of(closest: Option<Closest<'_>>) -> Option<(Vec<u8>, bool)> {
    closest.map(|closest| match closest {
        Closest::Anchor { zone, .. } => (zone.to_vec(), true),
        Closest::Insecure { zone } => (zone.to_vec(), false),
    })
}

const EXAMPLE: &[u8] = b"\x07example\0";
const LAB: &[u8] = b"\x03lab\x07example\0";

#[test]
fn the_closest_point_above_a_name_counts_in_any_case() {
    let records = [ds(b"\0", 8), ds(LAB, 13)];
    let (anchors, ignored) = Anchors::new(&records, [EXAMPLE], AnchorRecord::is_known);
    assert!(ignored.is_empty() && !anchors.is_empty());
    let closest = |name: &[u8]| zone_of(anchors.closest(name, IN));
    assert_eq!(closest(b"\0"), Some((b"\0".to_vec(), true)));
    assert_eq!(closest(b"\x03com\0"), Some((b"\0".to_vec(), true)));
    assert_eq!(closest(b"\x01a\x07ExAmple\0"), Some((b"\x07ExAmple\0".to_vec(), false)));
    assert_eq!(closest(b"\x01a\x03LAB\x07ExAmple\0"), Some((b"\x03LAB\x07ExAmple\0".to_vec(), true)));
    assert_eq!(zone_of(anchors.closest(b"\0", 3)), None);
    assert_eq!(anchors.get(LAB, IN).map(|anchor| anchor.ds.len()), Some(1));
    assert_eq!(anchors.get(EXAMPLE, IN), None);
}

#[test]
fn a_zone_of_unknown_algorithms_is_no_anchor_and_one_known_record_is_enough() {
    let records = [ds(b"\0", 8), ds(LAB, 3), ds(EXAMPLE, 3), ds(EXAMPLE, 15)];
    let (anchors, ignored) = Anchors::new(&records, [], AnchorRecord::is_known);
    assert_eq!(ignored, [LAB]);
    assert_eq!(zone_of(anchors.closest(LAB, IN)), Some((EXAMPLE.to_vec(), true)));
    let (anchors, _) = Anchors::new(&records[1..2], [], |_| true);
    assert!(!anchors.is_empty());
}

#[test]
fn insecure_points_come_and_go_and_leave_anchors_alone() {
    let (mut anchors, _) = Anchors::new(&[ds(EXAMPLE, 8)], [EXAMPLE], AnchorRecord::is_known);
    assert_eq!(anchors.insecure().count(), 0);
    assert!(!anchors.add_insecure(EXAMPLE) && !anchors.remove_insecure(EXAMPLE));
    assert!(anchors.add_insecure(LAB));
    assert_eq!(anchors.insecure().collect::<Vec<_>>(), [LAB]);
    assert!(anchors.remove_insecure(b"\x03Lab\x07example\0") && !anchors.remove_insecure(LAB));
    anchors.replace(EXAMPLE, IN, Anchor { ds: Vec::new(), keys: vec![vec![1, 1, 3, 8, 7]] });
    assert_eq!(anchors.get(EXAMPLE, IN).map(|anchor| anchor.keys.len()), Some(1));
    anchors.replace(EXAMPLE, IN, Anchor::default());
    assert!(anchors.is_empty() && anchors.closest(EXAMPLE, IN).is_none());
}

#[test]
fn tags_are_those_of_the_keys() {
    let mut anchor = Anchor { ds: vec![vec![0x4f, 0x66, 8, 2], vec![0x97, 0x28, 8, 2]], keys: Vec::new() };
    assert_eq!(anchor.key_tags(), [20326, 38696]);
    // The sum of 16-bit words with the carry added back: 0x0101 + 0x0308 + 0xffff and 1 over.
    anchor.keys.push(vec![1, 1, 3, 8, 0xff, 0xff]);
    assert_eq!(anchor.key_tags(), [0x0409, 20326, 38696]);
}
