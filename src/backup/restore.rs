//! An unpacked tar checked, then put in place.
//!
//! 1. The files are unpacked into a folder within the configuration's, the same file system.
//! 2. What stays beside them is linked in, and the whole is checked as the configuration that is to come.
//! 3. The folder gets the name that says so: from here on the restore is going to happen.
//! 4. Each file is renamed to its place. A start that finds the folder there goes on with this step.

use super::unpack::unpack;
use super::{Summary, folder_of, remove_folder};
use crate::config::{self, Diagnostic};
use crate::whole_file;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::{Path, PathBuf};

/// Being unpacked and checked; worth nothing.
const STAGE: &str = ".runbound-restore.new";
/// Checked; its files are on their way to their places.
const READY: &str = ".runbound-restore.ready";
/// Findings shown of a configuration that is refused.
const FINDINGS_MAX: usize = 3;

/// Replaces the configuration at `configuration`, and what lies beside it, by the files of `tar`. `chroot` is the one this
/// process is in. What is in force does not change before a reload.
///
/// # Errors
/// Why nothing was changed, one line; or what could not be put in place, which the next start tries again.
pub fn restore(configuration: &Path, tar: &mut dyn Read, chroot: Option<&Path>) -> Result<Summary, String> {
    let folder = folder_of(configuration)?;
    let name = configuration.file_name().ok_or_else(|| format!("{} is no file", configuration.display()))?;
    finish(configuration)?;
    let stage = folder.join(STAGE);
    let failed = |cause: io::Error| format!("{}: {cause}", stage.display());
    remove_folder(&stage).and_then(|()| fs::create_dir(&stage)).map_err(failed)?;
    let prepared = unpack(tar, &stage).and_then(|files| {
        let own = name.as_encoded_bytes().starts_with(super::OWN.as_bytes());
        if !own && !files.contains(Path::new(name)) {
            return Err(format!("there is no {} in the tar", name.display()));
        }
        files.iter().try_for_each(|file| check_place(&folder, file))?;
        let notes = check(&folder, &stage, Path::new(name), chroot)?;
        files.iter().for_each(|file| take_owner(&folder, &stage, file));
        sync_folders(&stage).and_then(|()| fs::rename(&stage, folder.join(READY))).map_err(failed)?;
        Ok(Summary { files: files.len(), notes })
    });
    if prepared.is_err() {
        // The error that counts is the first one; the next restore removes it again.
        let _ = remove_folder(&stage);
    }
    let summary = prepared?;
    finish(configuration)?;
    Ok(summary)
}

/// Finishes a restore that was interrupted, as by a power cut: how many files came to their places. To be called before
/// the configuration is read.
///
/// # Errors
/// What could not be put in place; one line.
pub fn finish(configuration: &Path) -> Result<usize, String> {
    let folder = folder_of(configuration)?;
    let ready = folder.join(READY);
    if !fs::symlink_metadata(&ready).is_ok_and(|found| found.is_dir()) {
        return Ok(0);
    }
    let failed = |cause: io::Error| format!("finishing the restore in {}: {cause}", ready.display());
    whole_file::sync_folder(&folder).map_err(failed)?;
    let mut files = Vec::new();
    walk(&ready, Path::new(""), &mut files).map_err(failed)?;
    // The configuration itself comes last: what it includes is there by then.
    files.sort_by_key(|file| Some(file.as_os_str()) == configuration.file_name());
    let mut folders = BTreeSet::from([folder.clone()]);
    for file in &files {
        // Who may write to the folder may have put a link on the way since it was checked.
        check_place(&folder, file)?;
        let place = folder.join(file);
        let parent = place.parent().unwrap_or(&folder);
        fs::create_dir_all(parent).and_then(|()| fs::rename(ready.join(file), &place)).map_err(failed)?;
        folders.extend(parent.ancestors().take_while(|ancestor| ancestor.starts_with(&folder)).map(Path::to_path_buf));
    }
    folders.iter().try_for_each(|folder| whole_file::sync_folder(folder)).map_err(failed)?;
    remove_folder(&ready).and_then(|()| whole_file::sync_folder(&folder)).map_err(failed)?;
    Ok(files.len())
}

/// A file can come to its place when nothing but folders is on the way, and no folder is there.
fn check_place(folder: &Path, file: &Path) -> Result<(), String> {
    let mut place = folder.to_path_buf();
    let mut components = file.components().peekable();
    while let Some(component) = components.next() {
        place.push(component);
        let last = components.peek().is_none();
        match fs::symlink_metadata(&place) {
            Ok(found) if last && found.is_dir() => {
                return Err(format!("{}: a folder is where a file is to go; move it away", place.display()));
            }
            Ok(found) if !last && !found.is_dir() => {
                return Err(format!("{}: no folder, and one is to go there; move it away", place.display()));
            }
            Ok(_) => {}
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(cause) => return Err(format!("{}: {cause}", place.display())),
        }
    }
    Ok(())
}

