//! Whether the XDP program answers by itself.

use super::*;

fn of(toggle: Toggle, change: impl Fn(&mut Config), facts: &Facts) -> Option<Finding> {
    let mut config = Config::default();
    config.xdp.answers = toggle;
    change(&mut config);
    let mut found = with("xdp-answers", &config, facts);
    assert!(found.len() < 2, "{found:?}");
    found.pop()
}

#[test]
fn answers_are_told_with_what_they_want() {
    let mut facts = sound();
    let found = of(Toggle::Auto, |_| (), &facts).unwrap();
    assert_eq!(found.level, Level::Info);
    for part in ["veth-rb: the XDP program answers", "its other end veth-bnd gets a program"] {
        assert!(found.text.contains(part), "{found}");
    }
    assert_eq!(of(Toggle::No, |_| (), &facts), None, "it is as it was asked for");
    let logs = of(Toggle::Auto, |config| config.log.queries = true, &facts).unwrap();
    assert!(logs.level == Level::Info && logs.text.contains("the worker answers all: log-queries: yes"), "{logs}");
    assert_eq!(of(Toggle::Yes, |config| config.log.queries = true, &facts).unwrap().level, Level::Warn);
    facts = changed(facts, "veth-rb", |link| link.mtu = 9000);
    facts.kernel = Some((5, 15));
    let long = of(Toggle::Auto, |_| (), &facts).unwrap();
    assert!(long.text.contains("its MTU of 9000") && long.text.contains("3506"), "{long}");
    facts.kernel = Some((6, 1));
    assert!(of(Toggle::Auto, |_| (), &facts).unwrap().text.contains("answers by itself"));
}

#[test]
fn another_program_at_the_other_end_is_left_alone() {
    for (holder, at) in [("veth-bnd", "is on veth-bnd"), ("br-rb", "is on br-rb")] {
        let taken = |link: &mut Link| link.program = Some(AttachedProgram { id: 7, generic: false });
        let mut facts = changed(sound(), holder, taken);
        let found = of(Toggle::Yes, |_| (), &facts).unwrap();
        assert!(found.level == Level::Warn && found.text.contains(at) && found.text.contains("id 7"), "{found}");
        // That of the runbound that serves now.
        let who = "runbound (pid 12)".to_owned();
        let state = PortState::Taken(Some(who.clone()));
        facts.ports = vec![PortProbe { address: SERVER.parse().unwrap(), tcp: false, state }];
        facts.holders = vec![(7, Holder { who, stop: "kill 12".into() })];
        let found = of(Toggle::Yes, |_| (), &facts).unwrap();
        assert_eq!(found.level == Level::Info, holder == "veth-bnd", "{found}");
    }
}

#[test]
fn at_an_end_out_of_reach_a_program_is_wanted() {
    let with = |max_mtu| {
        let facts =
            changed(sound(), "veth-rb", |link| (link.kind, link.max_mtu) = (Kind::Veth { peer: None }, max_mtu));
        of(Toggle::Yes, |_| (), &facts).unwrap()
    };
    let none = with(Some(65_535));
    assert!(none.level == Level::Warn && none.text.contains("namespace, has no native XDP program"), "{none}");
    for most in [3506, 73_138] {
        let there = with(Some(most));
        assert!(there.level == Level::Info && there.text.contains("is to let its replies pass"), "{there}");
    }
    assert!(with(None).text.contains("does not tell"));
}

#[test]
fn zero_copy_needs_no_answers() {
    let mut facts = recorded::facts("eth0");
    facts.kernel = Some((6, 12));
    let driver = |name: &str| changed(facts.clone(), "eth0", |link| link.driver = Some(name.into()));
    for (name, says) in
        [("virtio_net", "leaves\n"), ("ixgbe", "zero-copy mode"), ("atlantic", "unless its driver has zero-copy")]
    {
        let found = of(Toggle::Auto, |_| (), &driver(name)).unwrap();
        assert!((found.text.clone() + "\n").contains(says) && found.level == Level::Info, "{name}: {found}");
        let found = of(Toggle::Yes, |_| (), &driver(name)).unwrap();
        assert!(found.text.ends_with("leaves") && found.level == Level::Info, "{name}: {found}");
    }
}
