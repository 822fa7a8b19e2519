//! What /etc/network/interfaces and the files it sources say, as far as an installation must know it: interfaces(5) of
//! ifupdown and of ifupdown2.

use std::fs;
use std::net::IpAddr;
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

    /// Whether a stanza makes the bridge `name`.
    pub(super) fn has_bridge(&self, name: &str) -> bool {
        self.stanzas.iter().any(|stanza| stanza.name == name && stanza.is_bridge())
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
        assert!(found.is_there() && found.has_bridge("vmbr0") && found.has_bridge("br-rb"));
        assert!(!found.has_bridge("lo") && !found.has_bridge("bond0.10"));
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
