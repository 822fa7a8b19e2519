//! A new table takes the place of the one before: servers keep what is known of them, questions in flight go on.

use super::core::{Core, Turn, bit};
use super::cuts::{Cut, Known, Source};
use super::question::{NONE, Phase};
use super::source::Sources;
use super::table::{Kind, Zone, ZoneTable};
use super::world::World;
use crate::dns::Name;
use crate::dns::cause::Cause;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The servers of a zone that can be asked from `sources`; of the others the log tells.
fn open_servers(zone: &Zone, sources: &Sources) -> Vec<SocketAddr> {
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
    pub(super) fn set_table(&mut self, table: Arc<ZoneTable>) {
        let open: Vec<Vec<SocketAddr>> = table.zones().iter().map(|zone| open_servers(zone, table.sources())).collect();
        let places = self.place_servers(&open);
        let before = std::mem::take(&mut self.core.zone_cuts);
        self.core.zone_cuts = table
            .zones()
            .iter()
            .zip(places)
            .enumerate()
            .map(|(zone, (named, servers))| {
                let name = Name::from_wire(&named.name).unwrap_or(Name::ROOT);
                let source = match named.kind {
                    Kind::Forward => Source::Forward(zone as u32),
                    Kind::Stub { .. } => Source::Stub(zone as u32),
                };
                let mut cut = Cut::new(&name, source, Duration::MAX);
                named.hosts.iter().for_each(|host| cut.add_name(host, [Known::No; 2]));
                for server in servers {
                    cut.seat(server);
                }
                self.core.cuts.add(cut)
            })
            .collect();
        self.core.streams.retire_all(self.world);
        self.core.sockets.set_sources(table.sources(), self.now, self.world);
        self.core.table = table;
        self.set_hints();
        self.show_troubles();
        for id in 0..self.core.questions.so_far() as u32 {
            let question = self.core.questions.get_mut(id);
            question.uncached = true;
            match question.phase {
                Phase::Free | Phase::Failed => {}
                Phase::Probe => self.end_probe(id),
                _ => self.adopt(id),
            }
        }
        before.into_iter().for_each(|cut| self.core.cuts.release(cut));
    }

    /// Gives each zone its servers and each server a place: the one it has; else that of one which no zone names any more
    /// and nobody waits for. So there are no more places than servers are named or waited for, whatever addresses, as
    /// link-local ones with ever new interfaces, come and go.
    fn place_servers(&mut self, zones: &[Vec<SocketAddr>]) -> Vec<Vec<u32>> {
        let named: HashSet<SocketAddr> = zones.iter().flatten().copied().collect();
        for place in 0..self.core.servers.len() as u32 {
            let server = &mut self.core.servers[place];
            let was_used = std::mem::replace(&mut server.is_used, named.contains(&server.address));
            if was_used && !server.is_used {
                self.core.sockets.retire_all(place, self.now, self.world);
            }
        }
        self.core.servers.set_vacant(self.vacant_places());
        let mut place = |&address: &SocketAddr| {
            let place = self.core.place_server(address);
            self.core.servers[place].is_used = true;
            place
        };
        zones.iter().map(|zone| zone.iter().map(&mut place).collect()).collect()
    }

    /// Places of servers that no zone names and no question in flight was sent to.
    fn vacant_places(&self) -> Vec<u32> {
        let mut awaited = vec![false; self.core.servers.len()];
        for id in 0..self.core.questions.so_far() as u32 {
            let question = self.core.questions.get(id);
            let asked = question.phase != Phase::Free;
            if let Some(place) = awaited.get_mut(question.asked.server as usize).filter(|_| asked) {
                *place = true;
            }
        }
        let is_vacant = |&place: &u32| {
            let server = &self.core.servers[place];
            let is_used = server.is_used || server.holds > 0 || awaited[place as usize];
            !is_used && self.core.sockets.has_none_of(place)
        };
        (0..self.core.servers.len() as u32).filter(is_vacant).collect()
    }

    /// A question is asked where the new table has it asked, from the beginning.
    fn begin_anew(&mut self, id: u32) {
        self.recall(id);
        self.core.questions.get_mut(id).start_over();
        self.go_to_cut(id, NONE);
        self.core.retry.push_back(id);
    }

    /// Puts a question in flight into the new table.
    fn adopt(&mut self, id: u32) {
        let question = self.core.questions.get_mut(id);
        (question.tried, question.failed, question.refused, question.tcp_failed) = (0, 0, 0, 0);
        // What went wrong did so at a server of another zone.
        question.cause = Cause::default();
        // Who primes a zone asks those whom the zone names, whatever is forwarded.
        let zone = if question.is_priming() { None } else { self.core.table.find(question.parent_side()) };
        let in_zone = self.core.cuts.get(question.cut).and_then(|cut| cut.source.zone()).is_some();
        let Some(zone) = zone.filter(|_| in_zone) else { return self.begin_anew(id) };
        self.go_to_cut(id, self.core.zone_cuts[zone as usize]);
        let Core { cuts, questions, .. } = &mut *self.core;
        let question = questions.get_mut(id);
        let seats = cuts.get(question.cut).map_or(&[][..], Cut::seats);
        for asked in question.tries.iter_mut().map(|sent| &mut sent.asked).chain([&mut question.asked]) {
            let place = seats.iter().position(|seat| seat.server == asked.server);
            asked.place = place.map_or(u8::MAX, |place| place as u8);
        }
        question.tried = bit(question.asked.place);
    }
}
