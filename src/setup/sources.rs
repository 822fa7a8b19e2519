//! Which files the lines `source` and `source-directory` name: ifupdown and the versions of ifupdown2 do not agree on that.

use super::text;
use glob::{MatchOptions, Pattern};
use std::path::{Component, Path, PathBuf};

/// Where ifupdown2 is, and which of its files reads the lines.
const IFUPDOWN2: &str = "usr/share/ifupdown2";
const PARSER: &str = "usr/share/ifupdown2/ifupdown/networkinterfaces.py";
/// As a shell has it, and glob(3).
const AS_SHELL: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// Who reads /etc/network/interfaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Reader {
    /// ifupdown, or nobody that is known.
    #[default]
    Ifupdown,
    /// ifupdown2. `folders`: it knows `source-directory` and paths that are relative to the file, as it does from 3.2 on; Debian's
    /// 3.0 passes them over.
    Ifupdown2 { folders: bool },
}

/// What one word of such a line names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// The files, as seen inside the tree.
    pattern: String,
    /// Those alone whose names are of letters, digits, `_` and `-`.
    plain: bool,
}

impl Reader {
    /// The one that is installed below `root`.
    pub(super) fn of(root: &Path) -> Self {
        if !root.join(IFUPDOWN2).is_dir() {
            return Self::Ifupdown;
        }
        Self::Ifupdown2 { folders: text(&root.join(PARSER)).is_ok_and(|text| text.contains("source-directory")) }
    }

    /// What a line of `file` names, and whether it is passed over. `rest`: what stands behind its first word.
    pub(super) fn sources(self, file: &Path, rest: &str, folder: bool) -> (Vec<Source>, bool) {
        let old = self == Self::Ifupdown2 { folders: false };
        // Each word for ifupdown, as wordexp(3) has it.
        let most = if self == Self::Ifupdown && !folder { usize::MAX } else { 1 };
        let words: Vec<&str> = rest.split_whitespace().take(most).collect();
        let taken = |word: &&&str| !(old && (folder || !word.starts_with('/')));
        let source = |word: &&str| {
            let path = normal(&file.parent().unwrap_or(file).join(word));
            let pattern = if folder { path.join("*") } else { path };
            Source { pattern: pattern.to_string_lossy().into_owned(), plain: folder && self == Self::Ifupdown }
        };
        let sources: Vec<Source> = words.iter().filter(taken).map(source).collect();
        let over = sources.len() < words.len();
        (sources, over)
    }
}

impl Source {
    /// Whether it names `file`, or would if that were there.
    pub(super) fn names(&self, file: &Path) -> bool {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let fits = !self.plain || file.file_name().is_some_and(|name| name.to_string_lossy().chars().all(plain));
        fits && Pattern::new(&self.pattern).is_ok_and(|pattern| pattern.matches_path_with(file, AS_SHELL))
    }

    /// The files that are there below `root`, as seen inside it, in order.
    pub(super) fn files(&self, root: &Path) -> Vec<PathBuf> {
        let inside = self.pattern.trim_start_matches('/');
        let pattern = Path::new(&Pattern::escape(&root.to_string_lossy())).join(inside);
        let found = glob::glob_with(&pattern.to_string_lossy(), AS_SHELL).into_iter().flatten().flatten();
        let seen = found.map(|path| Path::new("/").join(path.strip_prefix(root).unwrap_or(&path)));
        seen.filter(|file| self.names(file)).collect()
    }
}

/// Without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut all, part| {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                all.pop();
            }
            part => all.push(part),
        }
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "/etc/network/interfaces.d/runbound";
    const OLD: Reader = Reader::Ifupdown2 { folders: false };
    const NEW: Reader = Reader::Ifupdown2 { folders: true };

    #[test]
    fn each_reader_takes_what_it_takes() {
        let reads = |reader: Reader, line: &str| {
            let (word, rest) = line.split_once(' ').expect("two words");
            let (sources, over) =
                reader.sources(Path::new("/etc/network/interfaces"), rest, word == "source-directory");
            (sources.iter().any(|source| source.names(Path::new(OURS))), over)
        };
        for (line, [ifupdown, old, new]) in [
            ("source /etc/network/interfaces.d/*", [true; 3]),
            ("source /etc/network/../network//./interfaces.d/*", [true; 3]),
            ("source /etc/network/interfaces.d/run*", [true; 3]),
            ("source /etc/network/interfaces.d/*.cfg", [false; 3]),
            ("source /etc/network/interfaces.d", [false; 3]),
            ("source /etc/network/*", [false; 3]),
            ("source interfaces.d/*", [true, false, true]),
            ("source-directory /etc/network/interfaces.d", [true, false, true]),
            ("source-directory interfaces.d/", [true, false, true]),
            ("source-directory /etc/network", [false; 3]),
            ("source /etc/network/mine /etc/network/interfaces.d/*", [true, false, false]),
        ] {
            let told = [Reader::Ifupdown, OLD, NEW].map(|reader| reads(reader, line).0);
            assert_eq!(told, [ifupdown, old, new], "{line}");
        }
        assert!(reads(OLD, "source interfaces.d/*").1 && reads(OLD, "source-directory /etc/x").1);
        assert!(!reads(OLD, "source /etc/network/mine").1 && !reads(NEW, "source interfaces.d/*").1);
    }

    #[test]
    fn a_folder_has_files_of_plain_names_for_ifupdown() {
        let of = |reader: Reader, name: &str| {
            let (sources, _) = reader.sources(Path::new("/etc/network/interfaces"), "interfaces.d", true);
            sources.iter().any(|source| source.names(&Path::new("/etc/network/interfaces.d").join(name)))
        };
        assert!(of(Reader::Ifupdown, "vmbr0_a-1") && !of(Reader::Ifupdown, "vmbr0.10") && of(NEW, "vmbr0.10"));
        assert!(!of(NEW, ".hidden"));
    }
}
