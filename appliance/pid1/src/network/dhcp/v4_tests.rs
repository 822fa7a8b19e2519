//! A client against a server that exists only here.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::network::dhcp::client::ActionOf;
use proptest::prelude::*;
use std::time::Instant;

type Client = crate::network::dhcp::client::Client<V4>;
type Action = ActionOf<V4>;

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 77);

/// The answer of a server to a packet.
fn answer(packet: &[u8], kind: DhcpMessageType, extra: &[DhcpOption<'_>]) -> Vec<u8> {
    let asked = DhcpPacket::new_checked(packet).unwrap();
    let asked = DhcpRepr::parse(&asked).unwrap();
    let mut servers = smoltcp::wire::DhcpRepr { dns_servers: None, additional_options: extra, ..asked };
    servers.message_type = kind;
    servers.your_ip = if kind == DhcpMessageType::Nak { Ipv4Addr::UNSPECIFIED } else { ADDRESS };
    servers.subnet_mask = Some(Ipv4Addr::new(255, 255, 255, 0));
    servers.router = Some(SERVER);
    servers.server_identifier = Some(SERVER);
    servers.lease_duration = Some(1000);
    servers.parameter_request_list = None;
    servers.max_size = None;
    let mut buffer = vec![0; servers.buffer_len() + 64];
    let mut reply = DhcpPacket::new_unchecked(&mut buffer);
    servers.emit(&mut reply).unwrap();
    reply.set_opcode(smoltcp::wire::DhcpOpCode::Reply);
    buffer
}

fn sent(actions: &[Action]) -> (Option<Ipv4Addr>, DhcpMessageType, Vec<u8>) {
    let [Action::Send(to, packet)] = actions else { panic!("{actions:?}") };
    let parsed = DhcpPacket::new_checked(&packet[..]).unwrap();
    (*to, DhcpRepr::parse(&parsed).unwrap().message_type, packet.clone())
}

fn bound(client: &mut Client, now: Instant) -> Lease {
    let (to, kind, discover) = sent(&client.due(now));
    assert_eq!((to, kind), (None, DhcpMessageType::Discover));
    assert!(discover.len() >= 300);
    let (to, kind, request) = sent(&client.take(&answer(&discover, DhcpMessageType::Offer, &[]), now));
    assert_eq!((to, kind), (None, DhcpMessageType::Request));
    let servers = DhcpOption { kind: 6, data: &[192, 0, 2, 53, 192, 0, 2, 54, 9] };
    let times = DhcpOption { kind: 42, data: &[192, 0, 2, 123, 192, 0] };
    let actions = client.take(&answer(&request, DhcpMessageType::Ack, &[servers, times]), now);
    let [Action::Bound(lease)] = &actions[..] else { panic!("{actions:?}") };
    let asked = DhcpPacket::new_checked(&request[..]).unwrap();
    assert!(asked.options().any(|option| option.kind == 55 && option.data.contains(&42)), "time servers are asked for");
    assert_eq!(lease.time_servers, ["192.0.2.123"]);
    lease.clone()
}

#[test]
fn a_lease_is_found_renewed_and_lost() {
    let start = Instant::now();
    let after = |seconds| start + Duration::from_secs(seconds);
    let mut client = Client::new(V4::new(MAC, "dns1"), 7, start);
    let lease = bound(&mut client, start);
    assert_eq!(lease.network().to_string(), "192.0.2.77/24");
    assert_eq!(lease.name_servers.len(), 2);
    assert_eq!(lease.routes[0].via, Some(SERVER.into()));
    assert_eq!(client.deadline(), after(500));
    assert_eq!(client.due(after(499)), []);

    let (to, kind, packet) = sent(&client.due(after(500)));
    assert_eq!((to, kind), (Some(SERVER), DhcpMessageType::Request));
    let actions = client.take(&answer(&packet, DhcpMessageType::Ack, &[]), after(501));
    assert!(matches!(actions[..], [Action::Bound(_)]));
    assert_eq!(client.deadline(), after(1001));

    assert_eq!(sent(&client.due(after(1001))).0, Some(SERVER));
    assert_eq!(sent(&client.due(after(1400))).0, None, "after T2 anybody is asked");
    let actions = client.due(after(1501));
    assert!(matches!(actions[..], [Action::Lost(_), Action::Send(None, _)]), "{actions:?}");
}

#[test]
fn a_refusal_begins_anew_but_not_at_once() {
    let start = Instant::now();
    let mut client = Client::new(V4::new(MAC, ""), 7, start);
    let (_, _, discover) = sent(&client.due(start));
    let (_, _, request) = sent(&client.take(&answer(&discover, DhcpMessageType::Offer, &[]), start));
    let words = DhcpOption { kind: 56, data: b"address in use\n" };
    let said = client.take(&answer(&request, DhcpMessageType::Nak, &[words]), start);
    assert_eq!(said, [Action::Refused("it refused the address (address in use)".into())]);
    assert!(client.deadline() > start);
    let later = client.deadline();
    assert_eq!(sent(&client.due(later)).1, DhcpMessageType::Discover);
}

#[test]
fn a_lease_that_is_refused_is_over_and_another_one_is_looked_for() {
    let start = Instant::now();
    let mut client = Client::new(V4::new(MAC, ""), 7, start);
    bound(&mut client, start);
    let later = start + Duration::from_secs(500);
    let (_, _, renewal) = sent(&client.due(later));
    let repr = DhcpPacket::new_unchecked(&renewal[..]);
    assert_eq!((repr.client_ip(), repr.secs()), (ADDRESS, 0), "an exchange of its own");
    let actions = client.take(&answer(&renewal, DhcpMessageType::Nak, &[]), later);
    let [Action::Lost(why), Action::Send(None, _)] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!(why, "it refused the address");
}

#[test]
fn silence_is_said_once_and_asking_goes_on() {
    let mut now = Instant::now();
    let mut client = Client::new(V4::new(MAC, ""), 7, now);
    let mut said = 0;
    let mut longest = Duration::ZERO;
    for _ in 0..20 {
        let actions = client.due(now);
        said += actions.iter().filter(|action| **action == Action::Silence).count();
        assert!(matches!(actions[0], Action::Send(None, _)));
        longest = longest.max(client.deadline() - now);
        now = client.deadline();
    }
    assert_eq!((said, longest), (1, Duration::from_secs(60)));
}

#[test]
fn classless_routes_take_the_place_of_the_router() {
    let now = Instant::now();
    let mut client = Client::new(V4::new(MAC, ""), 7, now);
    let (_, _, discover) = sent(&client.due(now));
    let (_, _, request) = sent(&client.take(&answer(&discover, DhcpMessageType::Offer, &[]), now));
    let routes = DhcpOption { kind: 121, data: &[0, 192, 0, 2, 254, 24, 198, 51, 100, 192, 0, 2, 2, 33] };
    let actions = client.take(&answer(&request, DhcpMessageType::Ack, &[routes]), now);
    let [Action::Bound(lease)] = &actions[..] else { panic!("{actions:?}") };
    let routes: Vec<String> = lease.routes.iter().map(|route| format!("{} {}", route.to, route.via.unwrap())).collect();
    assert_eq!(routes, ["0.0.0.0/0 192.0.2.254", "198.51.100.0/24 192.0.2.2"]);
}

#[test]
fn what_is_for_others_is_passed_over() {
    let now = Instant::now();
    let (mut client, mut other) = (Client::new(V4::new(MAC, ""), 7, now), Client::new(V4::new([2; 6], ""), 7, now));
    let mut old = Client::new(V4::new(MAC, ""), 8, now);
    client.due(now);
    for stranger in [&mut other, &mut old] {
        let (_, _, discover) = sent(&stranger.due(now));
        assert_eq!(client.take(&answer(&discover, DhcpMessageType::Offer, &[]), now), []);
        assert_eq!(client.take(&discover, now), []);
    }
}

proptest! {
    #[test]
    fn no_packet_does_harm(at in 0usize..400, octet: u8, length in 0usize..400, noise in proptest::collection::vec(any::<u8>(), 0..400)) {
        let now = Instant::now();
        let mut client = Client::new(V4::new(MAC, "x"), 7, now);
        let (_, _, discover) = sent(&client.due(now));
        let mut offer = answer(&discover, DhcpMessageType::Offer, &[DhcpOption { kind: 121, data: &[24, 1, 2, 3, 4] }]);
        if let Some(place) = offer.get_mut(at) {
            *place = octet;
        }
        client.take(&noise, now);
        client.take(&offer[..length.min(offer.len())], now);
        client.take(&offer, now);
    }
}
