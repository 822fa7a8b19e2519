//! The rules by which the kernel chooses a table of routes (ip-rule(8)): RTM_GETRULE (linux/fib_rules.h; net/core/fib_rules.c).

use super::message::{self, attributes};
use crate::host::InterfaceAddress;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Octets of `struct fib_rule_hdr`, behind which attributes stand.
const HEADER: usize = 12;
const RTM_GETRULE: u16 = 34;
const FRA_DST: u16 = 1;
const FRA_SRC: u16 = 2;
const FRA_IIFNAME: u16 = 3;
const FRA_PRIORITY: u16 = 6;
const FRA_TABLE: u16 = 15;
const FRA_IP_PROTO: u16 = 22;
const FRA_SPORT_RANGE: u16 = 23;
/// Others that a packet must meet: its mark, the interface that it is bound to, who sends it, where to.
const FRA_FWMARK: u16 = 10;
const FRA_OIFNAME: u16 = 17;
const FRA_UID_RANGE: u16 = 20;
const FRA_DPORT_RANGE: u16 = 24;
const FIB_RULE_INVERT: u32 = 2;
/// The name of the interface that what this host sends itself is said to come in by.
const OWN: &[u8] = b"lo\0";

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::host) struct Rule {
    /// Rules are looked at by this, the least first.
    pub priority: u32,
    /// The table that it leads to.
    pub table: u32,
    /// Where packets go that it is about; `None` for anywhere.
    pub destination: Option<InterfaceAddress>,
    source: Option<InterfaceAddress>,
    protocol: Option<u8>,
    /// First and last.
    ports: Option<(u16, u16)>,
    is_inverted: bool,
    /// It asks for something that an answer has not, or that is not known of one.
    is_for_others: bool,
}

/// An answer of this host.
#[derive(Clone, Copy, Debug)]
pub(in crate::host) struct Answer {
    pub from: IpAddr,
    pub to: IpAddr,
    /// The number of TCP or UDP.
    pub protocol: u8,
    /// The port that it is sent from.
    pub port: u16,
}

impl Rule {
    /// Whether it is about an answer.
    pub(in crate::host) fn takes(&self, answer: &Answer) -> bool {
        let has = |network: &Option<InterfaceAddress>, ip| network.is_none_or(|network| network.covers(ip));
        let meets = has(&self.source, answer.from)
            && has(&self.destination, answer.to)
            && self.protocol.is_none_or(|protocol| protocol == answer.protocol)
            && self.ports.is_none_or(|(first, last)| (first..=last).contains(&answer.port));
        !self.is_for_others && meets != self.is_inverted
    }
}

/// Those of a family, the first that is looked at first.
///
/// # Errors
/// As of [`super::links`].
pub(in crate::host) fn rules(is_v4: bool) -> io::Result<Vec<Rule>> {
    let mut body = [0; HEADER];
    body[0] = if is_v4 { libc::AF_INET } else { libc::AF_INET6 } as u8;
    let mut rules = message::dump_raw(RTM_GETRULE, &body, rule)?;
    rules.sort_by_key(|rule| rule.priority);
    Ok(rules)
}

