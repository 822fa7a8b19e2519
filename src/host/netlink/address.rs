//! What the kernel tells of an IPv6 address beside what getifaddrs(3) does: RTM_GETADDR.

use super::message::attributes;
use crate::host::detection::Detection;
use libc::AF_INET6;
use std::net::Ipv6Addr;

/// Attributes of an address (linux/if_addr.h).
const IFA_ADDRESS: u16 = 1;
const IFA_FLAGS: u16 = 8;
/// Octets of `struct ifaddrmsg`: family, length of the prefix, flags, scope, and the link's index.
const HEADER: usize = 8;

/// An address whose duplicate detection is not over or failed, with the index of its link. The header has room for eight flags;
/// all of them are in an attribute.
pub(super) fn detection(body: &[u8]) -> Option<(u32, Ipv6Addr, Detection)> {
    let (header, body) = body.split_first_chunk::<HEADER>()?;
    let [family, _, flags, _, i0, i1, i2, i3] = *header;
    if i32::from(family) != AF_INET6 {
        return None;
    }
    let value = |kind| attributes(body).find(|attribute| attribute.kind() == kind).map(|found| found.value().to_vec());
    let all = value(IFA_FLAGS).and_then(|octets| octets.try_into().ok()).map(u32::from_ne_bytes);
    let address: [u8; 16] = value(IFA_ADDRESS)?.try_into().ok()?;
    let detection = Detection::of_flags(all.unwrap_or(flags.into()))?;
    Some((u32::from_ne_bytes([i0, i1, i2, i3]), address.into(), detection))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::netlink::message::tests::attribute;

    fn message(family: i32, flags: u8, more: Option<u32>) -> Vec<u8> {
        let mut body = vec![family as u8, 64, flags, 0];
        body.extend(7u32.to_ne_bytes());
        body.extend(attribute(IFA_ADDRESS, &Ipv6Addr::LOCALHOST.octets()));
        body.extend(more.map(|flags| attribute(IFA_FLAGS, &flags.to_ne_bytes())).unwrap_or_default());
        body
    }

    #[test]
    fn flags_tell_how_far_the_detection_is() {
        let told =
            |flags, more| detection(&message(AF_INET6, flags, more)).map(|(index, _, detection)| (index, detection));
        assert_eq!(told(0x40, None), Some((7, Detection::Going)));
        assert_eq!(told(0x48, Some(0x48)), Some((7, Detection::Failed)));
        assert_eq!(told(0x44, None), None, "an optimistic address is in use");
        assert_eq!(told(0x80, Some(0x280)), None);
        assert_eq!(detection(&message(libc::AF_INET, 0x48, None)), None);
        let whole = message(AF_INET6, 0x48, Some(0x48));
        for length in 0..whole.len() {
            let _ = detection(&whole[..length]);
        }
    }
}
