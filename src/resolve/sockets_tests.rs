use super::*;
use crate::resolve::tests::world::ScriptWorld;

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
        self.sockets.done(slot, &mut self.world);
    }

    fn local(&self, slot: u16) -> SocketAddr {
        self.world.udp[&slot].source
    }

    fn open(&self) -> usize {
        let open = self.sockets.slots.iter().flatten().count();
        assert_eq!(open, self.world.udp.len());
        open
    }
}

fn narrow() -> SocketOptions {
    SocketOptions { ports: (20000..=29999).collect(), receive_buffer: 0, ..SocketOptions::default() }
}

const SERVER: &str = "127.0.0.1:53";

#[test]
fn sockets_lie_in_the_range_and_are_replaced() {
    let mut rig = Rig::new(narrow());
    let mut ports = std::collections::BTreeSet::new();
    let mut slots = Vec::new();
    for _ in 0..QUERIES as usize * POOL * 2 {
        let slot = rig.pick(0, SERVER).unwrap();
        ports.insert(rig.local(slot).port());
        slots.push(slot);
    }
    assert!(ports.len() > POOL, "full ones were replaced");
    assert!(ports.iter().all(|port| (20000..=29999).contains(port)));
    for slot in slots.drain(..) {
        rig.done(slot);
    }
    assert!(rig.open() <= POOL, "the retired ones are closed");
    rig.now += AGE;
    let slot = rig.pick(0, SERVER).unwrap();
    assert!(ports.insert(rig.local(slot).port()) || ports.len() > 100, "an old one was replaced");
    rig.sockets.retire_all(0, &mut rig.world);
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
    rig.sockets.sweep(rig.now + AGE - Duration::from_millis(1), &mut rig.world);
    assert_eq!(rig.open(), before, "still good");
    rig.now += AGE + SWEEP;
    rig.sockets.sweep(rig.now, &mut rig.world);
    assert_eq!(rig.open(), 1, "one waits for its answer");
    rig.done(slots[0]);
    rig.now += SWEEP;
    rig.sockets.sweep(rig.now, &mut rig.world);
    assert_eq!(rig.open(), 0);
}

#[test]
fn no_server_can_take_the_share_of_another() {
    let mut rig = Rig::new(SocketOptions { most: 32, ..narrow() });
    rig.sockets.share_out(4);
    for server in 0..4 {
        for _ in 0..16 * QUERIES {
            rig.pick(server, SERVER).unwrap();
        }
        assert!((2..=8).contains(&rig.sockets.pools[server as usize].open), "{server}");
        rig.now += AGE;
    }
    assert!(rig.open() <= 32);
    rig.sockets.share_out(100);
    assert!(rig.pick(99, SERVER).is_ok(), "one each at least");
}

#[test]
fn one_socket_is_replaced_by_one() {
    let mut rig = Rig::new(SocketOptions { most: 1, ..narrow() });
    let slot = rig.pick(0, SERVER).unwrap();
    let port = rig.local(slot).port();
    rig.now += AGE;
    let serial = rig.world.udp[&slot].serial;
    assert_eq!(rig.pick(0, SERVER), Ok(slot), "kept while it waits");
    assert_eq!(rig.world.udp[&slot].serial, serial);
    assert_eq!(rig.local(slot).port(), port);
    (0..2).for_each(|_| rig.done(slot));
    let mut ports = (0..4).map(|_| {
        let slot = rig.pick(0, SERVER).unwrap();
        let port = rig.local(slot).port();
        assert!(rig.world.udp[&slot].serial > serial, "another one in the same slot");
        rig.done(slot);
        rig.now += AGE;
        port
    });
    assert!(ports.any(|new| new != port));
    assert_eq!(rig.open(), 1);
}

#[test]
fn questions_leave_from_the_addresses_that_were_named() {
    let own: Vec<SocketAddr> = ["127.0.0.2:0", "127.0.0.3:0"].map(|own| own.parse().unwrap()).to_vec();
    let mut rig = Rig::new(narrow());
    rig.sockets.set_sources(&Sources::These(own.clone()), &mut rig.world);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..POOL * 4 {
        let slot = rig.pick(0, SERVER).unwrap();
        seen.insert(SocketAddr::new(rig.local(slot).ip(), 0));
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), own);
    let absent = Failure { call: "bind", errno: Errno::ADDRNOTAVAIL };
    assert_eq!(rig.pick(1, "[::1]:53"), Err(absent), "not from an address that was not named");
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
            rig.sockets.set_sources(&sources, &mut rig.world);
            rig.world.draws = enough;
            let told = rig.pick(0, SERVER).map(|_| ()).map_err(|failure| failure.call);
            assert_eq!(told, if enough == draws { Ok(()) } else { Err("getrandom") }, "{enough} of {draws}");
            assert_eq!(rig.open(), usize::from(enough == draws));
        }
    }
}
