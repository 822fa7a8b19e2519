//! Locked memory: a UMEM counts against RLIMIT_MEMLOCK, which all processes of a user share, unless CAP_IPC_LOCK is there
//! (`xdp_umem_account_pages` of net/xdp/xdp_umem.c).

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Octets of UMEM that this process has registered.
static REGISTERED: AtomicU64 = AtomicU64::new(0);

/// One registered UMEM, as long as this process needs it; the kernel gives its room back some time later.
#[derive(Debug)]
pub(super) struct Registered {
    octets: u64,
}

impl Registered {
    pub(super) fn new(octets: u64) -> Self {
        REGISTERED.fetch_add(octets, Relaxed);
        Self { octets }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        REGISTERED.fetch_sub(self.octets, Relaxed);
    }
}

/// Whether a UMEM of so many octets has room once nobody but this process counts. A limit that cannot be read is none.
pub(super) fn has_room(octets: u64) -> bool {
    let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // The call itself, not the C library's, which asks with prlimit64: that one is not on the list of a confined process.
    // SAFETY: the structure that the call fills; it stays as it is when the call fails.
    unsafe { libc::syscall(libc::SYS_getrlimit, libc::RLIMIT_MEMLOCK, &raw mut limit) };
    REGISTERED.load(Relaxed).saturating_add(octets) <= limit.rlim_cur
}
