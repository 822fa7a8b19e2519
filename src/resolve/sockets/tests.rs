use super::room::RESTED;
use super::*;
use crate::resolve::tests::world::ScriptWorld;
use std::collections::{BTreeMap, BTreeSet};

struct Rig {
    sockets: Sockets,
    world: ScriptWorld,
    now: Duration,
}

impl Rig {
    fn new(options: SocketOptions) -> Rig {
        Rig { sockets: Sockets::new(options), world: ScriptWorld::new(), now: Duration::from_secs(1) }
    }

    fn pick(&mut self, server: u32, address: &str) -> Result<u16, Failure> {
        self.sockets.pick(server, address.parse().unwrap(), self.now, &mut self.world)
    }

    fn done(&mut self, slot: u16) {
        let serial = self.sockets.serial(slot).unwrap();
        self.sockets.done((slot, serial), true, self.now, &mut self.world);
    }

    fn give_up(&mut self, slot: u16) {
        let serial = self.sockets.serial(slot).unwrap();
        self.sockets.done((slot, serial), false, self.now, &mut self.world);
    }

    /// A question that is answered; gives the port it left from.
    fn ask(&mut self, server: u32) -> u16 {
        let slot = self.pick(server, SERVER).unwrap();
        self.done(slot);
        self.local(slot).port()
    }

    fn local(&self, slot: u16) -> SocketAddr {
        self.world.udp[&slot].source
    }

    fn sweep(&mut self) {
        self.sockets.sweep(self.now, &mut self.world);
    }

    /// Open sockets; what is counted of them is right.
    fn open(&self) -> usize {
        let Sockets { slots, pools, busy, free, .. } = &self.sockets;
        let open = slots.iter().flatten().count();
        assert_eq!((open, open + free.len()), (self.world.udp.len(), slots.len()));
        assert_eq!(open, pools.iter().map(|pool| pool.open).sum::<usize>());
        assert_eq!(*busy, slots.iter().flatten().filter(|socket| socket.pending > 0).count());
        assert_eq!(*busy, pools.iter().map(|pool| pool.busy).sum::<usize>());
        for (server, pool) in pools.iter().enumerate() {
            for (place, &slot) in pool.places.iter().enumerate() {
                let socket = slots[usize::from(slot)].as_ref().expect("an open socket");
                assert_eq!((socket.server as usize, usize::from(socket.place)), (server, place));
            }
        }
        open
    }
}

fn narrow() -> SocketOptions {
    SocketOptions { ports: (20000..=29999).collect(), ..SocketOptions::default() }
}

fn of(most: usize) -> SocketOptions {
    SocketOptions { most, ..narrow() }
}

const SERVER: &str = "127.0.0.1:53";

#[test]
fn questions_leave_from_hundreds_of_ports_however_many_servers_there_are() {
    for servers in [1, 1100] {
        let mut rig = Rig::new(SocketOptions::default());
        (1..servers).for_each(|server| assert!(rig.ask(server) >= 16384));
        let ports: BTreeSet<u16> = (0..2000).map(|_| rig.ask(0)).collect();
        assert!(ports.len() >= 1000, "{} ports with {servers} servers", ports.len());
        let high = ports.iter().filter(|&&port| port >= 40960).count();
        assert!(
            (ports.len() * 4 / 10..ports.len() * 6 / 10).contains(&high),
            "{high} of {} in the upper half",
            ports.len()
        );
        assert!(rig.open() <= 4096);
    }
}

#[test]
fn a_socket_rests_after_two_questions_until_all_others_have_had_theirs() {
    let mut rig = Rig::new(SocketOptions::default());
    let mut used = BTreeMap::new();
    for _ in 0..1500 {
        let slot = rig.pick(0, SERVER).unwrap();
        *used.entry(rig.sockets.serial(slot)).or_insert(0) += 1;
        rig.done(slot);
    }
    let twice = used.values().filter(|&&times| times == 2).count();
    assert!(used.values().all(|&times| times <= 2) && twice > 500, "{twice} of {} take two", used.len());
}

