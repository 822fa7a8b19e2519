//! What the program answers by itself: octet for octet what the worker would have answered.

mod questions;
mod rig;

use self::questions::Questions;
use self::rig::{Rig, TX};
use crate::namespace::Namespace;
use runbound::xdp::AnswerGate;

/// Queries of the comparison.
const QUERIES: usize = 20_000;
/// Mutated frames; `RUNBOUND_FRAMES` says another number.
const FRAMES: usize = 200_000;

#[test]
fn the_program_answers_as_the_worker() {
    Namespace::new("xdp-same").run_test("answers::inner_same");
}

#[test]
#[ignore = "run by the_program_answers_as_the_worker in a namespace"]
fn inner_same() {
    let mut rig = Rig::new();
    let mut questions = Questions::new(1);
    let asked: Vec<Vec<u8>> = (0..QUERIES).map(|_| questions.frame()).collect();
    asked.iter().for_each(|frame| drop(rig.worker_answers(frame)));
    let mut answered = 0;
    for frame in &asked {
        answered += usize::from(rig.compare(frame));
    }
    println!("{answered} of {QUERIES} answered by the program");
    assert!(answered > QUERIES / 10, "{answered}");
    // TTLs count down.
    rig.wait_for_another_second();
    let later = asked.iter().filter(|frame| rig.compare(frame)).count();
    assert!(later > answered * 9 / 10, "{later} of {answered}");
}

#[test]
fn no_mutated_frame_is_answered_otherwise() {
    Namespace::new("xdp-mutated").run_test("answers::inner_mutated");
}

#[test]
#[ignore = "run by no_mutated_frame_is_answered_otherwise in a namespace"]
fn inner_mutated() {
    let frames = std::env::var("RUNBOUND_FRAMES").map_or(FRAMES, |number| number.parse().expect("a number"));
    // EF, and both of the bits beside it.
    let mut rig = Rig::with_class(0xbb);
    let mut questions = Questions::new(2);
    let plain: Vec<Vec<u8>> = (0..500).map(|_| questions.plain_frame()).collect();
    plain.iter().for_each(|frame| drop(rig.worker_answers(frame)));
    let taught: Vec<&Vec<u8>> = plain.iter().filter(|frame| rig.compare(frame)).collect();
    assert!(taught.len() > 100, "{} of {}", taught.len(), plain.len());
    let mut answered = 0;
    for number in 0..frames {
        let frame = questions.mutated(taught[number % taught.len()]);
        answered += usize::from(rig.compare(&frame));
    }
    println!("{answered} of {frames} mutated frames answered by the program");
}

#[test]
fn the_program_answers_only_while_it_may() {
    Namespace::new("xdp-may").run_test("answers::inner_may");
}

#[test]
#[ignore = "run by the_program_answers_only_while_it_may in a namespace"]
fn inner_may() {
    let mut rig = Rig::new();
    let frame = Questions::new(3).local_frame();
    rig.worker_answers(&frame);
    let is_told = |rig: &Rig| rig.run(&frame).0 == TX;
    assert!(is_told(&rig));
    rig.attachment.set_answers(AnswerGate::Closed).expect("closed");
    assert!(!is_told(&rig));
    rig.attachment.set_answers(AnswerGate::Trial).expect("trial");
    assert!(is_told(&rig) && !is_told(&rig), "one");
    rig.attachment.set_answers(AnswerGate::Open).expect("open");
    rig.attachment.close_gate(0).expect("closed");
    assert!(!is_told(&rig), "the queue's gate is closed");
    rig.attachment.try_gate(0).expect("trial");
    assert!(!is_told(&rig), "the queue's gate is on trial");
    rig.attachment.open_gate(0).expect("open");
    rig.attachment.shut(true).expect("shut");
    assert!(!is_told(&rig), "shut");
    rig.attachment.shut(false).expect("not shut");
    assert!(is_told(&rig));
    rig.beat_ago(3_000_000_000);
    assert!(!is_told(&rig), "the worker hangs");
    rig.beat_ago(0);
    assert!(is_told(&rig));
    rig.table.allow_nobody().expect("nobody");
    assert!(!is_told(&rig), "no client");
    rig.allow_all();
    assert!(is_told(&rig));
    rig.begin();
    assert!(!is_told(&rig), "another generation");
    rig.worker_answers(&frame);
    assert!(is_told(&rig), "by the other slot of the pair");
    rig.begin();
    rig.worker_answers(&frame);
    assert!(!is_told(&rig), "both rest for a second");
    rig.wait_for_another_second();
    rig.wait_for_another_second();
    rig.worker_answers(&frame);
    assert!(!is_told(&rig), "what they answered is not counted yet");
    assert_eq!(rig.counted(), 6);
    rig.worker_answers(&frame);
    assert!(is_told(&rig));
    assert_eq!(rig.counted(), 7);
    drop(rig.attachment);
}
