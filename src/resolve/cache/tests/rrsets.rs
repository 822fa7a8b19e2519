//! Which RRset takes the place of which: by example, and against a slow model.

use super::*;
use std::collections::HashMap;

const A1: &[u8] = &[192, 0, 2, 1];
const A2: &[u8] = &[192, 0, 2, 2];

fn rrsets() -> RrsetCache {
    RrsetCache::new(1 << 20, KEY).unwrap()
}

fn outcome(stored: Option<Stored>) -> Option<Outcome> {
    stored.map(|stored| stored.outcome)
}

#[test]
fn what_is_kept_comes_back_until_it_expires() {
    let mut rrsets = rrsets();
    let stored = put("Www.Example.com", rtype::A, &[A1, A2]).signed(3, "example.com").into(&mut rrsets, 100);
    assert_eq!(outcome(stored), Some(Outcome::Kept));
    let set = rrsets.get(&Key::new(&wire("www.EXAMPLE.com"), rtype::A, class::IN), at(130)).unwrap();
    assert_eq!(set.owner(), wire("Www.Example.com"), "in the letters that came first");
    assert_eq!((set.ttl(130), set.original_ttl(), set.count(), set.signature_count()), (270, 300, 2, 1));
    assert_eq!(set.records().collect::<Vec<_>>(), [A1, A2]);
    assert!(set.signatures().next().unwrap().ends_with(b"signature"));
    assert_eq!((set.trust(), set.security()), (Trust::AuthoritativeAnswer, Security::Unchecked));
    assert_eq!((kept(&mut rrsets, "www.example.com", rtype::A, 400), rrsets.count()), (None, 1));
    assert!(rrsets.peek(&Key::new(&wire("www.example.com"), rtype::A, class::IN)).is_some());
    for key in [
        Key::new(&wire("www.example.com"), rtype::AAAA, class::IN),
        Key::new(&wire("www.example.com"), rtype::A, class::CH),
        Key::new(&wire("www.example.com"), rtype::A, class::IN).with(flag::PARENT_SIDE),
        Key::new(&wire("example.com"), rtype::A, class::IN),
        Key::new(b"\x03www", rtype::A, class::IN),
        Key::new(b"", rtype::A, class::IN),
    ] {
        assert!(rrsets.get(&key, at(130)).is_none() && !rrsets.remove(&key), "{key:?}");
    }
    assert!(rrsets.remove(&Key::new(&wire("www.example.com"), rtype::A, class::IN)));
    assert_eq!((kept(&mut rrsets, "www.example.com", rtype::A, 130), rrsets.count()), (None, 0));
}

#[test]
fn what_is_not_whole_is_not_kept() {
    let mut rrsets = rrsets();
    assert!(put("a", rtype::A, &[]).into(&mut rrsets, 0).is_none());
    assert!(put("a", rtype::A, &[A1]).ttl(0).into(&mut rrsets, 0).is_none());
    assert!(put("a", rtype::TXT, &[&[7; 40_000], &[8; 40_000]]).into(&mut rrsets, 0).is_none());
    assert!(put("a", rtype::TXT, &[&[7; 60_000]]).into(&mut rrsets, 0).is_some());
    let mut draft = Draft::default();
    draft.push(A1);
    draft.push_signature(A1);
    assert!(!draft.is_whole(), "never begun");
    for owner in [&b"\x03www"[..], b"", &[1; 300]] {
        draft.start(&Key::new(owner, rtype::A, class::IN), 9);
        draft.push(A1);
        assert!(!draft.is_whole());
    }
    draft.start(&Key::new(b"\0", rtype::A, class::IN), 9);
    draft.push(A1);
    draft.push_signature(A1);
    assert!(draft.is_whole());
    draft.push(A2);
    assert!(!draft.is_whole(), "a record behind a signature");
}

