//! What a link has sent, from its message.

use super::message::{self, LinkHeader, attributes};
use bytemuck::Zeroable;
use std::io;

/// Octets of `rx_packets` in front of `tx_packets`, and of the latter (`struct rtnl_link_stats64` of linux/if_link.h).
const TX_PACKETS: std::ops::Range<usize> = 8..16;

/// Packets that the link of an index has sent so far; `None` where the kernel does not tell.
///
/// # Errors
/// The socket's; ENODEV where there is no such link.
pub(in crate::host) fn sent_packets(index: u32) -> io::Result<Option<u64>> {
    let mut header = LinkHeader::zeroed();
    header.index = index;
    message::get(libc::RTM_GETLINK, bytemuck::bytes_of(&header), sent)
}

fn sent(body: &[u8]) -> Option<u64> {
    let (_, body) = LinkHeader::split(body)?;
    let figures = attributes(body).find(|attribute| attribute.kind() == libc::IFLA_STATS64)?;
    Some(u64::from_ne_bytes(figures.value().get(TX_PACKETS)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_sent_what_sysfs_says() {
        let told =
            || std::fs::read_to_string("/sys/class/net/lo/statistics/tx_packets").unwrap().trim().parse().unwrap();
        let (before, sent, after): (u64, u64, u64) = (told(), sent_packets(1).unwrap().unwrap(), told());
        assert!(before <= sent && sent <= after, "{before} {sent} {after}");
        assert_eq!(sent_packets(u32::MAX >> 1).unwrap_err().raw_os_error(), Some(libc::ENODEV));
    }

    #[test]
    fn cut_messages_do_no_harm() {
        assert!((0..40).all(|length| sent(&vec![0; length]).is_none()));
    }
}
