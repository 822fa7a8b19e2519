//! A new table takes the place of the one before: servers keep what is known of them, questions in flight go on.

use super::core::{Turn, bit};
use super::question::Phase;
use super::server::Server;
use super::source::Sources;
use super::table::{ForwardTable, ForwardZone};
use super::world::World;
use crate::dns::cause::{Cause, Why};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// No place among the servers yet.
const VACANT: u32 = u32::MAX;
/// The place of a zone that is in the table no more.
const GONE: u32 = u32::MAX;

/// The servers of a zone that can be asked from `sources`; of the others the log tells.
fn open_servers(zone: &ForwardZone, sources: &Sources) -> Vec<SocketAddr> {
    let (open, closed): (Vec<_>, Vec<_>) = zone.servers.iter().partition(|server| sources.can_ask(server));
    for server in closed {
        log::warn!(
            "{server} is not asked: outgoing-interface names no address that reaches it; add one of its family or link"
        );
    }
    open
}

impl<W: World> Turn<'_, W> {
    /// Puts `table` in place of the present one. What is known of a server that it names too stays; questions in flight
    /// go on with the servers that the new table has for them. Their answers are not to be cached: they may still be the
    /// old servers', and the cache has been emptied already.
    pub(super) fn set_table(&mut self, table: Arc<ForwardTable>) {
        let open: Vec<Vec<SocketAddr>> = table.zones().iter().map(|zone| open_servers(zone, table.sources())).collect();
        self.set_servers(&open);
        self.core.sockets.set_sources(table.sources(), self.world);
        let old = std::mem::replace(&mut self.core.table, table);
        self.show_troubles();
        for id in 0..self.core.questions.capacity() as u32 {
            let question = self.core.questions.get_mut(id);
            question.uncached = true;
            match question.phase {
                Phase::Free => {}
                // It is told yet which zone's servers failed.
                Phase::Failed => {
                    let zone = old.zone(question.zone).and_then(|zone| self.core.table.place_of(&zone.name));
                    question.zone = zone.unwrap_or(GONE);
                }
                Phase::Probe => self.end_probe(id),
                _ => self.adopt(id),
            }
        }
    }

    /// Gives each zone its servers and each server a place: the one it has; else that of one which no zone names any more
    /// and nobody waits for. So there are no more places than servers are named or waited for, whatever addresses, as
    /// link-local ones with ever new interfaces, come and go.
    fn set_servers(&mut self, zones: &[Vec<SocketAddr>]) {
        let mut places: HashMap<SocketAddr, u32> = zones.iter().flatten().map(|&address| (address, VACANT)).collect();
        for (place, server) in self.core.servers.iter_mut().enumerate() {
            let named = places.get_mut(&server.address);
            server.is_used = named.is_some();
            match named {
                Some(known) => *known = place as u32,
                None => self.core.sockets.retire_all(place as u32, self.world),
            }
        }
        let mut vacant = self.vacant_places();
        for &address in zones.iter().flatten() {
            let Some(place) = places.get_mut(&address).filter(|place| **place == VACANT) else { continue };
            *place = vacant.pop().unwrap_or(self.core.servers.len() as u32);
            match self.core.servers.get_mut(*place as usize) {
                Some(server) => *server = Server::new(address),
                None => self.core.servers.push(Server::new(address)),
            }
        }
        self.core.zone_servers =
            zones.iter().map(|zone| zone.iter().map(|address| places[address]).collect()).collect();
        self.core.sockets.share_out(places.len());
    }

    /// Places of servers that no zone names and no question in flight was sent to.
    fn vacant_places(&self) -> Vec<u32> {
        let mut awaited = vec![false; self.core.servers.len()];
        for id in 0..self.core.questions.capacity() as u32 {
            let question = self.core.questions.get(id);
            let asked = question.phase != Phase::Free;
            if let Some(place) = awaited.get_mut(question.asked.server as usize).filter(|_| asked) {
                *place = true;
            }
        }
        let is_vacant = |&place: &u32| {
            let is_used = self.core.servers[place as usize].is_used || awaited[place as usize];
            !is_used && self.core.sockets.has_none_of(place)
        };
        (0..self.core.servers.len() as u32).filter(is_vacant).collect()
    }

    /// Puts a question in flight into the new table.
    fn adopt(&mut self, id: u32) {
        let question = self.core.questions.get_mut(id);
        (question.tried, question.failed, question.refused) = (0, 0, 0);
        // What went wrong did so at a server of another zone.
        question.cause = Cause::default();
        let Some(zone) = self.core.table.find(question.target.as_wire()) else {
            question.cause = Cause::new(Why::NoZone);
            return self.fail(id);
        };
        question.zone = zone;
        let servers = &self.core.zone_servers[zone as usize];
        for asked in question.tries.iter_mut().map(|sent| &mut sent.asked).chain([&mut question.asked]) {
            let place = servers.iter().position(|&server| server == asked.server);
            asked.place = place.map_or(u8::MAX, |place| place as u8);
        }
        question.tried = bit(question.asked.place);
    }
}
