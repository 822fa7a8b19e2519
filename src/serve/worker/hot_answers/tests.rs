//! Which answers are taught, in memory that no program reads.

use super::*;
use crate::answer::cache::{Answer, KeyFixed};
use crate::dns::header::flag;
use crate::dns::{rcode, rtype};
use crate::xdp::answers::MOST_TTLS;

struct Rig {
    hot: HotAnswers,
    cache: AnswerCache,
    stats: WorkerStats,
}

/// A reply to a query for A of `name`, with one record.
fn reply(name: &str) -> Vec<u8> {
    let mut reply = vec![0, 9, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
    reply.extend_from_slice(crate::dns::Name::from_text(name).unwrap().as_wire());
    reply.extend_from_slice(&[0, 1, 0, 1, 0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 0, 2, 1]);
    reply
}

fn of(until: u32) -> Repeatable {
    Repeatable { flags: flag::RD, edns: None, until, ages: true, rotates: false, records: 1, secure: false, kept: None }
}

impl Rig {
    fn new() -> Rig {
        let mut hot = HotAnswers::new(Slots::unread());
        hot.begin(10);
        Rig { hot, cache: AnswerCache::new(1 << 16), stats: WorkerStats::default() }
    }

    /// Teaches the answer for a name, and gives the slot that has it.
    fn teach(&mut self, name: &str, now: u32) -> Option<usize> {
        self.hot.teach(&reply(name), &of(100), now);
        self.slot_of(name, now)
    }

    fn place(&self, name: &str) -> (u64, usize) {
        let reply = reply(name);
        let question = Question::parse(&reply).unwrap();
        self.hot.slots.place(&Key::new(&reply[12..question.end()], flag::RD, QueryEdns::None).unwrap())
    }

    fn slot_of(&self, name: &str, now: u32) -> Option<usize> {
        let ((hash, first), generation) = (self.place(name), self.hot.slots.generation());
        let has =
            |index: &usize| self.hot.known[*index].is_told(generation, now) && self.hot.known[*index].hash == hash;
        (first..first + WAYS).find(has)
    }

    /// Names that one pair of slots is for.
    fn rivals(&self, count: usize) -> Vec<String> {
        let (_, pair) = self.place("n0.example");
        let names = (0..).map(|number| format!("n{number}.example"));
        names.filter(|name| self.place(name).1 == pair).take(count).collect()
    }

    fn ask(&mut self, name: &str, v4: u64, v6: u64, now: u32) {
        let index = self.slot_of(name, now).unwrap();
        let before = self.hot.slots.hits(index);
        self.hot.slots.set_hits(index, Hits { v4: before.v4 + v4, v6: before.v6 + v6 });
    }

    fn keep_house(&mut self, now: u32) {
        self.hot.keep_house(&mut self.cache, &self.stats, now);
    }
}

#[test]
fn a_taught_answer_is_told_until_its_time_is_over() {
    let mut rig = Rig::new();
    assert!(rig.teach("a.example", 20).is_some());
    assert!(rig.slot_of("a.example", 99).is_some() && rig.slot_of("a.example", 100).is_none());
    // Its slot rests when it is over; the other one of the pair is free.
    let first = rig.slot_of("a.example", 99);
    rig.hot.teach(&reply("a.example"), &of(200), 100);
    let other = rig.slot_of("a.example", 100);
    assert!(other.is_some() && other != first);
}

#[test]
fn a_generation_ends_what_was_taught() {
    let mut rig = Rig::new();
    let [first, second] = &rig.rivals(2)[..] else { panic!() };
    assert!(rig.teach(first, 20).is_some() && rig.teach(second, 20).is_some());
    rig.hot.begin(21);
    assert!(rig.slot_of(first, 21).is_none() && rig.slot_of(second, 21).is_none());
    assert_eq!([21, 22].map(|now| rig.teach(first, now)), [None; 2], "a program may be reading both");
    assert!(rig.teach(first, 23).is_some());
}

#[test]
fn of_three_names_the_two_that_are_asked_for_most_are_told() {
    let mut rig = Rig::new();
    let [first, second, third] = &rig.rivals(3)[..] else { panic!() };
    assert!(rig.teach(first, 20).is_some() && rig.teach(second, 20).is_some() && rig.teach(third, 20).is_none());
    rig.keep_house(21);
    rig.ask(first, 50, 0, 21);
    rig.ask(second, 5, 0, 21);
    (0..20).for_each(|_| assert!(rig.teach(third, 21).is_none()));
    rig.keep_house(22);
    assert!(rig.slot_of(first, 22).is_some() && rig.slot_of(second, 22).is_none());
    assert!(rig.teach(second, 24).is_none(), "the place is the other's");
    assert!(rig.teach(third, 24).is_some());
    // Nobody takes the place of what is asked for as often.
    rig.ask(first, 50, 0, 24);
    rig.ask(third, 50, 0, 24);
    (0..20).for_each(|_| assert!(rig.teach(second, 24).is_none()));
    rig.keep_house(25);
    assert!(rig.slot_of(first, 25).is_some() && rig.slot_of(third, 25).is_some());
}

#[test]
fn what_no_slot_has_room_for_takes_nobodys_place() {
    let mut rig = Rig::new();
    let [first, second, third] = &rig.rivals(3)[..] else { panic!() };
    assert!(rig.teach(first, 20).is_some() && rig.teach(second, 20).is_some());
    rig.keep_house(21);
    let mut long = reply(third);
    long.resize(600, 0);
    let mut cut = reply(third);
    cut[2] |= 2;
    let many = Repeatable { records: MOST_TTLS as u32 + 1, ..of(100) };
    for (reply, of) in [(long, of(100)), (cut, of(100)), (reply(third), many)] {
        (0..20).for_each(|_| rig.hot.teach(&reply, &of, 21));
        rig.keep_house(22);
        assert!(rig.slot_of(first, 22).is_some() && rig.slot_of(second, 22).is_some());
    }
}

#[test]
fn what_is_told_is_counted_once_and_used_in_the_cache() {
    let mut rig = Rig::new();
    rig.teach("a.example", 20);
    rig.ask("a.example", 3, 4, 20);
    rig.keep_house(21);
    rig.keep_house(22);
    let outcomes = &rig.stats.outcomes;
    assert_eq!([outcomes.queries.get(), outcomes.query_ipv6.get(), rig.stats.places.told.get()], [7, 4, 7]);
    assert_eq!(rig.stats.places.taught.get(), 1);
    // Until it is counted, nothing else is told from there.
    rig.ask("a.example", 1, 0, 20);
    let index = rig.slot_of("a.example", 20).unwrap();
    rig.hot.begin(22);
    let (_, pair) = rig.place("a.example");
    rig.teach("a.example", 30);
    assert!(rig.slot_of("a.example", 30).is_some_and(|slot| slot != index && slot - pair < WAYS));
    rig.keep_house(30);
    assert_eq!(rig.stats.places.told.get(), 8);
}

#[test]
fn what_was_told_is_counted_in_pieces() {
    let mut rig = Rig::new();
    let names: Vec<String> = (0..400).map(|number| format!("m{number}.example")).collect();
    let taught: Vec<&String> = names.iter().filter(|name| rig.teach(name, 20).is_some()).collect();
    taught.iter().for_each(|name| rig.ask(name, 1, 0, 20));
    rig.hot.fall_behind();
    let mut before = 0;
    let mut most = 0;
    while rig.hot.is_behind() {
        rig.hot.catch_up(&mut rig.cache, &rig.stats, 21);
        let told = rig.stats.places.told.get();
        most = most.max(told - before);
        before = told;
    }
    let all = taught.len() as u64;
    assert!(before == all && most < all / 4, "{before} of {all}, {most} at once");
    assert_eq!(rig.stats.places.taught.get(), all);
}

#[test]
fn an_answer_that_is_told_outlives_a_flood_in_the_cache() {
    let mut rig = Rig::new();
    let key = KeyFixed::new(rtype::A, false, false);
    let flood = |rig: &mut Rig, from: u32| {
        for number in from..from + 40 {
            let name = format!("\x05{number:05}\0");
            let answer = Answer::new(rcode::NOERROR, [0; 3], &[]);
            rig.cache.put(name.as_bytes(), u64::from(number) << 32 | 7, key, answer, 20, 100);
        }
    };
    let name = b"\x01a\x07example\0";
    rig.cache.put(name, 99, key, Answer::new(rcode::NOERROR, [0; 3], &[]), 20, 1000);
    rig.hot.teach(&reply("a.example"), &Repeatable { kept: Some((99, key)), ..of(1000) }, 20);
    for round in 0..100 {
        rig.ask("a.example", 1, 0, 20);
        rig.keep_house(21 + round);
        flood(&mut rig, 40 * round);
    }
    assert!(rig.cache.evicted() > 1000 && rig.cache.get(name, 99, key, 21).is_some());
}

#[test]
fn what_was_cut_or_has_options_is_not_taught() {
    let mut rig = Rig::new();
    let teach = |rig: &mut Rig, reply: Vec<u8>, of: Repeatable| {
        rig.hot.teach(&reply, &of, 20);
        rig.slot_of("a.example", 20).is_some()
    };
    let mut cut = reply("a.example");
    cut[2] |= 2;
    assert!(!teach(&mut rig, cut, of(100)), "TC");
    assert!(!teach(&mut rig, reply("a.example"), Repeatable { records: 2, ..of(100) }), "a record is missing");
    let mut long = reply("a.example");
    long.resize(600, 0);
    assert!(!teach(&mut rig, long, of(100)));
    let edns = |octets: &[u8]| Repeatable { edns: Some(Edns::parse(octets, 0).unwrap()), ..of(100) };
    for opt in [
        &[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 4, 0, 3, 0, 0][..],
        &[0, 0, 41, 1, 0, 0, 0, 0, 0, 0, 0],
        &[0, 0, 41, 4, 208, 0, 0, 0x40, 0, 0, 0],
    ] {
        assert!(query_edns(edns(opt).edns).is_none(), "{opt:?}");
    }
    assert_eq!(query_edns(edns(&[0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 0]).edns), Some(QueryEdns::DnssecOk));
    assert!(teach(&mut rig, reply("a.example"), of(100)));
}

/// A reply with ID `id`: an alias, `lasts` addresses of it, rotated as the answerer does it, and an OPT record.
fn rotated_reply(id: u16, lasts: &[u8]) -> Vec<u8> {
    let mut reply = reply("a.example");
    let end = Question::parse(&reply).unwrap().end();
    reply.truncate(end);
    reply[..2].copy_from_slice(&id.to_be_bytes());
    (reply[7], reply[11]) = (1 + lasts.len() as u8, 1);
    reply.extend_from_slice(&[0xc0, 12, 0, 5, 0, 1, 0, 0, 1, 44, 0, 4, 1, b'b', 0xc0, 14]);
    let skip = usize::from(id) % lasts.len();
    for place in 0..lasts.len() {
        let last = lasts[(place + skip) % lasts.len()];
        reply.extend_from_slice(&[0xc0, end as u8 + 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 0, 2, last]);
    }
    reply.extend_from_slice(&[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    reply
}

#[test]
fn what_rotates_is_taught_as_for_an_id_of_zero() {
    let noted = |records| Repeatable { rotates: true, records, ..of(100) };
    let taught = |reply: &[u8], records| lesson::of(reply, Question::parse(reply).unwrap().end(), &noted(records), 20);
    let plain = taught(&rotated_reply(0, &[1, 2, 3]), 5).unwrap();
    let set = plain.rotated.unwrap();
    assert_eq!((set.at, set.stride, set.records, plain.ttls.len()), (16, 16, 3, 4));
    for id in [1, 2, 3, 4, 0xffff] {
        let lesson = taught(&rotated_reply(id, &[1, 2, 3]), 5).unwrap();
        assert_eq!((&lesson.body, lesson.rotated), (&plain.body, plain.rotated), "{id}");
    }
    // Records of several lengths.
    let mut uneven = rotated_reply(0, &[1, 2]);
    let at = Question::parse(&uneven).unwrap().end() + 16;
    uneven[at + 11] = 3;
    uneven.remove(at + 15);
    assert!(taught(&uneven, 4).is_none());
}