#[test]
fn a_question_now_and_then_leaves_from_a_port_of_its_own() {
    let mut rig = Rig::new(narrow());
    let ports: Vec<u16> = (0..200)
        .map(|_| {
            rig.now += AGE;
            rig.sweep();
            rig.ask(0)
        })
        .collect();
    assert!(ports.iter().collect::<BTreeSet<_>>().len() > 190);
    assert_eq!(rig.open(), 1);
}

#[test]
fn sockets_lie_in_the_range_and_are_replaced() {
    let mut rig = Rig::new(of(64));
    let ports: BTreeSet<u16> = (0..QUERIES * 128).map(|_| rig.ask(0)).collect();
    assert!((96..=200).contains(&ports.len()), "full ones were replaced: {}", ports.len());
    assert!(ports.iter().all(|port| (20000..=29999).contains(port)));
    assert!(rig.open() <= 32, "the retired ones are closed");
    rig.now += AGE;
    let slot = rig.pick(0, SERVER).unwrap();
    rig.sockets.retire_all(0, rig.now, &mut rig.world);
    assert_eq!(rig.open(), 1, "one still waits for its answer");
    rig.done(slot);
    assert_eq!(rig.open(), 0);
}

#[test]
fn idle_sockets_are_closed_when_they_are_old() {
    let mut rig = Rig::new(narrow());
    let slots: Vec<u16> = (0..100).map(|_| rig.pick(0, SERVER).unwrap()).collect();
    slots[1..].iter().for_each(|&slot| rig.done(slot));
    let before = rig.open();
    rig.now += AGE - Duration::from_millis(1);
    rig.sweep();
    assert_eq!(rig.open(), before, "still good");
    rig.now += SWEEP;
    rig.sweep();
    assert_eq!(rig.open(), 1, "one waits for its answer");
    rig.done(slots[0]);
    assert_eq!(rig.open(), 1, "it is not older than it may be for another one");
    rig.now += SWEEP;
    rig.sweep();
    assert_eq!(rig.open(), 0);
}

#[test]
fn what_was_not_answered_in_time_is_waited_for() {
    let mut rig = Rig::new(SocketOptions { delay_close: AGE + 3 * SWEEP, ..narrow() });
    let answered = rig.pick(0, SERVER).unwrap();
    rig.done(answered);
    let late = rig.pick(1, SERVER).unwrap();
    rig.give_up(late);
    rig.now += AGE + 2 * SWEEP;
    rig.sweep();
    assert_eq!((rig.open(), rig.world.udp.contains_key(&late)), (1, true));
    rig.now += SWEEP;
    rig.sweep();
    assert_eq!(rig.open(), 0);
}

#[test]
fn no_server_can_take_the_places_of_the_others() {
    let mut rig = Rig::new(of(64));
    for server in 0..100 {
        // Silent, all of them.
        (0..400).for_each(|_| assert!(rig.pick(server, SERVER).is_ok()));
        let own = rig.sockets.pools[server as usize].busy;
        assert!((1..=32).contains(&own), "{own} of server {server}");
        rig.now += AGE;
    }
    assert_eq!(rig.open(), 64);
}

#[test]
fn when_all_are_busy_a_server_without_a_socket_gets_that_of_the_longest_wait() {
    let mut rig = Rig::new(of(FEWEST));
    let slots: Vec<u16> = (0..FEWEST as u32)
        .map(|server| {
            rig.now += RESTED;
            rig.pick(server, SERVER).unwrap()
        })
        .collect();
    assert_eq!((rig.pick(9, SERVER), rig.sockets.take_shortage()), (Ok(slots[9]), None), "who has one shares it");
    let first = rig.sockets.serial(slots[0]).unwrap();
    assert_eq!(rig.pick(99, SERVER), Ok(slots[0]));
    rig.sockets.done((slots[0], first), true, rig.now, &mut rig.world);
    assert_eq!((rig.open(), rig.sockets.pending(slots[0])), (FEWEST, 1), "what the other waited for is not its own");
    rig.done(slots[0]);
    assert_eq!(rig.pick(98, SERVER), Ok(slots[0]), "one that waits for nothing is given up first");
}

