//! In which order interfaces are attached to, and how they are named.

use super::tags::tests::target;
use super::*;

#[test]
fn slaves_with_a_link_come_first() {
    let slave = |index, carrier| Target { index, carrier, bond: Some(9), ..target(false) };
    let targets =
        [slave(2, false), slave(3, true), Target { bond: None, carrier: false, ..slave(4, false) }, slave(5, true)];
    let turn: Vec<u32> = in_turn(&targets).iter().map(|target| target.index).collect();
    assert_eq!(turn, [3, 4, 5, 2]);
}

#[test]
fn queries_of_another_plan_are_not_counted_against_this_one() {
    let links = crate::host::recorded::facts("reference").links;
    let listen = ["192.168.10.250:53".parse().unwrap()];
    let plan = attach::plan(&Config::default(), &listen, &links);
    let mut path = FastPath::off();
    path.take_plan(&plan, &links);
    let look = |path: &mut FastPath, kernel| path.unseen.look(promise::Frames::default(), kernel);
    assert_eq!(look(&mut path, 0), None, "counting begins");
    path.take_plan(&plan, &links);
    assert!(look(&mut path, 100).is_some(), "the same plan, and they come by kernel sockets");
    // The address moves to where kernel sockets serve it by the plan, is asked there, and comes back.
    path.take_plan(&Plan { decisions: Vec::new(), targets: Vec::new(), ..plan.clone() }, &links);
    path.take_plan(&plan, &links);
    assert_eq!(look(&mut path, 700), None, "counting begins");
    assert_eq!(look(&mut path, 710), None, "nothing much came since");
    assert!(look(&mut path, 800).is_some());
}

#[test]
fn a_word_of_xdp_interface_that_no_interface_is_called_is_shown_until_one_is() {
    let links = crate::host::recorded::facts("reference").links;
    let listen = ["192.168.10.250:53".parse().unwrap()];
    let taken = |names: &[&str]| {
        let mut config = Config::default();
        config.xdp.interfaces = names.iter().map(|name| (*name).into()).collect();
        let mut path = FastPath::off();
        path.take_plan(&attach::plan(&config, &listen, &links), &links);
        path
    };
    let mut path = taken(&["eth9", "veth-rb", "eth9"]);
    let [line] = path.unused() else { panic!("{:?}", path.unused()) };
    assert!(line.starts_with("xdp-interface: there is no eth9 here") && line.contains("remove the line"), "{line}");
    path.take_plan(&attach::plan(&Config::default(), &listen, &links), &links);
    assert!(path.unused().is_empty());
    assert!(taken(&["veth-rb", "br-rb"]).unused().is_empty(), "an address may come there");
    assert!(taken(&["br-rb"]).unused()[0].contains("br-rb neither carries"), "XDP serves nowhere");
}

#[test]
fn what_is_required_and_named_wrongly_is_refused_by_its_name() {
    let links = crate::host::recorded::facts("reference").links;
    let mut config = Config::default();
    (config.xdp.enable, config.xdp.interfaces) = (XdpUse::Require, vec!["eth9".into()]);
    let plan = attach::plan(&config, &["192.168.10.250:53".parse().unwrap()], &links);
    let refusal = FastPath::open(&config, &plan, &links, true).err().unwrap();
    assert!(refusal.starts_with("xdp: require: xdp-interface: there is no eth9 here"), "{refusal}");
}
