//! The root's name servers, as they are known before anybody was asked (RFC 9609).

use crate::dns::Name;
use std::net::IpAddr;

/// A name server of the root and its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// Its name.
    pub name: Name,
    /// Where it is.
    pub addresses: Vec<IpAddr>,
}

/// Letters and addresses: <https://www.internic.net/domain/named.root>, which changes every few years.
const ROOT: [(&str, &str, &str); 13] = [
    ("a", "198.41.0.4", "2001:503:ba3e::2:30"),
    ("b", "170.247.170.2", "2801:1b8:10::b"),
    ("c", "192.33.4.12", "2001:500:2::c"),
    ("d", "199.7.91.13", "2001:500:2d::d"),
    ("e", "192.203.230.10", "2001:500:a8::e"),
    ("f", "192.5.5.241", "2001:500:2f::f"),
    ("g", "192.112.36.4", "2001:500:12::d0d"),
    ("h", "198.97.190.53", "2001:500:1::53"),
    ("i", "192.36.148.17", "2001:7fe::53"),
    ("j", "192.58.128.30", "2001:503:c27::2:30"),
    ("k", "193.0.14.129", "2001:7fd::1"),
    ("l", "199.7.83.42", "2001:500:9f::42"),
    ("m", "202.12.27.33", "2001:dc3::35"),
];

/// The thirteen name servers that this program knows by itself.
pub fn built_in() -> Vec<Hint> {
    let hint = |(letter, v4, v6): (&str, &str, &str)| {
        let name = Name::from_text(&format!("{letter}.root-servers.net"))?;
        let addresses = [v4, v6].iter().filter_map(|address| address.parse().ok()).collect();
        Some(Hint { name, addresses })
    };
    ROOT.into_iter().filter_map(hint).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_root_server_has_an_address_of_each_family() {
        let hints = built_in();
        assert_eq!(hints.len(), 13);
        assert!(
            hints
                .iter()
                .all(|hint| hint.addresses.len() == 2 && hint.addresses[0].is_ipv4() != hint.addresses[1].is_ipv4())
        );
    }
}
