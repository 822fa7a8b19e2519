use super::*;

const KSK: &str =
    "257 3 5 AwEAAc3Z5DQDJpH4oPdNtC4BUQHk50XMD+dHr4r8psHmivIa83hxR5CRgCtd9sENCW9Ae8OIO19xw9t/RPaEAqQa+OE=";
const ZSK: &str = "256 3 5 AQPQ41chR9DEHt/aIzIFAqanbDlRflJoRs5yz1jFsoRIT7dWf0r+PeDuewdxkszNH6wnU4QL8pfKFRh5PIYVBLK3";
const EXAMPLE: &[u8] = b"\x07example\x03com\0";

fn lines(flaws: &[Flaw]) -> Vec<usize> {
    flaws.iter().map(|(line, _)| *line).collect()
}

#[test]
fn a_zone_file_gives_its_ds_and_dnskey_records() {
    let text = format!(
        "$ORIGIN com.\n$TTL 1h\n@ SOA a. b. 1 2 3 4 5\nEXAMPLE 60 IN DNSKEY {KSK} ;{{id = 55582}}\n  DNSKEY ( {}\n {} )\n\
         . IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC6834 57104237C7F8EC8D\nx TYPE65280 oddities\n",
        &ZSK[..20],
        &ZSK[20..]
    );
    let found = records(text.as_bytes());
    assert_eq!(found.passed_over, []);
    let all: Vec<_> = found.found.iter().map(|anchor| (&anchor.zone[..], anchor.rtype, anchor.key_tag())).collect();
    assert_eq!(all, [(EXAMPLE, 48, 55582), (EXAMPLE, 48, 30899), (&b"\0"[..], 43, 20326)]);
}

#[test]
fn a_bad_line_costs_itself_alone_and_is_told() {
    let text = format!(
        "a. DNSKEY 257 3\nb. DNSKEY {KSK}\n. DS 20326 8 2 xyz\n) c. DNSKEY {KSK}\n DNSKEY {ZSK}\n$GENERATE 1\n("
    );
    let found = records(text.as_bytes());
    assert_eq!(
        found.found.iter().map(|anchor| &anchor.zone[..]).collect::<Vec<_>>(),
        [b"\x01b\0", b"\0\0\0".get(..1).unwrap()]
    );
    assert_eq!(lines(&found.passed_over), [1, 3, 4, 6, 7]);
    let told = found.told(Path::new("/f")).unwrap();
    assert!(told.starts_with("/f:1: ") && told.contains("/f:4: ") && told.contains("and 2 more"), "{told}");
}

const STATE: &str = "; autotrust trust anchor file\n;;id: Example.com. 1\n\
     ;;last_queried: 1251100000 ;;Mon Aug 24 07:46:40 2009\n;;last_success: 1251100001 ;;Mon Aug 24 07:46:41 2009\n\
     ;;next_probe_time: 1251105400 ;;Mon Aug 24 09:16:40 2009\n;;query_failed: 3\n;;query_interval: 5400\n;;retry_time: 3600\n";

#[test]
fn a_state_file_has_times_and_the_state_of_each_key() {
    let text = format!(
        "{STATE}example.com.\t10800\tIN\tDNSKEY\t{KSK} ;{{id = 55582 (ksk), size = 512b}} ;;state=2 [  VALID  ] ;;count=0 \
         ;;lastchange=1251100000 ;;Mon Aug 24 07:46:40 2009\nexample.com.\t10800\tIN\tDNSKEY\t{ZSK} ;;state=1 [ ADDPEND ] ;;count=7 \
         ;;lastchange=0 ;;Thu Jan  1 00:00:00 1970\n"
    );
    let Found { found, passed_over } = state(text.as_bytes());
    let point = found.unwrap();
    assert_eq!((passed_over, &point.zone[..], point.class, point.revoked), (vec![], EXAMPLE, 1, false));
    let times = (point.queried, point.succeeded, point.next_probe, point.failed, point.interval, point.retry);
    assert_eq!(times, (1_251_100_000, 1_251_100_001, 1_251_105_400, 3, 5400, 3600));
    let keys: Vec<_> = point.keys.iter().map(|key| (key.state, key.count, key.changed, key.ttl)).collect();
    assert_eq!(keys, [(State::Pending, 7, 0, 10800), (State::Valid, 0, 1_251_100_000, 10800)]);
    assert_eq!(point.anchor().key_tags(), [55582]);
}

#[test]
fn records_alone_are_trusted_as_they_stand() {
    let text = format!(
        "example.com. 10800 IN DNSKEY {KSK}\nexample.com. IN DS 55582 5 1 00000000000000000000000000000000000000ff\n"
    );
    let point = state(text.as_bytes()).found.unwrap();
    assert_eq!((point.queried, point.keys.len()), (0, 2));
    assert!(point.keys.iter().all(|key| key.state == State::Valid && key.changed == 0));
    assert_eq!((point.anchor().ds.len(), point.anchor().keys.len()), (1, 1));
}

