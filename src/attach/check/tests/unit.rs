//! The installed unit.

use super::*;

/// The unit that `--install` writes.
const OURS: &str = include_str!("../../../setup/runbound.service");

fn installed(texts: &[&str]) -> Facts {
    let mut facts = sound();
    facts.unit = Some(Unit::from_texts(texts.iter().copied()));
    facts
}

#[test]
fn our_own_unit_lacks_nothing() {
    for name in ["address-families", "unit-capabilities"] {
        assert_eq!(one(name, &installed(&[OURS])).level, Level::Ok, "{name}");
    }
    assert!(named("unit-capabilities", &sound()).is_empty(), "no unit is installed");
    let mut inside = installed(&["[Service]\nUser=runbound\n"]);
    inside.service = Some("runbound.service".into());
    assert!(named("unit-capabilities", &inside).is_empty(), "there `capability` tells what is in force");
}

#[test]
fn families_the_unit_forbids() {
    let found = one("address-families", &installed(&[OURS, "[Service]\nRestrictAddressFamilies=~AF_XDP\n"]));
    assert!(found.level == Level::Warn && found.text.contains("AF_XDP"), "{found}");
    assert_eq!(
        fix(&found),
        "mkdir -p /etc/systemd/system/runbound.service.d\n\
         printf '[Service]\\nRestrictAddressFamilies=AF_XDP\\n' >> \
         /etc/systemd/system/runbound.service.d/families.conf\n\
         systemctl daemon-reload\nsystemctl restart runbound.service"
    );
    let few = "[Service]\nRestrictAddressFamilies=AF_INET AF_UNIX\n";
    let added = "[Service]\nRestrictAddressFamilies=AF_NETLINK AF_XDP\n";
    assert!(one("address-families", &installed(&[few])).text.contains("AF_NETLINK AF_XDP"));
    assert_eq!(one("address-families", &installed(&[few, added])).level, Level::Ok);

    let six = all(&Config::default(), &["[2001:db8::1]:53"], &installed(&[few, added]));
    let six = six.iter().find(|finding| finding.name == "address-families").unwrap();
    assert!(six.level == Level::Warn && six.text.contains("AF_INET6"), "{six}");
}

#[test]
fn families_that_are_refused_here() {
    let mut facts = sound();
    facts.refused_families = vec!["AF_INET6", "AF_XDP"];
    let found = one("address-families", &facts);
    assert!(found.level == Level::Warn && found.text.starts_with("AF_XDP is refused: the kernel"), "{found}");
    facts.service = Some("dns.service".into());
    let found = one("address-families", &facts);
    assert!(fix(&found).contains("RestrictAddressFamilies=AF_XDP"), "{found}");
    assert!(fix(&found).ends_with("systemctl restart dns.service"), "{found}");
    let mut config = Config::default();
    config.xdp.enable = XdpUse::No;
    assert_eq!(with("address-families", &config, &facts)[0].level, Level::Ok, "not asked for");
}

#[test]
fn capabilities_the_unit_does_not_give() {
    let unit = |text: &str| one("unit-capabilities", &installed(&[text]));
    let all = "CAP_NET_ADMIN CAP_NET_RAW CAP_BPF CAP_NET_BIND_SERVICE";
    let found = unit(&format!("[Service]\nUser=dns\nAmbientCapabilities={all}\n"));
    assert!(found.text.contains("CAP_IPC_LOCK") && fix(&found).contains("AmbientCapabilities=CAP_IPC_LOCK"), "{found}");
    let unlimited = format!("[Service]\nUser=dns\nLimitMEMLOCK=infinity\nAmbientCapabilities={all}\n");
    assert_eq!(unit(&unlimited).level, Level::Ok);
    let bounded = unit(&format!("{unlimited}CapabilityBoundingSet=~CAP_BPF\n"));
    assert!(fix(&bounded).contains("printf '[Service]\\nCapabilityBoundingSet=CAP_BPF\\n'"), "{bounded}");
    let bare = unit("[Service]\nUser=dns\nLimitMEMLOCK=infinity\nCapabilityBoundingSet=\n");
    assert!(fix(&bare).contains(&format!("AmbientCapabilities={all}\\nCapabilityBoundingSet={all}")), "{bare}");
    assert_eq!(unit("[Service]\nLimitMEMLOCK=infinity\n").level, Level::Ok, "root has them all");
}

#[test]
fn a_user_and_a_root_that_the_unit_does_not_let_it_have() {
    let found = |config: Config, texts: &[&str]| {
        let found = all(&config, &["192.168.10.250:53"], &installed(texts)).into_iter();
        found.filter(|finding| finding.text.contains("does not start there")).map(|one| one.text).collect::<Vec<_>>()
    };
    let of = |user: &str, root: &str| Config { username: user.into(), chroot: root.into(), ..Config::default() };
    let foreign = found(of("unbound", "/etc/unbound"), &[OURS]);
    assert!(foreign.len() == 2 && foreign[0].contains("may not become unbound"), "{foreign:?}");
    assert!(foreign[1].starts_with("chroot: runbound.service starts the server as runbound"), "{foreign:?}");
    assert_eq!(found(of("runbound", ""), &[OURS]), Vec::<String>::new());
    assert_eq!(found(of("", ""), &[OURS]), Vec::<String>::new());
    let as_root = "[Service]\nUser=root\nCapabilityBoundingSet=CAP_SETGID CAP_SETUID CAP_SYS_CHROOT\n";
    assert_eq!(found(of("unbound", "/etc/unbound"), &[OURS, as_root]), Vec::<String>::new());
}
