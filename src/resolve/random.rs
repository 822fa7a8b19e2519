//! Unpredictable numbers for IDs, ports and choices: the kernel's generator, read a page at a time.

/// Octets fetched by one getrandom(2).
const POOL: usize = 2048;

/// See the module's text.
pub struct Random {
    pool: Box<[u8; POOL]>,
    used: usize,
    fill: fn(&mut [u8]) -> Result<(), getrandom::Error>,
}

impl Random {
    /// Fetches the first pool.
    ///
    /// # Errors
    /// When `getrandom(2)` fails.
    pub fn new() -> Result<Random, getrandom::Error> {
        let mut random = Random { pool: Box::new([0; POOL]), used: POOL, fill: getrandom::fill };
        random.u16()?;
        Ok(random)
    }

    /// A generator that gives nothing.
    #[cfg(test)]
    pub fn broken() -> Random {
        Random { pool: Box::new([0; POOL]), used: POOL, fill: |_| Err(getrandom::Error::UNEXPECTED) }
    }

    /// A number of 16 bits.
    ///
    /// # Errors
    /// When `getrandom(2)` fails: nothing predictable is handed out instead.
    #[inline]
    pub fn u16(&mut self) -> Result<u16, getrandom::Error> {
        if self.used == POOL {
            (self.fill)(&mut self.pool[..])?;
            self.used = 0;
        }
        let number = u16::from_le_bytes([self.pool[self.used], self.pool[self.used + 1]]);
        self.used += 2;
        Ok(number)
    }

    /// A number below `bound`, which is at most 65536; 0 for a bound of 0. Its bias is below `bound` / 65536.
    ///
    /// # Errors
    /// As [`Self::u16`].
    #[inline]
    pub fn below(&mut self, bound: u32) -> Result<u32, getrandom::Error> {
        Ok(((u64::from(self.u16()?) * u64::from(bound)) >> 16) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_below_its_bound_and_reaches_every_value() {
        let mut random = Random::new().unwrap();
        let mut seen = [false; 7];
        for _ in 0..2 * POOL {
            seen[random.below(7).unwrap() as usize] = true;
        }
        assert_eq!((seen, random.below(0).unwrap()), ([true; 7], 0));
    }
}
