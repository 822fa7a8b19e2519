//! access-control: who may ask what (unbound.conf(5)), and what else holds for clients by their addresses. The longest
//! matching prefix decides, whatever the order.

use std::net::IpAddr;

pub use crate::config::AccessAction as Access;

/// Compiled access-control.
pub type Acl = Blocks<Access>;

/// What holds for which addresses: disjoint ranges in ascending order, found by bisection.
#[derive(Clone, Debug)]
pub struct Blocks<T> {
    /// First address of each range and what holds from there to the next range.
    v4: Vec<(u32, T)>,
    v6: Vec<(u128, T)>,
    /// What holds for the others.
    otherwise: T,
}

impl Acl {
    /// Compiles rules of (address, prefix length, access). Of two rules for one prefix the later wins. What no rule
    /// matches is refused; the caller puts Unbound's default (localhost) among the rules.
    pub fn new(rules: &[(IpAddr, u8, Access)]) -> Acl {
        Blocks::of(rules, Access::Refuse)
    }

    /// The networks of plain access ([`Access::Allow`]), each as address and prefix length; none holds another.
    pub fn plain_networks(&self) -> Vec<(IpAddr, u8)> {
        let mut networks = Vec::new();
        let v4 = self.v4.iter().map(|&(start, access)| (u128::from(start), access));
        spans(v4, u32::MAX.into(), |start, end| {
            prefixes(start, end, 32, |at, prefix| networks.push((IpAddr::V4((at as u32).into()), prefix)));
        });
        spans(self.v6.iter().copied(), u128::MAX, |start, end| {
            prefixes(start, end, 128, |at, prefix| networks.push((IpAddr::V6(at.into()), prefix)));
        });
        networks
    }

    /// What `client` may do.
    #[inline]
    pub fn access(&self, client: IpAddr) -> Access {
        self.at(client)
    }
}

impl<T: Copy + PartialEq> Blocks<T> {
    /// Compiles rules of (address, prefix length, what holds). Of two rules for one prefix the later wins; for what no rule
    /// matches `otherwise` holds.
    pub fn of(rules: &[(IpAddr, u8, T)], otherwise: T) -> Blocks<T> {
        // In one space of 128 bits each.
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for &(address, prefix, what) in rules {
            match address {
                IpAddr::V4(v4_address) => {
                    let base = u128::from(u32::from(v4_address)) << 96;
                    v4.push((base, prefix.min(32), what));
                }
                IpAddr::V6(v6_address) => v6.push((u128::from(v6_address), prefix.min(128), what)),
            }
        }
        let v4 = ranges(v4, otherwise).into_iter().map(|(start, what)| ((start >> 96) as u32, what)).collect();
        Blocks { v4, v6: ranges(v6, otherwise), otherwise }
    }

    /// What holds for an address.
    #[inline]
    pub fn at(&self, address: IpAddr) -> T {
        match address {
            IpAddr::V4(address) => find(&self.v4, u32::from(address)),
            IpAddr::V6(address) => find(&self.v6, u128::from(address)),
        }
        .unwrap_or(self.otherwise)
    }
}

#[inline]
fn find<A: Ord + Copy, T: Copy>(ranges: &[(A, T)], address: A) -> Option<T> {
    let above = ranges.partition_point(|&(start, _)| start <= address);
    above.checked_sub(1).and_then(|place| ranges.get(place)).map(|&(_, what)| what)
}

/// Turns prefixes into disjoint ranges: each begins where what holds becomes another. Of two prefixes one holds the other or
/// they have nothing in common, so in the order of their starts those that hold an address are a stack, the longest on top.
fn ranges<T: Copy + PartialEq>(mut rules: Vec<(u128, u8, T)>, otherwise: T) -> Vec<(u128, T)> {
    let span = |prefix: u8| if prefix == 0 { u128::MAX } else { (1u128 << (128 - u32::from(prefix))) - 1 };
    for (base, prefix, _) in &mut rules {
        *base &= !span(*prefix);
    }
    // The sort is stable: of two rules for one prefix the later one comes to lie on top.
    rules.sort_by_key(|&(start, prefix, _)| (start, prefix));
    let mut ranges = vec![(0, otherwise)];
    let mut holding: Vec<(u128, T)> = Vec::new();
    for (start, prefix, what) in rules {
        end_before(Some(start), &mut holding, otherwise, &mut ranges);
        holding.push((start | span(prefix), what));
        begin(start, what, &mut ranges);
    }
    end_before(None, &mut holding, otherwise, &mut ranges);
    ranges
}

/// Ends the prefixes that hold nothing from `next` on; without one, all of them.
fn end_before<T: Copy + PartialEq>(
    next: Option<u128>,
    holding: &mut Vec<(u128, T)>,
    otherwise: T,
    ranges: &mut Vec<(u128, T)>,
) {
    while let Some((end, _)) = holding.pop_if(|(end, _)| next.is_none_or(|next| *end < next)) {
        let below = holding.last().map_or(otherwise, |&(_, what)| what);
        if let Some(after) = end.checked_add(1) {
            begin(after, below, ranges);
        }
    }
}

/// From `start` on, `what` holds.
fn begin<T: Copy + PartialEq>(start: u128, what: T, ranges: &mut Vec<(u128, T)>) {
    let _ = ranges.pop_if(|last| last.0 == start);
    if ranges.last().is_none_or(|last| last.1 != what) {
        ranges.push((start, what));
    }
}

/// First and last address of each range of plain access, `last` being the last of all.
fn spans(ranges: impl Iterator<Item = (u128, Access)>, last: u128, mut each: impl FnMut(u128, u128)) {
    let mut ranges = ranges.peekable();
    while let Some((start, access)) = ranges.next() {
        let end = ranges.peek().map_or(last, |&(next, _)| next - 1);
        if access == Access::Allow {
            each(start, end);
        }
    }
}

