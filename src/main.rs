//! The `runbound` command.

use runbound::config::cli::{Action, Cli, Format, HELP};
use runbound::config::{self, Loaded};
use runbound::serve::log as logger;
use runbound::serve::program::{self, Invocation};
use runbound::setup::{self, SetupError};
use runbound::sys::allocator::CountingAllocator;
use std::process::ExitCode;

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
        Action::Uninstall => return set_up(setup::uninstall(&cli.setup, &mut say)),
        Action::Run => return serve(cli),
    }
    ExitCode::SUCCESS
}

fn check(cli: &Cli, format: Format) -> ExitCode {
    let result = config::load(&cli.file);
    match format {
        Format::Text => print!("{}", config::findings(&cli.file, &result)),
        Format::Json => print!("{}", config::findings_json(&cli.file, &result)),
    }
    if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn say(line: &str) {
    println!("{line}");
}

fn set_up(done: Result<(), SetupError>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("runbound: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(cli: Cli) -> ExitCode {
    logger::install();
    std::panic::set_hook(Box::new(|panic| log::error!("{panic}; this is a bug, the process aborts")));
    match config::load(&cli.file) {
        Ok(loaded) => run(cli, loaded),
        Err(errors) => {
            errors.iter().for_each(|error| eprintln!("{error}"));
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
