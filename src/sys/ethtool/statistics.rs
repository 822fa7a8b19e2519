//! What a driver counts (`ethtool -S`). Which figures there are, and in which order, is the driver's own: they are found by name.

use super::names::{count_of, names_of};
use super::request::ethtool;
use std::io;

const ETHTOOL_GSTATS: u32 = 0x1d;
const ETH_SS_STATS: u32 = 1;
/// Figures there is room for, whatever the driver said before: kernels until 6.18 write as many as there are by then. More than a
/// veth has, with 4,096 queues (`rtnl_create_link`) each way of at most nine figures.
const MOST: usize = 40_960;
/// `struct ethtool_stats` in front of the figures: command and count, as one of them.
const HEAD: usize = 1;

/// Gives `each` every figure with its name.
///
/// # Errors
/// ioctl(2)'s: EOPNOTSUPP when the driver counts nothing; `WouldBlock` when it came to count something else meanwhile.
pub fn statistics(interface: &str, mut each: impl FnMut(&str, u64)) -> io::Result<()> {
    let names = names_of(interface, ETH_SS_STATS, MOST)?;
    let mut figures = vec![0u64; HEAD + MOST];
    figures[0] = head(names.len() as u32);
    // SAFETY: the structure of this command, with room for more figures than an interface has.
    unsafe { ethtool(interface, figures.as_mut_slice()) }?;
    // The names are of other figures when an interface has come to have more queues, or another one has its name by now.
    if figures[0] != head(names.len() as u32) || count_of(interface, ETH_SS_STATS)? != names.len() {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    names.iter().zip(&figures[HEAD..]).for_each(|(name, figure)| each(name, *figure));
    Ok(())
}

/// Command and count as the first eight octets of the structure.
fn head(count: u32) -> u64 {
    let ([a, b, c, d], [e, f, g, h]) = (ETHTOOL_GSTATS.to_ne_bytes(), count.to_ne_bytes());
    u64::from_ne_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_nothing_says_so() {
        let mut seen = 0;
        assert!(statistics("lo", |_, _| seen += 1).is_err() && statistics("no-such-if", |_, _| seen += 1).is_err());
        assert_eq!(seen, 0);
    }
}
