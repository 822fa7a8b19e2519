//! Recursion times in Unbound's forty buckets: powers of two of a microsecond up to a second, then of a second.

use super::Counter;

/// How many buckets: the last one, from 262,144 s, also takes what is longer.
pub const BUCKETS: usize = 40;

/// The bucket whose lower bound is one second.
const SECOND: usize = 21;

/// Times counted by bucket, with one writer.
#[derive(Debug)]
pub struct Histogram([Counter; BUCKETS]);

impl Default for Histogram {
    fn default() -> Self {
        Histogram(std::array::from_fn(|_| Counter::default()))
    }
}

impl Histogram {
    /// Counts one time in microseconds. To be called by the owning thread alone.
    #[inline]
    pub fn add(&self, micros: u64) {
        self.0[bucket_of(micros)].add(1);
    }

    /// The counts, shortest times first.
    pub fn get(&self) -> [u64; BUCKETS] {
        std::array::from_fn(|bucket| self.0[bucket].get())
    }
}

/// The bucket for a time in microseconds.
#[inline]
pub fn bucket_of(micros: u64) -> usize {
    let bits = |number: u64| (u64::BITS - number.leading_zeros()) as usize;
    let seconds = micros / 1_000_000;
    if seconds == 0 { bits(micros) } else { (SECOND - 1 + bits(seconds)).min(BUCKETS - 1) }
}

/// Lower and upper bound of a bucket, in microseconds.
pub fn bucket_bounds(bucket: usize) -> (u64, u64) {
    (if bucket == 0 { 0 } else { edge(bucket - 1) }, edge(bucket))
}

/// Where bucket `bucket` ends, in microseconds.
fn edge(bucket: usize) -> u64 {
    let bucket = bucket.min(BUCKETS - 1);
    if bucket < SECOND - 1 { 1 << bucket } else { 1_000_000 << (bucket + 1 - SECOND) }
}

/// The median in seconds, interpolated within its bucket; 0 with fewer than four times counted, as Unbound has it.
pub fn median(counts: &[u64; BUCKETS]) -> f64 {
    let total: u64 = counts.iter().sum();
    if total < 4 {
        return 0.0;
    }
    let half = total as f64 / 2.0;
    let mut passed = 0.0;
    for (bucket, &count) in counts.iter().enumerate() {
        let count = count as f64;
        if count > 0.0 && passed + count >= half {
            let (lower, upper) = bucket_bounds(bucket);
            return (lower as f64 + (half - passed) * (upper - lower) as f64 / count) / 1e6;
        }
        passed += count;
    }
    0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_falls_into_the_bucket_whose_bounds_hold_it() {
        let times =
            [0, 1, 2, 3, 4, 524_287, 524_288, 999_999, 1_000_000, 1_999_999, 2_000_000, 3_999_999, 524_287_999_999];
        for time in times {
            let (lower, upper) = bucket_bounds(bucket_of(time));
            assert!(lower <= time && time < upper, "{time} in {lower}..{upper}");
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn buckets_touch_and_end_where_unbound_ends() {
        for bucket in 1..BUCKETS {
            assert_eq!(bucket_bounds(bucket).0, bucket_bounds(bucket - 1).1);
        }
        assert_eq!(bucket_bounds(20), (524_288, 1_000_000));
        assert_eq!(bucket_bounds(39), (262_144_000_000, 524_288_000_000));
    }

    #[test]
    fn the_median_is_interpolated_and_needs_four_times() {
        let histogram = Histogram::default();
        (0..3).for_each(|_| histogram.add(1_500_000));
        assert_eq!(median(&histogram.get()), 0.0);
        histogram.add(1_500_000);
        assert_eq!(median(&histogram.get()), 1.5);
    }
}
