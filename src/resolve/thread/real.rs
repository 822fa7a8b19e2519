//! The real world: the kernel's sockets, one epoll instance, the kernel's random numbers, the ring to the worker.

use super::random::Random;
use crate::resolve::trouble::{Failure, TCP};
use crate::resolve::world::{Sent, World};
use crate::resolve::{Response, SocketOptions};
use crate::ring::doorbell::Doorbell;
use crate::ring::spsc::Producer;
use crate::sys::socket::{set_dscp, set_mss};
use crate::sys::upstream::Inbox;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, connect, getsockname, recv, send, sendto,
    socket_with, sockopt,
};
use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::time::Duration;

/// Events fetched at a time.
pub(super) const EVENTS: usize = 64;
/// Marks the epoll tags of streams.
const STREAM_TAG: u64 = 1 << 32;
const BELL_TAG: u64 = u64::MAX;

/// Where something has happened.
pub(super) enum Place {
    Bell,
    Udp(u16),
    Stream(u16),
}

struct Udp {
    fd: OwnedFd,
    /// Where it sends to, and what alone it is to hear, when it is not connected.
    peer: Option<SocketAddr>,
    /// Tells it from those that had its slot before.
    serial: u64,
}

struct Stream {
    fd: OwnedFd,
    serial: u64,
    /// What has not left.
    out: Vec<u8>,
    /// Something has left, so it is connected.
    has_sent: bool,
}

/// See the module's text.
pub(super) struct Real {
    poller: OwnedFd,
    random: Random,
    responses: Producer<Response>,
    anchor_files: Sender<(PathBuf, String)>,
    /// Answers were published since this was last taken.
    pub(super) published: bool,
    /// UDP sockets are connected to their server.
    connects: bool,
    /// See [`SocketOptions`].
    dscp: u8,
    mss: u32,
    udp: Vec<Option<Udp>>,
    streams: Vec<Option<Stream>>,
    serial: u64,
}