fn rule(body: &[u8]) -> Option<Rule> {
    let (header, body) = body.split_first_chunk::<HEADER>()?;
    let [_, to_prefix, from_prefix, tos, table, _, _, _, flags @ ..] = *header;
    let value = |kind| attributes(body).find(|attribute| attribute.kind() == kind).map(|found| found.value().to_vec());
    let number = |kind| value(kind).and_then(|octets| octets.try_into().ok()).map(u32::from_ne_bytes);
    let network = |kind, prefix| {
        let octets = value(kind)?;
        let v4 = || <[u8; 4]>::try_from(&octets[..]).ok().map(|ip| IpAddr::V4(Ipv4Addr::from(ip)));
        let v6 = || <[u8; 16]>::try_from(&octets[..]).ok().map(|ip| IpAddr::V6(Ipv6Addr::from(ip)));
        Some(InterfaceAddress { ip: v4().or_else(v6)?, prefix })
    };
    let ports = value(FRA_SPORT_RANGE).and_then(|octets| <[u8; 4]>::try_from(octets).ok());
    let ports = ports.map(|[a, b, c, d]| (u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d])));
    let others = [FRA_FWMARK, FRA_OIFNAME, FRA_UID_RANGE, FRA_DPORT_RANGE];
    let comes_in = value(FRA_IIFNAME).is_some_and(|name| name != OWN);
    Some(Rule {
        priority: number(FRA_PRIORITY).unwrap_or(0),
        table: number(FRA_TABLE).unwrap_or(table.into()),
        destination: network(FRA_DST, to_prefix),
        source: network(FRA_SRC, from_prefix),
        protocol: value(FRA_IP_PROTO).and_then(|octets| octets.first().copied()),
        ports,
        is_inverted: u32::from_ne_bytes(flags) & FIB_RULE_INVERT != 0,
        is_for_others: tos != 0 || comes_in || others.into_iter().any(|kind| value(kind).is_some()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::netlink::message::tests::attribute;

    fn told(prefixes: (u8, u8), more: &[Vec<u8>]) -> Vec<u8> {
        let header = [libc::AF_INET as u8, prefixes.0, prefixes.1, 0, 100, 0, 0, 1, 0, 0, 0, 0];
        [&header[..], &more.concat()].concat()
    }

    fn answer(to: &str, protocol: u8) -> Answer {
        Answer { from: "192.0.2.53".parse().unwrap(), to: to.parse().unwrap(), protocol, port: 53 }
    }

    #[test]
    fn a_rule_takes_what_it_says() {
        let priority = attribute(FRA_PRIORITY, &1000u32.to_ne_bytes());
        let to = attribute(FRA_DST, &[192, 0, 2, 16]);
        let narrow = rule(&told((28, 0), &[priority.clone(), to])).unwrap();
        assert_eq!((narrow.priority, narrow.table), (1000, 100));
        assert_eq!(narrow.destination.unwrap().to_string(), "192.0.2.16/28");
        assert!(narrow.takes(&answer("192.0.2.17", 17)) && !narrow.takes(&answer("192.0.2.1", 17)));
        let ports = attribute(FRA_SPORT_RANGE, &[53u16.to_ne_bytes(), 53u16.to_ne_bytes()].concat());
        let tcp = rule(&told((0, 0), &[attribute(FRA_IP_PROTO, &[6]), ports])).unwrap();
        assert!(tcp.takes(&answer("192.0.2.17", 6)) && !tcp.takes(&answer("192.0.2.17", 17)));
        for (kind, value) in [(FRA_FWMARK, &1u32.to_ne_bytes()[..]), (FRA_IIFNAME, b"eth0\0"), (FRA_OIFNAME, b"eth0\0")]
        {
            assert!(!rule(&told((0, 0), &[attribute(kind, value)])).unwrap().takes(&answer("192.0.2.17", 6)));
        }
        assert!(rule(&told((0, 0), &[attribute(FRA_IIFNAME, OWN)])).unwrap().takes(&answer("192.0.2.17", 6)));
    }

    #[test]
    fn this_host_has_the_kernels_rules() {
        for is_v4 in [true, false] {
            let rules = rules(is_v4).expect("netlink");
            assert!(rules.iter().any(|rule| (rule.priority, rule.table) == (0, 255)), "{rules:?}");
        }
    }

    #[test]
    fn cut_messages_do_no_harm() {
        let whole = told((28, 0), &[attribute(FRA_DST, &[192, 0, 2, 16]), attribute(FRA_SPORT_RANGE, &[0; 4])]);
        assert!(rule(&whole).is_some());
        (0..HEADER).for_each(|length| assert_eq!(rule(&whole[..length]), None));
        (HEADER..whole.len()).for_each(|length| assert!(rule(&whole[..length]).is_some(), "{length}"));
    }
}
