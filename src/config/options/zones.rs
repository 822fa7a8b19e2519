//! Directives of the clauses that describe zones and are not supported yet: `auth-zone:`, `rpz:`, `view:`.

use super::*;
use crate::config::local_zones::LocalZoneType;

const SEE_CLAUSE: &str = "the warning of the clause covers it";

pub(super) const AUTH: &[OptionSpec] = &inside(
    Clause::AuthZone,
    [
        inert("name", NAME, "none", SEE_CLAUSE).checked(checks::name),
        inert("primary", TEXT, "none", SEE_CLAUSE).alias(&["master"]).checked(checks::fetched),
        inert("url", TEXT, "none", SEE_CLAUSE).checked(checks::fetched),
        inert("allow-notify", TEXT, "none", SEE_CLAUSE),
        inert("zonefile", PATH, "none", SEE_CLAUSE).checked(checks::zone_file),
        inert("for-downstream", YES_NO, "yes", SEE_CLAUSE),
        inert("for-upstream", YES_NO, "yes", SEE_CLAUSE),
        inert("fallback-enabled", YES_NO, "no", SEE_CLAUSE),
        inert("zonemd-check", YES_NO, "no", SEE_CLAUSE),
        inert("zonemd-reject-absence", YES_NO, "no", SEE_CLAUSE),
        inert("max-transfer-size", BYTES, "0", SEE_CLAUSE).since("1.26"),
        inert("max-transfer-time", COUNT, "0", SEE_CLAUSE).since("1.26"),
    ],
);

pub(super) const RPZ: &[OptionSpec] = &inside(
    Clause::Rpz,
    [
        inert("name", NAME, "none", SEE_CLAUSE).checked(checks::name),
        inert("primary", TEXT, "none", SEE_CLAUSE).alias(&["master"]).checked(checks::fetched),
        inert("url", TEXT, "none", SEE_CLAUSE).checked(checks::fetched),
        inert("allow-notify", TEXT, "none", SEE_CLAUSE),
        inert("zonefile", PATH, "none", SEE_CLAUSE).checked(checks::zone_file),
        inert("for-downstream", YES_NO, "no", SEE_CLAUSE),
        inert("tags", TEXT, "none", SEE_CLAUSE).checked(checks::own_tags),
        inert("rpz-action-override", &[Kind::Choice(checks::RPZ_ACTIONS)], "none", SEE_CLAUSE)
            .checked(checks::action_override),
        inert("rpz-cname-override", TEXT, "none", SEE_CLAUSE).checked(checks::cname_override),
        inert("rpz-log", YES_NO, "no", SEE_CLAUSE),
        inert("rpz-log-name", TEXT, "none", SEE_CLAUSE),
        inert("rpz-signal-nxdomain-ra", YES_NO, "no", SEE_CLAUSE),
        inert("max-transfer-size", BYTES, "0", SEE_CLAUSE).since("1.26"),
        inert("max-transfer-time", COUNT, "0", SEE_CLAUSE).since("1.26"),
    ],
);

pub(super) const VIEW: &[OptionSpec] = &inside(
    Clause::View,
    [
        inert("name", TEXT, "none", SEE_CLAUSE).checked(checks::name),
        inert("local-zone", &[Kind::Name, Kind::Choice(LocalZoneType::WORDS)], "none", SEE_CLAUSE)
            .checked(checks::zone_type),
        inert("local-data", &[Kind::Record], "none", SEE_CLAUSE).checked(checks::record),
        inert("local-data-ptr", &[Kind::Reverse], "none", SEE_CLAUSE).checked(checks::reverse),
        inert("view-first", YES_NO, "no", SEE_CLAUSE),
        inert("response-ip", &[Kind::Netblock, Kind::Choice(checks::RESPONSE_ACTIONS)], "none", SEE_CLAUSE)
            .checked(checks::response_ip),
        inert("response-ip-data", &[Kind::Netblock, Kind::Text], "none", SEE_CLAUSE).checked(checks::response_data),
    ],
);
