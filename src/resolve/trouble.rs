//! What the system refused on the way to a server: said once, and shown as long as it lasts.

use rustix::io::Errno;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A cause is said again after this time, should it still be there or be there again.
const SAY_AGAIN: Duration = Duration::from_secs(600);
/// Causes of one server that are remembered as said; there are hardly more.
const CAUSES: usize = 8;

/// A call that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What was tried.
    pub call: &'static str,
    /// Why it did not work.
    pub errno: Errno,
}

impl Failure {
    /// To be given to `map_err`.
    pub(super) fn of(call: &'static str) -> impl Fn(Errno) -> Failure {
        move |errno| Failure { call, errno }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call, self.errno)?;
        f.write_str(match (self.errno, self.call) {
            (Errno::NETUNREACH | Errno::HOSTUNREACH, _) => "; no route leads to it: see `ip route get ADDRESS`",
            (Errno::MFILE | Errno::NFILE, _) => {
                "; the descriptors are used up: raise LimitNOFILE= or lower outgoing-range"
            }
            (Errno::ADDRNOTAVAIL | Errno::INVAL | Errno::NODEV, "bind") => {
                "; give this host the address of outgoing-interface, or remove the line"
            }
            (Errno::ADDRINUSE, "bind") => "; other programs have the ports that were drawn: permit more of them",
            (Errno::NODEV | Errno::ADDRNOTAVAIL | Errno::INVAL, _) => "; see whether its interface is there and up",
            (Errno::PERM | Errno::ACCESS, _) => "; a firewall or a route of this host forbids it",
            (Errno::NOBUFS | Errno::NOMEM, _) => "; the kernel has no memory for it",
            _ => "",
        })
    }
}

/// The troubles of one server.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// What stands in the way now.
    now: Option<Failure>,
    /// Causes with the time they were said last.
    said: Vec<(Failure, Duration)>,
    /// That it is over is to be said too.
    announced: bool,
}

impl Record {
    /// Takes note of a failure; true when it is another than before.
    pub(super) fn failed(&mut self, failure: Failure, server: SocketAddr, now: Duration) -> bool {
        let said = self.said.iter().position(|(known, _)| *known == failure);
        if said.is_none_or(|place| now >= self.said[place].1 + SAY_AGAIN) {
            let place = said.or((self.said.len() == CAUSES).then_some(0));
            place.map(|place| self.said.remove(place));
            self.said.push((failure, now));
            self.announced = true;
            log::warn!("name server {server}: {failure}");
        }
        self.now.replace(failure) != Some(failure)
    }

    /// A question was sent; true when something stood in the way before.
    pub(super) fn worked(&mut self, server: SocketAddr) -> bool {
        if self.now.take().is_none() {
            return false;
        }
        if std::mem::take(&mut self.announced) {
            log::info!("name server {server} can be asked again");
        }
        true
    }

    /// What stands in the way now.
    pub(super) fn now(&self) -> Option<Failure> {
        self.now
    }
}

/// The servers that cannot be asked now and why: written by the resolver when that changes, read for `status`.
#[derive(Debug, Default)]
pub struct Troubles(Mutex<Vec<(SocketAddr, Failure)>>);

impl Troubles {
    /// Puts what there is in place of what there was.
    pub(super) fn set(&self, list: impl Iterator<Item = (SocketAddr, Failure)>) {
        let mut troubles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        troubles.clear();
        troubles.extend(list);
    }

    /// All of them.
    pub fn list(&self) -> Vec<(SocketAddr, Failure)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once_and_shown_while_it_lasts() {
        let server = "192.0.2.1:53".parse().unwrap();
        let unreachable = Failure { call: "connect", errno: Errno::NETUNREACH };
        let full = Failure { call: "socket", errno: Errno::MFILE };
        let mut record = Record::default();
        let mut now = Duration::from_secs(1);
        assert!(record.failed(unreachable, server, now) && !record.failed(unreachable, server, now));
        assert!(record.failed(full, server, now) && record.failed(unreachable, server, now));
        assert_eq!((record.now(), record.said.len()), (Some(unreachable), 2));
        assert!(record.worked(server) && !record.worked(server) && record.now().is_none());
        now += SAY_AGAIN;
        record.failed(full, server, now);
        assert_eq!(record.said, [(unreachable, Duration::from_secs(1)), (full, now)]);
        for errno in 1..100 {
            record.failed(Failure { call: "send", errno: Errno::from_raw_os_error(errno) }, server, now);
        }
        assert_eq!(record.said.len(), CAUSES);
    }

    #[test]
    fn a_failure_names_call_cause_and_fix() {
        let text = Failure { call: "connect", errno: Errno::NETUNREACH }.to_string();
        assert!(text.starts_with("connect: Network ") && text.contains("ip route get"), "{text}");
    }
}
