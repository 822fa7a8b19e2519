//! What the log has of places that are shut, as something above them is in the way: that may change as often as a cable has a loose
//! contact.

use crate::attach::Target;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Changes that are told within that time.
const MOST: u32 = 20;
const WITHIN: Duration = Duration::from_secs(60);

/// See the module's text.
pub(super) struct Told {
    lines: Vec<String>,
    shut: Vec<IpAddr>,
    since: Instant,
    changes: u32,
}

impl Told {
    /// What is told when the program is attached.
    pub(super) fn at_first(target: &Target, now: Instant) -> Self {
        Self { lines: target.shut(), shut: shut(target), since: now, changes: 0 }
    }

    /// What is new, in words that follow the interface's name and `XDP`. What is not told now is by a later look, if it lasts.
    pub(super) fn news(&mut self, target: &Target, now: Instant) -> Vec<String> {
        let lines = target.shut();
        if lines == self.lines {
            return Vec::new();
        }
        if now.saturating_duration_since(self.since) >= WITHIN {
            (self.since, self.changes) = (now, 0);
        }
        if self.changes == MOST {
            return Vec::new();
        }
        self.changes += 1;
        let mut news: Vec<String> = lines.iter().filter(|line| !self.lines.contains(line)).cloned().collect();
        let is_open = |ip: IpAddr| target.places.iter().any(|place| place.address == ip && place.shut.is_none());
        let opened = self.shut.iter().filter(|ip| is_open(**ip)).map(IpAddr::to_string).collect::<Vec<_>>();
        if !opened.is_empty() {
            news.push(format!("serves {} again: the way up is open", opened.join(" ")));
        }
        if self.changes == MOST {
            news.push(
                "has its way up shut and opened again and again: for a minute `status` alone follows that".into(),
            );
        }
        (self.lines, self.shut) = (lines, shut(target));
        news
    }
}

fn shut(target: &Target) -> Vec<IpAddr> {
    target.places.iter().filter(|place| place.shut.is_some()).map(|place| place.address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attach::Place;
    use crate::serve::fast_path::tags::tests::target;

    fn with(shut: Option<&str>) -> Target {
        let place = Place { address: [192, 0, 2, 1].into(), mac: [2; 6], vlan: None, shut: shut.map(str::to_owned) };
        Target { places: vec![place], ..target(false) }
    }

    #[test]
    fn a_way_that_shuts_and_opens_is_told_a_bounded_number_of_times_and_truly_in_the_end() {
        let (now, open, down) = (Instant::now(), with(None), with(Some("br0 is not up")));
        let mut told = Told::at_first(&open, now);
        assert!(told.news(&open, now).is_empty());
        assert!(told.news(&down, now)[0].starts_with("nothing is taken for 192.0.2.1 while br0 is not up"));
        assert!(told.news(&down, now).is_empty(), "once");
        assert_eq!(told.news(&open, now), ["serves 192.0.2.1 again: the way up is open"]);
        let said: usize = (0..100).map(|_| told.news(&down, now).len() + told.news(&open, now).len()).sum();
        assert_eq!(said, MOST as usize - 2 + 1, "and one that says so");
        assert!(told.news(&down, now).is_empty());
        assert_eq!(told.news(&down, now + WITHIN).len(), 1, "it lasts");
        assert_eq!(told.news(&open, now + WITHIN).len(), 1);
    }
}
