//! What the program of an interface answers by itself: when it does, and that its replies leave.
//!
//! It begins when the socket is proven, at a veth pair with a program at the other end that has seen a reply of the worker's, and
//! one query on trial. Where the other end is out of reach, the kernel tells of a program there, and the driver of the reply.
//! Whatever leaves frames to the kernel ends it first, and it begins anew after that. The program at the other end goes when answers
//! are off; otherwise it stays, for to come and go costs packets.

use super::{Attached, options};
use crate::attach::{self, Tags};
use crate::config::{Config, Toggle};
use crate::host::{self, SentBack};
use crate::serve::fast_path::leaves::{Counts, Outcome, Share, Trial};
use crate::serve::fast_path::queue;
use crate::xdp::{AnswerGate, Kind, PeerAttachment, PeerPrograms};

/// Looks, a quarter of a second apart, after which it is tried again for the first time, and at most: one minute, one hour.
const FIRST_RETRY: u32 = 240;
const LAST_RETRY: u32 = 60 * 240;

/// What decides beside the interface.
pub(in crate::serve::fast_path) struct Terms<'a> {
    /// `xdp-answers:` of the start.
    pub(in crate::serve::fast_path) wanted: Toggle,
    /// The configuration in force.
    pub(in crate::serve::fast_path) config: &'a Config,
    /// Why the programs cannot answer.
    pub(in crate::serve::fast_path) missing: Option<String>,
}

#[derive(Debug)]
enum State {
    /// It is not to be, and why.
    Off(String),
    /// It cannot be now, why, and for how many looks yet.
    Failed(String, u32),
    /// Until the worker has received and answered by the socket.
    Waiting,
    /// Until one query is answered by the program, and the reply has left.
    Trial(Trial),
    /// The program answers.
    On(Share),
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Answers {
    state: State,
    /// The program at the other end of a pair.
    peer: Option<PeerAttachment>,
    /// How long it waits after the next failure, in looks.
    wait: u32,
    /// What the log has said last: that it is on, or why not.
    told: Option<Result<(), String>>,
}

impl Default for Answers {
    fn default() -> Self {
        Self { state: State::Waiting, peer: None, wait: FIRST_RETRY, told: None }
    }
}

impl Answers {
    /// For `status`: `on`, `trial`, or `off` with the reason.
    fn words(&self) -> String {
        match &self.state {
            State::On(_) => "on".to_owned(),
            State::Trial(_) => "trial".to_owned(),
            State::Waiting => "off (until the worker has answered by the socket)".to_owned(),
            State::Off(why) | State::Failed(why, _) => format!("off ({why})"),
        }
    }

    fn may_answer(&self) -> bool {
        matches!(self.state, State::On(_) | State::Trial(_))
    }

    /// Whether this is news for the log.
    fn tells(&mut self, what: Result<(), &str>) -> bool {
        let what = what.map_err(str::to_owned);
        self.told.replace(what.clone()) != Some(what)
    }
}

/// Looks a quarter of a second apart.
impl Attached {
    /// Looks what is to become of the program's answers; to be called behind [`Attached::watch`].
    pub(in crate::serve::fast_path) fn watch_answers(&mut self, terms: &Terms<'_>, peers: &mut PeerPrograms) {
        if self.heed_answers(terms) {
            return;
        }
        if !self.is_proven() {
            return self.pause_answers();
        }
        match &mut self.answers.state {
            State::Off(_) | State::Waiting => self.begin_answers(terms, peers),
            State::Failed(_, left @ 1..) => *left -= 1,
            State::Failed(..) => self.begin_answers(terms, peers),
            State::Trial(_) | State::On(_) => self.judge_answers(terms.wanted),
        }
    }

    /// Ends them where they are not to be. Whether that is so.
    pub(in crate::serve::fast_path) fn heed_answers(&mut self, terms: &Terms<'_>) -> bool {
        let missing =
            || Some(terms.missing.clone().unwrap_or_else(|| "the program that is loaded has none".to_owned()));
        let why = attach::without_answers(terms.wanted, terms.config, &self.target, self.zero_copy)
            .or_else(|| if self.attachment.answers() { None } else { missing() });
        let Some(why) = why else { return false };
        if self.close_answers() {
            self.answers.peer = None;
            self.tell_off(&why, terms.wanted);
            self.answers.state = State::Off(why);
        }
        true
    }

    /// Has the worker answer all until it is proven again that the program may.
    pub(super) fn pause_answers(&mut self) {
        if self.answers.may_answer() && self.close_answers() {
            self.answers.state = State::Waiting;
        }
    }

    /// For `status`.
    pub(super) fn answers_words(&self) -> String {
        self.answers.words()
    }

    /// Whether frames arrive at the sockets and replies leave, as far as the rest of the watch knows.
    fn is_proven(&self) -> bool {
        let has_come = |queue: &queue::QueueWatch| queue.share.stats.rx.get() > 0;
        let tripped = |queue: &queue::QueueWatch| queue.watch.is_tripped();
        !self.lost
            && self.shut_since.is_none()
            && !queue::is_away(&self.target)
            && self.queues.iter().any(has_come)
            && !self.queues.iter().any(tripped)
    }

    fn begin_answers(&mut self, terms: &Terms<'_>, peers: &mut PeerPrograms) {
        if let Tags::Peer { name, index } = self.target.tags.clone() {
            if let Err((why, wait)) = self.reach_peer(terms.config, peers, &name, index) {
                return self.fail_answers(why, wait, terms.wanted);
            }
            self.answers.state = State::Waiting;
            // It counts when it has counted a reply of the worker's.
            if self.answers.peer.as_ref().is_some_and(|peer| peer.replies().unwrap_or(0) == 0) {
                return;
            }
        }
        let Some(before) = self.counts_or_fail(terms.wanted) else { return };
        if self.set_answers(AnswerGate::Trial) {
            self.answers.state = State::Trial(Trial::new(before));
        }
    }

