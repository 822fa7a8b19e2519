//! Dumps: written and read back, and read as Unbound writes them.

use super::reply::{Octets, judge};
use super::*;
use crate::dns::{header, rcode};

fn dump(cache: &mut Cache, now: u32) -> String {
    let (mut dumping, mut out) = (Dumping::default(), String::new());
    while !cache.dump_on(&mut dumping, 1000, at(now), &mut out) {}
    out
}

fn load(cache: &mut Cache, text: &str, now: u32) -> Result<Loaded, String> {
    let mut loading = Loading::default();
    for line in text.lines() {
        cache.load_line(&mut loading, line, at(now))?;
    }
    assert!(loading.is_done());
    Ok(loading.loaded().clone())
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

fn mixed() -> Cache {
    let mut cache = cache();
    let signature =
        |covered: u16| [&covered.to_be_bytes()[..], &[8, 2], &[0; 14], &wire("example.com"), b"sig"].concat();
    let soa = [&wire("ns")[..], &wire("host"), &[0; 16], &[0, 0, 0, 60]].concat();
    for octets in [
        Octets::to("Www.example.com", rtype::A, header::flag::AA)
            .record(0, "Www.example.com", rtype::A, 60, &[192, 0, 2, 1])
            .record(0, "Www.example.com", rtype::A, 60, &[192, 0, 2, 2])
            .record(0, "Www.example.com", rtype::RRSIG, 60, &signature(rtype::A)),
        Octets::to("gone.example.com", rtype::MX, rcode::NXDOMAIN)
            .record(1, "example.com", rtype::SOA, 60, &soa)
            .record(1, "example.com", rtype::NSEC, 60, &[&wire("z")[..], &[0, 1, 0x42]].concat()),
        Octets::to("a\\.b\\ c.example.com", rtype::CNAME, 0).record(
            0,
            "a\\.b\\ c.example.com",
            rtype::CNAME,
            60,
            &wire("x.net"),
        ),
        Octets::to("example.com", rtype::RRSIG, 0)
            .record(0, "example.com", rtype::RRSIG, 60, &signature(rtype::MX))
            .record(0, "example.com", rtype::RRSIG, 60, &signature(rtype::NS)),
        Octets::to("example.com", rtype::TXT, 0)
            .record(0, "example.com", rtype::TXT, 60, b"\x05a;\"\\\xc8\x00")
            .record(0, "example.com", rtype::TXT, 60, &[&[255; 256][..], &[0]].concat()),
        Octets::to("example.com", 65280, 0).record(0, "example.com", 65280, 60, b"any"),
    ] {
        assert!(judge(octets).unwrap().keep(&mut cache, 100));
    }
    let mut draft = Draft::default();
    draft.start(&Key::new(&wire("ns.example.com"), rtype::A, class::IN).with(flag::PARENT_SIDE), 70);
    draft.push(&[192, 0, 2, 3]);
    cache.rrsets.insert(&mut draft, Trust::Additional, Security::Secure, &Moment::at(at(100))).unwrap();
    let name = wire("f");
    let key = MessageKey { name: &name, qtype: rtype::A, qclass: class::IN, checking_disabled: true };
    let head = Head { ede: 9, security: Security::Bogus, ..Head::of(rcode::SERVFAIL, 60) };
    assert!(cache.remember(&key, &head, &Learnt::default(), &Context::at(at(100))));
    cache
}

#[test]
fn what_is_dumped_is_loaded() {
    let mut first = mixed();
    let text = dump(&mut first, 110);
    let mut second = cache();
    let loaded = load(&mut second, &text, 5).unwrap();
    assert_eq!(loaded, Loaded { rrsets: first.rrsets.count(), messages: 7, skipped: 0, first_skipped: None });
    assert_eq!(sorted(&dump(&mut second, 5)), sorted(&text));
    let told = |cache: &mut Cache, qname: &str, qtype, now| {
        let (question, mut out) = (name(qname), vec![0; 65535]);
        let wanted = Wanted { name: &question, qtype, dnssec_ok: true, minimal: false, chain: None };
        let hit = cache.lookup(&Ask::new(&question, qtype, class::IN), at(now)).unwrap();
        let written = hit.compose(&wanted, &mut out, &mut [0; 65535]).unwrap();
        (hit.head, written.clone(), out[written.place].to_vec())
    };
    for (qname, qtype) in [
        ("www.example.com", rtype::A),
        ("gone.example.com", rtype::MX),
        ("a\\.b\\ c.example.com", rtype::CNAME),
        ("example.com", rtype::RRSIG),
        ("example.com", rtype::TXT),
        ("example.com", 65280),
    ] {
        assert_eq!(told(&mut first, qname, qtype, 110), told(&mut second, qname, qtype, 5), "{qname} {qtype}");
    }
    assert_eq!(sorted(&dump(&mut first, 160)).len(), 7, "what has expired is left out: {}", dump(&mut first, 160));
    load(&mut second, &dump(&mut first, 1000), 5).unwrap();
}

#[test]
fn lines_are_those_of_unbound() {
    let mut cache = mixed();
    let text = dump(&mut cache, 110);
    for expected in [
        ";rrset 50 2 1 8 0\nWww.example.com.\t50\tIN\tA\t192.0.2.1\nWww.example.com.\t50\tIN\tA\t192.0.2.2\n",
        ";rrset nsec_apex 50 1 0 2 0\nexample.com.\t50\tIN\tNSEC\tz. A SOA\n",
        ";rrset 50 1 0 2 0 flags 4\nexample.com.\t50\tIN\tSOA\tns. host. 0 0 0 0 60\n",
        ";rrset 60 1 0 1 5 flags 2\nns.example.com.\t60\tIN\tA\t192.0.2.3\n",
        "msg Www.example.com. IN A 32896 1 50 0 1 0 0 -1 \nWww.example.com. IN A 0\n",
        "msg gone.example.com. IN MX 32899 1 50 0 0 2 0 -1 \nexample.com. IN SOA 4\nexample.com. IN NSEC 1\n",
        "msg f. IN A 32914 1 50 1 0 0 0 9 \n",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    assert!(text.starts_with("START_RRSET_CACHE\n;rrset ") && text.ends_with("\nEND_MSG_CACHE\nEOF\n"));
    assert!(text.contains("\nEND_RRSET_CACHE\nSTART_MSG_CACHE\nmsg "));
}

/// As Unbound 1.17 and 1.24 write it.
const BY_UNBOUND: &str = "START_RRSET_CACHE
;rrset 3506 1 0 8 0
example.com.\t3506\tIN\tA\t192.0.2.1
;rrset 86306 2 1 11 5
example.com.\t86306\tIN\tNS\ta.iana-servers.net.
example.com.\t86306\tIN\tNS\tb.iana-servers.net.
example.com.\t86306\tIN\tRRSIG\tNS 8 2 86400 20300101000000 20200101000000 12345 example.com. AwEAAQ== ;{id = 12345}
;rrset 900 1 0 7 0
example.com.\t900\tIN\tSOA\tns.icann.org. noc.dns.icann.org. 2024081434 7200 3600 1209600 3600
;rrset nsec_apex 900 1 0 7 0
example.com.\t900\tIN\tNSEC\twww.example.com. A NS SOA
;rrset 100 0 1 8 0
signed.example.com.\t100\tIN\tRRSIG\tA 8 3 86400 20300101000000 20200101000000 12345 example.com. AwEAAQ==
;rrset 50 1 0 8 0
BADRR
;rrset 50 2 0 8 0
odd.example.com.\t50\tIN\tTXT\t\"a;b\"
BADRR
;rrset 0 1 0 8 0
short.example.com.\t0\tIN\tA\t192.0.2.1
END_RRSET_CACHE
START_MSG_CACHE
msg example.com. IN A 32896 1 3506 0 1 1 0 -1 
example.com. IN A 0
example.com. IN NS 0
msg gone.example.com. IN A 33155 1 900 0 0 2 0
example.com. IN SOA 4
example.com. IN NSEC 1
msg old.example.com. IN A 32898 1 50 1 0 0 0
msg bogus.example.com. IN A 32898 1 50 1 0 0 0 -1 
msg lost.example.com. IN A 32896 1 50 0 1 0 0 -1 
lost.example.com. IN A 0
msg fail.example.com. IN AAAA 32898 1 5 1 0 0 0 22 no reachable authority
msg bad.example.com. IN A 32896 1 50 0 1 0 0 -1 
BADREF
END_MSG_CACHE
EOF
";

#[test]
fn a_dump_of_unbound_is_loaded() {
    let mut cache = cache();
    let loaded = load(&mut cache, BY_UNBOUND, 10).unwrap();
    assert_eq!((loaded.rrsets, loaded.messages, loaded.skipped), (5, 5, 5));
    let why = loaded.first_skipped.unwrap();
    assert!(why.starts_with("line 15: "), "{why}");
    let set = cache.rrsets.get(&Key::new(&wire("example.com"), rtype::NS, class::IN), at(10)).unwrap();
    assert_eq!((set.ttl(10), set.count(), set.signature_count()), (86306, 2, 1));
    assert_eq!((set.trust(), set.security()), (Trust::Validated, Security::Secure));
    let found = |cache: &mut Cache, qname: &str, qtype| {
        let question = name(qname);
        let hit = cache.lookup(&Ask::new(&question, qtype, class::IN), at(10))?;
        Some((hit.rcode(), hit.head.ede, [0, 1, 2].map(|section| hit.rrsets(section).count())))
    };
    assert_eq!(found(&mut cache, "example.com", rtype::A), Some((0, NO_EDE, [1, 1, 0])));
    assert_eq!(found(&mut cache, "gone.example.com", rtype::A), Some((rcode::NXDOMAIN, NO_EDE, [0, 2, 0])));
    assert_eq!(found(&mut cache, "fail.example.com", rtype::AAAA), Some((rcode::SERVFAIL, 22, [0, 0, 0])));
    for bogus in ["old.example.com", "bogus.example.com"] {
        assert_eq!(found(&mut cache, bogus, rtype::A), Some((rcode::SERVFAIL, 6, [0, 0, 0])), "{bogus}");
    }
    assert_eq!(found(&mut cache, "lost.example.com", rtype::A), None);
    let owner = wire("signed.example.com");
    let covered = Key { covered: rtype::A, ..Key::new(&owner, rtype::RRSIG, class::IN) };
    assert!(cache.rrsets.get(&covered, at(10)).is_some());
}

#[test]
fn what_is_no_dump_is_refused_by_its_line() {
    for (from, to, error) in [
        ("START_RRSET_CACHE", "<html>", "line 1: expected START_RRSET_CACHE, not \"<html>\""),
        ("START_MSG_CACHE", "EOF", "line 22: expected START_MSG_CACHE"),
        ("END_MSG_CACHE\n", "END_MSG_CACHE\n\n", "line 37: expected EOF"),
        ("EOF\n", "EOF\nmore\n", "line 38: expected nothing behind EOF"),
    ] {
        let told = load(&mut cache(), &BY_UNBOUND.replacen(from, to, 1), 10).unwrap_err();
        assert!(told.starts_with(error), "{from} -> {to}: {told}");
    }
}

#[test]
fn an_entry_that_cannot_be_read_is_passed_over() {
    for (from, to, skipped, why) in [
        (";rrset 3506 1", ";rrset 3506 x", 6, "line 2: expected a number from 0 to 65535, not \"x\""),
        (";rrset 3506 1", ";rrset 3506 3", 6, "line 4: the RRset ends before its last record"),
        (";rrset 3506 1 0 8 0", ";rrset 3506 1 0 13 0", 6, "line 2: no trust"),
        (";rrset 3506 1 0 8 0", ";rrset 3506 1 0 8 9", 6, "line 2: no security"),
        (";rrset 3506 1 0 8 0", ";rrset 3506 0 0 8 0", 6, "line 2: an RRset without any record"),
        (";rrset 3506", "rrset 3506", 6, "line 2: a line of no RRset"),
        ("192.0.2.1\n;rrset 86306", "192.0.2;rrset 86306", 6, "line 3: A: "),
        ("NS\tb.iana-servers.net.", "A\t192.0.2.1", 6, "line 7: a record of another type"),
        ("NS\ta.iana-servers.net.\n", "NS\n", 6, "line 7: NS: the record ends"),
        ("example.com.\t86306\tIN\tNS", "..", 6, "line 7: owner name"),
        ("short.example.com.\t0\tIN\tA\t192.0.2.1\n", "", 5, "line 15: "),
        ("msg example.com. IN A", "msg example.com. IN", 6, "line 15: "),
        ("BADREF\n", "", 5, "line 15: "),
        ("example.com. IN NS 0\n", "", 6, "line 15: "),
    ] {
        let loaded = load(&mut cache(), &BY_UNBOUND.replacen(from, to, 1), 10).unwrap();
        let first = loaded.first_skipped.clone().unwrap();
        assert!(first.starts_with(why), "{from} -> {to}: {first}");
        assert!(loaded.skipped >= skipped && loaded.skipped <= skipped + 2, "{from} -> {to}: {loaded:?}");
    }
}

proptest::proptest! {
    #[test]
    fn any_lines_are_safe(lines in proptest::collection::vec((0usize..40, ".{0,40}", 0usize..60), 0..40)) {
        let known: Vec<&str> = BY_UNBOUND.lines().collect();
        let (mut cache, mut loading) = (cache(), Loading::default());
        for (place, text, cut) in lines {
            let line = match known.get(place) {
                Some(line) if cut > 30 => (*line).to_owned(),
                Some(line) => line.get(..cut).unwrap_or(line).to_owned() + &text,
                None => text,
            };
            let _ = cache.load_line(&mut loading, &line, at(10));
        }
    }

    /// Whatever is kept comes back from a dump.
    #[test]
    fn any_rrset_comes_back(owner in proptest::collection::vec(proptest::collection::vec(0u8.., 1..9), 0..4),
                            rtype in 1u16..110, data in proptest::collection::vec(proptest::collection::vec(0u8.., 0..40), 1..4)) {
        if rtype == 41 {
            return Ok(());
        }
        let owner: Vec<u8> = owner.iter().flat_map(|label| [&[label.len() as u8][..], label].concat()).chain([0]).collect();
        let (mut first, mut second, mut draft) = (cache(), cache(), Draft::default());
        let covered = |data: &Vec<u8>| crate::dns::get_u16(data, 0).unwrap_or(0);
        let covered = if rtype == rtype::RRSIG { covered(&data[0]) } else { 0 };
        draft.start(&Key { covered, ..Key::new(&owner, rtype, class::IN) }, 60);
        data.iter().for_each(|data| draft.push(data));
        first.rrsets.insert(&mut draft, Trust::Answer, Security::Insecure, &Moment::at(at(0))).unwrap();
        let text = dump(&mut first, 1);
        assert_eq!(load(&mut second, &text, 1).unwrap().rrsets, 1, "{text}");
        let found = second.rrsets.get(&Key { covered, ..Key::new(&owner, rtype, class::IN) }, at(1)).unwrap();
        assert!(found.records().eq(data.iter().map(Vec::as_slice)), "{text}");
    }
}
