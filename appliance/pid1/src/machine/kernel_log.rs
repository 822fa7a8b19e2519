//! What the kernel wrote into its log before PID 1 was there, and nobody but PID 1 can tell: the console that shows it is
//! then the screen's.

use runbound::number;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// The kernel's words before the cause, when a part of the initramfs did not come out of its archive.
const UNPACKING: &str = "Initramfs unpacking failed: ";
/// Records looked at: a boot has some hundred before PID 1.
const MOST: usize = 10_000;
/// A record is no longer (CONSOLE_EXT_LOG_MAX); for a shorter buffer the kernel gives an error in place of it.
const RECORD: usize = 8192;

/// Says what the kernel said of the initramfs, if it did. To be called once, at the boot.
pub fn tell() {
    match records() {
        Ok(records) => records.iter().filter_map(|record| unpacking_failed(record)).take(1).for_each(|cause| {
            log::error!(
                "the kernel did not unpack all of the image's files ({cause}): drivers may be missing; give the machine \
                 more memory, and if it has 192 MB, write the image anew"
            );
        }),
        Err(cause) => log::warn!("/dev/kmsg: {cause}; what the kernel says of the boot is not known"),
    }
}

/// The records that are there now.
fn records() -> Result<Vec<String>, Errno> {
    let log = rustix::fs::open("/dev/kmsg", OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
    let mut found = Vec::new();
    let mut buffer = vec![0; RECORD];
    for _ in 0..MOST {
        match rustix::io::read(&log, &mut buffer[..]) {
            Ok(0) | Err(Errno::AGAIN) => break,
            Ok(length) => found.push(String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into_owned()),
            // The oldest were written over meanwhile.
            Err(Errno::PIPE | Errno::INTR) => {}
            Err(cause) => return Err(cause),
        }
    }
    Ok(found)
}

/// The cause in a record (`6,339,5140900,-;text`, further lines behind it) that says so. Records of programs have another
/// facility than the kernel's, 0, hence a number of 8 or more.
fn unpacking_failed(record: &str) -> Option<&str> {
    let (head, text) = record.split_once(';')?;
    let is_kernels = number::read(head.split(',').next()?, 0..=7).is_ok();
    text.lines().next()?.strip_prefix(UNPACKING).filter(|_| is_kernels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_that_was_not_unpacked_whole_is_known_by_the_kernels_words() {
        let record = "0,305,412345,-;Initramfs unpacking failed: write error\n SUBSYSTEM=x\n";
        assert_eq!(unpacking_failed(record), Some("write error"));
        for other in [
            "12,305,412345,-;Initramfs unpacking failed: write error\n",
            "6,305,412345,-;Freeing initrd memory: 26064K\n",
            "6,305,412345,-;x: Initramfs unpacking failed: write error\n",
            "x,305;Initramfs unpacking failed: write error",
            "Initramfs unpacking failed: write error",
            "",
            ";",
        ] {
            assert_eq!(unpacking_failed(other), None, "{other}");
        }
    }
}
