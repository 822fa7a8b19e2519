//! Names by which anybody can find out which keys of the root a resolver trusts (RFC 8509).

use super::anchors::Anchor;

/// What the first label begins with; the five digits of a key tag follow. An answer holds where the key is trusted, or is not.
const IS_TRUSTED: &[u8] = b"root-key-sentinel-is-ta-";
const IS_NOT: &[u8] = b"root-key-sentinel-not-ta-";
const DIGITS: usize = 5;

/// Whether a name (wire form) says what is not so of the root's keys. `root`: what is trusted of the root.
#[inline]
pub fn is_wrong(name: &[u8], root: Option<&Anchor>) -> bool {
    let len = usize::from(name.first().copied().unwrap_or(0));
    if len != IS_TRUSTED.len() + DIGITS && len != IS_NOT.len() + DIGITS {
        return false;
    }
    let Some((words, digits)) = name.get(1..=len).and_then(|label| label.split_at_checked(len - DIGITS)) else {
        return false;
    };
    let wants_trust = words.eq_ignore_ascii_case(IS_TRUSTED);
    if !wants_trust && !words.eq_ignore_ascii_case(IS_NOT) {
        return false;
    }
    let value =
        digits.iter().try_fold(0u32, |sum, digit| digit.is_ascii_digit().then(|| 10 * sum + u32::from(digit - b'0')));
    let Some(tag) = value.and_then(|value| u16::try_from(value).ok()) else { return false };
    let is_trusted = root.is_some_and(|root| root.key_tags().contains(&tag));
    is_trusted != wants_trust
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::Name;

    #[test]
    fn a_name_is_wrong_where_it_says_of_the_root_what_is_not_so() {
        let root = Anchor { ds: vec![vec![0x4f, 0x66, 8, 2, 1]], keys: Vec::new() };
        let wrong = |name: &str, root| is_wrong(Name::from_text(name).unwrap().as_wire(), root);
        for (name, trusted, untrusted) in [
            ("root-key-sentinel-is-ta-20326.example", false, true),
            ("Root-Key-Sentinel-IS-ta-20326", false, true),
            ("root-key-sentinel-not-ta-20326.example", true, false),
            ("root-key-sentinel-not-ta-38696.example", false, false),
            ("root-key-sentinel-is-ta-38696.example", true, true),
            ("root-key-sentinel-is-ta-00001.example", true, true),
            // None of these is such a name.
            ("root-key-sentinel-is-ta-2032.example", false, false),
            ("root-key-sentinel-is-ta-203261.example", false, false),
            ("root-key-sentinel-is-ta-2032x.example", false, false),
            ("root-key-sentinel-is-ta-65536.example", false, false),
            ("root-key-sentinel-is-tb-20326.example", false, false),
            ("www.root-key-sentinel-not-ta-20326.example", false, false),
            (".", false, false),
        ] {
            assert_eq!((wrong(name, Some(&root)), wrong(name, None)), (trusted, untrusted), "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_octets_are_a_panic(name in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64)) {
            let _ = is_wrong(&name, None);
        }
    }
}
