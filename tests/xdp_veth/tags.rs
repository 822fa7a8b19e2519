//! A program that reads VLAN tags beside frames serves the one interface that it was loaded for.

use crate::namespace::Namespace;
use crate::pair::*;
use crate::wire::*;
use runbound::xdp::{self, Kind, Programs, RxBatch, Verdict};

#[test]
fn tags_beside_frames_are_read_where_the_kernel_shows_them() {
    Namespace::new("xdp-tags").run_test("tags::inner_tags");
}

#[test]
#[ignore = "run by tags_beside_frames_are_read_where_the_kernel_shows_them in a namespace"]
fn inner_tags() {
    make_pair();
    let (wire, options) = (Wire::open(), options());
    let mut programs = Programs::default();
    for turn in 0..2 {
        let program = match programs.take_reading_tags(SERVER, options.index) {
            Ok(program) => program,
            Err(error) => return assert!(error.to_string().contains("since 6.8"), "{error}"),
        };
        let attachment = xdp::attach(&options, program).unwrap_or_else(|error| panic!("{error}"));
        let mut queues = xdp::open_queues(&options, &attachment, 1).unwrap_or_else(|error| panic!("{error}"));
        queues[0].insert_into_map().expect("into the map");
        wire.send(&query_v4());
        let mut batch = RxBatch::new();
        wait_for("a frame without a tag", || queues[0].receive(&mut batch) == 1);
        batch.drain(..).for_each(|frame| queues[0].free(frame));
        queues[0].open_gate().expect("opened");
        // A tag within the frame is seen as ever.
        wire.send(&tagged(query_v4(), 10));
        let passed = || attachment.verdicts().expect("counters").get(Verdict::Vlan);
        wait_for("a frame with a tag", || passed() == 1);
        assert!(programs.take_reading_tags(SERVER, options.index).is_ok() || turn > 0, "it is in use: another one");
        programs.complete(1, 1).expect("loaded");
    }
    // Loaded for another interface, or not at all.
    let other = options_of(CLIENT);
    assert_eq!(
        programs.take_reading_tags(CLIENT, other.index).map_err(|error| error.kind).unwrap_err(),
        Kind::NoProgram
    );
    let program = programs.take_reading_tags(SERVER, options.index).expect("free again");
    assert!(xdp::attach(&other, program).is_err(), "it is for one interface");
}

#[test]
fn no_mtu_of_the_other_end_is_refused() {
    Namespace::new("xdp-mtu").run_test("tags::inner_mtu");
}

#[test]
#[ignore = "run by no_mtu_of_the_other_end_is_refused in a namespace"]
fn inner_mtu() {
    make_pair();
    for mtu in [xdp::PAGE_MTU, xdp::PAGE_MTU + 1, 9000, 65535] {
        run(&["ip", "link", "set", CLIENT, "mtu", &mtu.to_string()]);
        let peer = xdp::Peer::Here { name: CLIENT.into(), mtu };
        let attached = attach(&xdp::Options { peer, ..options() });
        assert!(attached.is_ok(), "{mtu}: {attached:?}");
    }
}
