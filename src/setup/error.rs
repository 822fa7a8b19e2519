//! What stood in the way of a step.

use std::path::Path;
use std::{fmt, io};

/// A step that failed. Displayed as `path: cause; fix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupError(String);

impl SetupError {
    pub(super) fn new(path: &Path, cause: &str, fix: &str) -> Self {
        Self(format!("{}: {cause}; {fix}", path.display()))
    }

    /// An operation on `path` that failed.
    pub(super) fn io(path: &Path, cause: &io::Error) -> Self {
        let fix = match cause.kind() {
            io::ErrorKind::PermissionDenied if rustix::process::geteuid().is_root() => {
                "an attribute (lsattr), a security module or the file system forbids it even to root"
            }
            io::ErrorKind::PermissionDenied => "run it as root",
            io::ErrorKind::ReadOnlyFilesystem => "mount its file system read-write",
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on its file system",
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                "a file stands where a directory should be; move it away"
            }
            io::ErrorKind::IsADirectory => "a directory stands where a file should be; move it away",
            _ => "mend that and run it again, it goes on where it stopped",
        };
        Self::new(path, &cause.to_string(), fix)
    }

    /// A command that failed, with what it said.
    pub(super) fn command(line: &str, said: &str, fix: &str) -> Self {
        Self(format!("`{line}` failed: {}; {fix}", said.trim().replace('\n', ", ")))
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SetupError {}
