//! Questions and who waits for them.

use super::*;
use crate::dns::scan::HashKey;

const KEY: KeyFixed = KeyFixed { qtype: 1, qclass: 1, bits: 0 };

fn origin() -> Origin {
    Origin { client: "127.0.0.1:1".parse().unwrap(), local: None, since: 0 }
}

fn message(label: u8) -> Vec<u8> {
    let mut message = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 1, label, 0, 0, 1, 0, 1];
    message.extend_from_slice(&[0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 3, 9, 9, 9]);
    message
}

fn join(pending: &mut Pending<u32>, label: u8, route: u32) -> Joined {
    let message = message(label);
    let name = [1, label, 0];
    let miss = Miss { name: &name, hash: HashKey::fixed(1).name(&name), key: KEY };
    pending.join(miss, Kept::of(&message, None).unwrap(), || Waiter { route, from: origin(), place: Place::NONE })
}

#[test]
fn equal_questions_share_one_ticket() {
    let mut pending = Pending::new(4, 8);
    let Joined::First(ticket) = join(&mut pending, b'a', 1) else { panic!() };
    assert_eq!(join(&mut pending, b'a', 2), Joined::Waits);
    assert!(matches!(join(&mut pending, b'b', 3), Joined::First(_)));
    assert_eq!(pending.question(ticket).unwrap().name, b"\x01a\0");
    let mut routes = Vec::new();
    while let Some((waiter, kept)) = pending.take_waiter(ticket) {
        assert_eq!(kept.len(), 19 + edns::LEN, "options are left out");
        assert_eq!(&kept[28..], &[0, 0]);
        assert!(Edns::parse(kept, 19).is_ok_and(|edns| !edns.asks_nsid(kept) && edns.bits == edns::DO));
        routes.push(waiter.route);
    }
    assert_eq!(routes, [1, 2], "in the order they came");
    assert!(pending.question(ticket).is_none());
    assert_eq!(pending.len(), 1);
    let Joined::First(again) = join(&mut pending, b'a', 4) else { panic!() };
    assert_ne!(again, ticket, "an old ticket finds nothing");
}

#[test]
fn a_waiting_query_still_asks_for_nsid() {
    let mut message = message(b'a');
    let options = [0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 3, 0, 0];
    message.truncate(19 + edns::LEN);
    put_u16(&mut message, 28, options.len() as u16);
    message.extend_from_slice(&options);
    let mut query = [0xee; MAX_QUERY];
    let len = Kept::of(&message, None).unwrap().write(&mut query);
    let kept = &query[..usize::from(len)];
    assert_eq!(&kept[28..], &[0, 4, 0, 3, 0, 0], "and no other option is kept");
    assert!(Edns::parse(kept, 19).is_ok_and(|edns| edns.asks_nsid(kept)));
}

#[test]
fn a_waiting_query_keeps_the_cookie_of_its_reply() {
    let mut message = message(b'a');
    message.truncate(19 + edns::LEN);
    put_u16(&mut message, 28, 4);
    message.extend_from_slice(&[0, 3, 0, 0]);
    let option: CookieOption = std::array::from_fn(|at| [0, 10, 0, 24].get(at).copied().unwrap_or(at as u8));
    let mut query = [0xee; MAX_QUERY];
    let len = Kept::of(&message, Some(&option)).unwrap().write(&mut query);
    let kept = &query[..usize::from(len)];
    let edns = Edns::parse(kept, 19).unwrap();
    assert!(edns.asks_nsid(kept));
    assert_eq!(edns.option(kept, edns::COOKIE), Some(&option[4..]));
}

#[test]
fn nobody_joins_a_question_whose_answer_is_there() {
    let mut pending = Pending::new(4, 8);
    let Joined::First(ticket) = join(&mut pending, b'a', 1) else { panic!() };
    assert_eq!(join(&mut pending, b'a', 2), Joined::Waits);
    assert_eq!(pending.close(ticket).unwrap().name, b"\x01a\0");
    let Joined::First(next) = join(&mut pending, b'a', 3) else { panic!("joined") };
    let routes = |pending: &mut Pending<u32>, ticket| -> Vec<u32> {
        std::iter::from_fn(|| pending.take_waiter(ticket).map(|(waiter, _)| waiter.route)).collect()
    };
    assert_eq!(routes(&mut pending, ticket), [1, 2]);
    assert!(pending.close(ticket).is_none());
    assert_eq!(join(&mut pending, b'a', 4), Joined::Waits, "the next is found");
    assert_eq!(routes(&mut pending, next), [3, 4]);
    assert!(pending.is_empty());
}

#[test]
fn what_nobody_waits_for_can_be_joined_and_comes_to_an_end() {
    let mut pending: Pending<u32> = Pending::new(4, 8);
    let name = [1, b'a', 0];
    let miss = Miss { name: &name, hash: HashKey::fixed(1).name(&name), key: KEY };
    let ticket = pending.begin(miss).unwrap();
    assert!(pending.begin(miss).is_none(), "it is asked already");
    assert_eq!(join(&mut pending, b'a', 1), Joined::Waits);
    assert_eq!(pending.close(ticket).unwrap().name, name);
    assert_eq!(pending.take_waiter(ticket).map(|(waiter, _)| waiter.route), Some(1));
    assert!(pending.take_waiter(ticket).is_none() && pending.is_empty());
    let ticket = pending.begin(miss).unwrap();
    assert!(pending.close(ticket).is_some() && pending.take_waiter(ticket).is_none());
    assert!(pending.close(ticket).is_none() && pending.is_empty(), "without a waiter, too");
    for label in [b'b', b'c'] {
        assert!(matches!(join(&mut pending, label, 2), Joined::First(_)));
    }
    assert!(pending.begin(miss).is_none(), "half of the places are for who waits");
}

#[test]
fn full_is_said_and_places_come_back() {
    let mut pending = Pending::new(2, 3);
    let Joined::First(first) = join(&mut pending, b'a', 1) else { panic!() };
    assert!(matches!(join(&mut pending, b'b', 2), Joined::First(_)));
    assert_eq!(join(&mut pending, b'c', 3), Joined::Full);
    assert_eq!(join(&mut pending, b'a', 4), Joined::Waits);
    assert_eq!(join(&mut pending, b'a', 5), Joined::Full, "no waiter's place left");
    while pending.take_waiter(first).is_some() {}
    assert!(matches!(join(&mut pending, b'c', 6), Joined::First(_)));
}

#[test]
fn chains_survive_removal_in_any_order() {
    let mut pending = Pending::new(64, 64);
    let mut tickets = Vec::new();
    for label in 0..64u8 {
        let Joined::First(ticket) = join(&mut pending, label, 0) else { panic!() };
        tickets.push((label, ticket));
    }
    for round in 0..8 {
        for &(label, ticket) in tickets.iter().filter(|(label, _)| label % 8 == (round * 5) % 8) {
            assert_eq!(pending.question(ticket).unwrap().name, [1, label, 0]);
            pending.take_waiter(ticket).unwrap();
        }
    }
    assert!(pending.is_empty());
    assert!((0..64).all(|label| matches!(join(&mut pending, label, 0), Joined::First(_))));
}
