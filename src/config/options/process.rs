//! `server:` directives about the process, its log and its counters.

use super::*;
use crate::config::DEFAULT_DIRECTORY;

pub(super) const OPTIONS: &[OptionSpec] = &inside(
    Clause::Server,
    [
        honoured("verbosity", &[Kind::Number(0, 255)], is("1"), plain!(number verbosity), RELOAD)
            .note("what directives of their own ask for (log-queries, statistics-interval) is written with 0, too"),
        honoured(
            "logfile",
            PATH,
            words("standard error"),
            field(set_logfile, |config, emit| emit(&config.log.file.to_string_lossy())),
            RESTART,
        )
        .note("`/dev/stderr` and `/dev/stdout` both mean standard error"),
        honoured("use-syslog", YES_NO, is("no"), plain!(flag log.use_syslog), RESTART),
        honoured("log-identity", TEXT, words("runbound"), plain!(text log.identity), RESTART),
        honoured("log-time-ascii", YES_NO, is("no"), plain!(flag log.time_ascii), RELOAD).note("dates are UTC"),
        honoured("log-queries", YES_NO, is("no"), plain!(flag log.queries), RELOAD),
        honoured("log-local-actions", YES_NO, is("no"), plain!(flag log.local_actions), RELOAD),
        honoured("log-time-iso", YES_NO, is("no"), plain!(flag log.time_iso), RELOAD)
            .note("does nothing without log-time-ascii: yes, as in Unbound; dates are UTC"),
        honoured("log-replies", YES_NO, is("no"), plain!(flag log.replies), RELOAD)
            .note("errors to messages whose header is of no use are logged too"),
        honoured("log-tag-queryreply", YES_NO, is("no"), plain!(flag log.tags), RELOAD),
        honoured("log-servfail", YES_NO, is("no"), plain!(flag log.failures), RELOAD),
        honoured("log-destaddr", YES_NO, is("no"), plain!(flag log.destinations), RELOAD)
            .note("the address that was asked, where Unbound has that of the socket, which may be 0.0.0.0 or ::"),
        changes_nothing("log-thread-id", YES_NO, "no", "lines of the log do not depend on the thread").since("1.25"),
        honoured(
            "statistics-interval",
            &[Kind::NumberOrNothing(0, i32::MAX as i64)],
            is("0"),
            plain!(number statistics.interval),
            RELOAD,
        ),
        honoured("statistics-cumulative", YES_NO, is("no"), plain!(flag statistics.cumulative), RELOAD),
        honoured("extended-statistics", YES_NO, is("no"), plain!(flag statistics.extended), RELOAD),
        honoured("statistics-inhibit-zero", YES_NO, is("yes"), plain!(flag statistics.inhibit_zero), RELOAD),
        not_yet("shm-enable", YES_NO, "no", "counters are read over the control socket alone", &["no"]),
        inert(
            "shm-key",
            &[Kind::NumberOrNothing(i32::MIN as i64, i32::MAX as i64)],
            "11777",
            "means nothing without shm-enable",
        ),
        honoured("username", TEXT, words("stays who started it"), plain!(text username), RESTART),
        honoured("chroot", PATH, words("none"), plain!(path chroot), RESTART),
        honoured("directory", PATH, is(DEFAULT_DIRECTORY), plain!(path directory), RESTART),
        honoured("pidfile", PATH, words("none"), plain!(path pidfile), RESTART),
        honoured("sandbox", YES_NO, is("yes"), plain!(flag sandbox), RESTART).since("runbound"),
        changes_nothing(
            "num-threads",
            &[Kind::Number(1, 10_000)],
            "1",
            "one worker answers and side threads help it, whatever the number",
        ),
        inert(
            "use-systemd",
            YES_NO,
            "no",
            "sockets are opened here, and systemd starts a program in the foreground as it is",
        ),
        inert("do-daemonize", YES_NO, "yes", "the program stays in the foreground, as a service manager wants it"),
    ],
);

fn set_logfile(config: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    // Links of the system to what a process was started with; a file that is opened anew is none of the two.
    let is_stream = ["/dev/stderr", "/dev/stdout"].contains(&args.text(0));
    config.log.file = if is_stream { "".into() } else { args.text(0).into() };
    config.log.use_syslog = false;
    Ok(())
}
