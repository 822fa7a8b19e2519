//! A client against a server that exists only here.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::network::dhcp::client::ActionOf;
use proptest::prelude::*;
use std::time::Instant;

type Client = crate::network::dhcp::client::Client<V6>;
type Action = ActionOf<V6>;

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const ADDRESS: &str = "2001:db8::77";
const SERVER: &[u8] = &[0, 3, 0, 1, 2, 0, 0, 0, 0, 9];

/// An option.
fn option(number: u16, data: &[u8]) -> Vec<u8> {
    [&number.to_be_bytes()[..], &(data.len() as u16).to_be_bytes(), data].concat()
}

/// An IA_NA of this client: T1, T2, and what is in it.
fn identity(renew: u32, rebind: u32, inner: &[u8]) -> Vec<u8> {
    option(3, &[&MAC[2..], &renew.to_be_bytes(), &rebind.to_be_bytes(), inner].concat())
}

fn granted(preferred: u32, valid: u32) -> Vec<u8> {
    let ip: std::net::Ipv6Addr = ADDRESS.parse().unwrap();
    option(5, &[&ip.octets()[..], &preferred.to_be_bytes(), &valid.to_be_bytes()].concat())
}

fn good() -> Vec<u8> {
    let dns: std::net::Ipv6Addr = "2001:db8::53".parse().unwrap();
    [identity(500, 800, &granted(900, 1000)), option(23, &dns.octets())].concat()
}

/// The answer of a server to a packet.
fn answer(packet: &[u8], kind: u8, rest: &[u8]) -> Vec<u8> {
    let client = option(1, &[&[0, 3, 0, 1][..], &MAC].concat());
    [&[kind], &packet[1..4], &client, &option(2, SERVER), rest].concat()
}

/// The type of the one message among the actions, and the message.
fn sent(actions: &[Action]) -> (u8, Vec<u8>) {
    let [Action::Send(None, packet)] = actions else { panic!("{actions:?}") };
    (packet[0], packet.clone())
}

fn has(packet: &[u8], wanted: &[u8]) -> bool {
    packet.windows(wanted.len()).any(|part| part == wanted)
}

fn bound(client: &mut Client, now: Instant) -> Lease {
    let (kind, solicit) = sent(&client.due(now));
    assert_eq!(kind, 1);
    let wanted = [0, 6, 0, 6, 0, 23, 0, 56, 0, 82];
    assert!(!has(&solicit, SERVER) && has(&solicit, &wanted), "name servers and time servers are asked for");
    let (kind, request) = sent(&client.take(&answer(&solicit, 2, &good()), now));
    assert_eq!(kind, 3);
    assert_ne!(request[1..4], solicit[1..4], "an exchange has a number of its own");
    assert!(has(&request, SERVER) && has(&request, &granted(0, 0)), "the address of that server");
    let actions = client.take(&answer(&request, 7, &good()), now);
    let [Action::Bound(lease)] = &actions[..] else { panic!("{actions:?}") };
    lease.clone()
}

