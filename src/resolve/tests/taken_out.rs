//! What the configuration has taken out of replies: private addresses, and types that do not belong beside an answer.

use super::super::*;
use super::rig::{Got, Rig, table};
use super::script::{Message, Query, wire};
use crate::dns::{rcode, rtype};
use std::net::IpAddr;
use std::sync::Arc;

const WWW: &str = "www.example.com";
const NETWORKS: [(&str, u8); 3] = [("10.0.0.0", 8), ("192.168.0.0", 16), ("fd00::", 8)];

/// What is told of a reply to a question for `www.example.com`, nothing private outside of `domains`.
fn told(domains: &[&str], qtype: u16, make: fn(&Query) -> Message) -> Got {
    let networks = NETWORKS.map(|(address, prefix)| (address.parse::<IpAddr>().unwrap(), prefix));
    let domains: Vec<Vec<u8>> = domains.iter().map(|name| wire(name)).collect();
    let private = Private::new(networks, domains.iter().map(Vec::as_slice));
    with_table(qtype, make, |rig| table(&[(".", &[0])], &[rig.address(0)]).without(private))
}

/// What is told of a reply by a table that takes the place of the first one.
fn with_table(qtype: u16, make: fn(&Query) -> Message, table: impl FnOnce(&Rig) -> ZoneTable) -> Got {
    let options = Options { minimal_responses: false, ..Options::default() };
    let mut rig = Rig::with(options, vec![Box::new(move |query| vec![make(query).0])], &[(".", &[0])], 8);
    let table = table(&rig);
    rig.tables.send(Arc::new(table)).unwrap();
    rig.request(WWW, qtype, true);
    rig.collect(1, false).remove(0)
}

fn mixed(query: &Query) -> Message {
    let reply = query.reply().record(0, WWW, rtype::A, 20, &[10, 0, 0, 1]).a(WWW, 300, 1);
    reply.record(0, WWW, rtype::A, 30, &[192, 168, 3, 4]).a(WWW, 200, 2)
}

/// Types beside an answer (Unbound's type_allowed_in_authority_section and type_allowed_in_additional_section).
#[test]
fn unknown_types_beside_an_answer_are_told_unless_they_are_not_to_be() {
    const TYPE65280: u16 = 65280;
    let make: fn(&Query) -> Message = |query| {
        let reply = query.reply().record(0, WWW, rtype::MX, 60, &[&[0, 5][..], &wire("mx.example.com")].concat());
        let reply = reply.record(1, "example.com", rtype::NS, 60, &wire("ns.example.com"));
        let reply = reply.record(1, "example.com", rtype::TXT, 60, b"\x01x").record(1, WWW, TYPE65280, 60, b"x");
        let reply = reply.record(2, "mx.example.com", rtype::A, 60, &[192, 0, 2, 7]);
        reply.record(2, "mx.example.com", rtype::TXT, 60, b"\x01x").record(2, "x.example.com", TYPE65280, 60, b"x")
    };
    let table = |rig: &Rig, unknown_types| {
        table(&[(".", &[0])], &[rig.address(0)]).scrubbed(Scrub { unknown_types, ..Scrub::default() })
    };
    let records = |known| with_table(rtype::MX, make, |rig| table(rig, known)).records;
    let beside = ["1 example.com. 60 NS ns.example.com.", "2 mx.example.com. 60 A 7"];
    assert_eq!(records(true)[1..], beside);
    assert_eq!(records(false).len(), 1 + beside.len() + 4);
}

#[test]
fn name_servers_that_nobody_asked_for_are_taken_out() {
    let beside: fn(&Query) -> Message =
        |query| query.reply().a(WWW, 60, 1).record(1, "example.com", rtype::NS, 60, &wire("ns.example.com"));
    let glue: fn(&Query) -> Message = |query| {
        let reply = query.reply().a(WWW, 60, 1).record(1, "example.com", rtype::NS, 60, &wire("ns.example.com"));
        reply.record(2, "ns.example.com", rtype::A, 60, &[192, 0, 2, 7])
    };
    let table = |rig: &Rig, promiscuous| {
        table(&[(".", &[0])], &[rig.address(0)]).scrubbed(Scrub { promiscuous, ..Scrub::default() })
    };
    for (make, all) in [(beside, 2), (glue, 3)] {
        let records = |promiscuous| with_table(rtype::A, make, |rig| table(rig, promiscuous)).records;
        assert_eq!(records(false).len(), all);
        assert_eq!(records(true), ["0 www.example.com. 60 A 1"], "nor where they are");
    }
}

