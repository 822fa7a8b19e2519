//! Any octets as a configuration: it is refused with file and line, or becomes a policy.
#![no_main]

use libfuzzer_sys::fuzz_target;
use runbound::answer::compile;
use runbound::config::{findings, findings_json, parse_bytes};
use runbound::dns::scan::HashKey;
use std::path::Path;

const NAME: &str = "fuzz.conf";

fuzz_target!(|octets: &[u8]| {
    let result = parse_bytes(NAME, octets);
    for diagnostic in result.as_ref().map_or_else(|errors| errors, |loaded| &loaded.warnings) {
        assert_eq!(diagnostic.file, Path::new(NAME));
        assert!(!diagnostic.message.is_empty());
    }
    assert!(result.as_ref().err().is_none_or(|errors| !errors.is_empty()), "refused without a reason");
    let _ = findings(Path::new(NAME), &result);
    let _ = findings_json(Path::new(NAME), &result, &[], true);
    if let Ok(loaded) = &result {
        let _ = compile::policy(&loaded.config, HashKey::fixed(1), "host");
    }
});
