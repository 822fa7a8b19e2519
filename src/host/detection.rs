//! Duplicate address detection of IPv6 (RFC 4862, 5.4), as the kernel tells it (linux/if_addr.h, IFA_F_…).

/// How far it is with an address that the kernel does not answer for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detection {
    /// It goes on, for a second or two after the address was given or its link came up.
    Going,
    /// Another host of the network has the address, and the kernel leaves it to that one until it is given anew.
    Failed,
}

const OPTIMISTIC: u32 = 0x04;
const FAILED: u32 = 0x08;
const TENTATIVE: u32 = 0x40;

impl Detection {
    /// From the flags of an address; `None` of one that is in use, which an optimistic one is before it is over.
    pub(super) const fn of_flags(flags: u32) -> Option<Self> {
        match flags {
            _ if flags & FAILED != 0 => Some(Self::Failed),
            _ if flags & TENTATIVE != 0 && flags & OPTIMISTIC == 0 => Some(Self::Going),
            _ => None,
        }
    }
}
