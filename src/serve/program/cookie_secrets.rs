//! The secrets of cookies: changed by command, kept in their file (`cookie-secret-file:`).

use super::{Program, privileges};
use crate::answer::policy::{ClientRules, Policy, Secrets};
use crate::control::CookieChange;
use crate::dns::cookie::Secret;
use crate::whole_file;
use std::io::{self, Write};
use std::sync::Arc;

/// Who may read the file: its owner.
const MODE: u32 = 0o600;

impl Program {
    /// Those in force, the active one first.
    pub(super) fn secrets_in_force(&self) -> Vec<Secret> {
        let secrets = self.threads.orders.policy().clients.cookies.as_deref();
        secrets.map_or_else(Vec::new, |Secrets { active, staging }| [*active].into_iter().chain(*staging).collect())
    }

    /// Changes what stands in the file, and puts it in force.
    ///
    /// # Errors
    /// There is no such file, or it cannot be written; the change makes no sense; it is not in force, or not yet.
    pub(super) fn change_secrets_to(&mut self, change: CookieChange) -> Result<(), String> {
        let of = &self.config.clients;
        if of.cookie_secret_file.as_os_str().is_empty() {
            return Err(": no cookie secret file configured".to_owned());
        }
        let secrets = changed(&of.cookie_secrets, change)?;
        self.threads.orders.settle()?;
        let path = privileges::inside(&of.cookie_secret_file, self.chroot.as_deref());
        let written = whole_file::write(&path, MODE, |file| {
            secrets.iter().try_for_each(|secret| writeln!(file, "{}", secret.to_hex()))
        });
        written.map_err(|cause: io::Error| {
            let path = path.display();
            format!(
                ": writing to cookie secret file: \"{path}\": {cause}; its folder must be one that this user may write to \
                 (ReadWritePaths= in the unit)"
            )
        })?;
        self.config.clients.cookie_secrets.clone_from(&secrets);
        let policy = self.threads.orders.policy();
        let (Some(active), true) = (secrets.first(), policy.clients.cookies.is_some()) else {
            log::warn!(
                "cookie secrets are changed in {}; answer-cookie: no leaves them without effect",
                path.display()
            );
            return Ok(());
        };
        let cookies = Some(Arc::new(Secrets { active: *active, staging: secrets.get(1).copied() }));
        let clients = ClientRules { cookies, ..policy.clients.clone() };
        let policy = Policy { clients, ..(**policy).clone() };
        Ok(self.threads.orders.put_in_force(Arc::new(policy), None)?)
    }
}

/// The first secret becomes the active one, the next the staging one.
fn changed(secrets: &[Secret], change: CookieChange) -> Result<Vec<Secret>, String> {
    match (change, secrets) {
        (CookieChange::Add(secret), []) => Ok(vec![secret]),
        (CookieChange::Add(secret), [active, ..]) => Ok(vec![*active, secret]),
        (CookieChange::Activate, [active, staging, ..]) => Ok(vec![*staging, *active]),
        (CookieChange::Activate, _) => Err(": no staging cookie secret to activate".to_owned()),
        (CookieChange::Drop, [active, _, ..]) => Ok(vec![*active]),
        (CookieChange::Drop, _) => Err(": can not drop the currently active cookie secret".to_owned()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn secrets_roll_over() {
        let [a, b, c] = [1, 2, 3].map(|octet| Secret([octet; 16]));
        let one = changed(&[], CookieChange::Add(a)).unwrap();
        assert_eq!(one, [a], "the first is active at once");
        assert!(changed(&one, CookieChange::Activate).is_err() && changed(&one, CookieChange::Drop).is_err());
        let two = changed(&one, CookieChange::Add(b)).unwrap();
        assert_eq!(two, [a, b]);
        assert_eq!(changed(&two, CookieChange::Add(c)).unwrap(), [a, c]);
        let rolled = changed(&two, CookieChange::Activate).unwrap();
        assert_eq!(rolled, [b, a]);
        assert_eq!(changed(&rolled, CookieChange::Drop).unwrap(), [b]);
    }
}
