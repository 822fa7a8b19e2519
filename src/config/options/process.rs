//! `server:` directives about the process, its log and its counters.

use super::*;
use crate::config::DEFAULT_DIRECTORY;
use crate::number;

pub(super) const OPTIONS: &[OptionSpec] = &[
    honoured("verbosity", &[Kind::Number(0, 255)], "1", set!(number verbosity)),
    honoured("logfile", PATH, "standard error", |config, args| {
        config.logfile = args.text(0).into();
        config.use_syslog = false;
        Ok(())
    }),
    honoured("use-syslog", YES_NO, "no", set!(flag use_syslog)),
    honoured("log-identity", TEXT, "runbound", set!(text log_identity)),
    honoured("log-time-ascii", YES_NO, "no", set!(flag log_time_ascii)),
    honoured("log-queries", YES_NO, "no", set!(flag log_queries)),
    honoured("log-local-actions", YES_NO, "no", set!(flag log_local_actions)),
    not_yet("log-time-iso", YES_NO, "no", "log-time-ascii: yes gives dates", &["no"]),
    not_yet("log-replies", YES_NO, "no", "replies are not logged", &["no"]),
    not_yet("log-tag-queryreply", YES_NO, "no", "lines of queries have no tag", &["no"]),
    not_yet("log-servfail", YES_NO, "no", "causes of SERVFAIL are logged from verbosity 2 on", &["no"]),
    not_yet("log-destaddr", YES_NO, "no", "replies are not logged", &["no"]),
    inert("log-thread-id", YES_NO, "no", "lines of the log do not depend on the thread").since("1.25"),
    honoured("statistics-interval", &[Kind::Text], "0", |config, args| {
        config.statistics_interval = match args.text(0) {
            "" => 0,
            text => number::read(text, 0..=u32::MAX).map_err(|error| error.to_string())?,
        };
        Ok(())
    }),
    honoured("statistics-cumulative", YES_NO, "no", set!(flag statistics_cumulative)),
    honoured("extended-statistics", YES_NO, "no", set!(flag extended_statistics)),
    honoured("statistics-inhibit-zero", YES_NO, "yes", set!(flag statistics_inhibit_zero)),
    not_yet("shm-enable", YES_NO, "no", "counters are read over the control socket alone", &["no"]),
    inert("shm-key", TEXT, "11777", "means nothing without shm-enable"),
    honoured("username", TEXT, "stays who started it", set!(text username)),
    honoured("chroot", PATH, "none", set!(text chroot)),
    honoured("directory", PATH, DEFAULT_DIRECTORY, set!(text directory)),
    honoured("pidfile", PATH, "none", set!(text pidfile)),
    honoured("sandbox", YES_NO, "yes", set!(flag sandbox)).since("runbound"),
    inert("num-threads", COUNT, "1", "one worker answers and side threads help it, whatever the number"),
    inert(
        "use-systemd",
        YES_NO,
        "no",
        "sockets are opened here, and systemd starts a program in the foreground as it is",
    ),
    inert("do-daemonize", YES_NO, "yes", "the program stays in the foreground, as a service manager wants it"),
];
