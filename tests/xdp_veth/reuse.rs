//! A program that was on an interface is attached again as if it had been loaded just now.

use crate::namespace::Namespace;
use crate::pair::*;
use crate::wire::*;
use runbound::xdp::{Kind, Options, Programs, RxBatch, Verdict};

#[test]
fn a_program_keeps_nothing_of_its_former_interface() {
    Namespace::new("xdp-reuse").run_test("reuse::inner_reuse");
}

#[test]
#[ignore = "run by a_program_keeps_nothing_of_its_former_interface in a namespace"]
fn inner_reuse() {
    make_pair();
    let wire = Wire::open();
    let mut programs = Programs::default();
    programs.complete(1, 1).expect("loaded");
    let (attachment, mut queues) = open_with(&mut programs, &options()).unwrap_or_else(|error| panic!("{error}"));
    queues[0].insert_into_map().expect("into the map");
    queues[0].open_gate().expect("opened");
    let mut batch = RxBatch::new();
    for query in [query_v4(), query_v6()] {
        wire.send(&query);
        wait_for("a frame", || queues[0].receive(&mut batch) == 1);
        batch.drain(..).for_each(|frame| queues[0].free(frame));
    }
    assert_eq!(attachment.redirected(0).expect("a counter"), 2);

    drop(attachment);
    let error = programs.take(SERVER).expect_err("a queue still has its maps");
    assert_eq!(error.kind, Kind::NoProgram);
    assert!(error.to_string().contains("restart"), "{error}");
    drop(queues);

    run(&["ip", "link", "del", SERVER]);
    make_pair();
    let wire = Wire::open();
    // The addresses, and that a client's was this host's, were those of the first interface.
    let own = vec![];
    let places = vec![place("192.0.2.10", Some(10)), place("2001:db8::1", None)];
    let (attachment, mut queues) =
        open_with(&mut programs, &Options { places, own, ..options() }).unwrap_or_else(|error| panic!("{error}"));
    let count = |verdict| attachment.verdicts().expect("counters").get(verdict);
    assert!(attachment.is_attached());
    assert_eq!((count(Verdict::Redirected), attachment.redirected(0).expect("a counter")), (0, 0));
    wire.send(&query_v6());
    wait_for("the gate is closed", || count(Verdict::NoSocket) == 1);
    wire.send(&query_v4());
    wait_for("the address is not its any more", || count(Verdict::Address) == 1);
    queues[0].insert_into_map().expect("into the map");
    wire.send(&query_v6());
    wait_for("a frame", || queues[0].receive(&mut batch) == 1);
    batch.drain(..).for_each(|frame| queues[0].free(frame));
}
