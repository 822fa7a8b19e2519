//! What main asks of the worker, one command at a time, and what the worker has of it.

use crate::answer::cache::Index;
use crate::answer::policy::Policy;
use crate::control::NotInForce;
use crate::ring::doorbell::Doorbell;
use crate::ring::spsc::{self, Consumer, Producer};
use crate::serve::fast_path::ProgramClients;
use crate::serve::worker::{Command, Done, Order};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long main waits for the worker to carry out a command before it goes on without.
const PATIENCE: Duration = Duration::from_secs(5);
/// Commands with the worker at a time: what follows from a late one is known, and nothing piles up behind it.
const COMMANDS: usize = 1;

/// Main's side of the worker's commands. What it shows is what the worker has, or will have once it has carried out the one
/// command that is late.
pub(super) struct Orders {
    commands: Producer<Option<Order>>,
    done: Consumer<Option<Done>>,
    bell: Doorbell,
    worker: Doorbell,
    patience: Duration,
    /// See [`Self::begin_epoch`].
    epoch: u32,
    policy: Arc<Policy>,
    /// Whom the XDP programs answer, which follows the policy.
    clients: Option<ProgramClients>,
    /// When the command was given that the worker has not answered in time, and not yet.
    late: Option<Instant>,
}

/// The worker's side.
pub(super) struct Ends {
    pub(super) commands: Consumer<Option<Order>>,
    pub(super) done: Producer<Option<Done>>,
}

impl Orders {
    /// For a worker that starts with `policy`. Main sleeps at `bell`, the worker at its own.
    pub(super) fn new(policy: Arc<Policy>, bell: Doorbell, worker: Doorbell) -> (Orders, Ends) {
        let (commands, commands_end) = spsc::channel(COMMANDS, || None);
        let (done_end, done) = spsc::channel(COMMANDS, || None);
        let orders =
            Orders { commands, done, bell, worker, patience: PATIENCE, epoch: 0, policy, clients: None, late: None };
        (orders, Ends { commands: commands_end, done: done_end })
    }

    /// Has XDP programs answer by themselves those clients that the policy lets them, whenever it changes.
    pub(super) fn have_answered(&mut self, mut clients: ProgramClients) {
        clients.open_for(&self.policy);
        self.clients = Some(clients);
    }

    /// Has the worker count what XDP programs have answered, so that statistics are of now. One that is late counts later.
    pub(super) fn count_told(&mut self) {
        if self.clients.is_some() && self.late.is_none() {
            // A worker that does not answer in time is said to be late there.
            let _ = self.give(Command::Count);
        }
    }

    /// What the worker answers by.
    pub(super) fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// For how long a command has been with the worker that it did not answer in time.
    pub(super) fn late(&self) -> Option<Duration> {
        self.late.map(|since| since.elapsed())
    }

    /// Whether an answer has come that [`Self::collect`] takes.
    pub(super) fn has_answer(&mut self) -> bool {
        self.done.front().is_some()
    }

    /// Takes the late answer if it has come. Whether the worker has nothing left to do.
    pub(super) fn collect(&mut self) -> bool {
        if let Some(since) = self.late
            && self.take().is_some()
        {
            log::info!("the worker has carried out what it was asked {} s ago", since.elapsed().as_secs());
            self.late = None;
        }
        self.late.is_none()
    }

    /// Waits for the late answer, if there is one.
    ///
    /// # Errors
    /// It does not come: nothing can be asked of the worker.
    pub(super) fn settle(&mut self) -> Result<(), NotInForce> {
        if self.late.is_some() {
            self.wait();
        }
        if self.collect() {
            return Ok(());
        }
        let cause = "the worker has not answered the command before this one; nothing changed, try again";
        Err(NotInForce::Refused(cause.to_owned()))
    }

    /// Begins the epoch of a flush or a reload: answers to what is in flight are not kept by who is told of it, which the
    /// worker is with its next command.
    pub(super) fn begin_epoch(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
    }

    /// Has the worker answer by another policy, and from an empty cache when an index for it comes along.
    ///
    /// # Errors
    /// It is not in force, or not yet. In the latter case it is the one that is shown.
    pub(super) fn put_in_force(&mut self, policy: Arc<Policy>, empty: Option<Index>) -> Result<(), NotInForce> {
        self.settle()?;
        if let Some(clients) = &mut self.clients {
            clients.close_for(&policy);
        }
        self.policy = Arc::clone(&policy);
        let done = self.give(Command::Policy(policy, empty)).map(drop);
        if let Some(clients) = &mut self.clients {
            clients.open_for(&self.policy);
        }
        done
    }

    /// Has the worker carry out a command.
    ///
    /// # Errors
    /// It is not carried out, or not yet.
    pub(super) fn ask(&mut self, command: Command) -> Result<Done, NotInForce> {
        self.settle()?;
        self.give(command)
    }

    /// Gives the worker a command, when it has none, and waits for what comes of it.
    fn give(&mut self, command: Command) -> Result<Done, NotInForce> {
        let given = Instant::now();
        if let Some(slot) = self.commands.reserve() {
            *slot = Some(Order { epoch: self.epoch, command });
            self.commands.publish();
            self.worker.ring();
        }
        self.wait();
        self.take().ok_or_else(|| {
            self.late = Some(given);
            let cause = "the worker has not answered yet; what it was asked comes into force when it does";
            log::warn!("{cause}");
            NotInForce::Late(cause.to_owned())
        })
    }

    fn take(&mut self) -> Option<Done> {
        let done = self.done.front()?.take();
        self.done.release();
        done
    }

    /// Sleeps until an answer has come, or patience is over.
    fn wait(&mut self) {
        let deadline = Instant::now() + self.patience;
        loop {
            self.bell.arm();
            let left = deadline.saturating_duration_since(Instant::now());
            if self.has_answer() || left.is_zero() {
                return self.bell.disarm();
            }
            let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
            // An interrupted poll is a turn without news.
            let _ = poll(&mut [PollFd::from_borrowed_fd(self.bell.fd(), PollFlags::IN)], Some(&timeout));
            self.bell.disarm();
        }
    }
}

#[cfg(test)]
#[path = "orders_tests.rs"]
mod tests;