#[test]
fn what_goes_round_is_not_given_up_for_a_server_that_has_sockets() {
    let mut rig = Rig::new(of(64));
    for _ in 0..4000 {
        (0..8).for_each(|server| assert!(rig.ask(server) >= 20000));
    }
    let opened = rig.world.udp.values().map(|socket| socket.serial).max();
    assert!((64..800).contains(&opened.unwrap()), "{opened:?} for 32000 questions");
    rig.now += RESTED;
    assert!((0..30).map(|_| rig.ask(0)).collect::<BTreeSet<_>>().len() > 8, "what rests is");
}

#[test]
fn a_socket_that_is_used_up_takes_questions_until_another_can_be_opened() {
    let mut rig = Rig::new(SocketOptions { ports: vec![20000], ..narrow() });
    let slot = rig.pick(0, SERVER).unwrap();
    let serial = rig.world.udp[&slot].serial;
    rig.now += AGE;
    assert_eq!(rig.pick(0, SERVER), Ok(slot), "kept while it waits");
    assert_eq!(rig.world.udp[&slot].serial, serial);
    (0..2).for_each(|_| rig.done(slot));
    assert_eq!(rig.pick(0, SERVER), Ok(slot));
    assert!(rig.world.udp[&slot].serial > serial, "another one in the same slot");
    assert_eq!(rig.open(), 1);
}

#[test]
fn a_server_in_the_place_of_another_gets_no_socket_of_that_one() {
    let mut rig = Rig::new(of(256));
    for last in 1..200u8 {
        let address = format!("192.0.2.{last}:53");
        let slot = rig.pick(0, &address).unwrap();
        assert_eq!(rig.world.udp[&slot].server.to_string(), address);
        if last % 3 > 0 {
            rig.done(slot);
        }
        rig.now += RESTED;
    }
}

#[test]
fn questions_leave_from_the_addresses_that_were_named() {
    let own: Vec<SocketAddr> = ["127.0.0.2:0", "127.0.0.3:0"].map(|own| own.parse().unwrap()).to_vec();
    let mut rig = Rig::new(narrow());
    rig.sockets.set_sources(&Sources::These(own.clone()), rig.now, &mut rig.world);
    let mut seen = [0; 2];
    for _ in 0..256 {
        let slot = rig.pick(0, SERVER).unwrap();
        seen[own.iter().position(|own| own.ip() == rig.local(slot).ip()).unwrap()] += 1;
    }
    assert!(seen.iter().all(|&seen| seen > 90), "{seen:?}");
    let absent = Failure { call: "bind", errno: Errno::ADDRNOTAVAIL };
    assert_eq!(rig.pick(1, "[::1]:53"), Err(absent), "not from an address that was not named");
    rig.open();
}

#[test]
fn a_port_of_another_program_is_drawn_again() {
    let mut rig = Rig::new(SocketOptions { ports: vec![20000, 20001], ..narrow() });
    rig.world.taken.insert(20000);
    let slot = rig.pick(0, SERVER).unwrap();
    assert_eq!(rig.local(slot).port(), 20001);
    rig.world.taken.insert(20001);
    assert_eq!(rig.pick(1, SERVER), Err(Failure { call: "bind", errno: Errno::ADDRINUSE }));
    assert_eq!(rig.open(), 1);
}

#[test]
fn without_random_numbers_nothing_is_opened_and_they_are_named() {
    let own = Sources::These(vec!["127.0.0.2:0".parse().unwrap()]);
    // For the place in the pool, for the source where there is a choice, for the port.
    for (sources, draws) in [(Sources::Any, 2), (own, 3)] {
        for enough in 0..=draws {
            let mut rig = Rig::new(narrow());
            rig.sockets.set_sources(&sources, rig.now, &mut rig.world);
            rig.world.draws = enough;
            let told = rig.pick(0, SERVER).map(|_| ()).map_err(|failure| failure.call);
            assert_eq!(told, if enough == draws { Ok(()) } else { Err("getrandom") }, "{enough} of {draws}");
            assert_eq!(rig.open(), usize::from(enough == draws));
        }
    }
}
