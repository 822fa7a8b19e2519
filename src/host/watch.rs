//! When to look at the interfaces again: the kernel's notifications of links and addresses (rtnetlink(7)), and how often
//! they may have an effect.
//!
//! The first notification is let settle, since a change seldom comes alone: a veth pair made anew is a dozen of them. While
//! a look is due the socket is left unread, so a flood costs a wake-up and a drain a look, not one a message; what does not
//! fit into its buffer is told by ENOBUFS and means the same as a message: something changed.
//!
//! Of links that are followed each notification is known within milliseconds all the same: while there are some, the socket is
//! read while a look is due, too, if not more often than the pace allows.

use super::netlink::LinkHeader;
use crate::sys::netlink;
use libc::{RTM_DELLINK, RTM_NEWLINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR, RTMGRP_LINK, nlmsghdr};
use netlink_packet_core::NetlinkBuffer;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{self, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with, sockopt};
use std::io;
use std::time::{Duration, Instant};

/// From the first notification to the look.
const SETTLE: Duration = Duration::from_millis(100);
/// Between two looks, whatever is notified.
const GAP: Duration = Duration::from_millis(200);
/// From a look to the next when something was notified while it went on: most of the time its own doing, such as a program
/// attached, so twice as long after each further one. Also the pace without notifications.
const SLOW: Duration = Duration::from_secs(2);
/// Between two times that the socket is read while a look is due.
const BREATH: Duration = Duration::from_millis(5);
/// Between two looks when nothing is notified at all.
const QUIET: Duration = Duration::from_secs(30);

const GROUPS: u32 = (RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR) as u32;
/// Of changes of VLAN tables, their states among them (linux/rtnetlink.h, RTNLGRP_BRVLAN).
const VLANS: u32 = 33;
/// Octets of notifications the kernel may keep for us: a thousand or more, so that a removed link is rarely among what is
/// lost in a flood.
const BUFFER: usize = 1 << 20;
/// Notifications read in one go: the rest is for the next.
const MOST: usize = 4096;
/// nlmsghdr and ifinfomsg, which stand at the beginning; of the attributes nothing is asked.
const HEADERS: usize = size_of::<nlmsghdr>() + size_of::<LinkHeader>();

/// The watch over links and addresses of this network namespace.
pub struct Watch {
    socket: Option<OwnedFd>,
    pace: Pace,
    removed: Vec<u32>,
    followed: Vec<u32>,
    /// Something was told of a followed link, or may have been.
    touched: bool,
    /// Not to be read again before that while a look is due.
    read_again: Instant,
}

impl Watch {
    /// Subscribes to the notifications. Without them, for the reason given beside it, the watch asks for a look every two
    /// seconds.
    pub fn open(now: Instant) -> (Watch, Option<io::Error>) {
        match subscribe() {
            Ok(socket) => (Self::over(Some(socket), now, QUIET), None),
            Err(cause) => (Self::over(None, now, SLOW), Some(cause.into())),
        }
    }

    fn over(socket: Option<OwnedFd>, now: Instant, every: Duration) -> Self {
        let pace = Pace::new(now, every);
        Self { socket, pace, removed: Vec::new(), followed: Vec::new(), touched: false, read_again: now }
    }

