//! EDNS(0): the OPT record (RFC 6891).

use super::{get_u16, put_u16, rtype};

/// Octets of an OPT record without options.
pub const LEN: usize = 11;

/// Octets of an option's code and length.
pub const OPTION: usize = 4;
/// The option by which a client asks for the server's name, and is told it (RFC 5001).
pub const NSID: u16 = 3;
/// Options of one query that are looked at (Unbound's MAX_PARSED_EDNS_OPTIONS).
const MOST_OPTIONS: usize = 100;

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
    /// It has the option [`NSID`].
    pub nsid: bool,
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
            nsid: data >= OPTION && has_option(&octets[LEN..LEN + data], NSID),
        })
    }
}

fn has_option(mut options: &[u8], code: u16) -> bool {
    for _ in 0..MOST_OPTIONS {
        let (Some(found), Some(len)) = (get_u16(options, 0), get_u16(options, 2)) else { return false };
        let Some(rest) = options.get(OPTION + usize::from(len)..) else { return false };
        if found == code {
            return true;
        }
        options = rest;
    }
    false
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

/// Appends an option, its code and length at the front, to the OPT record without options or with such at `at`, behind
/// which the message ends (the caller has checked for room).
#[inline]
pub fn append(message: &mut [u8], at: usize, option: &[u8]) {
    let len = usize::from(get_u16(message, at + 9).unwrap_or(0));
    if let Some(place) = message.get_mut(at + LEN + len..at + LEN + len + option.len()) {
        place.copy_from_slice(option);
        put_u16(message, at + 9, (len + option.len()) as u16);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_read_back() {
        let mut message = [0xffu8; 20];
        write(&mut message, 3, 1232, 0x10, DO);
        assert_eq!(Edns::parse(&message[..14], 3), Ok(Edns { udp_size: 1232, version: 0, bits: DO, nsid: false }));
        assert_eq!(message[8], 1, "extended rcode");
        assert_eq!(Edns::parse(&message[..13], 3), Err(NotEdns), "cut off");
        message[13] = 7;
        assert_eq!(Edns::parse(&message, 3), Err(NotEdns), "options longer than the message");
        assert_eq!(Edns::parse(&message, 30), Err(NotEdns));
    }

    #[test]
    fn nsid_is_found_among_whole_options() {
        for (options, asks) in [
            (&[0, 3, 0, 0][..], true),
            (&[0, 3, 0, 1, 9], true),
            (&[0, 10, 0, 1, 9, 0, 3, 0, 0], true),
            (&[0, 10, 0, 4, 0, 3, 0, 0], false),
            (&[0, 10, 0, 9, 0, 3, 0, 0], false),
            (&[0, 3, 0, 1], false),
            (&[0, 3, 0], false),
            (&[], false),
        ] {
            let mut message = [0; LEN + 16];
            write(&mut message, 0, 1232, 0, 0);
            append(&mut message, 0, options);
            let edns = Edns::parse(&message[..LEN + options.len()], 0);
            assert_eq!(edns.map(|edns| edns.nsid), Ok(asks), "{options:?}");
        }
        let mut many = [[0, 10, 0, 0]; 101];
        many[99] = [0, 3, 0, 0];
        assert!(has_option(many.as_flattened(), NSID));
        many.swap(99, 100);
        assert!(!has_option(many.as_flattened(), NSID), "as far as it is looked");
    }
}
