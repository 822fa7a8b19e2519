//! The default configuration: whom it forwards to is taken from this host's resolv.conf.

use crate::config::ScopedAddress;
use std::net::{IpAddr, Ipv4Addr};

const TEMPLATE: &str = include_str!("unbound.conf");

/// Where systemd-resolved listens: its stub, and its stub without local names.
const RESOLVED: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::new(127, 0, 0, 53)), IpAddr::V4(Ipv4Addr::new(127, 0, 0, 54))];

/// What to make of a `nameserver` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Another host.
    Usable,
    /// Another server on this host's loopback: works with `do-not-query-localhost: no`.
    Local,
    /// Where the default configuration itself listens.
    Ourselves,
    /// An address of this host. Whether runbound is going to serve it is not known yet.
    ThisHost,
    /// Nothing that forward-addr: can use, such as a link-local address without its interface.
    Unreadable,
}

/// The servers found, in their order, each once.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    servers: Vec<(String, Verdict)>,
    /// They are those that systemd-resolved asks.
    uplinks: bool,
}

impl Found {
    /// Those that the configuration forwards to.
    pub(super) fn usable(&self) -> impl Iterator<Item = &str> {
        let used = |verdict: &Verdict| matches!(verdict, Verdict::Usable | Verdict::Local);
        self.servers.iter().filter(move |(_, verdict)| used(verdict)).map(|(address, _)| address.as_str())
    }

    fn asks_localhost(&self) -> bool {
        self.servers.iter().any(|(_, verdict)| *verdict == Verdict::Local)
    }
}

/// Looks for servers in a resolv.conf(5). `uplinks` is the file in which systemd-resolved lists the servers that it asks
/// itself, empty without it: they are better than its stub, which may come to ask runbound and so make a loop.
pub(super) fn find(resolv_conf: &str, uplinks: &str, own: &[IpAddr]) -> Found {
    let mut found = Found { servers: Vec::new(), uplinks: false };
    for address in nameservers(resolv_conf) {
        let stub = address.parse::<IpAddr>().is_ok_and(|address| RESOLVED.contains(&address));
        if stub && nameservers(uplinks).next().is_some() {
            found.uplinks = true;
            nameservers(uplinks).for_each(|address| take(&mut found, address, own));
        } else {
            take(&mut found, address, own);
        }
    }
    found
}

fn nameservers(resolv_conf: &str) -> impl Iterator<Item = &str> {
    resolv_conf.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        (words.next()? == "nameserver").then(|| words.next()).flatten()
    })
}

fn take(found: &mut Found, address: &str, own: &[IpAddr]) {
    if found.servers.iter().all(|(known, _)| known != address) {
        found.servers.push((address.to_owned(), judge(address, own)));
    }
}

fn judge(address: &str, own: &[IpAddr]) -> Verdict {
    let readable = ScopedAddress::parse(address).filter(|read| !read.is_link_local() || !read.zone.is_empty());
    let Some(address) = readable.map(|read| read.ip) else { return Verdict::Unreadable };
    let localhost = address == IpAddr::V4(Ipv4Addr::LOCALHOST) || address.is_ipv6() && address.is_loopback();
    if localhost || address.is_unspecified() {
        Verdict::Ourselves
    } else if address.is_loopback() {
        Verdict::Local
    } else if own.contains(&address) {
        Verdict::ThisHost
    } else {
        Verdict::Usable
    }
}

/// What stands where there is no address to serve yet.
const NO_ADDRESS: &str = "    # interface: 192.168.10.250\n    # access-control: 192.168.10.0/24 allow\n";

/// The configuration file with these forwarders, and with the directives that have addresses served.
pub(super) fn configuration(found: &Found, serve: &str) -> String {
    let localhost = if found.asks_localhost() { "    do-not-query-localhost: no\n" } else { "" };
    let text = TEMPLATE.replace("@SERVE@\n", if serve.is_empty() { NO_ADDRESS } else { serve });
    text.replace("@LOCALHOST@\n", localhost).replace("@FORWARDERS@\n", &forwarders(found))
}

