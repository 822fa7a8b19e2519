//! unbound.conf: lexer, the one option table, [`Config`].
//!
//! [`load`] reads a file and all it includes. The lexer follows Unbound's; each value is checked against the one table
//! in [`options`], whose rows carry it into [`Config`]. Zones and records lie in two arenas ([`LocalZones`],
//! [`LocalData`]): a line of a block list costs its name and 12 bytes. What uses the configuration compiles it into a
//! form of its own; nothing here is looked at for a packet.

mod access;
mod address;
mod anchor_checks;
mod anchor_files;
mod anchor_state;
mod bind_keys;
mod check;
pub mod cli;
mod client_limits;
pub mod default_zones;
mod diagnostic;
mod duplicates;
mod findings;
mod groups;
mod include;
mod lan_zones;
mod lexer;
mod lists;
mod local_data;
mod local_zones;
mod master;
mod model;
mod noted;
mod one_line;
mod open_files;
pub mod options;
mod parser;
mod rdata;
mod rdata_special;
mod record;
mod record_text;
mod report;
mod root_hints;
mod servers;
pub mod site;
mod tokens;
mod validation;
mod values;
mod wire_parts;
mod xdp;

pub use access::{AccessAction, AccessRule, default_access_control};
pub use address::ScopedAddress;
pub use client_limits::ClientLimits;
pub use diagnostic::{Diagnostic, Files, Location, Severity};
pub use findings::{Counts, findings, findings_json, grouped};
pub use groups::{Caches, Identity, Iteration, Logging, Outgoing, Statistics};
pub use local_data::{LocalData, LocalRecord};
pub use local_zones::{LocalZone, LocalZoneType, LocalZones, ZoneIndex};
pub use model::{Config, DEFAULT_DIRECTORY, Interface, RemoteControl};
pub use one_line::{with_option, zone_clause};
pub use open_files::OpenFiles;
pub use record::{DEFAULT_TTL, Record};
pub use record_text::{class_of, class_word, record_text, rtype_of, rtype_word};
pub use report::{directives, json_string};
pub use root_hints::{RootHint, RootHints};
pub use servers::{Expired, ForwardServer, Servers, ZoneClause};
pub use validation::{AnchorSource, AutoAnchor, Validation};
pub use values::{Host, Kind, Netblock};
pub use xdp::{Toggle, Xdp, XdpInterface, XdpMode, XdpUse};

use std::path::Path;

/// What a file says and what is to be said about it, whether it can be used or not.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What could be read.
    pub config: Config,
    /// All findings, in the order of the lines.
    pub findings: Vec<Diagnostic>,
}

impl Reading {
    /// Whether any file was read at all.
    pub fn is_of_a_file(&self) -> bool {
        self.config.files.iter().next().is_some()
    }

    /// The configuration, if it can be used; else the errors alone.
    fn usable(self) -> Result<Loaded, Vec<Diagnostic>> {
        let of_errors = |finding: &Diagnostic| finding.severity == Severity::Error;
        if self.findings.iter().any(of_errors) {
            return Err(self.findings.into_iter().filter(of_errors).collect());
        }
        Ok(Loaded { config: self.config, warnings: self.findings })
    }
}

/// A configuration that can be used.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it says.
    pub config: Config,
    /// What of it does not work in all it says, and what is good to know, in the order of the lines.
    pub warnings: Vec<Diagnostic>,
}

/// Reads the configuration at `path` and all it includes.
///
/// # Errors
/// All that is wrong, each with file and line, cause and fix; at most a hundred.
pub fn load(path: &Path) -> Result<Loaded, Vec<Diagnostic>> {
    load_within(path, None, false)
}

/// [`load`] for a process that is inside of `chroot` already, as on a reload: the paths still start with it. `sandboxed`:
/// files are closed to it that its user could open, which errors then mention.
///
/// # Errors
/// As of [`load`].
pub fn load_within(path: &Path, chroot: Option<&Path>, sandboxed: bool) -> Result<Loaded, Vec<Diagnostic>> {
    let mut parser = parser::Parser::new(chroot);
    parser.sandboxed = sandboxed;
    parser.read_file(path);
    finish(parser).usable()
}

/// [`load_within`] of a configuration that is to come: what its files name below `folder` (an absolute path) is read below
/// `stage`.
///
/// # Errors
/// As of [`load`].
pub fn load_staged(path: &Path, chroot: Option<&Path>, folder: &Path, stage: &Path) -> Result<Loaded, Vec<Diagnostic>> {
    let staged = Some((folder.to_path_buf(), stage.to_path_buf()));
    let chroot = chroot.map(Path::to_path_buf);
    let mut parser = parser::Parser::at(include::Place { base: Default::default(), chroot, staged });
    parser.read_file(path);
    finish(parser).usable()
}

/// [`load`] that goes on after errors and looks for more: for `--check-config`.
pub fn read(path: &Path) -> Reading {
    let mut parser = parser::Parser::new(None);
    parser.read_file(path);
    check_closely(parser)
}

/// [`read`] of `text`, called `name` in messages, without a look at the file system. For fuzzing.
#[doc(hidden)]
pub fn read_bytes(name: &str, text: &[u8]) -> Reading {
    let mut parser = parser::Parser::without_files();
    parser.read_bytes(name, text);
    check_closely(parser)
}

/// [`load`] of `text`, called `name` in messages, without a look at the file system: an `include:` is an error. For
/// fuzzing.
///
/// # Errors
/// As of [`load`].
#[doc(hidden)]
pub fn parse_bytes(name: &str, text: &[u8]) -> Result<Loaded, Vec<Diagnostic>> {
    let mut parser = parser::Parser::without_files();
    parser.read_bytes(name, text);
    finish(parser).usable()
}

/// The checks that want the whole configuration.
fn finish(parser: parser::Parser) -> Reading {
    let parser::Parser { mut config, mut errors, mut warnings, noted, .. } = parser;
    config.local_zones.shrink();
    config.local_data.shrink();
    check::drop_defaults(&mut config.forward_zones);
    let told_all = errors.len() < parser::MAX_ERRORS;
    errors.append(&mut warnings);
    let mut reading = Reading { config, findings: errors };
    // Without a file, or with a file of another kind, there is nothing more to say.
    if reading.is_of_a_file() && told_all {
        let noted = noted.findings(&reading.config);
        reading.findings.extend(noted);
        reading.findings.extend(check::semantics(&reading.config));
        sort(&mut reading);
    }
    reading
}

/// And those that take too long for a start.
fn check_closely(parser: parser::Parser) -> Reading {
    let mut reading = finish(parser);
    reading.findings.extend(duplicates::local_zones(&reading.config));
    sort(&mut reading);
    reading
}

/// Into the order of the files and their lines; what is said of a file as a whole comes last.
fn sort(reading: &mut Reading) {
    let paths = reading.config.files.paths();
    let place = |finding: &Diagnostic| paths.iter().position(|path| *path == finding.file);
    reading.findings.sort_by_cached_key(|finding| (place(finding), finding.line == 0, finding.line));
}

#[cfg(test)]
mod tests;
