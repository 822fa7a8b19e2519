//! What /etc/network/interfaces and the files it sources say, as far as an installation must know it: interfaces(5) of
//! ifupdown and of ifupdown2.

use crate::config::site::VLANS;
use crate::number;
use std::fs;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// Deepest `source` lines.
const MAX_DEPTH: u32 = 8;
/// What an interface of Open vSwitch is.
const OVS_TYPE: &str = "ovs-type";
const OVS_BRIDGE: &str = "OVSBridge";
const OVS_INTERNAL: &str = "OVSIntPort";
/// The first file.
const MAIN: &str = "/etc/network/interfaces";

/// One `iface` stanza.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stanza {
    /// Name of the interface.
    pub name: String,
    /// The file it stands in, as seen inside the tree.
    pub file: PathBuf,
    /// Option and value of each line.
    options: Vec<(String, String)>,
}

/// What the stanzas say of a bridge.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bridge {
    /// The file its first stanza stands in, as seen inside the tree.
    pub file: PathBuf,
    /// `bridge-vlan-aware yes`.
    pub vlan_aware: bool,
    /// The VLAN of untagged frames: `bridge-pvid`, where the kernel has 1; of an Open vSwitch the `tag` of all its uplinks.
    pub pvid: Option<u16>,
    /// Its ports, each with the VLANs that it is in. Patterns (`glob`, `regex`) are no names and left out.
    pub ports: Vec<(String, Vec<RangeInclusive<u16>>)>,
    /// Every port is in `ports`.
    pub complete: bool,
    /// It is an Open vSwitch, and these are its internal ports: interfaces of the host, each with its VLAN if it has one.
    pub switch: Option<Vec<(String, Option<u16>)>>,
}

/// All stanzas.
#[derive(Debug, Default)]
pub(super) struct Interfaces {
    stanzas: Vec<Stanza>,
    /// The files that were read, as seen inside the tree.
    files: Vec<PathBuf>,
    /// `source` patterns and folders that were followed.
    sourced: Vec<String>,
}

impl Stanza {
    /// Whether it makes a bridge, of the kernel or of Open vSwitch.
    fn is_bridge(&self) -> bool {
        self.value("bridge-ports").is_some() || self.value(OVS_TYPE) == Some(OVS_BRIDGE)
    }

    /// The value of an option. Some write `_` for `-`.
    fn value(&self, key: &str) -> Option<&str> {
        self.options.iter().find(|(name, _)| name.replace('_', "-") == key).map(|(_, value)| value.as_str())
    }

    /// Whether the default route goes out there.
    pub(super) fn has_gateway(&self) -> bool {
        self.options.iter().any(|(name, _)| name == "gateway")
    }

    fn has_address(&self, ip: IpAddr) -> bool {
        let of = |value: &str| value.split('/').next().and_then(|text| text.parse::<IpAddr>().ok());
        self.options.iter().any(|(name, value)| name == "address" && of(value) == Some(ip))
    }
}

impl Bridge {
    /// Its ports that may lead to the network: not those that Open vSwitch makes for the host.
    pub(super) fn uplinks(&self) -> impl Iterator<Item = &(String, Vec<RangeInclusive<u16>>)> {
        let internal = self.switch.as_deref().unwrap_or_default();
        self.ports.iter().filter(|(port, _)| internal.iter().all(|(name, _)| name != port))
    }
}

impl Interfaces {
    /// Reads the files below `root`. One that cannot be read says nothing.
    pub(super) fn read(root: &Path) -> Self {
        let mut found = Self::default();
        found.read_file(root, Path::new(MAIN), 0);
        found
    }

    /// Whether there is such a configuration at all.
    pub(super) fn is_there(&self) -> bool {
        !self.files.is_empty()
    }

    /// Whether `file` is read, or would be if it were there.
    pub(super) fn reads(&self, file: &Path) -> bool {
        let covers = |pattern: &String| {
            Path::new(pattern) == file.parent().unwrap_or(file)
                || glob::Pattern::new(pattern).is_ok_and(|pattern| pattern.matches_path(file))
        };
        self.files.iter().any(|read| read == file) || self.sourced.iter().any(covers)
    }

