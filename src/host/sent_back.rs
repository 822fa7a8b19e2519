//! What became of the frames that the XDP program of an interface sent back (XDP_TX), as the driver of veth counts it: it says so at
//! this end, whatever namespace the other one is in (`veth_xdp_flush_bq` of drivers/net/veth.c, Linux 5.7).

use crate::sys::ethtool;
use std::io;

/// Frames that the XDP program of an interface sent back. Both only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SentBack {
    /// That came to the other end, to be read there if that has a program: else they lie there unread (`veth_xdp_flush`).
    pub left: u64,
    /// That the kernel dropped, as the other end has no program or no room.
    pub lost: u64,
}

impl SentBack {
    /// Those of an interface, of all of its queues; `None` where its driver does not tell.
    ///
    /// # Errors
    /// ioctl(2)'s, of the ethtool request; `WouldBlock` when the interface came to have other queues just now.
    pub fn of(interface: &str) -> io::Result<Option<Self>> {
        let (mut of, mut told) = (Self::default(), false);
        let counted = ethtool::statistics(interface, |name, figure| {
            if let Some(sum) = of.sum_of(name) {
                *sum = sum.saturating_add(figure);
                told = true;
            }
        });
        match counted {
            Err(cause) if matches!(cause.kind(), io::ErrorKind::Unsupported) => Ok(None),
            counted => counted.map(|()| told.then_some(of)),
        }
    }

    /// Where a figure of a name belongs.
    fn sum_of(&mut self, name: &str) -> Option<&mut u64> {
        let (queue, what) = name.strip_prefix("rx_queue_")?.split_once('_')?;
        queue.parse::<u32>().ok()?;
        match what {
            "xdp_tx" => Some(&mut self.left),
            "xdp_tx_errors" => Some(&mut self.lost),
            _ => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_each_queue_sent_back_is_found_by_its_name() {
        let mut of = SentBack::default();
        let names = ["rx_queue_0_xdp_tx", "rx_queue_11_xdp_tx", "rx_queue_3_xdp_tx_errors"];
        for name in names {
            *of.sum_of(name).unwrap() += 1;
        }
        assert_eq!(of, SentBack { left: 2, lost: 1 });
        for other in
            ["rx_queue_0_xdp_redirect", "tx_queue_0_xdp_xmit", "rx_queue_xdp_tx", "peer_ifindex", "rx_queue_0_xdp_tx_"]
        {
            assert_eq!(of.sum_of(other), None, "{other}");
        }
    }

    #[test]
    fn loopback_does_not_tell() {
        assert_eq!(SentBack::of("lo").unwrap(), None);
        assert_eq!(SentBack::of("no-such-if").unwrap_err().raw_os_error(), Some(libc::ENODEV));
    }
}
