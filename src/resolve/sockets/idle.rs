//! Which slots hold sockets that wait for nothing: a set of small numbers, from which one is taken in turn.

/// See the module's text.
#[derive(Default)]
pub struct Idle {
    words: Vec<u64>,
    /// Where the search goes on.
    hand: u16,
}

impl Idle {
    /// Adds a slot.
    pub fn insert(&mut self, slot: u16) {
        let word = usize::from(slot / 64);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (slot % 64);
    }

    /// Takes a slot out.
    pub fn remove(&mut self, slot: u16) {
        if let Some(word) = self.words.get_mut(usize::from(slot / 64)) {
            *word &= !(1 << (slot % 64));
        }
    }

    /// The next slot behind the one that was given last, all round; it stays in.
    pub fn next_in_turn(&mut self) -> Option<u16> {
        let (first, words) = (usize::from(self.hand / 64), self.words.len());
        // The first word comes twice: what lies at and behind the hand first, the rest at the end.
        for step in 0..=words {
            let at = (first + step) % words.max(1);
            let behind = u64::MAX << (self.hand % 64);
            let word = self.words.get(at)? & if step == 0 { behind } else { u64::MAX };
            if word != 0 {
                let slot = (at * 64) as u16 + word.trailing_zeros() as u16;
                self.hand = slot.wrapping_add(1);
                return Some(slot);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_comes_in_turn() {
        let mut idle = Idle::default();
        assert_eq!(idle.next_in_turn(), None);
        [3, 64, 200, 65_534].into_iter().for_each(|slot| idle.insert(slot));
        let turn = |idle: &mut Idle| [(); 5].map(|()| idle.next_in_turn().unwrap_or(u16::MAX));
        assert_eq!(turn(&mut idle), [3, 64, 200, 65_534, 3]);
        idle.remove(64);
        idle.insert(2);
        assert_eq!(turn(&mut idle), [200, 65_534, 2, 3, 200]);
        [2, 3, 200, 65_534].into_iter().for_each(|slot| idle.remove(slot));
        assert_eq!(idle.next_in_turn(), None);
        idle.insert(4);
        assert_eq!((idle.next_in_turn(), idle.next_in_turn()), (Some(4), Some(4)));
    }
}