    /// The bridge `name`, if a stanza makes it.
    pub(super) fn bridge(&self, name: &str) -> Option<Bridge> {
        let first = self.stanzas.iter().find(|stanza| stanza.name == name && stanza.is_bridge())?;
        let switch = self.option(name, OVS_TYPE).map(|_| self.internal_ports(name));
        let key = if switch.is_some() { "ovs-ports" } else { "bridge-ports" };
        // ifupdown2 takes the ports of all stanzas together, as the SDN of Proxmox wants it.
        let values = self.named(name).filter_map(|stanza| stanza.value(key));
        let mut words: Vec<&str> = Vec::new();
        for word in values.flat_map(str::split_whitespace) {
            if !words.contains(&word) {
                words.push(word);
            }
        }
        let complete = !words.iter().any(|word| matches!(*word, "glob" | "regex"));
        let names = words.into_iter().filter(|word| complete && *word != "none");
        let of = |port: &str| if switch.is_some() { self.switched(port) } else { self.vlans(name, port) };
        let ports = names.map(|port| (port.to_owned(), of(port))).collect();
        let yes = |value: &str| matches!(value, "yes" | "on" | "true" | "1");
        let pvid = self.option(name, "bridge-pvid").and_then(|value| number::read(value, VLANS).ok());
        let vlan_aware = switch.is_some() || self.option(name, "bridge-vlan-aware").is_some_and(yes);
        let mut bridge = Bridge { file: first.file.clone(), vlan_aware, pvid, ports, complete, switch };
        if bridge.switch.is_some() {
            bridge.pvid = self.native(&bridge);
        }
        Some(bridge)
    }

    /// The VLAN that untagged frames are in at all uplinks of an Open vSwitch, if it is one.
    fn native(&self, switch: &Bridge) -> Option<u16> {
        let mut tags = switch.uplinks().map(|(port, _)| self.tag(port));
        let first = tags.next().flatten()?;
        tags.all(|tag| tag == Some(first)).then_some(first)
    }

    /// The Open vSwitch that `name` is an internal port of, and its VLAN there.
    pub(super) fn switch_of(&self, name: &str) -> Option<(&str, Option<u16>)> {
        let internal = self.option(name, OVS_TYPE) == Some(OVS_INTERNAL);
        Some((self.option(name, "ovs-bridge").filter(|_| internal)?, self.tag(name)))
    }

    fn internal_ports(&self, bridge: &str) -> Vec<(String, Option<u16>)> {
        let of = |stanza: &Stanza| {
            Some((stanza.name.clone(), self.switch_of(&stanza.name).filter(|(of, _)| *of == bridge)?.1))
        };
        let mut found: Vec<_> = self.stanzas.iter().filter_map(of).collect();
        found.dedup();
        found
    }

    /// The VLAN of untagged frames at a port of an Open vSwitch, if it is one: with `vlan_mode=trunk` there is none.
    fn tag(&self, port: &str) -> Option<u16> {
        let tag = self.ovs_option(port, "tag=").and_then(|tag| number::read(tag, VLANS).ok());
        tag.filter(|_| self.ovs_option(port, "vlan_mode=") != Some("trunk"))
    }

    /// What stands behind `key` in a port's `ovs_options`, without the brackets of a set.
    fn ovs_option(&self, port: &str, key: &str) -> Option<&str> {
        let mut words = self.option(port, "ovs-options")?.split_whitespace();
        words.find_map(|word| word.strip_prefix(key)).map(|value| value.trim_matches(['[', ']']))
    }

    /// The VLANs of a port of an Open vSwitch (ovs-vswitchd.conf.db(5), Port: VLAN Configuration): its tag alone, unless that
    /// is the native VLAN of a trunk; else its trunks, and all when it names none.
    fn switched(&self, port: &str) -> Vec<RangeInclusive<u16>> {
        let native = matches!(self.ovs_option(port, "vlan_mode="), Some("native-tagged" | "native-untagged"));
        let trunks = self.ovs_option(port, "trunks=").map(ranges).filter(|trunks| !trunks.is_empty());
        match (self.tag(port), trunks) {
            (Some(tag), Some(trunks)) if native => std::iter::once(tag..=tag).chain(trunks).collect(),
            (Some(tag), _) if !native => vec![tag..=tag],
            (_, trunks) => trunks.unwrap_or_else(|| vec![VLANS]),
        }
    }

