//! Values in pages that the versions of a table share.

use std::sync::Arc;

/// An array in pages of 2^`BITS` values. A clone costs a pointer for each page; a change, in a clone, the page it lies in.
#[derive(Clone)]
pub(super) struct Pages<T, const BITS: u32> {
    pages: Vec<Arc<[T]>>,
    /// Values used of the last page.
    used: usize,
}

impl<T: Copy, const BITS: u32> Pages<T, BITS> {
    const PAGE: usize = 1 << BITS;

    pub(super) fn new() -> Self {
        Pages { pages: Vec::new(), used: 0 }
    }

    /// As many times `value`; `len` is a power of two.
    pub(super) fn filled(value: T, len: usize) -> Self {
        let pages = len.div_ceil(Self::PAGE);
        let page = || std::iter::repeat_n(value, len.min(Self::PAGE)).collect();
        Pages { pages: (0..pages).map(|_| page()).collect(), used: len.min(Self::PAGE) }
    }

    /// Where the next page starts, or what is left of the last: values there are, and gaps between runs.
    pub(super) fn len(&self) -> usize {
        self.pages.len().saturating_sub(1) * Self::PAGE + self.used
    }

    #[inline]
    pub(super) fn get(&self, at: u32) -> &T {
        &self.pages[(at >> BITS) as usize][at as usize & (Self::PAGE - 1)]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, at: u32) -> &mut T {
        let page = &mut self.pages[(at >> BITS) as usize];
        &mut Arc::make_mut(page)[at as usize & (Self::PAGE - 1)]
    }

    /// `len` values that were put in together.
    #[inline]
    pub(super) fn run(&self, at: u32, len: usize) -> &[T] {
        let Some(page) = self.pages.get((at >> BITS) as usize) else { return &[] };
        &page[at as usize & (Self::PAGE - 1)..][..len]
    }

    /// Puts `values` in, to lie side by side; one page of their own holds them when they are more than a page. Gives where;
    /// `None` when there are more than 2^32 places.
    pub(super) fn push(&mut self, values: &[T]) -> Option<u32> {
        let (Some(first), len) = (values.first(), values.len()) else { return Some(0) };
        let fits = self.pages.last().is_some_and(|page| self.used + len <= page.len().min(Self::PAGE));
        if !fits {
            u32::try_from((self.pages.len() + 1) << BITS).ok()?;
            self.pages.push(std::iter::repeat_n(*first, len.max(Self::PAGE)).collect());
            self.used = 0;
        }
        let number = self.pages.len() - 1;
        let page = Arc::make_mut(self.pages.last_mut()?);
        page[self.used..self.used + len].copy_from_slice(values);
        let at = number << BITS | self.used;
        self.used = (self.used + len).min(Self::PAGE);
        Some(at as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_lie_side_by_side_and_a_clone_keeps_what_it_had() {
        let mut pages: Pages<u16, 4> = Pages::new();
        let mut places = Vec::new();
        for number in 0..200u16 {
            let run = vec![number; usize::from(number % 21)];
            places.push((pages.push(&run).unwrap(), run));
        }
        let before = pages.clone();
        let (at, first) = places.iter().find(|(_, run)| !run.is_empty()).unwrap();
        *pages.get_mut(*at) = 999;
        assert_eq!((*pages.get(*at), *before.get(*at)), (999, first[0]));
        for (at, run) in &places {
            assert_eq!(before.run(*at, run.len()), run);
        }
        assert_eq!(*Pages::<u8, 4>::filled(7, 64).get(63), 7);
        assert_eq!(Pages::<u8, 4>::filled(7, 8).len(), 8);
    }
}
