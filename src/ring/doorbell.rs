//! Wakes a thread that sleeps in `poll(2)`, and costs those with work for it next to nothing while it does not.
//!
//! The sleeper: [`Doorbell::arm`], look at every ring once more, `poll` with [`Doorbell::fd`] among the descriptors
//! (time-out zero if there was work), [`Doorbell::disarm`]. The others: put the work in the ring, then
//! [`Doorbell::ring`].
//!
//! No wake-up is lost (Dekker's pattern): the sleeper stores `asleep` and then loads the ring's index, the other side
//! stores the index and then loads `asleep`. A sequentially consistent fence between store and load on both sides
//! makes it impossible that each misses the other's store.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};

use super::sync::{Arc, AtomicBool, Ordering, fence};

/// Handle on one eventfd and the flag that says whether its owner sleeps. Clones ring the same bell.
#[derive(Clone, Debug)]
pub struct Doorbell {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    asleep: AtomicBool,
    event: Event,
}

impl Doorbell {
    /// A bell nobody sleeps at yet.
    ///
    /// # Errors
    /// What `eventfd(2)` reports: no descriptor left.
    pub fn new() -> io::Result<Self> {
        Ok(Self { shared: Arc::new(Shared { asleep: AtomicBool::new(false), event: Event::new()? }) })
    }

    /// Sleeper: declares that it is about to sleep. It must look at its rings once more before it does.
    pub fn arm(&self) {
        self.shared.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Sleeper: is awake again; nobody needs to ring.
    pub fn disarm(&self) {
        // A read-modify-write, so that it comes after the clearing of whoever rang, and so does the next `arm`.
        self.shared.asleep.swap(false, Ordering::AcqRel);
        self.shared.event.drain();
    }

    /// Sleeper: is awake again, and takes what the bell says from the descriptor itself: [`Self::disarm`] once that is readable, and
    /// only then, is one system call for each ring instead of one for each sleep.
    pub fn rise(&self) {
        self.shared.asleep.swap(false, Ordering::AcqRel);
    }

    /// The descriptor to poll for reading.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.shared.event.fd.as_fd()
    }

    /// Others: there is work in a ring. One system call if the sleeper sleeps and nobody else rang, otherwise none.
    #[inline]
    pub fn ring(&self) {
        fence(Ordering::SeqCst);
        let flag = &self.shared.asleep;
        // The exchange leaves the system call to the first of several that ring for the same sleep.
        if flag.load(Ordering::Relaxed)
            && flag.compare_exchange(true, false, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        {
            self.shared.event.signal();
        }
    }
}

/// An eventfd; the model checker waits on its own notification instead.
#[derive(Debug)]
struct Event {
    fd: OwnedFd,
    #[cfg(loom)]
    notify: loom::sync::Notify,
}

impl Event {
    fn new() -> io::Result<Self> {
        Ok(Self {
            fd: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            #[cfg(loom)]
            notify: loom::sync::Notify::new(),
        })
    }

    #[cfg(not(loom))]
    fn signal(&self) {
        // Fails only when the counter would overflow, and then the sleeper wakes anyhow.
        let _ = rustix::io::write(&self.fd, &1u64.to_ne_bytes());
    }

    #[cfg(not(loom))]
    fn drain(&self) {
        // Fails when nobody rang.
        let _ = rustix::io::read(&self.fd, &mut [0u8; 8]);
    }

    #[cfg(loom)]
    fn signal(&self) {
        self.notify.notify();
    }

    #[cfg(loom)]
    fn drain(&self) {}
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    fn is_readable(bell: &Doorbell) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::from_borrowed_fd(bell.fd(), PollFlags::IN)], Some(&now)).expect("poll") == 1
    }

    #[test]
    fn rings_only_a_sleeper_and_once() {
        let bell = Doorbell::new().expect("eventfd");
        let other = bell.clone();
        other.ring();
        assert!(!is_readable(&bell), "nobody slept");
        bell.arm();
        assert!(!is_readable(&bell));
        other.ring();
        other.ring();
        assert!(is_readable(&bell));
        bell.disarm();
        assert!(!is_readable(&bell), "disarm drains");
        other.ring();
        assert!(!is_readable(&bell), "awake again");
        bell.arm();
        bell.rise();
        other.ring();
        assert!(!is_readable(&bell), "awake again");
        bell.arm();
        other.ring();
        bell.rise();
        assert!(is_readable(&bell), "the ring is left to be taken");
        bell.disarm();
        assert!(!is_readable(&bell));
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::ring::spsc;

    /// The sleeper as the module's documentation prescribes it; a lost wake-up is a deadlock, which loom reports.
    fn sleep_until_work(bell: &Doorbell, work: &mut spsc::Consumer<u32>) {
        loop {
            if work.front().is_some() {
                work.release();
                return;
            }
            bell.arm();
            if work.is_empty() {
                bell.shared.event.notify.wait();
            }
            bell.disarm();
        }
    }

    #[test]
    fn loom_no_wake_up_is_lost() {
        loom::model(|| {
            let bell = Doorbell::new().expect("eventfd");
            let (mut producer, mut consumer) = spsc::channel(2, || 0u32);
            let other = bell.clone();
            let worker = loom::thread::spawn(move || {
                for _ in 0..2 {
                    producer.reserve().expect("room for two");
                    producer.publish();
                    other.ring();
                }
            });
            sleep_until_work(&bell, &mut consumer);
            sleep_until_work(&bell, &mut consumer);
            worker.join().expect("worker ends");
        });
    }

    #[test]
    fn loom_two_ringers_wake_one_sleeper() {
        // Three threads are too many for every interleaving; nearly all errors show with two forced switches.
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(2);
        model.check(|| {
            let bell = Doorbell::new().expect("eventfd");
            let mut rings = Vec::new();
            let mut ringers = Vec::new();
            for _ in 0..2 {
                let (mut producer, consumer) = spsc::channel(1, || 0u32);
                let other = bell.clone();
                rings.push(consumer);
                ringers.push(loom::thread::spawn(move || {
                    producer.reserve().expect("room for one");
                    producer.publish();
                    other.ring();
                }));
            }
            let mut seen = 0;
            while seen < 2 {
                let taken =
                    rings.iter_mut().filter_map(|ring| ring.front().map(|_| ()).map(|()| ring.release())).count();
                seen += taken;
                if taken == 0 {
                    bell.arm();
                    if rings.iter_mut().all(spsc::Consumer::is_empty) {
                        bell.shared.event.notify.wait();
                    }
                    bell.disarm();
                }
            }
            for ringer in ringers {
                ringer.join().expect("ringer ends");
            }
        });
    }
}