#[test]
fn more_trust_wins_and_less_does_not() {
    let mut rrsets = rrsets();
    let first = put("a", rtype::A, &[A1]).trust(Trust::AuthoritativeAnswer).into(&mut rrsets, 0).unwrap();
    let less = put("a", rtype::A, &[A2]).trust(Trust::Answer).into(&mut rrsets, 10).unwrap();
    assert_eq!((less.outcome, less.rrset), (Outcome::Refused, first.rrset));
    assert_eq!(kept(&mut rrsets, "a", rtype::A, 10), Some((290, vec![A1.to_vec()])));
    let more = put("A", rtype::A, &[A2]).trust(Trust::Validated).into(&mut rrsets, 20).unwrap();
    assert_eq!(more.outcome, Outcome::Replaced);
    assert_eq!(kept(&mut rrsets, "a", rtype::A, 20), Some((300, vec![A2.to_vec()])));
    assert_eq!(rrsets.follow(first.rrset).unwrap().owner(), wire("a"), "the letters stay");
    assert!(rrsets.unchanged(first.rrset).is_none() && rrsets.unchanged(more.rrset).is_some());
    let late = put("a", rtype::A, &[A1]).trust(Trust::Additional).into(&mut rrsets, 320).unwrap();
    assert_eq!((late.outcome, rrsets.count()), (Outcome::Replaced, 1), "what has expired loses");
}

#[test]
fn the_same_data_does_not_prolong() {
    let mut rrsets = rrsets();
    put("a", rtype::A, &[A1, A2]).into(&mut rrsets, 0).unwrap();
    assert_eq!(outcome(put("a", rtype::A, &[A1, A2]).into(&mut rrsets, 100)), Some(Outcome::Refused));
    assert_eq!(kept(&mut rrsets, "a", rtype::A, 100).unwrap().0, 200);
    assert_eq!(outcome(put("a", rtype::A, &[A2, A1]).into(&mut rrsets, 100)), Some(Outcome::Replaced));
    assert_eq!(kept(&mut rrsets, "a", rtype::A, 100).unwrap().0, 300);
    let moment = Moment { leeway: 60, ..Moment::at(at(350)) };
    let ahead = put("a", rtype::A, &[A2, A1]).learnt(&mut rrsets, &moment);
    assert_eq!(outcome(ahead), Some(Outcome::Replaced), "what is about to expire is fetched ahead");
    assert_eq!(kept(&mut rrsets, "a", rtype::A, 350).unwrap().0, 300);
    let short = put("a", rtype::A, &[A1]).ttl(30).learnt(&mut rrsets, &moment);
    assert_eq!(outcome(short), Some(Outcome::Refused), "but not by what would end before");
}

/// A domain that is gone from its parent must not live on because its own servers go on to say that they are its servers.
#[test]
fn a_delegation_does_not_prolong_itself() {
    let (one, two) = (wire("ns1.a"), wire("ns2.a"));
    let mut rrsets = rrsets();
    put("a", rtype::NS, &[&one]).trust(Trust::Authority).into(&mut rrsets, 0).unwrap();
    put("a", rtype::NS, &[&two]).ttl(900).trust(Trust::AuthoritativeAnswer).into(&mut rrsets, 100).unwrap();
    assert_eq!(kept(&mut rrsets, "a", rtype::NS, 100), Some((200, vec![two.clone()])), "more trust, not more time");
    put("a", rtype::NS, &[&one]).ttl(900).trust(Trust::AuthoritativeAnswer).into(&mut rrsets, 150).unwrap();
    assert_eq!(kept(&mut rrsets, "a", rtype::NS, 150), Some((150, vec![one.clone()])), "nor by other data");
    put("a", rtype::NS, &[&two]).ttl(20).trust(Trust::AuthoritativeAnswer).into(&mut rrsets, 150).unwrap();
    assert_eq!(kept(&mut rrsets, "a", rtype::NS, 150).unwrap().0, 20, "less time is taken");
    let asked_before = Moment { started: at(160), ..Moment::at(at(175)) };
    let late = put("a", rtype::NS, &[&two]).ttl(900).trust(Trust::AuthoritativeAnswer);
    assert_eq!(outcome(late.learnt(&mut rrsets, &asked_before)), Some(Outcome::Refused), "it lived when it was asked");
    let parent = Moment { parent_side: true, ..asked_before };
    let late = put("a", rtype::NS, &[&two]).ttl(900).trust(Trust::Authority);
    assert_eq!(outcome(late.learnt(&mut rrsets, &parent)), Some(Outcome::Replaced), "the parent may");
    assert_eq!(kept(&mut rrsets, "a", rtype::NS, 175).unwrap().0, 900);
}

