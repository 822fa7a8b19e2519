//! Whether the XDP program of an interface answers by itself what is asked most (`xdp-answers:`), and if not, why.

use super::advice::quoted;
use super::plan::Target;
use crate::config::{Config, Toggle};
use crate::host::AttachedProgram;

/// Octets of an IP packet that a reply of the program's may need.
const LONGEST: u32 = 600;

/// Why the program of a target leaves all to the worker, in one line with what changes that; `None` where nothing known speaks
/// against its answers. `wanted`: `xdp-answers:` of the start; of `config` counts what a reload may change. `zero_copy`: whether
/// the sockets are bound so.
pub fn without_answers(wanted: Toggle, config: &Config, target: &Target, zero_copy: bool) -> Option<String> {
    if wanted == Toggle::No {
        return Some("xdp-answers: no".to_owned());
    }
    if target.generic {
        return Some("in generic mode the program redirects alone; native mode has it".to_owned());
    }
    if zero_copy && wanted == Toggle::Auto {
        let text = "in zero-copy mode the driver would copy each of its answers, and the worker's not; xdp-answers: yes has it so";
        return Some(text.to_owned());
    }
    if target.reply_mtu < LONGEST {
        let mtu = target.reply_mtu;
        return Some(format!(
            "replies have {mtu} octets at most on their way, and its answers may have {LONGEST}: a greater MTU there has it"
        ));
    }
    seen_one_by_one(config)
}

/// Who wants to see every query.
fn seen_one_by_one(config: &Config) -> Option<String> {
    let logs = [
        ("log-queries", config.log.queries),
        ("log-replies", config.log.replies),
        ("log-local-actions", config.log.local_actions),
    ];
    if let Some((name, _)) = logs.iter().find(|(_, is_on)| *is_on) {
        return Some(format!(
            "{name}: yes has a line for each query, which the worker writes; no has the program answer"
        ));
    }
    let limits = [("ip-ratelimit", config.clients.rate), ("ip-ratelimit-cookie", config.clients.rate_cookie)];
    let (name, limit) = limits.iter().find(|(_, limit)| *limit > 0)?;
    Some(format!("{name}: {limit} counts each query of a client, which the worker does; 0 ends that"))
}

/// Why there are none where the other end of a pair, out of reach, has no program.
pub const NO_PROGRAM: &str = "its other end, in another network namespace, has no native XDP program, and none can be put there from \
                              here: the kernel drops without one what the program here answers; one there that lets all pass has \
                              it, and so has a veth pair with both ends here";

/// Why there are none where nothing can tell whether they leave.
pub const UNTOLD: &str = "its other end is in another network namespace, and its driver does not tell whether what the program \
                          answers leaves (`ethtool -S` has no xdp_tx): Linux 5.7 does; a veth pair with both ends here has it";

/// Why the program for the other end of a pair is not put there: another one is, on `holder`, that end or a link above it.
pub fn peer_is_taken(peer: &str, holder: &str, program: AttachedProgram) -> String {
    let (id, hook) = (program.id, program.hook());
    format!(
        "its other end {peer} is to have a program of ours, and another (id {id}) is on {holder}: it is left alone; `ip link set dev \
         {} {hook} off` removes one that no process holds, and `bpftool prog show id {id}` tells whose it is",
        quoted(holder)
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::attach::{Tags, plan};
    use crate::host::recorded;

    fn target() -> Target {
        let (links, listen) = (recorded::facts("reference").links, "192.168.10.250:53".parse().unwrap());
        plan(&Config::default(), &[listen], &links).targets.remove(0)
    }

    #[test]
    fn the_program_answers_where_frames_are_copied_and_nothing_wants_each_query() {
        let (pair, config) = (target(), Config::default());
        assert_eq!(pair.interface, "veth-rb");
        for toggle in [Toggle::Auto, Toggle::Yes] {
            assert_eq!(without_answers(toggle, &config, &pair, false), None);
        }
        assert_eq!(without_answers(Toggle::Yes, &config, &pair, true), None, "as it is asked for");
        let off = |target: &Target| without_answers(Toggle::Auto, &config, target, false).unwrap();
        assert!(without_answers(Toggle::Auto, &config, &pair, true).unwrap().contains("zero-copy mode"));
        assert_eq!(without_answers(Toggle::No, &config, &pair, true).unwrap(), "xdp-answers: no");
        assert!(off(&Target { generic: true, ..pair.clone() }).contains("generic mode"));
        let elsewhere = Target { tags: Tags::PeerElsewhere, ..pair.clone() };
        assert_eq!(without_answers(Toggle::Auto, &config, &elsewhere, false), None, "a trial tells");
        assert!(off(&Target { reply_mtu: LONGEST - 1, ..pair.clone() }).contains("599 octets"));
        let exact = Target { reply_mtu: LONGEST, ..pair };
        assert_eq!(without_answers(Toggle::Auto, &config, &exact, false), None);
    }

    #[test]
    fn what_wants_each_query_is_named() {
        let with = |set: fn(&mut Config)| {
            let mut config = Config::default();
            set(&mut config);
            config
        };
        let configs = [
            (with(|config| config.log.queries = true), "log-queries: yes"),
            (with(|config| config.log.replies = true), "log-replies: yes"),
            (with(|config| config.log.local_actions = true), "log-local-actions: yes"),
        ];
        let limits = [
            (with(|config| config.clients.rate = 100), "ip-ratelimit: 100 "),
            (with(|config| config.clients.rate_cookie = 200), "ip-ratelimit-cookie: 200 "),
        ];
        for (config, says) in configs.into_iter().chain(limits) {
            let why = without_answers(Toggle::Yes, &config, &target(), false).unwrap();
            assert!(why.starts_with(says), "{why}");
        }
    }

    #[test]
    fn a_program_at_the_other_end_is_named_with_its_place() {
        let program = AttachedProgram { id: 7, generic: true };
        let text = peer_is_taken("veth-bnd", "br-rb", program);
        assert!(
            text.contains("(id 7) is on br-rb") && text.contains("`ip link set dev br-rb xdpgeneric off`"),
            "{text}"
        );
    }
}