    /// What to poll for input beside [`Watch::due_at`]; nothing while a look is due anyway and no link is followed.
    pub fn poll_fd(&self, now: Instant) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().filter(|_| self.is_to_be_read(now)).map(AsFd::as_fd)
    }

    /// When to poll anew, and to call [`Watch::is_due`], at the latest.
    pub fn due_at(&self, now: Instant) -> Instant {
        let waits = !self.followed.is_empty() && self.pace.stirred && self.read_again > now;
        if waits { self.pace.due.min(self.read_again) } else { self.pace.due }
    }

    fn is_to_be_read(&self, now: Instant) -> bool {
        !self.pace.stirred || !self.followed.is_empty() && now >= self.read_again
    }

    /// The links, by their indices, of which [`Watch::take_touched`] tells.
    pub fn follow(&mut self, links: Vec<u32>) {
        self.followed = links;
    }

    /// Whether a followed link may have changed since the last call, by what was read so far.
    pub fn take_touched(&mut self) -> bool {
        std::mem::take(&mut self.touched)
    }

    /// Whether [`Watch::take_touched`] would say so.
    pub fn is_touched(&self) -> bool {
        self.touched
    }

    /// Has the interfaces looked at soon, as after a notification.
    pub fn stir(&mut self, now: Instant) {
        self.pace.stir(now);
    }

    /// Reads what was notified, if it is time for it. Never blocks.
    pub fn read(&mut self, now: Instant) {
        if self.is_to_be_read(now) && self.drain() {
            self.pace.stir(now);
            self.read_again = now + BREATH;
        }
    }

    /// Whether to look at the interfaces now. Never blocks.
    pub fn is_due(&mut self, now: Instant) -> bool {
        self.read(now);
        let due = now >= self.pace.due;
        if due {
            // What is read now is seen by the look that follows.
            self.drain();
        }
        due
    }

    /// Says that the look [`Watch::is_due`] asked for is over, and when there is something to be tried again, if there is.
    pub fn looked(&mut self, now: Instant, again: Option<Instant>) {
        let echo = self.drain();
        self.pace.looked(now, echo, again);
    }

    /// The indices of the links that went away since the last call. A link that was moved to another namespace and back
    /// keeps its index, but no AF_XDP socket stays bound to it.
    pub fn take_removed(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.removed)
    }

    /// Reads what was notified; whether there was anything.
    fn drain(&mut self) -> bool {
        let Some(socket) = &self.socket else { return false };
        let mut message = [0u8; HEADERS];
        let mut any = false;
        for _ in 0..MOST {
            match recv(socket, &mut message[..], RecvFlags::DONTWAIT) {
                Ok((_, length)) => {
                    any = true;
                    let message = message.get(..length).unwrap_or_default();
                    self.removed.extend(removed_link(message));
                    self.touched |= changed_link(message).is_some_and(|index| self.followed.contains(&index));
                }
                Err(Errno::NOBUFS) => (any, self.touched) = (true, !self.followed.is_empty()),
                Err(Errno::INTR) => {}
                Err(_) => break,
            }
        }
        any
    }
}

