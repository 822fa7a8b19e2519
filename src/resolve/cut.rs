//! A cut that questions are asked at: a name, its name servers, their addresses as far as they are known.
//!
//! A forward zone, the root's hints and a delegation differ only in where a cut comes from ([`Source`]). All questions at
//! one cut share it: what one finds out of a server, that it is lame or where it is, the others know too.

use super::cache::RrsetRef;
use super::table::MAX_SERVERS;
use crate::dns::name::{Name, is_at_or_below};
use crate::dns::rtype;
use std::time::Duration;

/// How long a name server whose address was not found is not looked up again (Unbound's NORR_TTL).
const NOWHERE_MEMORY: Duration = Duration::from_secs(5);
/// How long a parent that was asked, as the last resort, for name servers and their addresses is not asked so again.
pub(super) const PARENT_MEMORY: Duration = Duration::from_secs(60);

/// Where a cut comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A forward zone, by its place in the table: its servers resolve for us (RD).
    Forward(u32),
    /// A stub zone, by its place in the table.
    Stub(u32),
    /// The root's hints.
    Hints,
    /// The NS RRset of a parent or of the zone itself.
    Delegation,
}

impl Source {
    /// The place in the table of the zone that the cut is.
    pub fn zone(self) -> Option<u32> {
        match self {
            Source::Forward(zone) | Source::Stub(zone) => Some(zone),
            Source::Hints | Source::Delegation => None,
        }
    }
}

/// An address of a cut.
#[derive(Clone, Copy, Debug)]
pub struct Seat {
    /// Place among the servers.
    pub server: u32,
    /// It does not serve the cut: asked for A, and for other types. Some answer for the one and not for the others.
    pub(super) lame_until: [Duration; 2],
    /// It asks others for what it answers.
    pub(super) recursive_until: Duration,
}

impl Seat {
    const NEW: Seat = Seat { server: u32::MAX, lame_until: [Duration::ZERO; 2], recursive_until: Duration::ZERO };
}

/// Whether a name server's addresses of one family are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nobody has asked, or has been answered.
    No,
    /// They are among the seats, or there are none.
    Yes,
}

/// A name server of a cut.
#[derive(Clone, Copy, Debug)]
struct NameServer {
    start: u32,
    len: u8,
    /// A and AAAA.
    known: [Known; 2],
    /// Some address is known.
    has_address: bool,
    /// Without an address: when it may have one.
    again_at: Duration,
    /// What the parent of its zone says of its addresses is known until then.
    glue_until: Duration,
}

/// One cut.
pub struct Cut {
    /// Its name, lower case.
    pub name: Name,
    /// Where it comes from.
    pub source: Source,
    /// Its addresses; only ever added to, so that places stay.
    pub(super) seats: Vec<Seat>,
    /// Names of its servers, one behind the other.
    names: Vec<u8>,
    servers: Vec<NameServer>,
    /// How long it is to be believed.
    pub(super) until: Duration,
    /// Addresses of its name servers that nobody who answers for their names has confirmed: the last to be asked.
    pub doubtful: Vec<u32>,
    /// Whom its servers want errors reported to.
    pub(super) agent: Option<Box<Name>>,
    /// The cut that its parent made of it when all its servers had failed, and until when that is not asked for again.
    pub(super) parent_side: Option<(u32, Duration)>,
    /// The NS RRset of the cache that it was made from.
    pub origin: Option<RrsetRef>,
    /// Questions that are asked at it.
    pub(super) users: u32,
    /// It stays without a question at it.
    pub(super) is_held: bool,
    /// A question came to it since it was last looked at.
    pub(super) is_recent: bool,
}

impl Cut {
    /// One without servers, to be believed until then.
    pub fn new(name: &Name, source: Source, until: Duration) -> Cut {
        Cut {
            name: name.to_lower(),
            source,
            seats: Vec::new(),
            names: Vec::new(),
            servers: Vec::new(),
            until,
            doubtful: Vec::new(),
            agent: None,
            parent_side: None,
            origin: None,
            users: 0,
            is_held: true,
            is_recent: false,
        }
    }

    /// True when its servers are to resolve for us.
    pub fn is_forward(&self) -> bool {
        matches!(self.source, Source::Forward(_))
    }

    /// True of a cut of the root's that resolves for nobody.
    pub fn is_root(&self) -> bool {
        self.name.as_wire().len() == 1 && !self.is_forward()
    }

    /// Its addresses.
    pub fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// Adds an address; false when it is there already, or there is no room.
    pub fn seat(&mut self, server: u32) -> bool {
        let is_new = self.seats.len() < MAX_SERVERS && self.seats.iter().all(|seat| seat.server != server);
        if is_new {
            self.seats.push(Seat { server, ..Seat::NEW });
        }
        is_new
    }

    /// Adds a name server. `known`: what of its addresses, A and AAAA, needs no look-up.
    pub fn add_name(&mut self, name: &Name, known: [Known; 2]) {
        let start = self.names.len() as u32;
        self.names.extend_from_slice(name.to_lower().as_wire());
        let has_address = known.contains(&Known::Yes);
        self.servers.push(NameServer {
            start,
            len: name.as_wire().len() as u8,
            known,
            has_address,
            again_at: Duration::ZERO,
            glue_until: Duration::ZERO,
        });
    }

