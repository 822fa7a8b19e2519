//! In which order interfaces are attached to, and how they are named.

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

#[test]
fn an_interface_is_named_once() {
    let passed_over = "br-rb: a bridge has no native XDP; not below br-rb either";
    assert_eq!(named("br-rb", passed_over), passed_over);
    assert_eq!(named("br-r", passed_over), format!("br-r: {passed_over}"));
    assert_eq!(named("eth0", "the port is 0"), "eth0: the port is 0");
}
