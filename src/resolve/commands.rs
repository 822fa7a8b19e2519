//! What main has the core do beside resolving: take out what is kept, tell it as text, take such text in.
//!
//! Each command is a piece of bounded work, and tells what came of it with what the next piece goes on with; so a cache of
//! gigabytes is dumped while questions are answered. Main may have given up waiting: then nobody hears it.

use super::Name;
use super::cache::{Cache, Dumping, Flush, Flushed, Flushing, Loading};
use super::core::{Core, Turn};
use super::listing;
use super::order::{Cleared, Command};
use super::question::Phase;
use super::rated;
use super::world::World;
use crate::dns::cause::{Cause, Why};
use crate::dns::name::is_at_or_below;
use crate::dns::rtype;
use crate::validate::keys::Standing;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::Sender;

/// Buckets of eight entries that one piece of a flush walks over.
const FLUSH_BUCKETS: usize = 1024;
/// The same of a dump, which also ends with so many octets of text.
const DUMP_BUCKETS: usize = 512;
const DUMP_OCTETS: usize = 64 << 10;
/// Buckets between two looks at the length of the text.
const DUMP_STEP: usize = 8;
/// Lines of questions and servers in one piece.
const LINES: usize = 512;

/// Nobody may be there to be told.
fn tell<T>(to: &Sender<T>, what: T) {
    let _ = to.send(what);
}

