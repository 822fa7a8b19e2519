//! Who may be asked for the time: by the cloud-init drive, the file on the data partition, DHCP.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// Most servers taken of one source.
const MOST: usize = 16;
/// The file's name.
pub const FILE: &str = "ntp.conf";
/// Words of the file that name one; what stands behind it is of other programs.
const WORDS: [&str; 3] = ["server", "pool", "peer"];

/// What is known beside the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeServers {
    drive: Vec<String>,
    /// The drive says that nobody is to be asked.
    off: bool,
    /// By the name of the lease.
    leases: BTreeMap<String, Vec<String>>,
}

/// Whom to ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Names and addresses, without addresses that are none of a server.
    pub servers: Vec<String>,
    /// Who named them.
    pub source: &'static str,
    /// What is left out, each with who said it.
    pub notes: Vec<String>,
}

impl TimeServers {
    /// What the drive says: whether anybody is to be asked, and whom.
    pub fn drive(&mut self, enabled: bool, servers: &[String]) {
        (self.off, self.drive) = (!enabled, servers.to_vec());
    }

    /// Those that a lease brings; none when it ended.
    pub fn lease(&mut self, source: &str, servers: Vec<String>) {
        if servers.is_empty() {
            self.leases.remove(source);
        } else {
            self.leases.insert(source.to_owned(), servers);
        }
    }

    /// The first source that names a server counts: the drive, the file, leases.
    pub fn told(&self, file: &str) -> Told {
        let (in_file, mut notes) = read(file);
        let leases = self.leases.values().flatten().cloned().collect();
        let mut sources = [("the cloud-init drive", self.drive.clone()), (FILE, in_file), ("DHCP", leases)];
        for (source, servers) in &mut sources {
            servers.retain(|server| {
                let fault = fault(server);
                notes.extend(fault.map(|fault| format!("{source}: {server} is {fault}; it is left out")));
                fault.is_none()
            });
        }
        notes.truncate(MOST);
        let first = sources.into_iter().find(|(_, servers)| !servers.is_empty()).unwrap_or_default();
        let (source, mut servers) = if self.off { (OFF, Vec::new()) } else { first };
        let mut known = Vec::new();
        servers.retain(|server| {
            !known.contains(server) && known.len() < MOST && {
                known.push(server.clone());
                true
            }
        });
        Told { servers, source, notes }
    }
}

const OFF: &str = "off";

impl Told {
    /// Why nobody is asked.
    pub fn nobody(&self) -> &'static str {
        if self.source == OFF {
            "the cloud-init drive says ntp: enabled: false"
        } else {
            "no time server is known; name one by ntp: on the drive, by DHCP, or in /data/ntp.conf"
        }
    }
}

/// What an address is that no server can be asked at; `None` for any other, and for a name.
fn fault(server: &str) -> Option<&'static str> {
    let (address, is_broadcast) = match server.parse::<IpAddr>().ok()? {
        IpAddr::V4(address) => (IpAddr::V4(address), address.is_broadcast()),
        address => (address, false),
    };
    match address {
        _ if address.is_unspecified() => Some("no address"),
        _ if address.is_multicast() => Some("a multicast address, and one server is asked at a time"),
        _ if is_broadcast => Some("the broadcast address, and one server is asked at a time"),
        IpAddr::V6(address) if address.is_unicast_link_local() => Some("an address of an unnamed link alone"),
        _ => None,
    }
}

/// The servers of a file of lines `server NAME` and `pool NAME`, and what is wrong with others.
fn read(text: &str) -> (Vec<String>, Vec<String>) {
    let (mut servers, mut notes) = (Vec::new(), Vec::new());
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (None, _) => {}
            (Some(word), Some(server)) if WORDS.contains(&word) => servers.push(server.to_owned()),
            (Some(word), _) => {
                let word: String = word.chars().take(40).collect();
                notes.push(format!("{FILE}: line {}: {word:?}: a line is server NAME or pool NAME", number + 1));
            }
        }
    }
    notes.truncate(MOST);
    (servers, notes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_first_source_that_names_one_counts() {
        let mut known = TimeServers::default();
        let file =
            "# ours\nserver 192.0.2.1 iburst # near\npool pool.example\n\nserver 192.0.2.1\ndriftfile /x\nserver\n";
        assert!(known.told("").nobody().starts_with("no time server is known"));
        known.lease("eth0", vec!["192.0.2.9".to_owned()]);
        assert_eq!((known.told("").servers, known.told("").source), (vec!["192.0.2.9".to_owned()], "DHCP"));
        let told = known.told(file);
        assert_eq!((told.servers, told.source), (vec!["192.0.2.1".to_owned(), "pool.example".into()], "ntp.conf"));
        assert_eq!(told.notes.len(), 2, "{:?}", told.notes);
        known.drive(true, &["ntp.example".to_owned()]);
        assert_eq!(known.told(file).servers, ["ntp.example"]);
        known.drive(false, &["ntp.example".to_owned()]);
        assert_eq!(known.told(file).servers, [""; 0]);
        assert!(known.told(file).nobody().contains("enabled: false"));
        known.drive(true, &[]);
        known.lease("eth0", vec![]);
        assert_eq!(known.told("").servers, [""; 0]);
        let useless = ["0.0.0.0", "ff02::101", "224.0.1.1", "255.255.255.255", "fe80::1"];
        known.lease("eth0", useless.map(str::to_owned).into());
        let told = known.told("");
        assert_eq!((told.servers.len(), told.notes.len()), (0, 5), "{:?}", told.notes);
        assert_eq!(told.notes[0], "DHCP: 0.0.0.0 is no address; it is left out");
        known.lease("eth0 DHCPv6", ["::", "ntp.example", "fd53::1"].map(str::to_owned).into());
        assert_eq!(known.told("").servers, ["ntp.example", "fd53::1"]);
        assert_eq!(known.told("server ::\n").source, "DHCP", "a file that names none is passed over");
        let many: Vec<String> = (0..100).map(|number| format!("n{number}.example")).collect();
        known.drive(true, &many);
        assert_eq!(known.told("").servers.len(), MOST);
    }
}
