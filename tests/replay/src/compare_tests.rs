//! Each word of MATCH: what fits it, and what does not.

use super::*;
use crate::scenario::{What, parse};

fn entry(text: &str) -> Entry {
    let text = format!("CONFIG_END\nSCENARIO_BEGIN x\nSTEP 1 QUERY\nENTRY_BEGIN\n{text}\nENTRY_END\nSCENARIO_END\n");
    match parse(&text).unwrap().steps.remove(0).what {
        What::Query { entry, .. } => entry,
        other => panic!("{other:?}"),
    }
}

/// What keeps a message from matching, both given as entries.
fn cause(wanted: &str, came: &str) -> Option<String> {
    over(Transport::Udp, wanted, came)
}

fn over(transport: Transport, wanted: &str, came: &str) -> Option<String> {
    mismatch(&entry(wanted), &message::octets(&entry(came)).unwrap(), transport).unwrap()
}

const ANSWER: &str = "REPLY QR RD RA\nSECTION QUESTION\nwww.example. IN A\nSECTION ANSWER\nwww.example. 60 IN A 192.0.2.1\n\
    www.example. 60 IN A 192.0.2.2\nSECTION AUTHORITY\nexample. 60 IN NS ns.example.";

#[test]
fn all_compares_flags_and_records_in_any_order_and_without_case() {
    let all = format!("MATCH all\n{ANSWER}");
    assert_eq!(cause(&all, ANSWER), None);
    let other_order = ANSWER
        .replace("192.0.2.1\n", "192.0.2.9\n")
        .replace("192.0.2.2", "192.0.2.1")
        .replace("192.0.2.9", "192.0.2.2");
    let other_case = ANSWER.replace("NS ns.example.", "NS Ns.EXAMPLE.").replace("www", "wWw");
    let other_ttl = ANSWER.replace(" 60 ", " 61 ");
    for same in [&other_order, &other_case, &other_ttl] {
        assert_eq!(cause(&all, same), None, "{same}");
    }
    for (other, said) in [
        (ANSWER.replace("QR", "QR AA"), "flags"),
        (ANSWER.replace("QR", "QR NXDOMAIN"), "flags"),
        (ANSWER.replace("192.0.2.2", "192.0.2.1"), "answer section"),
        (ANSWER.replace("SECTION AUTHORITY", "SECTION ADDITIONAL"), "authority section"),
        (ANSWER.replace("IN A\n", "IN AAAA\n"), "question section"),
        (ANSWER.replace("QR", "QR DO"), "OPT"),
        (format!("{ANSWER}\nother. 60 A 192.0.2.3"), "authority section"),
    ] {
        assert!(cause(&all, &other).is_some_and(|cause| cause.contains(said)), "{other}: {:?}", cause(&all, &other));
    }
    assert!(cause(&format!("MATCH all ttl\n{ANSWER}"), &other_ttl).is_some());
    assert_eq!(cause(&format!("MATCH all_noedns\n{ANSWER}"), &ANSWER.replace("QR", "QR DO")), None);
}

#[test]
fn a_record_counts_as_often_as_it_is_there() {
    let twice = ANSWER.replace("192.0.2.2", "192.0.2.1");
    let once = ANSWER.replace("\nwww.example. 60 IN A 192.0.2.2", "");
    assert!(cause(&format!("MATCH all\n{once}"), &twice).is_some());
    assert!(cause(&format!("MATCH answer\n{twice}"), ANSWER).is_some());
}

