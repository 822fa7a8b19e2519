//! The `runbound` command.

use runbound::attach::{self, Finding, Level};
use runbound::backup;
use runbound::config::cli::{Action, Cli, Format, HELP};
use runbound::config::{self, Config, Counts, Diagnostic, Loaded, Severity, XdpUse};
use runbound::host;
use runbound::serve::listen;
use runbound::serve::log as logger;
use runbound::serve::program::{self, Invocation};
use runbound::setup::{self, SetupError};
use runbound::sys::allocator::CountingAllocator;
use runbound::words::printable;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{io, thread};

/// Within that a link that was set up has its carrier, and its bridge lets the port pass.
const SETTLES: Duration = Duration::from_secs(2);

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn main() -> ExitCode {
    let cli = match Cli::parse(std::env::args_os().skip(1)) {
        Ok(cli) => cli,
        Err(error) => {
            eprintln!("runbound: {error}");
            return ExitCode::from(2);
        }
    };
    match cli.action {
        Action::Help => print!("{HELP}"),
        Action::Version => println!("runbound {}", env!("CARGO_PKG_VERSION")),
        Action::PrintDirectives => print!("{}", config::directives()),
        Action::CheckConfig(format) => return check(&cli, format),
        Action::Install => return set_up(setup::install(&cli.setup, &mut say)),
        Action::Backup => return tell(backup::save(&cli.file, &cli.tar)),
        Action::Restore => return tell(backup::load(&cli.file, &cli.tar)),
        Action::Uninstall => return set_up(setup::uninstall(&cli.setup, &mut say)),
        Action::Run => return serve(cli),
    }
    ExitCode::SUCCESS
}

/// The findings about the configuration, then those about the host it is to serve on, as far as it could be read.
fn check(cli: &Cli, format: Format) -> ExitCode {
    let mut reading = config::read(&cli.file);
    if cli.no_xdp {
        reading.config.xdp.enable = XdpUse::No;
    }
    let host = if reading.is_of_a_file() { host_findings(&reading.config) } else { Vec::new() };
    let of_level = |level: Level| host.iter().filter(|finding| finding.level == level).count();
    let of_host = Counts { errors: of_level(Level::Fail), warnings: of_level(Level::Warn) };
    let found = &reading.findings;
    let text = match format {
        Format::Text => {
            let host: Vec<String> = host.iter().map(Finding::to_string).collect();
            config::findings(&cli.file, found, &host, of_host)
        }
        Format::Json => {
            let host: Vec<String> = host.iter().map(Finding::json).collect();
            config::findings_json(&cli.file, found, &host, of_host)
        }
    };
    print!("{}", printable(&text));
    let fails = of_host.errors > 0 || found.iter().any(|finding| finding.severity == Severity::Error);
    if fails { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// A host that cannot be read is no fault of the configuration: a warning.
fn host_findings(config: &Config) -> Vec<Finding> {
    let unreadable = |cause: String| vec![Finding::new(Level::Warn, "host", cause)];
    let interfaces = match listen::host_interfaces() {
        Ok(interfaces) => interfaces,
        Err(cause) => return unreadable(cause),
    };
    let of_names = |lines: &[Diagnostic], level: Level| -> Vec<Finding> {
        lines.iter().map(|line| Finding::new(level, "address", line.to_string())).collect()
    };
    let (addresses, mut found) = match listen::addresses(config, &interfaces) {
        Ok((addresses, missing)) => (addresses, of_names(&missing, Level::Warn)),
        Err(missing) => return of_names(&missing, Level::Fail),
    };
    let wanted = attach::wanted(config, &addresses);
    let look = || host::facts(&wanted).map(|facts| attach::findings(config, &addresses, &facts));
    found.extend(match settled(look) {
        Ok(found) => found,
        Err(cause) => unreadable(format!("cannot read this host's links: {cause}")),
    });
    found
}

/// What was set up just now waits for its carrier, and a bridge for that to let the port pass: where a link is told to be down, it is
/// looked again until that is over or has lasted.
fn settled(look: impl Fn() -> io::Result<Vec<Finding>>) -> io::Result<Vec<Finding>> {
    let end = Instant::now() + SETTLES;
    loop {
        let found = look()?;
        let is_down = found.iter().any(|finding| finding.name == "link-down" && finding.level == Level::Warn);
        if !is_down || Instant::now() >= end {
            return Ok(found);
        }
        thread::sleep(SETTLES / 4);
    }
}

fn say(line: &str) {
    println!("{}", printable(line));
}

fn set_up(done: Result<(), SetupError>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("runbound: {}", printable(&error.to_string()));
            ExitCode::FAILURE
        }
    }
}

/// To standard error: the output may be the backup.
fn tell(done: Result<Vec<String>, String>) -> ExitCode {
    match done {
        Ok(lines) => {
            lines.iter().for_each(|line| eprintln!("{line}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("runbound: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What a power cut left half done is done before the configuration is read.
fn finish_restore(cli: &Cli) {
    match backup::finish(&cli.file) {
        Ok(0) => {}
        Ok(files) => log::info!("finished a restore that was interrupted: {files} files came to their places"),
        Err(error) => log::error!("{error}; free the way and start again"),
    }
}

fn serve(cli: Cli) -> ExitCode {
    logger::install();
    std::panic::set_hook(Box::new(|panic| log::error!("{panic}; this is a bug, the process aborts")));
    finish_restore(&cli);
    match config::load(&cli.file) {
        Ok(loaded) => run(cli, loaded),
        Err(errors) => {
            config::grouped(&errors).iter().for_each(|error| eprintln!("{error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli, loaded: Loaded) -> ExitCode {
    logger::set_verbosity(loaded.config.verbosity.saturating_add(cli.verbose));
    if let Err(cause) = logger::configure(&loaded.config) {
        eprintln!("runbound: {cause}");
        return ExitCode::FAILURE;
    }
    program::log_findings(&loaded.warnings);
    let invocation = Invocation { file: cli.file, verbose: cli.verbose, no_xdp: cli.no_xdp };
    match program::start(invocation, loaded) {
        Ok(program) => {
            log::info!("runbound {} is ready", env!("CARGO_PKG_VERSION"));
            if program.run() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            log::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
