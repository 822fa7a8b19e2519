//! The command line.

use super::site::Site;
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
      --backup FILE      save the configuration's folder as a tar and exit; - for standard output
      --restore FILE     check a tar that --backup made, put its files in place and exit; - for standard input
      --version          print the version and exit
  -h, --help             print this and exit

Installing, as root:
      --install          write program, unit, user and, where there is none, configuration; says every step
      --uninstall        take that back; the configuration stays
      --dry-run          with either: only say what would be done
      --now              with --install: enable and start the service too
      --purge            with --uninstall: remove the configuration and the file of keys too
      --root DIR         with either: work on the tree at DIR instead of this host
      --address A/LEN    with --install: an address of runbound's own, on a veth pair that ifupdown2 or ifupdown makes
                         (once for IPv4, once for IPv6, or more)
      --bridge BRIDGE    with --address: the bridge that the pair's other end becomes a port of; it must exist
      --vlan N           with --bridge: the VLAN of the addresses before it, on a VLAN-aware bridge (bridge-vlan-aware yes)
      --share-bridge     with --bridge: write the files even for vmbr0 without a VLAN or in its own, the host's network
      --replace          with --bridge: let the pair lose or leave what it has and the configuration serves
      --no-probe         with --bridge: do not ask the network whether another host has the address
      --print FILE       with --bridge: write nothing, print what --install would put into FILE, and exit
      --steer NIC        with --address: have this NIC bring queries for it to its first receive queue; once for each NIC

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
    /// Save the configuration's folder to [`Cli::tar`].
    Backup,
    /// Restore it from there.
    Restore,
    /// Print the version.
    Version,
    /// Print [`HELP`].
    Help,
    /// Write program, unit, user and configuration.
    Install,
    /// Take back what [`Action::Install`] did.
    Uninstall,
}

