//! The file systems of the kernel, where everything expects them.

use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};
use std::ffi::CString;
use std::fs;
use std::path::Path;

/// What is mounted: type, where, options.
const TABLE: [(&str, &str, &str); 7] = [
    ("proc", "/proc", ""),
    ("sysfs", "/sys", ""),
    ("devtmpfs", "/dev", "mode=0755"),
    ("devpts", "/dev/pts", "mode=0620,ptmxmode=0666"),
    ("tmpfs", "/run", "mode=0755,size=16m"),
    ("tmpfs", "/tmp", "mode=1777,size=16m"),
    ("bpf", "/sys/fs/bpf", "mode=0700"),
];

/// Mounts them all. What fails is said; the appliance goes on without.
pub fn mount_all() {
    for (kind, target, options) in TABLE {
        let flags = if kind == "devtmpfs" || kind == "devpts" {
            MountFlags::NOSUID | MountFlags::NOEXEC
        } else {
            MountFlags::NOSUID | MountFlags::NOEXEC | MountFlags::NODEV
        };
        match mount_at(kind, Path::new(target), kind, flags, options) {
            // The kernel mounted it already.
            Ok(()) | Err(Errno::BUSY) => {}
            Err(cause) => log::warn!("mount {kind} at {target}: {cause}; what needs it will say so"),
        }
    }
}

/// Mounts `source` at `target`, which is made when it is missing.
///
/// # Errors
/// mount(2)'s.
pub fn mount_at(source: &str, target: &Path, kind: &str, flags: MountFlags, options: &str) -> Result<(), Errno> {
    // Below a file system that is not there yet it cannot be made; mount says so then.
    let _ = fs::create_dir_all(target);
    let options = CString::new(options).map_err(|_| Errno::INVAL)?;
    mount(source, target, kind, flags, Some(options.as_c_str()))
}

/// Writes a value of sysctl(8); the name with dots or slashes. Returns whether the kernel took it.
pub fn sysctl(name: &str, value: &str) -> bool {
    let path = format!("/proc/sys/{name}");
    // Some take a value only with the line's end, as sysctl(8) writes it.
    let written = fs::write(&path, format!("{value}\n"));
    if let Err(cause) = &written {
        log::warn!("{path} = {value}: {cause}");
    }
    written.is_ok()
}
