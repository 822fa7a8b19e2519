//! Unpredictable numbers for IDs, ports and choices: the kernel's generator, read a page at a time.

/// Octets fetched by one getrandom(2).
const POOL: usize = 2048;

/// See the module's text.
pub struct Random {
    pool: Box<[u8; POOL]>,
    used: usize,
}

impl Random {
    /// Fetches the first pool.
    ///
    /// # Errors
    /// When `getrandom(2)` fails.
    pub fn new() -> Result<Random, getrandom::Error> {
        let mut random = Random { pool: Box::new([0; POOL]), used: POOL };
        random.u16()?;
        Ok(random)
    }

    /// A number of 16 bits.
    ///
    /// # Errors
    /// When `getrandom(2)` fails: nothing predictable is handed out instead.
    #[inline]
    pub fn u16(&mut self) -> Result<u16, getrandom::Error> {
        if self.used == POOL {
            getrandom::fill(&mut self.pool[..])?;
            self.used = 0;
        }
        let number = u16::from_le_bytes([self.pool[self.used], self.pool[self.used + 1]]);
        self.used += 2;
        Ok(number)
    }
}
