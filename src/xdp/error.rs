//! Why XDP cannot serve an interface, and what to do about it.

use rustix::thread::{CapabilitySet, capabilities};
use std::cell::RefCell;
use std::ffi::{CString, c_char, c_int};
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

    /// A failed step with the errno that it left, in one line. What the libraries said about it is there only where the errno
    /// does not tell: their advice is for another kernel, or for who writes programs.
    pub(super) fn step(interface: &str, step: &str, cause: &io::Error) -> Self {
        let said = one_line(&take_library_log());
        let have = capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective);
        let (kind, fix) = match cause.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) if !missing(have).is_empty() => {
                return Self::new(Kind::Permission, interface, format!("{step}: {cause}{}", without(have)));
            }
            Some(libc::EPERM) => (
                Kind::Permission,
                "; the capabilities for it are in force, so a seccomp filter, a security module or an unprivileged container \
                 forbids it: `runbound --check-config` says more (bpf, user-namespace)",
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
            Some(libc::ENODEV) => (Kind::NoInterface, "; the interface is gone, and is tried again when it is there"),
            Some(libc::EBUSY) => (Kind::Busy, "; another process has an AF_XDP socket on this queue"),
            Some(libc::EACCES) => (Kind::Permission, ""),
            _ => (Kind::Other, ""),
        };
        let said = if fix.is_empty() && !said.is_empty() { format!(" ({said})") } else { String::new() };
        Self::new(kind, interface, format!("{step}: {cause}{fix}{said}"))
    }
}

impl XdpError {
    /// A program of somebody else's is where one was to be attached. Who attaches looks before; what came since is named by the next
    /// look.
    pub(super) fn taken(interface: &str, cause: &io::Error) -> Self {
        let text = format!(
            "attach refused: {cause}; another XDP program is on {interface} or on a device above it: `ip -details link` shows it"
        );
        Self::new(Kind::Busy, interface, text)
    }

    /// A failed step at an interface: where that is no more what it was, by its index, this is the cause. What the kernel says then
    /// has many meanings: bpf(2) EINVAL, for one.
    pub(super) fn at(interface: &str, index: u32, step: &str, cause: &io::Error) -> Self {
        if is_at(interface, index) {
            return Self::step(interface, step, cause);
        }
        take_library_log();
        let text = format!(
            "{step}: the interface was removed or made anew meanwhile ({cause}); it is tried again when it is there"
        );
        Self::new(Kind::NoInterface, interface, text)
    }
}

/// Whether the interface of this name has this index now.
pub(super) fn is_at(interface: &str, index: u32) -> bool {
    index_of(interface) == Some(index)
}

fn index_of(interface: &str) -> Option<u32> {
    let name = CString::new(interface).ok()?;
    // SAFETY: a string with its end, which outlives the call.
    Some(unsafe { libc::if_nametoindex(name.as_ptr()) }).filter(|index| *index != 0)
}

/// What XDP takes, and the word for each; CAP_SYS_ADMIN stands for the first (linux/capability.h).
const NEEDED: [(CapabilitySet, &str); 3] = [
    (CapabilitySet::BPF, "CAP_BPF"),
    (CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN"),
    (CapabilitySet::NET_RAW, "CAP_NET_RAW"),
];

/// Those of them that are not in force.
fn missing(have: CapabilitySet) -> Vec<&'static str> {
    let stands_for_all = have.contains(CapabilitySet::SYS_ADMIN);
    let has = |wanted: CapabilitySet| have.contains(wanted) || stands_for_all && wanted == CapabilitySet::BPF;
    NEEDED.iter().filter(|(wanted, _)| !has(*wanted)).map(|(_, name)| *name).collect()
}

/// What is to be done where some are missing.
fn without(have: CapabilitySet) -> String {
    let (names, all) = (missing(have), NEEDED.map(|(_, name)| name).join(" "));
    let are = if names.len() == 1 { "is" } else { "are" };
    format!("; {} {are} missing: in a unit AmbientCapabilities={all}, else start it as root", names.join(" and "))
}

/// Most octets of what a library said that a message has.
const SAID: usize = 400;

/// Text of several lines as one, the end of a long one: there the verifier tells why it refused.
fn one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut line = lines.collect::<Vec<_>>().join(" | ").replace(|letter: char| letter.is_control(), " ");
    let mut cut = line.len().saturating_sub(SAID);
    while !line.is_char_boundary(cut) {
        cut += 1;
    }
    if cut > 0 {
        line = format!("…{}", &line[cut..]);
    }
    line
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

#[cfg(test)]
mod tests {
    use super::*;

    /// As if libbpf had printed it.
    fn printed(text: &str) {
        LIBRARY_LOG.with_borrow_mut(|log| *log = text.to_owned());
    }

    #[test]
    fn a_failed_step_is_one_line_whatever_the_libraries_print() {
        let warnings = "libbpf: Error in bpf_object__probe_loading(): -EPERM. Couldn't load trivial BPF program.\n\
                        libbpf: failed to load object 'runbound'\n";
        for number in [libc::EPERM, libc::EACCES, libc::ENOMEM, libc::ENOBUFS, libc::EINVAL, libc::E2BIG] {
            printed(warnings);
            let text = XdpError::step("veth-rb", "load", &io::Error::from_raw_os_error(number)).to_string();
            assert!(!text.contains('\n') && text.starts_with("veth-rb: load: "), "{text}");
            let is_told = !matches!(number, libc::EINVAL | libc::E2BIG | libc::EACCES);
            assert!(!is_told || !text.contains("libbpf"), "the errno tells: {text}");
        }
        printed(warnings);
        let text = XdpError::step("veth-rb", "load", &io::Error::from_raw_os_error(libc::EINVAL)).to_string();
        assert!(text.ends_with("program. | libbpf: failed to load object 'runbound')"), "{text}");
    }

    #[test]
    fn where_the_interface_is_another_by_now_that_is_the_cause() {
        let index = index_of("lo").unwrap();
        let at = |name, index| {
            XdpError::at(name, index, "attach the XDP program", &io::Error::from_raw_os_error(libc::EINVAL))
        };
        for (name, index) in [("no-such-link", index), ("lo", index + 1)] {
            let error = at(name, index);
            assert_eq!(error.kind, Kind::NoInterface);
            assert!(error.to_string().contains("removed or made anew meanwhile (Invalid argument"), "{error}");
        }
        assert_eq!(at("lo", index).kind, Kind::Other);
    }

    #[test]
    fn a_missing_capability_is_named_with_what_grants_it() {
        let all = CapabilitySet::BPF | CapabilitySet::NET_ADMIN | CapabilitySet::NET_RAW;
        assert!(missing(all).is_empty());
        let text = without(all - CapabilitySet::BPF);
        assert_eq!(
            text,
            "; CAP_BPF is missing: in a unit AmbientCapabilities=CAP_BPF CAP_NET_ADMIN CAP_NET_RAW, else start it as root"
        );
        let root_of_old = CapabilitySet::SYS_ADMIN | CapabilitySet::NET_RAW;
        assert_eq!(missing(root_of_old), ["CAP_NET_ADMIN"]);
    }

    #[test]
    fn of_long_text_the_end_is_kept() {
        let line = one_line(&"ä\x1b[1m\nb\t".repeat(500));
        assert!(line.starts_with('…') && line.len() <= SAID + 4 && !line.contains(|letter: char| letter.is_control()));
        assert_eq!(one_line(" \n"), "");
    }
}
