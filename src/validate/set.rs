//! An RRset and its signatures as they are validated.

/// An RRset. Names within data are in full; letter case is as it came, and duplicates may be there: who puts it in canonical
/// form (RFC 4034 section 6) sees to both.
#[derive(Clone, Copy, Debug)]
pub struct Set<'a> {
    /// The owner, wire form. Of what a wildcard was expanded to: the name it was expanded to.
    pub owner: &'a [u8],
    /// Type.
    pub rtype: u16,
    /// Class.
    pub class: u16,
    /// TTL in seconds, as it came.
    pub ttl: u32,
    /// The data of its records.
    pub records: &'a [&'a [u8]],
    /// The data of the RRSIGs that cover it.
    pub signatures: &'a [&'a [u8]],
}

/// Data of records as a [`Set`] has it.
pub(super) fn slices(all: &[Vec<u8>]) -> Vec<&[u8]> {
    all.iter().map(|data| &data[..]).collect()
}