    /// The VLANs that ifupdown2 gives to a port of a VLAN-aware bridge: its own, else those of the bridge.
    fn vlans(&self, bridge: &str, port: &str) -> Vec<RangeInclusive<u16>> {
        if let Some(access) = self.option(port, "bridge-access") {
            return ranges(access);
        }
        let own_or_bridges = |key: &str| self.option(port, key).or_else(|| self.option(bridge, key));
        let mut found = ranges(own_or_bridges("bridge-vids").unwrap_or_default());
        found.extend(ranges(own_or_bridges("bridge-pvid").unwrap_or("1")));
        found
    }

    /// The value of an option of `name`, in whichever of its stanzas it stands first.
    fn option(&self, name: &str, key: &str) -> Option<&str> {
        self.named(name).find_map(|stanza| stanza.value(key))
    }

    /// The stanzas of an interface.
    fn named(&self, name: &str) -> impl Iterator<Item = &Stanza> {
        self.stanzas.iter().filter(move |stanza| stanza.name == name)
    }

    /// The stanza of another interface than `not` that has `ip`.
    pub(super) fn carrier(&self, ip: IpAddr, not: &str) -> Option<&Stanza> {
        self.stanzas.iter().find(|stanza| stanza.name != not && stanza.has_address(ip))
    }

    fn read_file(&mut self, root: &Path, file: &Path, depth: u32) {
        let Ok(text) = fs::read_to_string(below(root, file)) else { return };
        if depth > MAX_DEPTH || self.files.iter().any(|read| read == file) {
            return;
        }
        self.files.push(file.to_owned());
        let mut current = None;
        for line in text.replace("\\\n", " ").lines() {
            let line = line.trim();
            let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let rest = rest.trim();
            match word {
                "" => {}
                _ if word.starts_with('#') => {}
                "iface" => {
                    let name = rest.split_whitespace().next().unwrap_or("").to_owned();
                    self.stanzas.push(Stanza { name, file: file.to_owned(), options: Vec::new() });
                    current = Some(self.stanzas.len() - 1);
                }
                "source" | "source-directory" => {
                    current = None;
                    self.source(root, file, rest, word == "source-directory", depth);
                }
                "auto" | "mapping" | "no-auto-down" | "no-scripts" | "rename" => current = None,
                _ if word.starts_with("allow-") => current = None,
                _ => {
                    if let Some(stanza) = current.and_then(|at| self.stanzas.get_mut(at)) {
                        stanza.options.push((word.to_owned(), rest.to_owned()));
                    }
                }
            }
        }
    }

    /// Patterns are relative to the folder of the file that has the line.
    fn source(&mut self, root: &Path, file: &Path, pattern: &str, folder: bool, depth: u32) {
        let pattern = file.parent().unwrap_or(file).join(pattern).to_string_lossy().into_owned();
        let all = if folder { format!("{}/*", pattern.trim_end_matches('/')) } else { pattern.clone() };
        self.sourced.push(if folder { pattern.trim_end_matches('/').to_owned() } else { pattern });
        let full = below(root, Path::new(&all)).to_string_lossy().into_owned();
        for path in glob::glob(&full).into_iter().flatten().flatten().filter(|path| path.is_file()) {
            let inside = path.strip_prefix(root).unwrap_or(&path);
            self.read_file(root, &Path::new("/").join(inside), depth + 1);
        }
    }
}

/// `2-4094`, `10 20,30-40`. What is no VLAN is passed over, as ifupdown2 does with a warning.
fn ranges(text: &str) -> Vec<RangeInclusive<u16>> {
    let words = text.split(|letter: char| letter.is_whitespace() || letter == ',').filter(|word| !word.is_empty());
    let range = |word: &str| {
        let (low, high) = word.split_once('-').unwrap_or((word, word));
        Some(number::read(low, VLANS).ok()?..=number::read(high, VLANS).ok()?)
    };
    words.filter_map(range).collect()
}

fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn tree(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let root = std::env::temp_dir().join(format!("runbound-interfaces-{}-{name}", std::process::id()));
        for (file, text) in files {
            let path = below(&root, Path::new(file));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn a_proxmox_hosts_file_is_read() {
        let main = "# comment\nauto lo\niface lo inet loopback\n\niface enp33s0f0 inet manual\n\nauto vmbr0\niface vmbr0 \
                    inet static\n\taddress 192.168.10.201/24\n\tgateway 192.168.10.1\n\tbridge-ports none\n\
                    \tbridge-stp off\n\nauto br-rb\niface br-rb inet manual\n\tbridge_ports \\\n bond0.10\n\n\
                    source /etc/network/interfaces.d/*\n";
        let other = "iface veth-x inet static\n address 10.0.0.9\n netmask 255.255.255.0\nsource ../interfaces\n";
        let root = tree("proxmox", &[(MAIN, main), ("/etc/network/interfaces.d/x", other)]);
        let found = Interfaces::read(&root);
        assert!(found.is_there() && found.bridge("lo").is_none() && found.bridge("bond0.10").is_none());
        let names =
            |name: &str| found.bridge(name).unwrap().ports.into_iter().map(|(port, _)| port).collect::<Vec<_>>();
        assert_eq!((names("vmbr0"), names("br-rb")), (vec![], vec!["bond0.10".to_owned()]));
        assert!(!found.bridge("vmbr0").unwrap().vlan_aware);
        let host = found.carrier("192.168.10.201".parse().unwrap(), "veth-rb").unwrap();
        assert!(host.name == "vmbr0" && host.has_gateway() && host.file == Path::new(MAIN));
        let other = found.carrier("10.0.0.9".parse().unwrap(), "veth-rb").unwrap();
        assert!(other.name == "veth-x" && !other.has_gateway());
        assert!(found.carrier("10.0.0.9".parse().unwrap(), "veth-x").is_none());
        assert!(found.reads(Path::new("/etc/network/interfaces.d/runbound")));
        assert!(!found.reads(Path::new("/etc/network/other")));
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn the_vlans_of_a_bridges_ports_are_read() {
        let main = "iface eno2 inet manual\n bridge-access 30\n\niface eno3 inet manual\n bridge-vids 5 7,9-11 x\n\
                    iface vmbr0 inet static\n address 10.0.0.2/24\n bridge-ports eno1 eno2 eno3\n bridge-vlan-aware yes\n \
                    bridge-vids 2-4094\niface vmbr0 inet6 manual\n bridge_pvid 4\n\n\
                    iface vmbr1 inet manual\n bridge_ports regex eth.*\n bridge-vlan-aware no\n";
        let root = tree("vlans", &[(MAIN, main)]);
        let found = Interfaces::read(&root);
        let bridge = found.bridge("vmbr0").unwrap();
        assert!(bridge.vlan_aware && bridge.complete && bridge.pvid == Some(4) && bridge.file == Path::new(MAIN));
        let of = |name: &str, ranges: &[RangeInclusive<u16>]| (name.to_owned(), ranges.to_vec());
        let own = of("eno3", &[5..=5, 7..=7, 9..=11, 4..=4]);
        assert_eq!(bridge.ports, [of("eno1", &[2..=4094, 4..=4]), of("eno2", &[30..=30]), own]);
        let other = found.bridge("vmbr1").unwrap();
        assert!(!other.vlan_aware && !other.complete && other.ports.is_empty() && other.pvid.is_none());
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn an_open_vswitch_is_read_with_what_the_sdn_adds() {
        let main = "auto vmbr0\niface vmbr0 inet static\n\taddress 10.0.0.2/24\n\tovs_type OVSBridge\n\tovs_ports bond0 vlan10 eno3\n\
                    auto vlan10\niface vlan10 inet static\n\taddress 10.0.10.2/24\n\tovs_type OVSIntPort\n\tovs_bridge vmbr0\n\
                    \tovs_options tag=10\nallow-vmbr0 bond0\niface bond0 inet manual\n\tovs_type OVSBond\n\tovs_bridge vmbr0\n\
                    \tovs_bonds eno1 eno2\n\tovs_options bond_mode=balance-slb vlan_mode=native-untagged\n\
                    iface eno3 inet manual\n\tovs_type OVSPort\n\tovs_bridge vmbr0\n\tovs_options tag=30 vlan_mode=native-untagged trunks=7,9\n\
                    source /etc/network/interfaces.d/*\n";
        let sdn = "auto vmbr0\niface vmbr0\n\tovs_ports ln_vnet1\n\nauto ln_vnet1\niface ln_vnet1\n\tovs_type OVSIntPort\n\
                   \tovs_bridge vmbr0\n\tovs_options tag=20\n\nauto vnet1\niface vnet1\n\tbridge_ports ln_vnet1\n";
        let root = tree("switch", &[(MAIN, main), ("/etc/network/interfaces.d/sdn", sdn)]);
        let found = Interfaces::read(&root);
        let bridge = found.bridge("vmbr0").unwrap();
        assert!(bridge.vlan_aware && bridge.complete && bridge.pvid.is_none());
        let own = [("vlan10".to_owned(), Some(10)), ("ln_vnet1".to_owned(), Some(20))];
        assert_eq!(bridge.switch.as_deref(), Some(&own[..]));
        let of = |name: &str, ranges: &[RangeInclusive<u16>]| (name.to_owned(), ranges.to_vec());
        let eno3 = of("eno3", &[30..=30, 7..=7, 9..=9]);
        assert_eq!(bridge.ports, [of("bond0", &[VLANS]), of("vlan10", &[10..=10]), eno3, of("ln_vnet1", &[20..=20])]);
        assert_eq!((found.switch_of("vlan10"), found.switch_of("bond0")), (Some(("vmbr0", Some(10))), None));
        let vnet = found.bridge("vnet1").unwrap();
        assert!(vnet.switch.is_none() && vnet.ports.len() == 1 && found.bridge("vlan10").is_none());
        let uplinks: Vec<&str> = bridge.uplinks().map(|(port, _)| port.as_str()).collect();
        assert_eq!(uplinks, ["bond0", "eno3"]);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_native_tag_is_of_a_trunk_and_the_vlan_of_untagged_frames() {
        let root = tree("native", &[]);
        for (options, ranges, pvid) in [
            ("", vec![VLANS], None),
            ("tag=7", vec![7..=7], Some(7)),
            ("tag=7 trunks=8,9", vec![7..=7], Some(7)),
            ("vlan_mode=access tag=7", vec![7..=7], Some(7)),
            ("tag=1 vlan_mode=native-untagged", vec![VLANS], Some(1)),
            ("vlan_mode=native-tagged tag=1", vec![VLANS], Some(1)),
            ("tag=1 vlan_mode=native-untagged trunks=[10,20]", vec![1..=1, 10..=10, 20..=20], Some(1)),
            ("vlan_mode=native-untagged", vec![VLANS], None),
            ("trunks=10,20", vec![10..=10, 20..=20], None),
            ("tag=7 vlan_mode=trunk", vec![VLANS], None),
        ] {
            let main = format!(
                "iface vmbr1 inet manual\n ovs_type OVSBridge\n ovs_ports eno1 vlan30\niface eno1 inet manual\n ovs_type OVSPort\n \
                 ovs_bridge vmbr1\n ovs_options {options}\niface vlan30 inet manual\n ovs_type OVSIntPort\n ovs_bridge vmbr1\n \
                 ovs_options tag=30\n"
            );
            let root = tree("native", &[(MAIN, &main)]);
            let bridge = Interfaces::read(&root).bridge("vmbr1").unwrap();
            let eno1 = ("eno1".to_owned(), ranges);
            assert_eq!((bridge.uplinks().collect::<Vec<_>>(), bridge.pvid), (vec![&eno1], pvid), "{options}");
        }
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn folders_are_sourced_and_nothing_is_nothing() {
        let root = tree("folder", &[(MAIN, "source-directory interfaces.d/\n")]);
        assert!(Interfaces::read(&root).reads(Path::new("/etc/network/interfaces.d/runbound")));
        fs::write(below(&root, Path::new(MAIN)), "auto lo\nsource /etc/network/interfaces.d/*.cfg\n").unwrap();
        assert!(!Interfaces::read(&root).reads(Path::new("/etc/network/interfaces.d/runbound")));
        fs::remove_file(below(&root, Path::new(MAIN))).unwrap();
        assert!(!Interfaces::read(&root).is_there());
        fs::remove_dir_all(root).unwrap();
    }
}
