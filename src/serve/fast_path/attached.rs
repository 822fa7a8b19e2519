//! One interface with our program on it.

mod answers;
mod follow;
mod guard;
mod held;
mod shut;

use self::answers::Answers;
pub(super) use self::answers::Terms;
use self::held::Held;
use super::Queues;
use super::occupied;
use super::promise::{self, News, Promise};
use super::queue::{self, QueueShare, QueueWatch};
use super::refused::Refusal;
use super::tags;
use super::watch::{Counts, Step, Watch};
use crate::attach::{self, Tags, Target};
use crate::config::{Config, Toggle};
use crate::host::{self, Changes};
use crate::stats::{Frames, XdpFigures, XdpMode};
use crate::sys::ethtool::{self, UdpRule};
use crate::xdp::{self, AnswerGate, Attachment, Mode, Peer, Program, Queue, Verdict, VerdictCounts, ZeroCopy};
use std::sync::Arc;
use std::time::Instant;

/// UMEM frames of a queue where memory is little.
const SMALL_FRAMES: u32 = 1024;

// One limit, told before and after.
const _: () = assert!(attach::PAGE_MTU == xdp::PAGE_MTU);

/// See the module's text.
pub(super) struct Attached {
    pub(super) target: Target,
    pub(super) attachment: Attachment,
    /// When it was attached to.
    pub(super) since: Instant,
    /// Its link was up before that, so it is to come back.
    pub(super) had_carrier: bool,
    /// The interface was away, and may be back under the same index: its sockets are not bound any more.
    pub(super) lost: bool,
    /// It takes no frames since then, as VLAN tags may be off them.
    pub(super) shut_since: Option<Instant>,
    queues: Vec<QueueWatch>,
    zero_copy: bool,
    /// Queues whose packet memory lies in huge pages.
    huge: usize,
    /// A rule of the driver sends what is ours to queue 0.
    steered: bool,
    /// Why the rule for addresses that came since is missing.
    unsteered: Option<String>,
    held: Held,
    shut: shut::Told,
    tags: tags::Lost,
    promise: Promise,
    answers: Answers,
}

/// What was made of one interface.
struct Opened {
    attachment: Attachment,
    queues: Vec<Queue>,
    steered: bool,
    tags: tags::Lost,
}

/// Changes what must be changed, attaches, makes sockets. Where it fails, all is as before.
pub(super) fn open(
    config: &Config,
    target: &Target,
    program: Program,
    changes: &mut Changes,
) -> Result<(Attached, Queues), Refusal> {
    let opened = open_or_leave(config, target, program, changes).map_err(|refusal| {
        let disturbs = refusal.disturbs || target.resets && changes.has_any(&target.interface);
        changes.undo(&target.interface);
        Refusal { disturbs, ..refusal }
    });
    let Opened { attachment, queues, steered, tags } = opened?;
    let zero_copy = queues.iter().all(|queue| queue.zero_copy() == ZeroCopy::Yes);
    let huge = queues.iter().filter(|queue| queue.has_huge_pages()).count();
    let share = || {
        let share = QueueShare::default();
        share.follow(target);
        Arc::new(share)
    };
    let queues: Queues = queues.into_iter().map(|queue| (queue, share())).collect();
    let watches = queues.iter().map(|(queue, share)| QueueWatch {
        number: queue.queue(),
        share: Arc::clone(share),
        watch: Watch::default(),
    });
    let attached = Attached {
        target: target.clone(),
        attachment,
        since: Instant::now(),
        had_carrier: target.carrier,
        lost: false,
        shut_since: None,
        queues: watches.collect(),
        zero_copy,
        huge,
        steered,
        unsteered: None,
        held: Held::new(target),
        shut: shut::Told::at_first(target, Instant::now()),
        tags,
        promise: Promise::default(),
        answers: Answers::default(),
    };
    Ok((attached, queues))
}

