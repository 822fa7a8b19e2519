//! access-control: who may ask what (unbound.conf(5)). The longest matching prefix decides, whatever the order.

use std::net::IpAddr;

/// What a client may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// No answer at all.
    Deny,
    /// REFUSED.
    Refuse,
    /// Recursive queries and local data.
    Allow,
    /// As allow, RD treated as set.
    AllowSetRd,
    /// As allow, and queries without RD see the cache.
    AllowSnoop,
    /// As allow, over UDP only with a valid DNS cookie.
    AllowCookie,
    /// Local data only; the rest gets no answer.
    DenyNonLocal,
    /// Local data only; the rest is refused.
    RefuseNonLocal,
}

/// Compiled access-control: disjoint ranges in ascending order, found by bisection. IPv4 stands among the
/// v4-mapped addresses of one 128-bit space, apart from native IPv6.
#[derive(Clone, Debug)]
pub struct Acl {
    /// First address of each range and what holds from there to the next range.
    v4: Vec<(u32, Access)>,
    v6: Vec<(u128, Access)>,
}

impl Acl {
    /// Compiles rules of (address, prefix length, access). Of two rules for one prefix the later wins. What no rule
    /// matches is refused; the caller puts Unbound's default (localhost) among the rules.
    pub fn new(rules: &[(IpAddr, u8, Access)]) -> Acl {
        let mut v4 = Vec::new();
        let mut v6 = Vec::new();
        for &(address, prefix, access) in rules {
            match address {
                IpAddr::V4(v4_address) => {
                    let base = u128::from(u32::from(v4_address)) << 96;
                    v4.push((base, prefix.min(32), access));
                }
                IpAddr::V6(v6_address) => v6.push((u128::from(v6_address), prefix.min(128), access)),
            }
        }
        Acl {
            v4: ranges(v4).into_iter().map(|(start, access)| ((start >> 96) as u32, access)).collect(),
            v6: ranges(v6),
        }
    }

    /// What `client` may do.
    #[inline]
    pub fn access(&self, client: IpAddr) -> Access {
        match client {
            IpAddr::V4(address) => find(&self.v4, u32::from(address)),
            IpAddr::V6(address) => find(&self.v6, u128::from(address)),
        }
    }
}

#[inline]
fn find<T: Ord + Copy>(ranges: &[(T, Access)], address: T) -> Access {
    let above = ranges.partition_point(|&(start, _)| start <= address);
    above.checked_sub(1).and_then(|place| ranges.get(place)).map_or(Access::Refuse, |&(_, access)| access)
}

/// Turns prefixes into disjoint ranges: every border is a start, and at each the longest prefix that covers it holds.
fn ranges(rules: Vec<(u128, u8, Access)>) -> Vec<(u128, Access)> {
    let span = |prefix: u8| if prefix == 0 { u128::MAX } else { (1u128 << (128 - u32::from(prefix))) - 1 };
    let bounds =
        |&(base, prefix, _): &(u128, u8, Access)| (base & !span(prefix), (base & !span(prefix)) | span(prefix));
    let mut borders = vec![0];
    for rule in &rules {
        let (start, end) = bounds(rule);
        borders.push(start);
        borders.extend(end.checked_add(1));
    }
    borders.sort_unstable();
    borders.dedup();
    let mut ranges: Vec<(u128, Access)> = Vec::new();
    for border in borders {
        let access = rules
            .iter()
            .filter(|rule| (bounds(rule).0..=bounds(rule).1).contains(&border))
            .max_by_key(|rule| rule.1)
            .map_or(Access::Refuse, |rule| rule.2);
        if ranges.last().is_none_or(|last| last.1 != access) {
            ranges.push((border, access));
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(rules: &[(&str, u8, Access)]) -> Acl {
        let rules: Vec<_> = rules.iter().map(|&(a, p, x)| (a.parse().unwrap(), p, x)).collect();
        Acl::new(&rules)
    }

    #[test]
    fn the_longest_prefix_wins_in_any_order() {
        let rules = [
            ("0.0.0.0", 0, Access::Refuse),
            ("10.0.0.0", 8, Access::Allow),
            ("10.1.0.0", 16, Access::Deny),
            ("10.1.2.3", 32, Access::AllowSnoop),
            ("::", 0, Access::Allow),
            ("fd00::", 8, Access::Deny),
        ];
        let mut reversed = rules;
        reversed.reverse();
        for rules in [rules, reversed] {
            let acl = acl(&rules);
            for (client, access) in [
                ("9.255.255.255", Access::Refuse),
                ("10.0.0.0", Access::Allow),
                ("10.0.255.255", Access::Allow),
                ("10.1.0.0", Access::Deny),
                ("10.1.2.2", Access::Deny),
                ("10.1.2.3", Access::AllowSnoop),
                ("10.1.2.4", Access::Deny),
                ("10.2.0.0", Access::Allow),
                ("11.0.0.0", Access::Refuse),
                ("255.255.255.255", Access::Refuse),
                ("2001:db8::1", Access::Allow),
                ("fd00::1", Access::Deny),
                ("fe80::1", Access::Allow),
            ] {
                assert_eq!(acl.access(client.parse().unwrap()), access, "{client}");
            }
        }
    }

    #[test]
    fn nothing_matches_nothing_allowed() {
        let acl = acl(&[]);
        assert_eq!(acl.access("127.0.0.1".parse().unwrap()), Access::Refuse);
        assert_eq!(acl.access("::1".parse().unwrap()), Access::Refuse);
    }

    proptest::proptest! {
        #[test]
        fn equals_a_plain_search(rules: Vec<(u32, u8, bool)>, client: u32) {
            let rules: Vec<_> = rules
                .iter()
                .map(|&(a, p, deny)| {
                    let access = if deny { Access::Deny } else { Access::Allow };
                    (IpAddr::V4(a.into()), p % 33, access)
                })
                .collect();
            let covers = |&(base, prefix, _): &(IpAddr, u8, Access)| {
                let IpAddr::V4(base) = base else { return false };
                prefix == 0 || u32::from(base) >> (32 - prefix) == client >> (32 - prefix)
            };
            let slow = rules.iter().filter(|r| covers(r)).max_by_key(|r| r.1).map_or(Access::Refuse, |r| r.2);
            assert_eq!(Acl::new(&rules).access(IpAddr::V4(client.into())), slow);
        }
    }
}
