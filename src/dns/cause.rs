//! Why a question was not answered.

use super::edns::ExtendedError;
use super::flaw::Flaw;
use super::rcode;
use bytemuck::Zeroable;
use std::net::{IpAddr, Ipv6Addr};

/// What went wrong last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Zeroable)]
#[repr(u8)]
pub enum Why {
    /// Nothing in particular.
    #[default]
    Unknown = 0,
    /// Nobody is there to ask for the name: the root's servers are not known.
    NoZone,
    /// The zone has no server to ask.
    NoServer,
    /// A server did not answer in time.
    Silence,
    /// A server was not reached: the host or the network refused.
    Network,
    /// A server answered with an error: [`Cause::rcode`].
    Rcode,
    /// A server's reply could not be read.
    Unreadable,
    /// A server's reply was of no use.
    Useless,
    /// More queries than are sent for one name.
    Sends,
    /// More queries than are sent for one question.
    Quota,
    /// More aliases than are followed.
    Aliases,
    /// It was given up for a newer question.
    GivenUp,
    /// Nothing: beside an answer, that addresses of a wrong length were left out.
    Lengths,
    /// More queries to one zone than it is to be sent in a second.
    Rate,
    /// Replies in another case than the query had, which then did not say the same.
    Differ,
    /// What was answered should have been validated, and was not: [`Cause::flaw`].
    Bogus,
    /// Nothing: beside an answer that is told all the same, the same.
    Doubtful,
    /// The name says of the root's keys what is not so (RFC 8509).
    Sentinel,
}

/// Why a question was not answered, and by whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Zeroable)]
pub struct Cause {
    /// What went wrong last.
    pub why: Why,
    /// The code of [`Why::Rcode`].
    pub rcode: u16,
    /// The reason of [`Why::Bogus`] and [`Why::Doubtful`].
    pub flaw: Flaw,
    server: [u8; 16],
}

impl Cause {
    /// That went wrong, at no server.
    pub const fn new(why: Why) -> Cause {
        Cause { why, rcode: 0, flaw: Flaw::None, server: [0; 16] }
    }

    /// A server answered with this error.
    pub const fn code(rcode: u16) -> Cause {
        Cause { rcode, ..Cause::new(Why::Rcode) }
    }

    /// What was answered is bogus for this reason.
    pub const fn bogus(flaw: Flaw) -> Cause {
        Cause { flaw, ..Cause::new(Why::Bogus) }
    }

    /// What is told is bogus for this reason.
    pub const fn doubtful(flaw: Flaw) -> Cause {
        Cause { flaw, ..Cause::new(Why::Doubtful) }
    }

    /// That went wrong at `server`.
    pub fn at(self, server: IpAddr) -> Cause {
        let server = match server {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        Cause { server, ..self }
    }

    /// It as an extended error, where one says so; a server's own error is none of ours.
    pub fn extended_error(&self) -> Option<ExtendedError> {
        match self.why {
            Why::NoServer | Why::Silence | Why::NoZone => Some(ExtendedError::NO_REACHABLE_AUTHORITY),
            // It may have refused to reply: RFC 8914 section 4.23.
            Why::Rcode if self.rcode == rcode::REFUSED => Some(ExtendedError::NO_REACHABLE_AUTHORITY),
            Why::Network => Some(ExtendedError::NETWORK_ERROR),
            Why::Unreadable => Some(ExtendedError::other("a server's reply could not be read")),
            Why::Useless => Some(ExtendedError::other("the servers' replies are of no use")),
            Why::Sends => Some(ExtendedError::other("more queries than are sent for one name")),
            Why::Quota => Some(ExtendedError::other("more queries than are sent for one question")),
            Why::Aliases => Some(ExtendedError::other("more aliases than are followed")),
            Why::Rate => Some(ExtendedError::other("exceeded ratelimit for zone")),
            Why::Differ => Some(ExtendedError::other("0x20 failed, then got different replies")),
            Why::Lengths => Some(ExtendedError::other("sanitize: records of inappropriate length have been removed.")),
            Why::Bogus => self.flaw.extended_error(),
            Why::Rcode | Why::Unknown | Why::GivenUp | Why::Doubtful | Why::Sentinel => None,
        }
    }

    /// The server at which it went wrong.
    pub fn server(&self) -> Option<IpAddr> {
        let v6 = Ipv6Addr::from(self.server);
        (!v6.is_unspecified()).then(|| v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4))
    }
}
