//! Messages: how long they are kept, and what is told after that.

use super::reply::{Octets, judge};
use super::*;
use crate::dns::{header, rcode};

const A1: &[u8] = &[192, 0, 2, 1];

fn key(name: &[u8], qtype: u16) -> MessageKey<'_> {
    MessageKey { name, qtype, qclass: class::IN, checking_disabled: false }
}

#[test]
fn what_a_message_says_comes_back() {
    let mut cache = cache();
    let a = put("a", rtype::A, &[A1]).into(&mut cache.rrsets, 0).unwrap().rrset;
    let b = put("b", rtype::A, &[A1]).into(&mut cache.rrsets, 0).unwrap().rrset;
    let flags = header::flag::AA | header::flag::CD | header::flag::AD | rcode::NXDOMAIN;
    let head = Head { flags, security: Security::Insecure, ede: 22, ttl: 70 };
    assert!(remember(&mut cache, "Q", rtype::MX, head, [&[a], &[], &[b, a]], 5));
    let name = wire("q");
    let message = cache.messages.get(&key(&name, rtype::MX), at(15)).unwrap();
    let flags = header::flag::QR | header::flag::RA | header::flag::AD | rcode::NXDOMAIN;
    assert_eq!(message.head(15), Head { flags, ttl: 60, ..head });
    assert_eq!(message.rrsets().collect::<Vec<_>>(), [(0, a), (2, b), (2, a)]);
    assert_eq!((message.key().name, message.counts(), message.rcode()), (&wire("Q")[..], [1, 0, 2], rcode::NXDOMAIN));
    assert!(cache.messages.get(&key(&name, rtype::MX), at(75)).is_none());
    assert!(cache.messages.get(&key(&name, rtype::A), at(15)).is_none());
    assert!(!message_is_to_prefetch(&mut cache, 67) && message_is_to_prefetch(&mut cache, 68));
    assert!(cache.messages.postpone_prefetch(&key(&name, rtype::MX), 3));
    assert!(!message_is_to_prefetch(&mut cache, 70) && message_is_to_prefetch(&mut cache, 71));
    assert!(cache.messages.remove(&key(&name, rtype::MX)) && !cache.messages.remove(&key(&name, rtype::MX)));
    assert!(!cache.messages.postpone_prefetch(&key(&name, rtype::MX), 3));
    assert_eq!(cache.messages.count(), 0);
}

fn message_is_to_prefetch(cache: &mut Cache, now: u32) -> bool {
    cache.messages.peek(&key(&wire("q"), rtype::MX)).unwrap().refresh_after(now) == 0
}

#[test]
fn a_message_lives_as_long_as_all_of_it() {
    let mut cache = cache();
    let a = put("a", rtype::A, &[A1]).ttl(100).into(&mut cache.rrsets, 0).unwrap().rrset;
    assert!(remember(&mut cache, "a", rtype::A, Head::of(0, 1000), [&[a], &[], &[]], 40));
    assert_eq!(cache.messages.peek(&key(&wire("a"), rtype::A)).unwrap().head(40).ttl, 60);
    assert!(!remember(&mut cache, "a", rtype::A, Head::of(0, 0), [&[a], &[], &[]], 40), "a TTL of zero");
    assert_eq!(cache.messages.count(), 0, "takes away what was there");
    assert!(remember(&mut cache, "f", rtype::A, Head::of(rcode::SERVFAIL, 5), [&[], &[], &[]], 40));
    let question = name("f");
    let hit = cache.lookup(&Ask::new(&question, rtype::A, class::IN), at(43)).unwrap();
    assert_eq!((hit.rcode(), hit.head.ttl), (rcode::SERVFAIL, 2));
    cache.rrsets.clear();
    assert!(!remember(&mut cache, "a", rtype::A, Head::of(0, 1000), [&[a], &[], &[]], 40), "an RRset that is gone");
}

