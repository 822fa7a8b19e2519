//! The addresses that servers are asked from (`outgoing-interface:`).

use super::trouble::Failure;
use super::world::World;
use rustix::io::Errno;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Where questions leave from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sources {
    /// What the kernel picks.
    #[default]
    Any,
    /// These, drawn anew for each socket; their ports say nothing. Servers that none of them fits cannot be asked, as with
    /// Unbound.
    These(Vec<SocketAddr>),
}

impl Sources {
    /// The addresses that were named.
    pub fn named(&self) -> &[SocketAddr] {
        match self {
            Sources::Any => &[],
            Sources::These(addresses) => addresses,
        }
    }

    /// True when there is an address to ask `server` from.
    pub fn can_ask(&self, server: &SocketAddr) -> bool {
        *self == Sources::Any || self.named().iter().any(|own| fits(own, server))
    }

    /// The address to ask `server` from; unspecified when the kernel is to pick.
    ///
    /// # Errors
    /// As from `bind`, `Errno::ADDRNOTAVAIL` when none fits the server; those of [`World::draw`].
    pub(super) fn draw(&self, server: &SocketAddr, world: &mut impl World) -> Result<SocketAddr, Failure> {
        if *self == Sources::Any {
            let any: IpAddr = match server {
                SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            };
            return Ok(SocketAddr::new(any, 0));
        }
        let mut fitting = self.named().iter().filter(|own| fits(own, server));
        let many = fitting.clone().count() as u32;
        let nth = world.below(many)?;
        fitting.nth(nth as usize).copied().ok_or(Failure { call: "bind", errno: Errno::ADDRNOTAVAIL })
    }
}

/// Of one family; link-local addresses reach only those of their own link.
fn fits(own: &SocketAddr, server: &SocketAddr) -> bool {
    match (own, server) {
        (SocketAddr::V4(_), SocketAddr::V4(_)) => true,
        (SocketAddr::V6(own), SocketAddr::V6(server)) => {
            let links = own.ip().is_unicast_link_local() && server.ip().is_unicast_link_local();
            !links || own.scope_id() == server.scope_id()
        }
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_link_local_source_asks_its_own_link() {
        let own = Sources::These(["192.0.2.1:0", "[fe80::1%2]:0"].map(|own| own.parse().unwrap()).to_vec());
        let can = |server: &str| own.can_ask(&server.parse().unwrap());
        assert!(can("198.51.100.1:53") && can("[fe80::2%2]:53") && can("[2001:db8::1]:53"));
        assert!(!can("[fe80::2%3]:53"));
        assert!(Sources::Any.can_ask(&"[fe80::2%3]:53".parse().unwrap()));
        assert!(!Sources::These(Vec::new()).can_ask(&"192.0.2.1:53".parse().unwrap()), "none is not any");
    }
}
