//! What is told of a reply from the cache is what is told of it at once.

use super::reply::{Judged, Octets, judge};
use super::*;
use crate::dns::body::{age, for_each_record};
use crate::dns::name_text::to_text;
use crate::dns::{header, rcode};
use crate::resolve::chain::{Chain, Composer, Target, Written};
use crate::resolve::normalize::{Piece, Verdict};
use proptest::prelude::*;
use std::collections::HashSet;

const NAMES: [&str; 9] = [
    "www.example.com",
    "example.com",
    "a.example.com",
    "b.a.example.com",
    "example.net",
    "www.example.net",
    "mx.example.org",
    ".",
    "*.example.com",
];
const TYPES: [u16; 16] = [
    rtype::A,
    rtype::AAAA,
    rtype::MX,
    rtype::NS,
    rtype::CNAME,
    rtype::DNAME,
    rtype::SOA,
    rtype::TXT,
    rtype::DS,
    rtype::NSEC,
    rtype::NSEC3,
    rtype::SRV,
    rtype::RRSIG,
    rtype::RRSIG,
    rtype::ANY,
    rtype::RP,
];

/// One record: section, owner, type, TTL, variant of the data, name in it, type covered.
type Line = (usize, usize, usize, u32, u8, usize, usize);

fn data(rtype: u16, variant: u8, inner: usize, covered: u16) -> Vec<u8> {
    let inner = wire(NAMES[inner]);
    match rtype {
        rtype::A => vec![192, 0, 2, variant],
        rtype::AAAA => [&[0x20, 1, 0xd, 0xb8][..], &[variant; 12]].concat(),
        rtype::MX => [&[0, variant][..], &inner].concat(),
        rtype::SRV => [&[0, 1, 0, 2, 0, variant][..], &inner].concat(),
        rtype::NS | rtype::CNAME | rtype::DNAME => inner,
        rtype::RP => [&inner[..], b"\0"].concat(),
        rtype::SOA => [&inner[..], b"\x04host\0", &[0; 16], &[0, 0, 0, 60 + variant]].concat(),
        rtype::NSEC => [&inner[..], &[0, 1, 0x40 | variant & 2]].concat(),
        rtype::RRSIG => [&covered.to_be_bytes()[..], &[8, 2], &[variant; 14], &inner, b"signature"].concat(),
        _ => vec![variant; 4],
    }
}

fn octets(qname: usize, qtype: usize, flags: u16, lines: &[Line]) -> Octets {
    let mut octets = Octets::to(NAMES[qname], TYPES[qtype], flags);
    for section in 0..3 {
        for &(_, owner, rtype, ttl, variant, inner, covered) in lines.iter().filter(|line| line.0 == section) {
            let rtype = TYPES[rtype];
            let data = data(rtype, variant, inner, TYPES[covered]);
            octets = octets.record(section, NAMES[owner], rtype, ttl, &data);
        }
    }
    octets
}

/// True when the cache has to tell the same: every RRset stands once, and the answer section is a chain.
fn is_plain(judged: &Judged) -> bool {
    let Judged { octets, reply, normalizer, .. } = judged;
    let mut keys = HashSet::new();
    let mut plain = true;
    let answer = normalizer.answer.iter().map(|piece| match piece {
        Piece::Alias { owner, ttl, .. } => (owner.to_lower().as_wire().to_vec(), rtype::CNAME, 0, 0, *ttl),
        Piece::Set(place) => set_key(judged, &reply.sets[*place as usize]),
    });
    let others = reply.sets.iter().filter(|set| set.section > 0 && set.kept).map(|set| set_key(judged, set));
    for (owner, rtype, covered, flags, ttl) in answer.chain(others) {
        plain &= keys.insert((owner, rtype, covered, flags)) && ttl > 0;
    }
    let first = normalizer.answer.first().map(|piece| match piece {
        Piece::Alias { .. } => rtype::CNAME,
        Piece::Set(place) => reply.sets[*place as usize].rtype,
    });
    // The TTL of an additional section alone counts for what is kept, and not for what is told at once.
    plain &= first.is_some() || !reply.sets.iter().any(|set| set.kept) || has_authority(judged);
    let aliased = matches!(first, Some(rtype::CNAME | rtype::DNAME));
    plain && !(aliased && octets.qtype == rtype::ANY && normalizer.answer.len() > 1)
}

