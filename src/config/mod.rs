//! unbound.conf: lexer, the one option table, [`Config`].
//!
//! [`load`] reads a file and all it includes. The lexer follows Unbound's; each value is checked against the one table
//! in [`options`], whose rows carry it into [`Config`]. Zones and records lie in two arenas ([`LocalZones`],
//! [`LocalData`]): a line of a block list costs its name and 12 bytes. What uses the configuration compiles it into a
//! form of its own; nothing here is looked at for a packet.

mod access;
mod address;
mod check;
pub mod cli;
pub mod default_zones;
mod diagnostic;
mod include;
mod lexer;
mod local_data;
mod local_zones;
mod model;
pub mod names;
pub mod options;
mod parser;
mod rdata;
mod rdata_special;
mod record;
mod report;
pub mod site;
mod values;

pub use access::{AccessAction, AccessRule, default_access_control};
pub use address::ScopedAddress;
pub use check::validate;
pub use diagnostic::{Diagnostic, Files, Location, Severity};
pub use local_data::{LocalData, LocalRecord};
pub use local_zones::{LocalZone, LocalZoneType, LocalZones, ZoneIndex};
pub use model::{
    Config, DEFAULT_DIRECTORY, ForwardServer, ForwardZone, Interface, RemoteControl, Toggle, Xdp, XdpMode, XdpUse,
};
pub use record::{DEFAULT_TTL, Record};
pub use report::{directives, findings, findings_json, json_string};
pub use values::{Host, Kind, Netblock};

use std::path::Path;

/// A configuration that can be used.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it says.
    pub config: Config,
    /// What of it does not work in all it says: line by line, then what only the whole shows.
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
    finish(parser)
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
    finish(parser)
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
    finish(parser)
}

/// The checks that want the whole configuration.
fn finish(parser: parser::Parser) -> Result<Loaded, Vec<Diagnostic>> {
    let parser::Parser { mut config, mut errors, mut warnings, .. } = parser;
    config.local_zones.shrink();
    config.local_data.shrink();
    check::drop_defaults(&mut config.forward_zones);
    // Without a file, or with a file of another kind, there is nothing more to say.
    let nothing_read = config.files.path(Location::default()).as_os_str().is_empty();
    if !nothing_read && errors.len() < parser::MAX_ERRORS {
        for finding in check::semantics(&config).into_iter().chain(validate(&config)) {
            match finding.severity {
                Severity::Error => errors.push(finding),
                Severity::Warning => warnings.push(finding),
            }
        }
    }
    if errors.is_empty() { Ok(Loaded { config, warnings }) } else { Err(errors) }
}

#[cfg(test)]
mod tests;
