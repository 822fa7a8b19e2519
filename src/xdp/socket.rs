//! An AF_XDP socket bound to one receive queue, made by libxdp; its rings as cursors.

use std::ffi::CString;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{self, NonNull};
use std::time::{Duration, Instant};
use std::{io, thread};

use libxdp_sys as xdp;
use log::info;
use rustix::net::sockopt::set_socket_send_buffer_size;

use super::error::{Kind, XdpError, capture_library_log};
use super::locked::{self, Registered};
use super::umem::Area;
use super::{Mode, Options, ZeroCopy};
use crate::ring::xsk::{Consumer, Descriptor, Parts, Producer};

/// How long is tried again what fails because of a former socket, of this process or another one: the kernel releases its
/// queue (EBUSY) and its locked memory (ENOBUFS) in a work queue.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);

/// `ENOTSUPP` of include/linux/errno.h: some drivers leak it.
const ENOTSUPP: i32 = 524;

/// Send buffer to ask for, in bytes: in copy mode each frame on its way is charged to it.
const SEND_BUFFER: usize = 8 << 20;

/// `XDP_MAX_TX_SKB_BUDGET` of include/uapi/linux/if_xdp.h, Linux 6.18: frames that one sendto sends in copy mode.
const XDP_MAX_TX_SKB_BUDGET: i32 = 9;

/// The ring structures that libxdp fills and keeps pointers to until the socket is deleted.
#[derive(Debug)]
struct Rings {
    fill: xdp::xsk_ring_prod,
    completion: xdp::xsk_ring_cons,
    rx: xdp::xsk_ring_cons,
    tx: xdp::xsk_ring_prod,
}

/// Socket, UMEM registration and packet memory, released in this order.
#[derive(Debug)]
pub(super) struct Socket {
    socket: NonNull<xdp::xsk_socket>,
    umem: NonNull<xdp::xsk_umem>,
    rings: Box<Rings>,
    zero_copy: bool,
    _registered: Registered,
    pub(super) area: Area,
}

// SAFETY: libxdp ties nothing to a thread, and only this value refers to the structures.
unsafe impl Send for Socket {}

/// The cursors of one socket. They must not outlive it: `Queue` holds both.
pub(super) struct Cursors {
    pub(super) fill: Producer<u64>,
    pub(super) completion: Consumer<u64>,
    pub(super) rx: Consumer<Descriptor>,
    pub(super) tx: Producer<Descriptor>,
}

/// Packet memory: in huge pages where they are wanted and there, else in ordinary ones.
fn memory(frames: u32, chunk: u32, options: &Options, queue: u32) -> io::Result<Area> {
    if !options.huge_pages {
        return Area::new(frames, chunk, false);
    }
    Area::new(frames, chunk, true).or_else(|cause| {
        info!(
            "{}: no huge pages for the packet memory of receive queue {queue}: {cause}; it lies in ordinary ones \
             (sysctl vm.nr_overcommit_hugepages says how many there may be)",
            options.interface
        );
        Area::new(frames, chunk, false)
    })
}

/// Whether what an attempt failed with can be over soon: not when this process alone wants more than its limit.
fn may_pass(cause: &io::Error, area: &Area) -> bool {
    match cause.raw_os_error() {
        Some(libc::EBUSY) => true,
        Some(libc::ENOBUFS) => locked::has_room(area.size() as u64),
        _ => false,
    }
}

/// What is to be said where `xdp-zerocopy: yes` asks for what the driver, or the mode, does not have; `None` of another cause.
fn no_zero_copy(interface: &str, cause: &io::Error) -> Option<XdpError> {
    let text = format!(
        "xdp-zerocopy: yes, and AF_XDP zero-copy is not to be had there ({cause}); xdp-zerocopy: auto copies the frames where \
         it must"
    );
    let has_none = matches!(cause.raw_os_error(), Some(libc::EOPNOTSUPP | ENOTSUPP));
    has_none.then(|| XdpError::new(Kind::NoDriverSupport, interface, text))
}

