//! Signals as readable events: signalfd(2).

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::io;
use std::mem::MaybeUninit;

/// A signal that main acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP: reload.
    Reload,
    /// SIGTERM or SIGINT: stop.
    Stop,
    /// SIGUSR1: reopen the log file.
    ReopenLog,
}

const WATCHED: [libc::c_int; 4] = [libc::SIGHUP, libc::SIGTERM, libc::SIGINT, libc::SIGUSR1];

/// A descriptor that becomes readable when one of the watched signals is pending.
pub struct SignalFd(OwnedFd);

impl SignalFd {
    /// Blocks the watched signals for the calling thread and those it starts later, and ignores SIGPIPE. To be called by
    /// main before any thread is started: a thread without the block would take the signal and die of it.
    pub fn new() -> io::Result<Self> {
        let set = watched();
        // SAFETY: plain system calls on a signal set that lives until they return; the new descriptor is owned by
        // nobody else. SIG_IGN is a valid handler.
        unsafe {
            libc::signal(libc::SIGPIPE, libc::SIG_IGN);
            let cause = libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
            if cause != 0 {
                return Err(io::Error::from_raw_os_error(cause));
            }
            match libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) {
                -1 => Err(io::Error::last_os_error()),
                fd => Ok(SignalFd(OwnedFd::from_raw_fd(fd))),
            }
        }
    }

    /// The next pending signal, `None` when there is none.
    pub fn next(&self) -> Option<Signal> {
        const SIZE: usize = size_of::<libc::signalfd_siginfo>();
        let mut info = MaybeUninit::<libc::signalfd_siginfo>::zeroed();
        // SAFETY: the buffer is SIZE octets long, and every bit pattern, zero included, is a valid siginfo.
        let (got, info) = unsafe {
            let got = libc::read(self.0.as_raw_fd(), info.as_mut_ptr().cast(), SIZE);
            (got, info.assume_init())
        };
        if got != SIZE as isize {
            return None;
        }
        match info.ssi_signo as libc::c_int {
            libc::SIGHUP => Some(Signal::Reload),
            libc::SIGTERM | libc::SIGINT => Some(Signal::Stop),
            libc::SIGUSR1 => Some(Signal::ReopenLog),
            _ => None,
        }
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn watched() -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the set; sigaddset only fails on numbers that are no signals.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in WATCHED {
            libc::sigaddset(set.as_mut_ptr(), signal);
        }
        set.assume_init()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn signals_arrive_as_events() {
        let signals = SignalFd::new().unwrap();
        assert_eq!(signals.next(), None);
        for (number, signal) in [
            (libc::SIGHUP, Signal::Reload),
            (libc::SIGTERM, Signal::Stop),
            (libc::SIGINT, Signal::Stop),
            (libc::SIGUSR1, Signal::ReopenLog),
        ] {
            // SAFETY: the signal goes to this thread alone, where it is blocked.
            assert_eq!(unsafe { libc::pthread_kill(libc::pthread_self(), number) }, 0);
            assert_eq!(signals.next(), Some(signal));
            assert_eq!(signals.next(), None);
        }
    }
}