fn subscribe() -> Result<OwnedFd, Errno> {
    // NETLINK_ROUTE is protocol 0.
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(net::AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    // Past the system's limit where CAP_NET_ADMIN allows it; a smaller buffer overflows sooner, nothing more.
    let _ = sockopt::set_socket_recv_buffer_size_force(&socket, BUFFER)
        .or_else(|_| sockopt::set_socket_recv_buffer_size(&socket, BUFFER));
    bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
    // Without it such a change is seen by the next look, and the sandbox allows it at the start alone.
    let _ = netlink::join(socket.as_fd(), VLANS);
    Ok(socket)
}

/// The index of the link that a notification says is gone.
fn removed_link(message: &[u8]) -> Option<u32> {
    link_of(message, RTM_DELLINK)
}

/// The index of the link that a notification tells of as it is now.
fn changed_link(message: &[u8]) -> Option<u32> {
    link_of(message, RTM_NEWLINK)
}

/// The link of a notification of that kind. Of another family than none it tells of a bridge's port.
fn link_of(message: &[u8], kind: u16) -> Option<u32> {
    let (link, _) = LinkHeader::split(message.get(size_of::<nlmsghdr>()..)?)?;
    let is_it = NetlinkBuffer::new(message).message_type() == kind;
    (is_it && link.family == 0).then_some(link.index)
}

/// The pacing, with time as an argument.
struct Pace {
    /// The next look.
    due: Instant,
    /// The last look's end.
    last: Instant,
    /// Something was notified since then.
    stirred: bool,
    /// Between two looks when nothing is notified.
    every: Duration,
    /// From the next look that has an echo to the one after it.
    echo: Duration,
}

impl Pace {
    fn new(now: Instant, every: Duration) -> Self {
        // The interfaces were looked at a moment before; what changed since may not have been notified.
        Self { due: now + SLOW.min(every), last: now, stirred: false, every, echo: SLOW }
    }

    fn stir(&mut self, now: Instant) {
        self.stirred = true;
        self.due = self.due.min((now + SETTLE).max(self.last + GAP));
    }

    fn looked(&mut self, now: Instant, echo: bool, again: Option<Instant>) {
        (self.last, self.stirred) = (now, false);
        let due = now + if echo { self.echo.min(self.every) } else { self.every };
        self.echo = if echo { (2 * self.echo).min(QUIET) } else { SLOW };
        self.due = again.map_or(due, |again| again.clamp(now + GAP, due));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_first_notification_settles_and_later_ones_do_not_put_the_look_off() {
        let start = Instant::now();
        let mut pace = Pace::new(start, QUIET);
        pace.looked(start, false, None);
        assert_eq!(pace.due, start + QUIET);
        let now = start + 1000 * MS;
        pace.stir(now);
        assert_eq!(pace.due, now + SETTLE);
        pace.stir(now + 50 * MS);
        assert_eq!(pace.due, now + SETTLE);
    }

    #[test]
    fn a_flood_gets_five_looks_a_second() {
        let start = Instant::now();
        let mut pace = Pace::new(start, QUIET);
        let mut looks = 0;
        for tick in 0..10_000 {
            let now = start + tick * MS;
            pace.stir(now);
            if now >= pace.due {
                looks += 1;
                pace.looked(now, false, None);
            }
        }
        assert!((45..=50).contains(&looks), "{looks} in ten seconds");
    }

    #[test]
    fn what_a_look_stirs_up_itself_is_looked_at_slowly() {
        let start = Instant::now();
        let mut pace = Pace::new(start, QUIET);
        pace.looked(start, true, None);
        assert_eq!(pace.due, start + SLOW);
        pace.stir(start + 10 * MS);
        assert_eq!(pace.due, start + GAP, "a change from outside is not made to wait for that");
        pace.looked(start + GAP, false, None);
        assert_eq!(pace.due, start + GAP + QUIET);
    }

    #[test]
    fn looks_that_stir_up_themselves_become_rare() {
        let start = Instant::now();
        let mut pace = Pace::new(start, QUIET);
        let waits: Vec<u64> = (0..6)
            .map(|_| {
                pace.looked(start, true, None);
                (pace.due - start).as_secs()
            })
            .collect();
        assert_eq!(waits, [2, 4, 8, 16, 30, 30]);
        pace.looked(start, false, None);
        pace.looked(start, true, None);
        assert_eq!(pace.due, start + SLOW);
    }

    #[test]
    fn what_is_to_be_tried_again_is_not_put_off() {
        let start = Instant::now();
        let mut pace = Pace::new(start, QUIET);
        for (again, due) in [(5 * SLOW, 5 * SLOW), (Duration::ZERO, GAP), (2 * QUIET, QUIET)] {
            pace.looked(start, false, Some(start + again));
            assert_eq!(pace.due, start + due);
        }
    }

    #[test]
    fn without_notifications_the_old_pace_holds() {
        let start = Instant::now();
        let mut pace = Pace::new(start, SLOW);
        pace.looked(start, false, None);
        assert_eq!(pace.due, start + SLOW);
    }

    #[test]
    fn removed_links_are_told_from_ports_of_bridges() {
        let message = |kind: u16, family: u8| {
            let mut octets = [0u8; HEADERS];
            octets[4..6].copy_from_slice(&kind.to_ne_bytes());
            octets[16] = family;
            octets[20..24].copy_from_slice(&7u32.to_ne_bytes());
            octets
        };
        assert_eq!(removed_link(&message(RTM_DELLINK, 0)), Some(7));
        assert_eq!(removed_link(&message(RTM_DELLINK, 7)), None, "AF_BRIDGE");
        assert_eq!(removed_link(&message(RTM_NEWLINK, 0)), None);
        assert_eq!(changed_link(&message(RTM_NEWLINK, 0)), Some(7));
        assert_eq!(changed_link(&message(RTM_NEWLINK, 7)), None, "AF_BRIDGE");
        assert_eq!(changed_link(&message(RTM_DELLINK, 0)), None);
        for length in 0..24 {
            assert_eq!(removed_link(&message(RTM_DELLINK, 0)[..length]), None);
        }
    }

    #[test]
    fn the_socket_subscribes_and_an_idle_watch_is_not_due() {
        let start = Instant::now();
        let (mut watch, trouble) = Watch::open(start);
        assert!(trouble.is_none(), "{trouble:?}");
        assert!(watch.poll_fd(start).is_some());
        watch.pace.looked(start, false, None);
        watch.pace.stir(start);
        assert!(watch.poll_fd(start).is_none(), "a look is due: the socket may wait");
        assert!(watch.is_due(start + GAP));
        watch.looked(start + GAP, None);
        assert!(watch.due_at(start + GAP) >= start + GAP + SLOW);
    }

    #[test]
    fn links_that_are_followed_are_read_of_while_a_look_is_due() {
        let start = Instant::now();
        let (mut watch, _) = Watch::open(start);
        watch.pace.looked(start, false, None);
        watch.follow(vec![7]);
        watch.stir(start);
        watch.read_again = start + BREATH;
        let due = watch.pace.due;
        assert!(due > start + BREATH);
        assert!(watch.poll_fd(start).is_none(), "a flood is read ever so often");
        assert_eq!(watch.due_at(start), start + BREATH);
        assert!(watch.poll_fd(start + BREATH).is_some());
        assert_eq!(watch.due_at(start + BREATH), due, "nothing calls for it before");
        watch.follow(Vec::new());
        assert!(watch.poll_fd(start + BREATH).is_none());
        assert_eq!(watch.due_at(start), due);
    }
}
