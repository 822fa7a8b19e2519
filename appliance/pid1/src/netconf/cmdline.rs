//! The kernel's command line: `ip=` (Documentation/admin-guide/nfs/nfsroot.rst) and our own words.

use super::plan::{LinkKind, LinkPlan, Network, NetworkPlan, Parsed, RoutePlan, is_link_name};
use std::net::IpAddr;

/// Whether a word without a value, such as `runbound.debug`, stands there.
pub fn has(cmdline: &str, word: &str) -> bool {
    cmdline.split_ascii_whitespace().any(|given| given == word)
}

/// The values of `key=`, in order.
pub fn values<'a>(cmdline: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    cmdline.split_ascii_whitespace().filter_map(move |word| word.strip_prefix(key)?.strip_prefix('='))
}

/// What `ip=` and `nameserver=` ask for; `None` without an `ip=` that says anything. `nics` are the Ethernet interfaces,
/// for settings that name none: addresses go to the first, DHCP to all.
pub fn network(cmdline: &str, nics: &[String]) -> Option<Parsed> {
    let mut parsed = Parsed::default();
    let mut any = false;
    for value in values(cmdline, "ip") {
        match value {
            "off" | "none" => {}
            "dhcp" | "on" | "any" | "both" => {
                any = true;
                parsed.plan.links.extend(NetworkPlan::automatic(nics.iter().cloned()).links);
            }
            value => match fields(value).and_then(|fields| link(&fields, nics, &mut parsed.plan)) {
                Ok(link) => {
                    any = true;
                    parsed.plan.links.push(link);
                }
                Err(why) => parsed.warnings.push(format!("ip={value}: {why}; it is ignored")),
            },
        }
    }
    for value in values(cmdline, "nameserver") {
        match value.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(server) => parsed.plan.add_nameserver(server),
            Err(_) => parsed.warnings.push(format!("nameserver={value}: no IP address; it is ignored")),
        }
    }
    let says = any || !parsed.plan.nameservers.is_empty() || !parsed.warnings.is_empty();
    says.then_some(parsed)
}

/// Fields between colons; an IPv6 address stands in brackets.
fn fields(value: &str) -> Result<Vec<String>, String> {
    let mut fields = vec![String::new()];
    let mut inside = false;
    for c in value.chars() {
        match c {
            '[' if !inside => inside = true,
            ']' if inside => inside = false,
            ':' if !inside => fields.push(String::new()),
            c => fields.last_mut().map(|field| field.push(c)).unwrap_or_default(),
        }
    }
    if inside { Err("a bracket is not closed".into()) } else { Ok(fields) }
}

/// client-ip:server-ip:gateway:netmask:hostname:device:autoconf:dns0:dns1:ntp0
fn link(fields: &[String], nics: &[String], plan: &mut NetworkPlan) -> Result<LinkPlan, String> {
    let field = |at: usize| fields.get(at).map(String::as_str).filter(|field| !field.is_empty());
    let ip = |at: usize, what: &str| -> Result<Option<IpAddr>, String> {
        field(at).map(|text| text.parse::<IpAddr>().map_err(|_| format!("{text} is no {what}"))).transpose()
    };
    let name = match field(5) {
        Some(name) if is_link_name(name) => name.to_owned(),
        Some(name) => return Err(format!("{name} is no name for an interface")),
        None => nics.first().cloned().ok_or("there is no Ethernet interface")?,
    };
    let mut link = LinkPlan { id: name.clone(), kind: LinkKind::ByName(name), ..LinkPlan::default() };
    let autoconf = field(6).unwrap_or(if field(0).is_some() { "off" } else { "on" });
    match autoconf {
        "off" | "none" | "static" => {}
        "on" | "any" | "dhcp" | "both" => link.dhcp4 = true,
        other => return Err(format!("{other} is not supported: off, on or dhcp")),
    }
    if let Some(address) = field(0) {
        let address = address.parse::<Network>().map_err(|()| format!("{address} is no IP address"))?;
        let whole = address.ip.is_ipv4() && address.prefix == 32 || address.ip.is_ipv6() && address.prefix == 128;
        let mask = match field(3) {
            Some(mask) => mask.to_owned(),
            None if !whole => address.prefix.to_string(),
            None => return Err("the netmask is missing".into()),
        };
        let address = Network::with_mask(address.ip, &mask).ok_or_else(|| format!("{mask} is no netmask"))?;
        link.addresses.push(address);
    }
    link.routes.extend(ip(2, "gateway")?.map(RoutePlan::default_by));
    plan.hostname = field(4).map(str::to_owned).or(plan.hostname.take());
    for at in [7, 8] {
        if let Some(server) = ip(at, "DNS server")? {
            plan.add_nameserver(server);
        }
    }
    Ok(link)
}