impl Real {
    /// No sockets yet; `bell` wakes whoever waits.
    ///
    /// # Errors
    /// When the epoll instance cannot be made or the kernel gives no random numbers.
    pub(super) fn new(
        bell: &Doorbell,
        responses: Producer<Response>,
        anchor_files: Sender<(PathBuf, String)>,
        options: &SocketOptions,
    ) -> io::Result<Real> {
        let (connects, dscp, mss) = (options.connected, options.dscp, options.mss);
        let poller = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&poller, bell.fd(), EventData::new_u64(BELL_TAG), EventFlags::IN)?;
        let random = Random::new().map_err(io::Error::other)?;
        let (udp, streams) = Default::default();
        Ok(Real {
            poller,
            random,
            responses,
            anchor_files,
            published: false,
            connects,
            dscp,
            mss,
            udp,
            streams,
            serial: 0,
        })
    }

    /// The epoll instance.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.poller.as_fd()
    }

    /// True when an answer can be published.
    pub(super) fn has_room(&mut self) -> bool {
        self.responses.reserve().is_some()
    }

    /// Waits up to `timeout`, and adds to `places` where something has happened.
    pub(super) fn wait(&self, timeout: Duration, places: &mut Vec<Place>) {
        let timeout = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: i64::from(timeout.subsec_nanos()) };
        let mut room = [const { MaybeUninit::<Event>::uninit() }; EVENTS];
        // Fails only when a signal comes.
        if let Ok((events, _)) = epoll::wait(&self.poller, &mut room, Some(&timeout)) {
            places.extend(events.iter().map(|event| match event.data.u64() {
                BELL_TAG => Place::Bell,
                tag if tag & STREAM_TAG != 0 => Place::Stream(tag as u16),
                tag => Place::Udp(tag as u16),
            }));
        }
    }

    /// A number that no other socket has, for the UDP socket in a slot; `None` when it is closed.
    #[inline]
    pub(super) fn udp_serial(&self, slot: u16) -> Option<u64> {
        Some(self.udp.get(usize::from(slot))?.as_ref()?.serial)
    }

    /// As [`Self::udp_serial`], of a stream.
    pub(super) fn stream_serial(&self, slot: u16) -> Option<u64> {
        Some(self.streams.get(usize::from(slot))?.as_ref()?.serial)
    }

    /// Fills `inbox` with up to `most` datagrams that have come through a UDP socket, and gives the number of those that
    /// others than its server had sent, which are dropped; `None` when it is closed.
    pub(super) fn receive(&self, slot: u16, most: usize, inbox: &mut Inbox) -> Option<io::Result<u64>> {
        let socket = self.udp.get(usize::from(slot))?.as_ref()?;
        Some(match &socket.peer {
            None => inbox.receive(socket.fd.as_fd(), most).map(|_| 0),
            Some(peer) => inbox.receive_from(socket.fd.as_fd(), most, peer),
        })
    }

    /// Sends what a stream has still to send. True when that has shown that it is connected.
    ///
    /// # Errors
    /// What stands in the way, when the system names it.
    pub(super) fn flush(&mut self, slot: u16) -> Result<bool, Option<Failure>> {
        let Some(Some(stream)) = self.streams.get_mut(usize::from(slot)) else { return Ok(false) };
        if stream.out.is_empty() {
            return Ok(false);
        }
        let left = match send(&stream.fd, &stream.out, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Ok(left) => left,
            Err(Errno::AGAIN | Errno::INTR | Errno::INPROGRESS) => return Ok(false),
            Err(errno) => return Err(Some(Failure { call: TCP, errno })),
        };
        stream.out.drain(..left);
        if stream.out.is_empty() {
            self.want(slot, EventFlags::IN).map_err(Some)?;
        }
        let Some(Some(stream)) = self.streams.get_mut(usize::from(slot)) else { return Ok(false) };
        let is_first = left > 0 && !stream.has_sent;
        stream.has_sent |= is_first;
        Ok(is_first)
    }

    /// Has the events of a stream told.
    fn want(&self, slot: u16, events: EventFlags) -> Result<(), Failure> {
        let Some(Some(stream)) = self.streams.get(usize::from(slot)) else { return Ok(()) };
        let tag = EventData::new_u64(STREAM_TAG | u64::from(slot));
        epoll::modify(&self.poller, &stream.fd, tag, events).map_err(Failure::of("epoll_ctl"))
    }

    /// Reads from a stream that is connected; 0: nothing is there.
    ///
    /// # Errors
    /// What broke it, when the system names it; `None`: the server has closed it.
    pub(super) fn read(&self, slot: u16, buffer: &mut [u8]) -> Result<usize, Option<Failure>> {
        let Some(Some(stream)) = self.streams.get(usize::from(slot)) else { return Ok(0) };
        if !stream.has_sent {
            return Ok(0);
        }
        match recv(&stream.fd, buffer, RecvFlags::DONTWAIT) {
            Ok((0, _)) => Err(None),
            Ok((len, _)) => Ok(len),
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(errno) => Err(Some(Failure { call: TCP, errno })),
        }
    }

    fn socket(kind: SocketType, server: &SocketAddr) -> Result<OwnedFd, Failure> {
        let family = if server.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        socket_with(family, kind, flags, None).map_err(Failure::of("socket"))
    }

    fn watch(&self, fd: &OwnedFd, tag: u64, events: EventFlags) -> Result<(), Failure> {
        epoll::add(&self.poller, fd, EventData::new_u64(tag), events).map_err(Failure::of("epoll_ctl"))
    }
}

/// Puts a socket into its slot.
fn put<T>(slots: &mut Vec<Option<T>>, slot: u16, socket: T) {
    let slot = usize::from(slot);
    if slots.len() <= slot {
        slots.resize_with(slot + 1, || None);
    }
    slots[slot] = Some(socket);
}

/// Closing a socket takes it out of the epoll set as well.
fn close<T>(slots: &mut [Option<T>], slot: u16) {
    if let Some(place) = slots.get_mut(usize::from(slot)) {
        *place = None;
    }
}

impl World for Real {
    /// Events come by the edge: one for each datagram that arrives, and the kernel need not look again whether there is more.
    fn open_udp(&mut self, slot: u16, source: SocketAddr, server: SocketAddr) -> Result<(), Failure> {
        let fd = Real::socket(SocketType::DGRAM, &server)?;
        set_dscp(fd.as_fd(), &server, self.dscp).map_err(Failure::of("setsockopt"))?;
        bind(&fd, &source).map_err(Failure::of("bind"))?;
        if self.connects {
            connect(&fd, &server).map_err(Failure::of("connect"))?;
        }
        let peer = (!self.connects).then_some(server);
        self.watch(&fd, u64::from(slot), EventFlags::IN | EventFlags::ET)?;
        self.serial += 1;
        put(&mut self.udp, slot, Udp { fd, peer, serial: self.serial });
        Ok(())
    }

