//! Taking entries out.

use super::*;
use crate::dns::rcode;

const A1: &[u8] = &[192, 0, 2, 1];

fn flush(cache: &mut Cache, flush: Flush, now: u32) -> Flushed {
    let mut flushing = Flushing::new(flush);
    std::iter::from_fn(|| Some(cache.flush_on(&mut flushing, 7, at(now)))).find_map(|done| done).unwrap()
}

fn address(cache: &mut Cache, owner: &str, ttl: u32) {
    let a = put(owner, rtype::A, &[A1]).ttl(ttl).into(&mut cache.rrsets, 0).unwrap().rrset;
    assert!(remember(cache, owner, rtype::A, Head::of(0, 1000), [&[a], &[], &[]], 0));
}

fn is_told(cache: &mut Cache, qname: &str) -> bool {
    cache.lookup(&Ask::new(&name(qname), rtype::A, class::IN), at(1)).is_some()
}

#[test]
fn a_zone_goes_with_all_that_leads_into_it() {
    let mut cache = cache();
    for owner in ["example.com", "a.Example.com", "notexample.com", "com"] {
        address(&mut cache, owner, 300);
    }
    address(&mut cache, "short.example.com", 10);
    let cname = put("in.net", rtype::CNAME, &[&wire("a.example.com")]).into(&mut cache.rrsets, 0).unwrap().rrset;
    let a = cache.rrsets.get(&Key::new(&wire("a.example.com"), rtype::A, class::IN), at(0)).unwrap().reference();
    assert!(remember(&mut cache, "in.net", rtype::A, Head::of(0, 1000), [&[cname, a], &[], &[]], 0));
    let flushed = flush(&mut cache, Flush::Zone(name("eXample.com")), 20);
    assert_eq!(flushed, Flushed { rrsets: 2, messages: 2, keys: 0 }, "what had expired goes uncounted");
    assert_eq!((cache.rrsets.count(), cache.messages.count()), (3, 3));
    let told = ["example.com", "a.example.com", "notexample.com", "com"].map(|qname| is_told(&mut cache, qname));
    assert_eq!(told, [false, false, true, true]);
    let question = name("in.net");
    let hit = cache.lookup(&Ask::new(&question, rtype::A, class::IN), at(20)).unwrap();
    assert_eq!((hit.is_message, hit.rrsets(0).count()), (false, 1), "of the alias its own part is left");
    assert_eq!(flush(&mut cache, Flush::Zone(Name::ROOT), 20), Flushed { rrsets: 3, messages: 3, keys: 0 });
    assert_eq!((cache.rrsets.count(), cache.messages.count()), (0, 0));
}

#[test]
fn failures_go_by_kind() {
    let mut cache = cache();
    address(&mut cache, "a", 300);
    put("bad", rtype::A, &[A1]).security(Security::Bogus).into(&mut cache.rrsets, 0).unwrap();
    let bogus = Head { security: Security::Bogus, ..Head::of(rcode::SERVFAIL, 60) };
    assert!(remember(&mut cache, "bad", rtype::A, bogus, [&[], &[], &[]], 0));
    assert!(remember(&mut cache, "none", rtype::A, Head::of(rcode::NXDOMAIN, 60), [&[], &[], &[]], 0));
    assert!(remember(&mut cache, "empty", rtype::A, Head::of(0, 60), [&[], &[], &[]], 0));
    assert_eq!(flush(&mut cache, Flush::Bogus, 1), Flushed { rrsets: 1, messages: 1, keys: 0 });
    assert_eq!(flush(&mut cache, Flush::Negative, 1), Flushed { rrsets: 0, messages: 2, keys: 0 });
    assert_eq!((is_told(&mut cache, "a"), cache.messages.count()), (true, 1));
}

#[test]
fn names_and_types_go_at_once() {
    let mut cache = cache();
    address(&mut cache, "a", 300);
    address(&mut cache, "b", 300);
    let mut draft = Draft::default();
    for flags in [0, flag::SOA_NEGATIVE] {
        draft.start(&Key::new(&wire("a"), rtype::SOA, class::IN).with(flags), 300);
        draft.push(A1);
        cache.rrsets.insert(&mut draft, Trust::Answer, Security::Unchecked, &Moment::at(at(0))).unwrap();
    }
    put("a", rtype::TXT, &[A1]).into(&mut cache.rrsets, 0).unwrap();
    assert_eq!(cache.flush_type(&wire("A"), rtype::SOA), Flushed { rrsets: 2, messages: 0, keys: 0 });
    assert_eq!(cache.flush_name(&wire("A")), Flushed { rrsets: 1, messages: 1, keys: 0 });
    assert_eq!((is_told(&mut cache, "a"), is_told(&mut cache, "b"), cache.rrsets.count()), (false, true, 2));
    assert_eq!(cache.flush_type(&wire("a"), rtype::TXT), Flushed { rrsets: 1, messages: 0, keys: 0 });
}
