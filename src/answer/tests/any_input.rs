//! Whatever comes in, a reply that can be sent goes out, or none.

use super::rig::{answerer, query};
use crate::answer::decide::{Arrival, Decision, Via};
use crate::answer::keepalive::Keepalive;
use crate::dns::header::{self, flag};

proptest::proptest! {
    #[test]
    fn any_octets_are_safe(octets: Vec<u8>, stream: bool) {
        let mut answerer = answerer(|_| {});
        let mut buffer = octets.clone();
        buffer.resize(octets.len().max(600), 0);
        let via = if stream { Via::Stream } else { Via::Datagram(1472) };
        let client = "127.0.0.1:1".parse().unwrap();
        let arrival = Arrival { client, via, local: None, now: 0, keepalive: Keepalive::Silent };
        if let Decision::Reply(len) = answerer.decide(&mut buffer, octets.len(), arrival, None) {
            assert!(len <= buffer.len() && header::flags(&buffer) & flag::QR != 0);
        }
    }

    #[test]
    fn mutated_queries_are_safe(at in 0usize..60, value: u8, name in "[a-z]{1,8}\\.(static|null|wild|alias)\\.test", qtype: u16) {
        let mut answerer = answerer(|_| {});
        let mut asked = query(&name, qtype).edns(1232, 0);
        if let Some(octet) = asked.message.get_mut(at) {
            *octet = value;
        }
        let plain = asked.ask(&mut answerer, None);
        asked.ahead = true;
        assert_eq!(asked.ask(&mut answerer, None), plain, "looking ahead changes nothing");
    }
}
