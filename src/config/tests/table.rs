//! The rows of the table do what they say.

use super::super::options::{self, Change, Field, OptionSpec, Show, Status, Unset, changed_for_restart};
use super::super::{Config, Kind, parser};

/// The honoured rows.
pub(super) fn honoured() -> impl Iterator<Item = (&'static OptionSpec, Field, Change)> {
    options::all().filter_map(|spec| match spec.status {
        Status::Honoured(field, change) => Some((spec, field, change)),
        _ => None,
    })
}

/// What a file with this line in the directive's clause says.
pub(super) fn with_line(spec: &OptionSpec, value: &str) -> Config {
    let mut parser = parser::Parser::new(None);
    // A value of several words is one word of the file.
    let quote = if spec.args.len() == 1 && value.contains(' ') && !value.starts_with('\'') { "\"" } else { "" };
    let line = if value.is_empty() { String::new() } else { format!("{}: {quote}{value}{quote}", spec.name) };
    parser.read_bytes("a", format!("{}:\n{line}\n", spec.clause.word()).as_bytes());
    assert!(parser.errors.is_empty(), "{:?}", parser.errors);
    parser.config
}

/// A value of a directive that is not its default.
pub(super) fn another_value(spec: &OptionSpec) -> String {
    let text = match spec.args {
        _ if spec.name == "root-hints" => concat!(env!("CARGO_MANIFEST_DIR"), "/src/config/testdata/root.hints"),
        _ if spec.name == "trust-anchor" => ". DS 38696 8 2 00",
        _ if spec.name == "auto-trust-anchor-file" => {
            concat!(env!("CARGO_MANIFEST_DIR"), "/src/config/testdata/root.key")
        }
        _ if ["trust-anchor-file", "trusted-keys-file"].contains(&spec.name) => {
            concat!(env!("CARGO_MANIFEST_DIR"), "/src/config/testdata/root.ds")
        }
        [Kind::Modules] => "iterator",
        [Kind::KeyIterations] => "1024 77",
        [Kind::YesNo] => {
            if spec.default.text() == "yes" {
                "no"
            } else {
                "yes"
            }
        }
        [Kind::Number(_, 63)] => "46",
        [Kind::Number(..)] => "77",
        [Kind::Bytes] => "78848",
        [Kind::Netblock] => "192.0.2.0/24",
        [Kind::Nat64Prefix] => "2001:db8::/32",
        [Kind::Source] => "192.0.2.7",
        [Kind::Netblock, Kind::Number(..)] => "192.0.2.0/24 77",
        [Kind::Netblock, _] => "192.0.2.0/24 deny",
        [Kind::Secret] => "000102030405060708090a0b0c0d0e0f",
        [Kind::Interface] => "192.0.2.7",
        [Kind::Server] => "192.0.2.7@5300",
        [Kind::Name] => "example.com",
        [Kind::Name, Kind::Number(..)] => "example.com 77",
        [Kind::Name, _] => "example.com static",
        [Kind::Record] => "'example.com A 192.0.2.7'",
        [Kind::Reverse] => "'192.0.2.7 example.com'",
        [Kind::Choice(words)] => words.last().copied().unwrap_or_default(),
        [Kind::Path] => "/77",
        [Kind::Ports] => "1053-50000",
        _ => "77",
    };
    text.to_owned()
}

/// Each honoured directive changes the configuration when it has a value that is not the default, and the change can be
/// seen.
#[test]
fn no_honoured_directive_is_lost() {
    for (spec, field, _) in honoured() {
        let value = another_value(spec);
        let (with, without) = (with_line(spec, &value), with_line(spec, ""));
        assert_ne!(format!("{with:?}"), format!("{without:?}"), "{}", spec.name);
        match field.show {
            Show::Values(_) if matches!(spec.args, [Kind::Ports]) => {
                assert_ne!(spec.values(&with), spec.values(&without))
            }
            Show::Values(_) => assert_eq!(spec.values(&with).last(), Some(&value), "{}", spec.name),
            Show::Command(command) => {
                assert!(command.starts_with("list_") || command.starts_with("print_"), "{}", spec.name)
            }
        }
    }
}

#[test]
fn the_default_of_a_row_is_what_holds_without_it() {
    for (spec, ..) in honoured() {
        let Unset::Value(value) = spec.default else { continue };
        let shown = |value| format!("{:?}", with_line(spec, value));
        // Ports are rules on top of the default, so they leave a trace.
        if matches!(spec.args, [Kind::Ports]) {
            assert_eq!(spec.values(&Config::default()), [value], "{}", spec.name);
        } else {
            assert_eq!(shown(value), shown(""), "{}", spec.name);
        }
    }
}

#[test]
fn a_change_that_wants_a_restart_is_told_by_the_name_of_its_directive() {
    for (spec, _, change) in honoured().filter(|(spec, ..)| spec.name != "logfile") {
        let found = changed_for_restart(&with_line(spec, ""), &with_line(spec, &another_value(spec)));
        match change {
            Change::Reload => assert_eq!(found, Vec::<String>::new(), "{}", spec.name),
            _ if matches!(spec.args, [Kind::Ports]) => assert!(found.iter().any(|name| name == spec.name), "{found:?}"),
            Change::Restart => assert_eq!(found, [spec.name]),
            Change::RestartFor(part) => assert_eq!(found, [format!("{} ({part})", spec.name)]),
        }
    }
}
