//! The XDP program, UMEM, frames and XSK sockets.
//!
//! | type | what it is | where it lives |
//! |---|---|---|
//! | [`Programs`] | loaded programs with their maps, on an interface or waiting for one | main thread |
//! | [`PeerPrograms`] | the same for other ends of veth pairs, so that what a program answers by itself leaves | main thread |
//! | [`Attachment`] | one of them and its link to one interface | main thread |
//! | [`Queue`] | one AF_XDP socket on one receive queue, with its UMEM and rings | worker thread |
//! | [`answers`] | what the program answers itself | main thread and worker thread |
//! | [`Frame`] | the right to use one piece of UMEM, passed by value | wherever the packet is |
//!
//! [`attach`] and [`open_queues`] make them for one interface. Nothing is redirected until [`Queue::insert_into_map`],
//! which the worker calls when it runs, and then one frame: the rest stays with the kernel until that one has come and
//! the worker calls [`Queue::open_gate`]. Dropping a queue takes it out of the map first, and dropping the attachment
//! closes the link.
//! The link is a `bpf_link`: however this process dies, the kernel detaches the program.
#![allow(unsafe_code)]

pub mod answers;
mod error;
mod frame_count;
mod link;
mod locked;
mod maps;
mod peer;
mod pool;
mod program;
mod queue;
mod settings;
mod socket;
mod umem;
mod verdict;

use std::net::IpAddr;
use std::sync::Arc;

pub use answers::AnswerGate;
pub use error::{Kind, XdpError};
pub use frame_count::FrameCount;
pub use peer::{PeerAttachment, PeerPrograms};
pub use pool::{Program, Programs};
pub use program::{Attachment, PutError};
pub use queue::{BATCH, Queue, RxBatch, SocketStatistics};
pub use umem::Frame;
pub use verdict::{Verdict, VerdictCounts};

/// In which way the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In the driver. An error of kind [`Kind::NoDriverSupport`] if it has no support: never generic unasked.
    Native,
    /// In the network stack, before its own processing: any interface, less speed. Only when asked for.
    Generic,
}

/// Whether the driver may read and write UMEM itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZeroCopy {
    /// If the driver can, else copy.
    Auto,
    /// Or fail.
    Yes,
    /// Always copy.
    No,
}

/// An address to take, and by which MAC and VLAN: those of the interface that carries it, which may stand on the one that
/// the program is attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The address.
    pub address: IpAddr,
    /// The destination MAC a frame for it must have.
    pub mac: [u8; 6],
    /// The 802.1Q VLAN id (1 to 4094) a frame for it must have; `None`: it must have no tag.
    pub vlan: Option<u16>,
}

/// The other end of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// It is no veth.
    None,
    /// In the same network namespace.
    Here {
        /// Its name.
        name: String,
        /// Its MTU in bytes.
        mtu: u32,
    },
    /// In another network namespace, where it cannot be looked at.
    Elsewhere,
}

/// The greatest MTU that veth (of the other end) and virtio_net take with a program that sees whole frames in one page:
/// the page less headroom (256), skb_shared_info (320) and Ethernet header (14); `veth_xdp_set` of drivers/net/veth.c,
/// `virtnet_xdp_set` of drivers/net/virtio_net.c.
pub const PAGE_MTU: u32 = 4096 - 256 - 320 - 14;

/// What to attach where.
#[derive(Clone, Debug)]
pub struct Options {
    /// Interface name.
    pub interface: String,
    /// Its index.
    pub index: u32,
    /// Its MTU in bytes.
    pub mtu: u32,
    /// Its other end, of a veth.
    pub peer: Peer,
    /// Of a card, the greatest MTU that its driver takes with a program, and its name, where that is known.
    pub driver: Option<(u32, String)>,
    /// Longest IP packet to send, in bytes: the least MTU on the way out.
    pub reply_mtu: u32,
    /// Destination addresses to take.
    pub places: Vec<Place>,
    /// Addresses that are no client's: frames from them are left to the kernel.
    pub own: Vec<IpAddr>,
    /// UDP destination port to take.
    pub port: u16,
    /// Native or generic.
    pub mode: Mode,
    /// Zero-copy or copy.
    pub zero_copy: ZeroCopy,
    /// UMEM frames for each receive queue, a power of two; [`DEFAULT_FRAMES`] is a good number.
    pub frames: u32,
    /// UMEM in huge pages of 2 MiB, if the kernel has so many; else in ordinary ones, which is logged.
    pub huge_pages: bool,
}

/// Frames for each receive queue unless told otherwise: 8 MiB of UMEM at an MTU of 1500.
pub const DEFAULT_FRAMES: u32 = 4096;

/// Attaches the program. It redirects nothing yet.
///
/// # Errors
/// The cause and the fix, see [`Kind`]. Nothing stays attached then.
pub fn attach(options: &Options, program: Program) -> Result<Attachment, XdpError> {
    Attachment::new(options, program)
}

/// Whether a socket on the first receive queue can be had at all: to be asked before [`attach`] where attaching resets the
/// link, so that what cannot work does it no harm.
///
/// # Errors
/// The cause and the fix, see [`Kind`].
pub fn try_socket(options: &Options) -> Result<(), XdpError> {
    socket::Socket::new(options, 0).map(drop)
}

/// Makes sockets for the first `count` receive queues of the interface.
///
/// Count the queues after the attach, because attaching may change their number (virtio_net). Their fill
/// rings are full and they are in no map yet. May take about five seconds when a former process's sockets are still being
/// torn down, or other processes of the user have locked the memory that RLIMIT_MEMLOCK allows.
///
/// # Errors
/// The cause and the fix, see [`Kind`].
pub fn open_queues(options: &Options, attachment: &Attachment, count: u32) -> Result<Vec<Queue>, XdpError> {
    (0..count).map(|queue| Queue::new(options, queue, Arc::clone(attachment.object()))).collect()
}