/// The fewest prefixes that make up a range of addresses of so many bits.
fn prefixes(mut start: u128, end: u128, bits: u32, mut each: impl FnMut(u128, u8)) {
    loop {
        // As wide as the start lets it be, and the end.
        let most = end - start;
        let wide = if most == u128::MAX { 128 } else { (most + 1).ilog2() };
        let host = start.trailing_zeros().min(wide).min(bits);
        each(start, (bits - host) as u8);
        let Some(next) = 1u128.checked_shl(host).and_then(|size| start.checked_add(size)) else { return };
        if next > end {
            return;
        }
        start = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(rules: &[(&str, u8, Access)]) -> Acl {
        let rules: Vec<_> = rules.iter().map(|&(a, p, x)| (a.parse().unwrap(), p, x)).collect();
        Acl::new(&rules)
    }

    #[test]
    fn networks_of_plain_access_are_those_that_bisection_finds() {
        use Access::{Allow, AllowSnoop, Refuse};
        let acl = acl(&[
            ("0.0.0.0", 0, Allow),
            ("10.0.0.0", 8, Refuse),
            ("10.1.2.3", 32, Allow),
            ("255.255.255.255", 32, Refuse),
            ("2001:db8::", 32, Allow),
            ("2001:db8::7", 128, AllowSnoop),
        ]);
        let networks = acl.plain_networks();
        let holds = |address: IpAddr, (network, prefix): &(IpAddr, u8)| match (address, network) {
            (IpAddr::V4(one), IpAddr::V4(other)) => u64::from(one.to_bits() ^ other.to_bits()) >> (32 - prefix) == 0,
            (IpAddr::V6(one), IpAddr::V6(other)) => {
                (one.to_bits() ^ other.to_bits()).checked_shr(128 - u32::from(*prefix)) == Some(0)
            }
            _ => false,
        };
        for text in [
            "0.0.0.0",
            "9.255.255.255",
            "10.0.0.0",
            "10.1.2.2",
            "10.1.2.3",
            "10.1.2.4",
            "11.0.0.0",
            "255.255.255.254",
            "255.255.255.255",
            "::",
            "2001:db8::6",
            "2001:db8::7",
            "2001:db8::8",
            "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
            "2001:db9::",
        ] {
            let address: IpAddr = text.parse().unwrap();
            let found = networks.iter().filter(|network| holds(address, network)).count();
            assert_eq!(found, usize::from(acl.access(address) == Allow), "{text}");
        }
        let all = Acl::new(&[("0.0.0.0".parse().unwrap(), 0, Allow), ("::".parse().unwrap(), 0, Allow)]);
        assert_eq!(all.plain_networks().len(), 2);
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

    /// The compiled rules say of the ends of every rule's network, and of what stands beside those, what a look at all
    /// rules says.
    fn equals_a_plain_search(rules: &[(u128, u8, Access)], bits: u32, address: impl Fn(u128) -> IpAddr) {
        let network = |base: u128, prefix: u8| base.checked_shr(bits - u32::from(prefix)).unwrap_or(0);
        let all: Vec<_> = rules.iter().map(|&(base, prefix, access)| (address(base), prefix, access)).collect();
        let acl = Acl::new(&all);
        let top = u128::MAX >> (128 - bits);
        for &(base, prefix, _) in rules {
            let span = top.checked_shr(prefix.into()).unwrap_or(0);
            let (start, end) = (base & !span, base | span);
            for client in [start, end, start.saturating_sub(1), end.saturating_add(1).min(top), 0, top] {
                let covers = |rule: &&(u128, u8, Access)| network(rule.0, rule.1) == network(client, rule.1);
                let slow = rules.iter().filter(covers).max_by_key(|rule| rule.1).map_or(Access::Refuse, |rule| rule.2);
                assert_eq!(acl.access(address(client)), slow, "{} by {rules:?}", address(client));
            }
        }
    }

    const KINDS: [Access; 3] = [Access::Refuse, Access::Deny, Access::Allow];

    proptest::proptest! {
        #[test]
        fn equals_a_plain_search_of_ipv4(rules: Vec<(u8, u8, u8)>) {
            // Few addresses, so that many networks lie within one another or are the same.
            let rule = |&(base, prefix, kind): &(u8, u8, u8)| {
                let base = u128::from(base >> 4) << 28 | u128::from(base & 15);
                (base, prefix % 33, KINDS[usize::from(kind % 3)])
            };
            let rules: Vec<_> = rules.iter().map(rule).collect();
            equals_a_plain_search(&rules, 32, |base| IpAddr::V4((base as u32).into()));
        }

        #[test]
        fn equals_a_plain_search_of_ipv6(rules: Vec<(u128, u8, u8)>) {
            let rule = |&(base, prefix, kind): &(u128, u8, u8)| (base, prefix % 129, KINDS[usize::from(kind % 3)]);
            let rules: Vec<_> = rules.iter().map(rule).collect();
            equals_a_plain_search(&rules, 128, |base| IpAddr::V6(base.into()));
        }
    }

    /// With a look at all rules for each border this would take minutes.
    #[test]
    fn hundreds_of_thousands_of_rules_are_compiled() {
        let rules: Vec<_> = (0..300_000u32)
            .map(|number| (IpAddr::V4((number * 8192).into()), 20 + (number % 13) as u8, KINDS[number as usize % 3]))
            .collect();
        assert_eq!(Acl::new(&rules).access(rules[299_999].0), rules[299_999].2);
    }
}
