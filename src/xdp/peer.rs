//! The program at the other end of a veth pair, which lets everything go on: without one there the kernel drops what the program
//! at our end answers by itself. It counts the datagrams that leave from our port.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use libbpf_sys as bpf;

use super::error::{Kind, XdpError, capture_library_log};
use super::link::Link;
use super::maps::{Aligned, Library, possible_cpus, set_per_cpu, sum_over_cpus, update};
use super::pool::Stock;
use super::{Options, PAGE_MTU, Peer};
use crate::words::quoted;

/// What `build.rs` makes of `bpf/peer.bpf.c`.
static OBJECT: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/peer.bpf.o")));

/// Its maps have one entry each.
const KEY: u32 = 0;

/// A loaded program and its maps.
#[derive(Debug)]
struct Object {
    program: OwnedFd,
    replies: OwnedFd,
    port: OwnedFd,
}

impl Object {
    fn load() -> Result<Self, (&'static str, io::Error)> {
        // Kernels that know no frames of several buffers refuse the first.
        let [any, linear] = [c"runbound_peer", c"runbound_peer_1"];
        Self::load_one(any, linear).or_else(|_| Self::load_one(linear, any))
    }

    fn load_one(name: &CStr, other: &CStr) -> Result<Self, (&'static str, io::Error)> {
        let library = Library::open(OBJECT).map_err(|cause| ("read the program for the other end", cause))?;
        library.load(other).map_err(|cause| ("load the program for the other end", cause))?;
        let own = |found: io::Result<BorrowedFd<'_>>| found?.try_clone_to_owned();
        let object = || {
            let program = own(library.program(name))?;
            Ok(Self { program, replies: own(library.map(c"replies"))?, port: own(library.map(c".data.port"))? })
        };
        object().map_err(|cause| ("find the maps of the program for the other end", cause))
    }

    /// As it was when it was loaded, for replies from a port.
    fn begin(&self, port: u16) -> io::Result<()> {
        update(self.port.as_fd(), &KEY, &port.to_be())?;
        set_per_cpu(self.replies.as_fd(), KEY, &vec![0; possible_cpus()?])
    }
}

/// All programs for other ends that are loaded, on an interface or waiting for one.
#[derive(Debug, Default)]
pub struct PeerPrograms(Stock<Object>);

impl PeerPrograms {
    /// Loads as many as `count` takes, those on interfaces included, and none later.
    ///
    /// # Errors
    /// The cause and the fix, see [`Kind`]; those that are loaded can be used.
    pub fn complete(&mut self, count: usize) -> Result<(), XdpError> {
        self.0.complete = true;
        while self.count() < count {
            self.load("spare XDP programs for other ends")?;
        }
        Ok(())
    }

    /// How many are loaded.
    pub fn count(&self) -> usize {
        self.0.loaded.len()
    }

    /// Attaches one to the other end of the veth pair that `options` are about.
    ///
    /// # Errors
    /// The cause and the fix, see [`Kind`]; of kind [`Kind::NoProgram`] when each is in use. Nothing is attached then.
    pub fn attach(&mut self, options: &Options, peer: u32) -> Result<PeerAttachment, XdpError> {
        let Peer::Here { name, .. } = &options.peer else {
            return Err(XdpError::new(Kind::NoInterface, &options.interface, "it has no other end here".into()));
        };
        let object = self.take(name)?;
        object.begin(options.port).map_err(|cause| XdpError::step(name, "fill the program's maps", &cause))?;
        let link = Link::create(object.program.as_fd(), peer, bpf::XDP_FLAGS_DRV_MODE);
        let link = link.map_err(|cause| explain_refusal(&cause, name, peer, options))?;
        Ok(PeerAttachment { link, object })
    }

    fn take(&mut self, name: &str) -> Result<Arc<Object>, XdpError> {
        if let Some(free) = self.0.free() {
            return Ok(free);
        }
        if !self.0.complete {
            return self.load(name);
        }
        if let Some(cause) = self.0.missing() {
            return Err(cause.on(name));
        }
        let text = format!(
            "each of the {} XDP programs for other ends that were loaded at the start is in use, and within the sandbox none \
             is loaded: a restart makes room",
            self.count()
        );
        Err(XdpError::new(Kind::NoProgram, name, text))
    }

    fn load(&mut self, name: &str) -> Result<Arc<Object>, XdpError> {
        capture_library_log();
        self.0.keep(Object::load().map_err(|(step, cause)| XdpError::step(name, step, &cause)))
    }
}

/// The program at the other end of a pair. Dropping it takes it off.
#[derive(Debug)]
pub struct PeerAttachment {
    link: Link,
    object: Arc<Object>,
}

impl PeerAttachment {
    /// UDP datagrams from our port that came to the other end since the attach.
    ///
    /// # Errors
    /// `bpf(2)`'s.
    pub fn replies(&self) -> io::Result<u64> {
        sum_over_cpus(self.object.replies.as_fd(), KEY)
    }

    /// Whether the kernel still runs the program there: false after the interface went away.
    pub fn is_attached(&self) -> bool {
        self.link.is_on()
    }
}

/// What the errno of an attach means, in the words of who can change it (`veth_xdp_set` of drivers/net/veth.c, `dev_xdp_attach` of
/// net/core/dev.c).
fn explain_refusal(cause: &io::Error, name: &str, index: u32, options: &Options) -> XdpError {
    let Options { interface, mtu, .. } = options;
    let (kind, text) = match cause.raw_os_error() {
        Some(libc::ERANGE) => (
            Kind::Mtu,
            format!(
                "attach refused: {interface} has an MTU of {mtu}, and the program at {name} takes at most {PAGE_MTU}: `ip link set \
                 dev {} mtu {PAGE_MTU}`, or a kernel from 5.18 on",
                quoted(interface)
            ),
        ),
        Some(libc::ENOSPC) => (
            Kind::Other,
            format!(
                "attach refused: {name} receives on fewer queues than {interface} sends by: `ethtool -L {} tx 1`",
                quoted(interface)
            ),
        ),
        Some(libc::EOPNOTSUPP) => (Kind::NoDriverSupport, "the driver has no native XDP".to_owned()),
        Some(libc::EBUSY | libc::EEXIST) => return XdpError::taken(name, cause),
        _ => return XdpError::at(name, index, "attach the XDP program", cause),
    };
    XdpError::new(kind, name, text)
}
