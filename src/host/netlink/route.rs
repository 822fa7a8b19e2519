//! Which way a packet of this host goes, by all rules and tables: RTM_GETROUTE for one destination (net/ipv4/route.c,
//! `inet_rtm_getroute`; net/ipv6/route.c).

use super::message::{self, attributes};
use super::rule::Answer;
use std::io;
use std::net::IpAddr;

/// Octets of `struct rtmsg` (linux/rtnetlink.h), behind which attributes stand.
const HEADER: usize = 12;
const RTA_DST: u16 = 1;
const RTA_SRC: u16 = 2;
const RTA_OIF: u16 = 4;
const RTA_TABLE: u16 = 15;
const RTA_IP_PROTO: u16 = 27;
const RTA_SPORT: u16 = 28;
const RTA_DPORT: u16 = 29;
/// A port as clients have them.
const CLIENTS_PORT: u16 = 50_000;
/// A flag: the table is to be told that the rules led to, not that of the result.
const RTM_F_LOOKUP_TABLE: u32 = 0x1000;

/// The link, by its index, that an answer of this host leaves by, and the number of the table that says so.
///
/// # Errors
/// The kernel's, when no way leads there: ENETUNREACH, EHOSTUNREACH, of a blackhole EINVAL, of `prohibit` EACCES.
pub(in crate::host) fn answer_way(answer: &Answer) -> io::Result<Option<(u32, u32)>> {
    let Answer { from, to, protocol, port } = *answer;
    let (family, bits) = if to.is_ipv4() { (libc::AF_INET, 32) } else { (libc::AF_INET6, 128) };
    let mut body = [0; HEADER].to_vec();
    (body[0], body[1], body[2]) = (family as u8, bits, bits);
    body[8..].copy_from_slice(&RTM_F_LOOKUP_TABLE.to_ne_bytes());
    let octets = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let ports = [port, CLIENTS_PORT].map(|port| port.to_be_bytes().to_vec());
    let [from_port, to_port] = ports;
    let all = [
        (RTA_DST, octets(to)),
        (RTA_SRC, octets(from)),
        (RTA_IP_PROTO, vec![protocol]),
        (RTA_SPORT, from_port),
        (RTA_DPORT, to_port),
    ];
    for (kind, octets) in all {
        body.extend((4 + octets.len() as u16).to_ne_bytes());
        body.extend(kind.to_ne_bytes());
        body.extend(octets);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    message::get(libc::RTM_GETROUTE, &body, route)
}

fn route(body: &[u8]) -> Option<(u32, u32)> {
    let (_, body) = body.split_first_chunk::<HEADER>()?;
    let number = |kind| {
        let found = attributes(body).find(|attribute| attribute.kind() == kind)?;
        found.value().try_into().ok().map(u32::from_ne_bytes)
    };
    Some((number(RTA_OIF)?, number(RTA_TABLE).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_host_sends_to_itself_goes_by_loopback() {
        let all = super::super::links().expect("netlink");
        let loopback = all.iter().find(|link| link.name == "lo").expect("lo").index;
        let local: IpAddr = "127.0.0.1".parse().unwrap();
        // Which table it was is told where rules were made.
        let way = |from| answer_way(&Answer { from, to: local, protocol: 17, port: 53 });
        let (out, _) = way(local).expect("a way").expect("by a link");
        assert_eq!(out, loopback);
        assert!(way("192.0.2.7".parse().unwrap()).is_err(), "that is no address of this host");
    }

    #[test]
    fn cut_messages_do_no_harm() {
        for length in 0..HEADER + 8 {
            assert_eq!(route(&vec![0; length]), None);
        }
    }
}
