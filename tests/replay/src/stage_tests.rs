//! Scenarios that are to fail, and how it is told; the others are those of tests/replay/scenarios.

use super::*;

const CONFIGURATION: &str = "forward-zone: name: \".\" forward-addr: 192.0.2.1\n";
const QUESTION: &str = "SECTION QUESTION\nwww.example. IN A\n";
const RECORD: &str = "SECTION ANSWER\nwww.example. 60 IN A 198.51.100.1\n";

fn verdict(configuration: &str, steps: &str) -> String {
    let text = format!("{configuration}CONFIG_END\nSCENARIO_BEGIN x\n{steps}\nSCENARIO_END\n");
    weigh(Path::new("x.rpl"), parse(&text).unwrap(), &Differences::default(), false).to_string()
}

/// A step with an entry.
fn step(number: u32, what: &str, entry: &str) -> String {
    format!("STEP {number} {what}\nENTRY_BEGIN\n{entry}\nENTRY_END\n")
}

fn asks(number: u32) -> String {
    step(number, "QUERY", &format!("REPLY RD\n{QUESTION}"))
}

fn replies(number: u32, record: &str) -> String {
    step(number, "REPLY", &format!("MATCH qname\nADJUST copy_id\nREPLY QR RD RA NOERROR\n{QUESTION}{record}"))
}

fn checks(number: u32) -> String {
    step(number, "CHECK_ANSWER", &format!("MATCH all ttl\nREPLY QR RD RA NOERROR\n{QUESTION}{RECORD}"))
}

#[test]
fn what_does_not_come_as_expected_is_told_by_its_step() {
    let other = RECORD.replace("60", "59");
    let steps = |parts: &[String]| parts.concat();
    for (steps, told) in [
        (steps(&[asks(1), replies(2, RECORD), checks(3)]), "pass"),
        (steps(&[asks(1), replies(2, &other), checks(3)]), "expected QR RD RA NOERROR; question: www"),
        (steps(&[asks(1), replies(2, &other), checks(3)]), "what came has another answer section: QR RD RA NOERROR;"),
        (steps(&[asks(1), replies(2, RECORD)]), "fail: at the end an answer is not checked: QR RD RA NOERROR;"),
        (steps(&[asks(1)]), "fail: at the end; outstanding at 192.0.2.1:53: RD NOERROR; question: www.example. IN A"),
        (
            steps(&[asks(1), checks(2)]),
            "fail: step 2: line 11: expected QR RD RA NOERROR; question: www.example. IN A; answer",
        ),
        (steps(&[replies(1, RECORD)]), "fail: step 1: line 4: no query is outstanding"),
        (steps(&[asks(1), step(2, "CHECK_OUT_QUERY", "MATCH qname\nSECTION QUESTION\nother. A")]), "fail: step 2:"),
        (steps(&[asks(1), step(2, "CHECK_OUT_QUERY ADDRESS 192.0.2.2", "MATCH opcode")]), "fail: step 2:"),
        (
            "STEP 1 TIME_PASSES EVAL ${range 1 ${time} 2}".to_owned(),
            "fail: step 1: line 4: 0 does not lie between 1 and 2",
        ),
        ("STEP 1 ASSIGN x = ${$y}".to_owned(), "fail: step 1: line 4: $y has no value"),
        (step(1, "QUERY", "SECTION ANSWER\nx. A 1"), "fail: it cannot be read: line 7"),
        ("STEP 1 CHECK_TEMPFILE x\nFILE_BEGIN\na\nFILE_END".to_owned(), "fail: step 1: line 4: x: "),
    ] {
        let found = verdict(CONFIGURATION, &steps);
        assert!(found.contains(told), "{steps}\n{found}");
    }
}

#[test]
fn what_runbound_has_not_is_skipped_when_it_is_needed() {
    let local = "server: local-data: \"www.example. 60 IN A 198.51.100.1\"\n";
    let answered = step(2, "CHECK_ANSWER", &format!("MATCH all\nREPLY QR AA RD RA NOERROR\n{QUESTION}{RECORD}"));
    assert_eq!(verdict(local, &[asks(1), answered].concat()), "pass");
    assert_eq!(verdict("rpz: name: x\n", &asks(1)), "skip: rpz");
    let refused = verdict("server: port: x\n", &asks(1));
    assert!(refused.starts_with("fail: the configuration is refused: line 1:"), "{refused}");
}

#[test]
fn a_file_is_compared_line_by_line() {
    let file = "TEMPFILE_CONTENTS x\na ${time}\nb\nTEMPFILE_END\n";
    let check = |lines: &str| {
        verdict(&format!("{CONFIGURATION}{file}"), &format!("STEP 1 CHECK_TEMPFILE x\nFILE_BEGIN\n{lines}FILE_END"))
    };
    assert_eq!(check("a ${time}\nb\n"), "pass");
    assert!(check("a 0\n").contains("x: expected \"its end\" in line 2, and there is \"b\""), "{}", check("a 0\n"));
}

#[test]
fn a_difference_takes_the_place_of_steps_and_adds_others() {
    let mut scenario =
        parse(&format!("CONFIG_END\nSCENARIO_BEGIN x\n{}STEP 5 NOTHING\nSCENARIO_END\n", asks(1))).unwrap();
    let folder = Folder::new().unwrap();
    folder
        .write(
            "x.rpl",
            "; Because\n; of this.\nCONFIG_END\nSCENARIO_BEGIN x\nSTEP 1 TRAFFIC\nSTEP 3 ERROR\nSCENARIO_END\n",
        )
        .unwrap();
    let differences = Differences::read(&folder.0).unwrap();
    assert_eq!(differences.apply(Path::new("/somewhere/x.rpl"), &mut scenario).as_deref(), Some("Because of this."));
    let steps: Vec<u32> = scenario.steps.iter().map(|step| step.number).collect();
    assert_eq!(steps, [1, 3, 5]);
    assert!(matches!(scenario.steps[0].what, crate::scenario::What::Traffic));
    assert_eq!(differences.apply(Path::new("y.rpl"), &mut scenario), None);
    scenario.title = "y".into();
    assert_eq!(differences.apply(Path::new("x.rpl"), &mut scenario), None);
}