impl Socket {
    /// Socket on `queue` of the interface, and its cursors.
    pub(super) fn new(options: &Options, queue: u32) -> Result<(Self, Cursors), XdpError> {
        capture_library_log();
        let name = &options.interface;
        let explain = |step: &str, cause: &io::Error| {
            XdpError::at(name, options.index, &format!("{step} on receive queue {queue}"), cause)
        };
        let chunk = if options.mtu <= 1500 { 2048 } else { 4096 };
        let frames = options.frames.next_power_of_two().clamp(64, 1 << 19);
        let deadline = Instant::now() + PATIENCE;
        let bind = |flags| {
            let area = memory(frames, chunk, options, queue).map_err(|e| explain("allocate packet memory", &e))?;
            Self::bind_until(deadline, area, name, queue, flags).map_err(|cause| {
                let waited = if Instant::now() < deadline { "" } else { ", tried for 5 s," };
                explain(&format!("make the AF_XDP socket{waited}"), &cause)
            })
        };
        let demanded = |area| {
            Self::bind_until(deadline, area, name, queue, xdp::XDP_ZEROCOPY).map_err(|cause| {
                no_zero_copy(name, &cause).unwrap_or_else(|| explain("make the AF_XDP socket", &cause))
            })
        };
        let socket = match (options.zero_copy, options.mode) {
            (ZeroCopy::Yes, _) => memory(frames, chunk, options, queue)
                .map_err(|e| explain("allocate packet memory", &e))
                .and_then(demanded),
            (ZeroCopy::No, _) | (ZeroCopy::Auto, Mode::Generic) => bind(xdp::XDP_COPY),
            (ZeroCopy::Auto, Mode::Native) => bind(xdp::XDP_ZEROCOPY).or_else(|zero_copy| {
                let socket = bind(xdp::XDP_COPY)?;
                if queue == 0 {
                    info!(
                        "{name}: the driver has no AF_XDP zero-copy, so it is copy mode; xdp-zerocopy: no saves the try"
                    );
                }
                log::debug!("{zero_copy}");
                Ok(socket)
            }),
        }?;
        socket.tune();
        let cursors = socket.cursors();
        Ok((socket, cursors))
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: a live socket; libxdp keeps its descriptor open until it is deleted.
        unsafe { BorrowedFd::borrow_raw(xdp::xsk_socket__fd(self.socket.as_ptr())) }
    }

    pub(super) const fn has_huge_pages(&self) -> bool {
        self.area.is_huge()
    }

    pub(super) const fn is_zero_copy(&self) -> bool {
        self.zero_copy
    }

    /// A 64-bit counter structure of `SOL_XDP`.
    pub(super) fn statistics(&self) -> io::Result<xdp::xdp_statistics> {
        // SAFETY: all-zero is a valid value of this C structure.
        let mut statistics: xdp::xdp_statistics = unsafe { zeroed() };
        let mut size = size_of::<xdp::xdp_statistics>() as libc::socklen_t;
        let option = xdp::XDP_STATISTICS.cast_signed();
        // SAFETY: a structure of the size passed along; an older kernel fills less of it.
        let result = unsafe {
            libc::getsockopt(self.fd().as_raw_fd(), libc::SOL_XDP, option, (&raw mut statistics).cast(), &raw mut size)
        };
        if result == 0 { Ok(statistics) } else { Err(io::Error::last_os_error()) }
    }

    fn bind_until(deadline: Instant, area: Area, interface: &str, queue: u32, flags: u32) -> io::Result<Self> {
        let mut area = area;
        loop {
            match Self::bind(area, interface, queue, flags) {
                Ok(socket) => return Ok(socket),
                Err((cause, unused)) => {
                    if !may_pass(&cause, &unused) || Instant::now() >= deadline {
                        return Err(cause);
                    }
                    area = unused;
                    thread::sleep(PAUSE);
                }
            }
        }
    }

