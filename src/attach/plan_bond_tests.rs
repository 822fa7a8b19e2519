//! Bonds, of which not every slave takes frames in, nor by the same MAC.

use super::*;

/// The plan for the addresses of a recorded bond with XDP on its cards: for each card what is taken there now, and by which MAC
/// each place is meant: that of which link.
fn on_cards(links: &Links) -> Vec<(String, usize, Vec<String>)> {
    let physical = config(|config| config.xdp.physical = true);
    let listen = ["192.168.10.250:53", "192.168.20.250:53"].map(|text| text.parse().unwrap());
    let whose = |mac| links.iter().find(|link| link.mac == Some(mac)).map_or("", |link| link.name.as_str());
    let place = |place: &Place| format!("{} VLAN {} by {}", place.address, place.vlan.unwrap_or(0), whose(place.mac));
    let target = |target: &Target| {
        (target.interface.clone(), target.in_force().len(), target.places.iter().map(place).collect())
    };
    plan(&physical, &listen, links).targets.iter().map(target).collect()
}

fn both(whose: &str) -> Vec<String> {
    vec![format!("192.168.10.250 VLAN 10 by {whose}"), format!("192.168.20.250 VLAN 20 by {whose}")]
}

#[test]
fn only_what_a_bond_takes_in_is_taken() {
    let named = |name: &str, count, whose| (name.to_owned(), count, both(whose));
    // enp33s0f1 is active and has the bond's MAC: it is the first link with that.
    let expected = vec![named("enp33s0f0", 0, "enp33s0f0"), named("enp33s0f1", 2, "enp33s0f1")];
    assert_eq!(on_cards(&links("active_backup", unchanged)), expected);
    let with = |change: fn(&mut &'static str, &mut Option<u32>, &mut bool)| {
        let change = move |link: &mut Link| {
            if let Kind::Bond { mode, active, all_active } = &mut link.kind {
                change(mode, active, all_active);
            }
        };
        on_cards(&links("active_backup", change)).iter().map(|(_, count, _)| *count).collect::<Vec<_>>()
    };
    assert_eq!(with(|_, active, _| *active = None), [0, 0], "no card has a link");
    assert_eq!(with(|_, active, _| *active = active.map(|index| index - 1)), [2, 0], "it has failed over");
    assert_eq!(with(|_, _, all_active| *all_active = true), [2, 2]);
    assert_eq!(with(|mode, _, _| *mode = "balance-tlb"), [0, 2]);
    assert_eq!(with(|mode, _, _| *mode = "balance-alb"), [2, 2]);
    assert_eq!(with(|mode, active, _| (*mode, *active) = ("802.3ad", None)), [0, 2], "enp33s0f0 is a backup one");
    let failed_over = |link: &mut Link| {
        if let Kind::Bond { active, .. } = &mut link.kind {
            *active = active.map(|index| index - 1);
        }
        link.carrier = link.name != "enp33s0f1";
    };
    let targets = |links: &Links| {
        let physical = config(|config| config.xdp.physical = true);
        plan(&physical, &["192.168.10.250:53".parse().unwrap()], links).targets
    };
    let (before, after) = (targets(&links("active_backup", unchanged)), targets(&links("active_backup", failed_over)));
    assert!(before[0] != after[0] && before[0].is_like(&after[0]), "a fail-over is no reason to attach again");
    assert!(!before[0].is_like(&after[1]));
}

#[test]
fn each_slave_of_a_bond_that_balances_by_alb_is_asked_by_its_own_mac() {
    let own = |name: &str| (name.to_owned(), 2, both(name));
    assert_eq!(on_cards(&links("balance_alb", unchanged)), [own("enp33s0f0"), own("enp33s0f1")]);
    // A VLAN with a MAC of its own is sent to by that.
    let another = |link: &mut Link| {
        if matches!(link.kind, Kind::Vlan { .. }) {
            link.mac = Some([2, 0, 0, 0, 1, 0]);
        }
    };
    assert_eq!(on_cards(&links("balance_alb", another))[0].2, both("bond0.10"));
    // A bridge on a VLAN takes frames for the MAC of a slave for another host's; over the bond itself the kernel sees to that.
    let under_a_bridge = |port: &'static str| {
        let bridge = links("balance_alb", unchanged).by_name("bond0.20").map(|link| link.index);
        links("balance_alb", move |link: &mut Link| match link.name.as_str() {
            "bond0.20" => (link.kind, link.parent) = (Kind::Bridge, None),
            name if name == port => (link.master, link.addresses) = (bridge, Vec::new()),
            _ => link.addresses.clear(),
        })
    };
    let macs = |links: &Links| on_cards(links).into_iter().map(|(.., places)| places.join(" ")).collect::<Vec<_>>();
    assert!(macs(&under_a_bridge("bond0.10")).iter().all(|place| place.ends_with("by enp33s0f1")), "the bond's");
    assert!(macs(&under_a_bridge("bond0"))[0].ends_with("by enp33s0f0"));
}