#[test]
fn glue_does_not_prolong_itself_either() {
    let mut rrsets = rrsets();
    put("ns.a", rtype::A, &[A1]).trust(Trust::Additional).into(&mut rrsets, 0).unwrap();
    put("ns.a", rtype::A, &[A2]).ttl(900).into(&mut rrsets, 100).unwrap();
    let set = rrsets.get(&Key::new(&wire("ns.a"), rtype::A, class::IN), at(100)).unwrap();
    assert_eq!((set.ttl(100), set.trust(), set.records().next()), (200, Trust::Additional, Some(A2)));
    put("ns.a", rtype::A, &[A1]).ttl(100).into(&mut rrsets, 100).unwrap();
    let set = rrsets.get(&Key::new(&wire("ns.a"), rtype::A, class::IN), at(100)).unwrap();
    assert_eq!((set.ttl(100), set.trust()), (100, Trust::AuthoritativeAnswer));
}

#[test]
fn what_validates_wins_and_what_failed_stays_failed() {
    let mut rrsets = rrsets();
    put("a", rtype::A, &[A1]).trust(Trust::Validated).security(Security::Bogus).into(&mut rrsets, 0).unwrap();
    let same = || put("a", rtype::A, &[A1]).trust(Trust::Ultimate);
    assert_eq!(outcome(same().into(&mut rrsets, 1)), Some(Outcome::Refused), "the same data will fail again");
    let secure = put("a", rtype::A, &[A1]).trust(Trust::Answer).security(Security::Secure);
    assert_eq!(outcome(secure.into(&mut rrsets, 1)), Some(Outcome::Replaced));
    put("b", rtype::A, &[A1]).trust(Trust::Validated).security(Security::Bogus).into(&mut rrsets, 0).unwrap();
    let other = put("b", rtype::A, &[A2]).trust(Trust::Answer);
    assert_eq!(outcome(other.into(&mut rrsets, 1)), Some(Outcome::Replaced), "anything but what failed");
}

#[test]
fn a_verdict_is_written_down_where_it_was_reached() {
    let mut rrsets = rrsets();
    let secure = |ttl| Checked { security: Security::Secure, trust: Trust::Validated, ttl };
    let first = put("a", rtype::A, &[A1]).into(&mut rrsets, 0).unwrap().rrset;
    assert!(rrsets.set_security(first, &secure(100), at(50)));
    let set = rrsets.follow(first).unwrap();
    assert_eq!((set.security(), set.trust(), set.ttl(50)), (Security::Secure, Trust::Validated, 100));
    assert!(!rrsets.set_security(first, &Checked { security: Security::Bogus, ..secure(1) }, at(50)), "not downwards");
    put("a", rtype::A, &[A2]).trust(Trust::Ultimate).into(&mut rrsets, 60).unwrap();
    assert!(!rrsets.set_security(first, &secure(100), at(60)), "other data by now");
    let ns = put("a", rtype::NS, &[&wire("ns")]).into(&mut rrsets, 0).unwrap().rrset;
    assert!(rrsets.set_security(ns, &secure(1000), at(10)));
    let set = rrsets.follow(ns).unwrap();
    assert_eq!((set.ttl(10), set.original_ttl()), (290, 300), "not even validation prolongs a delegation");
    let failed = put("f", rtype::NS, &[&wire("ns")]).into(&mut rrsets, 0).unwrap().rrset;
    assert!(rrsets.set_security(failed, &Checked { security: Security::Bogus, trust: Trust::None, ttl: 60 }, at(10)));
    assert_eq!(rrsets.follow(failed).map(|set| (set.ttl(10), set.trust())), Some((60, Trust::AuthoritativeAnswer)));
}