    /// One attempt: registers the UMEM, makes the rings, binds. Gives the memory back when it fails.
    fn bind(area: Area, interface: &str, queue: u32, flags: u32) -> Result<Self, (io::Error, Area)> {
        let Ok(name) = CString::new(interface) else {
            return Err((io::ErrorKind::InvalidInput.into(), area));
        };
        let umem_config = xdp::xsk_umem_config {
            fill_size: area.frames() / 2,
            comp_size: area.frames(),
            frame_size: area.chunk(),
            frame_headroom: 0,
            flags: 0,
        };
        let socket_config = xdp::xsk_socket_config {
            rx_size: area.frames() / 2,
            tx_size: area.frames() / 2,
            __bindgen_anon_1: xdp::xsk_socket_config__bindgen_ty_1 {
                libbpf_flags: xdp::XSK_LIBBPF_FLAGS__INHIBIT_PROG_LOAD,
            },
            xdp_flags: 0,
            bind_flags: (flags | xdp::XDP_USE_NEED_WAKEUP) as u16,
        };
        // SAFETY: all-zero is a valid value of these C structures.
        let mut rings: Box<Rings> = Box::new(unsafe { zeroed() });
        let (mut umem, mut socket) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the area stays mapped and the boxed ring structures stay in place until `drop` deletes the UMEM.
        let result = unsafe {
            xdp::xsk_umem__create(
                &raw mut umem,
                area.start().as_ptr().cast(),
                area.size() as u64,
                &raw mut rings.fill,
                &raw mut rings.completion,
                &raw const umem_config,
            )
        };
        let Some(umem) = NonNull::new(umem).filter(|_| result == 0) else {
            return Err((io::Error::from_raw_os_error(result.abs()), area));
        };
        let registered = Registered::new(area.size() as u64);
        // SAFETY: as above, with a registered UMEM and a terminated name.
        let result = unsafe {
            xdp::xsk_socket__create(
                &raw mut socket,
                name.as_ptr(),
                queue,
                umem.as_ptr(),
                &raw mut rings.rx,
                &raw mut rings.tx,
                &raw const socket_config,
            )
        };
        let Some(socket) = NonNull::new(socket).filter(|_| result == 0) else {
            // SAFETY: no socket uses it.
            unsafe { xdp::xsk_umem__delete(umem.as_ptr()) };
            let cause = if result.abs() == ENOTSUPP { libc::EOPNOTSUPP } else { result.abs() };
            return Err((io::Error::from_raw_os_error(cause), area));
        };
        Ok(Self { socket, umem, rings, zero_copy: flags & xdp::XDP_ZEROCOPY != 0, _registered: registered, area })
    }

    /// What makes sending cheaper; none of it is needed, so none of it can fail.
    fn tune(&self) {
        let fd = self.fd();
        let _ = set_socket_send_buffer_size(fd, SEND_BUFFER);
        let budget = (self.area.frames() / 2).min(512);
        // SAFETY: an option of one u32; older kernels refuse it.
        unsafe {
            libc::setsockopt(
                fd.as_raw_fd(),
                libc::SOL_XDP,
                XDP_MAX_TX_SKB_BUDGET,
                (&raw const budget).cast(),
                size_of::<u32>() as libc::socklen_t,
            )
        };
    }

    fn cursors(&self) -> Cursors {
        let rings = &self.rings;
        // SAFETY: libxdp mapped the rings and set these pointers and sizes; they stay valid until the socket is
        // deleted, and `new` makes the only cursors.
        unsafe {
            Cursors {
                fill: Producer::new(producer_parts(&rings.fill)),
                completion: Consumer::new(consumer_parts(&rings.completion)),
                rx: Consumer::new(consumer_parts(&rings.rx)),
                tx: Producer::new(producer_parts(&rings.tx)),
            }
        }
    }
}

/// # Safety
/// libxdp must have set up the ring: none of its pointers is null then.
unsafe fn producer_parts<D>(ring: &xdp::xsk_ring_prod) -> Parts<D> {
    // SAFETY: not null by contract; an index word is an aligned u32, as is an `AtomicU32`.
    unsafe {
        Parts {
            producer: NonNull::new_unchecked(ring.producer.cast()),
            consumer: NonNull::new_unchecked(ring.consumer.cast()),
            flags: NonNull::new_unchecked(ring.flags.cast()),
            entries: NonNull::new_unchecked(ring.ring.cast()),
            size: ring.size,
        }
    }
}

/// # Safety
/// As for [`producer_parts`].
unsafe fn consumer_parts<D>(ring: &xdp::xsk_ring_cons) -> Parts<D> {
    // SAFETY: as for `producer_parts`.
    unsafe {
        Parts {
            producer: NonNull::new_unchecked(ring.producer.cast()),
            consumer: NonNull::new_unchecked(ring.consumer.cast()),
            flags: NonNull::new_unchecked(ring.flags.cast()),
            entries: NonNull::new_unchecked(ring.ring.cast()),
            size: ring.size,
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // SAFETY: made in `bind`, not used after; the socket before the UMEM that it uses.
        unsafe {
            xdp::xsk_socket__delete(self.socket.as_ptr());
            xdp::xsk_umem__delete(self.umem.as_ptr());
        }
    }
}
