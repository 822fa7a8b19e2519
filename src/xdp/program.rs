//! The XDP program: loading, its maps, its link to an interface, its counters.

use std::mem::size_of;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::{io, mem};

use libbpf_sys as bpf;

use super::error::{Kind, XdpError, capture_library_log};
use super::link::Link;
use super::maps::{Object, Set, check, delete, update};
use super::pool::Program;
use super::settings::EntryPlace;
use super::verdict::{Verdict, VerdictCounts};
use super::{AnswerGate, Mode, Options, PAGE_MTU, Peer, Place};
use crate::words::quoted;

/// The MTU of Ethernet, which every driver takes.
const USUAL_MTU: u32 = 1500;

/// Why a place is not in force as it should be.
#[derive(Debug)]
pub struct PutError {
    /// `bpf(2)`'s; E2BIG when the set is full (1024 addresses of each family).
    pub cause: io::Error,
    /// The place is in force all the same, at the cost of a look-up more for each frame. Else the address is taken as it was
    /// before, or not at all; where it was the near one, that may have ended, which is a look-up more for each frame until it
    /// is put with success.
    pub in_force: bool,
}

/// The program on one interface. Dropping it empties the socket map and closes the link, in this order.
#[derive(Debug)]
pub struct Attachment {
    interface: String,
    index: u32,
    mode: Mode,
    object: Arc<Object>,
    // Option: closed before the object in `drop`.
    link: Option<Link>,
}

impl Attachment {
    pub(super) fn new(options: &Options, program: Program) -> Result<Self, XdpError> {
        capture_library_log();
        let mut attachment = Self {
            interface: options.interface.clone(),
            index: options.index,
            mode: options.mode,
            object: program.0,
            link: None,
        };
        let fill = |step: &str, result: io::Result<()>| {
            result.map_err(|e| XdpError::step(&options.interface, &format!("fill the program's maps ({step})"), &e))
        };
        fill("what was in them", attachment.object.reset(Verdict::ALL.len() as u32))?;
        fill("settings", attachment.object.begin(options.port))?;
        for place in &options.places {
            fill("addresses", attachment.put(place).map_err(|failed| failed.cause))?;
        }
        for address in &options.own {
            fill("own addresses", attachment.put_own(*address))?;
        }
        attachment.link = Some(attachment.attach(options)?);
        Ok(attachment)
    }

    /// Interface name.
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// Interface index at the time of the attach.
    pub const fn index(&self) -> u32 {
        self.index
    }