fn open_or_leave(config: &Config, target: &Target, program: Program, changes: &mut Changes) -> Result<Opened, Refusal> {
    let name = &target.interface;
    let options = xdp::Options { frames: frames(), ..options(config, target) };
    // What may fail and changes nothing comes before what changes the host; resetting the link is the most that is changed.
    let mut lost = None;
    occupied::make_way(target, host::program_in_the_way(target.index))?;
    if target.resets {
        xdp::try_socket(&options)?;
        lost = tags::keep(target, changes)?;
        log::info!("{name}: attaching the XDP program; the driver may reset the link for some seconds");
    }
    let attachment = xdp::attach(&options, program)?;
    // Attaching may have changed their number (virtio_net).
    let mut queues = host::rx_queues(name);
    let mut steered = false;
    if target.physical && queues > 1 && config.xdp.steer != Toggle::No {
        steered = steer(config, target, changes, queues);
        queues = if steered { 1 } else { host::rx_queues(name) };
    }
    let queues = xdp::open_queues(&options, &attachment, queues);
    let queues = queues.map_err(|error| Refusal { disturbs: target.resets, ..error.into() })?;
    // Nothing is redirected before the worker has the queues.
    if !target.resets {
        lost = tags::keep(target, changes)?;
    }
    // Queues and rules were set by its name.
    tags::is_still_there(target, changes)?;
    let mut tags = tags::Lost::default();
    tags.take(lost, name);
    Ok(Opened { attachment, queues, steered, tags })
}

fn options(config: &Config, target: &Target) -> xdp::Options {
    xdp::Options {
        interface: target.interface.clone(),
        index: target.index,
        mtu: target.mtu,
        peer: match &target.tags {
            Tags::Peer { name, .. } => Peer::Here { name: name.clone(), mtu: target.peer_mtu.unwrap_or(0) },
            Tags::PeerElsewhere => Peer::Elsewhere,
            _ => Peer::None,
        },
        driver: target.driver.clone().and_then(|driver| Some((attach::longest(&driver)?.0, driver))),
        reply_mtu: target.reply_mtu,
        places: target.in_force().iter().map(place).collect(),
        own: target.own.clone(),
        port: target.port,
        mode: if target.generic { Mode::Generic } else { Mode::Native },
        zero_copy: match config.xdp.zerocopy {
            Toggle::Auto => ZeroCopy::Auto,
            Toggle::Yes => ZeroCopy::Yes,
            Toggle::No => ZeroCopy::No,
        },
        frames: xdp::DEFAULT_FRAMES,
        huge_pages: config.xdp.huge_pages,
    }
}

fn place(place: &crate::attach::Place) -> xdp::Place {
    xdp::Place { address: place.address, mac: place.mac, vlan: place.vlan }
}

/// UMEM frames for each queue: they are never swapped nor freed, so a small machine has fewer.
fn frames() -> u32 {
    if host::small_memory().is_some() { SMALL_FRAMES } else { xdp::DEFAULT_FRAMES }
}

fn rules(target: &Target) -> Vec<UdpRule> {
    let rule = |place: &crate::attach::Place| UdpRule { address: place.address, port: target.port, queue: 0 };
    target.places.iter().map(rule).collect()
}

/// Has what is ours come in at queue 0: true when a rule does it. The log says which way it goes.
fn steer(config: &Config, target: &Target, changes: &mut Changes, queues: u32) -> bool {
    let name = &target.interface;
    let force = config.xdp.steer == Toggle::Yes;
    let reason = match changes.steer(name, &rules(target), force) {
        Ok(()) => {
            log::info!("{name}: a rule of the driver sends what is ours to receive queue 0 of {queues}");
            return true;
        }
        Err(reason) => reason,
    };
    if force {
        match changes.receive_on_one_queue(name) {
            Ok(()) => log::warn!("{name}: no steering to receive queue 0 ({reason}): it receives on one queue instead"),
            Err(cause) => log::warn!(
                "{name}: no steering to receive queue 0 ({reason}; {cause}): an AF_XDP socket is on each of {queues}; \
                 xdp-steer: no saves the try"
            ),
        }
    } else {
        log::info!("{name}: no steering to receive queue 0 ({reason}): an AF_XDP socket is on each of {queues}");
    }
    false
}

