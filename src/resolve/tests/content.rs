//! What of a reply is told on.

use super::super::*;
use super::rig::{Got, Rig};
use super::script::{Message, Query, Script, wire};
use crate::dns::{rcode, rtype};

fn told(dnssec_ok: bool, qtype: u16, options: Options, make: fn(&Query) -> Message) -> Got {
    let mut rig = Rig::with(options, vec![Box::new(move |query| vec![make(query).0])], &[(".", &[0])], 8);
    rig.request("www.example.com", qtype, dnssec_ok);
    rig.collect(1, false).remove(0)
}

fn a(make: fn(&Query) -> Message) -> Got {
    told(false, rtype::A, Options::default(), make)
}

fn rrsig(message: Message, section: usize, owner: &str, covered: u16) -> Message {
    let mut data = covered.to_be_bytes().to_vec();
    data.extend([0; 30]);
    message.record(section, owner, rtype::RRSIG, 100, &data)
}

const WWW: &str = "www.example.com";

#[test]
fn the_chain_is_kept_and_the_rest_dropped() {
    let got = a(|query| {
        let reply = query.reply().a("other.example.com", 300, 9).cname(WWW, 200, "a.example.net");
        reply.a("unrelated.example", 1, 9).cname("a.example.net", 100, "b.example.org").a("b.example.org", 50, 1)
    });
    let expected = [
        "0 www.example.com. 200 CNAME a.example.net.",
        "0 a.example.net. 100 CNAME b.example.org.",
        "0 b.example.org. 50 A 1",
    ];
    assert_eq!((got.records, got.ttl), (expected.map(String::from).to_vec(), 50));
}

#[test]
fn records_of_a_set_get_one_ttl_and_stand_together() {
    let got = a(|query| query.reply().a(WWW, 300, 1).a("WWW.example.com", 100, 2).a(WWW, 200, 3));
    let expected = [1, 2, 3].map(|last| format!("0 www.example.com. 100 A {last}"));
    assert_eq!(got.records, expected);
}

#[test]
fn ttls_stay_within_the_limits() {
    let ttl = TtlLimits { min: 60, max: 1000, max_negative: 90, ..TtlLimits::default() };
    let limits = Options { ttl, ..Options::default() };
    let got = told(false, rtype::A, limits.clone(), |query| query.reply().a(WWW, 5, 1));
    assert_eq!((got.ttl, got.records[0].as_str()), (60, "0 www.example.com. 60 A 1"));
    assert_eq!(told(false, rtype::A, limits.clone(), |query| query.reply().a(WWW, i32::MAX as u32, 1)).ttl, 1000);
    let negative = |query: &Query| Message::reply(&query.octets, rcode::NXDOMAIN).soa("example.com", 5000, 700);
    let got = told(false, rtype::A, limits, negative);
    assert_eq!((got.ttl, got.rcode), (90, rcode::NXDOMAIN));
    assert_eq!(got.records, ["1 example.com. 90 SOA"]);
    assert_eq!(told(false, rtype::A, Options::default(), negative).ttl, 700);
    let ttl = TtlLimits { min_negative: 800, ..TtlLimits::default() };
    let got = told(false, rtype::A, Options { ttl, ..Options::default() }, negative);
    assert_eq!((got.ttl, got.records), (800, vec!["1 example.com. 800 SOA".to_owned()]));
    assert_eq!(a(|query| query.reply().a(WWW, 0, 1)).ttl, 0);
}

#[test]
fn a_ttl_with_its_top_bit_set_is_zero() {
    let single = a(|query| query.reply().a(WWW, 1 << 31, 1));
    let one_of_two = a(|query| query.reply().a(WWW, 300, 1).a(WWW, u32::MAX, 1));
    for got in [single, one_of_two] {
        assert_eq!((got.ttl, got.records[0].as_str()), (0, "0 www.example.com. 0 A 1"));
    }
    let got = told(true, rtype::A, Options::default(), |query| {
        let signature = [&rtype::A.to_be_bytes()[..], &[0; 30]].concat();
        query.reply().a(WWW, 300, 1).record(0, WWW, rtype::RRSIG, 1 << 31, &signature)
    });
    assert_eq!(got.records, ["0 www.example.com. 0 A 1", "0 www.example.com. 0 RRSIG"], "of a signature too");
    let minimum = TtlLimits { min: 60, ..TtlLimits::default() };
    let limits = Options { ttl: minimum, ..Options::default() };
    assert_eq!(told(false, rtype::A, limits, |query| query.reply().a(WWW, u32::MAX, 1)).ttl, 60);
}

