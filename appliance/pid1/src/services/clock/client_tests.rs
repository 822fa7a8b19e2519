//! A client, and servers and a clock that exist only here.
#![allow(clippy::unwrap_used)]

use super::super::packet::tests::{NOW, reply};
use super::*;

/// What a server does with a request, when it is the given time.
type Behaviour = Box<dyn Fn(&[u8], Duration) -> Option<Vec<u8>>>;

struct World {
    client: Client,
    start: Instant,
    now: Instant,
    servers: Vec<(IpAddr, Behaviour)>,
    /// Who was asked, and what came of it.
    asked: Vec<IpAddr>,
    found: Vec<Found>,
    in_vain: Vec<String>,
}

fn ip(number: u8) -> IpAddr {
    [192, 0, 2, number].into()
}

/// One whose clock is so many seconds off.
fn off_by(seconds: i64) -> Behaviour {
    Box::new(move |request, time| Some(reply(request, Duration::from_secs(time.as_secs().strict_add_signed(seconds)))))
}

fn silent() -> Behaviour {
    Box::new(|_, _| None)
}

/// One whose replies are changed.
fn changed(change: impl Fn(&mut Vec<u8>) + 'static) -> Behaviour {
    Box::new(move |request, time| {
        let mut reply = reply(request, time);
        change(&mut reply);
        Some(reply)
    })
}

fn kiss(code: &'static [u8; 4]) -> Behaviour {
    changed(move |reply| {
        reply[1] = 0;
        reply[12..16].copy_from_slice(code);
    })
}

impl World {
    fn new(servers: Vec<Behaviour>) -> Self {
        let mut number = 0;
        let start = Instant::now();
        let client = Client::new(Box::new(move || {
            number += 1;
            number
        }));
        let servers: Vec<(IpAddr, Behaviour)> =
            servers.into_iter().enumerate().map(|(at, server)| (ip(at as u8 + 1), server)).collect();
        let addresses = servers.iter().map(|(address, _)| Server::Address(*address)).collect();
        let (asked, found, in_vain) = (Vec::new(), Vec::new(), Vec::new());
        let mut world = Self { client, start, now: start, servers, asked, found, in_vain };
        let actions = world.client.servers(addresses, start);
        world.act(actions);
        world
    }

    fn time(&self) -> Duration {
        Duration::from_secs(NOW) + self.now.duration_since(self.start)
    }

    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Ask(number, server, packet) => {
                    self.asked.push(server);
                    let reply =
                        self.servers.iter().find(|(known, _)| *known == server).unwrap().1(&packet, self.time());
                    if let Some(reply) = reply {
                        self.now += Duration::from_millis(10);
                        let actions = self.client.reply(number, &reply, self.now);
                        self.act(actions);
                    }
                }
                Action::Found(found) => self.found.push(found),
                Action::InVain(why) => self.in_vain.push(why),
                Action::End | Action::Resolve(..) => {}
            }
        }
    }

    /// Lives for so long.
    fn live(&mut self, seconds: u64) -> &mut Self {
        let end = self.now + Duration::from_secs(seconds);
        while let Some(next) = self.client.deadline().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            let actions = self.client.due(self.now);
            self.act(actions);
        }
        self.now = self.now.max(end);
        self
    }
}

#[test]
fn the_time_is_asked_at_once_and_then_every_seventeen_minutes() {
    let mut world = World::new(vec![off_by(0)]);
    world.live(0);
    assert_eq!(world.found.len(), 1);
    let (found, time) = (world.found[0], world.time());
    assert!(found.server == ip(1) && found.sample.time.abs_diff(time) < Duration::from_millis(20), "{found:?}");
    assert_eq!(world.live(3600).found.len(), 4);
    assert_eq!(world.asked.len(), 4);
}

#[test]
fn a_silent_server_is_asked_ever_more_rarely_and_it_is_said() {
    let mut world = World::new(vec![silent()]);
    world.live(20);
    assert!(world.asked.len() >= 3 && world.in_vain.is_empty(), "{:?} {:?}", world.asked, world.in_vain);
    world.live(20);
    assert_eq!(world.in_vain.first().unwrap(), "192.0.2.1 does not answer");
    let before = world.live(3600).asked.len();
    assert!(world.live(24 * 3600).asked.len() - before <= 24 * 3600 / 1024 + 1);
    assert!(world.found.is_empty());
    world.servers[0].1 = off_by(0);
    assert!(!world.live(1100).found.is_empty(), "it is found when it comes back");
}

#[test]
fn what_most_agree_on_is_the_time() {
    assert_eq!(World::new(vec![off_by(0), off_by(-400), off_by(0)]).live(1).found[0].server, ip(1));
    assert_eq!(World::new(vec![off_by(9), silent(), off_by(0), off_by(0)]).live(3).found[0].server, ip(3));
    for disagreeing in [vec![off_by(0), off_by(-31_536_000)], vec![off_by(0), off_by(50), off_by(0), off_by(50)]] {
        let mut world = World::new(disagreeing);
        world.live(3600);
        assert!(world.found.is_empty());
        assert!(world.in_vain[0].ends_with("tell different times"), "{:?}", world.in_vain);
    }
}