    /// The name servers, wire form, lower case.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.servers.iter().map(|server| self.wire(server))
    }

    fn wire(&self, server: &NameServer) -> &[u8] {
        let start = server.start as usize;
        self.names.get(start..start + usize::from(server.len)).unwrap_or(&[0])
    }

    /// What is known of name server number `nth`; family 0 is A, 1 AAAA.
    pub fn known_mut(&mut self, nth: usize, family: usize) -> Option<&mut Known> {
        self.servers.get_mut(nth)?.known.get_mut(family)
    }

    /// The addresses of one family of a name server are known at `now`; `ttl`: how long they are to be believed, `None` when there
    /// are none. False when it is none of this cut.
    pub fn learn(&mut self, name: &Name, family: usize, ttl: Option<Duration>, now: Duration) -> bool {
        let Some(nth) = self.names().position(|other| other == name.as_wire()) else { return false };
        let Some(server) = self.servers.get_mut(nth) else { return false };
        match ttl {
            Some(ttl) => {
                server.has_address = true;
                self.until = self.until.min(now.saturating_add(ttl));
            }
            None => server.again_at = now + NOWHERE_MEMORY,
        }
        server.known.get_mut(family).map(|known| *known = Known::Yes).is_some()
    }

    /// Takes note that the parent of name server number `nth`'s zone is asked for its addresses; false when that was done a while
    /// ago and is not to be done again.
    pub fn ask_glue(&mut self, nth: usize, now: Duration) -> bool {
        let Some(server) = self.servers.get_mut(nth).filter(|server| now >= server.glue_until) else { return false };
        server.glue_until = now + PARENT_MEMORY;
        true
    }

    /// True when a name server turned out to have no address.
    pub fn is_nowhere(&self, name: &Name) -> bool {
        let nth = self.names().position(|other| other == name.as_wire());
        let server = nth.and_then(|nth| self.servers.get(nth));
        server.is_some_and(|server| !server.has_address && server.known == [Known::Yes; 2])
    }

    /// True when nothing can be asked here before something is asked here: no address is known, and every name server of which
    /// not all is known lies below the cut, or one of them is what is asked for (iter_dp_is_useless() of Unbound's
    /// iter_utils.c). One that is being looked up is there to be waited for.
    pub fn is_useless(&self, target: &Name, qtype: u16) -> bool {
        if !self.seats.is_empty() || self.source.zone().is_some() {
            return false;
        }
        let is_own = |name: &[u8]| is_at_or_below(name, self.name.as_wire());
        let asks_for_one = matches!(qtype, rtype::A | rtype::AAAA)
            && self.names().any(|name| is_own(name) && name == target.as_wire());
        let open = self.servers.iter().filter(|server| server.known.contains(&Known::No));
        asks_for_one || open.map(|server| self.wire(server)).all(is_own)
    }

    /// Numbers of the name servers whose addresses of some family are not known at `now`.
    pub fn unknown(&mut self, now: Duration) -> impl Iterator<Item = usize> {
        let mut nowhere =
            self.servers.iter_mut().filter(|server| !server.has_address && server.known == [Known::Yes; 2]);
        while let Some(server) = nowhere.find(|server| now >= server.again_at) {
            server.known = [Known::No; 2];
        }
        let servers = self.servers.iter().enumerate();
        servers.filter(|(_, server)| server.known != [Known::Yes; 2]).map(|(nth, _)| nth)
    }

    /// Whether there is a name server whose addresses are still to be looked up, of both families.
    pub fn has_unplaced(&self) -> bool {
        self.servers.iter().any(|server| server.known == [Known::No; 2])
    }

    /// The server at `place` does not serve this cut when it is asked for this type, and is not asked so until then.
    pub fn mark_lame(&mut self, place: u8, qtype: u16, until: Duration) {
        if let Some(seat) = self.seats.get_mut(usize::from(place)) {
            seat.lame_until[usize::from(qtype != rtype::A)] = until;
        }
    }

    /// Bits of the places whose servers do not serve this cut when they are asked for this type.
    pub fn lame(&self, qtype: u16, now: Duration) -> u64 {
        self.places(|seat| now < seat.lame_until[usize::from(qtype != rtype::A)])
    }

    /// The server at `place` asks others for what it answers.
    pub fn mark_recursive(&mut self, place: u8, until: Duration) {
        if let Some(seat) = self.seats.get_mut(usize::from(place)) {
            seat.recursive_until = until;
        }
    }

    /// Bits of the places whose servers have to be asked with RD to be of any use.
    pub fn recursive(&self, now: Duration) -> u64 {
        self.places(|seat| now < seat.recursive_until)
    }

    fn places(&self, is: impl Fn(&Seat) -> bool) -> u64 {
        let those = self.seats.iter().enumerate().filter(|(_, seat)| is(seat));
        those.fold(0, |bits, (place, _)| bits | 1 << place)
    }
}
