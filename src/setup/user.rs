//! The system user, made and removed by useradd(8) and userdel(8).

use super::{Run, SetupError};
use crate::sys::privileges;
use std::fs;
use std::io;
use std::process::Command;

/// Its name, and its group's.
const NAME: &str = "runbound";
/// Its comment field. Only a user that has it is ours to remove.
const COMMENT: &str = "runbound DNS resolver";

/// What /etc/passwd says of the user.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// No such user.
    No,
    /// The one that `--install` made.
    Ours,
    /// One of the same name that somebody else made.
    Foreign,
}

/// Makes the user if it is not there.
pub(super) fn add(run: &mut Run) -> Result<(), SetupError> {
    let Some(found) = look(run)? else {
        run.note(&format!("skipped user {NAME}: there is no {}", run.path("etc/passwd").display()));
        return Ok(());
    };
    if found != Found::No {
        run.note(&format!("unchanged user {NAME}"));
        return Ok(());
    }
    let mut words = vec!["--system", "--no-create-home", "--home-dir", "/nonexistent"];
    words.extend(["--shell", "/usr/sbin/nologin", "--comment", COMMENT]);
    words.extend(if has_group(run, |_| true) { ["--gid", NAME].as_slice() } else { ["--user-group"].as_slice() });
    command(run, ("made", "make"), "user", "useradd", &words)
}

/// Numbers of the user and its group; `None` where the tree does not have it.
pub(super) fn ids(run: &Run) -> Result<Option<(u32, u32)>, SetupError> {
    let path = run.path("etc/passwd");
    match fs::read_to_string(&path) {
        Ok(text) => Ok(privileges::user_in(&text, "", NAME).map(|user| (user.uid, user.gid))),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(SetupError::io(&path, &cause)),
    }
}

/// Removes the user if it is there and ours.
pub(super) fn remove(run: &mut Run) -> Result<(), SetupError> {
    match look(run)? {
        None | Some(Found::No) => Ok(()),
        Some(Found::Foreign) => {
            run.note(&format!("kept user {NAME}: --install did not make it"));
            Ok(())
        }
        Some(Found::Ours) => {
            command(run, ("removed", "remove"), "user", "userdel", &[])?;
            // userdel takes the group along where login.defs says USERGROUPS_ENAB, as Debian's does.
            let empty = has_group(run, |members| members.is_empty());
            if !run.dry_run && empty { command(run, ("removed", "remove"), "group", "groupdel", &[]) } else { Ok(()) }
        }
    }
}

/// group(5): name:password:gid:members. Whether there is a group of our name whose members are as `fits` wants.
fn has_group(run: &Run, fits: impl Fn(&str) -> bool) -> bool {
    let groups = fs::read_to_string(run.path("etc/group")).unwrap_or_default();
    groups.lines().any(|line| {
        let mut fields = line.split(':');
        fields.next() == Some(NAME) && fits(fields.nth(2).unwrap_or_default())
    })
}

/// `None` when the tree has no user database.
fn look(run: &Run) -> Result<Option<Found>, SetupError> {
    let path = run.path("etc/passwd");
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(look_in(&text))),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(SetupError::io(&path, &cause)),
    }
}

/// passwd(5): name:password:uid:gid:comment:home:shell
fn look_in(passwd: &str) -> Found {
    let mut users = passwd.lines().map(|line| line.split(':'));
    match users.find_map(|mut fields| (fields.next() == Some(NAME)).then(|| fields.nth(3))) {
        None => Found::No,
        Some(Some(COMMENT)) => Found::Ours,
        Some(_) => Found::Foreign,
    }
}

fn command(run: &mut Run, verb: (&str, &str), what: &str, tool: &str, words: &[&str]) -> Result<(), SetupError> {
    let path = format!("/usr/sbin/{tool}");
    let root = (!run.is_host()).then(|| run.root.clone());
    run.step(verb, &format!("{what} {NAME} ({tool})"), || {
        let mut command = Command::new(&path);
        if let Some(root) = root {
            // Not --root, which needs the tool's libraries within the tree.
            command.arg("--prefix").arg(root);
        }
        command.args(words).arg(NAME);
        let line = format!("{command:?}").replace('"', "");
        match command.output() {
            Ok(done) if done.status.success() => Ok(()),
            Ok(done) => Err(SetupError::command(&line, &String::from_utf8_lossy(&done.stderr), "mend that as root")),
            Err(cause) => Err(SetupError::command(&line, &cause.to_string(), "install the package passwd")),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_user_is_ours() {
        let ours = "root:x:0:0:root:/root:/bin/sh\nrunbound:x:999:999:runbound DNS resolver:/nonexistent:/bin/false\n";
        assert_eq!(look_in(ours), Found::Ours);
        assert_eq!(look_in("runbound:x:1000:1000:Run Bound,,,:/home/runbound:/bin/bash\n"), Found::Foreign);
        assert_eq!(look_in("runbound\n"), Found::Foreign);
        assert_eq!(look_in("runboundx:x:1:1:runbound DNS resolver:/:/bin/sh\n"), Found::No);
    }
}
