//! The log: standard error, a file or syslog, in the line format of Unbound's, so that what reads Unbound's log reads ours.

use super::log_file::LogFile;
use crate::config::Config;
use crate::sys::clock::Civil;
use crate::words::printable;
use log::{Level, LevelFilter, Log, Metadata, Record};
use std::fmt;
use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The target of a line about a query, and of one about a reply, which stands where the level of others does
/// (log-tag-queryreply).
pub const QUERY: &str = "query";
/// See [`QUERY`].
pub const REPLY: &str = "reply";

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
    /// A [`TimeForm`].
    time_form: AtomicU8,
}

/// How a line says when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TimeForm {
    /// Seconds since 1970.
    Seconds,
    /// log-time-ascii.
    Ascii,
    /// log-time-iso beside it.
    Iso,
}

impl TimeForm {
    const ALL: [TimeForm; 3] = [TimeForm::Seconds, TimeForm::Ascii, TimeForm::Iso];

    /// As Unbound: without log-time-ascii there are no dates of either form.
    fn of(config: &Config) -> TimeForm {
        match (config.log.time_ascii, config.log.time_iso) {
            (false, _) => TimeForm::Seconds,
            (true, false) => TimeForm::Ascii,
            (true, true) => TimeForm::Iso,
        }
    }
}

static LOGGER: Logger = Logger {
    target: Mutex::new(Target::Stderr),
    identity: Mutex::new(String::new()),
    time_form: AtomicU8::new(TimeForm::Seconds as u8),
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

/// Writes a line that a directive of its own asks for (log-queries, statistics-interval): whatever `verbosity:` says, as
/// Unbound does. `target`: as in [`Record::target`].
pub fn asked_for(level: Level, target: &str, words: fmt::Arguments<'_>) {
    LOGGER.write(&Record::builder().level(level).target(target).args(words).build());
}

/// Sends lines where the configuration wants them: `use-syslog` over `logfile` over standard error.
///
/// # Errors
/// When the file cannot be opened, by path and cause; lines then go where they went before. Without a syslog daemon they
/// go to standard error, and the first says so.
pub fn configure(config: &Config) -> Result<(), String> {
    set_time_form(config);
    let identity = if config.log.identity.is_empty() { "runbound" } else { &config.log.identity };
    *lock(&LOGGER.identity) = identity.to_owned();
    let target = match config.log.file.as_path() {
        path if path.as_os_str().is_empty() => Target::Stderr,
        path => Target::File(LogFile::open(path, &config.username)?),
    };
    *lock(&LOGGER.target) = target;
    if config.log.use_syslog {
        match syslog() {
            Ok(socket) => *lock(&LOGGER.target) = Target::Syslog(socket),
            Err(cause) => log::warn!("{cause}; the log goes to standard error"),
        }
    }
    Ok(())
}

/// `log-time-ascii:` and `log-time-iso:`.
pub fn set_time_form(config: &Config) {
    LOGGER.time_form.store(TimeForm::of(config) as u8, Ordering::Relaxed);
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
        if self.enabled(record.metadata()) {
            self.write(record);
        }
    }

    fn flush(&self) {}
}

impl Logger {
    fn write(&self, record: &Record<'_>) {
        let word = match record.target() {
            tag @ (QUERY | REPLY) => tag,
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
                let line = format!(
                    "<{}>{identity}[{pid}]: [{pid}:0] {word}: {}",
                    3 * 8 + severity,
                    printable(&record.args().to_string())
                );
                // A line that cannot be sent has nowhere else to go.
                let _ = socket.send(line.as_bytes());
            }
            Target::Stderr => {
                let _ = writeln!(std::io::stderr(), "{}", self.line(identity, pid, word, record));
            }
            Target::File(file) => file.line(&self.line(identity, pid, word, record)),
        }
    }

    fn line(&self, identity: &str, pid: u32, word: &str, record: &Record<'_>) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let form = TimeForm::ALL.get(usize::from(self.time_form.load(Ordering::Relaxed)));
        let time = written(now, form.copied().unwrap_or(TimeForm::Seconds));
        format!("{time} {identity}[{pid}:0] {word}: {}", printable(&record.args().to_string()))
    }
}

/// The time since 1970, dates in UTC: `[1795413600]`, `Nov 23 06:00:00`, or `2026-11-23T06:00:00.000+00:00`.
fn written(since_1970: Duration, form: TimeForm) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = since_1970.as_secs();
    let civil = Civil::utc(seconds);
    match form {
        TimeForm::Seconds => format!("[{seconds}]"),
        TimeForm::Ascii => {
            let name = MONTHS.get(civil.month as usize - 1).unwrap_or(&"???");
            format!("{name} {:02} {}", civil.day, civil.time())
        }
        TimeForm::Iso => {
            let (time, millis) = (civil.time(), since_1970.subsec_millis());
            format!("{:04}-{:02}-{:02}T{time}.{millis:03}+00:00", civil.year, civil.month, civil.day)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Logging;

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
            assert_eq!(written(Duration::from_secs(seconds), TimeForm::Ascii), text);
        }
        let moment = Duration::from_millis(1_795_413_605_042);
        assert_eq!(written(moment, TimeForm::Iso), "2026-11-23T06:00:05.042+00:00");
        assert_eq!(written(moment, TimeForm::Seconds), "[1795413605]");
    }

    #[test]
    fn iso_dates_want_dates_at_all() {
        let form = |time_ascii, time_iso| {
            TimeForm::of(&Config { log: Logging { time_ascii, time_iso, ..Logging::default() }, ..Config::default() })
        };
        assert_eq!((form(false, false), form(false, true)), (TimeForm::Seconds, TimeForm::Seconds));
        assert_eq!((form(true, false), form(true, true)), (TimeForm::Ascii, TimeForm::Iso));
        assert_eq!(TimeForm::ALL.map(|form| form as u8), [0, 1, 2]);
    }
}
