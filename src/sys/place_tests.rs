//! Links are followed where only root and this user can have put them. Run as any user.

use super::*;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

const WRITE: OFlags = OFlags::WRONLY.union(OFlags::APPEND);

/// A folder of this user, and one in it that everybody may write to.
struct Home(PathBuf);

impl Home {
    fn new(name: &str) -> Home {
        let top = std::env::temp_dir().join(format!("runbound-place-{name}-{}", std::process::id()));
        fs::create_dir_all(top.join("shared/below")).unwrap();
        fs::create_dir_all(top.join("own")).unwrap();
        fs::set_permissions(top.join("shared"), Permissions::from_mode(0o777)).unwrap();
        fs::write(top.join("victim"), "untouched").unwrap();
        Home(top)
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    fn open(&self, path: &str) -> Result<bool, PlaceError> {
        let (mut file, made) = Place::find(&self.at(path))?.open_or_make(WRITE)?;
        file.write_all(b"line\n")?;
        Ok(made)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn no_link_is_followed_in_the_last_part() {
    let home = Home::new("last");
    for folder in ["own", "shared"] {
        symlink(home.at("victim"), home.at(folder).join("link")).unwrap();
        symlink(home.at("none"), home.at(folder).join("dangling")).unwrap();
        for name in ["link", "dangling"] {
            let path = format!("{folder}/{name}");
            assert!(matches!(home.open(&path), Err(PlaceError::Link)), "{path}");
            assert!(matches!(Place::find(&home.at(&path)).unwrap().look(), Err(PlaceError::Link)), "{path}");
        }
    }
    assert_eq!(fs::read(home.at("victim")).unwrap(), b"untouched");
    assert!(!home.at("none").exists());
}

#[test]
fn a_link_on_the_way_is_followed_where_only_its_owner_can_have_put_it() {
    let home = Home::new("way");
    symlink("own", home.at("to-own")).unwrap();
    symlink(home.at("own"), home.at("shared/to-own")).unwrap();
    symlink(home.at("own"), home.at("shared/below/to-own")).unwrap();
    assert!(home.open("to-own/log").unwrap());
    assert!(home.open("to-own/../own/log").is_ok_and(|made| !made), "the same file");
    for path in ["shared/to-own/log", "shared/below/to-own/log"] {
        let refused = home.open(path);
        let link = home.at(path).parent().unwrap().to_owned();
        assert!(matches!(&refused, Err(PlaceError::SharedLink(found)) if *found == link), "{refused:?}");
    }
    assert!(home.open("shared/below/log").unwrap(), "without a link the folder will do");
    fs::set_permissions(home.at("shared"), Permissions::from_mode(0o1777)).unwrap();
    assert!(home.open("shared/to-own/log").is_ok(), "its owner alone can replace a thing in a sticky folder");
    symlink("loop", home.at("loop")).unwrap();
    assert!(matches!(home.open("loop/log"), Err(PlaceError::System(_))));
    assert!(matches!(home.open("victim/log"), Err(PlaceError::System(_))));
}

#[test]
fn in_a_shared_folder_only_a_file_of_one_name_is_taken() {
    let home = Home::new("strange");
    fs::hard_link(home.at("victim"), home.at("shared/hard")).unwrap();
    let _listener = UnixListener::bind(home.at("shared/socket")).unwrap();
    assert!(matches!(home.open("shared/hard"), Err(PlaceError::Strange)));
    assert!(matches!(Place::find(&home.at("shared/hard")).unwrap().look(), Err(PlaceError::Strange)));
    assert!(home.open("shared/socket").is_err());
    assert_eq!(fs::read(home.at("victim")).unwrap(), b"untouched");
    assert!(home.open("shared/new").unwrap());
    assert!(!home.open("shared/new").unwrap());
}

#[test]
fn a_log_that_the_user_has_from_a_run_before_is_taken_and_no_other_users() {
    assert!(rustix::process::geteuid().is_root(), "giving files away needs root: run the tests as root");
    const USER: u32 = 54_321;
    let home = Home::new("given");
    let log = home.at("shared/log");
    let open = |user| Place::find(&log).unwrap().for_user(user).open_or_make(WRITE);
    assert!(open(Some(USER)).unwrap().1);
    std::os::unix::fs::chown(&log, Some(USER), Some(USER)).unwrap();
    assert!(!open(Some(USER)).unwrap().1, "the log of the run before");
    assert!(Place::find(&log).unwrap().for_user(Some(USER)).look().is_ok());
    for other in [None, Some(USER + 1)] {
        assert!(matches!(open(other), Err(PlaceError::Strange)), "{other:?}");
    }
    fs::hard_link(&log, home.at("shared/second")).unwrap();
    assert!(matches!(open(Some(USER)), Err(PlaceError::Strange)), "whoever owns it, by one name only");
}

#[test]
fn calls_with_a_path_come_to_the_folder_that_was_found() {
    let home = Home::new("calls");
    let place = Place::find(&home.at("shared/below/socket")).unwrap();
    fs::rename(home.at("shared/below"), home.at("shared/moved")).unwrap();
    symlink(home.at("own"), home.at("shared/below")).unwrap();
    let _listener = UnixListener::bind(place.call_path()).unwrap();
    assert!(home.at("shared/moved/socket").exists() && !home.at("own/socket").exists());
    let found = place.stat().unwrap();
    place.set_mode(&found, Mode::from_raw_mode(0o600)).unwrap();
    assert_eq!(place.stat().unwrap().st_mode & 0o777, 0o600);
    place.remove().unwrap();
    symlink(home.at("victim"), home.at("shared/moved/socket")).unwrap();
    assert!(place.set_mode(&found, Mode::from_raw_mode(0o666)).is_err(), "something else is there now");
}
