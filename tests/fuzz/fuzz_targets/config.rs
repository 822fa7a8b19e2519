//! Any octets as a configuration: it is refused with file and line, or becomes a policy.
#![no_main]

use libfuzzer_sys::fuzz_target;
use runbound::answer::compile;
use runbound::config::{Counts, Severity, findings, findings_json, parse_bytes, read_bytes};
use runbound::dns::scan::HashKey;
use std::path::Path;

const NAME: &str = "fuzz.conf";

fuzz_target!(|octets: &[u8]| {
    let reading = read_bytes(NAME, octets);
    for finding in &reading.findings {
        assert_eq!(finding.file, Path::new(NAME));
        assert!(!finding.message.is_empty());
    }
    let _ = findings(Path::new(NAME), &reading.findings, &[], Counts::default());
    let _ = findings_json(Path::new(NAME), &reading.findings, &[], Counts::default());
    let result = parse_bytes(NAME, octets);
    assert!(result.as_ref().err().is_none_or(|errors| !errors.is_empty()), "refused without a reason");
    let refused = reading.findings.iter().any(|finding| finding.severity == Severity::Error);
    assert_eq!(result.is_err(), refused, "checked as it is loaded");
    if let Ok(loaded) = &result {
        let _ = compile::policy(&loaded.config, HashKey::fixed(1), "host");
    }
});