#[test]
fn single_records_are_taken_out_of_a_set() {
    let got = told(&[], rtype::A, mixed);
    let expected = [1, 2].map(|last| format!("0 www.example.com. 200 A {last}"));
    assert_eq!((got.rcode, got.ttl, got.records), (0, 200, expected.to_vec()), "TTLs are those of the rest");
}

#[test]
fn a_set_of_private_addresses_alone_leaves_no_data() {
    let only: fn(&Query) -> Message = |query| {
        let signature = [&rtype::A.to_be_bytes()[..], &[0; 30]].concat();
        let reply = query.reply().record(0, WWW, rtype::A, 300, &[10, 0, 0, 1]);
        reply.record(0, WWW, rtype::RRSIG, 300, &signature)
    };
    let got = told(&[], rtype::A, only);
    assert_eq!((got.rcode, got.ttl, got.records), (rcode::NOERROR, 5, Vec::new()));
    let alias: fn(&Query) -> Message = |query| {
        query.reply().cname(WWW, 300, "a.example.net").record(0, "a.example.net", rtype::A, 300, &[10, 0, 0, 1])
    };
    assert_eq!(told(&[], rtype::A, alias).records, ["0 www.example.com. 300 CNAME a.example.net."]);
}

#[test]
fn at_and_below_a_private_domain_every_address_is_told() {
    for domain in [WWW, "Example.COM", "."] {
        assert_eq!(told(&[domain], rtype::A, mixed).records.len(), 4, "{domain}");
    }
    for domain in ["a.www.example.com", "ample.com", "example.net"] {
        assert_eq!(told(&[domain], rtype::A, mixed).records.len(), 2, "{domain}");
    }
    let alias: fn(&Query) -> Message =
        |query| query.reply().cname(WWW, 300, "a.lan").record(0, "a.lan", rtype::A, 300, &[10, 0, 0, 1]);
    assert_eq!(told(&["lan"], rtype::A, alias).records.len(), 2, "the owner of the address counts");
    assert_eq!(told(&["com"], rtype::A, alias).records.len(), 1);
}

#[test]
fn families_do_not_mix() {
    let make: fn(&Query) -> Message = |query| {
        let mapped = "::ffff:10.0.0.1".parse::<std::net::Ipv6Addr>().unwrap().octets();
        let inside = "fd00::1".parse::<std::net::Ipv6Addr>().unwrap().octets();
        query.reply().record(0, WWW, rtype::AAAA, 60, &mapped).record(0, WWW, rtype::AAAA, 60, &inside)
    };
    assert_eq!(told(&[], rtype::AAAA, make).records.len(), 1, "10.0.0.1 mapped into IPv6 is no IPv4 address");
}

#[test]
fn hints_of_https_records_count() {
    let make: fn(&Query) -> Message = |query| {
        let hint = |priority: u8, key: u8, octets: &[u8]| {
            let alpn: &[u8] = &[0, 1, 0, 3, 2, b'h', b'2'];
            [&[0, priority, 0][..], alpn, &[0, key, 0, octets.len() as u8], octets].concat()
        };
        let v6 = [&[0xfd; 16][..], &[0x20; 16]].concat();
        let reply = query.reply().record(0, WWW, rtype::HTTPS, 60, &hint(1, 4, &[192, 0, 2, 1, 10, 0, 0, 1]));
        let reply = reply.record(0, WWW, rtype::HTTPS, 60, &hint(2, 6, &v6));
        let reply = reply.record(0, WWW, rtype::HTTPS, 60, &hint(33, 4, &[192, 0, 2, 1]));
        // A key that has no addresses, whatever is in it, and a parameter that is cut off.
        let reply = reply.record(0, WWW, rtype::HTTPS, 60, &hint(44, 5, &[10, 0, 0, 1, 9]));
        reply.record(0, WWW, rtype::HTTPS, 60, &[0, 5, 0, 0, 4, 0, 99, 10, 0, 0, 1])
    };
    let expected = ["0 www.example.com. 60 TYPE65 18", "0 www.example.com. 60 TYPE65 19"];
    assert_eq!(told(&[], rtype::HTTPS, make).records, expected);
}

#[test]
fn addresses_beside_the_answer_count() {
    let make: fn(&Query) -> Message = |query| {
        let reply = query.reply().record(0, WWW, rtype::MX, 300, &[&[0, 5][..], &wire("mx.example.com")].concat());
        let reply = reply.record(2, "mx.example.com", rtype::A, 300, &[10, 0, 0, 7]);
        reply.record(2, "mx.example.com", rtype::A, 300, &[192, 0, 2, 8])
    };
    assert_eq!(told(&[], rtype::MX, make).records[1..], ["2 mx.example.com. 300 A 8"]);
}
