//! DNS cookies towards servers (RFC 7873, RFC 9018): who cannot see a query cannot forge its reply, whatever port and ID are.
//!
//! Each server gets a client cookie of its own for each address that it is asked from, drawn at random, and back what it
//! sent as its server cookie. A server that has once answered with our cookie is expected to do so: what comes without is
//! not taken, and the question goes on over TCP. A server that answers without is not asked with cookies for a while, nor is one that
//! does not answer the first queries with them.

use super::tries::Cookie as Sent;
use super::world::World;
use crate::dns::record::Record;
use crate::dns::{body, edns, get_u16, header, question::Question, rcode, rtype};
use arrayvec::ArrayVec;
use std::net::IpAddr;
use std::time::Duration;

/// Octets of a client cookie.
const CLIENT: usize = 8;
/// Octets of a server cookie.
const SERVER: std::ops::RangeInclusive<usize> = 8..=32;
/// Octets of the longest option, code and length included.
pub const LONGEST: usize = edns::OPTION + CLIENT + *SERVER.end();
/// Own addresses that cookies of one server are kept for.
const SOURCES: usize = 64;
/// A server that sends so many replies in a row without a cookie, each with the right ID to the right port, does no cookies any
/// more.
const BARE: u8 = 8;

#[derive(Clone, Debug)]
struct Cookie {
    source: IpAddr,
    client: [u8; CLIENT],
    server: ArrayVec<u8, { *SERVER.end() }>,
}

/// What a server makes of cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Support {
    /// It has not answered yet.
    Unknown,
    /// It sends them. The number of replies without since the last with one, and until when that is to be believed.
    Does(u8, Duration),
    /// It sends none; until when it is not to be asked with any.
    DoesNot(Duration),
}

/// The cookies of one server.
#[derive(Debug)]
pub struct Cookies {
    /// How long it is remembered what the server makes of them (`infra-host-ttl:`).
    memory: Duration,
    support: Support,
    /// By our address.
    known: Vec<Cookie>,
}

/// What is to be made of a reply to a query that had a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It may be judged.
    Fine,
    /// Nobody but a forger sends another's cookie.
    Forged,
    /// A cookie was to be expected.
    Bare,
    /// It has the cookie that the server wants (BADCOOKIE).
    Outdated,
    /// It is an error of a server that has shown no cookies: they may be the cause.
    Refused,
}

impl Heard {
    /// False of a reply that counts as none.
    pub fn is_taken(self) -> bool {
        !matches!(self, Heard::Forged | Heard::Bare)
    }
}

impl Cookies {
    /// None yet; what a server makes of them is remembered for so long.
    pub fn new(memory: Duration) -> Cookies {
        Cookies { memory, support: Support::Unknown, known: Vec::new() }
    }

    fn support(&self, now: Duration) -> Support {
        match self.support {
            Support::Does(_, until) | Support::DoesNot(until) if now >= until => Support::Unknown,
            support => support,
        }
    }

    /// Whether a query may have a cookie. `again`: the question was sent in vain before.
    #[inline]
    pub fn may_be_sent(&self, again: bool, now: Duration) -> bool {
        match self.support(now) {
            Support::Unknown => !again,
            Support::Does(..) => true,
            Support::DoesNot(_) => false,
        }
    }

    /// The option for a query from `source`, and what it is. `None` without random numbers.
    pub fn option(&mut self, source: IpAddr, world: &mut impl World) -> Option<(ArrayVec<u8, LONGEST>, Sent)> {
        let place = self.known.iter().position(|cookie| cookie.source == source);
        let cookie = match place {
            Some(place) => &self.known[place],
            None => {
                let drawn = [(); CLIENT / 2].map(|()| world.draw());
                let mut client = [0; CLIENT];
                for (octets, number) in client.chunks_exact_mut(2).zip(drawn) {
                    octets.copy_from_slice(&number.ok()?.to_be_bytes());
                }
                if self.known.len() == SOURCES {
                    self.known.remove(0);
                }
                self.known.push(Cookie { source, client, server: ArrayVec::new() });
                self.known.last()?
            }
        };
        let len = (CLIENT + cookie.server.len()) as u16;
        let parts: [&[u8]; 4] = [&edns::COOKIE.to_be_bytes(), &len.to_be_bytes(), &cookie.client, &cookie.server];
        let option = parts.iter().flat_map(|part| part.iter().copied()).collect();
        Some((option, if cookie.server.is_empty() { Sent::Client } else { Sent::Both }))
    }

    /// Takes note of a reply to `source`: its cookie option, if any, and its code, which has 12 bits with EDNS.
    pub fn heard(&mut self, source: IpAddr, option: Option<&[u8]>, code: u16, now: Duration) -> Heard {
        let Some(option) = option else { return self.heard_bare(code, now) };
        // What has gone cannot be compared.
        let cookie = self.known.iter_mut().find(|cookie| cookie.source == source);
        let Some(cookie) = cookie else { return Heard::Fine };
        if option.get(..CLIENT) != Some(&cookie.client) {
            return Heard::Forged;
        }
        let server = &option[CLIENT..];
        if SERVER.contains(&server.len()) {
            cookie.server = server.iter().copied().collect();
            self.support = Support::Does(0, now + self.memory);
        }
        if code == rcode::BADCOOKIE { Heard::Outdated } else { Heard::Fine }
    }

    fn heard_bare(&mut self, code: u16, now: Duration) -> Heard {
        match self.support(now) {
            Support::Does(bare, until) if bare + 1 < BARE => {
                self.support = Support::Does(bare + 1, until);
                return Heard::Bare;
            }
            Support::Unknown if code == rcode::FORMERR => {
                self.refuse(now);
                return Heard::Refused;
            }
            // Others' errors say nothing of cookies.
            Support::Unknown if !matches!(code, rcode::NOERROR | rcode::NXDOMAIN) => {}
            Support::Unknown | Support::Does(..) => self.refuse(now),
            Support::DoesNot(_) => {}
        }
        Heard::Fine
    }

    /// It does no cookies, for all that is known.
    fn refuse(&mut self, now: Duration) {
        self.support = Support::DoesNot(now + self.memory);
        // The next one is another (RFC 9018 section 3).
        self.known = Vec::new();
    }

    /// It has answered at `now` a query without a cookie that was sent because those with one were in vain.
    pub fn heard_without(&mut self, now: Duration) {
        if self.support(now) == Support::Unknown {
            self.refuse(now);
        }
    }
}

/// The cookie option of a reply and its code of 12 bits; no option when there is none, or the reply is malformed.
pub fn read(message: &[u8]) -> (Option<&[u8]>, u16) {
    let code = header::flags(message) & 0xf;
    let [questions, counts @ ..] = header::counts(message);
    let mut at = match questions {
        0 => header::LEN,
        _ => Question::parse(message).map_or(message.len(), |question| question.end()),
    };
    for _ in 0..body::records(counts) {
        let Some(record) = Record::at(message, at) else { break };
        at = record.end();
        if record.rtype == rtype::OPT {
            let code = code | (record.ttl >> 24 << 4) as u16;
            return (message.get(record.rdata).and_then(cookie_in), code);
        }
    }
    (None, code)
}

fn cookie_in(mut options: &[u8]) -> Option<&[u8]> {
    loop {
        let len = usize::from(get_u16(options, 2)?);
        let data = options.get(edns::OPTION..edns::OPTION + len)?;
        if get_u16(options, 0) == Some(edns::COOKIE) {
            return Some(data);
        }
        options = &options[edns::OPTION + len..];
    }
}

#[cfg(test)]
#[path = "cookies_tests.rs"]
mod tests;
