//! What of the configuration validation goes by.

use crate::config::Config;
use crate::validate::autotrust::Followed;
use crate::validate::autotrust_step::Timers;
use crate::validate::{Fakes, Iterations, Rules};
use std::sync::Arc;

/// The rules of a configuration; `None`: nothing is validated, as it has no validator or trusts nobody. `fakes`: which signatures
/// count as valid, none but in scenarios.
pub fn rules(config: &Config, fakes: Fakes) -> Option<Rules> {
    let of = &config.validation;
    if !of.is_on() {
        return None;
    }
    let (anchors, _) =
        of.anchors(|record| record.is_known() || record.algorithm().is_some_and(|algorithm| fakes.has(algorithm)));
    let pairs: Vec<(u32, u16)> =
        of.nsec3_iterations.iter().map(|&(bits, most)| (bits, u16::try_from(most).unwrap_or(u16::MAX))).collect();
    Some(Rules {
        anchors: Arc::new(anchors),
        date: of.override_date(),
        skew_min: of.skew_min,
        skew_max: of.skew_max,
        iterations: Iterations::new(&pairs).unwrap_or_default(),
        harden_stripped: of.harden_stripped,
        harden_downgrade: of.harden_downgrade,
        permissive: of.permissive,
        clean_additional: of.clean_additional,
        bogus_ttl: of.bogus_ttl,
        restarts: u8::try_from(of.max_restart).unwrap_or(u8::MAX),
        ignore_cd: of.ignore_cd,
        key_cache: usize::try_from(of.key_cache).unwrap_or(usize::MAX),
        checks_lameness: !of.no_lame_check,
        aggressive: of.aggressive,
        negative_cache: usize::try_from(of.negative_cache).unwrap_or(usize::MAX),
        followed: of
            .followed()
            .map(|(auto, point)| Followed { file: config.directory.join(&auto.file), point: point.clone() })
            .collect(),
        timers: Timers {
            add: of.add_holddown,
            delete: of.del_holddown,
            missing: of.keep_missing,
            small: of.small_holddown,
        },
        sentinel: of.sentinel,
        signals: of.signals,
        prefetches: of.prefetches_keys,
        fakes,
    })
}