    /// Has a program be at the other end; else why not, and for how long.
    fn reach_peer(
        &mut self,
        config: &Config,
        peers: &mut PeerPrograms,
        name: &str,
        index: u32,
    ) -> Result<(), (String, u32)> {
        if self.answers.peer.as_ref().is_some_and(PeerAttachment::is_attached) {
            return Ok(());
        }
        self.answers.peer = None;
        // What cannot be read, the kernel tells by refusing.
        if let Ok(Some((holder, program))) = host::program_in_the_way(index) {
            return Err((attach::peer_is_taken(name, &holder, program), FIRST_RETRY));
        }
        let attached = peers.attach(&options(config, &self.target), index);
        let attached = attached.map_err(|refusal| {
            let wait = if refusal.kind == Kind::Busy { FIRST_RETRY } else { self.answers.wait };
            (refusal.to_string(), wait)
        });
        self.answers.peer = Some(attached?);
        Ok(())
    }

    /// Whether the other end of the pair is out of reach.
    fn is_elsewhere(&self) -> bool {
        self.target.tags == Tags::PeerElsewhere
    }

    /// What is counted now, if it can be read. Where nobody reads what the program answers, it fails: to look again costs no query.
    fn counts_or_fail(&mut self, wanted: Toggle) -> Option<Counts> {
        if !self.is_elsewhere() {
            return self.counts();
        }
        self.counts_of_driver().unwrap_or_else(|why| {
            self.fail_answers(why.to_owned(), 0, wanted);
            None
        })
    }

    /// What the driver counts, where the other end of the pair is out of reach; else why nobody reads there what the program answers:
    /// the driver counts as left what lies there unread.
    fn counts_of_driver(&self) -> Result<Option<Counts>, &'static str> {
        match host::peer_has_program(self.target.index) {
            Ok(Some(false)) => Err(attach::NO_PROGRAM),
            Ok(None) => Err(attach::UNTOLD),
            _ => match SentBack::of(&self.target.interface) {
                Ok(told) => told.map(Counts::from).map(Some).ok_or(attach::UNTOLD),
                Err(_) => Ok(None),
            },
        }
    }

    fn counts(&self) -> Option<Counts> {
        let answered = self.attachment.answered().ok()?;
        let sent = self.queues.iter().map(|queue| queue.share.stats.tx.get()).sum();
        let left = match &self.answers.peer {
            Some(peer) => peer.replies().ok()?,
            None => host::sent_packets(self.target.index).ok()??,
        };
        Some(Counts { answered, sent, left })
    }

    fn judge_answers(&mut self, wanted: Toggle) {
        let exact = self.answers.peer.is_some() || self.is_elsewhere();
        if self.answers.peer.as_ref().is_some_and(|peer| !peer.is_attached()) {
            return self.fail_answers("the program at its other end is gone".to_owned(), 0, wanted);
        }
        let Some(now) = self.counts_or_fail(wanted) else { return };
        let lost = match &mut self.answers.state {
            State::Trial(trial) => match trial.look(now, exact) {
                Outcome::Open => return,
                Outcome::Left => return self.open_answers(now),
                Outcome::Lost => true,
            },
            State::On(share) => {
                let is_lost = exact && share.is_lost(now);
                if share.leaves() {
                    // What fails from now on is another matter.
                    self.answers.wait = FIRST_RETRY;
                }
                is_lost
            }
            _ => return,
        };
        if lost {
            let why = "what the program answered did not come to the other end of the pair; it is tried again with one query from \
                       time to time, and xdp-answers: no ends that";
            self.fail_answers(why.to_owned(), self.answers.wait, wanted);
            self.answers.wait = (self.answers.wait * 2).min(LAST_RETRY);
        }
    }

    fn open_answers(&mut self, now: Counts) {
        if !self.set_answers(AnswerGate::Open) {
            return;
        }
        self.answers.state = State::On(Share::new(now, self.is_elsewhere()));
        if self.answers.tells(Ok(())) {
            log::info!("{}: the XDP program answers by itself what is asked most", self.target.interface);
        }
    }

    fn fail_answers(&mut self, why: String, wait: u32, wanted: Toggle) {
        if self.close_answers() {
            self.answers.peer = None;
            self.tell_off(&why, wanted);
            self.answers.state = State::Failed(why, wait);
        }
    }

    /// Once for each reason. Off as it was asked for is no news.
    fn tell_off(&mut self, why: &str, wanted: Toggle) {
        let name = &self.target.interface;
        if wanted == Toggle::No || !self.answers.tells(Err(why)) {
            return;
        }
        if wanted == Toggle::Yes {
            log::warn!("{name}: the worker answers all that XDP takes, not the XDP program (xdp-answers: yes): {why}");
        } else {
            log::info!("{name}: the worker answers all that XDP takes, not the XDP program: {why}");
        }
    }

    /// Whether the program answers nothing.
    fn close_answers(&self) -> bool {
        !self.answers.may_answer() || self.set_answers(AnswerGate::Closed)
    }

    fn set_answers(&self, gate: AnswerGate) -> bool {
        let set = self.attachment.set_answers(gate);
        if let Err(cause) = &set {
            log::warn!(
                "{}: what the XDP program answers by itself is as it was: {cause}; it is tried again at the next look, xdp-answers: \
                 no ends it",
                self.target.interface
            );
        } else {
            // Teaching costs the worker something.
            self.queues.iter().for_each(|queue| queue.share.set_teachable(gate != AnswerGate::Closed));
        }
        set.is_ok()
    }
}
