//! A configuration becomes a [`Policy`].

use super::acl::{Acl, Blocks};
use super::policy::{ClientRules, LogBogus, Policy, RateRules, Secrets, Texts, WaitRules};
use super::zones::{LocalRecord, ZoneError, ZoneType, Zones, ZonesBuilder};
use crate::config::{self, Config, Diagnostic, Netblock, Severity, default_zones};
use crate::dns::cookie::Secret;
use crate::dns::scan::HashKey;
use crate::dns::{edns, name_text};
use crate::sys::memory;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, OnceLock};

/// Octets of a zone beside its name, and of a record beside its data, while they are compiled.
const ZONE: usize = 64;
const RECORD: usize = 480;
/// Most zones that `trustanchor.unbound.` lists, and tags of each, as Unbound.
const MOST_ANCHORS: usize = 16;
const MOST_TAGS: usize = 32;

/// Compiles what answers depend on. `hostname` answers id.server. when `identity:` does not say.
///
/// # Errors
/// Local data that its zone forbids, by file and line; whatever is wrong is in the list.
pub fn policy(config: &Config, hash_key: HashKey, hostname: &str) -> Result<Policy, Vec<Diagnostic>> {
    let shown = |hidden: bool, text: &Option<String>, otherwise: &str| {
        (!hidden).then(|| text.as_deref().filter(|text| !text.is_empty()).unwrap_or(otherwise).as_bytes().into())
    };
    let version = concat!("runbound ", env!("CARGO_PKG_VERSION"));
    Ok(Policy {
        hash_key,
        acl: acl(config),
        zones: Arc::new(zones(config, hash_key)?),
        identity: shown(config.identity.hides_name, &config.identity.name, hostname),
        version: shown(config.identity.hides_version, &config.identity.version, version),
        anchors: (!config.identity.hides_anchors).then(|| anchors(config).into()),
        nsid: config.nsid_octets().map(|nsid| option(edns::NSID, &nsid)),
        ede: config.ede,
        ede_expired: config.expired.ede,
        edns_buffer_size: config.edns_buffer_size,
        max_udp_size: if config.max_udp_size == 0 { u16::MAX } else { config.max_udp_size },
        harden_short_bufsize: config.harden_short_bufsize,
        harden_large_queries: config.harden_large_queries,
        error_ratelimit: config.error_ratelimit,
        deny_any: config.deny_any,
        rrset_roundrobin: config.rrset_roundrobin,
        original_ttl: config.caches.original_ttl,
        no_dnssec_ok: config.transport.no_dnssec_ok,
        clients: clients(config)?,
        prefetch: config.prefetch,
        log_queries: config.log.queries,
        log_replies: config.log.replies,
        log_destaddr: config.log.replies && config.log.destinations,
        log_servfail: config.log.failures,
        log_bogus: match config.validation.log_level {
            _ if config.log.failures => LogBogus::Reason,
            0 => LogBogus::Not,
            1 => LogBogus::Question,
            _ => LogBogus::Reason,
        },
        log_local_actions: config.log.local_actions,
    })
}

/// What is trusted, a text for each zone: its name and the tags of its keys (`trustanchor.unbound.`).
pub fn anchors(config: &Config) -> Texts {
    let tags = config.validation.key_tags();
    let text = |(zone, tags): &(Vec<u8>, Vec<u16>)| {
        let tags = tags.iter().take(MOST_TAGS).map(|tag| format!(" {tag}"));
        std::iter::once(name_text::to_text(zone)).chain(tags).collect::<String>().into_bytes()
    };
    let texts: Vec<Vec<u8>> = tags.iter().take(MOST_ANCHORS).map(text).collect();
    Texts::new(texts.iter().map(Vec::as_slice))
}

/// An EDNS option, code and length at its front. Its data are shorter than 64 KiB.
fn option(code: u16, data: &[u8]) -> Arc<[u8]> {
    [&code.to_be_bytes()[..], &(data.len() as u16).to_be_bytes(), data].concat().into()
}

/// access-control over Unbound's default of localhost only.
fn acl(config: &Config) -> Acl {
    let mut rules: Vec<_> = config::default_access_control()
        .into_iter()
        .map(|(block, action)| (block.address, block.prefix, action))
        .collect();
    rules.extend(config.access_control.iter().map(|rule| (rule.netblock.address, rule.netblock.prefix, rule.action)));
    Acl::new(&rules)
}