#[test]
fn positive_answers_are_minimal_unless_told_otherwise() {
    let make = |query: &Query| {
        let reply = query.reply().record(0, WWW, rtype::MX, 300, &[&[0, 5][..], &wire("mx.example.com")].concat());
        let reply = reply.record(1, "example.com", rtype::NS, 40, &wire("ns.example.com"));
        let reply = reply.record(2, "mx.example.com", rtype::A, 300, &[192, 0, 2, 7]);
        reply.record(2, "nobody.example.com", rtype::A, 300, &[192, 0, 2, 8])
    };
    let got = told(false, rtype::MX, Options::default(), make);
    assert_eq!((got.records.len(), got.ttl), (1, 40), "the authority's TTL counts as in Unbound");
    let got = told(false, rtype::MX, Options { minimal_responses: false, ..Options::default() }, make);
    assert_eq!(got.records[1..], ["1 example.com. 40 NS ns.example.com.", "2 mx.example.com. 300 A 7"]);
}

#[test]
fn nodata_keeps_its_soa() {
    let got = a(|query| query.reply().soa("example.com", 300, 60).record(1, "example.com", rtype::NS, 9, &wire("ns")));
    assert_eq!((got.rcode, got.ttl, got.records), (0, 60, vec!["1 example.com. 60 SOA".to_string()]));
}

#[test]
fn dnssec_records_are_for_who_asks() {
    let make = |query: &Query| {
        let reply = rrsig(query.reply().a(WWW, 300, 1), 0, WWW, rtype::A);
        let reply = rrsig(reply, 0, WWW, rtype::AAAA);
        let nsec = [&wire("z.example.com")[..], &[0, 1, 0x40]].concat();
        rrsig(reply.record(1, "m.example.com", rtype::NSEC, 300, &nsec), 1, "m.example.com", rtype::NSEC)
    };
    assert_eq!(told(false, rtype::A, Options::default(), make).records, ["0 www.example.com. 100 A 1"]);
    let expected = [
        "0 www.example.com. 100 A 1",
        "0 www.example.com. 100 RRSIG",
        "1 m.example.com. 100 TYPE47 18",
        "1 m.example.com. 100 RRSIG",
    ];
    assert_eq!(told(true, rtype::A, Options::default(), make).records, expected);
}

#[test]
fn of_many_signatures_the_first_eight_are_told() {
    let got = told(true, rtype::A, Options::default(), |query| {
        let signed = (0..9).fold(query.reply().a(WWW, 300, 1), |reply, _| rrsig(reply, 0, WWW, rtype::A));
        rrsig(signed.record(0, WWW, rtype::TXT, 300, b"\x01a"), 0, WWW, rtype::TXT)
    });
    let signatures = got.records.iter().filter(|record| record.contains("RRSIG")).count();
    assert_eq!((got.records.len(), signatures), (9, 8), "{:?}", got.records);
    let alone = |query: &Query| (0..9).fold(query.reply(), |reply, _| rrsig(reply, 0, WWW, rtype::A));
    assert_eq!(told(true, rtype::RRSIG, Options::default(), alone).records.len(), 8, "asked for, too");
}

