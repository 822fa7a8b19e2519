//! What stands in the way to a server, be it the system that refuses a call or the network that refuses a query: said
//! once, and shown as long as it lasts.

use log::Level;
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A cause is said again after this time, should it still be there or be there again.
const SAY_AGAIN: Duration = Duration::from_secs(600);
/// Causes of one server that are remembered as said; there are hardly more.
const CAUSES: usize = 8;

/// The `call` of a [`Failure`] that the network told: what was sent came back as an ICMP error, which the socket reports.
pub(super) const ICMP: &str = "ICMP error";
/// The `call` of a [`Failure`] of a TCP connection that was being made or had been made.
pub(super) const TCP: &str = "TCP connect";

/// A call that failed, or what the network said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What was tried.
    pub call: &'static str,
    /// Why it did not work.
    pub errno: Errno,
}

impl Failure {
    /// The server was asked for long and by many questions, and has said nothing.
    pub(super) const SILENCE: Failure = Failure { call: "answer", errno: Errno::TIMEDOUT };
    /// The kernel's generator gave nothing, and nothing predictable is sent instead.
    pub(super) const NO_RANDOM: Failure = Failure { call: "getrandom", errno: Errno::IO };

    /// To be given to `map_err`.
    pub(super) fn of(call: &'static str) -> impl Fn(Errno) -> Failure {
        move |errno| Failure { call, errno }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Failure::SILENCE {
            return f.write_str("does not answer; see whether it runs and whether this host reaches it");
        }
        write!(f, "{}: {}{}", self.call, self.errno, self.fix())
    }
}

impl Failure {
    fn fix(&self) -> &'static str {
        match (self.errno, self.call) {
            (Errno::CONNREFUSED, ICMP) => "; no program listens at that port: start it, or correct forward-addr",
            (Errno::CONNREFUSED | Errno::CONNRESET, TCP) => {
                "; it takes no TCP, which long answers need: have the server and its firewall take it at that port"
            }
            (Errno::TIMEDOUT, TCP) => "; long answers need TCP: have the firewalls on the way let it pass to that port",
            (_, ICMP) => {
                "; a firewall or router on the way rejects it: permit UDP to that port, or correct forward-addr"
            }
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
        }
    }
}

/// What can stand in the way to a server, each for itself; the discriminants are places in [`ServerTrouble`].
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    /// The calls of this host up to sending. The next query that is sent ends it.
    Calls,
    /// The network: queries leave and come back as ICMP errors. Sending ends nothing, an answer does.
    Udp,
    /// Connections. UDP says nothing of them, a reply over TCP ends it.
    Tcp,
}

const WAYS: usize = Way::Tcp as usize + 1;

/// The troubles of one server.
#[derive(Debug, Default)]
pub(super) struct ServerTrouble {
    /// What stands in each way now, and when it was met last.
    now: [Option<(Failure, Duration)>; WAYS],
    /// Causes with the time they were said last.
    said: Vec<(Failure, Duration)>,
    /// That it is over is to be said too.
    announced: bool,
}

impl ServerTrouble {
    /// Takes note of a failure; true when it is another than before. `level`: how much it concerns who reads the log.
    pub(super) fn failed(
        &mut self,
        way: Way,
        failure: Failure,
        (server, level): (SocketAddr, Level),
        now: Duration,
    ) -> bool {
        let said = self.said.iter().position(|(known, _)| *known == failure);
        if said.is_none_or(|place| now >= self.said[place].1 + SAY_AGAIN) {
            let place = said.or((self.said.len() == CAUSES).then_some(0));
            place.map(|place| self.said.remove(place));
            self.said.push((failure, now));
            self.announced = true;
            log::log!(level, "name server {server}: {failure}");
        }
        let before = self.now[way as usize].replace((failure, now));
        before.is_none_or(|(known, _)| known != failure)
    }

    /// What was sent at `sent` has shown that the way is free; true when something stood there before. A reply that had
    /// left before the failure shows nothing.
    #[inline]
    pub(super) fn worked(&mut self, way: Way, (server, level): (SocketAddr, Level), sent: Duration) -> bool {
        let way = &mut self.now[way as usize];
        way.take_if(|(_, at)| sent >= *at).is_some() && self.ended(server, level)
    }

    #[cold]
    fn ended(&mut self, server: SocketAddr, level: Level) -> bool {
        if self.now().next().is_none() && std::mem::take(&mut self.announced) {
            log::log!(level, "name server {server} can be asked again");
        }
        true
    }

    /// What stands in the way now.
    pub(super) fn now(&self) -> impl Iterator<Item = Failure> {
        self.now.iter().flatten().map(|&(failure, _)| failure)
    }

    /// When `way` failed last, if it has not worked since.
    pub(super) fn since(&self, way: Way) -> Option<Duration> {
        self.now[way as usize].map(|(_, at)| at)
    }
}

/// Address families that no route leads to, which concerns every server that was not named by its address: one line for
/// all of them.
#[derive(Debug, Default)]
pub(super) struct NoRoute {
    said: [bool; 2],
}

impl NoRoute {
    /// Takes note of a failure at a server that the configuration does not name.
    pub(super) fn failed(&mut self, failure: Failure, server: SocketAddr) {
        let is_route = matches!(failure.errno, Errno::NETUNREACH | Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL);
        let (family, other) = if server.is_ipv4() { ("4", "6") } else { ("6", "4") };
        if failure.call == "connect"
            && is_route
            && !std::mem::replace(&mut self.said[usize::from(server.is_ipv6())], true)
        {
            log::warn!(
                "name servers cannot be asked over IPv{family} (connect to {server}: {}); they are asked over IPv{other}: write \
                 do-ip{family}: no, or give this host a route",
                failure.errno
            );
        }
    }
}