#[test]
fn what_has_expired_is_told_as_the_rules_let_it() {
    for (serve_expired, until) in [(None, 0), (Some(50), 149), (Some(0), 1_000_000)] {
        let mut cache = with_rules(Rules { serve_expired, ..Rules::default() });
        let a = put("a", rtype::A, &[A1]).ttl(100).into(&mut cache.rrsets, 0).unwrap().rrset;
        assert!(remember(&mut cache, "a", rtype::A, Head::of(0, 1000), [&[a], &[], &[]], 0));
        assert!(remember(&mut cache, "f", rtype::A, Head::of(rcode::SERVFAIL, 5), [&[], &[], &[]], 0));
        let mut told = |qname: &str, expired, now| {
            let question = name(qname);
            let ask = Ask { expired, ..Ask::new(&question, rtype::A, class::IN) };
            cache.lookup(&ask, at(now)).map(|hit| (hit.expired, hit.head.ttl, hit.rrsets(0).count()))
        };
        assert_eq!(told("a", true, 99), Some((false, 1, 1)));
        assert_eq!(told("a", false, 100), None);
        assert_eq!(told("a", true, 100), (until > 0).then_some((true, 30, 1)));
        assert_eq!(told("a", true, until.max(100)).is_some(), until > 0);
        assert_eq!(told("a", true, 1_000_001).is_some(), until == 1_000_000);
        assert_eq!(told("f", true, 6), None, "no failure is");
    }
}

#[test]
fn an_expired_answer_is_better_than_one_to_be_validated() {
    let rules = Rules { serve_expired: Some(50), serve_expired_reset: true, ..Rules::default() };
    let mut cache = with_rules(rules);
    let secure = put("a", rtype::A, &[A1]).security(Security::Secure);
    let a = secure.ttl(100).into(&mut cache.rrsets, 0).unwrap().rrset;
    let head = Head { security: Security::Secure, ..Head::of(0, 100) };
    assert!(remember(&mut cache, "a", rtype::A, head, [&[a], &[], &[]], 0));
    let (name, question) = (wire("a"), name("a"));
    let key = key(&name, rtype::A);
    let ask = Ask { expired: true, ..Ask::new(&question, rtype::A, class::IN) };
    let provisional = Context { provisional: true, ..Context::at(at(140)) };
    assert!(!cache.remember(&key, &Head::of(0, 100), &Learnt::default(), &provisional));
    let hit = cache.lookup(&ask, at(140)).unwrap();
    assert_eq!((hit.head.security, hit.expired, hit.given_up), (Security::Secure, true, false));
    assert!(!cache.remember(&key, &Head::of(rcode::SERVFAIL, 5), &Learnt::default(), &provisional));
    assert!(cache.lookup(&ask, at(144)).unwrap().given_up, "the fetch failed a moment ago");
    assert!(!cache.lookup(&ask, at(145)).unwrap().given_up);
    assert!(cache.lookup(&ask, at(189)).is_some() && cache.lookup(&ask, at(190)).is_none(), "its time began anew");
    let reply = Octets::to("a", rtype::A, 0).record(0, "a", rtype::A, 60, &[192, 0, 2, 9]);
    let judged = judge(reply).unwrap();
    assert!(!cache.keep(&key, &judged.source(), &provisional, &mut Learnt::default()));
    assert!(cache.lookup(&ask, at(141)).is_some(), "nor are its RRsets replaced");
    let final_one = Context { provisional: false, ..provisional };
    assert!(cache.remember(&key, &Head::of(0, 100), &Learnt::default(), &final_one));
    assert_eq!(cache.lookup(&ask, at(141)).unwrap().head.security, Security::Unchecked);
}

#[test]
fn messages_of_any_size_are_kept_or_not() {
    let mut cache = Cache::new(1 << 20, 1 << 16, Rules::default(), KEY).unwrap();
    let a = put("a", rtype::A, &[A1]).into(&mut cache.rrsets, 0).unwrap().rrset;
    assert!(remember(&mut cache, "a", rtype::A, Head::of(0, 9), [&[a; 500], &[], &[]], 0));
    assert!(!remember(&mut cache, "b", rtype::A, Head::of(0, 9), [&[a; 1000], &[], &[]], 0));
    assert!(!remember(&mut cache, "a", rtype::A, Head::of(0, 9), [&[a; 70_000], &[], &[]], 0));
    assert_eq!(cache.messages.audit().0, cache.messages.count());
    let (count, evicted) = (cache.messages.count(), cache.messages.evicted());
    for number in 0..3000 {
        let qname = format!("n{number}.example.com");
        assert!(remember(&mut cache, &qname, rtype::A, Head::of(0, 9), [&[a], &[], &[]], 0));
    }
    assert_eq!(cache.messages.count() + cache.messages.evicted() - evicted, count + 3000);
    assert!(cache.messages.octets() <= 1 << 16 && cache.messages.count() > 500);
}

