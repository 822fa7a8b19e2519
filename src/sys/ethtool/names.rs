//! The names of what a driver or the kernel numbers, by set.

use super::request::ethtool;
use std::io;
use std::mem::{offset_of, size_of};

const ETHTOOL_GSTRINGS: u32 = 0x1b;
const ETHTOOL_GSSET_INFO: u32 = 0x37;
/// Words of `struct ethtool_gstrings` in front of the names (command, set, count), and of a name.
const HEAD: usize = 3;
const NAME: usize = 8;

/// `struct ethtool_sset_info` for one set.
#[repr(C)]
struct SetInfo {
    command: u32,
    reserved: u32,
    mask: u64,
    count: u32,
}

const _: () = assert!(size_of::<SetInfo>() == 24 && offset_of!(SetInfo, count) == 16);

/// How many names a set has now.
///
/// # Errors
/// ioctl(2)'s; `Unsupported` where there is no such set.
pub(super) fn count_of(interface: &str, set: u32) -> io::Result<usize> {
    let mut info = SetInfo { command: ETHTOOL_GSSET_INFO, reserved: 0, mask: 1 << set, count: 0 };
    // SAFETY: the structure of this command, with room for the one number that is asked for.
    unsafe { ethtool(interface, &mut info) }?;
    if info.mask == 0 { Err(io::ErrorKind::Unsupported.into()) } else { Ok(info.count as usize) }
}

/// The names of a set by number. `most`: what there is room for, more than there may ever be of them.
///
/// # Errors
/// Those of [`count_of`]; `Unsupported` where there are more names than that.
pub(super) fn names_of(interface: &str, set: u32, most: usize) -> io::Result<Vec<String>> {
    let count = count_of(interface, set)?;
    if count > most {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let mut strings = vec![0u32; HEAD + most * NAME];
    strings[..HEAD].copy_from_slice(&[ETHTOOL_GSTRINGS, set, count as u32]);
    // SAFETY: the structure of this command; the kernel has as many names as it said, and if it has others by now, there is room
    // for them.
    unsafe { ethtool(interface, strings.as_mut_slice()) }?;
    let name = |words: &[u32]| {
        let octets: Vec<u8> =
            words.iter().flat_map(|word| word.to_ne_bytes()).take_while(|&octet| octet != 0).collect();
        String::from_utf8_lossy(&octets).into_owned()
    };
    Ok(strings[HEAD..].chunks_exact(NAME).take(count).map(name).collect())
}