    /// An error that does not come again was that of messages before this one.
    fn send_udp(&mut self, slot: u16, message: &[u8]) -> Sent {
        let mut reported = None;
        let outcome = loop {
            let Some(Some(socket)) = self.udp.get(usize::from(slot)) else { break Err(Errno::BADF) };
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            let sent = match &socket.peer {
                None => send(&socket.fd, message, flags),
                Some(peer) => sendto(&socket.fd, message, flags, peer),
            };
            match sent {
                Ok(_) | Err(Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM) => break Ok(()),
                Err(Errno::INTR) => {}
                // No ICMP error is told by this one.
                Err(Errno::PERM) => break Err(Errno::PERM),
                Err(errno) if reported.is_none() => reported = Some(errno),
                Err(errno) => break Err(errno),
            }
        };
        Sent { outcome, earlier: reported.filter(|&errno| outcome != Err(errno)) }
    }

    fn local(&mut self, slot: u16) -> Option<IpAddr> {
        let socket = self.udp.get(usize::from(slot))?.as_ref()?;
        let own = getsockname(&socket.fd).ok()?;
        SocketAddr::try_from(own).ok().map(|own| own.ip())
    }

    fn close_udp(&mut self, slot: u16) {
        close(&mut self.udp, slot);
    }

    fn open_stream(&mut self, slot: u16, source: SocketAddr, server: SocketAddr) -> Result<(), Failure> {
        let fd = Real::socket(SocketType::STREAM, &server)?;
        set_dscp(fd.as_fd(), &server, self.dscp).map_err(Failure::of("setsockopt"))?;
        set_mss(fd.as_fd(), self.mss).map_err(Failure::of("setsockopt"))?;
        if !source.ip().is_unspecified() {
            bind(&fd, &source).map_err(Failure::of("bind"))?;
        }
        // A question must not wait for the acknowledgement of the one before.
        sockopt::set_tcp_nodelay(&fd, true).map_err(Failure::of("setsockopt"))?;
        match connect(&fd, &server) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(errno) => return Err(Failure { call: TCP, errno }),
        }
        self.watch(&fd, STREAM_TAG | u64::from(slot), EventFlags::IN | EventFlags::OUT)?;
        self.serial += 1;
        put(&mut self.streams, slot, Stream { fd, serial: self.serial, out: Vec::new(), has_sent: false });
        Ok(())
    }

    /// What a connected stream does not take, or an error, comes with its next event.
    fn send_stream(&mut self, slot: u16, octets: &[u8]) {
        let Some(Some(stream)) = self.streams.get_mut(usize::from(slot)) else { return };
        let waits = !stream.has_sent || !stream.out.is_empty();
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let left = if waits { 0 } else { send(&stream.fd, octets, flags).unwrap_or(0) };
        stream.out.extend_from_slice(octets.get(left..).unwrap_or_default());
        if !waits && !stream.out.is_empty() {
            // Without the event the question is lost, which its time-out shows.
            let _ = self.want(slot, EventFlags::IN | EventFlags::OUT);
        }
    }

    fn close_stream(&mut self, slot: u16) {
        close(&mut self.streams, slot);
    }

    #[inline]
    fn draw(&mut self) -> Result<u16, Failure> {
        self.random.u16().map_err(|_| Failure::NO_RANDOM)
    }

    fn wall(&mut self) -> u64 {
        // A clock that stands before 1970 is as wrong as one that stands at it.
        u64::try_from(rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec).unwrap_or(0)
    }

    fn keep_anchor(&mut self, file: &Path, text: String) {
        // Main is gone only when the program stops.
        let _ = self.anchor_files.send((file.to_owned(), text));
    }

    #[inline]
    fn room(&mut self) -> Option<&mut Response> {
        self.responses.reserve()
    }

    #[inline]
    fn publish(&mut self) {
        self.responses.publish();
        self.published = true;
    }
}
