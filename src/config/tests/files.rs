//! Files as they are in the field.

use super::super::options::Clause;
use super::super::{Diagnostic, Severity, finish, options, parser};
use super::{ROOT, read};

/// Files in the style of the distributions around.
#[test]
fn files_of_the_field_load() {
    for (name, text, warnings) in [
        ("debian", include_str!("../testdata/debian.conf"), 0),
        ("opnsense", include_str!("../testdata/opnsense.conf"), 1),
        ("pfsense", include_str!("../testdata/pfsense.conf"), 1),
        ("pi-hole", include_str!("../testdata/pi-hole.conf"), 0),
    ] {
        // The files they name are those of other hosts.
        let mut parser = parser::Parser::without_files();
        parser.read_bytes("test.conf", format!("{text}\n{ROOT}").as_bytes());
        parser.errors.retain(|error| !error.message.contains("files are not read here"));
        let loaded = finish(parser).usable().unwrap_or_else(|errors| panic!("{name}: {errors:?}"));
        let warns = |finding: &&Diagnostic| finding.severity == Severity::Warning;
        let list: Vec<String> = loaded.warnings.iter().filter(warns).map(ToString::to_string).collect();
        assert_eq!(list.len(), warnings, "{name}: {list:#?}");
    }
}

/// Unbound's example file, where Debian's package put it: as it is, and with each `# directive: value` line switched on.
#[test]
fn unbounds_example_file_has_known_directives_only() {
    let path = std::env::var("UNBOUND_EXAMPLE").unwrap_or("/usr/share/doc/unbound/examples/unbound.conf".into());
    let Ok(text) = std::fs::read_to_string(path) else {
        return eprintln!("Debian's unbound is not installed, nothing to compare with");
    };
    assert!(read(format!("{text}\n{ROOT}")).is_ok());
    let known = |word: &str| {
        Clause::from_word(word).is_some() || Clause::ALL.iter().any(|clause| options::find(*clause, word).is_some())
    };
    // A word with a hyphen and a colon behind it is no prose.
    let words = text.lines().filter_map(|line| line.trim_start_matches([' ', '\t', '#']).split_once(':'));
    let is_directive = |word: &str| {
        word.contains('-') && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    let unknown: Vec<&str> = words
        .map(|(word, _)| word)
        .filter(|word| is_directive(word) && *word != "include-toplevel" && !known(word))
        .collect();
    assert_eq!(unknown, [""; 0]);
    let switched_on: String = text
        .lines()
        .map(|line| match line.trim_start().strip_prefix('#') {
            Some(rest)
                if rest.split_once(':').is_some_and(|(word, _)| {
                    known(word.trim()) && !rest.contains('<') && !rest.contains("portno for")
                }) =>
            {
                format!("{rest}\n")
            }
            Some(_) => "\n".to_owned(),
            None => format!("{line}\n"),
        })
        .collect();
    let mut parser = parser::Parser::new(None);
    parser.read_bytes("example.conf", switched_on.as_bytes());
    let unexpected: Vec<String> = parser
        .errors
        .iter()
        .map(|error| format!("{error} | {}", switched_on.lines().nth(error.line as usize - 1).unwrap_or_default()))
        .filter(|error| !error.contains("not there yet") && !error.contains("cannot open"))
        // The example defines other tags than it uses, and names files that need not be here.
        .filter(|error| !error.contains("there is no file") && !error.contains("is not defined"))
        // Unbound does not take this line of its example either: a record has no name here.
        .filter(|error| !error.contains("response-ip-data: \"example.\" is no record type"))
        .collect();
    assert_eq!(unexpected, [""; 0]);
    assert!(parser.warnings.len() > 20);
}

/// Unbound opens the files of anchors and hints when it has read all lines, in the folder that the last `directory:` names.
#[test]
fn files_are_those_of_a_directory_that_is_named_below_them() {
    let folder = std::env::temp_dir().join(format!("runbound-directory-below-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let anchor = crate::validate::anchors::ROOT_ANCHORS[1];
    std::fs::write(folder.join("anchors"), format!("{anchor}\n")).unwrap();
    std::fs::write(folder.join("hints"), ". 60 NS a.\na. 60 A 192.0.2.1\n").unwrap();
    for directive in ["auto-trust-anchor-file: anchors", "trust-anchor-file: anchors", "root-hints: hints"] {
        let mut parser = parser::Parser::new(None);
        let text = format!("server:\n {directive}\n directory: {}\nremote-control:\n", folder.display());
        parser.read_bytes("test.conf", text.as_bytes());
        let errors: Vec<String> = parser.errors.iter().map(ToString::to_string).collect();
        assert_eq!(errors, [""; 0], "{directive}");
        let of = &parser.config;
        let found = [of.validation.points().count(), of.validation.records().count(), of.root_hints.servers.len()];
        assert_eq!(found.iter().sum::<usize>(), 1, "{directive}: {found:?}");
    }
    let mut parser = parser::Parser::new(None);
    parser.read_bytes("test.conf", b"server:\n trust-anchor-file: /nowhere\n num-threads: 1\n");
    assert_eq!(parser.errors.iter().map(|error| error.line).collect::<Vec<_>>(), [2]);
    std::fs::remove_dir_all(&folder).unwrap();
}
