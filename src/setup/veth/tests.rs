//! On trees of their own; ifupdown's and ifupdown2's own judgement is `tests/e2e/proxmox_snippet`'s to ask for.

mod guests;
mod hosts;
mod known;
mod lost;
mod switch;
mod taken;

use super::*;
use crate::config::cli::Setup;
use crate::setup::{SYSCTL_FILE, install, uninstall};
use std::fs;
use std::path::PathBuf;

/// A tree that goes away with its test.
struct Tree(PathBuf);

const MAIN: &str = "auto vmbr0\niface vmbr0 inet static\n\taddress 192.168.10.201/24\n\tgateway 192.168.10.1\n\
                    \tbridge-ports none\n\niface br-rb inet manual\n\tbridge-ports bond0.10\n\n\
                    source /etc/network/interfaces.d/*\n";

impl Tree {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("runbound-veth-{}-{name}", std::process::id()));
        fs::create_dir_all(path.join("etc/network")).unwrap();
        fs::write(path.join("etc/network/interfaces"), MAIN).unwrap();
        fs::write(path.join("etc/resolv.conf"), "nameserver 192.0.2.1\nnameserver 192.168.10.250\n").unwrap();
        Tree(path)
    }

    /// The lines that were said, then the error if there was one. `words`: addresses and VLANs in their order.
    fn install_vlans(&self, words: &[&str], bridge: &str, print: Option<&str>) -> (Vec<String>, String) {
        let mut site = Site::default();
        for word in words {
            if word.contains('/') { site.add_address(word) } else { site.add_vlan(word) }.unwrap();
        }
        site.set_bridge(bridge).unwrap();
        let print = print.map(PathBuf::from);
        self.run(&Setup { root: Some(self.0.clone()), site, print, ..Setup::default() })
    }

    fn run(&self, options: &Setup) -> (Vec<String>, String) {
        let mut lines = Vec::new();
        let done = install(options, &mut |line| lines.push(line.to_owned()));
        (lines, done.err().map_or_else(String::new, |error| error.to_string()))
    }

    /// The lines that were said, then the error if there was one.
    fn install(&self, addresses: &[&str], bridge: &str, dry_run: bool) -> (Vec<String>, String) {
        self.install_as(Site::default(), addresses, bridge, dry_run)
    }

    fn install_as(&self, mut site: Site, addresses: &[&str], bridge: &str, dry_run: bool) -> (Vec<String>, String) {
        addresses.iter().for_each(|address| site.add_address(address).unwrap());
        if !addresses.is_empty() {
            site.set_bridge(bridge).unwrap();
            site.add_steer("enp33s0f0").unwrap();
            site.add_steer("enp33s0f1").unwrap();
        }
        self.run(&Setup { root: Some(self.0.clone()), dry_run, site, ..Setup::default() })
    }

    /// As if nothing of the pair were served, which may then be moved.
    fn serves_nothing(&self) {
        let _ = fs::remove_file(self.0.join("etc/runbound/unbound.conf"));
    }

    fn text(&self, below: &str) -> String {
        fs::read_to_string(self.0.join(below)).unwrap_or_default()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn says(lines: &[String], part: &str) -> bool {
    lines.iter().any(|line| line.contains(part))
}

#[test]
fn the_pair_is_written_served_replaced_and_taken_back() {
    let tree = Tree::new("life");
    let addresses = ["192.168.10.250/24", "fd53::2/64"];
    let (lines, error) = tree.install(&addresses, "br-rb", true);
    assert_eq!(error, "");
    assert!(says(&lines, "    |     address 192.168.10.250/24") && says(&lines, "    | BRIDGE=br-rb"), "{lines:#?}");
    assert_eq!(tree.text(STANZAS), "");

    let (lines, error) = tree.install(&addresses, "br-rb", false);
    assert_eq!(error, "");
    assert!(!says(&lines, "source /etc/network"), "it is sourced: {lines:#?}");
    let stanzas = tree.text(STANZAS);
    for line in ["auto veth-rb", "iface veth-rb inet static", "iface veth-rb inet6 static", "    address fd53::2/64"] {
        assert_eq!(stanzas.lines().filter(|found| *found == line).count(), 1, "{line} in {stanzas}");
    }
    assert_eq!(stanzas.matches("post-down ip link del").count(), 1);
    for address in addresses {
        let line = format!("    up ip address change {address} dev veth-rb metric 4096");
        assert!(stanzas.lines().any(|found| found == line), "the host's own routes go first: {stanzas}");
    }
    let hook = tree.text(HOOK);
    assert!(hook.contains("NICS=\"enp33s0f0 enp33s0f1\"") && hook.contains("ADDRESSES=\"192.168.10.250 fd53::2\""));
    let loaded = crate::config::read(&tree.0.join("etc/runbound/unbound.conf"));
    assert!(
        loaded.findings.iter().all(|finding| finding.message.contains("there is no file /var/lib/runbound")),
        "in the tree alone"
    );
    assert_eq!(loaded.config.interfaces.len(), 3);
    assert_eq!(loaded.config.forward_zones[0].servers.len(), 1, "not to itself");

    let (lines, error) = tree.install(&addresses, "br-rb", false);
    assert_eq!((error.as_str(), says(&lines, "nothing to do")), ("", true), "{lines:#?}");
    let (lines, error) = tree.install_as(replacing(), &["192.168.10.249/24"], "br-rb", false);
    assert_eq!(error, "");
    assert!(says(&lines, "veth-rb: 192.168.10.249/24 instead of 192.168.10.250/24 fd53::2/64"), "{lines:#?}");
    assert!(says(&lines, "does not serve it yet") && says(&lines, "    interface: 192.168.10.249"), "{lines:#?}");
    assert!(!tree.text(STANZAS).contains("inet6"));
    let (lines, _) = tree.install(&[], "", false);
    assert!(says(&lines, "kept") && tree.text(STANZAS).contains("192.168.10.249"), "{lines:#?}");

    let options = Setup { root: Some(tree.0.clone()), ..Setup::default() };
    uninstall(&options, &mut |_| ()).unwrap();
    assert_eq!((tree.text(STANZAS), tree.text(HOOK)), (String::new(), String::new()));
    assert_eq!(tree.text("etc/network/interfaces"), MAIN);
}

fn replacing() -> Site {
    let mut site = Site::default();
    site.replace = true;
    site
}

#[test]
fn what_is_the_administrators_is_refused_before_anything_is_written() {
    let tree = Tree::new("refused");
    let refused = |address: &str, bridge: &str, parts: &[&str], said: &str| {
        let (lines, error) = tree.install(&[address], bridge, false);
        parts.iter().for_each(|part| assert!(error.contains(part), "{part} in {error}"));
        assert!(said.is_empty() || says(&lines, said), "{said} in {lines:#?}");
        assert!(!tree.0.join("usr").exists(), "{error}");
    };
    refused(
        "192.168.10.201/24",
        "br-rb",
        &["vmbr0 carries it already", "192.168.10.0/24"],
        "address this host is managed",
    );
    refused(
        "192.168.10.1/24",
        "br-rb",
        &["--address 192.168.10.1/24: is a gateway", "/etc/network/interfaces, iface vmbr0", "192.168.10.0/24"],
        "",
    );
    fs::write(
        tree.0.join("etc/network/interfaces"),
        MAIN.replace("\tgateway 192.168.10.1\n", "\tup ip -6 route add default via fd53:0::1\n"),
    )
    .unwrap();
    refused("fd53::1/64", "br-rb", &["is a gateway of this host"], "");
    fs::write(tree.0.join("etc/network/interfaces"), MAIN).unwrap();
    refused("192.168.10.250/24", "br-none", &["--bridge br-none", "no such bridge", "bridge-ports"], "");
    refused(
        "192.168.10.250/24",
        "vmbr0",
        &["vmbr0", "bridge of its own", "--share-bridge"],
        "--print /etc/network/if-up.d/runbound >",
    );
    fs::create_dir_all(tree.0.join("etc/network/interfaces.d")).unwrap();
    fs::create_dir(tree.0.join(STANZAS)).unwrap();
    refused("192.168.10.250/24", "br-rb", &[STANZAS, "a directory stands where a file should be"], "");
    fs::remove_dir(tree.0.join(STANZAS)).unwrap();
    for file in [STANZAS, HOOK] {
        fs::create_dir_all(tree.0.join(file).parent().unwrap()).unwrap();
        fifo(&tree.0.join(file));
        refused("192.168.10.250/24", "br-rb", &[file, "it is no regular file"], "");
        fs::remove_file(tree.0.join(file)).unwrap();
    }
    fs::write(tree.0.join(STANZAS), "auto mine\n").unwrap();
    refused("192.168.10.250/24", "br-rb", &["was not made by --install", "move it away"], "");
    let options = Setup { root: Some(tree.0.clone()), ..Setup::default() };
    let mut lines = Vec::new();
    uninstall(&options, &mut |line| lines.push(line.to_owned())).unwrap();
    assert_eq!(tree.text(STANZAS), "auto mine\n");
    assert!(says(&lines, "kept"), "{lines:#?}");
}

fn fifo(path: &Path) {
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
}

#[test]
fn a_fifo_for_the_interfaces_is_said_and_not_waited_for() {
    let tree = Tree::new("fifo");
    let main = tree.0.join("etc/network/interfaces");
    fs::remove_file(&main).unwrap();
    fifo(&main);
    let (lines, error) = tree.install(&["192.168.10.250/24"], "br-rb", false);
    assert!(says(&lines, "/etc/network/interfaces cannot be read: it is no regular file"), "{lines:#?}");
    assert!(error.contains("no such bridge"), "{error}");
}

/// A VLAN-aware bridge whose card carries two VLANs, and one without VLANs on VLAN 10.
const AWARE: &str = "auto vmbr0\niface vmbr0 inet static\n\taddress 192.168.1.201/24\n\tgateway 192.168.1.1\n\
                     \tbridge-ports eno1\n\tbridge-vlan-aware yes\n\tbridge-vids 10 20\n\n\
                     iface br-rb inet manual\n\tbridge-ports bond0.10\n\nsource /etc/network/interfaces.d/*\n";

#[test]
fn one_vlan_is_an_access_port_and_several_are_a_trunk() {
    let tree = Tree::new("vlans");
    fs::write(tree.0.join("etc/network/interfaces"), AWARE).unwrap();
    let (lines, error) = tree.install_vlans(&["192.168.10.250/24", "fd53::2/64", "10"], "vmbr0", None);
    assert_eq!(error, "", "{lines:#?}");
    let hook = tree.text(HOOK);
    for line in ["BRIDGE=vmbr0", "VLANS=\"10\"", "FLAGS=\"pvid untagged\"", "OTHERS=\"1-9 11-4094\""] {
        assert!(hook.lines().any(|found| found == line), "{line} in {hook}");
    }
    assert!(tree.text(STANZAS).contains("iface veth-rb inet static\n    address 192.168.10.250/24\n"));
    let sysctl = tree.text(SYSCTL_FILE);
    assert!(sysctl.contains("conf/vmbr0.10/arp_ignore") && !sysctl.contains("br-rb"), "{sysctl}");
    // Without a pair on the command line, the files are about the one that is there.
    tree.run(&Setup { root: Some(tree.0.clone()), ..Setup::default() });
    assert_eq!((tree.text(SYSCTL_FILE), tree.text(HOOK)), (sysctl, hook));

    tree.serves_nothing();
    let words = ["192.168.10.250/24", "10", "192.168.20.250/24", "fd53::2/64", "20"];
    let (lines, error) = tree.install_vlans(&words, "vmbr0", None);
    assert_eq!(error, "", "{lines:#?}");
    assert!(says(&lines, "192.168.10.250/24 192.168.20.250/24 fd53::2/64 instead of 192.168.10.250/24 fd53::2/64"));
    let (hook, stanzas) = (tree.text(HOOK), tree.text(STANZAS));
    assert!(hook.contains("VLANS=\"10 20\"\nFLAGS=\"\"\nOTHERS=\"1-9 11-19 21-4094\"\n"), "{hook}");
    assert!(stanzas.contains("iface veth-rb inet manual\n") && !stanzas.contains("    address "), "{stanzas}");
    for (name, address) in [(10, "192.168.10.250/24"), (20, "192.168.20.250/24"), (20, "fd53::2/64")] {
        assert!(
            stanzas.contains(&format!("    up ip address replace {address} dev veth-rb.{name} metric 4096")),
            "{stanzas}"
        );
    }
    assert!(tree.text(SYSCTL_FILE).contains("\n-net/ipv4/conf/veth-rb.20/rp_filter = 2\n"));
    let (lines, _) = tree.install_vlans(&words, "vmbr0", None);
    assert!(says(&lines, "nothing to do"), "{lines:#?}");
}

#[test]
fn a_vlan_that_nobody_would_be_reached_in_is_refused() {
    let tree = Tree::new("no-vlan");
    let main = tree.0.join("etc/network/interfaces");
    fs::write(&main, AWARE).unwrap();
    let refused = |words: &[&str], bridge: &str, parts: &[&str]| {
        let (lines, error) = tree.install_vlans(words, bridge, None);
        parts.iter().for_each(|part| assert!(error.contains(part), "{part} in {error}"));
        assert!(!tree.0.join("usr").exists(), "{lines:#?}");
    };
    let address = "192.168.10.250/24";
    refused(
        &[address, "30"],
        "vmbr0",
        &["--vlan 30: no port of vmbr0 carries it (eno1)", "bridge-vids", "ifreload -a"],
    );
    refused(&[address, "10"], "br-rb", &["br-rb is not VLAN-aware", "its port bond0.10 is in VLAN 10 already"]);
    refused(&[address, "20"], "br-rb", &["bridge-vlan-aware yes", "bridge-ports bond0.20"]);
    refused(&[address], "vmbr0", &["carries Proxmox' own network", "--share-bridge"]);
    // A bridge of guests alone, and one whose ports are a pattern: who is in the VLAN is not known.
    for ports in ["none", "regex eno.*"] {
        fs::write(&main, AWARE.replace("bridge-ports eno1", &format!("bridge-ports {ports}"))).unwrap();
        assert_eq!(tree.install_vlans(&[address, "30"], "vmbr0", Some("etc/network/if-up.d/runbound")).1, "");
    }
}

#[test]
fn a_name_that_is_too_long_for_an_own_one_is_refused_in_a_tree() {
    let tree = Tree::new("long-name");
    let (_, error) = tree.install(&["192.168.10.250/24"], "another-name-of-br-rb", false);
    assert!(
        error.starts_with("--bridge another-name-of-br-rb: there is no such interface: it has 21 letters"),
        "{error}"
    );
    assert_eq!(tree.text(HOOK), "");
}

#[test]
fn a_file_is_printed_as_it_would_be_written() {
    let tree = Tree::new("print");
    fs::write(tree.0.join("etc/network/interfaces"), AWARE.replace("20\n", "20\n\tbridge-pvid 5\n")).unwrap();
    let words = ["192.168.1.250/24"];
    let printed = [STANZAS, HOOK, SYSCTL_FILE].map(|file| {
        let (lines, error) = tree.install_vlans(&words, "vmbr0", Some(&format!("/{file}")));
        assert_eq!(error, "");
        lines.join("\n") + "\n"
    });
    assert!(!tree.0.join("usr").exists());
    assert!(
        printed[1].contains("VLANS=\"5\"\nFLAGS=\"pvid untagged\"\n"),
        "untagged frames are VLAN 5: {}",
        printed[1]
    );
    let (_, error) = tree.install_vlans(&words, "vmbr0", Some("/etc/passwd"));
    assert!(error.contains("/etc/passwd") && error.contains(HOOK), "{error}");
    let mut site = Site::default();
    site.share_bridge = true;
    site.add_address(words[0]).unwrap();
    site.set_bridge("vmbr0").unwrap();
    let (lines, error) = tree.run(&Setup { root: Some(tree.0.clone()), site, ..Setup::default() });
    assert_eq!(error, "", "{lines:#?}");
    assert_eq!([STANZAS, HOOK, SYSCTL_FILE].map(|file| tree.text(file)), printed);
}

#[test]
fn a_file_nothing_reads_comes_with_the_line_to_add() {
    let tree = Tree::new("unread");
    fs::write(tree.0.join("etc/network/interfaces"), MAIN.replace("source", "#source")).unwrap();
    let (lines, error) = tree.install(&["192.168.10.250/24"], "br-rb", false);
    assert_eq!(error, "");
    assert!(says(&lines, "does not read it") && says(&lines, "    source /etc/network/interfaces.d/*"), "{lines:#?}");
    let parser = tree.0.join("usr/share/ifupdown2/ifupdown/networkinterfaces.py");
    fs::create_dir_all(parser.parent().unwrap()).unwrap();
    let main = MAIN.replace("source /etc/network/interfaces.d/*", "source-directory /etc/network/interfaces.d");
    fs::write(tree.0.join("etc/network/interfaces"), main).unwrap();
    for (text, said) in [("'source'", true), ("'source', 'source-directory'", false)] {
        fs::write(&parser, text).unwrap();
        let (lines, _) = tree.install(&["192.168.10.250/24"], "br-rb", false);
        assert_eq!(says(&lines, "passes `source-directory /etc/network/interfaces.d` over"), said, "{lines:#?}");
    }
}

#[test]
fn an_address_that_does_not_look_like_its_bridges_is_said() {
    let tree = Tree::new("misfit");
    let main = "iface vmbr0 inet static\n\taddress 192.168.1.201\n\tnetmask 255.255.255.0\n\tbridge-ports eno1\n\n\
                iface br-rb inet static\n\taddress 192.168.10.201/24\n\tbridge-ports bond0.10\n\n\
                iface br-bare inet manual\n\tbridge-ports bond0.20\n\n\
                iface veth-rb2 inet static\n\taddress 192.168.2.250/24\n\nsource /etc/network/interfaces.d/*\n";
    fs::write(tree.0.join("etc/network/interfaces"), main).unwrap();
    for (address, bridge, said) in [
        ("192.168.10.250/16", "br-rb", "the prefix of its network is another, br-rb has 192.168.10.201/24"),
        ("192.168.10.250/32", "br-rb", "the prefix of its network is another"),
        ("192.168.2.251/24", "br-rb", "veth-rb2 has 192.168.2.250/24, and br-rb may be another network"),
        ("192.168.1.250/24", "br-rb", "vmbr0 has 192.168.1.201/24, and br-rb may be another network"),
        ("10.0.0.9/24", "br-rb", "br-rb has 192.168.10.201/24, another network"),
        ("10.0.0.9/32", "br-bare", "a prefix of 32 leaves no room for clients"),
        ("192.168.10.250/24", "br-rb", ""),
        ("10.0.0.9/24", "br-bare", ""),
        ("fd53::2/64", "br-rb", ""),
    ] {
        let (lines, error) = tree.install(&[address], bridge, true);
        assert_eq!(error, "");
        let notes: Vec<&String> = lines.iter().filter(|line| line.starts_with("--address ")).collect();
        assert_eq!(notes.len(), usize::from(!said.is_empty()), "{address} {bridge}: {notes:?}");
        assert!(said.is_empty() || notes[0].contains(said), "{said} in {notes:?}");
    }
}

#[test]
fn a_pair_that_is_defined_by_hand_is_not_defined_again() {
    let tree = Tree::new("by-hand");
    fs::write(tree.0.join("etc/network/interfaces"), format!("{MAIN}\niface veth-rb inet manual\n")).unwrap();
    let (_, error) = tree.install(&["192.168.10.250/24"], "br-rb", false);
    assert!(error.starts_with("/etc/network/interfaces: has an `iface veth-rb`"), "{error}");
    assert!(!tree.0.join("usr").exists());
}
