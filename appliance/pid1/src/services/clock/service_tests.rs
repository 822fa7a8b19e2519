//! The service with a time server and a name server on the loopback interface, and a clock that exists only here.
#![allow(clippy::unwrap_used)]

use super::client::EVERY;
use super::packet::tests::{NOW, reply};
use super::*;
use runbound::dns::question::Question;
use runbound::dns::rtype;
use std::io;
use std::net::UdpSocket;
use std::sync::{Arc, Mutex};

/// A year behind.
const WRONG: Duration = Duration::from_secs(NOW - 365 * 86_400);

#[derive(Clone, Default)]
struct Hands(Arc<Mutex<(Duration, Vec<&'static str>)>>);

impl Wall for Hands {
    fn now(&self) -> Duration {
        self.0.lock().unwrap().0
    }

    fn step(&mut self, time: Duration) -> io::Result<()> {
        let mut hands = self.0.lock().unwrap();
        (hands.0, _) = (time, hands.1.push("step"));
        Ok(())
    }

    fn slew(&mut self, nanoseconds: i128) -> io::Result<()> {
        let mut hands = self.0.lock().unwrap();
        hands.0 += Duration::from_nanos(nanoseconds.try_into().unwrap());
        hands.1.push("slew");
        Ok(())
    }
}

struct Setting {
    clock: Clock,
    hands: Hands,
    status: Status,
    names: UdpSocket,
    times: UdpSocket,
    now: Instant,
}

impl Setting {
    fn new(servers: &[&str]) -> Self {
        let bind = || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            socket
        };
        let (names, times, now) = (bind(), bind(), Instant::now());
        let mut net = Net::new().unwrap();
        net.resolver = names.local_addr().unwrap();
        net.port = times.local_addr().unwrap().port();
        let hands = Hands(Arc::new(Mutex::new((WRONG, Vec::new()))));
        let mut cookie = 0;
        let client = Client::new(Box::new(move || {
            cookie += 1;
            cookie
        }));
        let mut clock = Clock::new(client, net, Box::new(hands.clone()), now);
        clock.file = "/nonexistent/ntp.conf".into();
        let mut status = Status::default();
        let servers: Vec<String> = servers.iter().map(|server| (*server).to_owned()).collect();
        status.time_servers.drive(true, &servers);
        Self { clock, hands, status, names, times, now }
    }

    fn turn(&mut self) -> Vec<Event> {
        self.clock.turn(PollFlags::empty(), self.now, &self.status)
    }

    /// Takes one packet at a server and sends something back.
    fn serve(socket: &UdpSocket, answer: impl FnOnce(&[u8]) -> Vec<u8>) {
        let mut buffer = [0; 512];
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        socket.send_to(&answer(&buffer[..length]), from).unwrap();
    }

    /// Turns until the clock says something else.
    fn said(&mut self) -> String {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(Event::Clock(text)) = self.turn().pop() {
                return text;
            }
            assert!(Instant::now() < end, "{:?}", self.clock.shown);
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn a_clock_that_is_a_year_behind_is_set_by_a_server_with_a_name_and_then_kept() {
    let mut at = Setting::new(&["time.example"]);
    assert_eq!(at.said(), "not set yet: asking time.example");
    for _ in 0..2 {
        Setting::serve(&at.names, |asked| {
            let is_v4 = Question::parse(asked).unwrap().qtype == rtype::A;
            let addresses: &[IpAddr] = if is_v4 { &["127.0.0.1".parse().unwrap()] } else { &[] };
            lookup::tests::answer(asked, addresses)
        });
    }
    while at.clock.client.deadline().is_some_and(|next| next > at.now + Duration::from_secs(3)) {
        assert_eq!(at.turn(), []);
    }
    Setting::serve(&at.times, |asked| reply(asked, Duration::from_secs(NOW)));
    assert_eq!(at.said(), "set 2026-11-23 06:00 by 127.0.0.1");
    assert_eq!(at.hands.now(), Duration::from_secs(NOW));
    // A little off the next time: made up for, not put there.
    at.status.time_servers.drive(true, &["127.0.0.1".to_owned()]);
    at.now += EVERY;
    at.turn();
    Setting::serve(&at.times, |asked| reply(asked, Duration::from_millis(NOW * 1000 + 250)));
    assert_eq!(at.said(), "set 2026-11-23 06:00 by 127.0.0.1, 0.250 s behind then");
    assert_eq!(at.hands.0.lock().unwrap().1, ["step", "slew"]);
}

#[test]
fn a_hostile_reply_moves_nothing_and_a_dead_server_is_told() {
    let mut at = Setting::new(&["127.0.0.1"]);
    assert_eq!(at.said(), "not set yet: asking 127.0.0.1");
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut buffer = [0; 512];
    let (length, from) = at.times.recv_from(&mut buffer).unwrap();
    stranger.send_to(&reply(&buffer[..length], Duration::from_secs(NOW)), from).ok();
    let mut forged = reply(&buffer[..length], Duration::from_secs(NOW));
    forged[24] ^= 1;
    at.times.send_to(&forged, from).unwrap();
    assert_eq!(at.turn(), []);
    // From here on its port is closed.
    at.times = UdpSocket::bind("127.0.0.1:0").unwrap();
    let said = loop {
        at.now = at.clock.deadline().unwrap().max(at.now);
        if let Some(Event::Clock(text)) = at.turn().pop() {
            break text;
        }
    };
    assert_eq!(said, "not set yet: no answer from 127.0.0.1");
    assert_eq!(at.hands.now(), WRONG);
}

#[test]
fn nobody_to_ask_is_said_and_a_lease_that_names_one_is_followed() {
    let mut at = Setting::new(&[]);
    assert!(at.said().starts_with("not set yet: no time server is known; "));
    at.status.time_servers.lease("eth0", vec!["127.0.0.1".to_owned()]);
    at.now += LOOK;
    assert_eq!(at.said(), "not set yet: asking 127.0.0.1");
    at.status.time_servers.drive(false, &[]);
    at.now += LOOK;
    assert_eq!(at.said(), "not set yet: the cloud-init drive says ntp: enabled: false");
    assert!(server("bad..name").is_none() && server("").is_none() && server(".").is_none());
    assert_eq!(server("2001:db8::1"), Some(Server::Address("2001:db8::1".parse().unwrap())));
}
