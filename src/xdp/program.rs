//! The XDP program: loading, its maps, its link to an interface, its counters.

use std::ffi::{CStr, c_int, c_void};
use std::mem::size_of;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::Arc;
use std::{io, mem, ptr};

use libbpf_sys as bpf;

use super::error::{Kind, XdpError, capture_library_log};
use super::{Mode, Options};

/// The object that `build.rs` makes of `bpf/runbound.bpf.c`, aligned as ELF wants it.
#[repr(C, align(8))]
struct Aligned<T: ?Sized>(T);
static OBJECT: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/runbound.bpf.o")));

/// What the program decided about a frame: `enum runbound_verdict` in `bpf/runbound.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Verdict {
    /// To the socket of its receive queue.
    Redirected,
    /// Ours, but its queue has no socket in the map.
    NoSocket,
    /// Not IPv4 or IPv6.
    NotIp,
    /// Tagged with an id that is not configured, or twice.
    Vlan,
    /// Destination MAC is not ours.
    Mac,
    /// Fragment or IPv4 options.
    IpShape,
    /// Another protocol, or an IPv6 extension header.
    NotUdp,
    /// Destination address not in the set.
    Address,
    /// Another UDP port.
    Port,
    /// Lengths that lie, or no room for a DNS header.
    Short,
}

impl Verdict {
    /// All of them, in the order of their counters.
    pub const ALL: [Self; 10] = [
        Self::Redirected,
        Self::NoSocket,
        Self::NotIp,
        Self::Vlan,
        Self::Mac,
        Self::IpShape,
        Self::NotUdp,
        Self::Address,
        Self::Port,
        Self::Short,
    ];

    /// Name for statistics, lower case with underscores.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Redirected => "redirected",
            Self::NoSocket => "no_socket",
            Self::NotIp => "not_ip",
            Self::Vlan => "vlan",
            Self::Mac => "mac",
            Self::IpShape => "ip_shape",
            Self::NotUdp => "not_udp",
            Self::Address => "address",
            Self::Port => "port",
            Self::Short => "short",
        }
    }
}

/// Frames by verdict, summed over all CPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerdictCounts([u64; Verdict::ALL.len()]);

impl VerdictCounts {
    /// Frames that met this verdict.
    pub const fn get(&self, verdict: Verdict) -> u64 {
        self.0[verdict as usize]
    }

    /// Frames that went up the kernel's stack.
    pub fn passed(&self) -> u64 {
        self.0[1..].iter().sum()
    }
}

/// The program on one interface. Dropping it empties the socket map and closes the link, in this order.
#[derive(Debug)]
pub struct Attachment {
    interface: String,
    index: u32,
    mode: Mode,
    object: Object,
    sockets: Arc<SocketMap>,
    // Option: closed before the object in `drop`.
    link: Option<OwnedFd>,
}

