//! Patterns of `include:` lines, to the files they name.

use glob::{MatchOptions, glob_with};
use std::path::{Path, PathBuf};

/// Most paths the braces of one pattern may open out to.
const MAX_BRACES: usize = 1000;

/// Where the paths in a file lead.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    /// The folder that `directory:` named.
    pub base: PathBuf,
    /// The folder that is the root already: paths in the files still start with it.
    pub chroot: Option<PathBuf>,
    /// A folder, and the one that is looked at in its stead.
    pub staged: Option<(PathBuf, PathBuf)>,
}

/// The files that `pattern` names, sorted; none when a pattern with wildcards matches nothing, as in Unbound.
///
/// # Errors
/// What is wrong with the pattern, or what could not be read, for a message that names the line.
pub(super) fn expand(pattern: &str, place: &Place) -> Result<Vec<PathBuf>, String> {
    if pattern.is_empty() {
        return Err("the file name is empty".into());
    }
    if !pattern.contains(['*', '?', '[', '{', '~']) {
        return Ok(vec![place.resolve(pattern)]);
    }
    let mut patterns = Vec::new();
    open_braces(pattern, &mut patterns)?;
    let mut files = Vec::new();
    for pattern in patterns {
        let path = place.resolve(&home(pattern));
        let path = path.to_str().ok_or("the path is not UTF-8 text")?;
        // A run of stars is one star to glob(3); the crate would take two for any depth of folders.
        let mut path = path.to_owned();
        while path.contains("**") {
            path = path.replace("**", "*");
        }
        let options =
            MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };
        let found = glob_with(&path, options).map_err(|error| format!("bad pattern: {error}"))?;
        for file in found {
            files.push(file.map_err(|error| error.to_string())?);
        }
    }
    Ok(files)
}

/// The folder below which `pattern` finds its files, if it has wildcards.
pub(super) fn folder(pattern: &str, place: &Place) -> Option<PathBuf> {
    let fixed = &pattern[..pattern.find(['*', '?', '[', '{'])?];
    let folder = &fixed[..fixed.rfind('/').map_or(0, |slash| slash + 1)];
    Some(place.resolve(&home(folder.to_owned())))
}

impl Place {
    /// A path against the folder that `directory:` named, without the chroot that this process may be in already, and in
    /// the staged folder where it leads to the one that is staged.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        let path = self.inside(Path::new(path)).unwrap_or_else(|| path.into());
        let path = self.base.join(path);
        let Some((folder, stage)) = &self.staged else { return path };
        // Without a `directory:` a path is relative to where this process is.
        let absolute = std::path::absolute(&path).unwrap_or_else(|_| path.clone());
        absolute.strip_prefix(folder).map_or(path, |rest| stage.join(rest))
    }

    /// Makes `directory` the base of later paths.
    pub(super) fn enter(&mut self, directory: &Path) {
        let directory = self.inside(directory).unwrap_or_else(|| directory.into());
        self.base = self.base.join(directory);
    }

    /// The path as it is seen from within the chroot, when it leads there.
    pub(super) fn inside(&self, path: &Path) -> Option<PathBuf> {
        let rest = path.strip_prefix(self.chroot.as_ref()?).ok()?;
        Some(Path::new("/").join(rest))
    }
}

/// `~/` as the caller's home.
fn home(pattern: String) -> String {
    match (pattern.strip_prefix("~/"), std::env::var("HOME")) {
        (Some(rest), Ok(home)) => format!("{home}/{rest}"),
        _ => pattern,
    }
}

/// `a{b,c}` becomes `ab` and `ac`; the first group first.
fn open_braces(pattern: &str, out: &mut Vec<String>) -> Result<(), String> {
    let mut todo = vec![pattern.to_owned()];
    while let Some(pattern) = todo.pop() {
        if todo.len() + out.len() >= MAX_BRACES {
            return Err(format!("the braces make more than {MAX_BRACES} patterns"));
        }
        let Some((start, parts, end)) = first_group(&pattern) else {
            out.push(pattern);
            continue;
        };
        let (front, back) = (&pattern[..start], &pattern[end..]);
        todo.extend(parts.iter().rev().map(|part| format!("{front}{part}{back}")));
    }
    Ok(())
}

