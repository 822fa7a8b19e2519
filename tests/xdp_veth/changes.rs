//! What was changed on an interface is set back.

use crate::namespace::Namespace;
use crate::pair::*;
use runbound::host::{Changes, TagsLost};
use runbound::sys::ethtool::{self, Feature};

fn index(end: &str) -> u32 {
    options_of(end).index
}

#[test]
fn a_renamed_interface_is_set_back() {
    Namespace::new("xdp-renamed").run_test("changes::inner_renamed");
}

#[test]
#[ignore = "run by a_renamed_interface_is_set_back in a namespace"]
fn inner_renamed() {
    make_pair();
    let rename = |old: &str, new: &str| {
        run(&["ip", "link", "set", old, "down"]);
        run(&["ip", "link", "set", old, "name", new]);
    };
    let keeps_tags = |name: &str| !ethtool::feature(name, Feature::RxVlan).expect("ethtool");
    let folder = std::env::temp_dir().join(format!("runbound-renamed-{}", std::process::id()));
    let mut changes = Changes::of_this_host(&folder);
    changes.keep_received_tags(SERVER, index(SERVER)).expect("rxvlan off");
    let journal = folder.join(format!("changes.{}", std::process::id()));
    std::fs::copy(journal, folder.join("changes.1")).expect("a journal");
    rename(SERVER, "vxc");
    rename(CLIENT, SERVER);
    assert!(keeps_tags("vxc") && !keeps_tags(SERVER));
    changes.undo(SERVER);
    assert!(!keeps_tags("vxc"), "set back under its new name");
    // What a process that was killed left.
    ethtool::set_feature("vxc", Feature::RxVlan, false).expect("ethtool");
    drop(changes);
    drop(Changes::of_this_host(&folder));
    assert!(!keeps_tags("vxc"), "set back by the next start");
    std::fs::remove_dir_all(&folder).expect("a folder");
}

#[test]
fn switches_do_what_they_say() {
    Namespace::new("xdp-switches").run_test("changes::inner_switches");
}

#[test]
#[ignore = "run by switches_do_what_they_say in a namespace"]
fn inner_switches() {
    make_pair();
    for feature in [Feature::RxVlan, Feature::TxVlan, Feature::TxStag] {
        for on in [false, true] {
            ethtool::set_feature(SERVER, feature, on).expect("ethtool");
            assert_eq!(ethtool::feature(SERVER, feature).ok(), Some(on), "{feature:?}");
            let others = ethtool::feature(CLIENT, feature);
            assert_eq!(others.ok(), Some(true), "{feature:?} of the other end is left alone");
        }
    }
    let refused = ethtool::set_feature(SERVER, Feature::Ntuple, true).expect_err("veth steers by no rules");
    assert_eq!(refused.raw_os_error(), Some(libc::EOPNOTSUPP));
}

/// Whether tags are handed over beside the frames by an end of a pair, of either kind.
fn tags(end: &str) -> [bool; 2] {
    [Feature::TxVlan, Feature::TxStag].map(|tag| ethtool::feature(end, tag).expect("ethtool"))
}

#[test]
fn the_other_end_of_a_pair_is_set_back_after_a_kill() {
    Namespace::new("xdp-other-end").run_test("changes::inner_other_end");
}

#[test]
#[ignore = "run by the_other_end_of_a_pair_is_set_back_after_a_kill in a namespace"]
fn inner_other_end() {
    make_pair();
    let folder = std::env::temp_dir().join(format!("runbound-other-end-{}", std::process::id()));
    let mut changes = Changes::of_this_host(&folder);
    changes.keep_tags_of_peer(SERVER, CLIENT, index(CLIENT)).expect("txvlan off");
    assert_eq!((tags(CLIENT), tags(SERVER)), ([false; 2], [true; 2]), "at the other end alone");
    // What a killed process leaves: a journal that nobody holds, and the switches as they are.
    let journal = folder.join(format!("changes.{}", std::process::id()));
    std::fs::copy(journal, folder.join("changes.1")).expect("a journal");
    drop(changes);
    assert_eq!(tags(CLIENT), [false; 2]);
    drop(Changes::of_this_host(&folder));
    assert_eq!(tags(CLIENT), [true; 2], "set back by the next start");
    std::fs::remove_dir_all(&folder).expect("a folder");
}

#[test]
fn the_other_end_is_told_whatever_it_is_called() {
    Namespace::new("xdp-end-renamed").run_test("changes::inner_end_renamed");
}

#[test]
#[ignore = "run by the_other_end_is_told_whatever_it_is_called in a namespace"]
fn inner_end_renamed() {
    make_pair();
    let folder = std::env::temp_dir().join(format!("runbound-end-renamed-{}", std::process::id()));
    let mut changes = Changes::of_this_host(&folder);
    let known = index(CLIENT);
    for command in [&["set", CLIENT, "down"][..], &["set", CLIENT, "name", "vxp"], &["set", "vxp", "up"]] {
        run(&[&["ip", "link"][..], command].concat());
    }
    changes.keep_tags_of_peer(SERVER, CLIENT, known).expect("txvlan off");
    assert_eq!(tags("vxp"), [false; 2], "by the name that it had before");
    changes.undo(SERVER);
    assert_eq!(tags("vxp"), [true; 2]);
    run(&["ip", "link", "del", SERVER]);
    let lost = changes.keep_tags_of_peer(SERVER, CLIENT, known);
    assert!(matches!(lost, Err(TagsLost::Moved(_))), "{lost:?}");
    drop(changes);
    std::fs::remove_dir_all(&folder).expect("a folder");
}
