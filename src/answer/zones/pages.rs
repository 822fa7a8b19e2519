//! Values in pages that the versions of a table share.

use triomphe::Arc;

/// Octets that a page leaves of the power of two for its count and the allocator's own: the size classes of musl's malloc
/// end just below powers of two, and a page of the whole would lie in one a seventh larger.
const SPARE: usize = 64;

/// Gives the values of a page that nobody else has any more. While a table is made nobody has: one look at a count.
#[inline]
fn owned<T: Copy>(page: &mut Arc<[T]>) -> &mut [T] {
    if !page.is_unique() {
        *page = Arc::from(&**page);
    }
    Arc::get_mut(page).unwrap_or_default()
}

/// An array in pages of nearly 2^`BITS` values; places are numbered as if it were as many, so some numbers name no place. A
/// clone costs a pointer for each page; a change, in a clone, the page it lies in.
#[derive(Clone)]
pub(super) struct Pages<T, const BITS: u32> {
    pages: Vec<Arc<[T]>>,
    /// Values used of the last page.
    used: usize,
}

impl<T: Copy, const BITS: u32> Pages<T, BITS> {
    /// Values in a page.
    const PAGE: usize = ((size_of::<T>() << BITS) - SPARE) / size_of::<T>();

    pub(super) fn new() -> Self {
        Pages { pages: Vec::new(), used: 0 }
    }

    /// `value` at all places below `end`, a power of two.
    pub(super) fn filled(value: T, end: usize) -> Self {
        let len = end.min(Self::PAGE);
        let page = || std::iter::repeat_n(value, len).collect();
        Pages { pages: (0..end.div_ceil(1 << BITS)).map(|_| page()).collect(), used: len }
    }

    /// All values, with their places. Not for runs longer than a page.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let last = self.pages.len().saturating_sub(1);
        self.pages.iter().enumerate().flat_map(move |(number, page)| {
            let used = if number == last { self.used } else { page.len() };
            let at = move |offset| (number << BITS | offset) as u32;
            page[..used].iter().enumerate().map(move |(offset, value)| (at(offset), value))
        })
    }

    #[inline]
    pub(super) fn get(&self, at: u32) -> &T {
        &self.pages[(at >> BITS) as usize][at as usize & ((1 << BITS) - 1)]
    }

    /// `None` where a number names no place of its page.
    #[inline]
    pub(super) fn try_get(&self, at: u32) -> Option<&T> {
        self.pages[(at >> BITS) as usize].get(at as usize & ((1 << BITS) - 1))
    }

    #[inline]
    pub(super) fn get_mut(&mut self, at: u32) -> &mut T {
        &mut owned(&mut self.pages[(at >> BITS) as usize])[at as usize & ((1 << BITS) - 1)]
    }

    /// `len` values that were put in together.
    #[inline]
    pub(super) fn run(&self, at: u32, len: usize) -> &[T] {
        let Some(page) = self.pages.get((at >> BITS) as usize) else { return &[] };
        &page[at as usize & ((1 << BITS) - 1)..][..len]
    }

    /// Puts `values` in, to lie side by side; one page of their own holds them when they are more than a page. Gives where;
    /// `None` when there are more than 2^32 places.
    #[inline]
    pub(super) fn push(&mut self, values: &[T]) -> Option<u32> {
        let (Some(first), len) = (values.first(), values.len()) else { return Some(0) };
        let fits = self.pages.last().is_some_and(|page| self.used + len <= page.len().min(Self::PAGE));
        if !fits {
            u32::try_from((self.pages.len() + 1) << BITS).ok()?;
            self.pages.push(std::iter::repeat_n(*first, len.max(Self::PAGE)).collect());
            self.used = 0;
        }
        let number = self.pages.len() - 1;
        owned(self.pages.last_mut()?)[self.used..self.used + len].copy_from_slice(values);
        let at = number << BITS | self.used;
        self.used = (self.used + len).min(Self::PAGE);
        Some(at as u32)
    }
}

/// A value for each place of another array, of which most are the default: pages of nothing else take no memory.
#[derive(Clone)]
pub(super) struct Sparse<T, const BITS: u32> {
    pages: Vec<Option<Arc<[T]>>>,
}

impl<T: Copy + Default, const BITS: u32> Sparse<T, BITS> {
    pub(super) fn new() -> Self {
        Sparse { pages: Vec::new() }
    }

    pub(super) fn get(&self, at: u32) -> T {
        let page = self.pages.get((at >> BITS) as usize).and_then(Option::as_ref);
        page.map_or_else(T::default, |page| page[at as usize & ((1 << BITS) - 1)])
    }

    pub(super) fn get_mut(&mut self, at: u32) -> &mut T {
        let number = (at >> BITS) as usize;
        if number >= self.pages.len() {
            self.pages.resize(number + 1, None);
        }
        let page = self.pages[number].get_or_insert_with(|| std::iter::repeat_n(T::default(), 1 << BITS).collect());
        &mut owned(page)[at as usize & ((1 << BITS) - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_lie_side_by_side_and_a_clone_keeps_what_it_had() {
        let mut pages: Pages<u16, 9> = Pages::new();
        let mut places = Vec::new();
        for number in 0..200u16 {
            let run = vec![number; usize::from(number * 7 % 600)];
            places.push((pages.push(&run).unwrap(), run));
        }
        let before = pages.clone();
        let (at, first) = places.iter().find(|(_, run)| !run.is_empty()).unwrap();
        *pages.get_mut(*at) = 999;
        assert_eq!((*pages.get(*at), *before.get(*at)), (999, first[0]));
        for (at, run) in &places {
            assert_eq!(before.run(*at, run.len()), run);
        }
    }

    #[test]
    fn every_value_is_listed_with_its_place() {
        let mut pages: Pages<u32, 6> = Pages::new();
        let places: Vec<u32> = (0..200).map(|number| pages.push(&[number]).unwrap()).collect();
        let listed: Vec<(u32, u32)> = pages.iter().map(|(at, value)| (at, *value)).collect();
        assert_eq!(listed, places.into_iter().zip(0..200).collect::<Vec<_>>());
        assert_eq!(Pages::<u8, 7>::filled(7, 1024).iter().count(), 8 * Pages::<u8, 7>::PAGE);
        assert_eq!(Pages::<u8, 7>::filled(7, 8).iter().count(), 8);
        assert_eq!(Pages::<u8, 7>::new().iter().count(), 0);
    }

    #[test]
    fn what_was_never_set_is_the_default() {
        let mut sparse: Sparse<u32, 4> = Sparse::new();
        *sparse.get_mut(100) = 7;
        let before = sparse.clone();
        *sparse.get_mut(101) = 8;
        assert_eq!([99, 100, 101, 5000].map(|at| sparse.get(at)), [0, 7, 8, 0]);
        assert_eq!(before.get(101), 0);
        assert!(sparse.pages[..6].iter().all(Option::is_none));
    }
}