#[test]
fn a_lease_is_found_renewed_and_lost() {
    let start = Instant::now();
    let after = |seconds| start + Duration::from_secs(seconds);
    let mut client = Client::new(V6::new(MAC), 7, start);
    let lease = bound(&mut client, start);
    assert_eq!(lease.network().to_string(), "2001:db8::77/128");
    assert_eq!(lease.name_servers, ["2001:db8::53".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!((client.deadline(), client.due(after(499))), (after(500), vec![]));

    let (kind, renew) = sent(&client.due(after(500)));
    assert!(kind == 5 && has(&renew, SERVER), "its own server is asked");
    assert!(matches!(client.take(&answer(&renew, 7, &good()), after(501))[..], [Action::Bound(_)]));
    assert_eq!(client.deadline(), after(1001));

    assert_eq!(sent(&client.due(after(1001))).0, 5);
    let (kind, rebind) = sent(&client.due(after(1301)));
    assert!(kind == 6 && !has(&rebind, SERVER), "after T2 anybody is asked");
    let actions = client.due(after(1501));
    assert!(matches!(actions[..], [Action::Lost(_), Action::Send(None, _)]), "{actions:?}");
}

#[test]
fn time_servers_come_by_address_by_multicast_address_and_by_name() {
    let now = Instant::now();
    let mut client = Client::new(V6::new(MAC), 7, now);
    let (_, solicit) = sent(&client.due(now));
    let (_, request) = sent(&client.take(&answer(&solicit, 2, &good()), now));
    let octets = |text: &str| text.parse::<std::net::Ipv6Addr>().unwrap().octets();
    let sources = [
        option(1, &octets("2001:db8::123")),
        option(2, &octets("ff05::101")),
        option(3, b"\x03ntp\x07example\0"),
        // Cut off, without an end, the root, and of a kind that nobody knows.
        option(1, &[1, 2, 3]),
        option(3, b"\x03ntp\x07example"),
        option(3, b"\0"),
        option(9, &octets("2001:db8::9")),
    ];
    let named: Vec<u8> = sources.iter().flat_map(|source| option(56, source)).collect();
    let actions = client.take(&answer(&request, 7, &[good(), named].concat()), now);
    let [Action::Bound(lease)] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!(lease.time_servers, ["2001:db8::123", "ff05::101", "ntp.example"]);
}

#[test]
fn times_that_the_server_leaves_open_are_set_here() {
    let lease_of = |rest: &[u8]| {
        let start = Instant::now();
        let mut client = Client::new(V6::new(MAC), 7, start);
        let (_, solicit) = sent(&client.due(start));
        let (_, request) = sent(&client.take(&answer(&solicit, 2, &good()), start));
        match &client.take(&answer(&request, 7, rest), start)[..] {
            [Action::Bound(lease)] => Some((lease.renew, lease.rebind, lease.duration)),
            [Action::Refused(_)] => None,
            other => panic!("{other:?}"),
        }
    };
    let seconds = Duration::from_secs;
    assert_eq!(lease_of(&identity(0, 0, &granted(1000, 2000))), Some((seconds(500), seconds(800), seconds(2000))));
    let forever = u64::from(u32::MAX);
    let infinite = lease_of(&identity(u32::MAX, u32::MAX, &granted(u32::MAX, u32::MAX)));
    assert_eq!(infinite, Some((seconds(forever), seconds(forever), seconds(forever))));
    assert_eq!(lease_of(&identity(1, 1, &granted(1, 1))).unwrap().2, seconds(60), "never busier than that");
    for bad in [
        identity(800, 500, &granted(900, 1000)),
        identity(0, 0, &granted(1000, 900)),
        identity(0, 0, &granted(0, 0)),
        identity(0, 0, &[]),
        option(3, &[9, 9, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0]),
        identity(0, 0, &option(5, &[&[0xff; 16][..], &[0, 0, 0, 9, 0, 0, 0, 9]].concat())),
    ] {
        assert_eq!(lease_of(&bad), None, "{bad:?}");
    }
}

#[test]
fn a_refusal_is_said_once_and_asking_goes_on_slowly() {
    let mut now = Instant::now();
    let start = now;
    let mut client = Client::new(V6::new(MAC), 7, now);
    let none = identity(0, 0, &option(13, b"\0\x02all are gone\n"));
    let mut said = Vec::new();
    for _ in 0..12 {
        let (kind, solicit) = sent(&client.due(now));
        assert_eq!(kind, 1);
        said.extend(client.take(&answer(&solicit, 2, &none), now));
        now = client.deadline();
    }
    assert_eq!(said, [Action::Refused("it has no address to give (all are gone)".into())]);
    assert!(now - start > Duration::from_secs(600) && client.deadline() - now <= Duration::from_secs(120));
    // Then one comes free.
    let (_, solicit) = sent(&client.due(now));
    let (_, request) = sent(&client.take(&answer(&solicit, 2, &good()), now));
    assert!(matches!(client.take(&answer(&request, 7, &good()), now)[..], [Action::Bound(_)]));
}

#[test]
fn a_server_that_forgot_the_address_is_asked_anew() {
    let start = Instant::now();
    let mut client = Client::new(V6::new(MAC), 7, start);
    bound(&mut client, start);
    let later = start + Duration::from_secs(500);
    let (_, renew) = sent(&client.due(later));
    assert_eq!(client.take(&answer(&renew, 7, &[]), later), [], "an answer that says nothing of the address");
    let no_binding = identity(0, 0, &option(13, &[0, 3]));
    let actions = client.take(&answer(&renew, 7, &no_binding), later);
    let [Action::Lost(why), Action::Send(None, solicit)] = &actions[..] else { panic!("{actions:?}") };
    assert!(why.contains("does not know") && solicit[0] == 1);
}

#[test]
fn silence_is_said_once() {
    let mut now = Instant::now();
    let mut client = Client::new(V6::new(MAC), 7, now);
    let mut said = 0;
    for _ in 0..20 {
        said += client.due(now).iter().filter(|action| **action == Action::Silence).count();
        assert!(client.deadline() > now);
        now = client.deadline();
    }
    assert_eq!(said, 1);
}

#[test]
fn what_is_for_others_is_passed_over() {
    let now = Instant::now();
    let (mut client, mut other) = (Client::new(V6::new(MAC), 7, now), Client::new(V6::new(MAC), 8, now));
    let (_, solicit) = sent(&client.due(now));
    let (_, stranger) = sent(&other.due(now));
    assert_eq!(client.take(&answer(&stranger, 2, &good()), now), [], "another transaction");
    assert_eq!(client.take(&solicit, now), [], "its own message");
    let mut theirs = answer(&solicit, 2, &good());
    theirs[13] ^= 1;
    assert_eq!(client.take(&theirs, now), [], "another client");
    let unsigned = [&[2], &solicit[1..4], &option(1, &[&[0, 3, 0, 1][..], &MAC].concat())[..], &good()].concat();
    assert_eq!(client.take(&unsigned, now), [], "a server without a name");
}

proptest! {
    #[test]
    fn no_packet_does_harm(at in 0usize..120, octet: u8, length in 0usize..120, noise in proptest::collection::vec(any::<u8>(), 0..300)) {
        let now = Instant::now();
        let mut client = Client::new(V6::new(MAC), 7, now);
        let (_, solicit) = sent(&client.due(now));
        let mut offer = answer(&solicit, 2, &good());
        if let Some(place) = offer.get_mut(at) {
            *place = octet;
        }
        client.take(&answer(&solicit, 2, &noise), now);
        client.take(&noise, now);
        client.take(&offer[..length.min(offer.len())], now);
        client.take(&offer, now);
    }
}