/// The first `{…}` with a comma: where it starts, its parts, and what follows it.
fn first_group(pattern: &str) -> Option<(usize, Vec<&str>, usize)> {
    let start = pattern.find('{')?;
    let mut parts = Vec::new();
    let (mut depth, mut part) = (0usize, start + 1);
    for (at, byte) in pattern.bytes().enumerate().skip(start) {
        match byte {
            b'{' => depth += 1,
            b',' if depth == 1 => {
                parts.push(&pattern[part..at]);
                part = at + 1;
            }
            b'}' if depth == 1 => {
                parts.push(&pattern[part..at]);
                return Some((start, parts, at + 1));
            }
            b'}' => depth -= 1,
            _ => (),
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn braces(pattern: &str) -> Vec<String> {
        let mut out = Vec::new();
        open_braces(pattern, &mut out).unwrap();
        out
    }

    #[test]
    fn braces_open_left_to_right() {
        assert_eq!(braces("/a/{b,c}.{x,y}"), ["/a/b.x", "/a/b.y", "/a/c.x", "/a/c.y"]);
        assert_eq!(braces("{a,b{c,d}}"), ["a", "bc", "bd"]);
        assert_eq!(braces("a{b"), ["a{b"]);
        assert!(open_braces(&"{a,b}".repeat(40), &mut Vec::new()).is_err());
    }

    #[test]
    fn a_pattern_looks_below_a_folder() {
        let base = Path::new("/etc/runbound");
        let place = Place { base: base.into(), ..Place::default() };
        let folder = |pattern| folder(pattern, &place);
        assert_eq!(folder("/srv/lists/*.conf").as_deref(), Some(Path::new("/srv/lists/")));
        assert_eq!(folder("/srv/{a,b}/c*/d").as_deref(), Some(Path::new("/srv/")));
        assert_eq!(folder("*.conf").as_deref(), Some(base));
        assert_eq!(folder("d/?.conf").as_deref(), Some(&*base.join("d/")));
        assert_eq!(folder("/srv/a.conf"), None);
    }

    #[test]
    fn paths_are_relative_to_the_directory_and_lose_the_chroot() {
        let resolve = |path: &str, chroot: Option<&str>| {
            let chroot = chroot.map(PathBuf::from);
            Place { base: "/etc/runbound".into(), chroot, staged: None }.resolve(path)
        };
        assert_eq!(resolve("a.conf", None), Path::new("/etc/runbound/a.conf"));
        assert_eq!(resolve("/b.conf", None), Path::new("/b.conf"));
        assert_eq!(resolve("/jail/c.conf", Some("/jail")), Path::new("/c.conf"));
        assert_eq!(resolve("/jailed/c.conf", Some("/jail")), Path::new("/jailed/c.conf"));
    }

    #[test]
    fn paths_into_a_staged_folder_lead_to_the_stage() {
        let staged = Some(("/etc/runbound".into(), "/etc/runbound/.new".into()));
        let mut place = Place { staged, ..Place::default() };
        assert_eq!(place.resolve("/etc/runbound/lists/*.conf"), Path::new("/etc/runbound/.new/lists/*.conf"));
        assert_eq!(place.resolve("/etc/runbounder/a"), Path::new("/etc/runbounder/a"));
        place.enter(Path::new("/etc/runbound/lists"));
        assert_eq!(place.resolve("a.conf"), Path::new("/etc/runbound/.new/lists/a.conf"));
        assert_eq!(place.resolve("/elsewhere"), Path::new("/elsewhere"));
    }
}
