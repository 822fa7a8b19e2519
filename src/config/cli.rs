//! The command line.

use lexopt::prelude::*;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// The file that is read when the command line names none.
pub const DEFAULT_FILE: &str = "/etc/runbound/unbound.conf";

/// What `--help` prints.
pub const HELP: &str = "\
Usage: runbound [options] [FILE]

A DNS resolver that answers from AF_XDP and reads unbound.conf. It stays in the foreground.

  FILE                   the configuration, /etc/runbound/unbound.conf by default
  -c, --config FILE      the same
  -d                     accepted for Unbound's sake: the foreground is all there is
  -v, --verbose          one more level of log than verbosity: says, several times for more
      --check-config     check the configuration and this host, print the findings and exit
      --check-config=json  the same as one JSON object
      --no-xdp           kernel sockets alone, whatever xdp: says
      --print-directives print docs/configuration.md and exit
      --version          print the version and exit
  -h, --help             print this and exit

Exit status: 0 when all is well, 1 for an error of the configuration or at run time, 2 for a wrong command line.
";

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Serve.
    Run,
    /// Check the configuration and print the findings.
    CheckConfig(Format),
    /// Print the directive table.
    PrintDirectives,
    /// Print the version.
    Version,
    /// Print [`HELP`].
    Help,
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A line each.
    Text,
    /// One object.
    Json,
}

/// A command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cli {
    /// The configuration.
    pub file: PathBuf,
    /// What to do.
    pub action: Action,
    /// How often `-v` was there: added to `verbosity:`.
    pub verbose: u8,
    /// Kernel sockets alone.
    pub no_xdp: bool,
}

/// A command line that makes no sense; exit status 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageError(String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; runbound --help lists the options", self.0)
    }
}

impl std::error::Error for UsageError {}

impl From<lexopt::Error> for UsageError {
    fn from(error: lexopt::Error) -> Self {
        Self(error.to_string())
    }
}

impl Cli {
    /// Reads the arguments behind the program's name.
    ///
    /// # Errors
    /// What is wrong with them; the caller prints it and exits with 2.
    pub fn parse<I>(args: I) -> Result<Self, UsageError>
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        let mut cli = Self { file: DEFAULT_FILE.into(), action: Action::Run, verbose: 0, no_xdp: false };
        let mut file: Option<PathBuf> = None;
        let mut parser = lexopt::Parser::from_args(args);
        while let Some(argument) = parser.next()? {
            match argument {
                Short('c') | Long("config") => set_file(&mut file, parser.value()?)?,
                Value(value) => set_file(&mut file, value)?,
                Short('d') => (),
                Short('v') | Long("verbose") => cli.verbose = cli.verbose.saturating_add(1),
                Long("check-config") => cli.action = Action::CheckConfig(format(parser.optional_value())?),
                Long("no-xdp") => cli.no_xdp = true,
                Long("print-directives") => cli.action = Action::PrintDirectives,
                Long("version") => {
                    return Ok(Self { action: Action::Version, ..cli });
                }
                Short('h') | Long("help") => {
                    return Ok(Self { action: Action::Help, ..cli });
                }
                other => return Err(other.unexpected().into()),
            }
        }
        cli.file = file.unwrap_or(cli.file);
        Ok(cli)
    }
}

fn set_file(file: &mut Option<PathBuf>, value: OsString) -> Result<(), UsageError> {
    if value.is_empty() {
        return Err(UsageError("the name of the configuration file is empty".into()));
    }
    match file.replace(value.into()) {
        None => Ok(()),
        Some(first) => Err(UsageError(format!(
            "two configuration files, {} is one too many; give one and include: the other",
            first.display()
        ))),
    }
}

fn format(value: Option<OsString>) -> Result<Format, UsageError> {
    match value {
        None => Ok(Format::Text),
        Some(value) if value == "json" => Ok(Format::Json),
        Some(value) => Err(UsageError(format!(
            "--check-config={} is not known; write --check-config or --check-config=json",
            value.display()
        ))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Cli, UsageError> {
        Cli::parse(line.split_ascii_whitespace())
    }

    #[test]
    fn the_file_has_a_default_and_two_ways_to_be_named() {
        assert_eq!(parse("").unwrap().file, PathBuf::from("/etc/runbound/unbound.conf"));
        assert_eq!(parse("-c a.conf").unwrap().file, PathBuf::from("a.conf"));
        assert_eq!(parse("-ca.conf").unwrap().file, PathBuf::from("a.conf"));
        assert_eq!(parse("a.conf -d").unwrap().file, PathBuf::from("a.conf"));
        assert!(parse("-c a.conf b.conf").is_err());
        assert!(Cli::parse([""]).is_err());
    }

    #[test]
    fn options_are_read() {
        let cli = parse("-dvv -v --no-xdp").unwrap();
        assert_eq!((cli.verbose, cli.no_xdp, cli.action), (3, true, Action::Run));
        assert_eq!(
            parse("--check-config x").unwrap(),
            Cli { file: "x".into(), action: Action::CheckConfig(Format::Text), verbose: 0, no_xdp: false }
        );
        assert_eq!(parse("--check-config=json").unwrap().action, Action::CheckConfig(Format::Json));
        assert_eq!(parse("--version").unwrap().action, Action::Version);
        assert_eq!(parse("-h").unwrap().action, Action::Help);
    }

    #[test]
    fn nonsense_is_a_usage_error() {
        for line in ["-x", "--nonsense", "-c", "--check-config=xml", "--no-xdp=1"] {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.contains("--help"), "{line}: {error}");
        }
    }
}
