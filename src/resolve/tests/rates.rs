//! Zones whose servers are sent so many queries a second (`ratelimit:`).

use super::super::*;
use super::iterate::{Internet, example};
use crate::dns::{rcode, rtype};
use std::time::Duration;

fn internet(rates: RateLimits) -> Internet {
    example(Options { rates, ..Options::default() }, false)
}

#[test]
fn a_flood_of_names_of_one_zone_is_bounded_and_other_zones_are_not() {
    let mut internet = internet(RateLimits { rate: 5, factor: 0, ..RateLimits::default() });
    let mut codes = |from: u32| -> Vec<u16> {
        (from..from + 12).map(|number| internet.ask(&format!("n{number}.example.com"), rtype::A).0).collect()
    };
    let first = codes(0);
    assert_eq!(first[..5], [rcode::NXDOMAIN; 5]);
    assert_eq!(first[5..], [rcode::SERVFAIL; 7], "within a second");
    assert_eq!(internet.ask("nowhere.net", rtype::A).0, rcode::NXDOMAIN, "the root's servers have a rate of their own");
    internet.now += Duration::from_secs(1);
    assert_eq!(internet.ask("later.example.com", rtype::A).0, rcode::NXDOMAIN);
}

#[test]
fn some_come_through_and_what_leads_further_down_does_not_count() {
    let mut internet = internet(RateLimits { rate: 1, factor: 4, ..RateLimits::default() });
    let codes: Vec<u16> = (0..200).map(|number| internet.ask(&format!("n{number}.example.com"), rtype::A).0).collect();
    let through = codes.iter().filter(|code| **code == rcode::NXDOMAIN).count();
    assert!((20..100).contains(&through), "about one of four: {through}");
}
