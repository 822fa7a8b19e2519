//! Taking entries out: all at once by another index, or some of them by a walk that a worker does piece by piece, since it
//! takes seconds over a cache of gigabytes.

use super::{AnswerCache, Bucket, Slot, WAYS, entry};
use crate::dns::Name;
use crate::dns::name::is_at_or_below;
use crate::sys::memory;

/// Which entries a walk takes out.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and a box would be the worker's to free")]
pub enum Flush {
    /// Those of a name, and those that lead to it by an alias.
    Name {
        /// The name, lower case.
        name: Name,
        /// One type only.
        qtype: Option<u16>,
        /// Everything below it too.
        below: bool,
    },
    /// Those that failed to validate, and what was told with CD and is not validated.
    Bogus,
    /// Those without records of their own: other codes than NOERROR, and empty answer sections.
    Negative,
}

/// A walk may look at this many octets of an entry in one step; a longer one takes several.
const OCTETS_PER_STEP: usize = 512;

impl Flush {
    /// `message`: room to lay out an answer.
    fn takes(&self, entry: &[u8], message: &mut Vec<u8>) -> bool {
        match self {
            Flush::Bogus => entry::is_unproven(entry),
            Flush::Negative => entry::is_negative(entry),
            Flush::Name { name: wanted, qtype, below } => {
                let wanted = |name: &[u8], rtype: u16| {
                    let zone = wanted.as_wire();
                    let found = if *below { is_at_or_below(name, zone) } else { name.eq_ignore_ascii_case(zone) };
                    found && qtype.is_none_or(|qtype| qtype == rtype)
                };
                wanted(entry::name(entry), entry::qtype(entry)) || entry::has_on_its_way(entry, message, wanted)
            }
        }
    }
}

/// A walk on its way: from the oldest entry to what was the newest when it began.
pub(super) struct Walk {
    flush: Flush,
    /// The next entry to look at.
    at: usize,
    /// Octets still to be walked.
    left: usize,
    forgotten: u64,
}

/// A cache's index, empty: made and dropped off the packet path.
pub struct Index(Box<[Bucket]>);

impl Index {
    /// An index for a cache of as many octets as [`AnswerCache::new`] was told.
    ///
    /// # Errors
    /// That there is no memory for it: what limits it, and the fix.
    pub fn empty(octets: usize) -> Result<Index, String> {
        memory::zeroed(AnswerCache::buckets_for(octets)).map(Index)
    }
}

impl AnswerCache {
    /// Takes everything out at once; gives the number of entries, and the index that found them.
    pub fn clear(&mut self, empty: Index) -> (u64, Index) {
        (self.head, self.tail, self.used, self.walk) = (0, 0, 0, None);
        (std::mem::take(&mut self.entries), Index(std::mem::replace(&mut self.buckets, empty.0)))
    }

    /// Begins a walk over all entries of now, to be gone on with by [`Self::flush_on`]. What is put in meanwhile stays.
    pub fn begin_flush(&mut self, flush: Flush) {
        self.walk = Some(Walk { flush, at: self.tail, left: self.used, forgotten: 0 });
    }

    /// Whether a walk has begun that has not come to its end.
    pub fn is_flushing(&self) -> bool {
        self.walk.is_some()
    }

    /// Goes on with a walk, over `steps` entries at most, fewer when they are long; at its end the number of entries it took
    /// out.
    pub fn flush_on(&mut self, mut steps: usize) -> Option<u64> {
        while steps > 0 {
            let Walk { at, left, forgotten, .. } = *self.walk.as_ref()?;
            if left == 0 {
                self.walk = None;
                return Some(forgotten);
            }
            steps = steps.saturating_sub(1 + self.flush_one(at) / OCTETS_PER_STEP);
        }
        None
    }

    /// Takes a walk over the entry at `at`; gives the entry's length.
    fn flush_one(&mut self, at: usize) -> usize {
        let (len, dead) = entry::len(&self.ring[at..]);
        let Some(walk) = &mut self.walk else { return len };
        let taken = !dead && walk.flush.takes(&self.ring[at..at + len], &mut self.laid_out);
        walk.at = (at + len) % self.ring.len();
        walk.left = walk.left.saturating_sub(len);
        walk.forgotten += u64::from(taken);
        if taken {
            self.unlink(at);
        }
        len
    }

    /// Lets a walk look at the oldest entry before that makes room: one that is in use would be written again where the walk
    /// does not come by.
    pub(super) fn flush_oldest(&mut self) {
        if self.walk.as_ref().is_some_and(|walk| walk.left > 0 && walk.at == self.tail) {
            self.flush_one(self.tail);
        }
    }

    /// A slot for every 128 octets: a typical entry is 100 to 200.
    pub(super) fn buckets_for(octets: usize) -> usize {
        let octets = Self::clamp(octets);
        (octets / (128 * WAYS)).next_power_of_two().max(1)
    }

    /// Takes a live entry out of the index and marks it dead.
    pub(super) fn unlink(&mut self, at: usize) {
        let hash = entry::hash(&self.ring[at..]);
        let bucket = self.bucket(hash);
        let place = (at / entry::ALIGN + 1) as u32;
        if let Some(slot) = self.buckets[bucket].0.iter_mut().find(|slot| slot.place == place) {
            *slot = Slot::default();
        }
        self.bury(at);
    }
}
