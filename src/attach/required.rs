//! What `xdp: require` asks of a plan, before anything is attached by it.

use super::plan::{Outcome, Plan};
use crate::config::{Config, XdpUse};
use crate::host::Links;

/// Whether the program is not to start without XDP.
pub(super) fn is_required(config: &Config) -> bool {
    config.xdp.enable == XdpUse::Require && config.do_udp
}

/// Why `xdp: require` cannot be met by a plan, whatever comes of attaching. `None` where it may be, and where nothing is required.
pub fn unmet(config: &Config, plan: &Plan, links: &Links) -> Option<String> {
    if !is_required(config) {
        return None;
    }
    let name = |carrier| links.by_index(carrier).map_or("?", |link| link.name.as_str());
    let without = |by_choice: bool| {
        plan.decisions.iter().find_map(|decision| match &decision.outcome {
            Outcome::Kernel { reason, wanted } if *wanted != by_choice => Some(named(name(decision.carrier), reason)),
            _ => None,
        })
    };
    let nowhere = || {
        let unused = plan.unused.first().map(|unused| unused.text.clone());
        let none = "no interface carries an address of interface: other than loopback";
        unused.or_else(|| without(true)).unwrap_or_else(|| none.to_owned())
    };
    without(false).or_else(|| plan.targets.is_empty().then(nowhere))
}

/// A reason behind the name of its interface; the reason of a place that was passed over begins with one already.
fn named(name: &str, reason: &str) -> String {
    let is_named = reason.strip_prefix(name).is_some_and(|rest| rest.starts_with(": "));
    if is_named { reason.to_owned() } else { format!("{name}: {reason}") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::attach::plan;
    use crate::host::recorded;

    #[test]
    fn an_interface_is_named_once() {
        let passed_over = "br-rb: a bridge has no native XDP; not below br-rb either";
        assert_eq!(named("br-rb", passed_over), passed_over);
        assert_eq!(named("br-r", passed_over), format!("br-r: {passed_over}"));
        assert_eq!(named("eth0", "the port is 0"), "eth0: the port is 0");
    }

    #[test]
    fn what_no_attaching_helps_is_told_before() {
        let told = |record: &str, listen: &str, change: fn(&mut Config)| {
            let (links, mut config) = (recorded::facts(record).links, Config::default());
            config.xdp.enable = XdpUse::Require;
            change(&mut config);
            unmet(&config, &plan(&config, &[listen.parse().unwrap()], &links), &links).unwrap_or_default()
        };
        let (server, none) = ("192.168.10.250:53", |_: &mut Config| ());
        assert_eq!(told("reference", server, none), "");
        assert!(told("sdn_zones", "10.0.0.1:53", none).starts_with("vnet4: "), "an address on a bridge of guests");
        let loopback = "no interface carries an address of interface: other than loopback";
        assert_eq!(told("reference", "127.0.0.1:53", none), loopback);
        assert_eq!(told("reference", "192.0.2.9:53", none), loopback);
        let gone = told("reference", server, |config| config.xdp.interfaces = vec!["eth9".into()]);
        assert!(gone.starts_with("xdp-interface: there is no eth9 here"), "{gone}");
        let other = told("reference", server, |config| config.xdp.interfaces = vec!["br-rb".into()]);
        assert!(
            other.starts_with("xdp-interface: br-rb neither carries") && !other.contains("kernel sockets"),
            "{other}"
        );
        assert_eq!(
            told("reference", server, |config| config.xdp.interfaces = vec!["eth9".into(), "veth-rb".into()]),
            ""
        );
        for waived in
            [|config: &mut Config| config.do_udp = false, |config: &mut Config| config.xdp.enable = XdpUse::Yes]
        {
            assert_eq!(told("reference", "127.0.0.1:53", waived), "");
        }
    }
}
