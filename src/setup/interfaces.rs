//! What /etc/network/interfaces and the files it sources say, as far as an installation must know it: interfaces(5) of
//! ifupdown and of ifupdown2.

use super::sources::{Reader, Source};
use super::text;
use crate::config::site::VLANS;
use crate::host::InterfaceAddress;
use crate::number;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// Deepest `source` lines.
const MAX_DEPTH: u32 = 8;
/// What an interface of Open vSwitch is.
const OVS_TYPE: &str = "ovs-type";
const OVS_BRIDGE: &str = "OVSBridge";
const OVS_INTERNAL: &str = "OVSIntPort";
/// The VLAN of what comes in without a tag where nobody has set another.
pub(super) const KERNELS_VLAN: u16 = 1;
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
    /// The uplinks, each with the VLAN that frames without a tag are of there, if they are of one.
    pub natives: Vec<(String, Option<u16>)>,
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
    /// Who reads them on this host.
    reader: Reader,
    /// What `source` and `source-directory` name.
    sourced: Vec<Source>,
    /// Such lines that their reader passes over.
    passed_over: Vec<String>,
    /// Files that are there and could not be read, with the cause.
    unread: Vec<String>,
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

    /// Whether a route goes out by way of `ip`: `gateway`, or `via` in a command.
    fn has_route_by(&self, ip: IpAddr) -> bool {
        let is = |word: &str| word.parse::<IpAddr>() == Ok(ip);
        let via = |value: &str| value.split_whitespace().skip_while(|word| *word != "via").nth(1).is_some_and(is);
        self.options.iter().any(|(name, value)| via(value) || name == "gateway" && value.split_whitespace().any(is))
    }

    /// Its addresses with their prefixes, as far as they have one: behind the address, or as `netmask`.
    fn addresses(&self) -> impl Iterator<Item = InterfaceAddress> + '_ {
        let netmask = self.value("netmask");
        let length = |mask: &str| match mask.parse::<Ipv4Addr>() {
            Ok(mask) => Some(mask.to_bits().leading_ones() as u8),
            Err(_) => number::read(mask, 0..=128).ok(),
        };
        let address = move |value: &str| {
            let (ip, prefix) = value.split_once('/').or_else(|| Some((value, netmask?)))?;
            Some(InterfaceAddress { ip: ip.parse::<IpAddr>().ok()?, prefix: length(prefix)? })
        };
        self.options.iter().filter(|(name, _)| name == "address").filter_map(move |(_, value)| address(value))
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

    /// Whether frames without a tag are of the same VLAN at all uplinks.
    pub(super) fn natives_agree(&self) -> bool {
        self.natives.iter().all(|(_, native)| self.natives.first().is_some_and(|(_, first)| first == native))
    }
}

impl Interfaces {
    /// Reads the files below `root`. One that cannot be read says nothing.
    pub(super) fn read(root: &Path) -> Self {
        let mut found = Self { reader: Reader::of(root), ..Self::default() };
        found.read_file(root, Path::new(MAIN), 0);
        found
    }

    /// Files that are there and could not be read, a line each with the cause.
    pub(super) fn unread(&self) -> &[String] {
        &self.unread
    }

    /// Whether there is such a configuration at all.
    pub(super) fn is_there(&self) -> bool {
        !self.files.is_empty()
    }

    /// Whether `file` is read, or would be if it were there.
    pub(super) fn reads(&self, file: &Path) -> bool {
        self.files.iter().any(|read| read == file) || self.sourced.iter().any(|source| source.names(file))
    }

    /// A line to other files that the reader of this host does not take.
    pub(super) fn passed_over(&self) -> Option<&str> {
        self.passed_over.first().map(String::as_str)
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
        let natives = Vec::new();
        let mut bridge = Bridge { file: first.file.clone(), vlan_aware, pvid, ports, natives, complete, switch };
        let native = |port: &str| if bridge.switch.is_some() { self.tag(port) } else { self.pvid(name, port) };
        bridge.natives = bridge.uplinks().map(|(port, _)| (port.clone(), native(port))).collect();
        if bridge.switch.is_some() {
            bridge.pvid = bridge.natives.first().and_then(|(_, native)| *native).filter(|_| bridge.natives_agree());
        }
        Some(bridge)
    }

