//! What only the whole configuration shows: clauses that lack something, data that its zone forbids.

use super::anchor_checks;
use super::diagnostic::{Diagnostic, Severity};
use super::duplicates;
use super::local_zones::{LocalZones, ZoneIndex};
use super::model::Config;
use super::servers::ZoneClause;
use crate::dns::name_text::{self, NameBuf};

/// CNAME's number (RFC 1035, 3.2.2).
const CNAME: u16 = 5;
/// IN's number; `local-zone:` lines are of this class (RFC 1035, 3.2.4).
const IN: u16 = 1;
/// Most findings of one kind worth telling.
const MAX_FINDINGS: usize = 100;

/// Takes away the clauses with `forward-default: yes` whose name another clause has.
pub(super) fn drop_defaults(zones: &mut Vec<ZoneClause>) {
    let named: Vec<Vec<u8>> = zones.iter().filter(|zone| !zone.default).map(|zone| zone.name.clone()).collect();
    zones.retain(|zone| !zone.default || !named.contains(&zone.name));
}

/// Errors and warnings about clauses and local data.
pub(super) fn semantics(config: &Config) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    nothing_left(config, &mut findings);
    zones(config, &mut findings);
    findings.extend(duplicates::of_clauses(config));
    remote_control(config, &mut findings);
    dates(config, &mut findings);
    limits(config, &mut findings);
    redirect_zones(config, &mut findings);
    findings.extend(anchor_checks::findings(config));
    findings
}

/// Switches that leave nothing to do.
fn nothing_left(config: &Config, findings: &mut Vec<Diagnostic>) {
    let mut error = |message: &str| findings.push(Diagnostic::whole(Severity::Error, &config.files, message));
    if !config.do_ip4 && !config.do_ip6 {
        error("do-ip4: no and do-ip6: no leave nothing to serve; switch one of them on");
    }
    if !config.do_udp && !config.do_tcp {
        error("do-udp: no and do-tcp: no leave nothing to serve; switch one of them on");
    }
}

fn zones(config: &Config, findings: &mut Vec<Diagnostic>) {
    let forward = config.forward_zones.iter().map(|zone| (zone, "forward"));
    let stub = config.stub_zones.iter().map(|zone| (zone, "stub"));
    for (zone, kind) in forward.chain(stub) {
        if zone.unread {
            // That line is the one to mend.
        } else if zone.name.is_empty() {
            let message = format!("the {kind}-zone has no name; add a line like name: \".\"");
            findings.push(Diagnostic::error(&config.files, zone.at, message));
        } else if zone.servers.is_empty() && zone.hosts.is_empty() && !zone.default {
            let name = name_text::to_text(&zone.name);
            let message = format!(
                "the {kind}-zone {name} has no {kind}-addr: questions for it get SERVFAIL; add one like {kind}-addr: \
                 192.0.2.53"
            );
            findings.push(Diagnostic::new(Severity::Warning, &config.files, zone.at, message));
        }
        never_asked(config, zone, kind, findings);
    }
}

/// Unbound never asks such a server either, but does not say so.
fn never_asked(config: &Config, zone: &ZoneClause, kind: &str, findings: &mut Vec<Diagnostic>) {
    for server in &zone.servers {
        let why = if config.do_not_query_localhost && server.address.ip.is_loopback() {
            "add do-not-query-localhost: no to server:".to_owned()
        } else if let Some(block) = config.servers.never.iter().find(|block| block.contains(server.address.ip)) {
            if config.servers.nat64 && config.servers.nat64_prefix.contains(server.address.ip) {
                continue;
            }
            format!("do-not-query-address: {block} of server: names it, remove one of the two")
        } else {
            continue;
        };
        let message = format!("{kind}-addr: {} is never asked; {why}", server.address);
        findings.push(Diagnostic::new(Severity::Warning, &config.files, server.at, message));
    }
}

fn remote_control(config: &Config, findings: &mut Vec<Diagnostic>) {
    if config.remote_control.enable && config.remote_control.sockets.is_empty() {
        let message = "control-enable: yes opens nothing, control over IP is not supported yet; \
                       add control-interface: /run/runbound/control to remote-control:";
        findings.push(Diagnostic::new(Severity::Warning, &config.files, config.remote_control.at, message));
    }
}

/// As with Unbound, which does not say so.
fn dates(config: &Config, findings: &mut Vec<Diagnostic>) {
    if config.log.time_iso && !config.log.time_ascii {
        let message = "log-time-iso: yes does nothing without log-time-ascii: yes; add that line for dates in the log";
        findings.push(Diagnostic::whole(Severity::Info, &config.files, message));
    }
}

/// Limits that count nobody, and answers that nobody is left to get.
fn limits(config: &Config, findings: &mut Vec<Diagnostic>) {
    let mut warn = |message: String| findings.push(Diagnostic::whole(Severity::Warning, &config.files, &message));
    let (clients, expired) = (&config.clients, &config.expired);
    let without_cookies = [
        ("ip-ratelimit-cookie", clients.rate_cookie != 0),
        ("wait-limit-cookie-netblock", !clients.wait_cookie_blocks.is_empty()),
    ];
    for (directive, is_set) in without_cookies {
        if is_set && !clients.answer_cookie {
            warn(format!("{directive} limits nobody, since no client has a cookie of ours; add answer-cookie: yes"));
        }
    }
    let (told, given_up) = (expired.client_timeout, clients.discard_timeout);
    if expired.serve && given_up != 0 && told > given_up {
        warn(format!(
            "serve-expired-client-timeout: {told} is longer than discard-timeout: {given_up}, after which nobody gets an answer; \
             make it shorter"
        ));
    }
}

/// Data of a redirect zone stands at its top, and a CNAME there stands alone (Unbound's `local_zone_enter_rr`).
fn redirect_zones(config: &Config, findings: &mut Vec<Diagnostic>) {
    if config.local_data.is_empty() || !has_redirects(&config.local_zones) {
        return;
    }
    let index = ZoneIndex::new(&config.local_zones);
    let mut owner = NameBuf::new();
    // The type that a zone got first, 0 for none yet: no type has that number.
    let mut first_types = vec![0u16; config.local_zones.len()];
    for record in config.local_data.iter().filter(|record| record.class == IN) {
        owner.clear();
        // An owner is at most 255 octets, so it fits.
        let _ = owner.try_extend_from_slice(record.owner);
        owner.make_ascii_lowercase();
        let Some(number) = index.closest(&owner) else {
            continue;
        };
        let Some(zone) = config.local_zones.get(number).filter(|zone| zone.kind.redirects()) else {
            continue;
        };
        let top = name_text::to_text;
        let message = if zone.name != &owner[..] {
            format!(
                "local-data: {} is below the {} zone {}; only data at its top can be",
                top(&owner),
                zone.kind.word(),
                top(zone.name)
            )
        } else if first_types[number] == 0 {
            first_types[number] = record.rtype;
            continue;
        } else if first_types[number] == CNAME || record.rtype == CNAME {
            format!(
                "local-data: the {} zone {} has a CNAME beside other data; a CNAME stands alone",
                zone.kind.word(),
                top(zone.name)
            )
        } else {
            continue;
        };
        findings.push(Diagnostic::error(&config.files, record.at, message));
        if findings.len() > MAX_FINDINGS {
            return;
        }
    }
}

fn has_redirects(zones: &LocalZones) -> bool {
    zones.iter().any(|zone| zone.kind.redirects())
}
