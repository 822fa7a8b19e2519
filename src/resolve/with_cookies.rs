//! Questions with cookies (`cookies`): which one goes into a query, and what follows from the one of a reply.

use super::cookies::{Heard, read};
use super::core::{Core, Turn};
use super::question::Phase;
use super::tries::{Addressee, Cookie, Try};
use super::world::World;
use crate::dns::edns;

impl<W: World> Turn<'_, W> {
    /// Appends the cookie for a server to a query of `len` octets whose OPT record stands at `opt` and that goes through a
    /// socket; gives its length then, and which cookie it is.
    pub(super) fn add_cookie(
        &mut self,
        id: u32,
        server: u32,
        socket: u16,
        (opt, len): (usize, usize),
    ) -> (usize, Cookie) {
        if !self.core.options.cookies {
            return (len, Cookie::No);
        }
        let again = self.core.questions.get(id).rounds > 0;
        let Core { servers, sockets, query, .. } = &mut *self.core;
        let cookies = &mut servers[server].cookies;
        if !cookies.may_be_sent(again, self.now) {
            return (len, Cookie::No);
        }
        let source = sockets.local(socket, self.world);
        let Some((option, sent)) = cookies.option(source, self.world) else { return (len, Cookie::No) };
        edns::append(&mut query[..], opt, &option);
        (len + option.len(), sent)
    }

    /// What a reply that repeats its question says by its cookie.
    pub(super) fn look_for_cookie(&mut self, sent: &Try, message: &[u8]) -> Heard {
        let Core { servers, sockets, .. } = &mut *self.core;
        let cookies = &mut servers[sent.asked.server].cookies;
        if sent.asked.cookie == Cookie::No {
            if sent.asked.edns {
                cookies.heard_without(self.now);
            }
            return Heard::Fine;
        }
        let (option, code) = read(message);
        cookies.heard(sockets.local(sent.socket, self.world), option, code, self.now)
    }

    /// A reply was not taken for its cookie: where one is missing TCP tells what is true.
    pub(super) fn go_without(&mut self, id: u32, asked: Addressee, heard: Heard) {
        let is_probe = self.core.questions.get(id).phase == Phase::Probe;
        if heard == Heard::Bare && !is_probe && !self.core.streams.are_forbidden() {
            self.queue_tcp(id, asked);
        }
    }

    /// The server has sent the cookie that it wants, or wants none. One that does not take its own is asked over TCP (RFC 7873
    /// section 5.3).
    pub(super) fn ask_with_another_cookie(&mut self, id: u32, asked: Addressee, heard: Heard) {
        if heard == Heard::Outdated && asked.cookie == Cookie::Both {
            return self.queue_tcp(id, asked);
        }
        let question = self.core.questions.get(id);
        let waits = matches!(question.phase, Phase::Udp { .. }) && question.asked == asked;
        let may = question.sends < self.core.options.iteration.sends;
        if waits && may && usize::from(asked.place) < self.core.seats(id).len() {
            self.stop_waiting(id);
            if !self.send(id, asked.place) {
                self.core.retry.push_back(id);
            }
        }
    }
}