    /// The VLAN that ifupdown2 gives to what comes in without a tag at a port of a VLAN-aware bridge.
    fn pvid(&self, bridge: &str, port: &str) -> Option<u16> {
        let own = self.option(port, "bridge-access").or_else(|| self.option(port, "bridge-pvid"));
        own.or_else(|| self.option(bridge, "bridge-pvid")).map_or(Some(KERNELS_VLAN), |id| number::read(id, VLANS).ok())
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
    pub(super) fn tag(&self, port: &str) -> Option<u16> {
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

    /// The VLAN interfaces on `parent`, each with its VLAN: as `vlan-raw-device` and `vlan-id` say, else as the name does.
    pub(super) fn vlan_interfaces(&self, parent: &str) -> impl Iterator<Item = (&str, u16)> {
        self.stanzas.iter().filter_map(move |stanza| {
            let name = stanza.name.as_str();
            let (by_name, id) =
                name.rsplit_once('.').map_or((None, name.strip_prefix("vlan")), |(on, id)| (Some(on), Some(id)));
            let on = self.option(name, "vlan-raw-device").or(by_name)?;
            let id = self.option(name, "vlan-id").or(id).filter(|_| on == parent)?;
            Some((name, number::read(id.trim_start_matches('0'), VLANS).ok()?))
        })
    }

    /// The value of an option of `name`, in whichever of its stanzas it stands first.
    fn option(&self, name: &str, key: &str) -> Option<&str> {
        self.named(name).find_map(|stanza| stanza.value(key))
    }

    /// The stanzas of an interface.
    fn named(&self, name: &str) -> impl Iterator<Item = &Stanza> {
        self.stanzas.iter().filter(move |stanza| stanza.name == name)
    }

    /// The bridge that a stanza makes `port` a port of.
    pub(super) fn bridge_of(&self, port: &str) -> Option<&str> {
        let has = |value: &str| value.split_whitespace().any(|word| word == port);
        let makes = |stanza: &&Stanza| stanza.value("bridge-ports").is_some_and(has);
        self.stanzas.iter().find(makes).map(|stanza| stanza.name.as_str())
    }

    /// The stanza of another interface than `not` that has `ip`.
    pub(super) fn carrier(&self, ip: IpAddr, not: &str) -> Option<&Stanza> {
        self.stanzas.iter().find(|stanza| stanza.name != not && stanza.has_address(ip))
    }

    /// The networks of all stanzas, each with the name of its interface.
    pub(super) fn networks(&self) -> impl Iterator<Item = (String, InterfaceAddress)> + '_ {
        self.stanzas.iter().flat_map(|stanza| stanza.addresses().map(|address| (stanza.name.clone(), address)))
    }

    /// A stanza of an interface in another file than `not`.
    pub(super) fn stanza_elsewhere(&self, name: &str, not: &Path) -> Option<&Stanza> {
        self.named(name).find(|stanza| stanza.file != not)
    }

    /// The first stanza by which a route goes out by way of `ip`.
    pub(super) fn by_gateway(&self, ip: IpAddr) -> Option<&Stanza> {
        self.stanzas.iter().find(|stanza| stanza.has_route_by(ip))
    }

    fn read_file(&mut self, root: &Path, file: &Path, depth: u32) {
        let text = match text(&below(root, file)) {
            Ok(text) => text,
            Err(cause) if cause.kind() == ErrorKind::NotFound => return,
            Err(cause) => return self.unread.push(format!("{} cannot be read: {cause}", file.display())),
        };
        if depth > MAX_DEPTH || self.files.iter().any(|read| read == file) {
            return;
        }
        self.files.push(file.to_owned());
        let mut current = None;
        // A line may end in \r\n, and go on behind it.
        for line in text.replace("\r\n", "\n").replace("\\\n", " ").lines() {
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
                    self.source(root, file, (word, rest), depth);
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

    fn source(&mut self, root: &Path, file: &Path, line: (&str, &str), depth: u32) {
        let (sources, passed_over) = self.reader.sources(file, line.1, line.0 == "source-directory");
        if passed_over {
            self.passed_over.push(format!("{} {}", line.0, line.1));
        }
        // A link to /dev/null is a file that is switched off.
        let is_device = |path: &Path| path.metadata().is_ok_and(|found| found.file_type().is_char_device());
        for source in sources {
            for found in source.files(root) {
                let path = below(root, &found);
                if !path.is_dir() && !is_device(&path) {
                    self.read_file(root, &found, depth + 1);
                }
            }
            self.sourced.push(source);
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
#[path = "interfaces_tests.rs"]
mod tests;