impl Attachment {
    pub(super) fn new(options: &Options) -> Result<Self, XdpError> {
        capture_library_log();
        let object = Object::load(&options.interface)?;
        let sockets = object.map(c"xsks").and_then(|map| map.try_clone_to_owned());
        let sockets = sockets.map_err(|e| XdpError::step(&options.interface, "find the socket map", &e))?;
        let mut attachment = Self {
            interface: options.interface.clone(),
            index: options.index,
            mode: options.mode,
            object,
            sockets: Arc::new(SocketMap(sockets)),
            link: None,
        };
        let fill = |step: &str, result: io::Result<()>| {
            result.map_err(|e| XdpError::step(&options.interface, &format!("fill the program's maps ({step})"), &e))
        };
        fill("settings", attachment.set_mac_and_port(options.mac, options.port))?;
        fill("vlans", attachment.set_vlans(&options.vlans))?;
        for &address in &options.addresses {
            fill("addresses", attachment.add_address(address))?;
        }
        attachment.link = Some(attachment.attach(options.mtu)?);
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

    pub(super) const fn sockets_map(&self) -> &Arc<SocketMap> {
        &self.sockets
    }

    /// Takes frames for `address` from now on.
    ///
    /// # Errors
    /// `bpf(2)`'s; E2BIG when the set is full (1024 addresses of each family).
    pub fn add_address(&self, address: IpAddr) -> io::Result<()> {
        match address {
            IpAddr::V4(v4) => update(self.object.map(c"addresses_v4")?, &v4.octets(), &1u8),
            IpAddr::V6(v6) => update(self.object.map(c"addresses_v6")?, &v6.octets(), &1u8),
        }
    }

    /// Leaves frames for `address` to the kernel from now on.
    ///
    /// # Errors
    /// `bpf(2)`'s; ENOENT when it was not in the set.
    pub fn remove_address(&self, address: IpAddr) -> io::Result<()> {
        match address {
            IpAddr::V4(v4) => delete(self.object.map(c"addresses_v4")?, &v4.octets()),
            IpAddr::V6(v6) => delete(self.object.map(c"addresses_v6")?, &v6.octets()),
        }
    }

    /// Which MAC and which UDP port a frame must be for.
    ///
    /// # Errors
    /// `bpf(2)`'s.
    pub fn set_mac_and_port(&self, mac: [u8; 6], port: u16) -> io::Result<()> {
        // `struct runbound_settings` of bpf/runbound.h.
        let mut settings = [0u8; 8];
        settings[..6].copy_from_slice(&mac);
        settings[6..].copy_from_slice(&port.to_be_bytes());
        update(self.object.map(c".data.settings")?, &0u32, &settings)
    }

    /// Which 802.1Q ids to take, besides untagged frames.
    ///
    /// # Errors
    /// `bpf(2)`'s.
    pub fn set_vlans(&self, ids: &[u16]) -> io::Result<()> {
        let mut bits = [0u64; 64];
        for id in ids {
            bits[usize::from(id >> 6 & 63)] |= 1 << (id & 63);
        }
        let map = self.object.map(c"vlans")?;
        (0u32..).zip(&bits).try_for_each(|(word, value)| update(map, &word, value))
    }

    /// What the program did with the frames it saw.
    ///
    /// # Errors
    /// `bpf(2)`'s.
    pub fn verdicts(&self) -> io::Result<VerdictCounts> {
        let map = self.object.map(c"counters")?;
        // SAFETY: no arguments; reads sysfs once.
        let cpus = unsafe { bpf::libbpf_num_possible_cpus() };
        let cpus = usize::try_from(cpus).map_err(|_| io::Error::from_raw_os_error(-cpus))?;
        let mut per_cpu = vec![0u64; cpus];
        let mut sum = VerdictCounts::default();
        for (key, sum) in (0u32..).zip(&mut sum.0) {
            // SAFETY: an entry of the map is one u64 for each possible CPU, and the vector has room for all.
            check(unsafe {
                bpf::bpf_map_lookup_elem(map.as_raw_fd(), (&raw const key).cast(), per_cpu.as_mut_ptr().cast())
            })?;
            *sum = per_cpu.iter().sum();
        }
        Ok(sum)
    }

    /// Whether the kernel still runs our program on the interface: false after the interface went away.
    pub fn is_attached(&self) -> bool {
        let Some(link) = &self.link else { return false };
        // SAFETY: all-zero is a valid value of this C structure.
        let mut info: bpf::bpf_link_info = unsafe { mem::zeroed() };
        let mut size = size_of::<bpf::bpf_link_info>() as u32;
        // SAFETY: a live link and a structure of the size passed along.
        let result = unsafe { bpf::bpf_link_get_info_by_fd(link.as_raw_fd(), &raw mut info, &raw mut size) };
        // SAFETY: for a link of type XDP the kernel fills this member: the index, zero when the device is gone.
        result == 0 && unsafe { info.__bindgen_anon_1.xdp.ifindex } == self.index
    }

    /// Takes every socket out of the map: all frames go up the kernel's stack.
    pub fn remove_all_from_map(&self) {
        self.sockets.remove_all();
    }

    fn attach(&self, mtu: u32) -> Result<OwnedFd, XdpError> {
        let opts = bpf::bpf_link_create_opts {
            sz: size_of::<bpf::bpf_link_create_opts>() as _,
            flags: match self.mode {
                Mode::Native => bpf::XDP_FLAGS_DRV_MODE,
                Mode::Generic => bpf::XDP_FLAGS_SKB_MODE,
            },
            // SAFETY: all-zero is a valid value of this C structure.
            ..unsafe { mem::zeroed() }
        };
        let index = self.index.cast_signed();
        // SAFETY: the program is loaded; opts is a complete structure of the size it names.
        let fd = unsafe { bpf::bpf_link_create(self.object.program(), index, bpf::BPF_XDP, &raw const opts) };
        // SAFETY: a new descriptor (close-on-exec, as all of bpf(2)) that nobody else has.
        check(fd).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }).map_err(|cause| self.explain_refusal(&cause, mtu))
    }

    /// What the errno of an attach means, in the words of who can change it.
    fn explain_refusal(&self, cause: &io::Error, mtu: u32) -> XdpError {
        let name = &self.interface;
        let (kind, text) = match cause.raw_os_error() {
            Some(libc::EOPNOTSUPP | libc::ENOTSUP) if self.mode == Mode::Native => (
                Kind::NoDriverSupport,
                "the driver has no native XDP; kernel sockets serve (`xdp-mode: generic` would use generic XDP)".into(),
            ),
            Some(libc::EBUSY | libc::EEXIST) => (
                Kind::Busy,
                match program_on(self.index) {
                    Some((id, other)) => format!(
                        "another XDP program is attached: id {id}, name {other:?}; stop its owner, or remove it with \
                         `ip link set dev {name} xdp off`"
                    ),
                    None => format!(
                        "attach refused: {cause}; a device above or below {name} has an XDP program: remove it with `ip \
                         link set dev DEVICE xdp off`"
                    ),
                },
            ),
            Some(libc::ERANGE | libc::EINVAL) if mtu > 1500 => (
                Kind::Mtu,
                format!(
                    "attach refused: {cause}; MTU {mtu} is likely more than the driver takes with XDP (virtio_net 3506, \
                     veth about 3500): lower it with `ip link set dev {name} mtu 1500`"
                ),
            ),
            _ => return XdpError::step(name, "attach the XDP program", cause),
        };
        XdpError::new(kind, name, text)
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.sockets.remove_all();
        self.link.take();
    }
}

