//! What is where a server is to make its files and sockets. Looked at only: nothing is made, nothing is opened.

use super::unit::Unit;
use crate::sys::place::{self, Place, PlaceError};
use crate::sys::privileges::{self, User};
use rustix::fs::{Access, FileType, access};
use rustix::io::Errno;
use rustix::net::SocketAddrUnix;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The extended attribute that an access control list lies in (acl(5)).
const ACCESS_LIST: &str = "system.posix_acl_access";

/// What a path is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// A unix socket is to be made there.
    Socket,
    /// A file is to be made or written there.
    File,
    /// A folder is to be there.
    Folder,
    /// A file is there, and others are to take its place: its folder is written to.
    Replaced,
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
    /// The user may not write to its folder; looked at for [`Use::Replaced`] alone.
    NotWritable,
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

/// Looks at paths. `user` is who the process is going to be; without one it may be who the unit names.
pub(super) fn look(paths: &[(&'static str, PathBuf, Use)], user: Option<&User>, unit: Option<&Unit>) -> Vec<PathProbe> {
    let of_unit = unit.and_then(|unit| unit.value("User")).and_then(privileges::find_user);
    let look = |(directive, path, wanted): &(&'static str, PathBuf, Use)| match wanted {
        Use::Replaced => {
            let path = path.canonicalize().unwrap_or_else(|_| path.clone());
            let state = replaced(&path, user.or(of_unit.as_ref()));
            PathProbe { directive, path, wanted: *wanted, state }
        }
        _ => {
            let state = state(path, *wanted, user.map(|user| user.uid));
            PathProbe { directive, path: path.clone(), wanted: *wanted, state }
        }
    };
    paths.iter().map(look).collect()
}

/// Looks at a file that others are to take the place of; `user` is who does that, without one who looks.
fn replaced(path: &Path, user: Option<&User>) -> PathState {
    let folder = folder(path, Use::Replaced);
    let may_write = |user: &User| {
        let mut ways = folder.ancestors().filter(|way| !way.as_os_str().is_empty());
        ways.all(|way| allows(way, user, if way == folder { 0o3 } else { 0o1 }))
    };
    match folder.metadata() {
        Err(cause) if cause.kind() == ErrorKind::NotFound => return PathState::NoFolder,
        Err(_) => return PathState::Unknown,
        Ok(found) if !found.is_dir() => return PathState::NotAFolder,
        Ok(_) => {}
    }
    let tried = access(folder, Access::WRITE_OK);
    match user.filter(|user| user.uid != 0) {
        _ if tried == Err(Errno::ROFS) => PathState::ReadOnly,
        Some(user) if !may_write(user) => PathState::NotWritable,
        None if tried.is_err() => PathState::NotWritable,
        _ => PathState::Good,
    }
}

/// Whether the mode of a folder lets a user do what these bits say. Where an access control list says more, it is taken to.
fn allows(folder: &Path, user: &User, bits: u32) -> bool {
    let Ok(found) = folder.metadata() else { return true };
    if rustix::fs::getxattr(folder, ACCESS_LIST, &mut [0u8; 0][..]).is_ok_and(|len| len > 0) {
        return true;
    }
    let shift = match () {
        () if found.uid() == user.uid => 6,
        () if user.groups.contains(&found.gid()) => 3,
        () => 0,
    };
    found.mode() >> shift & bits == bits
}

/// Looks at a path; `user` is who the process is going to be.
fn state(path: &Path, wanted: Use, user: Option<u32>) -> PathState {
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
    fn a_file_that_others_take_the_place_of_needs_a_folder_that_its_user_may_write_to() {
        use std::os::unix::fs::PermissionsExt;
        let home = std::env::temp_dir().join(format!("runbound-path-replaced-{}", std::process::id()));
        std::fs::create_dir_all(&home).unwrap();
        let owner = home.metadata().unwrap();
        let user = |uid: u32, group: u32| User { name: "u".into(), uid, gid: group, groups: vec![group, 7] };
        let (own, other) = (user(owner.uid(), owner.gid()), user(owner.uid() + 1, owner.gid() + 1));
        let group = user(owner.uid() + 1, owner.gid());
        let file = home.join("root.key");
        let looked = |mode: u32, user: &User| {
            std::fs::set_permissions(&home, std::fs::Permissions::from_mode(mode)).unwrap();
            let probes = look(&[("auto-trust-anchor-file", file.clone(), Use::Replaced)], Some(user), None);
            probes[0].state.clone()
        };
        assert_eq!((looked(0o755, &other), looked(0o777, &other)), (PathState::NotWritable, PathState::Good));
        assert_eq!((looked(0o755, &group), looked(0o775, &group)), (PathState::NotWritable, PathState::Good));
        assert_eq!(looked(0o755, &own), PathState::Good);
        let below =
            look(&[("a", home.join("no/k"), Use::Replaced), ("a", file.join("k"), Use::Replaced)], Some(&own), None);
        assert!(below.iter().all(|probe| probe.state == PathState::NoFolder), "{below:?}");
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
