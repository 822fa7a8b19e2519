//! The configuration as text that a channel for text carries: a tar, packed by gzip, in base64.

use crate::configuration::store::CONFIGURATION;
use base64::engine::general_purpose::STANDARD;
use base64::write::EncoderWriter;
use flate2::Compression;
use flate2::write::GzEncoder;
use runbound::backup;
use std::io::{self, Write};
use std::path::Path;

/// All files of the configuration in `folder`, as at most `most` octets of text, and what was left out, a line each. Nothing
/// is written anywhere.
///
/// # Errors
/// Why there is none, one line.
pub fn text(folder: &Path, most: usize) -> Result<(Vec<u8>, Vec<String>), String> {
    let mut room = Room { octets: Vec::new(), most, full: false };
    let mut packed = GzEncoder::new(EncoderWriter::new(&mut room, &STANDARD), Compression::default());
    let written = backup::write(&folder.join(CONFIGURATION), &mut packed, None);
    let ended = packed.finish().and_then(|mut base64| base64.finish().map(|_| ()));
    if room.full {
        return Err(format!(
            "the backup is longer than the {most} octets that are kept for it here; save it with: backup NAME.tar"
        ));
    }
    let notes = written?.notes;
    ended.map_err(|cause| cause.to_string())?;
    room.octets.push(b'\n');
    Ok((room.octets, notes))
}

/// Octets up to a bound.
struct Room {
    octets: Vec<u8>,
    most: usize,
    full: bool,
}

impl Write for Room {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.full |= self.octets.len() + octets.len() >= self.most;
        if self.full {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.octets.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use base64::Engine;
    use flate2::read::GzDecoder;
    use std::fs;
    use std::io::Read;
    use std::path::PathBuf;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("runbound-archive-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_the_text_holds_can_be_restored() {
        let (from, to) = (Folder::new("from"), Folder::new("to"));
        let configuration = "server:\n    local-data: \"own.test. A 192.0.2.11\"\ninclude: \"lists/*.conf\"\n\
            forward-zone:\n    name: \".\"\n    forward-addr: 192.0.2.1\n";
        fs::write(from.0.join("unbound.conf"), configuration).unwrap();
        fs::create_dir(from.0.join("lists")).unwrap();
        fs::write(from.0.join("lists/a.conf"), "server:\n".repeat(10_000)).unwrap();
        std::os::unix::fs::symlink("lists", from.0.join("link")).unwrap();
        let (text, notes) = text(&from.0, 1 << 20).unwrap();
        assert_eq!(notes, [format!("left out {}: a symbolic link", from.0.join("link").display())]);
        assert!(text.is_ascii() && text.len() < 4096, "{}", text.len());
        let mut tar = Vec::new();
        GzDecoder::new(&STANDARD.decode(text.trim_ascii()).unwrap()[..]).read_to_end(&mut tar).unwrap();
        assert_eq!(backup::restore(&to.0.join("unbound.conf"), &mut &tar[..], None).unwrap().files, 2);
        assert_eq!(fs::read_to_string(to.0.join("unbound.conf")).unwrap(), configuration);
        assert_eq!(fs::read(from.0.join("lists/a.conf")).unwrap(), fs::read(to.0.join("lists/a.conf")).unwrap());
    }

    #[test]
    fn one_that_is_too_long_is_refused_whole_and_says_what_to_do() {
        let from = Folder::new("long");
        fs::write(from.0.join("unbound.conf"), "server:\n").unwrap();
        for most in 0..200 {
            let refused = text(&from.0, most);
            if let Err(cause) = refused {
                assert!(cause.contains(&format!("{most} octets")) && cause.contains("backup NAME.tar"), "{cause}");
            } else {
                assert!(refused.unwrap().0.len() <= most);
            }
        }
        assert!(text(&from.0.join("nowhere"), 1 << 20).unwrap_err().contains("nowhere"));
    }
}
