//! The Internet checksum (RFC 1071): sums in any order and any byte order, so in the machine's words.

/// Sum of `data` as words of the machine's byte order, a last odd octet padded with a zero. Folded to 33 bits, so sums of
/// parts of even length may be added.
#[inline(always)]
pub fn sum(data: &[u8]) -> u64 {
    let (eights, rest) = data.as_chunks::<8>();
    let (mut total, mut carries) = (tail(rest), 0);
    for eight in eights {
        let (added, carried) = total.overflowing_add(u64::from_ne_bytes(*eight));
        total = added;
        carries += u64::from(carried);
    }
    (total & 0xffff_ffff) + (total >> 32) + carries
}

/// The same for fewer than eight octets.
#[inline(always)]
fn tail(rest: &[u8]) -> u64 {
    let (fours, rest) = rest.as_chunks::<4>();
    let (twos, rest) = rest.as_chunks::<2>();
    let four = fours.first().map_or(0, |four| u64::from(u32::from_ne_bytes(*four)));
    let two = twos.first().map_or(0, |two| u64::from(u16::from_ne_bytes(*two)));
    let one = rest.first().map_or(0, |one| u64::from(u16::from_ne_bytes([*one, 0])));
    four + two + one
}

/// The checksum field for a sum: its one's complement, as the two bytes that go on the wire.
#[inline(always)]
pub const fn finish(sum: u64) -> [u8; 2] {
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    (!(sum as u16)).to_ne_bytes()
}

/// As [`finish`] for UDP, where zero on the wire means "no checksum" and is sent as its equal, all ones (RFC 768).
#[inline(always)]
pub const fn finish_udp(sum: u64) -> [u8; 2] {
    match finish(sum) {
        [0, 0] => [0xff, 0xff],
        bytes => bytes,
    }
}

/// Sum of the pseudo header that goes before a UDP checksum (RFC 768, RFC 8200 section 8.1).
#[inline(always)]
pub fn pseudo_header(source: &[u8], destination: &[u8], udp_len: u16) -> u64 {
    let protocol = u16::from_ne_bytes([0, super::PROTOCOL_UDP]);
    let length = u16::from_ne_bytes(udp_len.to_be_bytes());
    sum(source) + sum(destination) + u64::from(protocol) + u64::from(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 1071 section 4.1, byte by byte.
    fn slow(data: &[u8]) -> [u8; 2] {
        let mut sum = 0u32;
        for (index, byte) in data.iter().enumerate() {
            sum += if index % 2 == 0 { u32::from(*byte) << 8 } else { u32::from(*byte) };
            while sum > 0xffff {
                sum = (sum & 0xffff) + (sum >> 16);
            }
        }
        (!(sum as u16)).to_be_bytes()
    }

    #[test]
    fn example_of_rfc_1071() {
        let data = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(finish(sum(&data)), (!0xddf2u16).to_be_bytes());
    }

    #[test]
    fn largest_sums_fold() {
        assert_eq!(finish(u64::MAX), slow(&[0xff; 8]));
        assert_eq!(finish(sum(&[0xff; 65_535])), slow(&[0xff; 65_535]));
    }

    #[test]
    fn zero_is_sent_as_ones_by_udp() {
        assert_eq!(finish_udp(sum(&[0xff, 0xff])), [0xff, 0xff]);
    }

    proptest! {
        #[test]
        fn fast_is_slow(data in proptest::collection::vec(any::<u8>(), 0..600)) {
            prop_assert_eq!(finish(sum(&data)), slow(&data));
        }

        #[test]
        fn even_parts_add_up(data in proptest::collection::vec(any::<u8>(), 0..300), cut in 0usize..150) {
            let (head, tail) = data.split_at((cut * 2).min(data.len() & !1));
            prop_assert_eq!(finish(sum(head) + sum(tail)), slow(&data));
        }
    }
}
