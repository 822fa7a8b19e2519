//! The log: standard error, a file or syslog, in the line format of Unbound's, so that what reads Unbound's log reads ours.

use super::events;
use super::log_file::LogFile;
use crate::config::Config;
use crate::sys::clock::Civil;
use log::{Level, LevelFilter, Log, Metadata, Record};
use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where lines go.
enum Target {
    Stderr,
    File(LogFile),
    Syslog(UnixDatagram),
}

/// The one logger of the process. Only main and the side threads log, never the worker on a packet's account.
pub struct Logger {
    target: Mutex<Target>,
    identity: Mutex<String>,
    ascii_time: AtomicBool,
}

static LOGGER: Logger = Logger {
    target: Mutex::new(Target::Stderr),
    identity: Mutex::new(String::new()),
    ascii_time: AtomicBool::new(false),
};

/// Installs the logger, to standard error until [`configure`] says otherwise.
pub fn install() {
    if log::set_logger(&LOGGER).is_ok() {
        set_verbosity(1);
    }
}

/// `verbosity:`: 0 errors, 1 information (the default), 2 and 3 details, 4 and above everything.
pub fn set_verbosity(verbosity: u8) {
    log::set_max_level(match verbosity {
        0 => LevelFilter::Warn,
        1 => LevelFilter::Info,
        2 | 3 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    });
}

/// Sends lines where the configuration wants them: `use-syslog` over `logfile` over standard error.
///
/// # Errors
/// When the file cannot be opened, by path and cause; lines then go where they went before. Without a syslog daemon they
/// go to standard error, and the first says so.
pub fn configure(config: &Config) -> Result<(), String> {
    LOGGER.ascii_time.store(config.log_time_ascii, Ordering::Relaxed);
    let identity = if config.log_identity.is_empty() { "runbound" } else { &config.log_identity };
    *lock(&LOGGER.identity) = identity.to_owned();
    let target = match config.logfile.as_path() {
        path if path.as_os_str().is_empty() => Target::Stderr,
        path => Target::File(LogFile::open(path, &config.username)?),
    };
    *lock(&LOGGER.target) = target;
    if config.use_syslog {
        match syslog() {
            Ok(socket) => *lock(&LOGGER.target) = Target::Syslog(socket),
            Err(cause) => log::warn!("{cause}; the log goes to standard error"),
        }
    }
    Ok(())
}

/// Opens the log file anew when it was renamed or removed, for log rotation.
///
/// # Errors
/// When it cannot be opened; lines go on into the old one.
pub fn reopen() -> Result<(), String> {
    match &mut *lock(&LOGGER.target) {
        Target::File(file) => file.reopen(),
        Target::Stderr | Target::Syslog(_) => Ok(()),
    }
}

/// Tells that this process is inside of `root` now, where [`reopen`] finds the log file under another path.
pub fn enter(root: &Path) {
    if let Target::File(file) = &mut *lock(&LOGGER.target) {
        file.enter(root);
    }
}

fn syslog() -> Result<UnixDatagram, String> {
    let failed = |cause: std::io::Error| format!("/dev/log: {cause}; set use-syslog: no, or start a syslog daemon");
    let socket = UnixDatagram::unbound().map_err(failed)?;
    socket.connect("/dev/log").map_err(failed)?;
    Ok(socket)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A level as Unbound writes it in a line.
pub fn level_word(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warning",
        Level::Info => "info",
        Level::Debug | Level::Trace => "debug",
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let word = match record.target() {
            tag @ (events::QUERY | events::REPLY) => tag,
            _ => level_word(record.level()),
        };
        let identity = lock(&self.identity).clone();
        let identity = if identity.is_empty() { "runbound" } else { &identity };
        let pid = std::process::id();
        let mut target = lock(&self.target);
        match &mut *target {
            Target::Syslog(socket) => {
                // RFC 3164: facility daemon (3), severity.
                let severity = match record.level() {
                    Level::Error => 3,
                    Level::Warn => 4,
                    Level::Info => 6,
                    Level::Debug | Level::Trace => 7,
                };
                let line = format!("<{}>{identity}[{pid}]: [{pid}:0] {word}: {}", 3 * 8 + severity, record.args());
                // A line that cannot be sent has nowhere else to go.
                let _ = socket.send(line.as_bytes());
            }
            Target::Stderr => {
                let _ = writeln!(std::io::stderr(), "{}", self.line(identity, pid, word, record));
            }
            Target::File(file) => file.line(&self.line(identity, pid, word, record)),
        }
    }

    fn flush(&self) {}
}

impl Logger {
    fn line(&self, identity: &str, pid: u32, word: &str, record: &Record<'_>) -> String {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let time = if self.ascii_time.load(Ordering::Relaxed) { ascii_time(seconds) } else { seconds.to_string() };
        format!("[{time}] {identity}[{pid}:0] {word}: {}", record.args())
    }
}

/// `Nov 23 06:00:00`, UTC.
fn ascii_time(seconds: u64) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let civil = Civil::utc(seconds);
    let name = MONTHS.get(civil.month as usize - 1).unwrap_or(&"???");
    format!("{name} {:02} {}", civil.day, civil.time())
}

#[cfg(test)]
mod tests {
    use super::ascii_time;

    #[test]
    fn dates_follow_the_calendar() {
        for (seconds, text) in [
            (0, "Jan 01 00:00:00"),
            (951_782_399, "Feb 28 23:59:59"),
            (951_782_400, "Feb 29 00:00:00"),
            (951_868_800, "Mar 01 00:00:00"),
            (1_795_413_600, "Nov 23 06:00:00"),
            (1_798_761_599, "Dec 31 23:59:59"),
        ] {
            assert_eq!(ascii_time(seconds), text);
        }
    }
}
