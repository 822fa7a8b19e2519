//! The settings of `net.ipv4.conf` that decide who speaks ARP for an address and whose packets are taken.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::LazyLock;

/// The settings, each `None` when it cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ipv4Conf {
    /// Which requests of ARP are answered: 0 for any address of the host, on every link.
    pub arp_ignore: Option<u32>,
    /// Which address a request of ARP is sent from: 0 for any address of the host.
    pub arp_announce: Option<u32>,
    /// Whether the way back to a packet's sender is looked at: 0 is no, 1 strict, 2 loose.
    pub rp_filter: Option<u32>,
}

const SETTINGS: [&str; 3] = ["arp_ignore", "arp_announce", "rp_filter"];

/// The files of `all`. They stay open, because the sandbox lets none be opened later.
static ALL: LazyLock<[Option<File>; 3]> = LazyLock::new(|| open("all"));

impl Ipv4Conf {
    /// What a link begins with that is made later.
    pub(super) fn of_later_links() -> Self {
        Self::read(&open("default")).with(Self::of_all())
    }

    /// What every link has at least.
    pub(super) fn of_all() -> Self {
        Self::read(&ALL)
    }

    /// The numbers in the files of [`SETTINGS`], as they are now.
    fn read(files: &[Option<File>; 3]) -> Self {
        let [arp_ignore, arp_announce, rp_filter] = files.each_ref().map(|file| number(file.as_ref()?));
        Self { arp_ignore, arp_announce, rp_filter }
    }

    /// What is in force: the greater of a link's own and of `all` (IN_DEV_MAXCONF).
    pub(super) fn with(self, all: Self) -> Self {
        let greater = |own: Option<u32>, all: Option<u32>| Some(own?.max(all?));
        Self {
            arp_ignore: greater(self.arp_ignore, all.arp_ignore),
            arp_announce: greater(self.arp_announce, all.arp_announce),
            rp_filter: greater(self.rp_filter, all.rp_filter),
        }
    }
}

/// The files of a link, of `all` or of `default`.
fn open(link: &str) -> [Option<File>; 3] {
    SETTINGS.map(|setting| File::open(format!("/proc/sys/net/ipv4/conf/{link}/{setting}")).ok())
}

fn number(file: &File) -> Option<u32> {
    let mut text = [0; 16];
    let length = file.read_at(&mut text, 0).ok()?;
    std::str::from_utf8(&text[..length]).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greater_is_in_force_and_what_is_not_known_stays_so() {
        let conf = |arp_ignore, arp_announce, rp_filter| Ipv4Conf { arp_ignore, arp_announce, rp_filter };
        let own = conf(Some(0), Some(2), None);
        assert_eq!(own.with(conf(Some(1), Some(0), Some(2))), conf(Some(1), Some(2), None));
        assert_eq!(own.with(Ipv4Conf::default()), Ipv4Conf::default());
    }

    #[test]
    fn this_kernel_tells_all_three_again_and_again() {
        let first = Ipv4Conf::of_later_links();
        assert!(first.arp_ignore.is_some() && first.arp_announce.is_some() && first.rp_filter.is_some(), "{first:?}");
        assert_eq!(Ipv4Conf::of_later_links(), first);
    }
}