/// The forward-zone, or how there would be one.
fn forwarders(found: &Found) -> String {
    if found.usable().next().is_none() {
        let left_out: String = found.servers.iter().map(|(address, verdict)| line(address, *verdict)).collect();
        return format!(
            "# resolv.conf names no other server to forward to: names are resolved from the root on. To forward:\n\
             # forward-zone:\n#     name: \".\"\n#     forward-addr: 192.0.2.53\n{left_out}"
        );
    }
    let mut lines = String::from("forward-zone:\n    name: \".\"\n");
    if found.uplinks {
        lines += "    # The servers that systemd-resolved asked when this file was made, not its stub 127.0.0.53.\n";
    }
    lines.extend(found.servers.iter().map(|(address, verdict)| format!("    {}", line(address, *verdict))));
    lines
}

/// What is said of a server of resolv.conf.
fn line(address: &str, verdict: Verdict) -> String {
    match verdict {
        Verdict::Usable => format!("forward-addr: {address}\n"),
        Verdict::Local => format!("forward-addr: {address}   # on this host; it must never ask runbound itself\n"),
        Verdict::Ourselves => format!("# {address} of resolv.conf is left out: runbound itself listens there.\n"),
        Verdict::ThisHost => {
            format!(
                "# forward-addr: {address}   # of resolv.conf, on this host: right only if another server answers there\n"
            )
        }
        Verdict::Unreadable => {
            format!("# {} of resolv.conf is left out: no address that can be asked.\n", address.escape_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(resolv_conf: &str, uplinks: &str) -> Vec<(String, Verdict)> {
        find(resolv_conf, uplinks, &["192.168.10.201".parse().unwrap()]).servers
    }

    #[test]
    fn every_kind_of_server_is_told_apart() {
        let text = "# nameserver 192.0.2.9\nsearch lan\nnameserver 192.0.2.1 \nnameserver\nnameserver 127.0.0.1\n\
                    nameserver ::1\nnameserver 0.0.0.0\nnameserver 127.0.1.1\nnameserver fe80::1%eth0\nnameserver fe80::1\n\
                    nameserver 192.168.10.201\nnameserver 2001:db8::1\nnameserver 192.0.2.1\n";
        let all = [
            ("192.0.2.1", Verdict::Usable),
            ("127.0.0.1", Verdict::Ourselves),
            ("::1", Verdict::Ourselves),
            ("0.0.0.0", Verdict::Ourselves),
            ("127.0.1.1", Verdict::Local),
            ("fe80::1%eth0", Verdict::Usable),
            ("fe80::1", Verdict::Unreadable),
            ("192.168.10.201", Verdict::ThisHost),
            ("2001:db8::1", Verdict::Usable),
        ];
        assert_eq!(verdicts(text, ""), all.map(|(address, verdict)| (address.to_owned(), verdict)));
    }

    #[test]
    fn the_stub_of_systemd_resolved_gives_way_to_its_uplinks() {
        let stub = "nameserver 127.0.0.53\noptions edns0\n";
        let found = find(stub, "nameserver 192.0.2.7\nnameserver 127.0.0.1\n", &[]);
        assert_eq!(found.usable().collect::<Vec<_>>(), ["192.0.2.7"]);
        let text = configuration(&found, "");
        assert!(text.contains("\n    forward-addr: 192.0.2.7\n") && text.contains("systemd-resolved asked"), "{text}");
        assert!(!text.contains("\n    do-not-query-localhost"), "{text}");

        let text = configuration(&find(stub, "", &[]), "");
        assert!(text.contains("\n    forward-addr: 127.0.0.53"), "{text}");
        assert!(text.contains("\n    do-not-query-localhost: no\n"), "{text}");
    }

    #[test]
    fn without_a_server_the_file_says_what_is_missing() {
        for text in ["", "nameserver 127.0.0.1\n", "nameserver 192.168.10.201\n"] {
            let found = find(text, "", &["192.168.10.201".parse().unwrap()]);
            assert_eq!(found.usable().next(), None);
            let text = configuration(&found, "");
            assert!(text.contains("resolved from the root on. To forward:\n# forward-zone:\n"), "{text}");
            assert!(text.lines().all(|line| !line.trim_start().starts_with("forward-")), "{text}");
        }
    }

    #[test]
    fn nothing_of_the_template_stays_unfilled() {
        for text in ["", "nameserver 127.0.0.53\n", "nameserver 192.0.2.1\n"] {
            assert!(!configuration(&find(text, "", &[]), "").contains("@"), "{text}");
        }
    }
}
