//! Files of keys, and the clock.

use super::*;
use crate::config::AutoAnchor;
use crate::host::{PathProbe, PathState, Use};

fn config(username: &str) -> Config {
    let mut config = Config { username: username.into(), ..Config::default() };
    let at = Default::default();
    config.validation.auto = vec![AutoAnchor { file: "/etc/k/root.key".into(), at, point: None, stands_in: false }];
    config
}

fn probed(state: PathState) -> Facts {
    let path = "/etc/k/root.key".into();
    let probe = PathProbe { directive: "auto-trust-anchor-file", path, wanted: Use::Replaced, state };
    Facts { paths: vec![probe], ..sound() }
}

#[test]
fn a_file_of_keys_that_cannot_be_kept_is_told_with_the_fix() {
    let told = |username: &str, facts: &Facts| with("anchor-file", &config(username), facts);
    let found = told("dns", &probed(PathState::NotWritable)).remove(0);
    assert_eq!(found.level, Level::Warn);
    let starts = "auto-trust-anchor-file: /etc/k/root.key: the user dns may not write to /etc/k, where ";
    assert!(found.text.starts_with(starts), "{found}");
    let commands = "install -d -o dns /var/lib/runbound\ninstall -o dns -m 644 /etc/k/root.key /var/lib/runbound/";
    assert_eq!(fix(&found), commands);
    let mut there = probed(PathState::NotWritable);
    there.paths[0].path = "/var/lib/runbound/root.key".into();
    assert_eq!(fix(&told("dns", &there)[0]), "chown dns /var/lib/runbound /var/lib/runbound/root.key");
    let unit = |text| Facts { unit: Some(Unit::from_texts([text])), ..probed(PathState::NotWritable) };
    assert!(told("", &unit("[Service]\nUser=rb\n"))[0].text.contains("the user rb may not"));
    for state in [PathState::ReadOnly, PathState::NoFolder, PathState::NotAFolder] {
        let found = told("dns", &probed(state)).remove(0);
        assert!(found.level == Level::Warn && found.fix.is_none(), "{found}");
    }
    let strict = |text| Facts { unit: Some(Unit::from_texts([text])), ..probed(PathState::Good) };
    let found = told("dns", &strict("[Service]\nProtectSystem=strict\n")).remove(0);
    assert!(found.text.contains("runbound.service may not write to /etc/k"), "{found}");
    assert!(told("dns", &strict("[Service]\nProtectSystem=strict\nReadWritePaths=/etc/k\n")).is_empty());
    assert!(told("dns", &probed(PathState::Good)).is_empty());
    assert!(with("path", &config("dns"), &probed(PathState::NotWritable)).is_empty(), "told once");
}

#[test]
fn the_files_of_keys_are_looked_at_where_there_is_a_validator() {
    let mut config = config("");
    let files = |config: &Config| {
        let paths = wanted(config, &[]).paths.into_iter().filter(|(.., wanted)| *wanted == Use::Replaced);
        paths.map(|(_, path, _)| path.display().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(files(&config), ["/etc/k/root.key"]);
    config.directory = "/srv".into();
    config.validation.auto[0].file = "root.key".into();
    assert_eq!(files(&config), ["/srv/root.key"]);
    config.validation.modules = "iterator".into();
    assert_eq!(files(&config), [""; 0]);
}

#[test]
fn a_clock_that_nobody_keeps_is_told_where_it_matters() {
    let text = format!("server:\n trust-anchor: \"example. DS 1 13 2 {}\"\n", "7".repeat(64));
    let mut config = crate::config::parse_bytes("a", text.as_bytes()).unwrap().config;
    let facts = |kept| Facts { clock_is_kept: kept, ..sound() };
    let found = with("clock", &config, &facts(Some(false)));
    assert_eq!((found.len(), found[0].level), (1, Level::Info));
    let docs = include_str!("../../../../docs/troubleshooting.md");
    assert!(docs.contains("| `clock` |") && docs.contains("| `anchor-file` |"));
    assert!(with("clock", &config, &facts(None)).is_empty() && with("clock", &config, &facts(Some(true))).is_empty());
    config.validation.date = "-1".into();
    assert!(with("clock", &config, &facts(Some(false))).is_empty());
    assert!(with("clock", &Config::default(), &facts(Some(false))).is_empty());
}
