//! What records prove, or do not.

use super::Flaw;

/// What the records say of a claim that something does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// They prove it.
    Secure,
    /// They prove that it cannot be proven: a span of NSEC3 with opt-out, or below a delegation to an unsigned zone, both with
    /// [`Flaw::None`]; or more iterations than are computed.
    Insecure(Flaw),
    /// They do not prove it.
    Bogus(Flaw),
}

/// What the parent's side says of a name that has no DS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoDs {
    /// It is a delegation without DS, or lies in a span with opt-out ([`Flaw::None`]); or there are more iterations than are
    /// computed.
    Insecure(Flaw),
    /// It is no zone cut: the same keys sign what is there.
    NotDelegated,
    /// It does not exist, and no wildcard makes it.
    NoName,
    /// Nothing is proven.
    Bogus(Flaw),
}

/// Which of two negative answers is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Negative {
    /// The name does not exist.
    NameError,
    /// It exists, or a wildcard makes it, and has no record of the type.
    NoData,
}

/// A name of wildcards: `*` below `encloser`, written into `buffer`; `None` when it gets too long.
pub(super) fn wildcard<'b>(encloser: &[u8], buffer: &'b mut [u8; crate::dns::name::MAX_LEN]) -> Option<&'b [u8]> {
    let wire = buffer.get_mut(..encloser.len() + 2)?;
    wire[..2].copy_from_slice(b"\x01*");
    wire[2..].copy_from_slice(encloser);
    Some(wire)
}
