//! Which replies the XDP program may tell again.

use super::rig::{Query, Reply, answerer, query};
use crate::answer::Repeatable;
use crate::answer::acl::{Access, Acl};
use crate::answer::cache::Answer;
use crate::answer::decide::Answerer;
use crate::answer::policy::Policy;
use crate::dns::body::{BodyWriter, Fixed};
use crate::dns::{class, edns, rcode, rtype};

/// What is noted of the reply to a query.
fn noted(answerer: &mut Answerer, query: &Query) -> Option<Repeatable> {
    answerer.note_repeatable(true);
    assert!(matches!(query.ask(answerer, None), Reply::Message(_)));
    answerer.take_repeatable()
}

/// An answerer with an answer for `name` in its cache, of so many addresses, kept at second 0 for 100 seconds.
fn with_cached(name: &str, addresses: u8, code: u16, change: impl FnOnce(&mut Policy)) -> Answerer {
    let mut answerer = answerer(change);
    let (name, hash, key) = query(name, rtype::A).ask(&mut answerer, None).missed();
    let mut message = [0; 512];
    let mut writer = BodyWriter::new(&mut message, &name).unwrap();
    let fixed = Fixed { rtype: rtype::A, class: class::IN, ttl: 100 };
    (0..addresses).for_each(|last| writer.push(0, &name, fixed, &[192, 0, 2, last], addresses == 1).unwrap());
    let (counts, place) = writer.finish();
    answerer.cache().put(&name, hash, key, Answer::new(code, counts, &message[place]), 0, 100);
    answerer
}

#[test]
fn a_cached_answer_may_be_told_until_it_expires_or_is_to_be_asked_anew() {
    let asked = query("www.example", rtype::A);
    let told = |change: fn(&mut Policy)| noted(&mut with_cached("www.example", 1, rcode::NOERROR, change), &asked);
    let plain = told(|_| {}).unwrap();
    assert_eq!((plain.until, plain.ages, plain.records, plain.flags), (100, true, 1, 0x0100));
    assert_eq!(plain.kept.map(|(_, key)| key.qtype), Some(rtype::A));
    assert_eq!(told(|policy| policy.prefetch = true).unwrap().until, 90);
    assert!(!told(|policy| policy.original_ttl = true).unwrap().ages);
    let negative = noted(&mut with_cached("www.example", 0, rcode::NXDOMAIN, |_| {}), &asked);
    assert_eq!(negative.unwrap().records, 0);
    assert!(noted(&mut with_cached("www.example", 0, rcode::SERVFAIL, |_| {}), &asked).is_none());
}

#[test]
fn an_answer_that_was_asked_anew_is_told_no_longer_than_it_is_kept() {
    let mut rig = with_cached("www.example", 1, rcode::NOERROR, |policy| policy.prefetch = true);
    let asked = query("www.example", rtype::A);
    let (_, key) = noted(&mut rig, &asked).unwrap().kept.unwrap();
    let hash = rig.policy.hash_key.name(b"\x03www\x07example\0");
    // As it is postponed when it was asked anew in its last seconds.
    rig.cache().set_refresh(b"\x03www\x07example\0", hash, key, 103);
    assert_eq!(noted(&mut rig, &asked).unwrap().until, 100);
}

#[test]
fn what_rotates_is_said_to() {
    let asked = query("www.example", rtype::A);
    let of = |noted: Option<Repeatable>| noted.map(|noted| (noted.records, noted.rotates));
    let cached = |addresses, change: fn(&mut Policy)| {
        of(noted(&mut with_cached("www.example", addresses, rcode::NOERROR, change), &asked))
    };
    assert_eq!([cached(2, |_| {}), cached(1, |_| {})], [Some((2, true)), Some((1, false))]);
    assert_eq!(cached(2, |policy| policy.rrset_roundrobin = false), Some((2, false)));
    let many = query("many.static.test", rtype::A);
    assert_eq!(of(noted(&mut answerer(|_| {}), &many)), Some((40, true)));
    assert_eq!(of(noted(&mut answerer(|policy| policy.rrset_roundrobin = false), &many)), Some((40, false)));
}

#[test]
fn local_answers_may_be_told_as_long_as_their_policy_lasts() {
    let mut rig = answerer(|_| {});
    let of = |rig: &mut Answerer, name, qtype| {
        noted(rig, &query(name, qtype)).map(|noted| (noted.until, noted.ages, noted.records))
    };
    assert_eq!(of(&mut rig, "none.static.test", rtype::A), Some((u32::MAX, false, 0)));
    assert_eq!(of(&mut rig, "null.test", rtype::A), Some((u32::MAX, false, 1)));
    let with_opt = noted(&mut rig, &query("null.test", rtype::A).edns(1232, 0)).unwrap();
    assert_eq!((with_opt.records, with_opt.edns.map(|edns| edns.bits)), (2, Some(edns::DO)));
}

#[test]
fn only_what_plain_access_has_may_be_told() {
    for (access, may) in
        [(Access::Allow, true), (Access::AllowSnoop, false), (Access::AllowSetRd, false), (Access::AllowCookie, false)]
    {
        let acl = Acl::new(&[("127.0.0.0".parse().unwrap(), 8, access)]);
        let mut rig = answerer(|policy| policy.acl = acl);
        assert_eq!(noted(&mut rig, &query("null.test", rtype::A)).is_some(), may, "{access:?}");
    }
    // Not unless it is asked for, and nothing of another reply.
    let mut rig = answerer(|_| {});
    rig.note_repeatable(false);
    query("null.test", rtype::A).ask(&mut rig, None).message();
    assert!(rig.take_repeatable().is_none());
    assert!(noted(&mut rig, &query("null.test", rtype::A)).is_some());
    let mut any = query("null.test", rtype::AXFR);
    any.message[3] = 0;
    assert!(noted(&mut rig, &any).is_none(), "an error is decided each time");
}