#[test]
fn a_query_is_found_by_name_type_opcode_and_zone() {
    let query = "SECTION QUESTION\nwww.Example. AAAA";
    for (wanted, fits) in [
        ("MATCH opcode qtype qname\nSECTION QUESTION\nWWW.example. AAAA", true),
        ("MATCH qtype qname\nSECTION QUESTION\nwww.example. A", false),
        ("MATCH qname\nSECTION QUESTION\nexample. AAAA", false),
        ("MATCH subdomain\nSECTION QUESTION\nexample. A", true),
        ("MATCH subdomain\nSECTION QUESTION\nwww.example. A", true),
        ("MATCH subdomain\nSECTION QUESTION\n. A", true),
        ("MATCH subdomain\nSECTION QUESTION\nw.example. A", false),
        ("MATCH subdomain\nSECTION QUESTION\nww.example. A", false),
        ("MATCH opcode\nREPLY NOTIFY", false),
        ("MATCH rcode\nREPLY SERVFAIL", false),
        ("MATCH question\nREPLY QR\nSECTION QUESTION\nwww.example. AAAA", true),
        ("MATCH question\nSECTION QUESTION\nwww.example. CH AAAA", false),
    ] {
        assert_eq!(cause(wanted, query).is_none(), fits, "{wanted}: {:?}", cause(wanted, query));
    }
}

#[test]
fn transports_are_told_apart() {
    for (word, fits) in [("UDP", Transport::Udp), ("TCP", Transport::Tcp)] {
        for transport in [Transport::Udp, Transport::Tcp] {
            assert_eq!(
                over(transport, &format!("MATCH {word}"), ANSWER).is_none(),
                transport == fits,
                "{word} {transport:?}"
            );
        }
    }
}

#[test]
fn edns_is_looked_into_by_its_own_words() {
    let with = |options: &str| format!("HEX_EDNSDATA_BEGIN\n{options}\nHEX_EDNSDATA_END");
    let error = with("00 0f 00 04 00 06 6f 6b ; DNSSEC Bogus, ok\n");
    for (word, came, fits) in [
        ("DO", "REPLY DO".to_owned(), true),
        ("DO", with(""), false),
        ("DO", String::new(), false),
        ("noedns", String::new(), true),
        ("noedns", with(""), false),
        ("ede=6", error.clone(), true),
        ("ede=any", error.clone(), true),
        ("ede=7", error.clone(), false),
        ("ede=any", with(""), false),
        ("client_cookie", with("000a 0008 0102030405060708"), true),
        ("server_cookie", with("000a 0008 0102030405060708"), false),
        ("server_cookie", with(&format!("000a 0018 {}", "07".repeat(24))), true),
        ("ednsdata", String::new(), true),
        ("ednsdata", with("000a 0008 0102030405060708"), true),
        ("ednsdata", format!("REPLY QR\n{}", with("000a 0008 0102030405060708")), false),
        ("ednsdata", error.clone(), false),
    ] {
        assert_eq!(cause(&format!("MATCH {word}"), &came).is_none(), fits, "{word}: {came}");
    }
    assert_eq!(cause(&format!("MATCH all ede=6\n{}", with("")), &error), None, "the rest is compared without it");
    assert_eq!(cause(&format!("MATCH ednsdata\n{error}"), &error), None);
}

#[test]
fn the_serial_number_of_a_transfer_is_that_of_its_soa() {
    let query = "SECTION QUESTION\nexample. IXFR\nSECTION AUTHORITY\nexample. SOA ns. host. 12 0 0 0 0";
    assert_eq!(cause("MATCH serial=12", query), None);
    assert!(cause("MATCH serial=13", query).is_some());
    assert!(cause("MATCH serial=12", ANSWER).is_some());
}

#[test]
fn what_is_compressed_or_torn_is_read_as_far_as_it_goes() {
    let whole = message::octets(&entry(ANSWER)).unwrap();
    let (header, question) = (12, b"\x03www\x07example\x00\x00\x01\x00\x01");
    let record = |last: u8| [&b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02"[..], &[last]].concat();
    let authority = b"\xc0\x10\x00\x02\x00\x01\x00\x00\x00\x3c\x00\x05\x02ns\xc0\x10";
    let compressed = [&whole[..header], question, &record(1), &record(2), authority].concat();
    assert_eq!(Parsed::new(&compressed), Parsed::new(&whole));
    let torn = &whole[..whole.len() - 1];
    assert!(mismatch(&entry(&format!("MATCH all\n{ANSWER}")), torn, Transport::Udp).unwrap().is_some());
    assert!(Parsed::new(torn).to_string().contains("192.0.2.2"));
    assert!(Parsed::new(&[1, 2, 3]).to_string().contains("cannot be read"));
}
