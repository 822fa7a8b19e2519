//! Facts of this machine: addresses, links, queues, limits.

use std::fs;
use std::io;

/// A network link, as far as attaching to it needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// MAC address; `None` when the link is no Ethernet.
    pub mac: Option<[u8; 6]>,
    /// MTU in octets.
    pub mtu: u32,
}

/// Looks a link up by name.
///
/// # Errors
/// When sysfs does not show the link.
pub fn link(name: &str) -> io::Result<Link> {
    let read = |file: &str| fs::read_to_string(format!("/sys/class/net/{name}/{file}"));
    let mtu = read("mtu")?.trim().parse().map_err(io::Error::other)?;
    let mut mac = [0u8; 6];
    let text = read("address")?;
    let octets: Vec<u8> = text.trim().split(':').filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect();
    let mac = (octets.len() == 6 && read("type")?.trim() == "1").then(|| {
        mac.copy_from_slice(&octets);
        mac
    });
    Ok(Link { mac, mtu })
}
