//! Anchors that are old, useless, given twice, or judged by a clock that is wrong.

use super::*;
use crate::config::{AutoAnchor, parse_bytes};

const DS_2010: &str = ". DS 19036 8 2 49AAC11D7B6F6446702E54A1607371607A1A41855200FD2CE1CDDE32F24E8FB5";

fn told(lines: &str, now: u64) -> Vec<(Severity, String)> {
    let text = format!("server:\n{lines}\n");
    let mut parser = crate::config::parser::Parser::without_files();
    parser.read_bytes("a", text.as_bytes());
    assert!(parser.errors.is_empty(), "{:?}", parser.errors);
    at(&parser.config, now).into_iter().map(|finding| (finding.severity, finding.to_string())).collect()
}

fn one(lines: &str, now: u64) -> (Severity, String) {
    let [only] = &told(lines, now)[..] else { panic!("{lines}: {:?}", told(lines, now)) };
    only.clone()
}

fn anchor(text: &str) -> String {
    format!("trust-anchor: \"{text}\"\n")
}

#[test]
fn what_makes_anchors_useless_is_told() {
    let trusted = format!("trust-anchor: \"{}\"", ROOT_ANCHORS[1]);
    let has = |lines: &str, text: &str| told(lines, ROLL_OVER).iter().any(|(_, message)| message.contains(text));
    assert!(has(&format!("{trusted}\ndisable-edns-do: yes"), "disable-edns-do: yes has nobody asked for signatures"));
    assert!(!has("disable-edns-do: yes", "disable-edns-do: yes has nobody"));
    let chaos = trusted.replace(" IN DS", " CH DS");
    assert!(has(&chaos, "is of another class than IN"), "{:?}", told(&chaos, ROLL_OVER));
}

#[test]
fn an_old_root_anchor_is_told_with_the_fix() {
    let both = anchor(ROOT_ANCHORS[0]) + &anchor(ROOT_ANCHORS[1]);
    assert_eq!((told(&both, WRITTEN), told(&anchor(ROOT_ANCHORS[1]), WRITTEN)), (vec![], vec![]));
    let (severity, text) = one(&anchor(ROOT_ANCHORS[0]), WRITTEN);
    assert!(severity == Severity::Warning && text.starts_with("a:2: trust-anchor: of the root's keys"), "{text}");
    assert!(text.ends_with(&format!("add trust-anchor: \"{}\"", ROOT_ANCHORS[1])), "{text}");
    assert_eq!(one(&anchor(DS_2010), WRITTEN).0, Severity::Error);
    assert!(parse_bytes("a", format!("server:\n{}", anchor(DS_2010)).as_bytes()).is_err());
    assert_eq!(told(&(anchor(DS_2010) + &both), WRITTEN), []);
}

#[test]
fn an_anchor_without_the_validator_is_told() {
    let (severity, text) = one(&format!("{}module-config: iterator", anchor(ROOT_ANCHORS[1])), WRITTEN);
    assert!(severity == Severity::Warning && text.contains("trust-anchor: does nothing"), "{text}");
}

#[test]
fn what_no_key_can_fit_is_told() {
    let (_, text) = one(&anchor("example. DS 1 3 2 00112233"), WRITTEN);
    assert!(text.contains("the key 1 of example. is passed over: algorithm 3 or digest 2"), "{text}");
    let (_, text) = one(&anchor("example. DS 1 8 2 00112233"), WRITTEN);
    assert!(text.contains("a digest of 4 octets where 32 are right"), "{text}");
}

#[test]
fn a_file_that_did_not_follow_and_one_beside_a_line_are_told() {
    let parse = |text: &str| super::super::anchor_files::state(text.as_bytes()).found;
    let auto =
        |text: &str| AutoAnchor { file: "/k".into(), at: Location::default(), point: parse(text), stands_in: false };
    let mut config = Config::default();
    config.validation.auto = vec![auto(ROOT_ANCHORS[0])];
    assert_eq!(
        at(&config, ROLL_OVER - 1).iter().filter(|one| one.message.contains("put these lines into /k")).count(),
        0
    );
    assert!(at(&config, WRITTEN)[0].message.contains("put these lines into /k in place of"));
    config.validation.auto = vec![auto(&ROOT_ANCHORS.join("\n"))];
    assert_eq!(at(&config, WRITTEN), []);
    config.validation.auto.push(auto(ROOT_ANCHORS[1]));
    let found = at(&config, WRITTEN);
    assert!(found.iter().any(|one| one.severity == Severity::Error && one.message.contains("already")), "{found:?}");
}

#[test]
fn the_default_configurations_trust_the_root() {
    let appliance = include_str!("../../appliance/pid1/src/configuration/unbound.conf");
    assert!(ROOT_ANCHORS.iter().all(|anchor| appliance.contains(&format!("trust-anchor: \"{anchor}\""))));
    let installed = super::super::anchor_files::records(include_bytes!("../setup/root.key"));
    assert_eq!((installed.passed_over.len(), installed.found.len()), (0, ROOT_ANCHORS.len()));
    assert!(ROOT_ANCHORS.iter().all(|anchor| include_str!("../setup/root.key").contains(anchor)));
}

#[test]
fn a_clock_before_a_file_of_anchors_is_told() {
    let file = std::env::temp_dir().join(format!("runbound-newer-anchor-{}", std::process::id()));
    std::fs::write(&file, ROOT_ANCHORS.join("\n")).unwrap();
    let written = file.metadata().unwrap().modified().unwrap();
    let written = written.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let mut parser = crate::config::parser::Parser::without_files();
    parser.read_bytes("a", format!("server:\n{}", anchor(ROOT_ANCHORS[1])).as_bytes());
    let mut config = parser.config;
    let source = config.validation.anchors[0].clone();
    config.validation.anchor_files = vec![AnchorSource { text: file.display().to_string(), ..source }];
    // The machine that tests may have no clock: then the finding is the other one.
    if written > WRITTEN + 10 * AHEAD {
        let told = newer_files(&config, written - 5 * AHEAD).unwrap().to_string();
        assert!(told.contains("the system's clock stands 5 hours before /"), "{told}");
        assert_eq!(newer_files(&config, written - 60), None);
        config.validation.date = "-1".into();
        assert_eq!(newer_files(&config, written - 5 * AHEAD), None);
    }
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn a_date_that_stands_in_for_the_clock_is_told() {
    let dated = |date: &str| told(&format!("{}val-override-date: {date}", anchor(ROOT_ANCHORS[1])), WRITTEN);
    let [(Severity::Warning, fixed)] = &dated("20200101000000")[..] else { panic!("{:?}", dated("20200101000000")) };
    assert!(
        fixed.contains("val-override-date: 20200101000000 has signatures judged as of 1577836800 seconds"),
        "{fixed}"
    );
    assert!(dated("-1")[0].1.contains("what has expired is secure"), "{:?}", dated("-1"));
    assert_eq!((dated("0"), dated("20261101120000")), (vec![], vec![]));
    assert_eq!(told("val-override-date: -1", WRITTEN), [], "nothing is validated");
}

#[test]
fn a_clock_before_the_program_is_told_where_it_matters() {
    let lines = anchor(ROOT_ANCHORS[1]);
    assert!(one(&lines, 1000).1.contains("the system's clock stands at 1000 seconds"));
    assert!(!one(&format!("{lines}val-override-date: -1"), 1000).1.contains("the system's clock"));
    assert_eq!(told("port: 53", 1000), []);
}
