//! With `xdp: require`, what would leave an address to kernel sockets keeps the program from starting.

use super::*;

/// The names of what fails, each once, for an address and a configuration that `change` is made to.
fn fails(facts: &Facts, server: &str, change: impl Fn(&mut Config)) -> Vec<&'static str> {
    let mut names = Vec::new();
    for enable in [XdpUse::Yes, XdpUse::Require] {
        let mut config = Config::default();
        config.xdp.enable = enable;
        change(&mut config);
        let mut found = all(&config, &[server], facts);
        found.retain(|finding| finding.level == Level::Fail);
        names = found.iter().map(|finding| finding.name).collect();
        assert!(enable == XdpUse::Require || found.is_empty(), "{found:?}");
        assert!(found.iter().all(|finding| !finding.text.contains("kernel sockets serve")), "{found:?}");
    }
    names.dedup();
    names
}

fn nothing(_: &mut Config) {}

#[test]
fn what_the_plan_lacks_fails() {
    let facts = sound();
    assert_eq!(fails(&facts, SERVER, nothing), [""; 0]);
    let bridge = recorded::facts("sdn_zones");
    assert_eq!(fails(&bridge, "10.0.0.1:53", nothing), ["xdp-support"], "an address on a bridge of guests");
    assert_eq!(fails(&facts, "127.0.0.1:53", nothing), ["xdp-support"]);
    let word = |name: &'static str| move |config: &mut Config| config.xdp.interfaces = vec![name.into()];
    assert_eq!(fails(&facts, SERVER, word("eth9")), ["xdp-interface", "xdp-support"]);
    assert_eq!(fails(&facts, SERVER, word("br-rb")), ["xdp-interface", "xdp-support"]);
    let one_of_two = |config: &mut Config| config.xdp.interfaces = vec!["eth9".into(), "veth-rb".into()];
    assert_eq!(fails(&facts, SERVER, one_of_two), [""; 0]);
    let mut container = sound();
    container.links.user_namespace = true;
    assert_eq!(fails(&container, SERVER, nothing), ["user-namespace"]);
    for waived in [|config: &mut Config| config.do_udp = false, |config: &mut Config| config.xdp.enable = XdpUse::No] {
        assert_eq!(fails(&facts, "127.0.0.1:53", waived), [""; 0]);
    }
}

#[test]
fn what_attaching_lacks_fails() {
    let zero_copy = |config: &mut Config| config.xdp.zerocopy = Toggle::Yes;
    assert_eq!(fails(&sound(), SERVER, zero_copy), ["zero-copy"]);
    let generic = |config: &mut Config| (config.xdp.zerocopy, config.xdp.mode) = (Toggle::Yes, XdpMode::Generic);
    assert_eq!(fails(&sound(), SERVER, generic), ["zero-copy"]);
    let busy = changed(sound(), "veth-rb", |link| link.program = Some(AttachedProgram { id: 7, generic: false }));
    assert_eq!(fails(&busy, SERVER, nothing), ["xdp-program"], "another runbound, for instance");
    assert_eq!(fails(&Facts { kernel: Some((5, 8)), ..sound() }, SERVER, nothing), ["kernel"]);
    assert_eq!(fails(&Facts { program: Some(Err(rustix::io::Errno::PERM)), ..sound() }, SERVER, nothing), ["bpf"]);
    assert_eq!(fails(&Facts { refused_families: vec!["AF_XDP"], ..sound() }, SERVER, nothing), ["address-families"]);
    let long = changed(sound(), "veth-bnd", |link| link.mtu = 9000);
    assert_eq!(fails(&Facts { kernel: Some((5, 15)), ..long }, SERVER, nothing), ["mtu"]);
}

#[test]
fn capabilities_of_the_one_who_is_to_start_fail() {
    for (missing, expected) in [
        (CapabilitySet::NET_ADMIN, &["capability"][..]),
        (CapabilitySet::NET_RAW, &["capability"]),
        (CapabilitySet::BPF | CapabilitySet::SYS_ADMIN, &["capability"]),
        (CapabilitySet::IPC_LOCK, &[]),
    ] {
        let mut facts = Facts { capabilities: Some(CapabilitySet::all() - missing), ..sound() };
        assert_eq!(fails(&facts, SERVER, nothing), expected, "{missing:?}");
        // A shell's rights are not those of the unit, which has its own finding.
        let given =
            "AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW CAP_BPF CAP_PERFMON CAP_NET_BIND_SERVICE CAP_IPC_LOCK\n";
        facts.unit = Some(Unit::from_texts([format!("[Service]\nUser=runbound\n{given}").as_str()]));
        assert_eq!(fails(&facts, SERVER, nothing), [""; 0], "{missing:?}");
        facts.unit = Some(Unit::from_texts(["[Service]\nUser=runbound\n"]));
        assert_eq!(fails(&facts, SERVER, nothing), ["unit-capabilities"], "{missing:?}");
    }
}