    /// Native or generic.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    pub(super) const fn object(&self) -> &Arc<Object> {
        &self.object
    }

    /// Takes frames for the place's address from now on, or by another MAC and VLAN than before.
    ///
    /// # Errors
    /// The cause, and what is in force.
    pub fn put(&self, place: &Place) -> Result<(), PutError> {
        let value = EntryPlace { mac: place.mac, vlan: place.vlan.unwrap_or(0) };
        let failed = |in_force| move |cause| PutError { cause, in_force };
        // First, so that it never leads to another place than the map's.
        let another_is_near = self.object.leave(place.address).map_err(failed(false))?;
        let entry = |map: BorrowedFd<'_>, key: &[u8]| update(map, key, &value);
        self.object.with_address(Set::Served, place.address, entry).map_err(failed(false))?;
        if another_is_near {
            return Ok(());
        }
        self.object.draw_near(place.address, value).map_err(failed(true))
    }

    /// Leaves frames for `address` to the kernel from now on.
    ///
    /// # Errors
    /// `bpf(2)`'s: they are taken still.
    pub fn remove(&self, address: IpAddr) -> io::Result<()> {
        self.object.leave(address)?;
        self.object.with_address(Set::Served, address, delete)
    }

    /// Leaves frames that have `address` as their source to the kernel from now on.
    ///
    /// # Errors
    /// `bpf(2)`'s; E2BIG when the set is full (4096 addresses of each family).
    pub fn put_own(&self, address: IpAddr) -> io::Result<()> {
        self.object.pass_filter(address)?;
        self.object.with_address(Set::Own, address, |map, key| update(map, key, &1u8))
    }

    /// Takes frames from `address` like any other's from now on.
    ///
    /// # Errors
    /// `bpf(2)`'s.
    pub fn remove_own(&self, address: IpAddr) -> io::Result<()> {
        self.object.with_address(Set::Own, address, delete)
    }

    /// What the program did with the frames it saw.
    ///
    /// # Errors
    /// `bpf(2)`'s.
    pub fn verdicts(&self) -> io::Result<VerdictCounts> {
        let mut sum = VerdictCounts::default();
        for (key, sum) in (0u32..).zip(&mut sum.0) {
            *sum = self.object.verdict(key)?;
        }
        Ok(sum)
    }

    /// Queries that the program answered by itself, as [`Self::verdicts`] has them.
    ///
    /// # Errors
    /// `bpf(2)`'s.
    pub fn answered(&self) -> io::Result<u64> {
        self.object.verdict(Verdict::Answered as u32)
    }

    /// Frames that the program sent to the socket of a receive queue.
    ///
    /// # Errors
    /// `bpf(2)`'s.
    pub fn redirected(&self, queue: u32) -> io::Result<u64> {
        self.object.redirected(queue)
    }

    /// Whether the kernel still runs our program on the interface: false after the interface went away.
    pub fn is_attached(&self) -> bool {
        self.link.as_ref().is_some_and(Link::is_on)
    }

    /// Leaves the frames of one receive queue to the kernel; its socket stays in the map.
    ///
    /// # Errors
    /// `bpf(2)`'s, as for the next two.
    pub fn close_gate(&self, queue: u32) -> io::Result<()> {
        self.object.close(queue)
    }

    /// Sends the queue's next frame to its socket, and no more.
    ///
    /// # Errors
    /// `bpf(2)`'s.
    pub fn try_gate(&self, queue: u32) -> io::Result<()> {
        self.object.try_one(queue)
    }

    /// Sends all that is ours on the queue to its socket.
    ///
    /// # Errors
    /// `bpf(2)`'s.
    pub fn open_gate(&self, queue: u32) -> io::Result<()> {
        self.object.open(queue)
    }

    /// Leaves the frames of all receive queues to the kernel, whatever their gates are, until it is told otherwise.
    ///
    /// # Errors
    /// `bpf(2)`'s.
    pub fn shut(&self, shut: bool) -> io::Result<()> {
        self.object.shut(shut)
    }

    /// Whether the program can answer by itself.
    pub fn answers(&self) -> bool {
        self.object.has_answers()
    }

    /// Has the program answer by itself what the worker has taught it, or one query of that, or nothing.
    ///
    /// # Errors
    /// `bpf(2)`'s, or that it cannot: it does as before.
    pub fn set_answers(&self, gate: AnswerGate) -> io::Result<()> {
        self.object.set_answers(gate)
    }

    /// Runs the program over a frame that comes in nowhere (`BPF_PROG_TEST_RUN`), as if at receive queue 0: its action
    /// (`enum xdp_action` of linux/bpf.h), and the frame as it is then. For tests.
    ///
    /// # Errors
    /// `bpf(2)`'s.
    #[doc(hidden)]
    pub fn run(&self, frame: &[u8]) -> io::Result<(u32, Vec<u8>)> {
        let mut out = vec![0; 4096];
        let mut opts = bpf::bpf_test_run_opts {
            sz: size_of::<bpf::bpf_test_run_opts>() as _,
            data_in: frame.as_ptr().cast(),
            data_size_in: frame.len() as u32,
            data_out: out.as_mut_ptr().cast(),
            data_size_out: out.len() as u32,
            // SAFETY: all-zero is a valid value of this C structure.
            ..unsafe { mem::zeroed() }
        };
        // SAFETY: a loaded program, and a complete structure whose buffers are as long as it says.
        check(unsafe { bpf::bpf_prog_test_run_opts(self.object.program().as_raw_fd(), &raw mut opts) })?;
        out.truncate(opts.data_size_out as usize);
        Ok((opts.retval, out))
    }

    /// Takes every socket out of the map: all frames go up the kernel's stack.
    pub fn remove_all_from_map(&self) {
        self.object.remove_all();
    }

    fn attach(&self, options: &Options) -> Result<Link, XdpError> {
        let mode = match self.mode {
            Mode::Native => bpf::XDP_FLAGS_DRV_MODE,
            Mode::Generic => bpf::XDP_FLAGS_SKB_MODE,
        };
        let link = Link::create(self.object.program(), self.index, mode);
        link.map_err(|cause| self.explain_refusal(&cause, options))
    }

    /// What the errno of an attach means, in the words of who can change it.
    fn explain_refusal(&self, cause: &io::Error, options: &Options) -> XdpError {
        let name = &self.interface;
        let (kind, text) = match cause.raw_os_error() {
            Some(number) if is_for_the_mtu(number, options) => (Kind::Mtu, long_mtu(options)),
            Some(libc::EOPNOTSUPP | libc::ENOTSUP) if self.mode == Mode::Native => (
                Kind::NoDriverSupport,
                "the driver has no native XDP (`xdp-mode: generic` would use generic XDP)".into(),
            ),
            Some(libc::EBUSY | libc::EEXIST) => return XdpError::taken(name, cause),
            _ => return XdpError::at(name, self.index, "attach the XDP program", cause),
        };
        XdpError::new(kind, name, text)
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        // What it cannot be told, it is told by the link's end.
        let _ = self.object.set_answers(AnswerGate::Closed);
        self.object.remove_all();
        self.link.take();
    }
}

