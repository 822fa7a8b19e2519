//! What is in flight when a cache is flushed or the configuration read anew is told, and not kept.

use super::*;
use crate::answer::cache::{Answer, KeyFixed};
use crate::xdp::answers::Slots;

fn flush(name: &str, qtype: Option<u16>, below: bool) -> Command {
    Command::Flush(Flush::Name { name: Name::from_text(name).unwrap(), qtype, below })
}

/// Every command that begins an epoch, as main sends it.
fn commands() -> [(&'static str, Vec<Command>); 7] {
    let empty = || Index::empty(CACHE).unwrap();
    [
        ("flush", vec![flush("www.example.", None, false)]),
        ("flush_type", vec![flush("www.example.", Some(rtype::A), false)]),
        ("flush_zone", vec![flush("example.", None, true)]),
        ("flush_zone of the root", vec![Command::Clear(empty())]),
        ("flush_negative", vec![Command::Flush(Flush::Negative)]),
        ("reload", vec![Command::Policy(policy(), Some(empty()))]),
        ("fast_reload", vec![Command::Policy(policy(), None)]),
    ]
}

#[test]
fn an_answer_in_flight_is_told_and_not_kept() {
    for on_the_ring in [false, true] {
        for (what, commands) in commands() {
            let mut rig = Rig::new(64);
            let old = rig.ask("www.example.").unwrap();
            rig.epoch += 1;
            commands.into_iter().for_each(|command| rig.command(command));
            if on_the_ring {
                // As if it came between the worker's looks at the answers and at the commands.
                let now = rig.now();
                rig.worker.obey(now);
                rig.respond(old, 1, 300);
                rig.turn();
            } else {
                rig.turn();
                rig.respond(old, 1, 300);
                rig.turn();
            }
            assert_eq!(rig.replies(), [1], "{what}: told to who waited");
            let new = rig.ask("www.example.").unwrap_or_else(|| panic!("{what}: the old answer was kept"));
            assert_eq!((old.epoch, new.epoch), (0, 1), "{what}");
            rig.respond(new, 2, 300);
            rig.turn();
            assert!(rig.ask("www.example.").is_none(), "{what}: what was asked since is kept");
            assert_eq!(rig.replies(), [2, 2], "{what}");
        }
    }
}

#[test]
fn who_asks_after_a_flush_does_not_join_what_was_asked_before() {
    for (what, commands) in commands() {
        let mut rig = Rig::new(64);
        let old = rig.ask("www.example.").unwrap();
        rig.epoch += 1;
        commands.into_iter().for_each(|command| rig.command(command));
        rig.turn();
        let new = rig.ask("www.example.").unwrap_or_else(|| panic!("{what}: joined"));
        assert!(rig.ask("www.example.").is_none(), "{what}: equal questions of one epoch are asked once");
        rig.respond(new, 2, 300);
        rig.turn();
        assert_eq!(rig.replies(), [2, 2], "{what}");
        rig.respond(old, 1, 300);
        rig.turn();
        assert_eq!(rig.replies(), [1], "{what}: who asked before gets what was asked for then");
        assert!(rig.ask("www.example.").is_none(), "{what}");
        assert_eq!(rig.replies(), [2], "{what}: the late answer replaced nothing");
    }
}

#[test]
fn other_commands_keep_what_is_in_flight() {
    let mut rig = Rig::new(64);
    let asked = rig.ask("www.example.").unwrap();
    rig.command(Command::Policy(policy(), None));
    rig.turn();
    assert!(matches!(rig.done(), Some(Done::Policy(_, None))));
    assert!(rig.ask("www.example.").is_none(), "joined");
    rig.respond(asked, 1, 300);
    rig.turn();
    assert!(rig.ask("www.example.").is_none(), "kept");
    assert_eq!(rig.replies(), [1, 1, 1]);
}

#[test]
fn nothing_taught_before_a_command_was_carried_out_is_told_after_it() {
    for (what, commands) in commands() {
        let mut rig = Rig::new(64);
        rig.worker = rig.worker.with_hot_answers(HotAnswers::new(Slots::unread()));
        // A flush of so many takes several turns, and between them the worker teaches what is still there.
        for number in 0..3 * FLUSH_PER_TURN {
            let name = Name::from_text(&format!("n{number}.example.")).unwrap();
            let (hash, key) = (HashKey::fixed(1).name(name.as_wire()), KeyFixed::new(rtype::A, false, false));
            let answer = Answer::new(0, [0; 3], &[]);
            rig.worker.desk.answerer.cache().put(name.as_wire(), hash, key, answer, 1, 300);
        }
        commands.into_iter().for_each(|command| rig.command(command));
        let mut last = rig.worker.desk.hot.as_ref().unwrap().generation();
        loop {
            rig.turn();
            let now = rig.worker.desk.hot.as_ref().unwrap().generation();
            if rig.done().is_some() {
                assert!(now > last, "{what}");
                break;
            }
            last = now;
        }
    }
}