impl Attached {
    /// One line: what is served here, and how.
    pub(super) fn describe(&self) -> String {
        let place = |place: &crate::attach::Place| match place.vlan {
            Some(id) => format!("{} (VLAN {id})", place.address),
            None => place.address.to_string(),
        };
        let places: Vec<String> = self.target.places.iter().map(place).collect();
        let queues = self.queues.len();
        format!(
            "{}: XDP {} {} port {}: {}, {}, {queues} of {} receive queues{}{}",
            self.target.interface,
            if self.target.stands_by() { "stands by to serve" } else { "serves" },
            places.join(" "),
            self.target.port,
            if self.target.generic { "generic mode" } else { "native mode" },
            if self.zero_copy { "zero-copy" } else { "copy" },
            host::rx_queues(&self.target.interface).max(queues as u32),
            if self.steered { ", steered to" } else { "" },
            self.target.shut().iter().map(|line| format!("; {line}")).collect::<String>(),
        )
    }

    /// One line where the packet memory lies, when huge pages were asked for.
    pub(super) fn memory(&self, config: &Config) -> Option<String> {
        let (name, queues) = (&self.target.interface, self.queues.len());
        config
            .xdp
            .huge_pages
            .then(|| format!("{name}: packet memory of {} of {queues} queues in huge pages", self.huge))
    }

    /// Looks whether what the program redirects arrives; to be called a few times a second. Whether the worker should look,
    /// too.
    pub(super) fn watch(&mut self) -> bool {
        let mut doubtful = false;
        let (attachment, name) = (&self.attachment, &self.target.interface);
        for QueueWatch { number, share, watch } in &mut self.queues {
            let stats = &share.stats;
            let Ok(redirected) = attachment.redirected(*number) else { continue };
            let was_tripped = watch.is_tripped();
            let step = watch.look(Counts { redirected, received: stats.rx.get(), looks: stats.looks.get() });
            doubtful |= watch.is_doubtful();
            let done = match step {
                Step::Stay => continue,
                Step::Try => attachment.try_gate(*number),
                Step::Close => {
                    // What the program answers by itself says nothing of the socket; the next look at that goes by this one.
                    let _ = attachment.set_answers(AnswerGate::Closed);
                    attachment.close_gate(*number)
                }
                Step::Open => attachment.open_gate(*number),
            };
            match (step, done) {
                (_, Err(cause)) => log::warn!(
                    "{name}: queue {number}: the program's gate is as it was: {cause}; it is tried again at the next look, and \
                     kernel sockets serve what is not redirected"
                ),
                (Step::Close, Ok(())) if !was_tripped => log::warn!(
                    "{name}: queue {number}: the XDP program redirects queries and the socket receives none ({}): kernel \
                     sockets serve, one query is tried from time to time; an address on a veth pair works, or set xdp: no",
                    queue::dropped(stats),
                ),
                (Step::Open, Ok(())) => log::info!("{name}: queue {number}: queries arrive again, XDP serves"),
                _ => (),
            }
        }
        doubtful
    }

    /// Has the program answer nothing and redirect nothing: the first step of every way out.
    pub(super) fn close(&self) {
        // What cannot be told ends with the link.
        let _ = self.attachment.set_answers(AnswerGate::Closed);
        self.attachment.remove_all_from_map();
    }

