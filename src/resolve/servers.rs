//! All servers that are known, found by address.

use super::options::Infra;
use super::server::Server;
use super::trouble::{Failure, NoRoute, Way};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::{Index, IndexMut};
use std::time::Duration;

/// Servers by place. A place stays a server's as long as a cut has it or something sent to it may be answered.
#[derive(Default)]
pub struct Servers {
    slots: Vec<Server>,
    by_address: HashMap<SocketAddr, u32>,
    /// Places that nothing has to do with.
    vacant: Vec<u32>,
    /// Where the search for a place to use again goes on.
    hand: usize,
    /// Servers that a cut has.
    held: usize,
    infra: Infra,
    no_route: NoRoute,
}

/// Places looked at for one that may be used again.
const LOOK_AT: usize = 64;

impl Servers {
    /// None yet.
    pub fn new(infra: Infra) -> Servers {
        Servers { infra, ..Servers::default() }
    }

    /// Remembers them by other rules; what is known stays.
    pub fn set_infra(&mut self, infra: Infra) {
        if self.infra != infra {
            self.infra = infra;
            self.slots.iter_mut().for_each(|server| server.set_infra(infra));
        }
    }

    /// Servers that have a place.
    pub fn count(&self) -> usize {
        self.by_address.len()
    }

    /// Servers that a cut has.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Places, those that no server needs included.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// The server of a place.
    pub fn get(&self, place: u32) -> Option<&Server> {
        self.slots.get(place as usize)
    }

    /// The place of the server at an address, if it has one.
    pub fn find(&self, address: &SocketAddr) -> Option<u32> {
        self.by_address.get(address).copied()
    }

    /// The place of the server at an address; it gets one if it has none. `is_free`: no socket leads to the server of a place
    /// any more, so that nothing can be sent to it in another's name.
    pub fn place(&mut self, address: SocketAddr, is_free: impl Fn(u32) -> bool) -> u32 {
        if let Some(place) = self.find(&address) {
            return place;
        }
        let place = self.forgettable(is_free).unwrap_or(self.slots.len() as u32);
        match self.slots.get_mut(place as usize) {
            Some(slot) => {
                self.by_address.remove(&slot.address);
                *slot = Server::new(address, self.infra);
            }
            None => self.slots.push(Server::new(address, self.infra)),
        }
        self.by_address.insert(address, place);
        place
    }

    /// A place whose server nothing has to do with: one that the configuration names no more or, when there are many, any.
    fn forgettable(&mut self, is_free: impl Fn(u32) -> bool) -> Option<u32> {
        let may_go = |slots: &[Server], place: u32| {
            let server = &slots[place as usize];
            !server.is_used && server.holds == 0 && is_free(place)
        };
        let vacant = self.vacant.pop().filter(|&place| may_go(&self.slots, place));
        if vacant.is_some() || self.slots.len() < self.infra.hosts {
            return vacant;
        }
        for _ in 0..LOOK_AT {
            self.hand = (self.hand + 1) % self.slots.len();
            if may_go(&self.slots, self.hand as u32) {
                return Some(self.hand as u32);
            }
        }
        None
    }

    /// These places may be used again.
    pub fn set_vacant(&mut self, places: Vec<u32>) {
        self.vacant = places;
    }

    /// Something stood in the way to a server; true when that is another thing than before.
    pub(super) fn failed(&mut self, place: u32, way: Way, failure: Failure, now: Duration) -> bool {
        let server = &mut self.slots[place as usize];
        if !server.is_used {
            self.no_route.failed(failure, server.address);
        }
        server.failed(way, failure, now)
    }

    /// A cut has this server from now on.
    pub fn hold(&mut self, place: u32) {
        let server = &mut self[place];
        server.holds += 1;
        self.held += usize::from(server.holds == 1);
    }

    /// A cut that had it is gone.
    pub fn let_go(&mut self, place: u32) {
        let server = &mut self[place];
        let was_last = server.holds == 1;
        server.holds = server.holds.saturating_sub(1);
        self.held -= usize::from(was_last);
    }

    /// Every server.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Server> {
        self.slots.iter_mut()
    }

    /// Every server.
    pub fn iter(&self) -> impl Iterator<Item = &Server> {
        self.slots.iter()
    }
}

impl Index<u32> for Servers {
    type Output = Server;

    #[inline]
    fn index(&self, place: u32) -> &Server {
        &self.slots[place as usize]
    }
}

impl IndexMut<u32> for Servers {
    #[inline]
    fn index_mut(&mut self, place: u32) -> &mut Server {
        &mut self.slots[place as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_place_gets_another_address_while_a_socket_leads_to_the_old_one() {
        let address = |last: u8| SocketAddr::from(([192, 0, 2, last], 53));
        let mut servers = Servers::new(Infra { hosts: 2, ..Infra::default() });
        assert_eq!((servers.place(address(1), |_| true), servers.place(address(2), |_| true)), (0, 1));
        assert_eq!(servers.place(address(3), |_| false), 2, "nothing is to be had, so there is one more");
        assert_eq!(servers.place(address(4), |place| place == 1), 1);
        assert_eq!((servers.find(&address(2)), servers.find(&address(1))), (None, Some(0)));
        servers.set_vacant(vec![0]);
        assert_eq!(
            servers.place(address(5), |place| place != 0),
            2,
            "a place that was vacant at a reload goes by the same"
        );
    }
}