fn has_authority(judged: &Judged) -> bool {
    judged.reply.sets.iter().any(|set| set.section == 1 && set.kept)
}

fn set_key(judged: &Judged, set: &crate::resolve::reply::Set) -> (Vec<u8>, u16, u16, u8, u32) {
    let (owner, _) = crate::dns::record::read_name(&judged.octets.message, set.owner).unwrap();
    let negative = u8::from(set.rtype == rtype::SOA && set.section == 1);
    (owner.to_lower().as_wire().to_vec(), set.rtype, set.covered, negative, set.ttl)
}

/// Compares both ways to tell a reply; false when they need not agree.
fn compare(judged: &Judged) -> bool {
    let mut cache = Cache::new(1 << 17, 1 << 16, Rules::default(), KEY).unwrap();
    let kept = judged.keep(&mut cache, 1000);
    if judged.verdict != Verdict::Answer || !is_plain(judged) {
        return false;
    }
    assert!(kept);
    let Octets { name, qtype, .. } = &judged.octets;
    let (mut direct, mut cached) = (vec![0; 65535], vec![0; 65535]);
    for (dnssec_ok, minimal) in [(false, false), (false, true), (true, false), (true, true)] {
        let told = judged.told(dnssec_ok, minimal, &mut direct).unwrap();
        let wanted = Wanted { name, qtype: *qtype, dnssec_ok, minimal, chain: None };
        let hit = cache.lookup(&Ask::new(name, *qtype, class::IN), at(1000)).expect("a hit");
        assert!(hit.is_message);
        assert_eq!(hit.rcode(), judged.reply.rcode & 0xf);
        let composed = hit.compose(&wanted, &mut cached, &mut [0; 65535]).unwrap();
        assert_eq!(composed, told);
        assert_eq!(cached[composed.place.clone()], direct[told.place.clone()]);
        // Nine seconds later all of it is nine seconds older.
        if hit.head.ttl > 9 {
            let hit = cache.lookup(&Ask::new(name, *qtype, class::IN), at(1009)).expect("a hit");
            let composed = hit.compose(&wanted, &mut cached, &mut [0; 65535]).unwrap();
            age(&mut direct[told.place.clone()], told.counts.iter().map(|count| u32::from(*count)).sum(), 9);
            assert_eq!((composed.ttl, composed.counts), (told.ttl - 9, told.counts));
            assert_eq!(cached[composed.place], direct[told.place]);
        }
    }
    true
}

fn line() -> impl Strategy<Value = Line> {
    (0usize..3, 0..NAMES.len(), 0..TYPES.len(), 0u32..400, 0u8..6, 0..NAMES.len(), 0..TYPES.len())
}