/// Whether an attach was refused for the MTU. veth says ERANGE for that and for nothing else; virtio_net and most cards say
/// EINVAL, for other things, too; igc says EOPNOTSUPP, as drivers without native XDP do.
fn is_for_the_mtu(number: i32, options: &Options) -> bool {
    let is_known = || options.driver.as_ref().is_some_and(|(most, _)| options.mtu > *most);
    number == libc::EOPNOTSUPP && options.mode == Mode::Native && is_known()
        || number == libc::ERANGE
        || number == libc::EINVAL && options.peer == Peer::None && options.mtu > USUAL_MTU
}

/// Which MTU is more than the driver takes, and what to do.
fn long_mtu(options: &Options) -> String {
    let Options { interface, mtu, .. } = options;
    match &options.peer {
        Peer::None => {
            let (most, whose) = match &options.driver {
                Some((most, driver)) if mtu > most => (*most, format!(" ({driver} {most})")),
                _ => (USUAL_MTU, String::new()),
            };
            format!(
                "attach refused: its MTU of {mtu} is more than the driver takes with XDP{whose}: a veth pair takes any, or lower it \
                 with `ip link set dev {} mtu {most}` where nothing needs more",
                quoted(interface)
            )
        }
        Peer::Here { name, mtu: of_peer } => format!(
            "attach refused: its other end {name} has an MTU of {of_peer}, and at most {PAGE_MTU} has native XDP ({interface} \
             itself has {mtu}, which does not matter): `ip link set dev {} mtu {PAGE_MTU}`",
            quoted(name)
        ),
        Peer::Elsewhere => format!(
            "attach refused: its other end, in another network namespace, has an MTU above {PAGE_MTU}, the most that has native \
             XDP ({interface} itself has {mtu}, which does not matter): `ip link set dev PEER mtu {PAGE_MTU}` there"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(peer: Peer, mtu: u32) -> Options {
        Options {
            interface: "veth-rb".into(),
            index: 1,
            mtu,
            peer,
            driver: None,
            reply_mtu: 1500,
            places: Vec::new(),
            own: Vec::new(),
            port: 53,
            mode: Mode::Native,
            zero_copy: super::super::ZeroCopy::Auto,
            frames: 256,
            huge_pages: false,
        }
    }

    #[test]
    fn an_errno_of_many_meanings_is_for_the_mtu_of_a_card_alone() {
        let peer = || Peer::Here { name: "veth-bnd".into(), mtu: 9000 };
        for (number, peer, mtu, is) in [
            (libc::ERANGE, peer(), 1500, true),
            (libc::ERANGE, Peer::Elsewhere, 1500, true),
            (libc::EINVAL, peer(), 9000, false),
            (libc::EINVAL, Peer::Elsewhere, 9000, false),
            (libc::EINVAL, Peer::None, 9000, true),
            (libc::EINVAL, Peer::None, 1500, false),
            (libc::EBUSY, Peer::None, 9000, false),
        ] {
            assert_eq!(is_for_the_mtu(number, &options(peer.clone(), mtu)), is, "{number} {peer:?} {mtu}");
        }
    }

    #[test]
    fn a_refusal_names_the_mtu_that_decides() {
        let told = |peer| long_mtu(&options(peer, 9000));
        let here = told(Peer::Here { name: "veth-bnd".into(), mtu: 3507 });
        for part in ["veth-bnd has an MTU of 3507", "at most 3506", "veth-rb itself has 9000"] {
            assert!(here.contains(part), "{part}: {here}");
        }
        assert!(told(Peer::Elsewhere).contains("another network namespace"));
        assert!(told(Peer::None).contains("its MTU of 9000 is more than the driver takes with XDP: "));
        let igc = |mtu| Options { driver: Some((1500, "igc".into())), ..options(Peer::None, mtu) };
        assert!(long_mtu(&igc(9000)).contains("(igc 1500)"), "{}", long_mtu(&igc(9000)));
        assert!(is_for_the_mtu(libc::EOPNOTSUPP, &igc(9000)) && !is_for_the_mtu(libc::EOPNOTSUPP, &igc(1500)));
    }
}
