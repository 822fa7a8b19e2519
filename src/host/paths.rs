//! What is where a server is to make its files and sockets. Looked at only: nothing is made, nothing is opened.

use crate::sys::place::{self, Place, PlaceError};
use rustix::fs::{Access, FileType, access};
use rustix::io::Errno;
use rustix::net::SocketAddrUnix;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What a path is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// A unix socket is to be made there.
    Socket,
    /// A file is to be made or written there.
    File,
    /// A folder is to be there.
    Folder,
}

/// What was found at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathProbe {
    /// The directive that names it.
    pub directive: &'static str,
    /// Where.
    pub path: PathBuf,
    /// What for.
    pub wanted: Use,
    /// How it looks.
    pub state: PathState,
}

/// How a path looks for what it is wanted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathState {
    /// Nothing is in the way.
    Good,
    /// The folder it is to be in, or that it is to be, is not there.
    NoFolder,
    /// Something else than a folder has the folder's name.
    NotAFolder,
    /// Something has its name that cannot be replaced: no socket where a socket is to be, no file where a file is to be.
    InTheWay,
    /// Its file system is mounted read-only.
    ReadOnly,
    /// The file's name is a link, or another file's name as well where other users may put one: it is not opened.
    NotPlain(String),
    /// On the way is a link where other users may put one: it is not followed.
    SharedLink(PathBuf),
    /// The path does not fit into the address of a socket (sockaddr_un, unix(7)).
    TooLong,
    /// It cannot be seen, for want of a privilege for instance.
    Unknown,
}

impl PathProbe {
    /// The folder that must be there: the path itself, or the one it is in.
    pub fn folder(&self) -> &Path {
        folder(&self.path, self.wanted)
    }
}

fn folder(path: &Path, wanted: Use) -> &Path {
    let parent = || path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if wanted == Use::Folder { path } else { parent() }
}

/// Looks at a path; `user` is who the process is going to be.
pub(super) fn state(path: &Path, wanted: Use, user: Option<u32>) -> PathState {
    if wanted == Use::Socket && SocketAddrUnix::new(path).is_err() {
        return PathState::TooLong;
    }
    let folder = folder(path, wanted);
    if let Err(error) = place::folder(folder) {
        return state_of(error);
    }
    if wanted == Use::Folder {
        return PathState::Good;
    }
    let place = match Place::find(path) {
        Ok(place) => place.for_user(user),
        Err(error) => return state_of(error),
    };
    match (wanted, place.stat().map(|stat| FileType::from_raw_mode(stat.st_mode))) {
        (Use::Socket, Ok(FileType::Socket)) => {}
        (_, Err(cause)) if cause.kind() == ErrorKind::NotFound => {}
        (Use::Socket, Ok(_)) | (_, Ok(FileType::Directory)) => return PathState::InTheWay,
        (_, Ok(_)) => {
            if let Err(error) = place.look() {
                return state_of(error);
            }
        }
        (_, Err(_)) => return PathState::Unknown,
    }
    // A file that is there may be written although its folder may not: a device, a file mounted alone.
    let tried = if wanted == Use::File && path.exists() { path } else { folder };
    if access(tried, Access::WRITE_OK) == Err(Errno::ROFS) { PathState::ReadOnly } else { PathState::Good }
}

fn state_of(error: PlaceError) -> PathState {
    match error {
        PlaceError::SharedLink(link) => PathState::SharedLink(link),
        PlaceError::Link | PlaceError::Strange => PathState::NotPlain(error.to_string()),
        PlaceError::System(cause) => match cause.kind() {
            ErrorKind::NotFound => PathState::NoFolder,
            ErrorKind::NotADirectory => PathState::NotAFolder,
            ErrorKind::IsADirectory => PathState::InTheWay,
            _ => PathState::Unknown,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn links_that_a_start_does_not_follow_are_seen() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let home = std::env::temp_dir().join(format!("runbound-path-links-{}", std::process::id()));
        std::fs::create_dir_all(home.join("shared")).unwrap();
        std::fs::set_permissions(home.join("shared"), std::fs::Permissions::from_mode(0o777)).unwrap();
        symlink("none", home.join("link")).unwrap();
        symlink(&home, home.join("shared/link")).unwrap();
        assert!(matches!(state(&home.join("link"), Use::File, None), PathState::NotPlain(_)));
        assert_eq!(state(&home.join("link"), Use::Socket, None), PathState::InTheWay);
        let shared = home.join("shared/link");
        assert_eq!(state(&shared.join("new"), Use::File, None), PathState::SharedLink(shared.clone()));
        assert_eq!(state(&shared.join("new"), Use::Socket, None), PathState::SharedLink(shared.clone()));
        assert_eq!(state(&shared, Use::Folder, None), PathState::SharedLink(shared.clone()));
        std::fs::remove_dir_all(&home).unwrap();
    }

    #[test]
    fn paths_are_looked_at_as_they_will_be_used() {
        let home = std::env::temp_dir().join(format!("runbound-paths-{}", std::process::id()));
        std::fs::create_dir_all(&home).unwrap();
        let (file, socket) = (home.join("file"), home.join("socket"));
        std::fs::write(&file, "").unwrap();
        let _listener = UnixListener::bind(&socket).unwrap();
        let cases = [
            (home.join("new"), [PathState::Good, PathState::Good, PathState::NoFolder]),
            (file.clone(), [PathState::InTheWay, PathState::Good, PathState::NotAFolder]),
            (socket, [PathState::Good, PathState::Good, PathState::NotAFolder]),
            (home.clone(), [PathState::InTheWay, PathState::InTheWay, PathState::Good]),
            (home.join("no/new"), [PathState::NoFolder, PathState::NoFolder, PathState::NoFolder]),
            (file.join("new"), [PathState::NotAFolder, PathState::NotAFolder, PathState::NotAFolder]),
        ];
        for (path, states) in cases {
            for (wanted, expected) in [Use::Socket, Use::File, Use::Folder].into_iter().zip(states) {
                assert_eq!(state(&path, wanted, None), expected, "{} as {wanted:?}", path.display());
            }
        }
        let long = format!("/tmp/{}", "x".repeat(104));
        assert_eq!(state(Path::new(&long), Use::Socket, None), PathState::TooLong, "109 octets");
        assert_eq!(state(Path::new(&long[..108]), Use::Socket, None), PathState::Good, "108 octets");
        assert_eq!(state(Path::new("new"), Use::File, None), PathState::Good, "in the working directory");
        std::fs::remove_dir_all(&home).unwrap();
    }
}