#[test]
fn of_many_name_servers_the_first_twenty_are_told_unless_they_are_signed() {
    fn servers(reply: Message, section: usize) -> Message {
        let name = |number: u8| wire(&format!("ns{number}.example.com"));
        (0..21).fold(reply, |reply, number| reply.record(section, "example.com", rtype::NS, 300, &name(number)))
    }
    fn glue(reply: Message) -> Message {
        let name = |number: u8| format!("ns{number}.example.com");
        (0..21).fold(reply, |reply, number| reply.record(2, &name(number), rtype::A, 300, &[192, 0, 2, number]))
    }
    let whole = || Options { minimal_responses: false, ..Options::default() };
    let count = |got: Got, what: &str| got.records.iter().filter(|record| record.contains(what)).count();
    let got = told(false, rtype::A, whole(), |query| glue(servers(query.reply().a(WWW, 300, 1), 1)));
    assert_eq!((count(got.clone(), "1 example.com. 300 NS ns"), count(got, "2 ns")), (20, 20), "and where those are");
    let make = |query: &Query| rrsig(servers(query.reply().a(WWW, 300, 1), 1), 1, "example.com", rtype::NS);
    let got = told(true, rtype::A, whole(), make);
    assert_eq!(got.records, ["0 www.example.com. 300 A 1"]);
}

#[test]
fn a_dname_brings_its_cname_or_gets_one() {
    let with: fn(&Query) -> Message = |query| {
        let reply = query.reply().record(0, "example.com", rtype::DNAME, 300, &wire("example.net"));
        reply.cname(WWW, 0, "www.example.net").a("www.example.net", 300, 1)
    };
    let without: fn(&Query) -> Message = |query| {
        let reply = query.reply().record(0, "example.com", rtype::DNAME, 300, &wire("example.net"));
        reply.a("www.example.net", 300, 1)
    };
    let swapped: fn(&Query) -> Message = |query| {
        let reply = query.reply().cname(WWW, 300, "www.example.net");
        reply.record(0, "example.com", rtype::DNAME, 300, &wire("example.net")).a("www.example.net", 300, 1)
    };
    for (make, ttl) in [(with, 0), (without, 300), (swapped, 300)] {
        let cname = format!("0 www.example.com. {ttl} CNAME www.example.net.");
        let expected = ["0 example.com. 300 DNAME example.net.", &cname, "0 www.example.net. 300 A 1"];
        assert_eq!(a(make).records, expected);
    }
}

#[test]
fn a_partial_chain_is_asked_on() {
    let script: Script = Box::new(|query| {
        let number: u8 = query.name[1..query.name.len() - 1].parse().unwrap_or(0);
        let next = format!("c{}.", number + 1);
        vec![match number {
            3 => query.reply().a(&query.name, 20, 1).0,
            _ => query.reply().cname(&query.name, 100 + u32::from(number), &next).0,
        }]
    });
    let mut rig = Rig::new(vec![script]);
    for _ in 0..2 {
        let got = rig.ask("c0", rtype::A);
        let expected = ["0 c0. 100 CNAME c1.", "0 c1. 101 CNAME c2.", "0 c2. 102 CNAME c3.", "0 c3. 20 A 1"];
        assert_eq!((got.records, got.ttl, got.rcode), (expected.map(String::from).to_vec(), 20, 0));
    }
    assert_eq!(rig.seen(0), 8);
}

#[test]
fn endless_chains_are_servfail() {
    let script: Script = Box::new(|query| {
        let number: u32 = query.name[1..query.name.len() - 1].parse().unwrap();
        vec![query.reply().cname(&query.name, 60, &format!("c{}", number + 1)).0]
    });
    let mut rig = Rig::new(vec![script]);
    assert_eq!(rig.ask("c0", rtype::A).rcode, rcode::SERVFAIL);
    assert_eq!(rig.seen(0), 12);
    let circle: Script = Box::new(|query| {
        let next = if query.name == "c0." { "c1" } else { "c0" };
        vec![query.reply().cname(&query.name, 60, next).0]
    });
    assert_eq!(Rig::new(vec![circle]).ask("c0", rtype::A).rcode, rcode::SERVFAIL);
    let of_itself: Script = Box::new(|query| vec![query.reply().cname(&query.name, 60, "c0").0]);
    let got = Rig::new(vec![of_itself]).ask("c0", rtype::A);
    assert_eq!((got.rcode, &got.records[..]), (rcode::NOERROR, &["0 c0. 60 CNAME c0.".to_owned()][..]));
}