/// The servers that cannot be asked or do not answer now and why: written by the resolver when that changes, read for `status`.
#[derive(Debug, Default)]
pub struct Troubles {
    servers: Mutex<Vec<(SocketAddr, Failure)>>,
    /// By zone of an anchor (wire form): why nothing is validated by it.
    anchors: Mutex<BTreeMap<Box<[u8]>, String>>,
}

impl Troubles {
    /// Puts what there is in place of what there was.
    pub(super) fn set(&self, list: impl Iterator<Item = (SocketAddr, Failure)>) {
        let mut troubles = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        troubles.clear();
        troubles.extend(list);
    }

    /// All of them.
    pub fn list(&self) -> Vec<(SocketAddr, Failure)> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes note of why nothing can be validated by the anchor of a zone (wire form), or that it can. Gives what of that is news.
    pub(super) fn set_anchor(&self, zone: &[u8], trouble: Option<String>) -> Option<Option<String>> {
        let mut anchors = self.anchors.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match &trouble {
            Some(trouble) => anchors.insert(zone.into(), trouble.clone()),
            None => anchors.remove(zone),
        };
        (before != trouble).then_some(trouble)
    }

    /// Why nothing can be validated by some anchors, a line each.
    pub fn anchors(&self) -> Vec<String> {
        self.anchors.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn server() -> SocketAddr {
        "192.0.2.1:53".parse().unwrap()
    }

    fn shown(trouble: &ServerTrouble) -> Vec<Failure> {
        trouble.now().collect()
    }

    #[test]
    fn a_cause_is_said_once_and_shown_while_it_lasts() {
        let server = (server(), Level::Warn);
        let unreachable = Failure { call: "connect", errno: Errno::NETUNREACH };
        let full = Failure { call: "socket", errno: Errno::MFILE };
        let mut trouble = ServerTrouble::default();
        let mut now = S(1);
        let failed = |trouble: &mut ServerTrouble, failure| trouble.failed(Way::Calls, failure, server, now);
        assert!(failed(&mut trouble, unreachable) && !failed(&mut trouble, unreachable));
        assert!(failed(&mut trouble, full) && failed(&mut trouble, unreachable));
        assert_eq!((shown(&trouble), trouble.said.len()), (vec![unreachable], 2));
        assert!(trouble.worked(Way::Calls, server, now) && !trouble.worked(Way::Calls, server, now));
        assert_eq!(shown(&trouble), []);
        now += SAY_AGAIN;
        trouble.failed(Way::Calls, full, server, now);
        assert_eq!(trouble.said, [(unreachable, S(1)), (full, now)]);
        for errno in 1..100 {
            trouble.failed(Way::Calls, Failure { call: "send", errno: Errno::from_raw_os_error(errno) }, server, now);
        }
        assert_eq!(trouble.said.len(), CAUSES);
    }

    #[test]
    fn a_family_without_a_route_is_one_line() {
        let mut no_route = NoRoute::default();
        let of = |call| Failure { call, errno: Errno::NETUNREACH };
        let v6 = "[2001:db8::1]:53".parse().unwrap();
        no_route.failed(of("send"), v6);
        assert_eq!(no_route.said, [false, false]);
        no_route.failed(of("connect"), v6);
        no_route.failed(of("connect"), "[2001:db8::2]:53".parse().unwrap());
        assert_eq!(no_route.said, [false, true]);
    }

    #[test]
    fn each_way_is_freed_by_what_goes_by_it() {
        let server = (server(), Level::Warn);
        let refused = |call| Failure { call, errno: Errno::CONNREFUSED };
        let mut trouble = ServerTrouble::default();
        assert!(trouble.failed(Way::Udp, refused(ICMP), server, S(1)));
        assert!(trouble.failed(Way::Tcp, refused(TCP), server, S(1)));
        assert!(!trouble.failed(Way::Udp, refused(ICMP), server, S(5)), "the same");
        assert!(!trouble.worked(Way::Calls, server, S(9)), "sending shows nothing");
        assert!(!trouble.worked(Way::Udp, server, S(4)), "that reply left before");
        assert_eq!(shown(&trouble), [refused(ICMP), refused(TCP)]);
        assert!(trouble.worked(Way::Udp, server, S(6)) && trouble.announced, "TCP is still refused");
        assert_eq!((shown(&trouble), trouble.since(Way::Tcp)), (vec![refused(TCP)], Some(S(1))));
        assert!(trouble.worked(Way::Tcp, server, S(6)) && !trouble.announced);
    }

    #[test]
    fn a_failure_names_call_cause_and_fix() {
        for (call, errno, start, fix) in [
            ("connect", Errno::NETUNREACH, "connect: Network ", "ip route get"),
            (ICMP, Errno::CONNREFUSED, "ICMP error: Connection refused", "correct forward-addr"),
            (ICMP, Errno::HOSTUNREACH, "ICMP error: Host is unreachable", "permit UDP"),
            (ICMP, Errno::ACCESS, "ICMP error: Permission", "permit UDP"),
            (TCP, Errno::CONNREFUSED, "TCP connect: Connection refused", "takes no TCP"),
            (TCP, Errno::TIMEDOUT, "TCP connect: ", "firewalls"),
        ] {
            let text = Failure { call, errno }.to_string();
            assert!(text.starts_with(start) && text.contains(fix), "{text}");
        }
        assert!(Failure::SILENCE.to_string().starts_with("does not answer; "));
    }
}
