//! No input panics.

use super::super::options::Clause;
use super::super::{Record, options};
use super::read;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&bytes);
    }

    #[test]
    fn any_words_are_read_without_panic(words in proptest::collection::vec(word(), 0..30)) {
        let _ = read(words.join(" "));
    }

    #[test]
    fn any_record_is_read_without_panic(
        rtype in prop_oneof![(0u16..300).prop_map(|number| format!("TYPE{number}")), Just("SVCB".to_owned()), Just("APL".to_owned()), Just("LOC".to_owned())],
        rdata in "[ -~\u{80}-\u{ff}]{0,60}",
    ) {
        let mut record = Record::default();
        if record.read(format!("a {rtype} {rdata}").as_bytes()).is_ok() {
            prop_assert!(record.rdata.len() <= 0xffff);
        }
    }
}

/// Directives, clauses and values, mixed.
fn word() -> impl Strategy<Value = String> {
    let names: Vec<String> = options::all().map(|spec| format!("{}:", spec.name)).collect();
    let clauses: Vec<String> = Clause::ALL.iter().map(|clause| format!("{}:", clause.word())).collect();
    let values = [
        "yes",
        "no",
        "1",
        "-1",
        "4m",
        "\"",
        "'",
        "#",
        "\n",
        "192.0.2.1@53#x",
        "::1/64",
        "a.b",
        "static",
        "\"a A 192.0.2.1\"",
        "\\",
    ];
    prop_oneof![
        proptest::sample::select(names),
        proptest::sample::select(clauses),
        proptest::sample::select(values.map(str::to_owned).to_vec()),
        "[ -~]{0,12}",
    ]
}