#[test]
fn a_target_in_another_forward_zone_is_asked_there() {
    let liar: Script =
        Box::new(|query| vec![query.reply().cname(&query.name, 60, "host.inside").a("host.inside", 60, 66).0]);
    let inside: Script = Box::new(|query| query.answer(1));
    let mut rig = Rig::with(Options::default(), vec![liar, inside], &[(".", &[0]), ("inside", &[1])], 8);
    let got = rig.ask("www.example.com", rtype::A);
    assert_eq!(got.records, ["0 www.example.com. 60 CNAME host.inside.", "0 host.inside. 300 A 1"]);
}

#[test]
fn what_lies_outside_the_forward_zone_is_not_believed() {
    let script: Script = Box::new(|query| {
        let reply = query.reply().record(0, &query.name, rtype::MX, 60, &[&[0, 1][..], &wire("mx.elsewhere")].concat());
        let reply = reply.record(1, "elsewhere", rtype::NS, 60, &wire("ns.elsewhere"));
        vec![reply.record(2, "mx.elsewhere", rtype::A, 60, &[192, 0, 2, 66]).0]
    });
    let options = Options { minimal_responses: false, ..Options::default() };
    let mut rig = Rig::with(options, vec![script], &[("inside", &[0])], 8);
    assert_eq!(rig.ask("host.inside", rtype::MX).records.len(), 1);
}

#[test]
fn a_name_that_ends_a_chain_in_nothing_is_told() {
    let got = a(|query| {
        Message::reply(&query.octets, rcode::NXDOMAIN).cname(WWW, 60, "gone.example.net").soa("example.net", 300, 30)
    });
    assert_eq!((got.rcode, got.ttl), (rcode::NXDOMAIN, 30));
    assert_eq!(got.records, ["0 www.example.com. 60 CNAME gone.example.net.", "1 example.net. 30 SOA"]);
    let got = a(|query| query.reply().cname(WWW, 60, "bare.example.net").soa("example.net", 300, 30));
    assert_eq!((got.rcode, got.records.len()), (rcode::NOERROR, 2));
}

#[test]
fn cname_and_any_are_answers_themselves() {
    let make = |query: &Query| query.reply().cname(WWW, 60, "b.example.com").a("b.example.com", 60, 1);
    let only = ["0 www.example.com. 60 CNAME b.example.com."];
    assert_eq!(told(false, rtype::CNAME, Options::default(), make).records, only);
    assert_eq!(told(false, rtype::ANY, Options::default(), make).records, only);
}

#[test]
fn addresses_of_a_wrong_length_are_dropped() {
    let got = a(|query| query.reply().record(0, WWW, rtype::A, 60, &[1, 2, 3]).a(WWW, 60, 1));
    assert_eq!(got.records, ["0 www.example.com. 60 A 1"]);
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]

    /// Any octets behind a true header and question, and any change of a true reply.
    #[test]
    fn no_reply_makes_it_fall(junk in proptest::collection::vec(proptest::num::u8::ANY, 0..120), counts: [u8; 3],
                              changes in proptest::collection::vec((12usize..160, 0u8..=255), 0..6), flip: bool) {
        let mut rig = Rig::new(vec![Box::new(move |query| {
            let mut octets = if flip { Message::reply(&query.octets, 0).0 } else {
                let reply = query.reply().cname(&query.name, 60, "b.c").record(0, "c", rtype::DNAME, 9, &wire("d"));
                reply.a("b.d", 1, 1).soa("d", 9, 9).record(1, "d", rtype::NS, 9, &wire("ns.d")).0
            };
            if flip {
                for (place, count) in counts.iter().enumerate() {
                    octets[7 + 2 * place] = *count % 8;
                }
                octets.extend(&junk);
            }
            for &(at, value) in &changes {
                if let Some(octet) = octets.get_mut(at.max(12 + 5)) {
                    *octet = value;
                }
            }
            vec![octets]
        })]);
        rig.request("a", rtype::A, flip);
        rig.collect(1, true);
    }
}