/// The map from receive queue to socket.
#[derive(Debug)]
pub(super) struct SocketMap(OwnedFd);

/// Entries of the map, as bpf/runbound.bpf.c has it: receive queues that can have a socket.
const SOCKET_MAP_ENTRIES: u32 = 1024;

impl SocketMap {
    pub(super) fn insert(&self, queue: u32, socket: BorrowedFd<'_>) -> io::Result<()> {
        update(self.0.as_fd(), &queue, &socket.as_raw_fd())
    }

    /// An empty slot is as good as a removed one.
    pub(super) fn remove(&self, queue: u32) {
        let _ = delete(self.0.as_fd(), &queue);
    }

    fn remove_all(&self) {
        (0..SOCKET_MAP_ENTRIES).for_each(|queue| self.remove(queue));
    }
}

/// A loaded object: program and maps.
#[derive(Debug)]
struct Object(NonNull<bpf::bpf_object>);

// SAFETY: libbpf objects are not tied to a thread, and after the load ours is only read (descriptors of maps).
unsafe impl Send for Object {}
// SAFETY: as above.
unsafe impl Sync for Object {}

impl Object {
    fn load(interface: &str) -> Result<Self, XdpError> {
        let opts = bpf::bpf_object_open_opts {
            sz: size_of::<bpf::bpf_object_open_opts>() as _,
            object_name: c"runbound".as_ptr(),
            // SAFETY: all-zero is a valid value of this C structure.
            ..unsafe { mem::zeroed() }
        };
        let fail = |step| XdpError::step(interface, step, &io::Error::last_os_error());
        // SAFETY: the object lies in static memory of this length; libbpf copies what it needs.
        let object =
            unsafe { bpf::bpf_object__open_mem(OBJECT.0.as_ptr().cast(), OBJECT.0.len() as _, &raw const opts) };
        let object = Self(NonNull::new(object).ok_or_else(|| fail("read the XDP program"))?);
        // SAFETY: an open object, loaded once.
        match unsafe { bpf::bpf_object__load(object.0.as_ptr()) } {
            0 => Ok(object),
            _ => Err(fail("load the XDP program")),
        }
    }

