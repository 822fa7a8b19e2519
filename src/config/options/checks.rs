//! Checks of values that are about more than one value.

use super::*;
use crate::config::local_zones::LocalZoneType;
use crate::config::noted;
use crate::config::record;
use crate::dns::name_text;

/// The file must be there.
pub(super) fn file(_: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    args.place.and_then(|place| noted::missing(place, args.text(0))).map_or(Ok(()), Err)
}

/// The file of a zone's keys must be there, empty at the least: that anything is trusted is for who writes the configuration to say.
pub(super) fn state_file(config: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    file(config, args).map_err(|missing| {
        format!("{missing}; an empty one begins with the root's keys that are built in, and is to be of the server's user, with its folder")
    })
}

/// The file must be there unless the zone comes from elsewhere.
pub(super) fn zone_file(config: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    if let Err(missing) = file(config, args) {
        args.noted.missing_file(args.at, format!("zonefile: {missing}"));
    }
    Ok(())
}

pub(super) fn fetched(_: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    args.noted.fetched();
    Ok(())
}

/// A record; nothing at all is one.
pub(super) fn record(_: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    args.record.read_anchor(args.bytes(0))
}

pub(super) fn reverse(_: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    let text = record::reverse(args.text(0))?;
    args.record.read(text.as_bytes())
}

pub(super) fn define_tags(_: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    args.noted.define_tags(args.text(0));
    Ok(())
}

/// Tags of the clause itself.
pub(super) fn own_tags(_: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    args.noted.use_tags(args.text(0))
}

/// Tags behind a first value.
pub(super) fn tags(_: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    args.noted.use_tags(args.text(1))
}

pub(super) fn tag_action(_: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    args.noted.need_tag(args.at, "access-control-tag-action", args.text(1));
    Ok(())
}

pub(super) fn tag_data(_: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    args.noted.need_tag(args.at, "access-control-tag-data", args.text(1));
    args.record.read(format!(". {}", args.text(2)).as_bytes())
}

pub(super) fn view(_: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    args.noted.need_view(args.at, "access-control-view", args.text(1));
    Ok(())
}

pub(super) fn zone_override(_: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    args.noted.need_local_zone(args.at, "local-zone-override", args.name);
    Ok(())
}

/// Actions of `response-ip:`.
pub(super) const RESPONSE_ACTIONS: &[&str] =
    &["deny", "redirect", "inform", "inform_deny", "always_transparent", "always_refuse", "always_nxdomain"];

pub(super) fn response_ip(_: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    let redirects = RESPONSE_ACTIONS.get(args.choice(1)) == Some(&"redirect");
    args.netblock(0).filter(|_| redirects).into_iter().for_each(|block| args.noted.redirect(block));
    Ok(())
}

pub(super) fn response_data(_: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    if let Some(block) = args.netblock(0) {
        args.noted.need_redirect(args.at, "response-ip-data", block);
    }
    args.record.read(format!(". {}", args.text(1)).as_bytes())
}

pub(super) const TRUNCATE: &str = "the type truncate is for unbound-control alone, as in Unbound";

/// `local-zone:` of a view.
pub(super) fn zone_type(_: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    match LocalZoneType::from_index(args.choice(1)) {
        Some(LocalZoneType::Truncate) => Err(TRUNCATE.into()),
        _ => Ok(()),
    }
}

/// The name of the zone or view that the clause describes.
pub(super) fn name(_: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    let name = match args.text(0) {
        "" => name_text::to_text(args.name),
        text => text.to_owned(),
    };
    args.noted.name(&name)
}

/// `rpz-action-override:`, whose `cname` wants a name beside it.
pub(super) fn action_override(_: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    if RPZ_ACTIONS.get(args.choice(0)) == Some(&"cname") {
        args.noted.wants_cname(args.at);
    }
    Ok(())
}

pub(super) const RPZ_ACTIONS: &[&str] = &["nxdomain", "nodata", "passthru", "drop", "cname", "disabled"];

pub(super) fn cname_override(_: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    args.noted.has_cname();
    Ok(())
}

pub(super) fn prefer_ip4(_: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    args.noted.prefer(args.flag(0).then_some(args.at), true);
    Ok(())
}

pub(super) fn prefer_ip6(_: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    args.noted.prefer(args.flag(0).then_some(args.at), false);
    Ok(())
}
