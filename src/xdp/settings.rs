//! The program's settings: the port, and what saves it look-ups.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd;

use libbpf_sys as bpf;

use super::maps::{Object, check, update};

/// `struct runbound_place` of bpf/runbound.h, with a VLAN id of 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(super) struct EntryPlace {
    pub(super) mac: [u8; 6],
    pub(super) vlan: u16,
}

impl EntryPlace {
    /// `RUNBOUND_NOWHERE`.
    const NOWHERE: EntryPlace = EntryPlace { mac: [0; 6], vlan: 0xffff };
}

/// `struct runbound_settings` of bpf/runbound.h.
#[repr(C)]
struct Settings {
    own_v4_filter: u64,
    own_v6_filter: u64,
    near_v6: [u8; 16],
    near_v6_place: EntryPlace,
    near_v4: [u8; 4],
    near_v4_place: EntryPlace,
    port: u16,
    shut: u16,
}
static SETTINGS_KEY: u32 = 0;

/// The bit of a source in its filter: `may_be_own` of bpf/runbound.bpf.c.
const fn filter_bit(word: u32) -> u64 {
    1 << (word.wrapping_mul(0x9e37_79b1) >> 26)
}

impl Settings {
    /// No address yet. `port` in host order.
    fn new(port: u16) -> Settings {
        Settings {
            own_v4_filter: 0,
            own_v6_filter: 0,
            near_v6: [0; 16],
            near_v6_place: EntryPlace::NOWHERE,
            near_v4: [0; 4],
            near_v4_place: EntryPlace::NOWHERE,
            port: port.to_be(),
            shut: 0,
        }
    }

    fn read(object: &Object) -> io::Result<Settings> {
        let mut settings = Settings::new(0);
        let (map, key) = (object.settings().as_raw_fd(), (&raw const SETTINGS_KEY).cast());
        // SAFETY: the map has one entry, a `struct runbound_settings`, which `Settings` is.
        check(unsafe { bpf::bpf_map_lookup_elem(map, key, (&raw mut settings).cast()) })?;
        Ok(settings)
    }

    fn write(&self, object: &Object) -> io::Result<()> {
        update(object.settings(), &SETTINGS_KEY, self)
    }

    /// Whether an address is the one that the near place of its family is for, if it is for any; that place.
    fn near(&mut self, address: IpAddr) -> (bool, &mut EntryPlace) {
        match address {
            IpAddr::V4(v4) => (self.near_v4 == v4.octets(), &mut self.near_v4_place),
            IpAddr::V6(v6) => (self.near_v6 == v6.octets(), &mut self.near_v6_place),
        }
    }
}

impl Object {
    /// As at the start: no address yet. `port` in host order.
    pub(super) fn begin(&self, port: u16) -> io::Result<()> {
        Settings::new(port).write(self)
    }

    /// Leaves every frame to the kernel, whatever the gates say, or not any more.
    pub(super) fn shut(&self, shut: bool) -> io::Result<()> {
        let settings = Settings { shut: shut.into(), ..Settings::read(self)? };
        settings.write(self)
    }

    /// Has the program look an own address up in its map, which it leaves undone where the filter has not its bit. A bit
    /// stays when its address goes: that costs a look-up, and nothing else.
    pub(super) fn pass_filter(&self, address: IpAddr) -> io::Result<()> {
        let mut settings = Settings::read(self)?;
        match address {
            IpAddr::V4(v4) => settings.own_v4_filter |= filter_bit(u32::from_ne_bytes(v4.octets())),
            IpAddr::V6(v6) => {
                let octets = v6.octets();
                let words = octets.as_chunks::<4>().0.iter().map(|&word| u32::from_ne_bytes(word));
                settings.own_v6_filter |= filter_bit(words.fold(0, |joined, word| joined ^ word));
            }
        }
        // Written octet by octet or at once: no bit that was there is ever missing.
        settings.write(self)
    }

    /// Makes an address of the map the near one, where none is.
    pub(super) fn draw_near(&self, address: IpAddr, place: EntryPlace) -> io::Result<()> {
        let mut settings = Settings::read(self)?;
        match address {
            IpAddr::V4(v4) => settings.near_v4 = v4.octets(),
            IpAddr::V6(v6) => settings.near_v6 = v6.octets(),
        }
        // The program may see a half of what is written: the address comes while it is nowhere.
        settings.write(self)?;
        *settings.near(address).1 = place;
        settings.write(self)
    }

    /// Ends that an address is the near one; true when another one is.
    pub(super) fn leave(&self, address: IpAddr) -> io::Result<bool> {
        let mut settings = Settings::read(self)?;
        let (is_it, place) = settings.near(address);
        if *place == EntryPlace::NOWHERE {
            return Ok(false);
        }
        if is_it {
            *place = EntryPlace::NOWHERE;
            settings.write(self)?;
        }
        Ok(!is_it)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    #[test]
    fn settings_lie_as_in_the_header() {
        assert_eq!(offset_of!(Settings, near_v6), 16);
        assert_eq!(offset_of!(Settings, near_v6_place), 32);
        assert_eq!(offset_of!(Settings, near_v4), 40);
        assert_eq!(offset_of!(Settings, near_v4_place), 44);
        assert_eq!(offset_of!(Settings, port), 52);
        assert_eq!(offset_of!(Settings, shut), 54);
        assert_eq!(size_of::<Settings>(), 56);
    }
}
