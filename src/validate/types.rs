//! The types that an NSEC or NSEC3 record says its name has (RFC 4034 section 4.1.2), and what follows from them for a question.

use crate::dns::rtype::{CNAME, DNAME, DS, NS, SOA};

/// Most octets of a window's bitmap.
const WINDOW: usize = 32;

/// A type bitmap, well-formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Types<'a>(&'a [u8]);

/// What a record says of a type at its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Neither the type nor an alias is there.
    Absent,
    /// The name is a zone cut without DS: what lies there belongs to an unsigned zone.
    InsecureCut,
    /// Nothing that is of use: the type or an alias is there, or the record is of the wrong side of a zone cut.
    Unproven,
}

impl<'a> Types<'a> {
    /// Reads what stands at the end of a record. `None` when it is malformed: windows ascend, and each has 1 to 32 octets.
    pub fn read(octets: &'a [u8]) -> Option<Types<'a>> {
        let (mut rest, mut least) = (octets, 0u16);
        while let [window, len, behind @ ..] = rest {
            let is_fine = u16::from(*window) >= least && (1..=WINDOW).contains(&usize::from(*len));
            rest = behind.get(usize::from(*len)..).filter(|_| is_fine)?;
            least = u16::from(*window) + 1;
        }
        rest.is_empty().then_some(Types(octets))
    }

    /// The octets that it was read from.
    pub fn octets(self) -> &'a [u8] {
        self.0
    }

    /// True when the name has this type.
    pub fn has(self, rtype: u16) -> bool {
        let [wanted, low] = rtype.to_be_bytes();
        let mut rest = self.0;
        while let [window, len, behind @ ..] = rest {
            let (bits, next) = behind.split_at_checked(usize::from(*len)).unwrap_or((behind, &[]));
            if *window == wanted {
                return bits.get(usize::from(low / 8)).is_some_and(|octet| octet & (0x80 >> (low % 8)) != 0);
            }
            rest = next;
        }
        false
    }

    /// True of a zone cut, seen from above.
    pub fn is_cut(self) -> bool {
        self.has(NS) && !self.has(SOA)
    }

    /// True of a zone cut that leads to an unsigned zone.
    pub fn is_insecure_cut(self) -> bool {
        self.is_cut() && !self.has(DS)
    }

    /// True when this zone says nothing of what is below: a zone cut, or all there is renamed (RFC 6840 section 4.1, RFC 6672
    /// section 5.3.4.1).
    pub fn ends_the_zone(self) -> bool {
        self.is_cut() || self.has(DNAME)
    }

    /// True at a zone's apex.
    pub fn is_apex(self) -> bool {
        self.has(SOA)
    }

    /// What it says of `qtype` at the record's name; the root's DS is the root's own to deny.
    pub fn say(self, qtype: u16, is_root: bool) -> Said {
        if self.has(qtype) || self.has(CNAME) {
            return Said::Unproven;
        }
        match qtype {
            DS if self.is_apex() && !is_root => Said::Unproven,
            DS => Said::Absent,
            _ if self.is_insecure_cut() => Said::InsecureCut,
            _ if self.is_cut() => Said::Unproven,
            _ => Said::Absent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bitmap_of_rfc_4034_is_read() {
        // Section 4.3: A MX RRSIG NSEC TYPE1234.
        let mut octets = vec![0, 6, 0x40, 0x01, 0, 0, 0, 0x03, 4, 27];
        octets.extend([0; 26]);
        octets.push(0x20);
        let types = Types::read(&octets).unwrap();
        let has: Vec<u16> = (0..=u16::MAX).filter(|&rtype| types.has(rtype)).collect();
        assert_eq!(has, [1, 15, 46, 47, 1234]);
        for len in (1..octets.len()).filter(|&len| len != 8) {
            assert_eq!(Types::read(&octets[..len]), None);
        }
    }

    #[test]
    fn windows_ascend_and_have_octets() {
        for wrong in [&[0u8, 0][..], &[0], &[0, 33, 0], &[1, 1, 1, 0, 1, 1], &[0, 1, 1, 0, 1, 2]] {
            assert_eq!(Types::read(wrong), None);
        }
        assert!(Types::read(&[]).is_some_and(|types| !types.has(0)));
        assert!(Types::read(&[255, 1, 1]).is_some_and(|types| types.has(0xff07)));
    }

    #[test]
    fn sides_of_a_zone_cut_are_told_apart() {
        let types = |list: &[u16]| {
            list.iter().fold([0u8; 8], |mut bits, rtype| {
                bits[..2].copy_from_slice(&[0, 6]);
                bits[2 + usize::from(rtype / 8)] |= 0x80 >> (rtype % 8);
                bits
            })
        };
        let say = |list: &[u16], qtype| Types::read(&types(list)).unwrap().say(qtype, false);
        assert_eq!(say(&[NS, 46, 47], 1), Said::InsecureCut);
        assert_eq!(say(&[NS, DS, 46, 47], 1), Said::Unproven);
        assert_eq!(say(&[NS, 46, 47], DS), Said::Absent);
        assert_eq!(say(&[NS, SOA, 46, 47], DS), Said::Unproven);
        assert_eq!(say(&[NS, SOA, 46, 47], 1), Said::Absent);
        assert_eq!(say(&[CNAME, 46, 47], 1), Said::Unproven);
        assert_eq!(Types::read(&types(&[NS, SOA])).unwrap().say(DS, true), Said::Absent);
    }

    proptest::proptest! {
        #[test]
        fn any_octets_are_safe(octets: Vec<u8>, rtype: u16) {
            if let Some(types) = Types::read(&octets) {
                types.has(rtype);
            }
        }
    }
}
