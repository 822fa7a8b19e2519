//! For how long a connection may be idle, told to who asks over it: edns-tcp-keepalive (RFC 7828).

use crate::dns::edns::{self, Edns};
use crate::dns::header;
use crate::dns::question::Question;

/// What the reply to a query over a stream says of its connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keepalive {
    /// Nothing.
    #[default]
    Silent,
    /// For how long it may be idle, in tenths of a second.
    Timeout(u16),
    /// FORMERR: a time that a client has sent means nothing.
    Malformed,
}

/// What a connection's client has asked of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdleTime {
    /// Tenths of a second; `None`: it is told to nobody.
    tenths: Option<u16>,
    has_asked: bool,
}

impl IdleTime {
    /// Of a connection that may be idle for so many milliseconds, and whose client is told.
    pub fn told(milliseconds: u64) -> IdleTime {
        IdleTime { tenths: Some(u16::try_from(milliseconds / 100).unwrap_or(u16::MAX)), has_asked: false }
    }

    /// What the reply to the next query over the connection is to say. Who has asked once is told with each reply from then on
    /// (RFC 7828 section 3.3.2), and not looked at any more, as with Unbound.
    pub fn after(&mut self, query: &[u8]) -> Keepalive {
        let Some(tenths) = self.tenths else { return Keepalive::Silent };
        match if self.has_asked { Some(&[][..]) } else { asks(query) } {
            None => Keepalive::Silent,
            Some([]) => {
                self.has_asked = true;
                Keepalive::Timeout(tenths)
            }
            Some(_) => Keepalive::Malformed,
        }
    }
}

/// The data of a query's option.
fn asks(query: &[u8]) -> Option<&[u8]> {
    let has_opt = query.len() >= header::LEN && header::counts(query)[3] == 1;
    let end = if has_opt { Question::parse(query)?.end() } else { return None };
    Edns::parse(query, end).ok()?.option(query, edns::KEEPALIVE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::put_u16;

    /// A query with these options; `None`: without an OPT record.
    fn query(options: Option<&[u8]>) -> Vec<u8> {
        let mut query = vec![0; header::LEN];
        put_u16(&mut query, 4, 1);
        query.extend_from_slice(&[0, 0, 1, 0, 1]);
        let Some(options) = options else { return query };
        put_u16(&mut query, 10, 1);
        let at = query.len();
        query.resize(at + edns::LEN + options.len(), 0);
        edns::write(&mut query, at, 1232, 0, 0);
        edns::append(&mut query, at, options);
        query
    }

    #[test]
    fn who_has_asked_once_is_told_from_then_on() {
        let mut idle = IdleTime::told(30_099);
        for (options, says) in [
            (None, Keepalive::Silent),
            (Some(&[][..]), Keepalive::Silent),
            (Some(&[0, 11, 0, 2, 0, 9]), Keepalive::Malformed),
            (Some(&[0, 11, 0, 2, 0]), Keepalive::Silent),
            (Some(&[0, 3, 0, 0, 0, 11, 0, 0]), Keepalive::Timeout(300)),
            (Some(&[]), Keepalive::Timeout(300)),
            (None, Keepalive::Timeout(300)),
            (Some(&[0, 11, 0, 2, 0, 9]), Keepalive::Timeout(300)),
        ] {
            assert_eq!(idle.after(&query(options)), says, "{options:?}");
        }
        let asks = query(Some(&[0, 11, 0, 0]));
        assert_eq!(IdleTime::default().after(&asks), Keepalive::Silent, "edns-tcp-keepalive: no");
        assert_eq!(IdleTime::told(u64::MAX).after(&asks), Keepalive::Timeout(u16::MAX));
        for len in 0..asks.len() {
            assert_eq!(IdleTime::told(1).after(&asks[..len]), Keepalive::Silent, "cut off at {len}");
        }
    }
}
