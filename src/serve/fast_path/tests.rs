//! In which order interfaces are attached to.

use super::tags::tests::target;
use super::*;

#[test]
fn slaves_with_a_link_come_first() {
    let slave = |index, carrier| Target { index, carrier, bond: Some(9), ..target(false) };
    let targets =
        [slave(2, false), slave(3, true), Target { bond: None, carrier: false, ..slave(4, false) }, slave(5, true)];
    let turn: Vec<u32> = in_turn(&targets).iter().map(|target| target.index).collect();
    assert_eq!(turn, [3, 4, 5, 2]);
}