#[test]
fn a_reference_follows_the_name_but_not_a_proof() {
    let mut rrsets = rrsets();
    for (rtype, follows) in [(rtype::A, true), (rtype::NSEC, false), (rtype::NSEC3, false), (rtype::DNAME, false)] {
        let first = put("a", rtype, &[A1]).into(&mut rrsets, 0).unwrap().rrset;
        put("a", rtype, &[A1]).trust(Trust::Validated).into(&mut rrsets, 1).unwrap();
        assert!(rrsets.unchanged(first).is_some(), "the same data");
        put("a", rtype, &[A2]).trust(Trust::Ultimate).into(&mut rrsets, 1).unwrap();
        assert_eq!(rrsets.follow(first).is_some(), follows, "type {rtype}");
        rrsets.remove(&Key::new(&wire("a"), rtype, class::IN));
        put("a", rtype, &[A1]).into(&mut rrsets, 2).unwrap();
        assert!(rrsets.follow(first).is_none(), "another entry, in the same place or not");
    }
}

#[test]
fn a_wildcard_is_kept_under_its_own_name() {
    let mut rrsets = rrsets();
    let from = put("x.y.example.com", rtype::A, &[A1]).signed(2, "example.com").into(&mut rrsets, 0).unwrap().rrset;
    assert!(rrsets.insert_wildcard(from, &wire("org"), &Moment::at(at(10))).is_none(), "not the signer's");
    let stored = rrsets.insert_wildcard(from, &wire("y.example.com"), &Moment::at(at(10)));
    assert_eq!(outcome(stored), Some(Outcome::Kept));
    assert_eq!(kept(&mut rrsets, "*.y.example.com", rtype::A, 10), Some((290, vec![A1.to_vec()])));
    let long = format!("{}example.com", "a.".repeat(121));
    assert!(rrsets.insert_wildcard(from, &wire(&long), &Moment::at(at(10))).is_none(), "too long a name");
    let bare = put("b.example.com", rtype::A, &[A1]).into(&mut rrsets, 0).unwrap().rrset;
    assert!(rrsets.insert_wildcard(bare, &wire("example.com"), &Moment::at(at(0))).is_none(), "not signed");
}

#[test]
fn what_has_no_room_is_dropped_and_counted() {
    let mut rrsets = RrsetCache::new(1 << 16, KEY).unwrap();
    for number in 0..3000 {
        put(&format!("n{number}.example.com"), rtype::A, &[A1]).into(&mut rrsets, 0).unwrap();
    }
    assert_eq!(rrsets.count() + rrsets.evicted(), 3000);
    let octets = 36 + "_n1234_example_com_".len() as u64 + 2 + 4;
    assert!((500..1100).contains(&rrsets.count()) && rrsets.octets() >= rrsets.count() * octets, "{}", rrsets.count());
    assert!(kept(&mut rrsets, "n2999.example.com", rtype::A, 1).is_some());
    rrsets.clear();
    assert_eq!((rrsets.count(), rrsets.octets()), (0, 0));
}

/// An RRset as the model has it.
#[derive(Clone, Debug)]
struct Model {
    data: Vec<u8>,
    expires: u32,
    trust: u8,
    security: u8,
    rrset: RrsetRef,
}

