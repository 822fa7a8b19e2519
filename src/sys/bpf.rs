//! Whether bpf(2) loads a program for this process: capabilities alone do not tell, where a seccomp filter or a security module of
//! a container or a unit has a say.

use rustix::fd::{FromRawFd, OwnedFd, RawFd};
use rustix::io::Errno;
use std::io;

/// The command and the type of program (linux/bpf.h).
const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_PROG_TYPE_XDP: u32 = 6;

/// Octets of a `struct bpf_insn`: code, registers, offset, number.
const INSTRUCTION: usize = 8;
/// `r0 = NUMBER` and `exit`.
const MOVE_TO_R0: u8 = 0xb7;
const EXIT: u8 = 0x95;
/// XDP_PASS: what comes in goes on to the kernel.
const PASS: i32 = 2;

/// The beginning of `union bpf_attr` for that command; the kernel takes what is not there for zeros.
#[repr(C)]
struct Load {
    program_type: u32,
    instructions_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
}

/// Loads an XDP program of two instructions that passes everything on, attaches it nowhere and lets it go at once.
///
/// # Errors
/// The kernel's: EPERM without CAP_BPF and CAP_NET_ADMIN, and from filters and security modules; ENOSYS without bpf(2).
pub fn try_load_xdp() -> Result<(), Errno> {
    let mut instructions = [0u8; 2 * INSTRUCTION];
    instructions[0] = MOVE_TO_R0;
    instructions[4..INSTRUCTION].copy_from_slice(&PASS.to_ne_bytes());
    instructions[INSTRUCTION] = EXIT;
    let attributes = Load {
        program_type: BPF_PROG_TYPE_XDP,
        instructions_count: 2,
        instructions: instructions.as_ptr().addr() as u64,
        license: c"GPL".as_ptr().addr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
    };
    // SAFETY: the kernel reads the attributes, of the length that is given, and the instructions and the text they point to, all
    // of which outlive the call; it writes nothing without a log.
    let made = unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_LOAD, &raw const attributes, size_of::<Load>()) };
    match RawFd::try_from(made) {
        Ok(made) if made >= 0 => {
            // SAFETY: the kernel has just made this descriptor, for nobody else.
            drop(unsafe { OwnedFd::from_raw_fd(made) });
            Ok(())
        }
        _ => Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::INVAL)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As root the attributes are tried, too; an ordinary user is refused before they are read. `tests/e2e/unit_findings` and
    /// `tests/e2e/user_namespace` have it loaded.
    #[test]
    fn a_program_is_loaded_or_refused_for_want_of_a_right() {
        let refusal = [Err(Errno::PERM), Err(Errno::ACCESS), Err(Errno::NOSYS)];
        let tried = try_load_xdp();
        assert!(tried.is_ok() || refusal.contains(&tried), "{tried:?}");
    }
}
