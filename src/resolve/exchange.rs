//! Asking a server: which one, sending, and finding the question of a reply.
//!
//! Server selection is Unbound's: of the servers not yet tried in this round, a random one among those whose expected
//! time lies within 400 ms of the fastest. A server that answered with an error (SERVFAIL, REFUSED, nonsense) is not
//! asked again for the same question; one that timed out is, with twice the wait in each round. When none is left, or
//! the client's patience is over, the answer is SERVFAIL.

use super::chain::write_query;
use super::choice::{Candidate, choose};
use super::cookies::Heard;
use super::core::{Core, Turn, bit};
use super::cuts::Cut;
use super::digest::is_reply_to;
use super::question::Phase;
use super::tries::{Addressee, Cookie, Try, handle, of_handle};
use super::trouble::{Failure, ICMP, Way};
use super::world::{Sent, World};
use crate::dns::cause::{Cause, Why};
use crate::dns::{edns, header};
use rustix::io::Errno;
use std::time::Duration;

/// Pause when every server refused at once: one that is being restarted is back soon.
const PAUSE: Duration = Duration::from_millis(250);
/// Pauses of a question; then nobody is there to ask.
const PAUSES: u8 = 3;

/// Payload size of replies that no path is known to break into fragments (DNS flag day 2020).
const UNFRAGMENTED: u16 = 1232;
/// IDs drawn for one query.
const ID_TRIES: usize = 64;
/// The socket's queries have those that were drawn.
const NO_ID: Failure = Failure { call: "drawing a message ID", errno: Errno::AGAIN };

