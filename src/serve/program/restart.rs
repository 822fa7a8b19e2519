//! What a reload cannot change.

use crate::config::{Config, ScopedAddress};

/// Directives whose change a reload cannot put in force.
pub(super) fn changed_for_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let changes = [
        (
            "interface",
            old.interfaces
                .iter()
                .map(|line| (&line.host, line.port))
                .ne(new.interfaces.iter().map(|line| (&line.host, line.port))),
        ),
        ("port", old.port != new.port),
        ("do-ip4", old.do_ip4 != new.do_ip4),
        ("do-ip6", old.do_ip6 != new.do_ip6),
        ("do-udp", old.do_udp != new.do_udp),
        ("do-tcp", old.do_tcp != new.do_tcp),
        ("xdp", old.xdp != new.xdp),
        ("msg-cache-size", old.msg_cache_size != new.msg_cache_size),
        ("cache-min-ttl, cache-max-ttl or cache-max-negative-ttl", ttl_limits(old) != ttl_limits(new)),
        ("minimal-responses", old.minimal_responses != new.minimal_responses),
        ("max-udp-size", old.max_udp_size != new.max_udp_size),
        ("so-rcvbuf or so-sndbuf", (old.so_rcvbuf, old.so_sndbuf) != (new.so_rcvbuf, new.so_sndbuf)),
        ("incoming-num-tcp", old.incoming_num_tcp != new.incoming_num_tcp),
        (
            "outgoing-interface, outgoing-range, outgoing-num-tcp or the outgoing ports",
            (sources(old), old.outgoing_range, old.outgoing_num_tcp, &old.outgoing_port_rules)
                != (sources(new), new.outgoing_range, new.outgoing_num_tcp, &new.outgoing_port_rules),
        ),
        ("jostle-timeout", old.jostle_timeout != new.jostle_timeout),
        ("num-queries-per-thread", old.num_queries_per_thread != new.num_queries_per_thread),
        ("username", old.username != new.username),
        ("chroot", old.chroot != new.chroot),
        ("directory", old.directory != new.directory),
        ("pidfile", old.pidfile != new.pidfile),
        ("sandbox", old.sandbox != new.sandbox),
        ("logfile, use-syslog, log-identity or log-time-ascii", log_settings(old) != log_settings(new)),
        ("tcp-idle-timeout", old.tcp_idle_timeout != new.tcp_idle_timeout),
        ("edns-buffer-size (towards upstream)", old.edns_buffer_size != new.edns_buffer_size),
        ("control-enable", old.remote_control.enable != new.remote_control.enable),
        (
            "remote-control",
            old.remote_control.sockets.iter().map(|s| &s.0).ne(new.remote_control.sockets.iter().map(|s| &s.0)),
        ),
    ];
    changes.into_iter().filter_map(|(name, changed)| changed.then_some(name)).collect()
}

fn sources(config: &Config) -> Vec<&ScopedAddress> {
    config.outgoing_interfaces.iter().map(|line| &line.address).collect()
}

fn log_settings(config: &Config) -> (&std::path::Path, bool, &str, bool) {
    (&config.logfile, config.use_syslog, &config.log_identity, config.log_time_ascii)
}

fn ttl_limits(config: &Config) -> (u32, u32, u32) {
    (config.cache_min_ttl, config.cache_max_ttl, config.cache_max_negative_ttl)
}
