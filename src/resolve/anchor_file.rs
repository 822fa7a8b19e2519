//! The files of anchors that follow their zones' keys (RFC 5011), written.

use crate::whole_file;
use std::io::{self, Write};
use std::path::Path;

/// What is in it is public.
const MODE: u32 = 0o644;

/// Writes the text of what is known of a zone's keys ([`crate::validate::autotrust::Point::text`]) to `path`: whenever the process or the power ends, the file is there as it was or as it
/// is to be. A link stays one.
///
/// # Errors
/// Why it could not be written, and what to do; the file is as it was.
pub fn write(path: &Path, text: &str) -> Result<(), String> {
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    whole_file::write(&target, MODE, |file| file.write_all(text.as_bytes())).map_err(|cause: io::Error| {
        let fix = match cause.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "; its folder must be writable by the user that the server runs as (username:), for a new file takes the \
                 place of the old one"
            }
            _ => "",
        };
        format!("auto-trust-anchor-file: cannot write {}: {cause}{fix}", target.display())
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::validate::autotrust::Point;
    use std::fs;
    use std::path::PathBuf;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    /// The file that the child process writes.
    const FILE: &str = "RUNBOUND_TEST_ANCHOR_FILE";

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("runbound-anchor-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Folder(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn point(number: u32) -> Point {
        Point { zone: vec![0], class: 1, queried: u64::from(number), interval: number, ..Point::default() }
    }

    /// The number that a whole file was written with.
    fn number_of(text: &str) -> Option<u32> {
        let (_, rest) = text.split_once(";;query_interval: ")?;
        let number = crate::number::read(rest.lines().next()?, 0..=u32::MAX).ok()?;
        (text == point(number).text()).then_some(number)
    }

    /// What the next test has a process of its own do, until it is killed.
    #[test]
    #[ignore = "is a part of a_kill_at_any_point_leaves_a_whole_file"]
    fn writes_for_ever() {
        let path = PathBuf::from(std::env::var_os(FILE).unwrap());
        (1..=u32::MAX).for_each(|number| write(&path, &point(number).text()).unwrap());
    }

    #[test]
    fn a_kill_at_any_point_leaves_a_whole_file() {
        let folder = Folder::new("kill");
        let path = folder.0.join("root.key");
        write(&path, &point(0).text()).unwrap();
        let mut furthest = 0;
        for round in 0..40u64 {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "resolve::anchor_file::tests::writes_for_ever", "--ignored"])
                .env(FILE, &path)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            // Until it has begun to write; then somewhere among its writes.
            let (begun, before) = (Instant::now(), fs::read_to_string(&path).unwrap());
            while fs::read_to_string(&path).unwrap() == before && begun.elapsed() < Duration::from_secs(60) {
                std::thread::sleep(Duration::from_micros(200));
            }
            std::thread::sleep(Duration::from_micros(round * 137));
            child.kill().unwrap();
            child.wait().unwrap();
            let text = fs::read_to_string(&path).unwrap();
            furthest = furthest.max(number_of(&text).unwrap_or_else(|| panic!("torn: {text}")));
        }
        assert!(furthest > 0);
        // What was left half written is in nobody's way.
        write(&path, &point(7).text()).unwrap();
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
    }

    #[test]
    fn a_link_stays_and_a_folder_that_cannot_be_written_is_told_with_the_fix() {
        let folder = Folder::new("link");
        let (there, link) = (folder.0.join("there"), folder.0.join("link"));
        fs::write(&there, "").unwrap();
        std::os::unix::fs::symlink("there", &link).unwrap();
        write(&link, &point(3).text()).unwrap();
        assert_eq!(number_of(&fs::read_to_string(&there).unwrap()), Some(3));
        assert!(link.is_symlink());
        let error = write(Path::new("/proc/1/root.key"), &point(1).text()).unwrap_err();
        assert!(error.starts_with("auto-trust-anchor-file: cannot write /proc/1/root.key: "), "{error}");
    }
}
