//! The ACPI power button: what `qm shutdown` presses when the guest agent is not on.
//!
//! The kernel's button driver is an input device. Every device below /dev/input that can send KEY_POWER counts: machines
//! have one for the button, and some another one for the firmware's fixed button.

use crate::service::{Event, Service, Status};
use runbound::number;
use rustix::event::PollFlags;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// `struct input_event` of a 64-bit kernel: time (2 × 8 octets), type, code (2 octets each), value (4).
const EVENT: usize = 24;
/// `EV_KEY`: a key or button.
const EV_KEY: u16 = 1;
/// `KEY_POWER`.
const KEY_POWER: u16 = 116;
/// Value of an event when the key goes down; 0 is up, 2 a repetition.
const PRESSED: i32 = 1;

/// One power button.
pub struct PowerButton {
    device: OwnedFd,
    path: PathBuf,
    /// Octets of an event that is not whole yet.
    rest: Vec<u8>,
}

impl PowerButton {
    /// All power buttons of this machine. None is told in one line.
    pub fn open_all() -> Vec<PowerButton> {
        let buttons: Vec<PowerButton> = paths(Path::new("/")).into_iter().filter_map(PowerButton::open).collect();
        if buttons.is_empty() {
            log::info!("power button: none found; shut down by the guest agent instead");
        }
        buttons
    }

    fn open(path: PathBuf) -> Option<PowerButton> {
        match rustix::fs::open(&path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()) {
            Ok(device) => Some(PowerButton { device, path, rest: Vec::new() }),
            Err(cause) => {
                log::warn!("power button: {}: {cause}; shut down by the guest agent instead", path.display());
                None
            }
        }
    }
}

/// The devices below `root` that can send KEY_POWER. A device that does not tell what it can send is tried.
fn paths(root: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(root.join("sys/class/input")) else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.file_name());
    let names = names.filter(|name| name.as_encoded_bytes().starts_with(b"event"));
    let capable = names.filter(|name| {
        let keys = root.join("sys/class/input").join(name).join("device/capabilities/key");
        fs::read_to_string(keys).map_or(true, |keys| has_key(&keys, KEY_POWER))
    });
    let mut paths: Vec<PathBuf> = capable.map(|name| root.join("dev/input").join(name)).collect();
    paths.sort();
    paths
}

/// Whether a bitmap of sysfs (64-bit words in hexadecimal, the highest first) has the bit of `key`.
fn has_key(bitmap: &str, key: u16) -> bool {
    let word = bitmap.split_whitespace().rev().nth(usize::from(key / 64));
    word.and_then(|word| number::read_hex(word, 0..=u64::MAX).ok()).is_some_and(|word| word >> (key % 64) & 1 == 1)
}

/// Takes whole events off the front of `octets`; whether one is a press of the power button.
fn pressed(octets: &mut Vec<u8>) -> bool {
    let whole = octets.len() - octets.len() % EVENT;
    let is_press = |event: &[u8]| {
        let half = |at: usize| event.get(at..at + 2).and_then(|octets| octets.try_into().ok()).map(u16::from_ne_bytes);
        let value = event.get(20..24).and_then(|octets| octets.try_into().ok()).map(i32::from_ne_bytes);
        (half(16), half(18), value) == (Some(EV_KEY), Some(KEY_POWER), Some(PRESSED))
    };
    octets.drain(..whole).as_slice().chunks_exact(EVENT).any(is_press)
}

impl Service for PowerButton {
    fn name(&self) -> &'static str {
        "power button"
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.device.as_fd())
    }

    fn turn(&mut self, _readiness: PollFlags, _now: Instant, _status: &Status) -> Vec<Event> {
        let mut chunk = [0; 64 * EVENT];
        let gone = |why: String| vec![Event::Close(format!("power button: {}: {why}", self.path.display()))];
        match rustix::io::read(&self.device, &mut chunk) {
            Ok(0) => gone("the device is gone".into()),
            Ok(len) => {
                self.rest.extend_from_slice(chunk.get(..len).unwrap_or_default());
                if pressed(&mut self.rest) { vec![Event::PowerOff("the power button".into())] } else { Vec::new() }
            }
            Err(Errno::AGAIN | Errno::INTR) => Vec::new(),
            Err(cause) => gone(cause.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    fn event(kind: u16, code: u16, value: i32) -> Vec<u8> {
        [&[7; 16][..], &kind.to_ne_bytes(), &code.to_ne_bytes(), &value.to_ne_bytes()].concat()
    }

    fn button() -> (UnixStream, PowerButton) {
        let (host, guest) = UnixStream::pair().unwrap();
        guest.set_nonblocking(true).unwrap();
        (host, PowerButton { device: guest.into(), path: "/dev/input/event0".into(), rest: Vec::new() })
    }

    fn turn(button: &mut PowerButton) -> Vec<Event> {
        button.turn(PollFlags::IN, Instant::now(), &Status::default())
    }

    #[test]
    fn a_press_powers_off_and_nothing_else_does() {
        let (mut host, mut button) = button();
        assert_eq!(turn(&mut button), []);
        // Another key, the release, a repetition, the end of a report, a switch of the same number.
        for other in [event(1, 30, 1), event(1, 116, 0), event(1, 116, 2), event(0, 0, 0), event(5, 116, 1)] {
            host.write_all(&other).unwrap();
            assert_eq!(turn(&mut button), []);
        }
        let press = [event(1, 116, 1), event(0, 0, 0)].concat();
        host.write_all(&press[..10]).unwrap();
        assert_eq!(turn(&mut button), []);
        host.write_all(&press[10..]).unwrap();
        assert_eq!(turn(&mut button), [Event::PowerOff("the power button".into())]);
        assert_eq!(turn(&mut button), []);
    }

    #[test]
    fn a_device_that_goes_away_is_dropped() {
        let (host, mut button) = button();
        drop(host);
        assert!(matches!(turn(&mut button).as_slice(), [Event::Close(why)] if why.contains("event0")));
    }

    #[test]
    fn buttons_are_told_from_keyboards_and_mice() {
        // As QEMU's machines show them: the power button, a keyboard, a mouse.
        assert!(has_key("10000000000000 0\n", KEY_POWER));
        assert!(has_key("402000000 3803078f800d001 feffffdfffefffff fffffffffffffffe", 30));
        assert!(!has_key("1f0000 0 0 0 0\n", KEY_POWER));
        assert!(!has_key("", KEY_POWER) && !has_key("xyz 0", KEY_POWER));
    }

    #[test]
    fn devices_are_found_by_what_they_can_send() {
        let root = std::env::temp_dir().join(format!("runbound-power-{}", std::process::id()));
        for (name, keys) in [("event0", "10000000000000 0\n"), ("event1", "1f0000 0 0 0 0\n"), ("mouse0", "1 0\n")] {
            let folder = root.join("sys/class/input").join(name).join("device/capabilities");
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("key"), keys).unwrap();
        }
        fs::create_dir_all(root.join("sys/class/input/event2")).unwrap();
        let found = paths(&root);
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(found, [root.join("dev/input/event0"), root.join("dev/input/event2")]);
        assert!(paths(&root).is_empty());
    }

    proptest! {
        #[test]
        fn any_octets_are_taken(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut rest = octets.clone();
            pressed(&mut rest);
            prop_assert_eq!(rest.len(), octets.len() % EVENT);
        }
    }
}