    /// Compares what was planned with what the program does, `kernel` promised queries having come by kernel sockets so far; gives
    /// the frames that the program saw.
    pub(super) fn verify(&mut self, kernel: u64, now: Instant) -> promise::Frames {
        let Ok(verdicts) = self.attachment.verdicts() else { return promise::Frames::default() };
        let of = |verdict| verdicts.get(verdict);
        let redirected = of(Verdict::Redirected) + of(Verdict::Answered);
        let (vlan, mac) = (of(Verdict::Vlan), of(Verdict::Mac));
        let passed = vlan + mac + of(Verdict::NoSocket) + of(Verdict::Source) + of(Verdict::Checksum);
        let news = self.promise.look(promise::Counts { redirected, vlan, mac, kernel }, now);
        self.tell(news, now);
        promise::Frames { redirected, passed, others: of(Verdict::IpShape) }
    }

    /// Compares what comes from now on.
    pub(super) fn count_anew(&mut self) {
        self.promise.count_anew();
    }

    /// What is known of queries from outside that no program sees.
    pub(super) fn take_unseen(&mut self, sight: promise::Sight, now: Instant) {
        let news = self.promise.take_unseen(sight, now);
        self.tell(news, now);
    }

    fn tell(&self, news: Option<News>, now: Instant) {
        let name = &self.target.interface;
        match news {
            Some(News::Broken(broken)) => {
                log::warn!("{name}: the plan was XDP, but {}", broken.explain(&self.target, now))
            }
            Some(News::Kept(None)) => log::info!("{name}: queries come over XDP, as planned"),
            Some(News::Kept(Some(rest))) => {
                log::info!("{name}: most queries come over XDP, as planned, but {}", rest.explain(&self.target, now))
            }
            None => (),
        }
    }

    /// What the control socket shows.
    pub(super) fn figures(&self) -> XdpFigures {
        let verdicts: VerdictCounts = self.attachment.verdicts().unwrap_or_default();
        XdpFigures {
            interface: self.target.interface.clone(),
            mode: if self.target.generic { XdpMode::Generic } else { XdpMode::Native },
            zerocopy: self.zero_copy,
            queues: self.queues.iter().map(QueueWatch::figures).collect(),
            verdicts: Verdict::ALL.iter().map(|&verdict| (verdict.name(), verdicts.get(verdict))).collect(),
            frames: self.frames(),
            answers: self.answers_words(),
            fallback: self.fallback(),
        }
    }

    /// Where the frames are. The rings of the driver are as long as they are now.
    fn frames(&self) -> Frames {
        let queues = || self.queues.iter().map(|queue| &queue.share.stats);
        let rings = || ethtool::rings(&self.target.interface).ok();
        let room = if queues().all(|stats| stats.frames_driver.get() == 0) { 0 } else { queue::room(rings()) };
        queues().map(|stats| Frames::of_queue(stats, room)).sum()
    }

    /// What kernel sockets serve instead and why, else what is wrong with what XDP serves.
    fn fallback(&self) -> Option<String> {
        let broken = || self.promise.broken().map(|broken| broken.explain(&self.target, Instant::now()));
        let standby = || self.target.standby.then(|| "stands by: its bond drops what comes in there".to_owned());
        let shut = || Some(self.target.shut().join("; ")).filter(|lines| !lines.is_empty());
        let behind = || self.held.lack().map(str::to_owned);
        let tags = || self.tags.cause().map(str::to_owned);
        self.tripped().or_else(standby).or_else(shut).or_else(broken).or_else(behind).or_else(tags)
    }

    /// The queues that kernel sockets serve because nothing arrived there.
    fn tripped(&self) -> Option<String> {
        let tripped = self.queues.iter().filter(|queue| queue.watch.is_tripped());
        let tripped: Vec<String> = tripped.map(|queue| queue.number.to_string()).collect();
        let (numbers, of) = (tripped.join(" "), self.queues.len());
        (!tripped.is_empty())
            .then(|| format!("redirected queries did not arrive at queue {numbers} (of {of}); kernel sockets serve it"))
    }
}