#[test]
fn a_wrong_or_hostile_reply_changes_nothing() {
    let wrong: Vec<Behaviour> = vec![
        changed(|reply| reply[0] |= 0xC0),
        changed(|reply| reply[24] ^= 1),
        changed(|reply| reply.truncate(47)),
        changed(|reply| reply[0] = 0x23),
        changed(|reply| reply[40..].fill(0)),
        Box::new(|_, _| Some(vec![0xFF; 1500])),
        kiss(b"DENY"),
    ];
    for (number, server) in wrong.into_iter().enumerate() {
        let mut world = World::new(vec![server]);
        world.live(7200);
        assert!(world.found.is_empty() && !world.in_vain.is_empty(), "{number}");
    }
}

#[test]
fn who_guesses_before_the_server_answers_is_passed_over() {
    let mut world = World::new(vec![silent()]);
    let asked = world.client.due(world.now);
    let [Action::Ask(0, _, packet)] = asked[..] else { panic!("{asked:?}") };
    let mut guess = reply(&packet, Duration::from_secs(1));
    guess[31] ^= 1;
    for _ in 0..100 {
        assert_eq!(world.client.reply(0, &guess, world.now), []);
    }
    let actions = world.client.reply(0, &reply(&packet, Duration::from_secs(NOW)), world.now);
    assert!(matches!(actions[..], [Action::End, Action::Found(_)]), "{actions:?}");
    assert_eq!(world.client.reply(0, &reply(&packet, Duration::from_secs(5)), world.now), [], "it is over");
}

#[test]
fn one_that_does_not_want_to_be_asked_is_left_alone() {
    let mut world = World::new(vec![kiss(b"DENY"), off_by(0)]);
    world.live(10_000);
    assert_eq!(world.asked.iter().filter(|server| **server == ip(1)).count(), 1);
    assert!(world.found.len() > 5);
    let mut world = World::new(vec![kiss(b"RATE")]);
    world.live(4 * 1024);
    assert_eq!(world.asked.len(), 1);
    assert!(world.in_vain.iter().any(|why| why == "192.0.2.1 does not want to be asked"), "{:?}", world.in_vain);
    assert!(world.live(2048).asked.len() >= 2, "after an hour again");
}

#[test]
fn more_servers_than_one_round_asks_get_their_turn() {
    let mut world = World::new((0..8).map(|number| if number < 4 { silent() } else { off_by(0) }).collect());
    world.live(60);
    assert!(!world.found.is_empty());
}

#[test]
fn names_are_looked_up_anew_and_their_addresses_asked_in_turn() {
    let mut world = World::new(vec![off_by(0), off_by(0), off_by(0), off_by(0), off_by(0)]);
    let name = Box::new(Name::from_text("pool.example").unwrap());
    let servers = vec![Server::Name(name.clone()), Server::Address(ip(5)), Server::Name(name.clone())];
    world.client.servers(servers, world.now);
    for _ in 0..2 {
        let actions = world.client.due(world.client.deadline().unwrap());
        assert_eq!(actions, [Action::Resolve(0, name.clone()), Action::Resolve(2, name.clone())]);
        assert_eq!(world.client.resolved(2, &[], world.now), []);
        let actions = world.client.resolved(0, &[ip(1), ip(2), ip(1), ip(3), ip(4)], world.now);
        world.asked.clear();
        world.act(actions);
        assert_eq!(world.asked, [ip(1), ip(5), ip(2), ip(3)]);
    }
    // Nobody knows the names: that is over in time, and tried again.
    world.client.servers(vec![Server::Name(name)], world.now);
    world.found.clear();
    world.live(600);
    assert!(world.found.is_empty());
    assert_eq!(world.in_vain[0], "their names have no addresses");
}

#[test]
fn a_clock_that_was_set_is_not_put_far_by_one_round() {
    let mut client = Client::new(Box::new(|| 7));
    let (now, second) = (Instant::now(), 1_000_000_000);
    assert_eq!(client.steer(-365 * 86_400 * second, now), Steer::Step, "the first, whatever it is");
    assert_eq!(client.steer(second / 10, now), Steer::Slew);
    assert_eq!(client.steer(3600 * second, now), Steer::Confirm);
    assert_eq!(client.deadline(), Some(now + CONFIRM));
    assert_eq!(client.steer(-70 * second, now), Steer::Confirm, "something else");
    assert_eq!(client.steer(second / 100, now), Steer::Slew);
    assert_eq!(client.steer(-70 * second, now), Steer::Confirm, "what was between takes the doubt away");
    assert_eq!(client.steer(-70 * second - 1, now), Steer::Step);
}