/// need_to_update_rrset of Unbound, told once more: what the new one becomes, or nothing.
fn wins(old: &Model, mut new: Model, rtype: u16, now: u32) -> Option<Model> {
    const SECURE: u8 = 5;
    const BOGUS: u8 = 1;
    let (alive, same) = (old.expires > now, old.data == new.data);
    let glue = (rtype == rtype::A || rtype == rtype::AAAA) && old.trust == 1;
    let longer = alive && new.expires > old.expires;
    if new.expires <= now && alive {
        return None;
    }
    if new.security == SECURE && old.security != SECURE || old.security == BOGUS && new.security != BOGUS && !same {
        return Some(new);
    }
    if new.trust > old.trust {
        if same && alive && old.security == BOGUS {
            return None;
        }
        if longer && (rtype == rtype::NS || glue) {
            new.expires = old.expires;
            new.trust = if glue { 1 } else { new.trust };
        }
        return Some(new);
    }
    if !alive {
        return Some(new);
    }
    if new.trust < old.trust || same {
        return None;
    }
    if rtype == rtype::NS && longer {
        new.expires = old.expires;
    }
    Some(new)
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(256))]

    /// Name, type, data, trust, security, TTL and the time that passes of each RRset; all that is kept is as the model has it.
    #[test]
    fn equals_a_slow_model(steps in proptest::collection::vec(
        (0u8..4, 0usize..5, 0u8..3, 0u8..13, 0usize..5, (1u32..60, 0u32..30), 0u32..20), 1..120)
    ) {
        const TYPES: [u16; 5] = [rtype::A, rtype::NS, rtype::NSEC, rtype::CNAME, rtype::AAAA];
        let mut rrsets = rrsets();
        let mut model: HashMap<(u8, u16), Model> = HashMap::new();
        let mut now = 1000;
        for (owner, rtype, data, trust, security, (ttl, leeway), passes) in steps {
            now += passes;
            let (rtype, security) = (TYPES[rtype], [0, 1, 2, 3, 5][security]);
            let started = now - passes / 2;
            let text = format!("n{owner}");
            let moment = Moment { now: at(now), started: at(started), leeway, parent_side: trust % 2 == 1 };
            let stored = put(&text, rtype, &[&[data; 4]]).ttl(ttl).trust(Trust::from_number(trust).unwrap())
                .security(Security::from_number(security).unwrap()).learnt(&mut rrsets, &moment).unwrap();
            let new = Model { data: vec![data; 4], expires: now + ttl, trust, security, rrset: stored.rrset };
            let judged = if rtype == rtype::NS && trust % 2 == 0 { started } else { now } + leeway;
            let expected = match model.get(&(owner, rtype)) {
                None => (Outcome::Kept, new),
                Some(old) => match wins(old, new, rtype, judged) {
                    Some(new) => (Outcome::Replaced, new),
                    None => (Outcome::Refused, old.clone()),
                }
            };
            assert_eq!(stored.outcome, expected.0);
            if let Some(old) = model.insert((owner, rtype), expected.1.clone()) {
                let follows = rtype != rtype::NSEC || old.data == expected.1.data;
                assert_eq!(rrsets.follow(old.rrset).is_some(), follows);
                assert_eq!(rrsets.unchanged(old.rrset).is_some(), old.data == expected.1.data);
            }
            for ((owner, rtype), model) in &model {
                let (owner, left) = (wire(&format!("N{owner}")), model.expires.saturating_sub(now));
                let found = rrsets.get(&Key::new(&owner, *rtype, class::IN), at(now));
                assert_eq!(found.is_some(), left > 0);
                let set = rrsets.follow(model.rrset).unwrap();
                let standing = (set.ttl(now), set.trust().number(), set.security().number());
                assert_eq!((set.records().next(), standing), (Some(&model.data[..]), (left, model.trust, model.security)));
            }
        }
        assert_eq!(rrsets.count(), model.len() as u64);
        assert_eq!(rrsets.audit().0, rrsets.count());
    }

}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(24))]

    /// In a cache that is too small for what comes, what is found is what was put in last.
    #[test]
    fn a_small_cache_forgets_but_does_not_lie(steps: Vec<(u8, u8, u16)>) {
        let mut rrsets = RrsetCache::new(1 << 16, KEY).unwrap();
        let mut model: HashMap<u8, (Vec<u8>, RrsetRef)> = HashMap::new();
        for (owner, data, len) in steps.iter().cycle().take(steps.len() * 8) {
            let record = vec![*data; usize::from(len % 6000)];
            let stored = put(&format!("n{owner}"), rtype::TXT, &[&record]).into(&mut rrsets, 0);
            if let Some(stored) = stored {
                model.insert(*owner, (record, stored.rrset));
            }
            for (owner, (record, rrset)) in &model {
                let found = kept(&mut rrsets, &format!("n{owner}"), rtype::TXT, 1);
                assert_eq!(found.is_some(), rrsets.follow(*rrset).is_some());
                assert!(found.is_none_or(|(_, records)| records == [record.clone()]));
            }
        }
        assert_eq!(rrsets.audit().0, rrsets.count());
    }
}
