//! EDNS(0): the OPT record (RFC 6891).

use super::{get_u16, put_u16, rtype};

/// Octets of an OPT record without options.
pub const LEN: usize = 11;

/// DNSSEC OK, in the low half of OPT's TTL field (RFC 3225).
pub const DO: u16 = 0x8000;

/// What a query's OPT record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edns {
    /// Requestor's UDP payload size, as written.
    pub udp_size: u16,
    /// Version; zero is the only one there is.
    pub version: u8,
    /// Flag bits: [`DO`] and reserved ones.
    pub bits: u16,
}

impl Edns {
    /// Reads the OPT record that starts at `at`, which must be the message's one additional record. Its options may be
    /// unknown or cut off, they are passed over; its length must stay inside the message.
    ///
    /// # Errors
    /// [`NotEdns`] when the record is malformed or is no OPT record with the root as its owner.
    pub fn parse(message: &[u8], at: usize) -> Result<Edns, NotEdns> {
        let octets = message.get(at..).ok_or(NotEdns)?;
        if octets.len() < LEN || octets[0] != 0 || get_u16(octets, 1) != Some(rtype::OPT) {
            return Err(NotEdns);
        }
        let data = usize::from(get_u16(octets, 9).unwrap_or(u16::MAX));
        if octets.len() - LEN < data {
            return Err(NotEdns);
        }
        Ok(Edns {
            udp_size: get_u16(octets, 3).unwrap_or(0),
            version: octets[6],
            bits: get_u16(octets, 7).unwrap_or(0),
        })
    }
}

/// The additional record is not a well-formed OPT record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotEdns;

/// Writes an OPT record without options at `at` (the caller has checked for [`LEN`] octets of room): our payload size,
/// the upper eight bits of a 12-bit `rcode`, the flag `bits`.
#[inline]
pub fn write(message: &mut [u8], at: usize, udp_size: u16, rcode: u16, bits: u16) {
    if let Some(octets) = message.get_mut(at..at + LEN) {
        octets[0] = 0;
        put_u16(octets, 1, rtype::OPT);
        put_u16(octets, 3, udp_size);
        octets[5] = (rcode >> 4) as u8;
        octets[6] = 0;
        put_u16(octets, 7, bits);
        put_u16(octets, 9, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_read_back() {
        let mut message = [0xffu8; 20];
        write(&mut message, 3, 1232, 0x10, DO);
        assert_eq!(Edns::parse(&message[..14], 3), Ok(Edns { udp_size: 1232, version: 0, bits: DO }));
        assert_eq!(message[8], 1, "extended rcode");
        assert_eq!(Edns::parse(&message[..13], 3), Err(NotEdns), "cut off");
        message[13] = 7;
        assert_eq!(Edns::parse(&message, 3), Err(NotEdns), "options longer than the message");
        assert_eq!(Edns::parse(&message, 30), Err(NotEdns));
    }
}
