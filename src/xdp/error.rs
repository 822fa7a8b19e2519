//! Why XDP cannot serve an interface, and what to do about it.

use std::cell::RefCell;
use std::ffi::{c_char, c_int};
use std::{fmt, io};

/// What stands in the way, for those who decide by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The driver has no native XDP: kernel sockets serve.
    NoDriverSupport,
    /// Another program is attached, or another process holds the queue.
    Busy,
    /// RLIMIT_MEMLOCK is too small for the UMEM.
    MemoryLimit,
    /// A capability is missing.
    Permission,
    /// The MTU is more than the driver takes with XDP.
    Mtu,
    /// The interface is gone.
    NoInterface,
    /// Every program that was loaded ahead is in use, and no more may be loaded.
    NoProgram,
    /// Anything else; the text says what.
    Other,
}

/// A failed step. Displayed as `interface: what failed: cause; what to do`.
#[derive(Clone, Debug)]
pub struct XdpError {
    /// What stands in the way.
    pub kind: Kind,
    interface: String,
    text: String,
}

impl XdpError {
    pub(super) fn new(kind: Kind, interface: &str, text: String) -> Self {
        Self { kind, interface: interface.into(), text }
    }

    /// The same on another interface.
    pub(super) fn on(&self, interface: &str) -> Self {
        Self { interface: interface.into(), ..self.clone() }
    }

    /// A failed step with the errno that it left, and what the libraries had to say about it.
    pub(super) fn step(interface: &str, step: &str, cause: &io::Error) -> Self {
        let (kind, fix) = match cause.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => (
                Kind::Permission,
                "; grant CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW (systemd: AmbientCapabilities), or run as \
                 root outside an unprivileged container",
            ),
            Some(libc::ENOBUFS) => (
                Kind::MemoryLimit,
                "; the UMEM does not fit RLIMIT_MEMLOCK, which all processes of the user share: set \
                 LimitMEMLOCK=infinity in the unit (ulimit -l), or grant CAP_IPC_LOCK",
            ),
            Some(libc::EAFNOSUPPORT) => {
                (Kind::Other, "; the kernel has no AF_XDP, or the unit's RestrictAddressFamilies lacks AF_XDP")
            }
            Some(libc::ENOMEM) => (
                Kind::MemoryLimit,
                "; the memory is refused: raise what limits it (ulimit -v, LimitAS=, MemoryMax=), or give the machine more",
            ),
            Some(libc::ENODEV) => (Kind::NoInterface, "; the interface is gone"),
            Some(libc::EBUSY) => (Kind::Busy, "; another process has an AF_XDP socket on this queue"),
            _ => (Kind::Other, ""),
        };
        let said = take_library_log();
        let said = if said.is_empty() { String::new() } else { format!("\n{said}") };
        Self::new(kind, interface, format!("{step}: {cause}{fix}{said}"))
    }
}

impl fmt::Display for XdpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.interface, self.text)
    }
}

impl std::error::Error for XdpError {}

/// How much of what the libraries print is kept: the end of a verifier log tells why it refused.
const LOG_TAIL: usize = 2048;

thread_local! {
    static LIBRARY_LOG: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Lets libbpf and libxdp print into a buffer of the calling thread instead of stderr.
pub(super) fn capture_library_log() {
    take_library_log();
    // SAFETY: sets a function pointer in the library; `keep_bpf` and `keep_xdp` have the signature it asks for.
    unsafe {
        libbpf_sys::libbpf_set_print(Some(keep_bpf));
        libxdp_sys::libxdp_set_print(Some(keep_xdp));
    }
}

fn take_library_log() -> String {
    LIBRARY_LOG.with_borrow_mut(|log| std::mem::take(log).trim_end().to_owned())
}

unsafe extern "C" {
    fn vsnprintf(
        buffer: *mut c_char,
        size: usize,
        format: *const c_char,
        arguments: *mut libbpf_sys::__va_list_tag,
    ) -> c_int;
}

unsafe extern "C" fn keep_bpf(level: u32, format: *const c_char, arguments: *mut libbpf_sys::__va_list_tag) -> c_int {
    if level > libbpf_sys::LIBBPF_WARN {
        return 0;
    }
    // The verifier's log comes as one argument, whose end matters: room for all of a refusal of our small program.
    let mut text = vec![0u8; 64 * 1024];
    // SAFETY: the library passes a format and its arguments; the buffer is as long as said.
    let length = unsafe { vsnprintf(text.as_mut_ptr().cast(), text.len(), format, arguments) };
    text.truncate(usize::try_from(length).unwrap_or(0).min(text.len() - 1));
    LIBRARY_LOG.with_borrow_mut(|log| {
        log.push_str(&String::from_utf8_lossy(&text));
        let mut cut = log.len().saturating_sub(LOG_TAIL);
        while !log.is_char_boundary(cut) {
            cut += 1;
        }
        log.drain(..cut);
    });
    0
}

unsafe extern "C" fn keep_xdp(level: u32, format: *const c_char, arguments: *mut libxdp_sys::__va_list_tag) -> c_int {
    // SAFETY: the same levels and the same va_list of the C ABI under another generated name.
    unsafe { keep_bpf(level, format, arguments.cast()) }
}
