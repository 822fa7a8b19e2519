//! What is known of an upstream server: how fast it is, whether it lives, whether it knows EDNS.

use super::cookies::Cookies;
use super::options::Infra;
use super::trouble::{Failure, ServerTrouble, Way};
use log::Level;
use std::net::SocketAddr;
use std::time::Duration;

/// Longest wait in milliseconds, whatever infra-cache-max-rtt says (Unbound's PROBE_MAXRTO).
const LONGEST: u32 = 12_000;
/// Longest wait in milliseconds that others' losses impose on a question's first try at a server that was faster.
const CAREFUL: u32 = 1_000;
/// Longest wait in milliseconds of any try: that a server is back is seen by then, and a repetition too many does no harm,
/// the first reply is taken.
const PATIENT: u32 = 3_000;
/// A server that has been silent for this long was away: what it was asked meanwhile is lost.
const AWAY: Duration = Duration::from_secs(1);
/// A server that has been silent for this long towards [`MANY`] questions is said to be dead.
const DEAD: Duration = Duration::from_secs(10);
/// One name that is never answered says nothing of its server.
const MANY: u32 = 3;
/// A silent server whose zone has others is sent one question per this time that another has answered.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// Servers slower than the fastest by up to this many milliseconds share the questions (Unbound's RTT_BAND).
pub const BAND: u32 = 400;
/// How long a server whose TCP failed is not asked over TCP when there is another to ask.
const TCP_MEMORY: Duration = Duration::from_secs(10);

/// The smoothed round trip time and the wait that follows from it (Jacobson; Stevens, Unix Network Programming,
/// volume 1, section 22.5), in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rtt {
    smoothed: i32,
    variance: i32,
    /// What was measured asks for this wait.
    measured: u32,
    /// As `measured`, doubled with every loss since.
    wait: u32,
    /// Both are within these.
    shortest: u32,
    longest: u32,
}

impl Rtt {
    fn new(infra: &Infra) -> Rtt {
        let longest = infra.longest.clamp(1, LONGEST);
        let wait = infra.unknown.min(longest);
        let shortest = infra.shortest.min(longest);
        Rtt { smoothed: 0, variance: wait as i32 / 4, measured: wait, wait, shortest, longest }
    }

    fn set_bounds(&mut self, infra: &Infra) {
        self.longest = infra.longest.clamp(1, LONGEST);
        self.shortest = infra.shortest.min(self.longest);
        self.measured = self.measured.clamp(self.shortest, self.longest);
        self.wait = self.wait.clamp(self.measured, self.longest);
    }

    fn heard(&mut self, ms: u32) {
        let delta = ms.min(LONGEST) as i32 - self.smoothed;
        self.smoothed += delta / 8;
        self.variance += (delta.abs() - self.variance) / 4;
        self.measured =
            u32::try_from(self.smoothed + 4 * self.variance).unwrap_or(0).clamp(self.shortest, self.longest);
        self.wait = self.measured;
    }

    /// Doubles the wait that was in vain; many questions lost at the same time double it once.
    fn lost(&mut self, waited: u32) {
        if self.wait >= waited {
            self.wait = self.wait.max(waited.saturating_mul(2)).min(self.longest);
        }
    }
}

/// One server, shared by every zone that names it.
#[derive(Debug)]
pub struct Server {
    /// Where it is.
    pub address: SocketAddr,
    /// A zone of the table in force names it.
    pub is_used: bool,
    /// Cuts that have it.
    pub holds: u32,
    rtt: Rtt,
    heard_at: Duration,
    /// Since when nothing that it was asked has been answered.
    silent_since: Option<Duration>,
    /// Different questions lost since.
    lost: u32,
    /// The log says that it does not answer.
    is_dead: bool,
    probe_at: Duration,
    no_edns_until: Duration,
    /// Until when it is known to do EDNS.
    edns_until: Duration,
    one_by_one_until: Duration,
    /// Its cookies.
    pub(super) cookies: Cookies,
    trouble: ServerTrouble,
    infra: Infra,
}

/// What is known of a server, as `dump_infra` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Seconds that are left of infra-host-ttl since it was heard last.
    pub ttl: u64,
    /// The smoothed round trip time in milliseconds.
    pub ping: i32,
    /// Its variance.
    pub variance: i32,
    /// The wait that follows from both.
    pub rtt: u32,
    /// The wait of now, losses counted.
    pub rto: u32,
    /// Different questions lost since it was heard last.
    pub lost: u32,
    /// It has answered.
    pub was_heard: bool,
}

impl Server {
    /// A server that nothing is known of.
    pub fn new(address: SocketAddr, infra: Infra) -> Server {
        let (heard_at, probe_at, no_edns_until, edns_until, one_by_one_until) = Default::default();
        Server {
            address,
            is_used: false,
            holds: 0,
            rtt: Rtt::new(&infra),
            heard_at,
            silent_since: None,
            lost: 0,
            is_dead: false,
            probe_at,
            no_edns_until,
            edns_until,
            cookies: Cookies::new(infra.memory),
            one_by_one_until,
            trouble: ServerTrouble::default(),
            infra,
        }
    }

