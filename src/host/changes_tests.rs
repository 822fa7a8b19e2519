use super::*;
use std::cell::Cell;

/// A driver of four queues that refuses what it is told to, of interfaces that have the names of [`NAMES`] first.
#[derive(Debug, Default)]
struct Fake {
    /// The names that 1, 2 and 3 have by now.
    renamed: Option<[&'static str; 3]>,
    /// Those that they are given just before a feature is set.
    renames_on_set: Option<[&'static str; 3]>,
    rx_vlan: bool,
    tx_vlan: bool,
    ntuple: bool,
    combined: u32,
    rules: Vec<UdpRule>,
    refuses_rules: bool,
    hides_rules: bool,
    refuses_features: bool,
    calls: Cell<u32>,
    /// The interfaces of which a feature was set, one after the other.
    set: Vec<String>,
}

/// The names of the interfaces 1, 2 and 3; an empty one has gone.
const NAMES: [&str; 3] = ["lo", "eth0", "eth1"];

fn refused() -> io::Error {
    io::Error::from_raw_os_error(rustix::io::Errno::OPNOTSUPP.raw_os_error())
}

impl Fake {
    fn names(&self) -> [&'static str; 3] {
        self.renamed.unwrap_or(NAMES)
    }
}

impl Driver for Fake {
    fn index(&self, interface: &str) -> Option<u32> {
        self.names().iter().position(|name| *name == interface).map(|at| at as u32 + 1)
    }
    fn name(&self, index: u32) -> io::Result<String> {
        let name = self.names()[index as usize - 1];
        if name.is_empty() { Err(Errno::NODEV.into()) } else { Ok(name.to_owned()) }
    }
    fn feature(&self, interface: &str, feature: Feature) -> io::Result<bool> {
        if !self.names().contains(&interface) {
            return Err(Errno::NODEV.into());
        }
        Ok(match feature {
            Feature::RxVlan => self.rx_vlan,
            Feature::TxVlan => self.tx_vlan,
            Feature::Ntuple => self.ntuple,
            Feature::RxStag | Feature::TxStag => false,
        })
    }
    fn set_feature(&mut self, interface: &str, feature: Feature, on: bool) -> io::Result<()> {
        self.set.push(interface.to_owned());
        if let Some(names) = self.renames_on_set.take() {
            self.renamed = Some(names);
        }
        if !self.names().contains(&interface) {
            return Err(Errno::NODEV.into());
        }
        if self.refuses_features {
            return Err(refused());
        }
        match feature {
            Feature::RxVlan => self.rx_vlan = on,
            Feature::TxVlan => self.tx_vlan = on,
            Feature::Ntuple => self.ntuple = on,
            Feature::RxStag | Feature::TxStag => return Err(refused()),
        }
        Ok(())
    }
    fn channels(&self, _: &str) -> io::Result<Channels> {
        Ok(Channels { combined: self.combined, max_combined: 8, ..Channels::default() })
    }
    fn set_channels(&mut self, _: &str, channels: Channels) -> io::Result<()> {
        self.combined = channels.combined;
        Ok(())
    }
    fn find_rule(&self, _: &str, rule: &UdpRule) -> io::Result<Option<u32>> {
        self.calls.set(self.calls.get() + 1);
        let at = self.rules.iter().position(|known| known == rule);
        Ok(at.filter(|_| !self.hides_rules).map(|at| at as u32))
    }
    fn insert_rule(&mut self, _: &str, rule: &UdpRule) -> io::Result<u32> {
        if self.refuses_rules {
            return Err(refused());
        }
        self.rules.push(*rule);
        Ok(0)
    }
    fn delete_rule(&mut self, _: &str, location: u32) -> io::Result<()> {
        self.rules.remove(location as usize);
        Ok(())
    }
}

fn changes(driver: Fake) -> Changes<Fake> {
    Changes { driver, ..Changes::default() }
}

fn rule(address: &str) -> UdpRule {
    UdpRule { address: address.parse().unwrap(), port: 53, queue: 0 }
}

#[test]
fn everything_is_set_back_as_it_was() {
    let mut changes = changes(Fake { rx_vlan: true, combined: 4, ..Fake::default() });
    changes.keep_received_tags("eth0", 2).unwrap();
    changes.steer("eth0", &[rule("192.0.2.1"), rule("2001:db8::1")], true).unwrap();
    changes.receive_on_one_queue("eth0").unwrap();
    let driver = &changes.driver;
    assert_eq!((driver.rx_vlan, driver.ntuple, driver.combined, driver.rules.len()), (false, true, 1, 2));
    changes.undo("eth1");
    assert_eq!(changes.driver.rules.len(), 2, "another interface's");
    changes.undo_all();
    let driver = &changes.driver;
    assert_eq!((driver.rx_vlan, driver.ntuple, driver.combined, driver.rules.len()), (true, false, 4, 0));
}

#[test]
fn what_the_other_end_of_a_pair_does_is_set_back_with_the_interface() {
    let mut changes = changes(Fake { tx_vlan: true, ..Fake::default() });
    changes.keep_tags_of_peer("eth0", "eth1", 3).unwrap();
    assert!(!changes.driver.tx_vlan);
    assert_eq!(changes.made[0].to_string(), "3 eth1 txvlan on", "what a next start sets back");
    // Somebody switches it on: it is switched off again, and noted once.
    changes.driver.tx_vlan = true;
    changes.keep_tags_of_peer("eth0", "eth1", 3).unwrap();
    assert_eq!((changes.driver.tx_vlan, changes.made.len()), (false, 1));
    changes.undo("eth1");
    assert!(!changes.driver.tx_vlan, "it is eth0 that it was done for");
    changes.undo("eth0");
    assert_eq!((changes.driver.tx_vlan, changes.driver.set.last().map(String::as_str)), (true, Some("eth1")));
    let mut stuck = super::tests::changes(Fake { tx_vlan: true, refuses_features: true, ..Fake::default() });
    let refusal = fixed(stuck.keep_tags_of_peer("eth0", "eth1", 3));
    assert!(refusal.contains("`ethtool -K eth1 txvlan off` fails") && stuck.made.is_empty(), "{refusal}");
}

fn fixed(kept: Result<(), TagsLost>) -> String {
    match kept {
        Err(TagsLost::Fixed(cause)) => cause,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_other_end_is_found_by_its_index_or_counts_as_lost() {
    let renamed = Some(["lo", "eth0", "dnsp"]);
    let mut found = changes(Fake { tx_vlan: true, renamed, ..Fake::default() });
    found.keep_tags_of_peer("eth0", "eth1", 3).unwrap();
    assert_eq!((found.driver.tx_vlan, &found.driver.set[..]), (false, &["dnsp".to_owned()][..]));
    found.undo("eth0");
    assert!(found.driver.tx_vlan);
    // Gone, and renamed while it was asked or switched: what its name told may have been another's.
    let moved = |fake: Fake| {
        let mut changes = changes(Fake { tx_vlan: true, ..fake });
        let lost = changes.keep_tags_of_peer("eth0", "eth1", 3);
        assert!(
            matches!(&lost, Err(TagsLost::Moved(cause)) if cause.starts_with("eth0: eth1 was renamed")),
            "{lost:?}"
        );
        changes
    };
    assert!(moved(Fake { renamed: Some(["lo", "eth0", ""]), ..Fake::default() }).made.is_empty());
    let changes = moved(Fake { renames_on_set: renamed, ..Fake::default() });
    assert!(changes.driver.tx_vlan && changes.made.is_empty(), "{:?}", changes.driver.set);
}

#[test]
fn an_interface_that_is_renamed_while_it_is_set_back_is_found_again() {
    let mut changes = changes(Fake { rx_vlan: true, ..Fake::default() });
    changes.keep_received_tags("eth0", 2).unwrap();
    changes.driver.renames_on_set = Some(["lo", "lan0", "eth1"]);
    changes.undo("eth0");
    assert_eq!(changes.driver.set, ["eth0", "eth0", "lan0"]);
    assert!(changes.driver.rx_vlan && changes.made.is_empty());
}

#[test]
fn an_interface_is_found_again_under_another_name() {
    let mut changes = changes(Fake { rx_vlan: true, ..Fake::default() });
    changes.keep_received_tags("eth0", 2).unwrap();
    changes.driver.renamed = Some(["lo", "lan0", "eth0"]);
    changes.undo("eth0");
    assert_eq!(changes.driver.set, ["eth0", "lan0"], "not on the one that has the name now");
    assert!(changes.driver.rx_vlan && changes.made.is_empty());
}

#[test]
fn an_interface_that_is_gone_leaves_others_alone() {
    let mut changes = changes(Fake { rx_vlan: true, ..Fake::default() });
    changes.keep_received_tags("eth0", 2).unwrap();
    changes.driver.renamed = Some(["lo", "", "eth0"]);
    changes.undo_all();
    assert_eq!(changes.driver.set, ["eth0"]);
    assert!(changes.made.is_empty());
}

#[test]
fn rules_that_were_there_stay() {
    let there = rule("192.0.2.1");
    let mut changes = changes(Fake { ntuple: true, rules: vec![there], ..Fake::default() });
    changes.steer("eth0", &[there, rule("192.0.2.2")], false).unwrap();
    assert_eq!(changes.driver.rules.len(), 2);
    changes.undo_all();
    assert_eq!(changes.driver.rules, [there]);
}

#[test]
fn a_driver_that_cannot_is_left_as_it_was() {
    let mut off = changes(Fake::default());
    assert!(off.steer("eth0", &[rule("192.0.2.1")], false).unwrap_err().contains("ethtool -K eth0 ntuple on"));
    let mut none = changes(Fake { refuses_features: true, ..Fake::default() });
    assert!(none.steer("eth0", &[rule("192.0.2.1")], true).is_err() && none.made.is_empty());
    let mut refuses = changes(Fake { refuses_rules: true, ..Fake::default() });
    assert!(refuses.steer("eth0", &[rule("192.0.2.1")], true).unwrap_err().contains("192.0.2.1 port 53"));
    assert!(!refuses.driver.ntuple && refuses.made.is_empty(), "ntuple is off again");
    let mut hides = changes(Fake { ntuple: true, hides_rules: true, ..Fake::default() });
    assert!(hides.steer("eth0", &[rule("192.0.2.1")], false).is_err());
    let mut stuck = changes(Fake { rx_vlan: true, refuses_features: true, ..Fake::default() });
    assert!(fixed(stuck.keep_received_tags("eth0", 2)).contains("rxvlan off"));
    assert!(stuck.made.is_empty());
}

#[test]
fn a_change_is_written_and_read() {
    for line in [
        "2 eth0 rxvlan on",
        "2 eth0 tx-vlan-stag-hw-insert on",
        "2 eth0 ntuple off",
        "3 enp33s0f0 channels 0 0 1 4",
        "2 eth0 rule 192.0.2.1 53 0",
        "2 eth0 rule 2001:db8::1 5353 0",
    ] {
        assert_eq!(line.parse::<Change>().map(|change| change.to_string()), Ok(line.to_owned()));
    }
    for line in [
        "",
        "2 eth0",
        "2 eth0 rxvlan",
        "2 eth0 rxvlan maybe",
        "2 eth0 channels 1 2",
        "2 eth0 rule x 53 0",
        "2 eth0 mtu 9",
        "eth0 rxvlan on",
    ] {
        assert_eq!(line.parse::<Change>(), Err(()), "{line:?}");
    }
}

#[test]
fn what_a_process_left_is_taken_over_once() {
    let folder = std::env::temp_dir().join(format!("runbound-journal-{}", std::process::id()));
    let change: Change = "2 eth0 rxvlan on".parse().unwrap();
    let mut living = Journal::create(&folder).expect("a journal");
    living.write(std::slice::from_ref(&change));
    assert_eq!(Journal::take_over(&folder), [], "its process lives");
    let name = format!("changes.{}", std::process::id());
    std::fs::copy(folder.join(&name), folder.join("changes.1")).unwrap();
    std::fs::write(folder.join("changes.2"), "net:[1]\n2 eth0 rxvlan on\n").unwrap();
    std::fs::write(folder.join("changes.3"), "").unwrap();
    assert_eq!(Journal::take_over(&folder), [change], "one of this namespace");
    assert_eq!(Journal::take_over(&folder), []);
    drop(living);
    assert!(!folder.join(&name).exists() && folder.join("changes.2").exists());
    std::fs::remove_dir_all(&folder).unwrap();
}
