//! How many connections the clients of a netblock may have together (tcp-connection-limit).

use crate::answer::acl::Blocks;
use std::net::IpAddr;

/// The netblocks, their limits, and how many connections each has.
pub struct ConnectionLimits {
    blocks: Blocks<Option<usize>>,
    limits: Vec<(u32, u32)>,
}

/// Where a connection is counted; `None`: it is not.
pub type Counted = Option<usize>;

impl ConnectionLimits {
    /// Of (address, prefix length, limit). The longest prefix counts.
    pub fn new(blocks: impl IntoIterator<Item = (IpAddr, u8, u32)>) -> ConnectionLimits {
        let (mut places, mut limits) = (Vec::new(), Vec::new());
        for (number, (address, prefix, limit)) in blocks.into_iter().enumerate() {
            places.push((address, prefix, Some(number)));
            limits.push((limit, 0));
        }
        ConnectionLimits { blocks: Blocks::of(&places, None), limits }
    }

    /// Counts one more connection; `None`: it is one too many.
    pub fn admit(&mut self, client: IpAddr) -> Option<Counted> {
        let Some(place) = self.blocks.at(client) else { return Some(None) };
        let (limit, open) = self.limits.get_mut(place)?;
        if *open >= *limit {
            return None;
        }
        *open += 1;
        Some(Some(place))
    }

    /// A connection is closed.
    pub fn leave(&mut self, counted: Counted) {
        if let Some((_, open)) = counted.and_then(|place| self.limits.get_mut(place)) {
            *open = open.saturating_sub(1);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_netblock_has_as_many_as_it_may() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let blocks = [(address("192.0.2.0"), 24, 2), (address("192.0.2.9"), 32, 0), (address("2001:db8::"), 32, 1)];
        let mut limits = ConnectionLimits::new(blocks);
        let first = limits.admit(address("192.0.2.1")).unwrap();
        assert!(limits.admit(address("192.0.2.2")).is_some(), "together");
        assert!(limits.admit(address("192.0.2.3")).is_none());
        assert!(limits.admit(address("192.0.2.9")).is_none(), "the longest prefix");
        assert!(limits.admit(address("2001:db8::1")).is_some() && limits.admit(address("2001:db8::2")).is_none());
        assert_eq!(limits.admit(address("198.51.100.1")), Some(None), "no limit");
        limits.leave(first);
        limits.leave(None);
        assert!(limits.admit(address("192.0.2.3")).is_some());
    }
}
