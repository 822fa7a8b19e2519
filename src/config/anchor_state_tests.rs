use super::*;
use crate::config::diagnostic::Location;
use crate::config::validation::AutoAnchor;

/// The root's keys of 2017 and 2024.
const KEYS: [&str; 2] = [
    "AwEAAaz/tAm8yTn4Mfeh5eyI96WSVexTBAvkMgJzkKTOiW1vkIbzxeF3+/4RgWOq7HrxRixHlFlExOLAJr5emLvN7SWXgnLh4+B5xQlNVz8Og8kvArMtNROxVQuCaSnIDdD5LKyWbRd2n9WGe2R8PzgCmr3EgVLrjyBxWezF0jLHwVN8efS3rCj/EWgvIWgb9tarpVUDK/b58Da+sqqls3eNbuv7pr+eoZG+SrDK6nWeL3c6H5Apxz7LjVc1uTIdsIXxuOLYA4/ilBmSVIzuDWfdRUfhHdY6+cn8HFRm+2hM8AnXGXws9555KrUB5qihylGa8subX2Nn6UwNR1AkUTV74bU=",
    "AwEAAa96jeuknZlaeSrvyAJj6ZHv28hhOKkx3rLGXVaC6rXTsDc449/cidltpkyGwCJNnOAlFNKF2jBosZBU5eeHspaQWOmOElZsjICMQMC3aeHbGiShvZsx4wMYSjH8e7Vrhbu6irwCzVBApESjbUdpWWmEnhathWu1jo+siFUiRAAxm9qyJNg/wOZqqzL/dL/q8PkcRU5oUKEpUge71M3ej2/7CPqpdVwuMoTvoB+ZOT4YeGyxMvHmbrxlFzGOHOijtzN+u1TQNatX2XBuzZNQ1K+s2CXkPIZo7s6JgZyvaBevYtxPvYLw4z9mR7K2vaF18UYH9Z9GNUUeayffKC73PYc=",
];
const HEAD: &str = "; autotrust trust anchor file\n;;id: . 1\n;;last_queried: 1796009445 ;;Mon Nov 30 03:30:45 2026\n";

/// A line of the root's file; `revoked` has the key as it is then.
fn line(which: usize, state: State) -> String {
    let flags = if state == State::Revoked { 385 } else { 257 };
    format!(".\t172800\tIN\tDNSKEY\t{flags} 3 8 {} ;;state={} ;;count=0\n", KEYS[which], state as u8)
}

fn judged(text: &str) -> Result<Found, String> {
    judge(Path::new("/k"), text.as_bytes())
}

/// Tags of what is trusted, whether it is built in, and what is said.
fn told(text: &str) -> (Vec<u16>, bool, String) {
    let found = judged(text).unwrap();
    (found.point.anchor().key_tags(), found.stands_in, found.warning.unwrap_or_default())
}

#[test]
fn a_file_without_a_valid_key_is_no_anchor() {
    for text in [line(0, State::Revoked) + &line(1, State::Revoked), line(1, State::Pending), line(1, State::Revoked)] {
        let (tags, stands_in, warning) = told(&format!("{HEAD}{text}"));
        assert_eq!((tags, stands_in), (vec![], false), "{text}");
        assert!(warning.contains("/k: none of the keys of . in it is valid"), "{warning}");
    }
    let (tags, stands_in, warning) =
        told(&format!("{}{}", HEAD.replacen('\n', "\n;;REVOKED\n", 1), line(0, State::Revoked)));
    assert!(tags.is_empty() && !stands_in && warning.contains("all keys of . were revoked"), "{warning}");
    let other = format!("{HEAD}{}", line(1, State::Revoked)).replace(";;id: .", ";;id: a.").replace("\n.\t", "\na.\t");
    assert_eq!(told(&other).0, [], "what stands above it counts for another zone");
    assert_eq!(
        told(&format!("{HEAD}{}{}", line(0, State::Revoked), line(1, State::Missing))),
        (vec![38696], false, "".into())
    );
}

#[test]
fn what_is_built_in_stands_in_but_for_keys_that_were_revoked() {
    for text in ["", "\n", "; autotrust trust anchor file\n", HEAD, &HEAD[..40], &line(0, State::Valid)[..100]] {
        let (tags, stands_in, warning) = told(text);
        assert_eq!((tags, stands_in), (vec![20326, 38696], true), "{text}: {warning}");
    }
    let torn = format!("{HEAD}{}{}", line(0, State::Revoked), &line(1, State::Valid)[..100]);
    let (tags, stands_in, warning) = told(&torn);
    assert_eq!((tags, stands_in), (vec![38696], true), "{warning}");
    assert!(judged(&torn).unwrap().point.keys.iter().any(|key| key.state == State::Revoked), "it is remembered");
    let torn = format!("{HEAD}{}{}) \n", line(0, State::Revoked), line(1, State::Revoked));
    let (tags, _, warning) = told(&torn);
    assert!(tags.is_empty() && warning.contains("that they were revoked"), "{warning}");
}

#[test]
fn a_file_of_another_kind_or_of_a_torn_other_zone_is_an_error() {
    assert!(judged("hello\n").unwrap_err().contains("no DS or DNSKEY record"));
    assert!(judged(&HEAD.replace(";;id: .", ";;id: a.")).unwrap_err().contains("nothing is left to trust a. by"));
}

#[test]
fn what_the_keys_become_is_listed() {
    let mut config = Config::default();
    let found = judged(&format!("{HEAD}{}{}", line(0, State::Valid), line(1, State::Pending))).unwrap();
    let auto = AutoAnchor { file: "k".into(), at: Location::default(), point: Some(found.point), stands_in: false };
    config.validation.auto = vec![auto];
    config.validation.insecure = vec![b"\x01a\0".to_vec()];
    assert_eq!(config.validation.key_tags(), [(vec![0], vec![20326])]);
    let file = config.directory.join("k");
    config.note_anchor(&file, &format!("{HEAD}{}{}", line(0, State::Valid), line(1, State::Valid)));
    assert_eq!(config.validation.key_tags(), [(vec![0], vec![20326, 38696])]);
    config.note_anchor(Path::new("/elsewhere"), "");
    config.note_anchor(&file, &HEAD.replacen('\n', "\n;;REVOKED\n", 1));
    assert_eq!(config.validation.key_tags(), []);
}

#[test]
fn keys_of_another_class_do_nothing() {
    let text = format!("{HEAD}{}", line(1, State::Valid)).replace(";;id: . 1", ";;id: . 3").replace("\tIN\t", "\tCH\t");
    let found = judged(&text).unwrap();
    assert!(!found.stands_in && found.point.class == 3 && found.warning.unwrap().contains("class 3"));
}
