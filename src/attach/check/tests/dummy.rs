//! An address of an interface that is for addresses alone, reached by others: a dummy, or loopback.

use super::*;

/// The reference host with the address on a dummy in place of the pair.
fn on(kind: Kind, prefix: u8) -> Facts {
    let mut facts = changed(sound(), "veth-rb", |link| {
        (link.kind, link.mac, link.rp_filter) = (kind.clone(), Some([2, 0, 0, 0, 0, 1]), Some(1));
        link.addresses.iter_mut().for_each(|own| own.prefix = prefix);
    });
    facts.routes.retain(|route| route.link != "veth-rb");
    facts
}

#[test]
fn its_clients_have_their_way_back_by_other_interfaces() {
    let listen = [SERVER.parse().unwrap()];
    for kind in [Kind::Other("dummy".into()), Kind::Loopback] {
        let facts = on(kind, 32);
        for name in ["way-back", "rp-filter"] {
            assert!(named(name, &facts).is_empty(), "{:?}", named(name, &facts));
        }
        let plan = crate::attach::plan(&Config::default(), &listen, &facts.links);
        let way = |_| Some("br-rb".to_owned());
        assert_eq!(crate::attach::cut_off(&plan, &listen, &facts.links, outside(&way)), []);
    }
}

#[test]
fn no_program_is_promised_there() {
    for mode in [XdpMode::Native, XdpMode::Generic] {
        let mut config = Config::default();
        config.xdp.mode = mode;
        let found = with("xdp-support", &config, &on(Kind::Other("dummy".into()), 32));
        assert_eq!(found[0].level, Level::Warn, "{found:?}");
        assert!(found[0].text.contains("a dummy carries nothing from outside"), "{found:?}");
    }
}
