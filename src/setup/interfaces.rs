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
    /// `bridge-pvid`: the VLAN of untagged frames; the kernel has 1.
    pub pvid: Option<u16>,
    /// Its ports, each with the VLANs that it is in. Patterns (`glob`, `regex`) are no names and left out.
    pub ports: Vec<(String, Vec<RangeInclusive<u16>>)>,
    /// Every port is in `ports`.
    pub complete: bool,
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
    /// Whether it makes a bridge.
    fn is_bridge(&self) -> bool {
        self.options.iter().any(|(name, _)| matches!(name.as_str(), "bridge-ports" | "bridge_ports"))
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
        let words = self.option(name, "bridge-ports").unwrap_or_default();
        let complete = !words.split_whitespace().any(|word| matches!(word, "glob" | "regex"));
        let names = words.split_whitespace().filter(|word| complete && *word != "none");
        let ports = names.map(|port| (port.to_owned(), self.vlans(name, port))).collect();
        let yes = |value: &str| matches!(value, "yes" | "on" | "true" | "1");
        Some(Bridge {
            file: first.file.clone(),
            vlan_aware: self.option(name, "bridge-vlan-aware").is_some_and(yes),
            pvid: self.option(name, "bridge-pvid").and_then(|value| number::read(value, VLANS).ok()),
            ports,
            complete,
        })
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

    /// The value of an option of `name`, in whichever of its stanzas it stands first. Some write `_` for `-`.
    fn option(&self, name: &str, key: &str) -> Option<&str> {
        let own = self.stanzas.iter().filter(|stanza| stanza.name == name);
        let (_, value) = own.flat_map(|stanza| &stanza.options).find(|(option, _)| option.replace('_', "-") == key)?;
        Some(value)
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
