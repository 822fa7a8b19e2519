//! Whom the XDP programs answer by themselves.

use crate::answer::policy::Policy;
use crate::xdp::answers::{MOST_NETWORKS, Table};
use std::net::IpAddr;
use std::sync::Arc;

/// The clients of all programs, as the policy in force has them. Main's.
#[derive(Debug)]
pub struct ProgramClients {
    table: Arc<Table>,
    /// Networks that are in the programs' maps; `None`: it is not known which.
    networks: Option<Vec<(IpAddr, u8)>>,
}

impl ProgramClients {
    /// Nobody yet.
    pub fn new(table: Arc<Table>) -> ProgramClients {
        ProgramClients { table, networks: Some(Vec::new()) }
    }

    /// Has nobody answered whom a policy that is about to be in force might have answered in another way.
    pub fn close_for(&mut self, policy: &Policy) {
        if self.networks.as_ref() == Some(&clients(policy)) {
            return;
        }
        self.take_out();
    }

    /// Has those answered that are clients of the program by the policy in force.
    pub fn open_for(&mut self, policy: &Policy) {
        let networks = clients(policy);
        if self.networks.as_ref() == Some(&networks) || !self.take_out() {
            return;
        }
        if let Err(cause) = self.table.allow(&networks) {
            let many = networks.len();
            log::warn!(
                "the XDP program does not answer all clients that may have answers, the worker does: {cause} ({many} networks of \
                 plain `allow` in access-control, {MOST_NETWORKS} of each family have room)"
            );
        }
        // What is not in force is not tried again for each edit of local data.
        self.networks = Some(networks);
    }

    /// Has nobody answered. Whether that is so; else it is tried again with the next policy.
    fn take_out(&mut self) -> bool {
        let done = self.table.allow_nobody();
        self.networks = done.is_ok().then(Vec::new);
        if let Err(cause) = done {
            log::warn!(
                "the XDP program goes on to answer clients of the access-control of before: {cause}; xdp-answers: no and a \
                 restart end that"
            );
        }
        self.networks.is_some()
    }
}

/// The networks whose queries the worker need not see.
fn clients(policy: &Policy) -> Vec<(IpAddr, u8)> {
    if policy.sees_each_query() { Vec::new() } else { policy.acl.plain_networks() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::answer::acl::{Access, Acl};
    use crate::answer::compile;
    use crate::attach;
    use crate::config::{self, Config, Toggle};
    use crate::dns::scan::HashKey;
    use crate::host::recorded;

    #[test]
    fn the_program_has_no_clients_exactly_where_it_is_said_to_answer_nothing() {
        let (links, listen) = (recorded::facts("reference").links, "192.168.10.250:53".parse().unwrap());
        let pair = attach::plan(&Config::default(), &[listen], &links).targets.remove(0);
        for (line, may) in [
            ("prefetch: yes", true),
            ("answer-cookie: yes", true),
            ("ip-ratelimit-factor: 3", true),
            ("log-queries: yes", false),
            ("log-replies: yes", false),
            ("log-local-actions: yes", false),
            ("ip-ratelimit: 100", false),
            ("ip-ratelimit-cookie: 100", false),
        ] {
            let text = format!("server:\n access-control: 192.0.2.0/24 allow\n {line}\n");
            let config = config::parse_bytes("test", text.as_bytes()).unwrap().config;
            let policy = compile::policy(&config, HashKey::fixed(1), "host").unwrap();
            assert_eq!(!clients(&policy).is_empty(), may, "{line}");
            assert_eq!(attach::without_answers(Toggle::Auto, &config, &pair, false).is_none(), may, "{line}");
        }
    }

    #[test]
    fn who_could_not_be_taken_out_is_taken_out_by_the_next_policy() {
        let mut policy = compile::policy(&Config::default(), HashKey::fixed(1), "host").unwrap();
        policy.acl = Acl::new(&[("192.0.2.0".parse().unwrap(), 24, Access::Allow)]);
        let mut known = ProgramClients::new(Arc::new(Table::broken().unwrap()));
        known.networks = None;
        known.open_for(&policy);
        assert_eq!(known.networks, None, "others may be in the maps still");
    }
}
