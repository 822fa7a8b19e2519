//! A name's addresses, asked of our own server. Pure.

use runbound::dns::record::Record;
use runbound::dns::{Name, class, header, question, rcode, rtype};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Most addresses taken of one answer.
const MOST: usize = 8;

/// The question for a name's addresses of one type (A, AAAA). With CD: signatures have times, so nothing can be validated before
/// the clock is set. What such a server says counts as little as what any does; more than half of them have to agree.
pub(super) fn question(id: u16, name: &Name, wanted: u16) -> Vec<u8> {
    let mut message = vec![0; header::LEN];
    message[..2].copy_from_slice(&id.to_be_bytes());
    header::set_flags(&mut message, header::flag::RD | header::flag::CD);
    header::set_counts(&mut message, [1, 0, 0, 0]);
    message.extend(name.as_wire());
    message.extend(wanted.to_be_bytes());
    message.extend(class::IN.to_be_bytes());
    message
}

/// The addresses in the reply to `asked`; `None` when it is no reply to it. The server has followed aliases and scrubbed
/// what does not belong to the answer, so all addresses in it are the name's.
pub(super) fn addresses(reply: &[u8], asked: &[u8]) -> Option<Vec<IpAddr>> {
    let flags = reply.get(..header::LEN).map(header::flags)?;
    let same_question = reply.get(header::LEN..asked.len())?.eq_ignore_ascii_case(asked.get(header::LEN..)?);
    if header::id(reply) != header::id(asked) || flags & header::flag::QR == 0 || !same_question {
        return None;
    }
    let [questions, answers, ..] = header::counts(reply);
    if questions != 1 || flags & 0xF != rcode::NOERROR {
        return Some(Vec::new());
    }
    let mut at = question::skip(reply, header::LEN)?;
    let mut found = Vec::new();
    for _ in 0..answers {
        let Some(record) = Record::at(reply, at) else { break };
        at = record.end();
        let data = reply.get(record.rdata.clone()).unwrap_or_default();
        let address = match (record.class, record.rtype) {
            (class::IN, rtype::A) => <[u8; 4]>::try_from(data).ok().map(|octets| Ipv4Addr::from(octets).into()),
            (class::IN, rtype::AAAA) => <[u8; 16]>::try_from(data).ok().map(|octets| Ipv6Addr::from(octets).into()),
            _ => None,
        };
        found.extend(address.filter(|address: &IpAddr| !address.is_unspecified() && !address.is_multicast()));
    }
    found.truncate(MOST);
    Some(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An answer with these addresses, behind an alias.
    pub(in crate::services::clock) fn answer(asked: &[u8], addresses: &[IpAddr]) -> Vec<u8> {
        let mut message = asked.to_vec();
        header::set_flags(&mut message, header::flag::QR | header::flag::RD | header::flag::RA);
        header::set_counts(&mut message, [1, addresses.len() as u16 + 1, 0, 0]);
        let mut record = |kind: u16, data: &[u8]| {
            message.extend([0xC0, 12]);
            message.extend([kind.to_be_bytes(), class::IN.to_be_bytes()].concat());
            message.extend(60u32.to_be_bytes());
            message.extend((data.len() as u16).to_be_bytes());
            message.extend(data);
        };
        record(rtype::CNAME, &[0xC0, 12]);
        for address in addresses {
            match address {
                IpAddr::V4(ip) => record(rtype::A, &ip.octets()),
                IpAddr::V6(ip) => record(rtype::AAAA, &ip.octets()),
            }
        }
        message
    }

    #[test]
    fn the_addresses_of_an_answer_are_taken_and_those_of_others_are_not() {
        let name = Name::from_text("0.pool.ntp.example").unwrap();
        let asked = question(0x1234, &name, rtype::A);
        let ips: Vec<IpAddr> = vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        let reply = answer(&asked, &ips);
        assert_eq!(addresses(&reply, &asked), Some(ips));
        assert_eq!(addresses(&reply, &question(0x1235, &name, rtype::A)), None);
        assert_eq!(addresses(&reply, &question(0x1234, &name, rtype::AAAA)), None);
        assert_eq!(addresses(&asked, &asked), None, "a question is no reply");
        let mut failed = reply.clone();
        failed[3] |= 2;
        assert_eq!(addresses(&failed, &asked), Some(vec![]), "SERVFAIL");
        assert_eq!(addresses(&answer(&asked, &["0.0.0.0".parse().unwrap()]), &asked), Some(vec![]));
        let many: Vec<IpAddr> = vec!["192.0.2.1".parse().unwrap(); 20];
        assert_eq!(addresses(&answer(&asked, &many), &asked).unwrap().len(), MOST);
        for length in 0..reply.len() {
            let _ = addresses(&reply[..length], &asked);
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_nothing_panics(reply in proptest::collection::vec(any::<u8>(), 0..120)) {
            let asked = question(7, &Name::from_text("a.").unwrap(), rtype::A);
            let _ = addresses(&reply, &asked);
            let _ = addresses(&[&asked[..2], &[0x80, 0, 0, 1, 0, 9, 0, 0, 0, 0], &asked[12..], &reply].concat(), &asked);
        }
    }
}
