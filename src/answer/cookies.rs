//! Cookies of clients (RFC 7873): whoever sends one back that this server gave it is no forger of its address.

use super::answerer::{Answerer, Cookie, Outcome};
use super::reply::{Asked, CookieOption};
use crate::dns::cookie::{self, Worth};
use crate::dns::edns::{self, ExtendedError};
use crate::dns::header::flag;
use crate::dns::rcode;
use std::net::{IpAddr, SocketAddr};

/// What is told to a client that has to send a cookie and sent none.
const NEEDED: ExtendedError = ExtendedError::other("DNS Cookie needed for UDP replies");

impl Answerer {
    /// Looks at the cookie of a query, where cookies are answered, and counts the query in. The option goes into the reply.
    #[cold]
    pub(super) fn take_cookie(
        &mut self,
        message: &mut [u8],
        asked: &Asked<'_>,
        client: SocketAddr,
        now: u32,
    ) -> Result<Option<CookieOption>, Outcome> {
        self.cookie = None;
        let Some(edns) = asked.edns else { return Ok(None) };
        if let Some(sent) = edns.option(message, edns::COOKIE) {
            let Some(&own) = sent.first_chunk::<{ cookie::CLIENT }>().filter(|_| has_right_length(sent)) else {
                return Err(self.limited(now, |_| Outcome::Reply(asked.empty(message, 0, rcode::FORMERR))));
            };
            self.cookie = self.judge(own, sent, client.ip(), now);
        }
        let is_valid = self.cookie.is_some_and(|kept| kept.is_valid);
        if !self.is_within_rate(message, client, is_valid, now) {
            return Err(Outcome::Drop);
        }
        Ok(self.cookie.map(|kept| kept.option))
    }

    /// What a cookie is worth, and what the reply is to bring: the same again, or a new one.
    fn judge(&self, own: [u8; cookie::CLIENT], sent: &[u8], client: IpAddr, now: u32) -> Option<Cookie> {
        let secrets = self.policy.clients.cookies.as_ref()?;
        let time = now.wrapping_add(self.wall);
        let whole = <&[u8; cookie::WHOLE]>::try_from(sent).ok();
        let worth = |whole| match secrets.active.check(whole, client, time) {
            // What is made with the secret of before or after is to be replaced.
            Worth::Nothing if secrets.staging.is_some_and(|old| old.check(whole, client, time) != Worth::Nothing) => {
                Worth::Renew
            }
            worth => worth,
        };
        let worth = whole.map(worth);
        let outcomes = &self.stats.outcomes;
        match worth {
            Some(Worth::Valid | Worth::Renew) => outcomes.cookie_valid.add(1),
            Some(Worth::Nothing) => outcomes.cookie_invalid.add(1),
            None => outcomes.cookie_client.add(1),
        }
        let cookie = match (worth, whole) {
            (Some(Worth::Valid), Some(whole)) => *whole,
            _ => secrets.active.make(own, client, time),
        };
        Some(Cookie { option: option(&cookie), is_valid: !matches!(worth, None | Some(Worth::Nothing)) })
    }

    /// The option of a query that waited: it is what its reply is to bring.
    #[cold]
    pub(super) fn kept_cookie(message: &[u8], asked: &Asked<'_>) -> Option<CookieOption> {
        let cookie = asked.edns?.option(message, edns::COOKIE)?.try_into().ok()?;
        Some(option(cookie))
    }

    /// The reply to a query over UDP from a client that must have a cookie: go and get one, or come over TCP. `None`: it has.
    /// error-ratelimit does not count it: every client begins so.
    #[cold]
    pub(super) fn demand_cookie(&self, message: &mut [u8], asked: &mut Asked<'_>) -> Option<Outcome> {
        let kept = if self.policy.clients.cookies.is_some() { self.cookie } else { None };
        match kept {
            Some(kept) if kept.is_valid => None,
            Some(_) => Some(Outcome::Reply(asked.empty(message, 0, rcode::BADCOOKIE))),
            None => {
                // Whatever ede: says, as Unbound does.
                asked.error = Some(NEEDED);
                Some(Outcome::Reply(asked.empty(message, flag::TC, rcode::REFUSED)))
            }
        }
    }
}

/// RFC 7873 section 5.2.2: a client cookie, alone or with a server cookie.
fn has_right_length(sent: &[u8]) -> bool {
    sent.len() == cookie::CLIENT || cookie::OF_OTHERS.contains(&sent.len())
}

fn option(cookie: &[u8; cookie::WHOLE]) -> CookieOption {
    let mut option = [0; _];
    option[..edns::OPTION].copy_from_slice(&[0, edns::COOKIE as u8, 0, cookie::WHOLE as u8]);
    option[edns::OPTION..].copy_from_slice(cookie);
    option
}
