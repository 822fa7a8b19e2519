//! Names in mixed case.

use super::super::core::{Command, Input};
use super::super::*;
use super::core::{Alone, OTHER, SERVER};
use super::script::{Message, wire};
use crate::dns::rcode;
use std::collections::HashSet;

/// Long enough that no draw of letters is all of one case.
const NAME: &str = "a-name-with-more-letters-than-chance-may-leave-in-one-case.example";

fn options(exempt: &[&str]) -> Options {
    let exempt: HashSet<Box<[u8]>> = exempt.iter().map(|name| wire(name).into()).collect();
    Options { caps: Caps { mixed: true, exempt }, cookies: false, ..Options::default() }
}

/// The name of the query that left last.
fn asked(alone: &Alone) -> Vec<u8> {
    alone.last().1[12..12 + wire(NAME).len()].to_vec()
}

fn is_mixed(alone: &Alone) -> bool {
    let name = asked(alone);
    assert!(name.eq_ignore_ascii_case(&wire(NAME)));
    name != wire(NAME)
}

/// A reply to the query that left last, in plain case or in its own.
fn reply(alone: &Alone, plain: bool, last: u8) -> Message {
    let mut query = alone.last().1;
    if plain {
        query[12..12 + wire(NAME).len()].make_ascii_lowercase();
    }
    Message::reply(&query, 0).a(NAME, 300, last)
}

#[test]
fn a_reply_in_the_case_of_the_query_is_taken_at_once() {
    let mut alone = Alone::new(options(&[]), &[SERVER]);
    alone.ask(1, NAME);
    assert!(is_mixed(&alone));
    alone.answer(reply(&alone, false, 1));
    assert_eq!(alone.world.answers, [(1, rcode::NOERROR, 1)]);
    let before = asked(&alone);
    alone.ask(2, NAME);
    assert!(is_mixed(&alone) && asked(&alone) != before, "each query has a case of its own");
}

#[test]
fn where_the_case_is_lost_three_equal_replies_of_each_server_are_wanted() {
    for (servers, wanted) in [(&[SERVER][..], 3), (&[SERVER, OTHER][..], 6)] {
        let mut alone = Alone::new(options(&[]), servers);
        alone.ask(1, NAME);
        alone.answer(reply(&alone, true, 1));
        for nth in 1..wanted {
            assert_eq!((is_mixed(&alone), alone.world.answers.len()), (false, 0), "{nth}");
            alone.answer(reply(&alone, true, 1));
        }
        assert_eq!(alone.world.answers, [(1, rcode::NOERROR, 1)]);
        assert_eq!(alone.world.sent.len(), wanted);
    }
}

#[test]
fn replies_that_do_not_say_the_same_are_no_answer() {
    let mut alone = Alone::new(options(&[]), &[SERVER]);
    alone.ask(1, NAME);
    alone.answer(reply(&alone, true, 66));
    alone.answer(reply(&alone, true, 1));
    assert_eq!(alone.world.answers, [(1, rcode::SERVFAIL, 0)]);
}

#[test]
fn a_server_that_takes_offence_at_the_case_is_asked_without() {
    let mut alone = Alone::new(options(&[]), &[SERVER]);
    alone.ask(1, NAME);
    let mut refusal = reply(&alone, true, 1).0;
    refusal.truncate(12 + wire(NAME).len() + 4);
    refusal[3] = rcode::SERVFAIL as u8;
    refusal[6..12].fill(0);
    alone.answer(Message(refusal));
    for _ in 0..3 {
        assert!(!is_mixed(&alone));
        alone.answer(reply(&alone, true, 1));
    }
    assert_eq!(alone.world.answers, [(1, rcode::NOERROR, 1)]);
}

#[test]
fn a_server_that_does_not_answer_is_asked_without_at_last() {
    let mut alone = Alone::new(options(&[]), &[SERVER]);
    alone.ask(1, NAME);
    for _ in 0..2 {
        alone.wait();
        assert!(is_mixed(&alone));
    }
    alone.wait();
    assert!(!is_mixed(&alone), "after three queries");
}

#[test]
fn names_may_be_exempt() {
    let mut alone = Alone::new(options(&["example"]), &[SERVER]);
    alone.ask(1, NAME);
    assert!(!is_mixed(&alone));
    alone.answer(reply(&alone, true, 1));
    assert_eq!(alone.world.answers, [(1, rcode::NOERROR, 1)]);
    alone.put(Input::Command(Command::Options(Box::new(options(&["other"])), Rules::default())));
    alone.ask(2, NAME);
    assert!(is_mixed(&alone));
}
