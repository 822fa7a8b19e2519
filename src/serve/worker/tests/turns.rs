//! No turn does more than a bounded piece of work, whatever waits.

use super::*;

#[test]
fn many_who_wait_for_one_answer_do_not_hold_up_the_others() {
    let mut rig = Rig::new(1024);
    (0..1000).for_each(|_| rig.send("www.example."));
    while rig.turn() {}
    let asked = rig.request().unwrap();
    rig.respond(asked, 1, 0);
    rig.turn();
    let mut told = rig.replies().len();
    assert!((1..=LATE_PER_TURN).contains(&told), "{told} in one turn");
    let next = rig.ask("www.example.").expect("its answer may not be kept: who comes now asks anew");
    told += rig.replies().len();
    rig.respond(next, 2, 0);
    let mut turns = 0;
    let last = loop {
        turns += 1;
        assert!(rig.turn(), "awake until all are answered");
        let replies = rig.replies();
        told += replies.len();
        if replies.contains(&2) {
            break replies;
        }
    };
    assert_eq!((told, last.last(), turns > 3), (1001, Some(&2), true));
}

#[test]
fn a_long_walk_over_the_cache_lets_queries_through() {
    let mut rig = Rig::new(64);
    let put = |rig: &mut Rig, name: &str| {
        let asked = rig.ask(name).unwrap();
        rig.respond(asked, 1, 300);
        rig.turn();
        rig.replies();
    };
    for number in 0..2 * FLUSH_PER_TURN {
        put(&mut rig, &format!("n{number}.zone."));
    }
    put(&mut rig, "www.example.");
    let zone = Name::from_text("zone.").unwrap();
    rig.command(Command::Flush(Flush::Name { name: zone, qtype: None, below: true }));
    rig.send("www.example.");
    rig.turn();
    assert_eq!((rig.replies(), rig.done().is_some()), (vec![1], false));
    rig.send("www.example.");
    rig.turn();
    assert_eq!(rig.replies(), [1], "answered while the walk goes on");
    let done = std::iter::from_fn(|| Some((rig.turn(), rig.done()))).find_map(|(worked, done)| {
        assert!(worked || done.is_some(), "awake until it is done");
        done
    });
    assert!(matches!(done, Some(Done::Flushed(entries)) if entries == 2 * FLUSH_PER_TURN as u64));
    assert!(rig.ask("n1.zone.").is_some());
    assert!(rig.ask("www.example.").is_none(), "other names stay");
}