    fn map(&self, name: &CStr) -> io::Result<BorrowedFd<'_>> {
        // SAFETY: a loaded object and a terminated name.
        let fd = check(unsafe { bpf::bpf_object__find_map_fd_by_name(self.0.as_ptr(), name.as_ptr()) })?;
        // SAFETY: the object keeps the descriptor open for as long as it lives.
        Ok(unsafe { BorrowedFd::borrow_raw(fd) })
    }

    /// Descriptor of the program, or a negative errno.
    fn program(&self) -> c_int {
        // SAFETY: a loaded object and a terminated name.
        let program = unsafe { bpf::bpf_object__find_program_by_name(self.0.as_ptr(), c"runbound".as_ptr()) };
        // SAFETY: null or a program of the object.
        if program.is_null() { -libc::ENOENT } else { unsafe { bpf::bpf_program__fd(program) } }
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        // SAFETY: open, and not used after.
        unsafe { bpf::bpf_object__close(self.0.as_ptr()) }
    }
}

/// Id and name of the XDP program on an interface.
fn program_on(index: u32) -> Option<(u32, String)> {
    // SAFETY: all-zero is a valid value of these C structures.
    let (mut query, mut info): (bpf::bpf_xdp_query_opts, bpf::bpf_prog_info) = unsafe { mem::zeroed() };
    query.sz = size_of::<bpf::bpf_xdp_query_opts>() as _;
    // SAFETY: a complete structure of the size it names.
    check(unsafe { bpf::bpf_xdp_query(index.cast_signed(), 0, &raw mut query) }).ok()?;
    let id = [query.prog_id, query.drv_prog_id, query.skb_prog_id, query.hw_prog_id].into_iter().find(|&id| id != 0)?;
    // SAFETY: no memory is passed.
    let fd = check(unsafe { bpf::bpf_prog_get_fd_by_id(id) }).ok()?;
    // SAFETY: a new descriptor that nobody else has.
    let program = unsafe { OwnedFd::from_raw_fd(fd) };
    let mut size = size_of::<bpf::bpf_prog_info>() as u32;
    // SAFETY: a live program and a structure of the size passed along.
    check(unsafe { bpf::bpf_prog_get_info_by_fd(program.as_raw_fd(), &raw mut info, &raw mut size) }).ok()?;
    let name = info.name.iter().take_while(|&&byte| byte != 0).map(|&byte| char::from(byte.cast_unsigned())).collect();
    Some((id, name))
}

/// libbpf returns a negative errno.
fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::from_raw_os_error(-result)) } else { Ok(result) }
}

fn update<K, V>(map: BorrowedFd<'_>, key: &K, value: &V) -> io::Result<()> {
    let (key, value): (*const c_void, *const c_void) = (ptr::from_ref(key).cast(), ptr::from_ref(value).cast());
    // SAFETY: every caller passes key and value of the sizes that bpf/runbound.bpf.c declares for the map.
    check(unsafe { bpf::bpf_map_update_elem(map.as_raw_fd(), key, value, u64::from(bpf::BPF_ANY)) }).map(drop)
}

fn delete<K>(map: BorrowedFd<'_>, key: &K) -> io::Result<()> {
    // SAFETY: every caller passes a key of the size that bpf/runbound.bpf.c declares for the map.
    check(unsafe { bpf::bpf_map_delete_elem(map.as_raw_fd(), ptr::from_ref(key).cast()) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_those_of_the_header() {
        let header = include_str!("../../bpf/runbound.h");
        for (number, verdict) in Verdict::ALL.into_iter().enumerate() {
            let line = format!("VERDICT_{} = {number},", verdict.name().to_uppercase());
            assert!(header.contains(&line), "{line}");
            assert_eq!(verdict as usize, number);
        }
        assert!(header.contains(&format!("VERDICT_COUNT = {},", Verdict::ALL.len())));
    }
}
