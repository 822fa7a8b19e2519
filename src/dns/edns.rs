//! EDNS(0): the OPT record (RFC 6891).

use super::{get_u16, put_u16, rtype};

/// Octets of an OPT record without options.
pub const LEN: usize = 11;

/// Octets of an option's code and length.
pub const OPTION: usize = 4;
/// The option by which a client asks for the server's name, and is told it (RFC 5001).
pub const NSID: u16 = 3;
/// The option with a cookie (RFC 7873).
pub const COOKIE: u16 = 10;
/// The option by which a client asks for how long its connection may be idle, and is told it (RFC 7828).
pub const KEEPALIVE: u16 = 11;
/// The option by which a server names the agent that errors are reported to (RFC 9567).
pub const REPORT_CHANNEL: u16 = 18;
/// The option that tells more of an error (RFC 8914).
pub const EDE: u16 = 15;
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
    /// Where its options stand in the message: nobody looks at them unless there is an answer to one.
    options: (u16, u16),
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
        // No message is longer than a u16 can say.
        let options = (u16::try_from(at + LEN).unwrap_or(u16::MAX), data as u16);
        Ok(Edns {
            udp_size: get_u16(octets, 3).unwrap_or(0),
            version: octets[6],
            bits: get_u16(octets, 7).unwrap_or(0),
            options,
        })
    }

    /// Whether it has any option, well-formed or not.
    #[inline]
    pub fn has_options(&self) -> bool {
        self.options.1 != 0
    }

    /// Whether it has the option [`NSID`]. `message` is the one it was read from, not yet written over.
    pub fn asks_nsid(&self, message: &[u8]) -> bool {
        self.option(message, NSID).is_some()
    }

    /// The data of its first option of this code; `message` as for [`Self::asks_nsid`].
    pub fn option<'a>(&self, message: &'a [u8], code: u16) -> Option<&'a [u8]> {
        let (at, len) = (usize::from(self.options.0), usize::from(self.options.1));
        find_option(message.get(at..at + len)?, code)
    }
}

/// The data of the first option of a code among those of an OPT record.
pub fn find_option(mut options: &[u8], code: u16) -> Option<&[u8]> {
    for _ in 0..MOST_OPTIONS {
        let (found, len) = (get_u16(options, 0)?, usize::from(get_u16(options, 2)?));
        let (data, rest) = options.get(OPTION..)?.split_at_checked(len)?;
        if found == code {
            return Some(data);
        }
        options = rest;
    }
    None
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

/// An extended error (RFC 8914).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtendedError {
    /// Its code.
    pub code: u16,
    /// Further words for people; may be left out, but for code 0.
    pub text: &'static str,
}

impl ExtendedError {
    /// The answer has expired.
    pub const STALE_ANSWER: ExtendedError = ExtendedError { code: 3, text: "" };
    /// The answer is an error that was kept in the cache.
    pub const CACHED_ERROR: ExtendedError = ExtendedError { code: 13, text: "" };
    /// The client may not ask.
    pub const PROHIBITED: ExtendedError = ExtendedError { code: 18, text: "" };
    /// The client wants no recursion, and there is nothing else.
    pub const NOT_AUTHORITATIVE: ExtendedError = ExtendedError { code: 20, text: "" };
    /// No server that could have answered was reached.
    pub const NO_REACHABLE_AUTHORITY: ExtendedError = ExtendedError { code: 22, text: "" };
    /// The host or the network refused to reach a server.
    pub const NETWORK_ERROR: ExtendedError = ExtendedError { code: 23, text: "" };

    /// One of no kind that has a code.
    pub const fn other(text: &'static str) -> ExtendedError {
        ExtendedError { code: 0, text }
    }

    /// Appends it to the OPT record at `at`, behind which the message ends, where there are `room` octets: the words go
    /// first, then all of it. Gives the octets it took.
    pub fn append(self, message: &mut [u8], at: usize, room: usize) -> usize {
        let fixed = OPTION + 2;
        let text = if fixed + self.text.len() <= room { self.text } else { "" };
        if fixed > room || text.len() < self.text.len() && self.code == 0 {
            return 0;
        }
        let ([high, low], [code_high, code_low]) = (((2 + text.len()) as u16).to_be_bytes(), self.code.to_be_bytes());
        append(message, at, &[0, EDE as u8, high, low, code_high, code_low]);
        append(message, at, text.as_bytes());
        fixed + text.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_read_back() {
        let mut message = [0xffu8; 20];
        write(&mut message, 3, 1232, 0x10, DO);
        let read = Edns { udp_size: 1232, version: 0, bits: DO, options: (14, 0) };
        assert_eq!(Edns::parse(&message[..14], 3), Ok(read));
        assert_eq!(message[8], 1, "extended rcode");
        assert_eq!(Edns::parse(&message[..13], 3), Err(NotEdns), "cut off");
        message[13] = 7;
        assert_eq!(Edns::parse(&message, 3), Err(NotEdns), "options longer than the message");
        assert_eq!(Edns::parse(&message, 30), Err(NotEdns));
    }

    #[test]
    fn an_extended_error_is_shortened_to_the_room_there_is() {
        let written = |error: ExtendedError, room: usize| {
            let mut message = [0; LEN + 64];
            write(&mut message, 0, 1232, 0, 0);
            let len = error.append(&mut message, 0, room);
            assert_eq!((&message[9..LEN], &message[LEN + len..]), (&[0, len as u8][..], &[0; 64][len..]));
            message[LEN..LEN + len].to_vec()
        };
        let network = ExtendedError { text: "why", ..ExtendedError::NETWORK_ERROR };
        assert_eq!(written(network, 9), [0, 15, 0, 5, 0, 23, b'w', b'h', b'y']);
        assert_eq!(written(network, 8), [0, 15, 0, 2, 0, 23]);
        assert_eq!(written(network, 5), [0; 0]);
        assert_eq!(written(ExtendedError::other("why"), 9), [0, 15, 0, 5, 0, 0, b'w', b'h', b'y']);
        assert_eq!(written(ExtendedError::other("why"), 8), [0; 0], "without its words it says nothing");
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
            let message = &message[..LEN + options.len()];
            assert_eq!(Edns::parse(message, 0).map(|edns| edns.asks_nsid(message)), Ok(asks), "{options:?}");
        }
        let mut many = [[0, 10, 0, 0]; 101];
        many[99] = [0, 3, 0, 0];
        assert!(find_option(many.as_flattened(), NSID).is_some());
        many.swap(99, 100);
        assert!(find_option(many.as_flattened(), NSID).is_none(), "as far as it is looked");
    }
}
