//! The file with the root's keys that the default configuration names. The server follows the keys there (RFC 5011), so it is the
//! server's from the first start on: one that is there is never written again.

use super::{CONFIGURATION, Run, SetupError, files, user};
use crate::host::STATE_FOLDER;
use crate::whole_file;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{chown, fchown};

/// Below the root.
pub(super) const FILE: &str = "var/lib/runbound/root.key";
/// The root's keys of 2017 and 2024, which it begins with.
const KEYS: &str = include_str!("root.key");
const MODE: u32 = 0o644;

/// Writes the file where there is none and the configuration wants it: `made` has it that this is a new one.
pub(super) fn put(run: &mut Run, made: bool) -> Result<(), SetupError> {
    let path = run.path(FILE);
    let is_named = made || run.text(CONFIGURATION).contains(&format!("/{FILE}"));
    if !is_named || path.symlink_metadata().is_ok() {
        return Ok(());
    }
    let (folder, owner) = (run.path(STATE_FOLDER), user::ids(run)?);
    run.step(("wrote", "write"), &path.display().to_string(), || {
        let failed = |cause: io::Error| SetupError::io(&path, &cause);
        if !folder.exists() {
            fs::create_dir_all(&folder).map_err(failed)?;
            owner.map_or(Ok(()), |(uid, gid)| chown(&folder, Some(uid), Some(gid))).map_err(failed)?;
        }
        // In a folder of the user's no path is given away, the file that was made is.
        let fill = |file: &mut fs::File| {
            owner.map_or(Ok(()), |(uid, gid)| fchown(&*file, Some(uid), Some(gid)))?;
            file.write_all(KEYS.as_bytes())
        };
        whole_file::write(&path, MODE, fill).map_err(failed)
    })
}

/// Removes it, and the folder that systemd made for it; without `purge` only a folder that is empty.
pub(super) fn remove(run: &mut Run, purge: bool) -> Result<(), SetupError> {
    let path = run.path(FILE);
    if path.symlink_metadata().is_ok() {
        if !purge {
            run.note(&format!("kept {}; --purge removes it", path.display()));
            return Ok(());
        }
        files::remove(run, FILE)?;
    }
    files::remove_folder(run, STATE_FOLDER)
}