/// Reads the configuration in `stage` as if it were in `folder` already, between the files that stay there. What else
/// there is to know.
fn check(folder: &Path, stage: &Path, name: &Path, chroot: Option<&Path>) -> Result<Vec<String>, String> {
    let mut lent = Vec::new();
    let result = lend(folder, stage, &mut lent)
        .and_then(|()| lend_own(folder, stage, name, &mut lent))
        .map_err(|cause| format!("{}: {cause}", stage.display()))
        .and_then(|()| config::load_staged(&stage.join(name), chroot, folder, stage).map_err(|errors| shown(&errors)));
    let kept: Vec<String> = match &result {
        Ok(loaded) => {
            let read = loaded.config.files.paths().iter();
            let kept = read.filter(|path| lent.iter().any(|lent| path.starts_with(lent)));
            let kept = kept.filter_map(|path| path.strip_prefix(stage).ok());
            // Of our own files no tar has any, and the user need not know.
            let kept = kept.filter(|path| !path.as_os_str().as_encoded_bytes().starts_with(super::OWN.as_bytes()));
            kept.map(|path| path.display().to_string()).collect()
        }
        Err(_) => Vec::new(),
    };
    for path in lent.iter().rev() {
        super::remove_file(path).map_err(|cause| format!("{}: {cause}", path.display()))?;
    }
    let at_home = |text: String| text.replace(&stage.display().to_string(), &folder.display().to_string());
    let loaded = result.map_err(|text| format!("the configuration in the tar is refused: {}", at_home(text)))?;
    let warnings = loaded.warnings.iter().map(|warning| at_home(warning.to_string()));
    let kept =
        kept.into_iter().map(|file| format!("{file} is not in the tar, stays, and is read by the configuration"));
    Ok(warnings.chain(kept).collect())
}

fn shown(errors: &[Diagnostic]) -> String {
    let mut text: Vec<String> = errors.iter().take(FINDINGS_MAX).map(Diagnostic::to_string).collect();
    if errors.len() > FINDINGS_MAX {
        text.push(format!("and {} more", errors.len() - FINDINGS_MAX));
    }
    text.join("; ")
}

/// A configuration that is one of our own files, which no tar holds, shows as well.
fn lend_own(folder: &Path, stage: &Path, name: &Path, lent: &mut Vec<PathBuf>) -> io::Result<()> {
    if !name.as_os_str().as_encoded_bytes().starts_with(super::OWN.as_bytes()) {
        return Ok(());
    }
    let ours = stage.join(name);
    fs::copy(folder.join(name), &ours)?;
    lent.push(ours);
    Ok(())
}

/// Makes what is in `folder` and not in `stage` show there, too: by links, which a file system like FAT has not, or else
/// by copies. What was made is added to `lent`.
fn lend(folder: &Path, stage: &Path, lent: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(super::OWN.as_bytes()) {
            continue;
        }
        let (theirs, ours) = (entry.path(), stage.join(entry.file_name()));
        let is_folder = entry.file_type()?.is_dir();
        match fs::symlink_metadata(&ours) {
            Ok(found) if found.is_dir() && is_folder => lend(&theirs, &ours, lent)?,
            Ok(_) => {}
            Err(_) if symlink(&theirs, &ours).is_ok() => lent.push(ours),
            Err(_) if is_folder => {
                fs::create_dir(&ours)?;
                lend(&theirs, &ours, lent)?;
            }
            Err(_) if theirs.is_file() => {
                fs::copy(&theirs, &ours)?;
                lent.push(ours);
            }
            Err(_) => {}
        }
    }
    Ok(())
}

/// A file belongs to whom the one it replaces belongs to, or else to the owner of the folder: the server may run as
/// another user than the one who restores.
fn take_owner(folder: &Path, stage: &Path, file: &Path) {
    let before = fs::metadata(folder.join(file)).or_else(|_| fs::metadata(folder));
    let Ok(before) = before else { return };
    if let Err(cause) = chown(stage.join(file), Some(before.uid()), Some(before.gid())) {
        log::debug!("{}: its owner stays: {cause}", file.display());
    }
}

fn sync_folders(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_folders(&entry.path())?;
        }
    }
    whole_file::sync_folder(folder)
}

/// The regular files below `root`, by their paths below it.
fn walk(root: &Path, below: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            walk(root, &path, files)?;
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(())
}