    /// Forgets all that is known of it but what stands in the way to it.
    pub fn forget(&mut self) {
        let Server { address, is_used, holds, infra, .. } = *self;
        let trouble = std::mem::take(&mut self.trouble);
        *self = Server { is_used, holds, trouble, ..Server::new(address, infra) };
    }

    /// Is remembered by other rules.
    pub fn set_infra(&mut self, infra: Infra) {
        self.infra = infra;
        self.rtt.set_bounds(&infra);
    }

    /// Whether it has answered, or failed to.
    pub fn is_known(&self) -> bool {
        self.heard_at > Duration::ZERO || self.silent_since.is_some()
    }

    /// What is known of it.
    pub fn figures(&self, now: Duration) -> Figures {
        Figures {
            ttl: self.infra.memory.saturating_sub(now.saturating_sub(self.heard_at)).as_secs(),
            ping: self.rtt.smoothed,
            variance: self.rtt.variance,
            rtt: self.rtt.measured,
            rto: self.rtt.wait,
            lost: self.lost,
            was_heard: self.heard_at > Duration::ZERO,
        }
    }

    /// Milliseconds by which servers are compared: the wait for an answer, longer with every loss.
    #[inline]
    pub fn wait(&self) -> u32 {
        self.rtt.wait
    }

    /// Milliseconds to wait for the answer to a question's try in round number `round`. Rounds double it: a question
    /// that is not answered is repeated more rarely, whatever others are answered meanwhile.
    #[inline]
    pub fn wait_in(&self, round: u8) -> u32 {
        let first = self.rtt.wait.min(self.rtt.measured.max(CAREFUL));
        first.saturating_mul(1u32.checked_shl(u32::from(round)).unwrap_or(u32::MAX)).min(PATIENT)
    }

    /// An answer took so many milliseconds.
    pub fn measured(&mut self, ms: u32) {
        self.rtt.heard(ms);
    }

    /// An answer came at `now` to what was sent at `sent`; true when the server was away before.
    #[inline]
    pub fn heard(&mut self, sent: Duration, now: Duration) -> bool {
        self.measured(u32::try_from(now.saturating_sub(sent).as_millis()).unwrap_or(u32::MAX));
        self.heard_at = now;
        match self.silent_since.take() {
            None => false,
            Some(since) => self.is_back(now.saturating_sub(since)),
        }
    }

    /// How much something concerns who reads the log: what happens to the servers of others is theirs to mend.
    fn level(&self, of_ours: Level) -> Level {
        if self.is_used { of_ours } else { Level::Debug }
    }

    fn is_back(&mut self, silence: Duration) -> bool {
        self.lost = 0;
        if std::mem::take(&mut self.is_dead) {
            log::log!(self.level(Level::Info), "name server {} answers again", self.address);
        }
        silence >= AWAY
    }

    /// No answer came by `now` to what was sent at `sent` and waited for `waited` milliseconds; `first`: the question's
    /// first loss here. True when it has become dead by that.
    pub fn lost(&mut self, (sent, waited): (Duration, u32), first: bool, now: Duration) -> bool {
        self.rtt.lost(waited);
        let since = *self.silent_since.get_or_insert(sent.max(self.heard_at));
        self.lost += u32::from(first);
        let dies = !self.is_dead && self.lost >= MANY && now.saturating_sub(since) >= DEAD;
        if dies {
            self.is_dead = true;
            log::log!(self.level(Level::Warn), "name server {} {}", self.address, Failure::SILENCE);
        }
        dies
    }

    /// Something stood in the way to it; true when that is another thing than before.
    pub(super) fn failed(&mut self, way: Way, failure: Failure, now: Duration) -> bool {
        self.trouble.failed(way, failure, (self.address, self.level(Level::Warn)), now)
    }

    /// What was sent at `sent` has shown that a way is free; true when something stood there before.
    #[inline]
    pub(super) fn worked(&mut self, way: Way, sent: Duration) -> bool {
        self.trouble.worked(way, (self.address, self.level(Level::Info)), sent)
    }

    /// What stands in the way now, silence included.
    pub(super) fn troubles(&self) -> impl Iterator<Item = Failure> {
        self.trouble.now().chain(self.is_dead.then_some(Failure::SILENCE))
    }

    /// True when it has been silent for so long, towards so many questions, that it counts as dead.
    pub fn is_dead(&self) -> bool {
        self.is_dead
    }

    /// True when its TCP failed a short while ago and has not worked since: another server's is worth more.
    pub(super) fn avoids_tcp(&self, now: Duration) -> bool {
        self.trouble.since(Way::Tcp).is_some_and(|at| now < at + TCP_MEMORY)
    }

    /// It has ended a stream and left questions without an answer that it had before it answered others there.
    pub(super) fn leaves_questions(&mut self, now: Duration) {
        self.one_by_one_until = now + self.infra.memory;
    }