/// How to install or uninstall.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setup {
    /// Say every step and do none.
    pub dry_run: bool,
    /// Enable and start the service, too.
    pub now: bool,
    /// Remove the configuration, too.
    pub purge: bool,
    /// The tree to work on; none for this host.
    pub root: Option<PathBuf>,
    /// Only print what this file would hold.
    pub print: Option<PathBuf>,
    /// The place in the host's network.
    pub site: Site,
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
    /// Of [`Action::Install`] and [`Action::Uninstall`].
    pub setup: Setup,
    /// Of [`Action::Backup`] and [`Action::Restore`]; `-` is standard output or input.
    pub tar: PathBuf,
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
        let setup = Setup::default();
        let (file, tar) = (DEFAULT_FILE.into(), PathBuf::new());
        let mut cli = Self { file, action: Action::Run, verbose: 0, no_xdp: false, setup, tar };
        let mut file: Option<PathBuf> = None;
        let mut parser = lexopt::Parser::from_args(args);
        while let Some(argument) = parser.next()? {
            match argument {
                Short('c') | Long("config") => set_file(&mut file, parser.value()?)?,
                Value(value) => set_file(&mut file, value)?,
                Short('d') => (),
                Short('v') | Long("verbose") => cli.verbose = cli.verbose.saturating_add(1),
                Long("check-config") => cli.act(Action::CheckConfig(format(parser.optional_value())?))?,
                Long("no-xdp") => cli.no_xdp = true,
                Long("backup") => cli.pack(Action::Backup, parser.value()?)?,
                Long("restore") => cli.pack(Action::Restore, parser.value()?)?,
                Long("install") => cli.act(Action::Install)?,
                Long("uninstall") => cli.act(Action::Uninstall)?,
                Long("dry-run") => cli.setup.dry_run = true,
                Long("now") => cli.setup.now = true,
                Long("purge") => cli.setup.purge = true,
                Long("root") => cli.setup.root = Some(parser.value()?.into()),
                Long("address") => cli.setup.site.add_address(&parser.value()?.string()?).map_err(UsageError)?,
                Long("bridge") => cli.setup.site.set_bridge(&parser.value()?.string()?).map_err(UsageError)?,
                Long("vlan") => cli.setup.site.add_vlan(&parser.value()?.string()?).map_err(UsageError)?,
                Long("share-bridge") => cli.setup.site.share_bridge = true,
                Long("replace") => cli.setup.site.replace = true,
                Long("no-probe") => cli.setup.site.no_probe = true,
                Long("print") => cli.setup.print = Some(parser.value()?.into()),
                Long("steer") => cli.setup.site.add_steer(&parser.value()?.string()?).map_err(UsageError)?,
                Long("print-directives") => cli.act(Action::PrintDirectives)?,
                Long("version") => {
                    return Ok(Self { action: Action::Version, ..cli });
                }
                Short('h') | Long("help") => {
                    return Ok(Self { action: Action::Help, ..cli });
                }
                other => return Err(other.unexpected().into()),
            }
        }
        cli.check_setup(file.is_some())?;
        cli.file = file.unwrap_or(cli.file);
        Ok(cli)
    }

    /// A second action would take the place of the first without a word: an --install beside a check, for one.
    fn act(&mut self, action: Action) -> Result<(), UsageError> {
        if self.action != Action::Run {
            let all = "--check-config, --print-directives, --backup, --restore, --install and --uninstall";
            return Err(UsageError(format!("one of {all}, once")));
        }
        self.action = action;
        Ok(())
    }

    fn pack(&mut self, action: Action, tar: OsString) -> Result<(), UsageError> {
        self.tar = tar.into();
        self.act(action)
    }

    /// Options that the action has no use for are mistakes: a forgotten `--install` would start a server.
    fn check_setup(&self, file: bool) -> Result<(), UsageError> {
        let Setup { dry_run, now, purge, root, site, print } = &self.setup;
        let (install, uninstall) = (self.action == Action::Install, self.action == Action::Uninstall);
        let mistake = if !install && !uninstall && (*dry_run || *now || *purge || root.is_some()) {
            "--dry-run, --now, --purge and --root go with --install or --uninstall"
        } else if !site.is_empty() && !install {
            "--address, --bridge, --vlan, --share-bridge, --replace, --no-probe and --steer go with --install; --uninstall takes back what is there"
        } else if print.is_some() && (site.bridge.is_none() || *now || *dry_run) {
            "--print FILE goes with --install --address --bridge, and changes nothing: without --now and --dry-run"
        } else if let Some(mistake) = site.mistake() {
            mistake
        } else if *now && !install {
            "--now goes with --install; --uninstall always stops the service"
        } else if *purge && !uninstall {
            "--purge goes with --uninstall"
        } else if *now && root.is_some() {
            "--now starts the service of this host, --root is about another tree; give one of them"
        } else if root.as_ref().is_some_and(|root| root.as_os_str().is_empty()) {
            "the name of the --root directory is empty"
        } else if (install || uninstall) && file {
            "--install and --uninstall take no configuration file: it is /etc/runbound/unbound.conf"
        } else {
            return Ok(());
        };
        Err(UsageError(mistake.into()))
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
        let setup = Setup::default();
        assert_eq!(
            parse("--check-config x").unwrap(),
            Cli {
                file: "x".into(),
                action: Action::CheckConfig(Format::Text),
                verbose: 0,
                no_xdp: false,
                setup,
                tar: PathBuf::new()
            }
        );
        assert_eq!(parse("--check-config=json").unwrap().action, Action::CheckConfig(Format::Json));
        assert_eq!(parse("--version").unwrap().action, Action::Version);
        assert_eq!(parse("-h").unwrap().action, Action::Help);
        let cli = parse("--backup a.tar -c x").unwrap();
        assert_eq!((cli.action, cli.tar, cli.file), (Action::Backup, "a.tar".into(), "x".into()));
        let cli = parse("--restore -").unwrap();
        assert_eq!((cli.action, cli.tar), (Action::Restore, "-".into()));
    }

    #[test]
    fn install_and_uninstall_take_their_options() {
        let cli = parse("--install --dry-run --root /tree").unwrap();
        let root = Some("/tree".into());
        assert_eq!(cli.setup, Setup { dry_run: true, root, ..Setup::default() });
        assert_eq!(cli.action, Action::Install);
        assert!(parse("--install --now").unwrap().setup.now);
        let site = "--install --address 10.0.0.1/24 --address fd53::1/64 --bridge br-rb --steer eth0 --steer eth1";
        let site = parse(site).unwrap().setup.site;
        assert_eq!((site.addresses.len(), site.bridge.as_deref(), site.steer.len()), (2, Some("br-rb"), 2));
        let site = "--install --address 10.0.0.1/24 --vlan 10 --address 10.0.1.1/24 --vlan 20 --bridge vmbr0 --print x";
        let setup = parse(site).unwrap().setup;
        assert_eq!((setup.site.vlan(0), setup.site.vlan(1), setup.print), (Some(10), Some(20), Some("x".into())));
        let cli = parse("--purge --uninstall").unwrap();
        assert_eq!((cli.action, cli.setup.purge), (Action::Uninstall, true));
        for line in [
            "--dry-run",
            "--root /tree",
            "--check-config --now",
            "--install --uninstall",
            "--check-config --install",
            "--install --check-config",
            "--backup a.tar --restore b.tar",
            "--check-config --backup a.tar",
            "--print-directives --check-config",
            "--install --purge",
            "--uninstall --now",
            "--install --now --root /tree",
            "--install --root=",
            "--install -c a.conf",
            "--install --address 10.0.0.1/24",
            "--install --bridge br-rb",
            "--install --vlan 10",
            "--install --share-bridge",
            "--install --replace",
            "--install --no-probe",
            "--install --print /etc/network/interfaces.d/runbound",
            "--install --address 10.0.0.1/24 --bridge br-rb --now --print /etc/network/interfaces.d/runbound",
            "--install --address 10.0.0.1/24 --bridge br-rb --vlan 4095",
            "--install --steer eth0",
            "--install --address 10.0.0.1 --bridge br-rb",
            "--install --address 10.0.0.1/24 --bridge -rb",
            "--address 10.0.0.1/24 --bridge br-rb",
            "--uninstall --address 10.0.0.1/24 --bridge br-rb",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn nonsense_is_a_usage_error() {
        for line in ["-x", "--nonsense", "-c", "--check-config=xml", "--no-xdp=1", "--backup"] {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.contains("--help"), "{line}: {error}");
        }
    }
}
