//! Files, sockets and the user.

use super::*;
use crate::host::{PathProbe, PathState, Unit, Use};
use std::path::PathBuf;

fn probed(directive: &'static str, path: &str, wanted: Use, state: PathState) -> Facts {
    Facts { paths: vec![PathProbe { directive, path: path.into(), wanted, state }], ..sound() }
}

#[test]
fn what_keeps_a_file_from_being_made_fails() {
    let found = one("path", &probed("control-interface", "/run/no/ctl", Use::Socket, PathState::NoFolder));
    assert_eq!((found.level, fix(&found)), (Level::Fail, "mkdir -p /run/no"));
    assert!(found.text.starts_with("control-interface: /run/no/ctl: the folder /run/no is not there"), "{found}");
    let found = one("path", &probed("control-interface", "/run/ctl", Use::Socket, PathState::InTheWay));
    assert_eq!(fix(&found), "mv /run/ctl /run/ctl.old");
    let found = one("path", &probed("chroot", "/srv/root", Use::Folder, PathState::NoFolder));
    assert_eq!(fix(&found), "mkdir -p /srv/root");
    for state in [PathState::NotAFolder, PathState::InTheWay, PathState::ReadOnly] {
        let found = one("path", &probed("pidfile", "/etc/pid", Use::File, state));
        assert!(found.level == Level::Fail && found.fix.is_none(), "{found}");
    }
    for state in [PathState::Good, PathState::Unknown] {
        assert!(named("path", &probed("logfile", "/var/log/runbound", Use::File, state)).is_empty());
    }
    let found = one("path", &probed("control-interface", "/run/ctl", Use::Socket, PathState::TooLong));
    assert!(found.level == Level::Fail && found.text.contains("too long"), "{found}");
}

#[test]
fn folders_that_the_unit_makes_need_not_be_there() {
    let facts = probed("control-interface", "/run/runbound/ctl", Use::Socket, PathState::NoFolder);
    let unit = |text| Facts { unit: Some(Unit::from_texts([text])), ..facts.clone() };
    assert!(named("path", &unit("[Service]\nRuntimeDirectory=other runbound:link\n")).is_empty());
    assert_eq!(named("path", &unit("[Service]\nStateDirectory=runbound\n")).len(), 1);
}

#[test]
fn what_the_unit_lets_nobody_write_is_told_before_the_start() {
    let unit = |text| Some(Unit::from_texts([text]));
    let strict = "[Service]\nProtectSystem=strict\nRuntimeDirectory=runbound\n";
    let facts = |path, wanted| probed("control-interface", path, wanted, PathState::Good);
    let found = one("path", &Facts { unit: unit(strict), ..facts("/run/runbound.ctl", Use::Socket) });
    assert!(found.level == Level::Warn && found.text.contains("may not write there (ProtectSystem=strict)"), "{found}");
    let quiet = |facts: Facts| assert!(named("path", &facts).is_empty());
    quiet(Facts { unit: unit(strict), ..facts("/run/runbound/control", Use::Socket) });
    quiet(Facts { unit: unit(strict), ..facts("/etc/runbound", Use::Folder) });
    quiet(Facts { unit: unit("[Service]\n"), ..facts("/run/runbound.ctl", Use::Socket) });
    quiet(facts("/run/runbound.ctl", Use::Socket));
    quiet(Facts { unit: unit(strict), service: Some("dns.service".into()), ..facts("/run/runbound.ctl", Use::Socket) });
}

#[test]
fn a_user_that_is_not_there() {
    let config = Config { username: "dns".into(), ..Config::default() };
    let found = with("username", &config, &Facts { user: Some(false), ..sound() });
    assert_eq!((found[0].level, fix(&found[0])), (Level::Fail, "useradd --system dns"));
    assert!(with("username", &config, &Facts { user: Some(true), ..sound() }).is_empty());
}

#[test]
fn what_is_wanted_follows_the_configuration() {
    let mut config = Config::default();
    assert_eq!(wanted(&config, &[]).paths, []);
    config.chroot = "/srv/root".into();
    for (written, outside) in [("/etc/dns", "/srv/root/etc/dns"), ("/srv/root/etc", "/srv/root/etc")] {
        config.directory = written.into();
        let paths = wanted(&config, &[]).paths;
        let folders = [("chroot", "/srv/root"), ("directory", outside)];
        assert_eq!(paths, folders.map(|(directive, path)| (directive, PathBuf::from(path), Use::Folder)));
    }
    config.remote_control.sockets = vec![("/run/ctl".into(), Default::default())];
    assert!(wanted(&config, &[]).paths.iter().all(|(directive, ..)| *directive != "control-interface"), "it is off");
    config.remote_control.enable = true;
    assert_eq!(wanted(&config, &[]).paths[0], ("control-interface", "/run/ctl".into(), Use::Socket));
}