    /// True when a stream to it gets no question before the last is answered.
    pub(super) fn is_one_by_one(&self, now: Duration) -> bool {
        now < self.one_by_one_until
    }

    /// True when it is time to see whether a silent server is back; a caller that gets true sends it something.
    #[inline]
    pub fn wants_probe(&mut self, now: Duration) -> bool {
        let wants = self.silent_since.is_some() && now >= self.probe_at;
        if wants {
            self.probe_at = now + PROBE_EVERY;
        }
        wants
    }

    /// True when it should be asked with EDNS.
    #[inline]
    pub fn knows_edns(&self, now: Duration) -> bool {
        now >= self.no_edns_until
    }

    /// It refused a question with EDNS and answered the same without.
    pub fn refuses_edns(&mut self, now: Duration) {
        self.no_edns_until = now + self.infra.memory;
    }

    /// It answered a question with EDNS by a reply with EDNS.
    #[inline]
    pub fn does_edns(&mut self, now: Duration) {
        self.edns_until = now + self.infra.memory;
    }

    /// True when a refusal of EDNS is to be believed: it has not shown a short while ago that it does EDNS.
    pub fn may_refuse_edns(&self, now: Duration) -> bool {
        now >= self.edns_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_shrink_with_answers_and_double_with_losses() {
        let mut rtt = Rtt::new(&Infra::default());
        assert_eq!(rtt.wait, 376);
        for _ in 0..40 {
            rtt.heard(20);
        }
        assert!((50..100).contains(&rtt.wait), "{rtt:?}");
        let before = rtt.wait;
        rtt.lost(before);
        rtt.lost(before);
        assert_eq!(rtt.wait, 2 * before, "lost at the same time: once");
        rtt.heard(20);
        rtt.lost(2 * before);
        assert!(rtt.wait < 2 * before, "an answer since makes the loss old");
    }

    #[test]
    fn any_answer_makes_a_silent_server_as_good_as_it_was() {
        let second = Duration::from_secs;
        let mut server = Server::new("192.0.2.1:53".parse().unwrap(), Infra::default());
        assert!(!server.heard(second(99), second(100)) && !server.wants_probe(second(100)));
        for number in 0..8 {
            let waited = server.wait();
            let dies = server.lost((second(100 + number), waited), true, second(101 + number));
            assert!(!dies, "after {number} seconds");
        }
        assert_eq!(server.wait(), LONGEST);
        assert!(server.wait_in(0) <= 2 * CAREFUL, "{}", server.wait_in(0));
        assert!(server.wants_probe(second(110)) && !server.wants_probe(second(110)));
        assert!(server.wants_probe(second(110) + PROBE_EVERY));
        assert!(server.lost((second(110), 1000), true, second(111)) && server.is_dead);
        assert!(!server.lost((second(110), 1000), true, second(111)), "it is dead already");
        assert!(server.heard(second(107), second(112)), "it was away");
        assert!(server.wait() < LONGEST && !server.is_dead && !server.wants_probe(second(113)));
        assert!(!server.heard(second(112), second(113)), "it is there");
    }

    #[test]
    fn waits_keep_to_the_limits_of_the_configuration() {
        let infra = Infra { shortest: 200, longest: 900, unknown: 500, ..Infra::default() };
        let mut server = Server::new("192.0.2.1:53".parse().unwrap(), infra);
        assert_eq!(server.wait(), 500);
        (0..40).for_each(|_| server.measured(1));
        assert_eq!(server.wait(), 200);
        server.measured(5000);
        assert_eq!(server.wait(), 900);
        server.lost((Duration::from_secs(1), 900), true, Duration::from_secs(2));
        assert_eq!(server.wait(), 900);
        let upside_down = Infra { shortest: 5000, longest: 0, ..Infra::default() };
        assert_eq!(Rtt::new(&upside_down).wait, 1);
    }

    #[test]
    fn a_server_that_is_forgotten_is_as_if_it_had_never_been_asked() {
        let second = Duration::from_secs;
        let mut server = Server::new("192.0.2.1:53".parse().unwrap(), Infra::default());
        assert!(!server.is_known());
        server.heard(second(1), second(2));
        server.refuses_edns(second(2));
        assert!(server.is_known() && !server.knows_edns(second(3)));
        assert_eq!((server.figures(second(102)).ttl, server.figures(second(2000)).ttl), (800, 0));
        (server.is_used, server.holds) = (true, 3);
        server.forget();
        assert!(!server.is_known() && server.knows_edns(second(3)) && server.is_used && server.holds == 3);
        assert_eq!(server.wait(), 376);
    }

    #[test]
    fn one_question_alone_makes_no_server_dead() {
        let second = Duration::from_secs;
        let mut server = Server::new("192.0.2.1:53".parse().unwrap(), Infra::default());
        assert!(!(0..20).any(|now| server.lost((second(now), 100u32 << now), now == 0, second(now + 1))));
        assert_eq!([(); 2].map(|()| server.lost((second(30), 100), true, second(31))), [false, true]);
    }
}
