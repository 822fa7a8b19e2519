//! Memory, capabilities and the kernel.

use super::*;

#[test]
fn locked_memory() {
    let mut facts = sound();
    assert_eq!(one("memlock", &facts).level, Level::Ok);
    facts.memlock = Some(8 << 20);
    assert_eq!(one("memlock", &facts).level, Level::Ok, "CAP_IPC_LOCK makes it moot");
    facts.capabilities = Some(CapabilitySet::all() - CapabilitySet::IPC_LOCK);
    assert_eq!(one("memlock", &facts).level, Level::Info, "a shell's limit is not the service's");
    facts.unit = Some(Unit::from_texts(["[Service]\nLimitMEMLOCK=infinity\n"]));
    assert!(one("memlock", &facts).text.contains("LimitMEMLOCK=infinity"));
    facts.service = Some("runbound.service".into());
    let found = one("memlock", &facts);
    assert_eq!(found.level, Level::Warn);
    assert!(found.text.contains("8192 KiB") && fix(&found).contains("LimitMEMLOCK=infinity"), "{found}");
    facts.memlock = None;
    assert_eq!(one("memlock", &facts).level, Level::Ok);
}

#[test]
fn each_missing_capability() {
    let mut facts = sound();
    assert_eq!(one("capability", &facts).level, Level::Ok);
    for (missing, name) in [
        (CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN"),
        (CapabilitySet::NET_RAW, "CAP_NET_RAW"),
        (CapabilitySet::BPF | CapabilitySet::SYS_ADMIN, "CAP_BPF"),
        (CapabilitySet::NET_BIND_SERVICE, "CAP_NET_BIND_SERVICE"),
    ] {
        facts.capabilities = Some(CapabilitySet::all() - missing);
        let found = one("capability", &facts);
        assert!(found.level == Level::Warn && found.text.starts_with(name), "{found}");
        assert_eq!(
            fix(&found),
            "setcap cap_net_admin,cap_net_raw,cap_bpf,cap_net_bind_service,cap_perfmon+ep \"$(command -v runbound)\""
        );
    }
    facts.own_file = Some("/opt/my dns/runbound".into());
    assert!(fix(&one("capability", &facts)).ends_with("+ep '/opt/my dns/runbound'"), "it need not be in PATH");
    let mut without = sound();
    without.capabilities = Some(CapabilitySet::all() - (CapabilitySet::PERFMON | CapabilitySet::SYS_ADMIN));
    let levels: Vec<Level> = named("capability", &without).iter().map(|finding| finding.level).collect();
    assert_eq!(levels, [Level::Info, Level::Ok], "XDP serves without CAP_PERFMON");
    facts.service = Some("runbound.service".into());
    assert_eq!(one("capability", &facts).level, Level::Fail, "a service that cannot bind does not start");
    facts.first_free_port = 53;
    assert_eq!(one("capability", &facts).level, Level::Ok);
    facts.capabilities = None;
    assert!(named("capability", &facts).is_empty());
}

#[test]
fn root_of_a_user_namespace_loads_no_program() {
    let mut facts = sound();
    assert!(named("user-namespace", &facts).is_empty());
    facts.links.user_namespace = true;
    let found = one("user-namespace", &facts);
    assert_eq!(found.level, Level::Warn);
    for word in
        ["unprivileged container", "kernel sockets serve", "on the host", "virtual machine", "privileged container"]
    {
        assert!(found.text.contains(word), "{word}: {found}");
    }
    assert_eq!(one("capability", &facts).text, "in force: cap_net_bind_service", "the others load nothing");
    let support = one("xdp-support", &facts);
    assert!(support.level == Level::Info && support.text.contains("kernel sockets serve: this is a user namespace"));
    let mut config = Config::default();
    config.xdp.enable = XdpUse::No;
    assert!(with("user-namespace", &config, &facts).is_empty(), "nothing is missing then");
}

#[test]
fn a_filter_that_forbids_bpf_is_told_whatever_the_capabilities_are() {
    let mut facts = sound();
    assert!(named("bpf", &facts).is_empty(), "not tried");
    facts.program = Some(Ok(()));
    assert_eq!(one("bpf", &facts).level, Level::Ok);
    facts.program = Some(Err(rustix::io::Errno::PERM));
    let found = one("bpf", &facts);
    assert!(found.level == Level::Warn && found.text.contains("Operation not permitted"), "{found}");
    assert!(found.text.contains("seccomp") && found.text.contains("kernel sockets serve"), "{found}");
    assert!(found.text.contains("of a unit with SystemCallErrorNumber="), "without it the process is killed: {found}");
    let listen = |text: &str| vec![text.parse().unwrap()];
    let mut config = Config::default();
    assert!(wanted(&config, &listen(SERVER)).xdp && !wanted(&config, &listen("127.0.0.1:53")).xdp);
    config.xdp.enable = XdpUse::No;
    assert!(with("bpf", &config, &facts).is_empty() && !wanted(&config, &listen(SERVER)).xdp);
}

#[test]
fn old_kernels() {
    let mut facts = sound();
    for (version, level, word) in [
        (Some((5, 3)), Level::Warn, "need_wakeup of AF_XDP sockets (5.4), CAP_BPF"),
        (Some((5, 8)), Level::Warn, "lacks bpf_link for XDP (5.9): kernel sockets serve"),
        (Some((5, 10)), Level::Warn, "RLIMIT_MEMLOCK"),
        (Some((5, 11)), Level::Ok, "5.11"),
    ] {
        facts.kernel = version;
        let found = one("kernel", &facts);
        assert!(found.level == level && found.text.contains(word), "{found}");
    }
    facts.kernel = None;
    assert!(named("kernel", &facts).is_empty());
}

#[test]
fn zero_copy_by_driver_and_kernel() {
    let mut facts = recorded::facts("eth0");
    let driver = |facts: &Facts, name: &str| changed(facts.clone(), "eth0", |link| link.driver = Some(name.into()));
    for (name, version, there) in [
        ("virtio_net", (6, 12), true),
        ("virtio_net", (6, 13), false),
        ("igb", (6, 12), true),
        ("ixgbe", (6, 12), false),
    ] {
        facts.kernel = Some(version);
        let found = named("zero-copy", &driver(&facts, name));
        assert_eq!(!found.is_empty(), there, "{name} {version:?}: {found:?}");
        assert!(found.iter().all(|finding| finding.level == Level::Info && finding.text.starts_with("eth0: ")));
    }
    facts.kernel = Some((6, 12));
    let igb = driver(&facts, "igb");
    let mut config = Config::default();
    for (toggle, expected) in [(Toggle::Yes, Some(Level::Warn)), (Toggle::No, None)] {
        config.xdp.zerocopy = toggle;
        assert_eq!(with("zero-copy", &config, &igb).first().map(|finding| finding.level), expected);
    }
}

#[test]
fn zero_copy_that_is_demanded_where_there_is_none() {
    let mut config = Config::default();
    config.xdp.zerocopy = Toggle::Yes;
    let found = with("zero-copy", &config, &sound());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].level == Level::Warn && found[0].text.contains("a veth has no AF_XDP zero-copy"), "{}", found[0]);
    let support = with("xdp-support", &config, &sound()).remove(0);
    assert!(support.level == Level::Info && support.text.contains("with yes, kernel sockets serve"), "{support}");
    let driver = |name: &str| changed(recorded::facts("eth0"), "eth0", |link| link.driver = Some(name.into()));
    assert_eq!(with("zero-copy", &config, &driver("ixgbe")), []);
    assert_eq!(with("zero-copy", &config, &driver("ena"))[0].level, Level::Info);
    config.xdp.zerocopy = Toggle::Auto;
    assert_eq!(with("zero-copy", &config, &sound()), []);
}

#[test]
fn a_limit_of_open_files_that_keeps_the_server_from_starting() {
    let mut facts = sound();
    let least = Config::default().open_files().least;
    facts.open_files = Some(least);
    assert!(named("open-files", &facts).is_empty());
    facts.open_files = Some(least - 1);
    let found = one("open-files", &facts);
    assert_eq!((found.level, fix(&found)), (Level::Fail, "ulimit -n 5130"));
    facts.unit = Some(Unit::default());
    assert_eq!(one("open-files", &facts).level, Level::Info, "the unit has a limit of its own");
    facts.service = Some("dns.service".into());
    let found = one("open-files", &facts);
    assert!(found.level == Level::Fail && fix(&found).contains("LimitNOFILE=5130"), "{found}");
    let mut config = Config::default();
    config.xdp.enable = XdpUse::No;
    assert!(with("open-files", &config, &facts).is_empty(), "without programs it is enough");
}