#[test]
fn a_key_that_somebody_adds_to_a_state_file_is_trusted() {
    let text = format!("{STATE}example.com. 3600 IN DNSKEY {KSK} ; of 2026\nexample.com. DNSKEY {ZSK} ;;state=4\n");
    let Found { found, passed_over } = state(text.as_bytes());
    assert_eq!((found.unwrap().anchor().key_tags(), passed_over), (vec![55582], vec![]));
}

#[test]
fn a_revoked_zone_says_so_and_has_its_name() {
    let text = STATE.replacen('\n', "\n;;REVOKED\n; The zone has all keys revoked, and is\n", 1);
    let point = state(text.as_bytes()).found.unwrap();
    assert!(point.revoked && point.zone == EXAMPLE);
}

/// Wherever writing was cut off, what is read is a part of what was written.
#[test]
fn a_torn_file_gives_less_and_never_something_else() {
    let text = format!(
        "{STATE}example.com.\t10800\tIN\tDNSKEY\t{KSK} ;{{id = 55582 (ksk), size = 512b}} ;;state=4 [ REVOKED ] ;;count=0 \
         ;;lastchange=1251100000 ;;Mon Aug 24 07:46:40 2009\n"
    );
    let whole = state(text.as_bytes()).found.unwrap();
    assert!(whole.anchor().is_empty());
    for end in 0..text.len() {
        let Found { found, .. } = state(&text.as_bytes()[..end]);
        // A key that was revoked is never trusted because the rest of its line is gone.
        assert!(found.is_none_or(|point| point.anchor().is_empty()), "{end}");
    }
}

#[test]
fn what_does_not_belong_together_is_told() {
    for (text, part) in [
        (format!("{STATE}example.net. DNSKEY {KSK} ;;state=2\n"), "one zone"),
        (format!("{STATE};;id: example.net. 1\n"), "second zone"),
        (format!("{STATE}example.com. DNSKEY {KSK}"), "neither ;;state= nor an end"),
        (";;last_queried: 1\n".to_owned(), "before the zone"),
        (";;id: a..b 1\n".to_owned(), "empty label"),
        (format!("{STATE};;retry_time: soon\n"), "retry_time: expected"),
    ] {
        let Found { passed_over, .. } = state(text.as_bytes());
        assert!(passed_over.iter().any(|(_, cause)| cause.contains(part)), "{text}: {passed_over:?}");
    }
}

proptest::proptest! {
    #[test]
    fn any_octets_are_read(octets in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
        let (_, _) = (records(&octets), state(&octets));
        let _ = crate::config::bind_keys::read(&octets);
    }
}

/// What is written is read as it was; only the order of the keys turns round, as in Unbound.
#[test]
fn a_file_is_read_as_it_was_written() {
    let key = |state, count, changed, text: &str| {
        let mut record = Record::default();
        record.read(format!("a. 10800 IN DNSKEY {text}").as_bytes()).unwrap();
        Key { rtype: DNSKEY, ttl: 10800, data: record.rdata, state, count, changed }
    };
    let revoked = KSK.replacen("257", "385", 1);
    let mut point = Point {
        zone: EXAMPLE.to_vec(),
        class: 1,
        queried: 1_251_100_000,
        succeeded: 1_251_100_000,
        next_probe: 1_251_105_000,
        failed: 2,
        interval: 5400,
        retry: 3600,
        keys: vec![key(State::Pending, 2, 7, KSK), key(State::Revoked, 0, 1_251_100_000, &revoked)],
        ..Point::default()
    };
    let text = point.text();
    assert!(
        text.starts_with(
            "; autotrust trust anchor file\n;;id: example.com. 1\n;;last_queried: 1251100000 ;;Mon Aug 24 07:46:40 2009\n\
             ;;last_success: 1251100000 ;;Mon Aug 24 07:46:40 2009\n"
        ) && text.ends_with(&format!(
            "\nexample.com.\t10800\tIN\tDNSKEY\t{revoked} ;{{id = 55710 (ksk), size = 512b}} ;;state=4 [ REVOKED ] ;;count=0 \
             ;;lastchange=1251100000 ;;Mon Aug 24 07:46:40 2009\n"
        )),
        "{text}"
    );
    let Found { found, passed_over } = state(text.as_bytes());
    point.keys.reverse();
    assert_eq!((found.as_ref(), passed_over), (Some(&point), vec![]));
    point.revoked = true;
    assert!(state(point.text().as_bytes()).found.unwrap().revoked);
}
