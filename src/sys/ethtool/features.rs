//! The switches of a driver (`ethtool -k`). The kernel numbers them anew with each version, so they are found by name.

use super::names::names_of;
use super::request::ethtool;
use std::io;
use std::mem::size_of;
use std::sync::OnceLock;

const ETHTOOL_GFEATURES: u32 = 0x3a;
const ETHTOOL_SFEATURES: u32 = 0x3b;
const ETH_SS_FEATURES: u32 = 4;
/// Features there is room for: four times what kernels have.
const MOST: usize = 256;
/// Features in one word of a mask.
const WORD: usize = 32;

/// A switch of the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// VLAN tags are taken off received frames before anyone sees them (`rx-vlan-offload`, `rxvlan`).
    RxVlan,
    /// The same of service tags (802.1ad).
    RxStag,
    /// VLAN tags (802.1Q) of sent frames come to the driver beside the frame (`tx-vlan-offload`, `txvlan`).
    TxVlan,
    /// The same of service tags (802.1ad).
    TxStag,
    /// Received frames are steered by rules (`ntuple-filters`).
    Ntuple,
}

impl Feature {
    /// All of them.
    const ALL: [Self; 5] = [Self::RxVlan, Self::RxStag, Self::TxVlan, Self::TxStag, Self::Ntuple];

    /// The kernel's name of it (netdev_features_strings).
    const fn name(self) -> &'static str {
        match self {
            Self::RxVlan => "rx-vlan-hw-parse",
            Self::RxStag => "rx-vlan-stag-hw-parse",
            Self::TxVlan => "tx-vlan-hw-insert",
            Self::TxStag => "tx-vlan-stag-hw-insert",
            Self::Ntuple => "rx-ntuple-filter",
        }
    }

    /// The word that `ethtool -K` takes.
    pub const fn word(self) -> &'static str {
        match self {
            Self::RxVlan => "rxvlan",
            Self::TxVlan => "txvlan",
            Self::RxStag | Self::TxStag => self.name(),
            Self::Ntuple => "ntuple",
        }
    }

    /// The one that `ethtool -K` has this word for.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|feature| feature.word() == word)
    }

    /// Its number in this kernel; `None` when the kernel has no such feature.
    fn number(self, interface: &str) -> io::Result<Option<usize>> {
        Ok(names(interface)?.iter().position(|name| name == self.name()))
    }
}

/// `struct ethtool_get_features_block`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct State {
    available: u32,
    requested: u32,
    active: u32,
    never_changed: u32,
}

/// `struct ethtool_gfeatures`.
#[repr(C)]
struct GetFeatures {
    command: u32,
    words: u32,
    states: [State; MOST / WORD],
}

/// `struct ethtool_sfeatures`, of `struct ethtool_set_features_block`.
#[repr(C)]
struct SetFeatures {
    command: u32,
    words: u32,
    /// What is to be set, and to what.
    changes: [[u32; 2]; MOST / WORD],
}

/// The names of the features by number, which are those of the kernel, whatever the interface.
fn names(interface: &str) -> io::Result<&'static [String]> {
    static NAMES: OnceLock<Vec<String>> = OnceLock::new();
    if let Some(names) = NAMES.get() {
        return Ok(names);
    }
    let names = names_of(interface, ETH_SS_FEATURES, MOST)?;
    Ok(NAMES.get_or_init(|| names))
}

/// Whether a feature is on. It is not where the kernel has no such feature.
///
/// # Errors
/// ioctl(2)'s: ENODEV when there is no such interface.
pub fn feature(interface: &str, feature: Feature) -> io::Result<bool> {
    let words = (MOST / WORD) as u32;
    let mut features = GetFeatures { command: ETHTOOL_GFEATURES, words, states: [State::default(); MOST / WORD] };
    // SAFETY: the structure of this command; the kernel fills at most as many words as it is told there is room for.
    unsafe { ethtool(interface, &mut features) }?;
    let is_on = |number: usize| features.states[number / WORD].active & 1 << (number % WORD) != 0;
    Ok(feature.number(interface)?.is_some_and(is_on))
}

/// Switches a feature, and looks whether it is switched.
///
/// # Errors
/// ioctl(2)'s: EOPNOTSUPP also when the driver says yes and does not.
pub fn set_feature(interface: &str, feature: Feature, on: bool) -> io::Result<()> {
    let refused = || io::Error::from_raw_os_error(libc::EOPNOTSUPP);
    let number = feature.number(interface)?.ok_or_else(refused)?;
    // No more words than there are features for: the kernel refuses others.
    let words = names(interface)?.len().div_ceil(WORD) as u32;
    let mut request = SetFeatures { command: ETHTOOL_SFEATURES, words, changes: [[0; 2]; MOST / WORD] };
    let bit = 1 << (number % WORD);
    request.changes[number / WORD] = [bit, if on { bit } else { 0 }];
    // SAFETY: the structure of this command.
    unsafe { ethtool(interface, &mut request) }?;
    match self::feature(interface, feature)? {
        set if set == on => Ok(()),
        _ => Err(refused()),
    }
}

const _: () = assert!(size_of::<State>() == 16);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_is_one_of_this_kernel() {
        for feature in Feature::ALL {
            assert!(feature.number("lo").expect("the names").is_some(), "{feature:?}");
            assert!(self::feature("no-such-if", feature).is_err());
            assert!(set_feature("no-such-if", feature, true).is_err());
        }
        assert_eq!(feature("lo", Feature::RxVlan).ok(), Some(false));
    }
}