/// Records that belong together: an alias, its target's records, signatures, a denial, glue.
fn lines() -> impl Strategy<Value = Vec<Line>> {
    let plain = line().prop_map(|line| vec![line]);
    let signed = line().prop_map(|(section, owner, rtype, ttl, variant, inner, _)| {
        let set = (section, owner, rtype, ttl + 1, variant, inner, 0);
        vec![set, (section, owner, 12, ttl + 1, variant, 1, rtype)]
    });
    let alias = (1u32..400, 0u8..6).prop_map(|(ttl, variant)| {
        vec![(0, 0, 4, ttl, 0, 4, 0), (0, 4, 0, ttl, variant, 0, 0), (0, 4, 0, ttl, variant + 1, 0, 0)]
    });
    let dname =
        (1u32..400, 0u8..6).prop_map(|(ttl, variant)| vec![(0, 1, 5, ttl, 0, 4, 0), (0, 5, 0, ttl, variant, 0, 0)]);
    let denial = (1u32..400, 0u8..6).prop_map(|(ttl, variant)| {
        vec![
            (1, 1, 6, ttl, variant, 1, 0),
            (1, 1, 12, ttl, 0, 1, 6),
            (1, 1, 9, ttl, variant, 2, 0),
            (1, 1, 12, ttl, 0, 1, 9),
        ]
    });
    let mail = (1u32..400, 0u8..6).prop_map(|(ttl, variant)| {
        vec![
            (0, 0, 2, ttl, variant, 6, 0),
            (0, 0, 2, ttl, variant, 2, 0),
            (1, 1, 3, ttl, 0, 6, 0),
            (2, 6, 0, ttl, 1, 0, 0),
            (2, 6, 13, ttl, 1, 4, 0),
        ]
    });
    let group = prop_oneof![3 => plain, 3 => signed, 2 => alias, 1 => dname, 2 => denial, 2 => mail];
    proptest::collection::vec(group, 0..5).prop_map(|groups| groups.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// Octet by octet, over many replies and every kind of client.
    #[test]
    fn a_cached_reply_is_told_as_it_was(
        qname in prop_oneof![4 => Just(0usize), 1 => 0..NAMES.len()],
        qtype in prop_oneof![3 => 0usize..5, 1 => 0..TYPES.len()],
        code in prop_oneof![4 => Just(rcode::NOERROR), 1 => Just(rcode::NXDOMAIN), 1 => Just(rcode::YXDOMAIN)],
        authoritative: bool,
        lines in lines(),
    ) {
        let aa = if authoritative { header::flag::AA } else { 0 };
        if let Some(judged) = judge(octets(qname, qtype, aa | code, &lines)) {
            compare(&judged);
        }
    }

    /// Whatever octets a reply has, keeping it is safe.
    #[test]
    fn any_reply_is_safe(lines in lines(), changes in proptest::collection::vec((12usize..400, any::<u8>()), 0..8)) {
        let mut octets = octets(0, 0, 0, &lines);
        for (at, value) in changes {
            if let Some(octet) = octets.message.get_mut(at.max(33)) {
                *octet = value;
            }
        }
        if let Some(judged) = judge(octets) {
            let mut cache = cache();
            judged.keep(&mut cache, 1000);
            if let Some(hit) = cache.lookup(&Ask::new(&judged.octets.name, judged.octets.qtype, class::IN), at(1000)) {
                let wanted = Wanted { name: &judged.octets.name, qtype: rtype::A, dnssec_ok: true, minimal: false, chain: None };
                let _ = hit.compose(&wanted, &mut [0; 4096], &mut [0; 65535]);
            }
        }
    }
}

/// The records of a body as text.
fn texts(message: &[u8], start: usize, counts: [u16; 3]) -> Vec<String> {
    let mut texts = Vec::new();
    for_each_record(message, start, counts, |section, owner, fixed, data| {
        texts.push(format!("{section} {owner} {} {} {}", fixed.ttl, fixed.rtype, data.len()));
        Some(())
    })
    .unwrap();
    texts
}

#[test]
fn usual_replies_are_among_those_compared() {
    let www = || Octets::to("www.example.com", rtype::A, 0);
    let soa = data(rtype::SOA, 0, 1, 0);
    let signature = |covered| data(rtype::RRSIG, 7, 1, covered);
    for octets in [
        www().record(0, "www.example.com", rtype::A, 60, &[192, 0, 2, 1]),
        www().record(0, "www.example.com", rtype::CNAME, 60, &wire("a.net")).record(0, "a.net", rtype::A, 30, &[1; 4]),
        www().record(0, "example.com", rtype::DNAME, 60, &wire("net")).record(0, "www.net", rtype::A, 30, &[1; 4]),
        www().record(1, "example.com", rtype::SOA, 60, &soa).record(1, "example.com", rtype::RRSIG, 60, &signature(6)),
        Octets::to("www.example.com", rtype::A, rcode::NXDOMAIN).record(1, "example.com", rtype::SOA, 60, &soa),
        www(),
        Octets::to("example.com", rtype::NS, 0)
            .record(0, "example.com", rtype::NS, 60, &wire("ns.example.com"))
            .record(0, "example.com", rtype::RRSIG, 60, &signature(rtype::NS))
            .record(2, "ns.example.com", rtype::A, 60, &[192, 0, 2, 1])
            .record(2, "ns.example.com", rtype::RRSIG, 60, &signature(rtype::A)),
        Octets::to("example.com", rtype::ANY, 0)
            .record(0, "example.com", rtype::A, 60, &[192, 0, 2, 1])
            .record(0, "example.com", rtype::RRSIG, 60, &signature(rtype::MX))
            .record(0, "example.com", rtype::RRSIG, 60, &signature(rtype::NS)),
        Octets::to("example.com", rtype::RRSIG, 0)
            .record(0, "example.com", rtype::RRSIG, 60, &signature(rtype::MX))
            .record(0, "example.com", rtype::RRSIG, 60, &signature(rtype::NS)),
    ] {
        assert!(compare(&judge(octets).unwrap()));
    }
}

#[test]
fn trust_is_that_of_section_and_flag() {
    let reply = |flags| {
        Octets::to("www.example.com", rtype::A, flags)
            .record(0, "www.example.com", rtype::CNAME, 60, &wire("mx.example.org"))
            .record(0, "mx.example.org", rtype::A, 60, &[192, 0, 2, 1])
            .record(1, "example.org", rtype::SOA, 60, &data(rtype::SOA, 0, 1, 0))
            .record(2, "other.example.org", rtype::TXT, 60, &[1, b'x'])
    };
    use Trust::*;
    for (flags, expected) in [
        (header::flag::AA, [AuthoritativeAnswer, Answer, AuthoritativeAuthority, AuthoritativeAdditional]),
        (0, [Answer, Answer, Authority, Additional]),
    ] {
        let mut cache = cache();
        assert!(judge(reply(flags)).unwrap().keep(&mut cache, 0));
        let keys = [
            ("www.example.com", rtype::CNAME, 0),
            ("mx.example.org", rtype::A, 0),
            ("example.org", rtype::SOA, flag::SOA_NEGATIVE),
            ("other.example.org", rtype::TXT, 0),
        ];
        let trust = keys.map(|(owner, rtype, flags)| {
            cache.rrsets.get(&Key::new(&wire(owner), rtype, class::IN).with(flags), at(1)).unwrap().trust()
        });
        assert_eq!(trust, expected);
    }
    let dname = Octets::to("www.example.com", rtype::A, header::flag::AA)
        .record(0, "example.com", rtype::DNAME, 60, &wire("net"))
        .record(0, "www.net", rtype::A, 60, &[192, 0, 2, 1]);
    let mut cache = cache();
    assert!(judge(dname).unwrap().keep(&mut cache, 0));
    let keys = [("example.com", rtype::DNAME), ("www.example.com", rtype::CNAME), ("www.net", rtype::A)];
    let trust =
        keys.map(|(owner, rtype)| cache.rrsets.get(&Key::new(&wire(owner), rtype, class::IN), at(1)).unwrap().trust());
    assert_eq!(trust, [AuthoritativeAnswer, AuthoritativeAnswer, Answer]);
}

#[test]
fn an_answer_of_several_replies_is_one_message() {
    for dnssec_ok in [false, true] {
        let cname =
            Octets::to("www.example.com", rtype::A, 0).record(0, "www.example.com", rtype::CNAME, 60, &wire("a.net"));
        let first = match dnssec_ok {
            true => cname.record(1, "w.example.com", rtype::NSEC, 50, &data(rtype::NSEC, 1, 1, 0)),
            false => cname,
        };
        let last = Octets::to("a.net", rtype::A, 0).record(0, "a.net", rtype::A, 40, &[192, 0, 2, 1]).record(
            1,
            "net",
            rtype::NS,
            70,
            &wire("ns.net"),
        );
        let (first, last) = (judge(first).unwrap(), judge(last).unwrap());
        assert_eq!((first.verdict, last.verdict), (Verdict::Chase, Verdict::Answer));
        let (direct, told) = told_of_both(&first, &last, dnssec_ok);
        let (mut cache, mut learnt, context) = (cache(), Learnt::default(), Context::at(at(0)));
        cache.learn(&first.source(), &context, &mut learnt);
        cache.learn(&last.source(), &context, &mut learnt);
        cache.learn(&first.source(), &context, &mut learnt);
        assert!(cache.remember(&first.key(), &Head::of(0, u32::MAX), &learnt, &context));
        let name = &first.octets.name;
        let wanted = Wanted { name, qtype: rtype::A, dnssec_ok, minimal: true, chain: None };
        let mut cached = vec![0; 65535];
        let hit = cache.lookup(&Ask::new(name, rtype::A, class::IN), at(0)).unwrap();
        let written = hit.compose(&wanted, &mut cached, &mut [0; 65535]).unwrap();
        assert_eq!(texts(&cached, written.place.start, written.counts), direct);
        assert_eq!((written.ttl, written.counts), (told.ttl, told.counts));
    }
}

/// What is told at once of a reply that ends in an alias and one to the alias's target.
fn told_of_both(first: &Judged, last: &Judged, dnssec_ok: bool) -> (Vec<String>, Written) {
    let (mut out, mut rdata, mut chain) = (vec![0; 65535], vec![0; 65535], Chain::default());
    let name = &first.octets.name;
    let target = |asked| Target { name, asked, qtype: rtype::A, dnssec_ok, minimal: true };
    let (message, answer) = (&first.octets.message[..], &first.normalizer);
    let mut composer = Composer { message, reply: &first.reply, answer, target: target(*name), rdata: &mut rdata };
    composer.extend(&mut chain, &mut out).unwrap();
    let (message, answer, target) = (&last.octets.message[..], &last.normalizer, target(last.octets.name));
    let mut composer = Composer { message, reply: &last.reply, answer, target, rdata: &mut rdata };
    let told = composer.answer(Some(&chain), &mut out).unwrap();
    (texts(&out, told.place.start, told.counts), told)
}

#[test]
fn an_answer_from_rrsets_alone_is_written() {
    let mut cache = cache();
    put("Example.com", rtype::DNAME, &[&wire("net")]).security(Security::Secure).into(&mut cache.rrsets, 0).unwrap();
    let question = name("wWw.example.com");
    let mut out = vec![0; 65535];
    let wanted = Wanted { name: &question, qtype: rtype::A, dnssec_ok: true, minimal: true, chain: None };
    let hit = cache.lookup(&Ask::new(&question, rtype::A, class::IN), at(10)).unwrap();
    let written = hit.compose(&wanted, &mut out, &mut [0; 65535]).unwrap();
    let expected = ["0 example.com. 290 39 5", "0 wWw.example.com. 290 5 9"];
    assert_eq!(
        (texts(&out, written.place.start, written.counts), written.ttl),
        (expected.map(String::from).to_vec(), 290)
    );
    assert!(hit.compose(&wanted, &mut out[..60], &mut [0; 65535]).is_err());
}

#[test]
fn ttls_are_told_as_the_rules_have_it() {
    let rules = Rules { serve_expired: Some(0), original_ttl: true, ..Rules::default() };
    for (rules, now, ttl, may_be_kept) in [
        (Rules::default(), 20, 80, 80),
        (rules, 20, 100, 80),
        (Rules { original_ttl: false, ..rules }, 200, 30, 0),
        (Rules { original_ttl: false, expired_reply_ttl: 3000, ..rules }, 200, 100, 0),
        (rules, 200, 100, 0),
    ] {
        let mut cache = with_rules(rules);
        let a = put("a", rtype::A, &[&[192, 0, 2, 1]]).ttl(100).into(&mut cache.rrsets, 0).unwrap().rrset;
        assert!(remember(&mut cache, "a", rtype::A, Head::of(0, 1000), [&[a], &[], &[]], 0));
        let question = name("a");
        let ask = Ask { expired: true, ..Ask::new(&question, rtype::A, class::IN) };
        let wanted = Wanted { name: &question, qtype: rtype::A, dnssec_ok: false, minimal: true, chain: None };
        let mut out = vec![0; 512];
        let written = cache.lookup(&ask, at(now)).unwrap().compose(&wanted, &mut out, &mut [0; 65535]).unwrap();
        assert_eq!(texts(&out, written.place.start, written.counts), [format!("0 a. {ttl} 1 4")]);
        assert_eq!(written.ttl, may_be_kept);
    }
}

#[test]
fn names_are_written_as_they_came() {
    let octets = Octets::to("www.example.com", rtype::MX, 0)
        .record(0, "WWW.example.com", rtype::MX, 60, &data(rtype::MX, 5, 6, 0))
        .record(2, "mx.example.org", rtype::A, 60, &[192, 0, 2, 1]);
    let mut cache = cache();
    assert!(judge(octets).unwrap().keep(&mut cache, 0));
    let set = cache.rrsets.get(&Key::new(&wire("www.example.com"), rtype::MX, class::IN), at(1)).unwrap();
    assert_eq!(to_text(set.owner()), "WWW.example.com.");
}
