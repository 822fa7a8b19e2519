//! What answers a question.

use super::*;
use crate::dns::rcode;

const A1: &[u8] = &[192, 0, 2, 1];

/// What a lookup finds: the code, and the owner and type of every RRset of the answer section, the alias last.
fn found(cache: &mut Cache, qname: &str, qtype: u16, now: u32) -> Option<(u16, Vec<String>)> {
    asked(cache, &Ask::new(&name(qname), qtype, class::IN), now)
}

fn asked(cache: &mut Cache, ask: &Ask, now: u32) -> Option<(u16, Vec<String>)> {
    let hit = cache.lookup(ask, at(now))?;
    let text = |owner: &[u8], rtype: u16| format!("{} {rtype}", crate::dns::name_text::to_text(owner));
    let sets = hit.rrsets(0).map(|set| text(set.owner(), set.rtype()));
    let alias = hit.alias().map(|alias| format!("{} -> {} {}", alias.owner, alias.target, alias.ttl));
    Some((hit.rcode(), sets.chain(alias).collect()))
}

fn sets(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn nothing_is_found_in_an_empty_cache() {
    let mut cache = cache();
    for qtype in [rtype::A, rtype::ANY, rtype::DS, rtype::DNSKEY, rtype::CNAME] {
        for qname in [".", "a", "www.example.com"] {
            assert!(found(&mut cache, qname, qtype, 0).is_none());
        }
    }
}

#[test]
fn an_rrset_is_no_answer_without_a_message_but_for_keys() {
    let mut cache = cache();
    for rtype in [rtype::A, rtype::MX, rtype::DS, rtype::DNSKEY] {
        put("a", rtype, &[A1]).into(&mut cache.rrsets, 0).unwrap();
    }
    let types = [rtype::A, rtype::MX, rtype::DS, rtype::DNSKEY];
    assert_eq!(types.map(|qtype| found(&mut cache, "a", qtype, 1).is_some()), [false, false, true, true]);
    for (rtype, trust, told) in [
        (rtype::DS, Trust::Additional, false),
        (rtype::DS, Trust::AuthoritativeAdditional, false),
        (rtype::DS, Trust::Authority, true),
        (rtype::DS, Trust::Answer, true),
        (rtype::DNSKEY, Trust::Authority, false),
        (rtype::DNSKEY, Trust::AuthoritativeAuthority, false),
        (rtype::DNSKEY, Trust::AuthoritativeAnswer, true),
    ] {
        put("b", rtype, &[A1]).trust(trust).into(&mut cache.rrsets, 0).unwrap();
        assert_eq!(found(&mut cache, "b", rtype, 1).is_some(), told, "{rtype} {trust:?}");
        cache.clear();
    }
}

#[test]
fn any_is_told_what_is_known_of_a_name() {
    let mut cache = cache();
    put("a", rtype::A, &[A1]).ttl(70).into(&mut cache.rrsets, 0).unwrap();
    put("a", rtype::MX, &[b"\0\x0a\0"]).trust(Trust::Answer).ttl(50).into(&mut cache.rrsets, 0).unwrap();
    put("a", rtype::NS, &[b"\0"]).trust(Trust::AuthoritativeAuthority).into(&mut cache.rrsets, 0).unwrap();
    put("a", rtype::TXT, &[A1]).into(&mut cache.rrsets, 0).unwrap();
    assert_eq!(found(&mut cache, "a", rtype::ANY, 10), Some((0, sets(&["a. 1", "a. 15"]))));
    assert_eq!(cache.lookup(&Ask::new(&name("a"), rtype::ANY, class::IN), at(10)).unwrap().head.ttl, 40);
    assert!(found(&mut cache, "a", rtype::ANY, 70).is_none());
}

#[test]
fn a_cname_is_told_by_itself() {
    let mut cache = cache();
    put("a", rtype::CNAME, &[&wire("b")]).into(&mut cache.rrsets, 0).unwrap();
    assert_eq!(found(&mut cache, "A", rtype::A, 1), Some((0, sets(&["a. 5"]))));
    assert!(found(&mut cache, "a", rtype::DS, 1).is_none(), "DS is the parent's");
    let question = name("a");
    let whole = Ask { no_partial: true, ..Ask::new(&question, rtype::A, class::IN) };
    assert!(asked(&mut cache, &whole, 1).is_none());
    put("x.w", rtype::CNAME, &[&wire("b")]).signed(1, "w").into(&mut cache.rrsets, 0).unwrap();
    assert!(found(&mut cache, "x.w", rtype::A, 1).is_none(), "from a wildcard, without its proof");
    put("*.v", rtype::CNAME, &[&wire("b")]).signed(1, "v").into(&mut cache.rrsets, 0).unwrap();
    put("x.v", rtype::CNAME, &[&wire("b")]).signed(2, "v").signed(1, "v").into(&mut cache.rrsets, 0).unwrap();
    assert!(found(&mut cache, "*.v", rtype::A, 1).is_some() && found(&mut cache, "x.v", rtype::A, 1).is_some());
}

#[test]
fn a_dname_is_told_with_its_alias() {
    let mut cache = cache();
    let dname = || put("Example.com", rtype::DNAME, &[&wire("Other.net")]);
    dname().into(&mut cache.rrsets, 0).unwrap();
    assert!(found(&mut cache, "www.example.com", rtype::A, 1).is_none(), "neither validated nor believed before");
    put("www.example.com", rtype::CNAME, &[&wire("old.net")]).into(&mut cache.rrsets, 0).unwrap();
    let told = |ttl| Some((0, sets(&["Example.com. 39", &format!("wwW.example.com. -> wwW.Other.net. {ttl}")])));
    assert_eq!(found(&mut cache, "wwW.example.com", rtype::A, 1), told(299), "before the CNAME that is kept");
    cache.clear();
    dname().security(Security::Secure).into(&mut cache.rrsets, 0).unwrap();
    assert_eq!(found(&mut cache, "wwW.example.com", rtype::A, 100), told(200));
    assert!(found(&mut cache, "example.com", rtype::A, 1).is_none(), "not of the name itself");
    let long = format!("{}{}.example.com", "a.".repeat(80), "b".repeat(60));
    put("example.com", rtype::DNAME, &[&wire(&"c".repeat(60))])
        .trust(Trust::Ultimate)
        .security(Security::Secure)
        .into(&mut cache.rrsets, 0)
        .unwrap();
    assert_eq!(found(&mut cache, &long, rtype::A, 1), Some((rcode::YXDOMAIN, sets(&["Example.com. 39"]))));
}

/// A denial of `qname` with its SOA.
fn deny(cache: &mut Cache, qname: &str, qtype: u16, security: Security) {
    let soa = put("example.com", rtype::SOA, &[A1]).security(security).into(&mut cache.rrsets, 0).unwrap().rrset;
    let head = Head { security, ..Head::of(rcode::NXDOMAIN, 300) };
    assert!(remember(cache, qname, qtype, head, [&[], &[soa], &[]], 0));
}

#[test]
fn below_a_name_that_does_not_exist_there_is_nothing() {
    let rules = |below_nxdomain| Rules { below_nxdomain, ..Rules::default() };
    for (security, below, told) in [
        (Security::Secure, BelowNxdomain::IfSecure, true),
        (Security::Secure, BelowNxdomain::Ask, false),
        (Security::Insecure, BelowNxdomain::IfSecure, false),
        (Security::Insecure, BelowNxdomain::Always, true),
    ] {
        let mut cache = with_rules(rules(below));
        deny(&mut cache, "gone.example.com", rtype::AAAA, security);
        let question = name("a.b.Gone.example.com");
        let ask = Ask::new(&question, rtype::AAAA, class::IN);
        assert_eq!(asked(&mut cache, &ask, 1).is_some(), told, "{security:?} {below:?}");
        assert!(found(&mut cache, "example.com", rtype::AAAA, 1).is_none());
        assert!(found(&mut cache, "a.gone.example.com", rtype::A, 1).is_none(), "nothing was asked for type A");
        if told {
            let hit = cache.lookup(&ask, at(10)).unwrap();
            assert_eq!((hit.rcode(), hit.head.security, hit.head.ttl), (rcode::NXDOMAIN, Security::Unchecked, 290));
            assert_eq!((hit.rrsets(1).count(), hit.is_message), (1, false));
            for (stub, told) in [("example.com", true), ("gone.example.com", true), ("b.gone.example.com", false)] {
                let ask = Ask { stub: Some(&wire(stub)), ..ask };
                assert_eq!(asked(&mut cache, &ask, 1).is_some(), told, "a stub zone {stub}");
            }
        }
        assert!(found(&mut cache, "a.gone.example.com", rtype::AAAA, 300).is_none(), "expired");
    }
    let mut cache = cache();
    deny(&mut cache, "gone.example.com", rtype::A, Security::Secure);
    assert!(found(&mut cache, "a.gone.example.com", rtype::MX, 1).is_some(), "a minimised question asks for type A");
}

#[test]
fn a_message_is_found_while_its_rrsets_are_there() {
    let mut cache = cache();
    let a = put("a", rtype::A, &[A1]).ttl(100).into(&mut cache.rrsets, 0).unwrap().rrset;
    let ns = put("a", rtype::NS, &[b"\0"]).ttl(50).into(&mut cache.rrsets, 0).unwrap().rrset;
    assert!(remember(&mut cache, "A", rtype::A, Head::of(0, 1000), [&[a], &[ns], &[]], 0));
    assert_eq!(found(&mut cache, "a", rtype::A, 10), Some((0, sets(&["a. 1"]))));
    let question = name("a");
    let ask = Ask::new(&question, rtype::A, class::IN);
    let hit = cache.lookup(&ask, at(10)).unwrap();
    assert_eq!((hit.head.ttl, hit.is_message, hit.refresh_after, hit.expired), (40, true, 35, false));
    assert_eq!(cache.lookup(&ask, at(45)).unwrap().refresh_after, 0, "a tenth is left");
    assert!(found(&mut cache, "a", rtype::A, 50).is_none());
    assert!(asked(&mut cache, &Ask { checking_disabled: true, ..ask }, 10).is_none(), "kept for another kind of query");
    put("a", rtype::A, &[&[192, 0, 2, 2]]).ttl(20).trust(Trust::Ultimate).into(&mut cache.rrsets, 10).unwrap();
    assert_eq!(cache.lookup(&ask, at(10)).unwrap().head.ttl, 20, "other data by now");
    assert!(cache.rrsets.remove(&Key::new(&wire("a"), rtype::NS, class::IN)));
    assert!(found(&mut cache, "a", rtype::A, 10).is_none());
}

#[test]
fn a_chain_that_leads_elsewhere_by_now_is_no_answer() {
    let mut cache = cache();
    let cname = put("a", rtype::CNAME, &[&wire("b")]).into(&mut cache.rrsets, 0).unwrap().rrset;
    let b = put("b", rtype::A, &[A1]).into(&mut cache.rrsets, 0).unwrap().rrset;
    assert!(remember(&mut cache, "a", rtype::A, Head::of(0, 1000), [&[cname, b], &[], &[]], 0));
    assert_eq!(found(&mut cache, "a", rtype::A, 1), Some((0, sets(&["a. 5", "b. 1"]))));
    put("a", rtype::CNAME, &[&wire("c")]).trust(Trust::Ultimate).into(&mut cache.rrsets, 1).unwrap();
    assert_eq!(found(&mut cache, "a", rtype::A, 1), Some((0, sets(&["a. 5"]))), "the CNAME alone");
}

#[test]
fn a_validated_message_needs_validated_rrsets() {
    let mut cache = cache();
    let a = put("a", rtype::A, &[A1]).security(Security::Secure).into(&mut cache.rrsets, 0).unwrap().rrset;
    let head = Head { security: Security::Secure, ..Head::of(0, 100) };
    assert!(remember(&mut cache, "a", rtype::A, head, [&[a], &[], &[]], 0));
    assert!(found(&mut cache, "a", rtype::A, 1).is_some());
    put("a", rtype::A, &[&[192, 0, 2, 2]]).trust(Trust::Ultimate).into(&mut cache.rrsets, 1).unwrap();
    assert!(found(&mut cache, "a", rtype::A, 1).is_none());
}

#[test]
fn the_closest_delegation_is_found() {
    let mut cache = cache();
    for (owner, ttl) in [(".", 1000), ("com", 1000), ("example.com", 100)] {
        put(owner, rtype::NS, &[b"\0"]).ttl(ttl).into(&mut cache.rrsets, 0).unwrap();
    }
    let mut closest = |qname: &str, strictly_above, no_expired_above: Option<&str>, now| {
        let (name, top) = (wire(qname), no_expired_above.map(wire));
        let no_expired_above = top.as_deref();
        let climb = Climb { name: &name, rtype: rtype::NS, class: class::IN, strictly_above, no_expired_above };
        cache.closest(&climb, at(now)).map(|set| crate::dns::name_text::to_text(set.owner()))
    };
    assert_eq!(closest("a.b.example.com", false, None, 1).as_deref(), Some("example.com."));
    assert_eq!(closest("example.com", false, None, 1).as_deref(), Some("example.com."));
    assert_eq!(closest("example.com", true, None, 1).as_deref(), Some("com."));
    assert_eq!(closest("www.example.com", false, None, 100).as_deref(), Some("com."));
    assert_eq!(closest("org", false, None, 1).as_deref(), Some("."));
    assert_eq!(closest(".", true, None, 1), None);
    put("com", rtype::NS, &[b"\0"]).trust(Trust::Ultimate).ttl(5).into(&mut cache.rrsets, 0).unwrap();
    let mut closest = |top: &str, now| {
        let (name, top) = (wire("www.example.com"), wire(top));
        let no_expired_above = Some(&top[..]);
        let climb = Climb { name: &name, rtype: rtype::NS, class: class::IN, strictly_above: false, no_expired_above };
        cache.closest(&climb, at(now)).map(|set| crate::dns::name_text::to_text(set.owner()))
    };
    assert_eq!(closest(".", 1).as_deref(), Some("example.com."));
    assert_eq!(closest(".", 6).as_deref(), Some("."), "what stands above has expired");
    assert_eq!(closest("example.com", 6).as_deref(), Some("example.com."), "which is above what matters");
}

proptest::proptest! {
    #[test]
    fn any_name_is_safe(octets: Vec<u8>, rtype: u16, strictly_above: bool) {
        let mut cache = cache();
        put(".", rtype::NS, &[b"\0"]).into(&mut cache.rrsets, 0).unwrap();
        let climb = Climb { name: &octets, rtype, class: class::IN, strictly_above, no_expired_above: Some(&octets) };
        let _ = cache.closest(&climb, at(1));
        let _ = cache.flush_name(&octets);
        let key = MessageKey { name: &octets, qtype: rtype, qclass: 1, checking_disabled: strictly_above };
        cache.remember(&key, &Head::of(0, 9), &Learnt::default(), &Context::at(at(1)));
        let _ = cache.messages.get(&key, at(1)).map(|message| message.rrsets().count());
    }
}