fn clients(config: &Config) -> Result<ClientRules, Vec<Diagnostic>> {
    let of = &config.clients;
    let rates =
        RateRules { limit: of.rate, with_cookie: of.rate_cookie, factor: of.rate_factor, backoff: of.rate_backoff };
    let waits = || WaitRules {
        all: waits(&of.wait_blocks, of.wait),
        with_cookie: waits(&of.wait_cookie_blocks, of.wait_cookie),
    };
    Ok(ClientRules {
        rates: (of.rate != 0 || of.rate_cookie != 0).then_some(rates),
        waits: (of.wait != 0).then(|| Arc::new(waits())),
        discard_after: u64::from(of.discard_timeout) * 1000,
        cookies: if of.answer_cookie { Some(Arc::new(secrets(config)?)) } else { None },
    })
}

/// The limits of blocks over Unbound's default, which has none for localhost.
fn waits(blocks: &[(Netblock, i32)], otherwise: u32) -> Blocks<Option<u32>> {
    let localhost = [(IpAddr::from([127, 0, 0, 0]), 8, None), (Ipv6Addr::LOCALHOST.into(), 128, None)];
    let blocks = blocks.iter().map(|(block, most)| (block.address, block.prefix, u32::try_from(*most).ok()));
    Blocks::of(&localhost.into_iter().chain(blocks).collect::<Vec<_>>(), Some(otherwise))
}

/// Those of the file; else the one of the configuration; else one that is drawn and holds as long as the process.
fn secrets(config: &Config) -> Result<Secrets, Vec<Diagnostic>> {
    static DRAWN: OnceLock<Secret> = OnceLock::new();
    if let [active, rest @ ..] = &config.clients.cookie_secrets[..] {
        return Ok(Secrets { active: *active, staging: rest.first().copied() });
    }
    let drawn = || match DRAWN.get() {
        Some(secret) => Ok(*secret),
        None => Secret::random().map(|secret| *DRAWN.get_or_init(|| secret)),
    };
    let active = config.clients.cookie_secret.map_or_else(drawn, Ok).map_err(|cause| {
        let text = format!("getrandom: {cause}; cookie-secret: gives a secret that need not be drawn");
        vec![Diagnostic::whole(Severity::Error, &config.files, text)]
    })?;
    Ok(Secrets { active, staging: None })
}

/// How many zones before its turn a name's place in the tables is fetched.
const AHEAD: usize = 8;

fn zones(config: &Config, hash_key: HashKey) -> Result<Zones, Vec<Diagnostic>> {
    let refused = |cause| vec![Diagnostic::whole(Severity::Error, &config.files, cause)];
    memory::room(octets_for(config)).map_err(refused)?;
    let mut builder = ZonesBuilder::new(hash_key);
    let mut errors = Vec::new();
    let mut check = |result: Result<(), ZoneError>, at: config::Location| {
        if let Err(error) = result {
            errors.push(Diagnostic::new(Severity::Error, &config.files, at, error.to_string()));
        }
    };
    builder.reserve(config.local_zones.len());
    for (number, zone) in config.local_zones.iter().enumerate() {
        if let Some(later) = config.local_zones.get(number + AHEAD) {
            builder.expect(later.name);
        }
        if !matches!(zone.kind, ZoneType::NoDefault | ZoneType::Ipset) {
            check(builder.zone(zone.name, zone.kind), zone.at);
        }
    }
    let defaults = default_zones::missing_from(config);
    for zone in &defaults {
        check(builder.zone(&zone.name, zone.kind), config::Location::default());
    }
    let built_in = defaults.iter().flat_map(|zone| zone.records.iter());
    let records: Vec<(LocalRecord, config::Location)> =
        built_in.chain(config.local_data.iter()).map(|record| (own(record), record.at)).collect();
    check(builder.implicit_zones(records.iter().map(|(record, _)| record)), config::Location::default());
    for (record, at) in records {
        check(builder.record(record), at);
    }
    if errors.is_empty() { Ok(builder.finish()) } else { Err(errors) }
}

/// Octets that compiling takes at most, beside the configuration: measured with short names, which have most to them beside
/// their octets, and rounded up.
fn octets_for(config: &Config) -> u64 {
    let zones = ZONE * config.local_zones.len() + 2 * config.local_zones.name_octets();
    let records = RECORD * config.local_data.len() + 2 * config.local_data.heap_bytes();
    (zones + records) as u64
}

fn own(record: config::LocalRecord<'_>) -> LocalRecord {
    LocalRecord {
        owner: record.owner.to_vec(),
        rtype: record.rtype,
        class: record.class,
        ttl: record.ttl,
        rdata: record.rdata.to_vec(),
    }
}
