//! Finds the try (see `tries`) of a reply by the socket it came through and its ID: open addressing with linear probing. IDs are
//! random and secret, so nobody can make keys collide.

/// No try.
const NONE: u32 = u32::MAX;

/// See the module's text.
pub struct Keys {
    cells: Box<[Cell]>,
    shift: u32,
    used: usize,
}

#[derive(Clone, Copy)]
struct Cell {
    key: u32,
    handle: u32,
}

fn key(socket: u16, id: u16) -> u32 {
    u32::from(socket) << 16 | u32::from(id)
}

impl Keys {
    /// Room for `count` keys; more make it grow, so it is never more than half full. Small is fast: a look-up is a cache
    /// miss in a large one, and most questions have one try at a time.
    pub fn new(count: usize) -> Keys {
        let size = (count.max(8) * 2).next_power_of_two();
        let cells = vec![Cell { key: 0, handle: NONE }; size].into_boxed_slice();
        Keys { cells, shift: 32 - size.trailing_zeros(), used: 0 }
    }

    #[cold]
    fn grow(&mut self) {
        let mut larger = Keys::new(self.cells.len());
        for cell in self.cells.iter().filter(|cell| cell.handle != NONE) {
            if let Err(at) = larger.find(cell.key) {
                larger.cells[at] = *cell;
            }
        }
        larger.used = self.used;
        *self = larger;
    }

    fn home(&self, key: u32) -> usize {
        (key.wrapping_mul(0x9e37_79b1) >> self.shift) as usize
    }

    fn find(&self, key: u32) -> Result<usize, usize> {
        let mut at = self.home(key);
        loop {
            let cell = self.cells[at];
            if cell.handle == NONE {
                return Err(at);
            }
            if cell.key == key {
                return Ok(at);
            }
            at = (at + 1) & (self.cells.len() - 1);
        }
    }

    /// The try of a key.
    #[inline]
    pub fn get(&self, socket: u16, id: u16) -> Option<u32> {
        self.find(key(socket, id)).ok().map(|at| self.cells[at].handle)
    }

    /// Enters a try; false when the key is taken.
    pub fn insert(&mut self, socket: u16, id: u16, handle: u32) -> bool {
        if 2 * self.used >= self.cells.len() {
            self.grow();
        }
        let key = key(socket, id);
        match self.find(key) {
            Ok(_) => false,
            Err(at) => {
                self.cells[at] = Cell { key, handle };
                self.used += 1;
                true
            }
        }
    }

    /// Removes a key; the cells behind it move up so that none is cut off from its home.
    pub fn remove(&mut self, socket: u16, id: u16) {
        let Ok(mut hole) = self.find(key(socket, id)) else { return };
        let mask = self.cells.len() - 1;
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let cell = self.cells[at];
            if cell.handle == NONE {
                break;
            }
            let home = self.home(cell.key);
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.cells[hole] = cell;
                hole = at;
            }
        }
        self.cells[hole].handle = NONE;
        self.used -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    proptest::proptest! {
        #[test]
        fn keys_behave_as_a_map(steps in proptest::collection::vec((0u16..4, 0u16..12, proptest::bool::ANY), 0..200)) {
            // Up to 48 keys: it grows on the way.
            let mut keys = Keys::new(8);
            let mut model = HashMap::new();
            for (number, (socket, id, insert)) in steps.into_iter().enumerate() {
                if insert {
                    let fresh = !model.contains_key(&(socket, id));
                    assert_eq!(keys.insert(socket, id, number as u32), fresh);
                    model.entry((socket, id)).or_insert(number as u32);
                } else {
                    keys.remove(socket, id);
                    model.remove(&(socket, id));
                }
                for socket in 0..4 {
                    for id in 0..12 {
                        assert_eq!(keys.get(socket, id), model.get(&(socket, id)).copied());
                    }
                }
            }
        }
    }
}
