//! Which of the servers that may be asked is asked.
//!
//! As in Unbound's iter_utils.c, those that are slower than the fastest by a band share the questions, so that a forged reply
//! has more than one address to come from. The configuration may have one address family go first, and some of the questions
//! go to the fastest alone.

use super::options::Preference;
use super::server::BAND;
use super::table::MAX_SERVERS;
use arrayvec::ArrayVec;

/// A server that may be asked.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Its place at the cut.
    pub place: u8,
    /// The wait for it, in milliseconds.
    pub wait: u32,
    /// Its address is of IPv4.
    pub is_ip4: bool,
}

/// Candidates of one cut.
pub type Candidates = ArrayVec<Candidate, MAX_SERVERS>;

/// The place of the server to ask; `below` draws a number below another.
pub fn choose(mut open: Candidates, wants: &Preference, mut below: impl FnMut(u32) -> u32) -> Option<u8> {
    prefer(&mut open, wants);
    let fastest = open.iter().map(|server| server.wait).min()?;
    open.retain(|server| server.wait <= fastest.saturating_add(BAND));
    let fast = usize::try_from(wants.fast_number).unwrap_or(usize::MAX).max(1);
    if wants.fast_permil > 0 && open.len() > fast && below(1000) < wants.fast_permil {
        open.sort_by_key(|server| server.wait);
        open.truncate(fast);
    }
    let nth = if open.len() > 1 { below(open.len() as u32) } else { 0 };
    open.get(nth as usize).map(|server| server.place)
}

/// Leaves the servers of the family that goes first, where there are some whose wait is no sign of trouble.
fn prefer(open: &mut Candidates, wants: &Preference) {
    if wants.ip4 == wants.ip6 {
        return;
    }
    let fits = |server: &Candidate| server.is_ip4 == wants.ip4;
    // A family that does not answer would else be asked first by every question.
    let (theirs, all) = (open.iter().filter(|s| fits(s)).map(|s| s.wait).min(), open.iter().map(|s| s.wait).min());
    if theirs.zip(all).is_some_and(|(theirs, all)| theirs <= all.saturating_add(TROUBLE)) {
        open.retain(|server| fits(server));
    }
}

/// Milliseconds by which the preferred family may be slower than the other (Unbound's RTT_BAND and a lost query).
const TROUBLE: u32 = 2 * BAND;

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(waits: &[(u32, bool)]) -> Candidates {
        (0u8..).zip(waits).map(|(place, &(wait, is_ip4))| Candidate { place, wait, is_ip4 }).collect()
    }

    /// The places that can come out, whatever is drawn.
    fn all(waits: &[(u32, bool)], wants: Preference, fast: bool) -> Vec<u8> {
        let draw = |nth: u32| {
            choose(candidates(waits), &wants, |bound| match bound {
                1000 => u32::from(!fast) * 999,
                _ => nth.min(bound - 1),
            })
        };
        let mut places: Vec<u8> = (0..8).filter_map(draw).collect();
        places.dedup();
        places
    }

    #[test]
    fn the_fastest_and_those_within_a_band_share_the_questions() {
        let waits = [(100, true), (500, true), (501, false), (50, false)];
        assert_eq!(all(&waits, Preference::default(), false), [0, 3]);
        assert_eq!(all(&waits[..2], Preference::default(), false), [0, 1]);
        assert_eq!(all(&[], Preference::default(), false), [0u8; 0]);
    }

    #[test]
    fn a_preferred_family_is_asked_unless_it_is_in_trouble() {
        let waits = [(50, true), (300, false), (400, false)];
        let ip6 = Preference { ip6: true, ..Preference::default() };
        let ip4 = Preference { ip4: true, ..Preference::default() };
        assert_eq!(all(&waits, ip6, false), [1, 2]);
        assert_eq!(all(&waits, ip4, false), [0]);
        assert_eq!(all(&waits[1..], ip4, false), [0, 1], "there is none of it");
        assert_eq!(all(&[(50, true), (2000, false)], ip6, false), [0]);
    }

    #[test]
    fn some_questions_go_to_the_fastest_alone() {
        let waits = [(90, true), (60, true), (80, true), (70, true)];
        let fast = Preference { fast_permil: 500, fast_number: 2, ..Preference::default() };
        assert_eq!(all(&waits, fast, true), [1, 3]);
        assert_eq!(all(&waits, fast, false), [0, 1, 2, 3]);
        assert_eq!(all(&waits, Preference { fast_permil: 0, ..fast }, true), [0, 1, 2, 3]);
    }
}