impl<W: World> Turn<'_, W> {
    /// Sends a question in phase `Choose` to the next server, has it wait for somebody to ask, or ends it.
    pub(super) fn choose(&mut self, id: u32) {
        loop {
            if self.is_first_in_vain(id) {
                // So that it shows when one is back.
                self.probe_beside(id);
                return self.fail(id);
            }
            let is_over = self.now >= self.deadline(id);
            let question = self.core.questions.get_mut(id);
            if is_over || question.sends >= self.core.options.iteration.sends {
                question.unheard |= is_over;
                if !is_over {
                    question.cause = Cause::new(Why::Sends);
                }
                return self.fail(id);
            }
            if let Some(place) = self.select(id) {
                self.fetch_ahead(id);
                if !self.charge(id) || !self.is_within_rate(id) {
                    return self.fail(id);
                }
                if self.ask(id, place) {
                    return;
                }
                continue;
            }
            let cut = self.core.questions.get(id).cut;
            if self.refill(cut) {
                continue;
            }
            if !self.find_more(id) {
                return;
            }
        }
    }

    /// Asks the server at a place of the question's cut; false when it cannot be asked.
    fn ask(&mut self, id: u32, place: u8) -> bool {
        // That a server refused EDNS says nothing of the next one.
        self.core.questions.get_mut(id).without_edns = false;
        if self.send(id, place) {
            return true;
        }
        let question = self.core.questions.get_mut(id);
        question.tried |= bit(place);
        question.refused |= bit(place);
        if let Some(server) = self.core.seats(id).get(usize::from(place)).map(|seat| seat.server) {
            self.blame(id, server, Cause::new(Why::Network));
        }
        false
    }

    /// Every server in reach was asked in this round: further ones are looked for, or the next round begins, which true says.
    /// Otherwise the question waits, has gone elsewhere, or has ended.
    fn find_more(&mut self, id: u32) -> bool {
        let question = self.core.questions.get(id);
        let open = question.tried & !question.failed & !self.worn_out(id);
        let all_refused = open & !question.refused == 0;
        // One that was merely silent is asked again first: what was sent may have been lost.
        let is_dry = open & !question.refused & !question.empty == 0;
        if is_dry && self.await_addresses(id) {
            self.wait_for_lookups(id);
            return false;
        }
        let cut = self.core.questions.get(id).cut;
        if open == 0 && self.trust_doubtful(cut) {
            return true;
        }
        if open == 0 && !self.is_lost_for_good(id) && self.ask_the_parent_again(id) {
            return false;
        }
        if open == 0 && !self.is_lost(id) && self.await_glue(id) {
            self.wait_for_lookups(id);
            return false;
        }
        let question = self.core.questions.get_mut(id);
        if open == 0 || (all_refused && question.pauses >= PAUSES) {
            if question.cause.why == Why::Unknown {
                question.cause = Cause::new(Why::NoServer);
            }
            self.fail(id);
            return false;
        }
        (question.tried, question.refused) = (0, 0);
        if all_refused {
            question.pauses += 1;
            question.phase = Phase::Pause;
            self.core.timers.arm(id, self.now + PAUSE);
            return false;
        }
        question.rounds += 1;
        true
    }

    /// Counts a query for a question, or for the one at whose cost it is; false when the quota of that is used up.
    fn charge(&mut self, id: u32) -> bool {
        let quota = self.core.options.iteration.quota;
        let can_pay = self.core.questions.budget(id).used < quota || self.change_payer(id);
        if !can_pay {
            self.core.questions.get_mut(id).cause = Cause::new(Why::Quota);
        }
        let budget = self.core.questions.budget_mut(id);
        budget.used = budget.used.saturating_add(1);
        can_pay
    }

    /// The servers of a cut that have been asked as often as one may be for one target. A forwarder may as long as the
    /// question's patience lasts.
    pub(super) fn worn_out(&self, id: u32) -> u64 {
        let question = self.core.questions.get(id);
        let is_worn = !self.is_forwarded(id) && question.rounds + 1 >= self.core.options.iteration.retries;
        if is_worn { question.tried } else { 0 }
    }

    /// True when the servers of the question's cut resolve for us.
    pub(super) fn is_forwarded(&self, id: u32) -> bool {
        self.core.cuts.get(self.core.questions.get(id).cut).is_some_and(Cut::is_forward)
    }

    /// The place within its cut of the server to ask next. One that only resolves for others comes last: not before all addresses
    /// of the cut are known, since one may be that of a server which serves it.
    fn select(&mut self, id: u32) -> Option<u8> {
        let question = self.core.questions.get(id);
        let cut = self.core.cuts.get(question.cut)?;
        let passed = question.tried | question.failed | cut.lame(question.asked_type(), self.now);
        let recursive = cut.recursive(self.now);
        let distrusted = self.distrusted(id);
        if let Some(place) = self.fastest(id, passed | recursive | distrusted) {
            return Some(place);
        }
        if (recursive | distrusted) & !passed == 0 || recursive & !passed != 0 && self.await_addresses(id) {
            return None;
        }
        // Who has told what was bogus is asked again when there is nobody else, nor anybody to be looked for.
        let distrusted = if self.has_unknown_servers(id) { distrusted } else { 0 };
        self.fastest(id, passed | distrusted)
    }

    /// One of the fastest servers of a question's cut but for those `passed` over, drawn at random.
    fn fastest(&mut self, id: u32, passed: u64) -> Option<u8> {
        let servers = self.core.seats(id).iter().zip(0u8..).filter(|&(_, place)| passed & bit(place) == 0);
        let open = servers.map(|(seat, place)| {
            let server = &self.core.servers[seat.server];
            Candidate { place, wait: server.wait(), is_ip4: server.address.is_ipv4() }
        });
        // Without random numbers nothing leaves, which is told where a socket is drawn.
        choose(open.collect(), &self.core.options.preference, |bound| self.world.below(bound).unwrap_or(0))
    }

    /// Sends a question in phase `Choose`, over UDP unless it is to go over TCP, and waits; false when that is impossible.
    pub(super) fn send(&mut self, id: u32, place: u8) -> bool {
        if self.is_asked_over_tcp(id) {
            return self.begin_over_tcp(id, place);
        }
        let Some(sent) = self.transmit(id, place) else { return false };
        self.core.questions.link(id, sent.socket);
        let question = self.core.questions.get_mut(id);
        question.asked = sent.asked;
        question.tried |= bit(place);
        question.was_sent = true;
        question.sent = self.now;
        question.wait = self.core.servers[sent.asked.server].wait_in(question.rounds);
        question.phase = Phase::Udp { socket: sent.socket };
        let due = self.now + Duration::from_millis(u64::from(question.wait));
        self.core.timers.arm(id, due.min(self.deadline(id)));
        true
    }

    /// Puts a question on the wire; a reply finds it from now on. A try whose place this one needs gives it up once this
    /// one has left, and not before: its reply is all that can come if nothing leaves.
    pub(super) fn transmit(&mut self, id: u32, place: u8) -> Option<Try> {
        let question = self.core.questions.get(id);
        let server = self.core.seats(id).get(usize::from(place))?.server;
        let slot = question.tries.slot_for(server);
        let recursion = self.wants_recursion(id, place);
        let address = self.core.servers[server].address;
        let socket = match self.core.sockets.pick(server, address, self.now, self.world) {
            Ok(socket) => socket,
            Err(failure) => {
                self.met(server, Way::Calls, failure);
                return None;
            }
        };
        let serial = self.core.sockets.serial(socket).unwrap_or(0);
        let sent = self.draw_id(socket, handle(id, slot)).and_then(|message_id| {
            let (len, edns, cookie) = self.write_query(id, (server, recursion), (message_id, Some(socket)));
            let mixed = self.mix_case(id, socket, message_id);
            let sent = self.push(socket, len).map_err(Failure::of("send"));
            if sent.is_err() {
                self.core.keys.remove(socket, message_id);
            }
            let asked = Addressee { server, place, edns, recursion, cookie, mixed };
            sent.map(|()| Try { socket, serial, id: message_id, asked, at: self.now })
        });
        let sent = match sent {
            Ok(sent) => sent,
            Err(failure) => {
                self.met(server, Way::Calls, failure);
                self.core.sockets.done((socket, serial), true, self.now, self.world);
                return None;
            }
        };
        self.core.stats.udp_sent.add(1);
        match self.core.sockets.take_shortage() {
            Some(failure) => self.met(server, Way::Calls, failure),
            None if self.core.servers[server].worked(Way::Calls, self.now) => self.show_troubles(),
            None => {}
        }
        self.release(id, slot, false);
        let question = self.core.questions.get_mut(id);
        question.tries.set(slot, sent);
        question.sends = question.sends.saturating_add(1);
        Some(sent)
    }

    /// Something stood in the way to a server.
    pub(super) fn met(&mut self, server: u32, way: Way, failure: Failure) {
        if self.core.servers.failed(server, way, failure, self.now) {
            self.show_troubles();
        }
    }

    /// Has `status` show what stands in the way now.
    pub(super) fn show_troubles(&self) {
        let servers = self.core.servers.iter().filter(|server| server.is_used);
        self.core.troubles.set(servers.flat_map(|server| server.troubles().map(|failure| (server.address, failure))));
    }

    /// An ID that no other query through the socket has, found by the handle from now on.
    fn draw_id(&mut self, socket: u16, handle: u32) -> Result<u16, Failure> {
        for _ in 0..ID_TRIES {
            let id = self.world.draw()?;
            if self.core.keys.insert(socket, id, handle) {
                return Ok(id);
            }
        }
        Err(NO_ID)
    }

    /// Whether the server at a place is asked to resolve for us.
    pub(super) fn wants_recursion(&self, id: u32, place: u8) -> bool {
        let cut = self.core.cuts.get(self.core.questions.get(id).cut);
        cut.is_some_and(|cut| cut.is_forward() || cut.recursive(self.now) & bit(place) != 0)
    }

    /// Writes the query of a question to `query`, with RD or without; gives its length, whether it carries an OPT record, and
    /// which cookie. It goes through a UDP socket unless that is `None`.
    pub(super) fn write_query(
        &mut self,
        id: u32,
        (server, rd): (u32, bool),
        (message_id, socket): (u16, Option<u16>),
    ) -> (usize, bool, Cookie) {
        let question = self.core.questions.get(id);
        let has_edns = !question.without_edns && self.core.servers[server].knows_edns(self.now);
        // What is kept is kept for who asks with DO, too.
        let wants = !self.core.options.no_dnssec_ok && (question.writes_dnssec() || self.is_kept(id));
        let bits = if wants { edns::DO } else { 0 };
        // What is lost may be lost because its reply comes in fragments.
        let largest = if question.rounds > 0 { UNFRAGMENTED } else { u16::MAX };
        let edns = has_edns.then_some((self.core.options.edns_size.min(largest), bits));
        // What is validated here need not be by others; a forwarder may look for better at first.
        let checks_here = self.core.validator.is_some() && !rd;
        let cd = if question.checking_disabled || checks_here { header::flag::CD } else { 0 };
        let rd = if rd { header::flag::RD } else { 0 };
        let asked = (question.asked_name(), question.asked_type(), question.qclass);
        let mut len = write_query(&mut self.core.query, (message_id, rd | cd), asked, edns);
        if !has_edns {
            return (len, false, Cookie::No);
        }
        let opt = len - edns::LEN;
        let mut cookie = Cookie::No;
        if let Some(socket) = socket {
            (len, cookie) = self.add_cookie(id, server, socket, (opt, len));
        }
        let address = self.core.servers[server].address.ip();
        let Core { query, options, .. } = &mut *self.core;
        (options.client_strings.append(address, &mut query[..], opt, len), true, cookie)
    }

    /// Puts the written query on the wire.
    fn push(&mut self, socket: u16, len: usize) -> Result<(), Errno> {
        let Sent { outcome, earlier } = self.world.send_udp(socket, &self.core.query[..len]);
        if let Some(errno) = earlier {
            self.socket_failed(socket, errno);
        }
        outcome
    }

    /// What was sent through a socket came back as an ICMP error, as from a host where nobody listens: every question
    /// that waits at its server by it needs another one. Replies that had left before are still taken.
    pub(super) fn socket_failed(&mut self, socket: u16, errno: Errno) {
        if let Some(server) = self.core.sockets.server(socket) {
            self.met(server, Way::Udp, Failure { call: ICMP, errno });
        }
        while let Some(id) = self.core.questions.first(socket) {
            self.stop_waiting(id);
            let question = self.core.questions.get_mut(id);
            question.refused |= bit(question.asked.place);
            question.unheard = true;
            let server = question.asked.server;
            self.blame(id, server, Cause::new(Why::Network));
            self.core.retry.push_back(id);
        }
    }

    pub(super) fn rule_out(&mut self, id: u32, place: u8) {
        self.core.questions.get_mut(id).failed |= bit(place);
    }

    /// A datagram came through `socket`.
    pub(super) fn datagram(&mut self, socket: u16, message: &[u8]) {
        let found = if message.len() < header::LEN { None } else { self.core.keys.get(socket, header::id(message)) };
        let serial = self.core.sockets.serial(socket);
        let found = found.map(of_handle).filter(|&(id, slot)| {
            let question = self.core.questions.get(id);
            question.tries.get(slot).map(|sent| sent.serial) == serial && is_reply_to(message, question)
        });
        let sent = found.and_then(|(id, slot)| Some((id, slot, *self.core.questions.get(id).tries.get(slot)?)));
        let Some((id, slot, sent)) = sent else { return self.core.stats.unwanted.add(1) };
        let heard = self.look_for_cookie(&sent, message);
        if !heard.is_taken() {
            self.core.stats.unwanted.add(1);
            return self.go_without(id, sent.asked, heard);
        }
        let Try { asked, at, .. } = sent;
        self.release(id, slot, true);
        self.core.stats.replies.add(1);
        self.note_answer(asked.server, at);
        if self.core.questions.get(id).phase == Phase::Probe {
            self.end_probe(id);
        } else if heard != Heard::Fine {
            self.ask_with_another_cookie(id, asked, heard);
        } else if header::flags(message) & header::flag::TC != 0 {
            self.queue_tcp(id, asked);
        } else if asked.mixed || self.core.questions.get(id).compared.is_some() {
            self.judge_by_case(id, &sent, message);
        } else {
            self.judge(id, asked, message);
        }
    }

    /// `server` has answered over UDP what was sent at `sent`.
    fn note_answer(&mut self, server: u32, sent: Duration) {
        let known = &mut self.core.servers[server];
        let was_refused = known.worked(Way::Udp, sent);
        let was_away = known.heard(sent, self.now);
        if was_refused || was_away {
            self.show_troubles();
        }
        if was_away {
            self.wake(server, sent);
        }
    }
}
