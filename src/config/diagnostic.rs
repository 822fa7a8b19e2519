//! Where a directive stands, and what is to be said about it.

use std::fmt;
use std::path::{Path, PathBuf};

/// A place in the configuration: a file of [`Files`] and a line, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Location {
    /// Index into [`Files`].
    pub file: u16,
    /// Line in that file, from 1; 0 for what no file says (a default).
    pub line: u32,
}

/// The files that were read, in the order they were opened.
#[derive(Clone, Debug, Default)]
pub struct Files {
    paths: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Files {
    /// Most files one configuration may read, includes counted each time.
    pub const MAX: usize = u16::MAX as usize;

    /// Adds a file; `None` when there are [`Files::MAX`] already.
    pub fn add(&mut self, path: PathBuf) -> Option<u16> {
        let index = u16::try_from(self.paths.len()).ok()?;
        if self.paths.len() >= Self::MAX {
            return None;
        }
        self.paths.push(path);
        Some(index)
    }

    /// All files that were read, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Path> {
        self.paths.iter().map(PathBuf::as_path)
    }

    /// Takes note of a folder in which an `include:` pattern looks for files.
    pub(super) fn note_folder(&mut self, folder: PathBuf) {
        if !self.folders.contains(&folder) {
            self.folders.push(folder);
        }
    }

    /// The folders in which `include:` patterns look for files, each once; there need not have been any file.
    pub fn folders(&self) -> impl Iterator<Item = &Path> {
        self.folders.iter().map(PathBuf::as_path)
    }

    /// The path of the file at `at`, empty for a built-in default.
    pub fn path(&self, at: Location) -> &Path {
        self.paths.get(usize::from(at.file)).map_or(Path::new(""), PathBuf::as_path)
    }

    /// The paths of all files, in the order they were opened.
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// `file:line`, for messages.
    pub fn describe(&self, at: Location) -> String {
        format!("{}:{}", self.path(at).display(), at.line)
    }
}

/// Whether a diagnostic stops the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Good to know: all works, but a line does not change what whoever wrote it may think.
    Info,
    /// The configuration works, but not in all it says.
    Warning,
    /// The configuration cannot be used.
    Error,
}

impl Severity {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One finding about the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether it stops the start.
    pub severity: Severity,
    /// The file it is about.
    pub file: PathBuf,
    /// The line it is about, from 1; 0 for the file as a whole.
    pub line: u32,
    /// The cause and the fix, one line of text.
    pub message: String,
}

impl Diagnostic {
    /// A finding of `severity` at `at`.
    pub fn new(severity: Severity, files: &Files, at: Location, message: impl Into<String>) -> Self {
        Self { severity, file: files.path(at).to_path_buf(), line: at.line, message: message.into() }
    }

    /// A finding about the configuration as a whole.
    pub fn whole(severity: Severity, files: &Files, message: impl Into<String>) -> Self {
        Self::new(severity, files, Location::default(), message)
    }

    /// An error at `at`.
    pub fn error(files: &Files, at: Location, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, files, at, message)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file.display(), self.message),
            line => write!(f, "{}:{line}: {}", self.file.display(), self.message),
        }
    }
}
