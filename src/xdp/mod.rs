//! The XDP program, UMEM, frames and XSK sockets.
//!
//! | type | what it is | where it lives |
//! |---|---|---|
//! | [`Attachment`] | the loaded program, its maps and its link to one interface | main thread |
//! | [`Queue`] | one AF_XDP socket on one receive queue, with its UMEM and rings | worker thread |
//! | [`Frame`] | the right to use one piece of UMEM, passed by value | wherever the packet is |
//!
//! [`open`] makes them all for one interface. Nothing is redirected until [`Queue::insert_into_map`], which the worker
//! calls when it runs; dropping a queue takes it out of the map first, and dropping the attachment closes the link.
//! The link is a `bpf_link`: however this process dies, the kernel detaches the program.
#![allow(unsafe_code)]

mod channels;
mod error;
mod program;
mod queue;
mod socket;
mod umem;

use std::net::IpAddr;
use std::sync::Arc;

pub use channels::rx_queues;
pub use error::{Kind, XdpError};
pub use program::{Attachment, Verdict, VerdictCounts};
pub use queue::{BATCH, FrameCount, Queue, RxBatch, SocketStatistics};
pub use umem::Frame;

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

/// What to attach where.
#[derive(Clone, Debug)]
pub struct Options {
    /// Interface name.
    pub interface: String,
    /// Its index.
    pub index: u32,
    /// Its MAC address: the destination a frame must have.
    pub mac: [u8; 6],
    /// Its MTU in bytes.
    pub mtu: u32,
    /// Destination addresses to take.
    pub addresses: Vec<IpAddr>,
    /// UDP destination port to take.
    pub port: u16,
    /// 802.1Q ids to take besides untagged frames.
    pub vlans: Vec<u16>,
    /// Native or generic.
    pub mode: Mode,
    /// Zero-copy or copy.
    pub zero_copy: ZeroCopy,
    /// UMEM frames for each receive queue, a power of two; [`DEFAULT_FRAMES`] is a good number.
    pub frames: u32,
}

/// Frames for each receive queue unless told otherwise: 8 MiB of UMEM at an MTU of 1500.
pub const DEFAULT_FRAMES: u32 = 4096;

/// Loads the program, attaches it, and makes a socket for every receive queue of the interface.
///
/// The queues are counted after the attach, because attaching may change their number (virtio_net). Their fill rings
/// are full and they are in no map yet. May take about five seconds when a former process's sockets are still being
/// torn down.
///
/// # Errors
/// The cause and the fix, see [`Kind`]. Nothing stays attached then.
pub fn open(options: &Options) -> Result<(Attachment, Vec<Queue>), XdpError> {
    let attachment = Attachment::new(options)?;
    let queues = (0..rx_queues(&options.interface))
        .map(|queue| Queue::new(options, queue, Arc::clone(attachment.sockets_map())))
        .collect::<Result<Vec<_>, _>>()?;
    Ok((attachment, queues))
}
