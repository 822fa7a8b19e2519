//! `/init` of the appliance.

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::process::id() != 1 {
        eprintln!("runbound-init is process 1 of the appliance, and does nothing elsewhere: docs/appliance.md");
        return ExitCode::from(2);
    }
    runbound_init::run()
}