/// An RRset and a message as the model has them.
struct Set {
    data: u8,
    expires: u32,
    rrset: RrsetRef,
}

struct Answered {
    expires: u32,
    parts: Vec<(usize, RrsetRef)>,
}

proptest::proptest! {
    /// RRsets come, are replaced and removed, messages are made of some of them, time passes: a message is found exactly while
    /// it and all its parts live and no proof among them has changed.
    #[test]
    fn equals_a_slow_model(steps in proptest::collection::vec((0usize..4, 0usize..6, 1u32..60, 0u8..3, 0u32..9), 1..150)) {
        const TYPES: [u16; 3] = [rtype::A, rtype::NSEC, rtype::NSEC3];
        let mut cache = cache();
        let (mut sets, mut messages) = ([const { None::<Set> }; 6], [const { None::<Answered> }; 4]);
        let mut now = 1000;
        for (action, place, ttl, data, passes) in steps {
            now += passes;
            let (owner, rtype) = (format!("s{place}"), TYPES[place % 3]);
            match action {
                // Trust is the same for all, so other data replaces and the same does not while it lives.
                0 => {
                    let stored = put(&owner, rtype, &[&[data; 4]]).ttl(ttl).into(&mut cache.rrsets, now).unwrap();
                    let old = sets[place].take();
                    let stays = old.filter(|old| old.data == data && old.expires > now);
                    let set = stays.unwrap_or(Set { data, expires: now + ttl, rrset: stored.rrset });
                    assert_eq!(set.rrset, stored.rrset);
                    sets[place] = Some(set);
                }
                1 => {
                    let removed = cache.rrsets.remove(&Key::new(&wire(&owner), rtype, class::IN));
                    assert_eq!(removed, sets[place].take().is_some());
                }
                _ => {
                    let chosen = (0..6).filter(|set| (usize::from(data) + place + ttl as usize) >> set & 1 == 1);
                    let parts: Vec<(usize, RrsetRef)> =
                        chosen.filter_map(|set| Some((set, sets[set].as_ref()?.rrset))).collect();
                    let refs: Vec<RrsetRef> = parts.iter().map(|part| part.1).collect();
                    let ends = parts.iter().map(|part| sets[part.0].as_ref().unwrap().expires);
                    let expires = ends.chain([now + ttl]).min().unwrap();
                    let made = remember(&mut cache, &format!("q{}", place % 4), rtype::MX, Head::of(0, ttl), [&[], &refs, &[]], now);
                    assert_eq!(made, expires > now);
                    messages[place % 4] = made.then_some(Answered { expires, parts });
                }
            }
            for (number, message) in messages.iter().enumerate() {
                let question = name(&format!("Q{number}"));
                let hit = cache.lookup(&Ask::new(&question, rtype::MX, class::IN), at(now));
                let lives = |(place, rrset): &(usize, RrsetRef)| {
                    let same = |set: &Set| rrset.is_of(set.rrset.stamp) && rrset.place == set.rrset.place;
                    sets[*place].as_ref().filter(|set| set.expires > now && same(set))
                };
                let expected = message.as_ref().filter(|message| message.expires > now);
                let whole = |message: &Answered| {
                    Some((message.expires, message.parts.iter().map(lives).collect::<Option<Vec<_>>>()?))
                };
                let expected = expected.and_then(whole);
                assert_eq!(hit.is_some(), expected.is_some());
                if let (Some(hit), Some((expires, parts))) = (hit, expected) {
                    let data: Vec<u8> = hit.rrsets(1).map(|set| set.records().next().unwrap()[0]).collect();
                    assert_eq!(data, parts.iter().map(|set| set.data).collect::<Vec<_>>());
                    // That an RRset was heard of again prolongs no message.
                    let ends = parts.iter().map(|set| set.expires).chain([expires]);
                    assert_eq!(hit.head.ttl, ends.min().unwrap() - now);
                }
            }
        }
    }
}
