//! Whom to ask: the name servers that the drive, DHCP and router advertisements name become the forward-zone of everything,
//! in a file that is included behind the user's own and gives way to a forward-zone of everything there.

use runbound::host::Interface;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;

/// The name servers known, by who told them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Servers {
    settings: Vec<IpAddr>,
    /// By interface.
    leases: BTreeMap<String, Vec<IpAddr>>,
    /// By the interface's index.
    routers: BTreeMap<u32, Vec<IpAddr>>,
}

impl Servers {
    /// Those of the network settings.
    pub fn of(settings: &[IpAddr]) -> Self {
        Self { settings: settings.to_vec(), ..Self::default() }
    }

    /// Those of other settings.
    pub fn settings(&mut self, servers: &[IpAddr]) {
        self.settings = servers.to_vec();
    }

    /// Those that a lease brings; none when it ended. Whether that changed anything.
    pub fn lease(&mut self, interface: &str, servers: Vec<IpAddr>) -> bool {
        let before = self.leases.get(interface).cloned().unwrap_or_default();
        let changed = before != servers;
        self.leases.insert(interface.to_owned(), servers);
        changed
    }

    /// Those that the routers of an interface tell; none when their time is over.
    pub fn routers(&mut self, index: u32, servers: Vec<IpAddr>) {
        self.routers.insert(index, servers);
    }

    /// Those to ask: what the settings name goes before what DHCP tells, and that before what routers tell on interfaces
    /// whose `advertised` is true. Own addresses would make a loop.
    pub fn usable(&self, own: &[IpAddr], advertised: impl Fn(u32) -> bool) -> Vec<IpAddr> {
        // Somebody who set them on the drive meant them alone.
        let leases: Vec<IpAddr> = self.leases.values().flatten().copied().collect();
        let routers = self.routers.iter().filter(|(index, _)| advertised(**index));
        let routers: Vec<IpAddr> = routers.flat_map(|(_, servers)| servers).copied().collect();
        let sources = [self.settings.clone(), leases, routers].into_iter();
        sources.map(|servers| fit(servers, own)).find(|servers| !servers.is_empty()).unwrap_or_default()
    }
}

/// Those of a source that can be asked, each once.
fn fit(servers: Vec<IpAddr>, own: &[IpAddr]) -> Vec<IpAddr> {
    let mut usable = Vec::new();
    for server in servers {
        if own.contains(&server) || server.is_loopback() || server.is_unspecified() {
            log::warn!("name server {server} is this machine itself; it is left out");
        } else if matches!(server, IpAddr::V6(v6) if v6.is_unicast_link_local()) {
            // forward-addr: has no place for the interface that would have to be named with it.
            log::warn!("name server {server} is an address of one link alone; it is left out");
        } else if !usable.contains(&server) {
            usable.push(server);
        }
    }
    usable
}

/// Name servers for the log.
pub fn listed(servers: &[IpAddr]) -> String {
    let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
    if servers.is_empty() { "none".to_owned() } else { servers.join(" ") }
}

/// The addresses of this machine.
pub fn own_addresses(interfaces: &[Interface]) -> Vec<IpAddr> {
    interfaces.iter().flat_map(|interface| &interface.addresses).map(|address| address.ip).collect()
}

/// The file to include. Without a server names that are not local get SERVFAIL, which the log said.
pub fn include(servers: &[IpAddr]) -> String {
    let mut text = String::from("forward-zone:\n    name: \".\"\n    forward-default: yes\n");
    for server in servers {
        // Writing into a string does not fail.
        let _ = writeln!(text, "    forward-addr: {server}");
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn nobody_asks_himself() {
        let servers = Servers::of(&ips(&["192.0.2.53", "192.0.2.10", "127.0.0.1", "::1", "192.0.2.53", "0.0.0.0"]));
        assert_eq!(servers.usable(&ips(&["192.0.2.10"]), |_| true), ips(&["192.0.2.53"]));
    }

    #[test]
    fn leases_count_when_the_settings_name_none() {
        let mut servers = Servers::default();
        assert!(servers.lease("eth0", ips(&["192.0.2.1"])));
        assert!(!servers.lease("eth0", ips(&["192.0.2.1"])));
        assert_eq!(servers.usable(&[], |_| true), ips(&["192.0.2.1"]));
        assert!(servers.lease("eth0", vec![]));
        assert_eq!(servers.usable(&[], |_| true), vec![] as Vec<IpAddr>);
    }

    #[test]
    fn routers_count_when_nobody_else_names_one() {
        let mut servers = Servers::default();
        servers.routers(2, ips(&["fe80::1", "2001:db8::53"]));
        assert_eq!(servers.usable(&[], |index| index == 2), ips(&["2001:db8::53"]));
        assert_eq!(servers.usable(&[], |_| false), vec![] as Vec<IpAddr>, "the settings do not want them");
        servers.lease("eth0", ips(&["192.0.2.1"]));
        assert_eq!(servers.usable(&[], |_| true), ips(&["192.0.2.1"]));
        assert_eq!(servers.usable(&ips(&["192.0.2.1"]), |_| true), ips(&["2001:db8::53"]), "ourselves are no server");
        servers.lease("eth0", vec![]);
        servers.routers(2, vec![]);
        assert_eq!(servers.usable(&[], |_| true), vec![] as Vec<IpAddr>);
    }

    #[test]
    fn the_include_is_a_configuration() {
        assert!(include(&ips(&["192.0.2.1", "2001:db8::1"])).ends_with("192.0.2.1\n    forward-addr: 2001:db8::1\n"));
        let loaded = runbound::config::parse_bytes("forwarders.conf", include(&[]).as_bytes()).unwrap();
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    }
}