impl<W: World> Turn<'_, W> {
    /// Carries out an order of main.
    pub(super) fn obey(&mut self, command: Command) {
        match command {
            Command::Options(options, rules) => self.core.set_options(*options, rules),
            Command::Table(table) => self.set_table(table),
            Command::Clear(empty, to) => tell(&to, self.clear(empty)),
            Command::FlushName(name, rtype, to) => tell(&to, self.flush_name(&name, rtype)),
            Command::Flush(mut flushing, to) => {
                let flushed = self.flush_on(&mut flushing);
                tell(&to, (flushing, flushed));
            }
            Command::Dump(mut dumping, to) => {
                let mut text = String::new();
                let ended = self.dump_on(&mut dumping, &mut text);
                tell(&to, (dumping, text, ended));
            }
            Command::Load(mut loading, text, to) => {
                let loaded = self.load_on(&mut loading, &text);
                tell(&to, (loading, loaded));
            }
            Command::Insecure(name, insecure, to) => {
                self.set_insecure(&name, insecure);
                tell(&to, ());
            }
            Command::Servers(from, to) => tell(&to, listing::servers(self.core, from, LINES, self.now)),
            Command::ForgetServers(at, to) => {
                self.forget_servers(at);
                tell(&to, ());
            }
            Command::Questions(from, to) => tell(&to, listing::questions(self.core, from, LINES, self.now)),
            Command::EndQuestions(to) => {
                self.end_questions();
                tell(&to, ());
            }
            Command::Rates(from, all, to) => tell(&to, rated::list(self.core, (from, LINES), all, self.now)),
            Command::Lookup(name, to) => tell(&to, listing::lookup(self.core, &name, self.now)),
        }
    }

    /// Answers to what is in flight are told and not kept: they may stand on what is taken out now.
    pub(super) fn keep_nothing_in_flight(&mut self) {
        for id in 0..self.core.questions.so_far() as u32 {
            self.core.questions.get_mut(id).uncached = true;
        }
    }

    fn clear(&mut self, empty: Box<Cache>) -> Cleared {
        self.keep_nothing_in_flight();
        self.core.cuts.forget_below(&[0]);
        let keys = self.forget_keys(|_, _| true);
        let old = self.core.cache.replace(*empty);
        let count = |old: &Cache| (old.rrsets.count(), old.messages.count());
        let (rrsets, messages) = old.as_ref().map(count).unwrap_or_default();
        Cleared { old, flushed: Flushed { rrsets, messages, keys } }
    }

    fn flush_name(&mut self, name: &Name, rtype: Option<u16>) -> Flushed {
        self.keep_nothing_in_flight();
        if matches!(rtype, Some(rtype::DS | rtype::DNSKEY)) {
            self.forget_keys(|of, _| of == name.as_wire());
        }
        let Some(cache) = &mut self.core.cache else { return Flushed::default() };
        match rtype {
            Some(rtype) => cache.flush_type(name.as_wire(), rtype),
            None => cache.flush_name(name.as_wire()),
        }
    }

    fn flush_on(&mut self, flushing: &mut Flushing) -> Option<Flushed> {
        // With every piece: who began since the last may have met what this one takes out.
        self.keep_nothing_in_flight();
        let keys = match flushing.what() {
            Flush::Zone(zone) => self.forget_keys(|of, _| is_at_or_below(of, zone.as_wire())),
            // Keys may be missing because a server has said that they are not there.
            Flush::Bogus | Flush::Negative => self.forget_keys(|_, standing| matches!(standing, Standing::Bogus(_))),
        };
        flushing.count_keys(keys);
        match &mut self.core.cache {
            Some(cache) => cache.flush_on(flushing, FLUSH_BUCKETS, self.now),
            None => Some(flushing.so_far()),
        }
    }

    /// Has nothing be validated at and below a name, or takes that back.
    fn set_insecure(&mut self, name: &Name, insecure: bool) {
        self.keep_nothing_in_flight();
        let Some(validator) = &mut self.core.validator else { return };
        let anchors = Arc::make_mut(&mut validator.rules.anchors);
        match insecure {
            true => anchors.add_insecure(name.as_wire()),
            false => anchors.remove_insecure(name.as_wire()),
        };
    }

    /// Forgets what is known of the keys of zones; gives of how many that had not expired.
    fn forget_keys(&mut self, is_of: impl FnMut(&[u8], &Standing) -> bool) -> u64 {
        let now = super::cache::seconds(self.now);
        self.core.validator.as_mut().map_or(0, |validator| validator.keys.flush(now, is_of) as u64)
    }

    fn dump_on(&mut self, dumping: &mut Dumping, text: &mut String) -> bool {
        let Some(cache) = &mut self.core.cache else { return true };
        for _ in 0..DUMP_BUCKETS / DUMP_STEP {
            if cache.dump_on(dumping, DUMP_STEP, self.now, text) {
                return true;
            }
            if text.len() >= DUMP_OCTETS {
                break;
            }
        }
        false
    }

    fn load_on(&mut self, loading: &mut Loading, text: &str) -> Result<(), String> {
        let Some(cache) = &mut self.core.cache else { return Err("nothing is kept here".into()) };
        text.lines().try_for_each(|line| match loading.is_done() {
            true => Ok(()),
            false => cache.load_line(loading, line, self.now),
        })
    }

    fn forget_servers(&mut self, at: Option<IpAddr>) {
        let Core { servers, cuts, .. } = &mut *self.core;
        for server in servers.iter_mut().filter(|server| at.is_none_or(|at| server.address.ip() == at)) {
            server.forget();
        }
        cuts.forget_lame(|server| at.is_none_or(|at| servers[server].address.ip() == at));
        self.show_troubles();
    }

    /// Ends the questions of clients, then the lookups that were for their sake.
    fn end_questions(&mut self) {
        let ids = 0..self.core.questions.so_far() as u32;
        for lookups in [false, true] {
            for id in ids.clone() {
                let question = self.core.questions.get_mut(id);
                match question.phase {
                    Phase::Free | Phase::Failed => continue,
                    Phase::Probe => {
                        self.end_probe(id);
                        continue;
                    }
                    _ if question.lookup.is_some() != lookups => continue,
                    _ => {}
                }
                (question.uncached, question.is_unzoned) = (true, true);
                question.cause = Cause::new(Why::GivenUp);
                self.fail(id);
            }
        }
    }
}
