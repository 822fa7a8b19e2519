//! Octets from the host, cut into requests: one JSON object a line, in bounded memory.

/// Most octets of one request: the input of a `guest-exec` of 1 MiB, which is a third more in base64, and what is around it.
const MAX_REQUEST: usize = 1536 << 10;
/// With little memory less, but no less than what all commands without input need.
const MIN_REQUEST: usize = 16 << 10;
/// The part of the memory that a request may take.
const PART: u64 = 128;

/// Never part of UTF-8: what came before it is thrown away. Sent by a client that does not know what its predecessor left.
const RESET: u8 = 0xFF;

/// One thing found in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A line, or an object whose line has not ended: not yet looked at as JSON.
    Request(Vec<u8>),
    /// A line longer than the limit; told once, the rest of the line is skipped.
    TooLong,
}

/// Most octets of one request on a machine with so many octets of memory.
pub(super) fn max_request(memory: u64) -> usize {
    usize::try_from(memory / PART).unwrap_or(MAX_REQUEST).clamp(MIN_REQUEST, MAX_REQUEST)
}

/// Holds what has not become a request yet.
pub(super) struct Framer {
    /// Most octets of one request.
    pub(super) limit: usize,
    octets: Vec<u8>,
    object: Object,
    /// Within the rest of a line that was too long.
    skipping: bool,
    /// So many octets of the line may be what a client left that went away.
    left: usize,
}

/// Where a line is within its object, told octet by octet: to parse it each time that it might be whole would take a time
/// that grows with the square of its length.
#[derive(Default)]
struct Object {
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// Its last brace has come, and nothing after it but white space.
    ended: bool,
    /// So often that was so in this line; something after it makes it no object.
    ends: u32,
}

impl Object {
    fn take(&mut self, octet: u8) {
        if self.ended && octet.is_ascii_whitespace() {
            return;
        }
        self.ended = false;
        match octet {
            _ if self.escaped => self.escaped = false,
            b'\\' if self.in_string => self.escaped = true,
            b'"' => self.in_string = !self.in_string,
            _ if self.in_string => {}
            b'{' => self.depth += 1,
            b'}' => {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    self.ends = self.ends.saturating_add(1);
                    self.ended = self.ends == 1;
                }
            }
            _ => {}
        }
    }
}

impl Framer {
    /// One that takes requests of at most `limit` octets.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, octets: Vec::new(), object: Object::default(), skipping: false, left: 0 }
    }

    /// Takes octets in and gives out what they complete.
    pub(super) fn feed(&mut self, octets: &[u8]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for &octet in octets {
            match octet {
                RESET => self.clear(),
                b'\n' => {
                    if !self.skipping && !self.octets.trim_ascii().is_empty() {
                        pieces.push(Piece::Request(self.line()));
                    }
                    self.clear();
                }
                _ if self.skipping => {}
                _ if self.octets.len() == self.limit => {
                    self.clear();
                    self.skipping = true;
                    pieces.push(Piece::TooLong);
                }
                _ => {
                    self.octets.push(octet);
                    self.object.take(octet);
                }
            }
        }
        // The protocol wants no line feed behind an object, so one that is whole is not kept waiting for it.
        if self.object.ended {
            self.object.ended = false;
            if is_whole(&self.octets) {
                pieces.push(Piece::Request(std::mem::take(&mut self.octets)));
                self.clear();
            }
        }
        pieces
    }

    /// A client went away. What is unfinished may be its, or the start of what the next one sends.
    pub(super) fn client_may_be_another(&mut self) {
        self.left = self.octets.len();
        self.skipping = false;
    }

    /// The line, which has ended: without what another client left before it, where that makes a request of it.
    fn line(&mut self) -> Vec<u8> {
        let own = self.octets.get(self.left..).filter(|own| self.left > 0 && is_whole(own));
        match own.filter(|_| !is_whole(&self.octets)) {
            Some(own) => own.to_vec(),
            None => std::mem::take(&mut self.octets),
        }
    }

    /// Forgets what is unfinished.
    fn clear(&mut self) {
        self.octets.clear();
        self.left = 0;
        self.object = Object::default();
        self.skipping = false;
    }

    /// Octets held.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.octets.capacity()
    }
}

fn is_whole(octets: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(octets).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::{Duration, Instant};

    const LIMIT: usize = 16 << 10;

    fn request(text: &str) -> Piece {
        Piece::Request(text.as_bytes().to_vec())
    }

    #[test]
    fn lines_are_requests_and_empty_lines_are_none() {
        let mut framer = Framer::new(LIMIT);
        assert_eq!(framer.feed(b"{\"a\":1}\n\r\n \nxy\nz"), [request("{\"a\":1}"), request("xy")]);
        assert_eq!(framer.feed(b"z\n"), [request("zz")]);
    }

    #[test]
    fn an_object_in_parts_is_one_and_needs_no_line_feed() {
        let mut framer = Framer::new(LIMIT);
        assert_eq!(framer.feed(b"{\"a\":{\"b\":1}"), []);
        assert_eq!(framer.feed(b"}"), [request("{\"a\":{\"b\":1}}")]);
        assert_eq!(framer.feed(b"\n{}\n"), [request("{}")]);
    }

    #[test]
    fn the_reset_octet_throws_away_what_is_unfinished() {
        let mut framer = Framer::new(LIMIT);
        assert_eq!(framer.feed(b"{\"execute\": \"gue\xFF{\"a\":1}\n"), [request("{\"a\":1}")]);
    }

    #[test]
    fn what_a_client_left_costs_the_next_no_request() {
        let mut framer = Framer::new(LIMIT);
        let mut line = |left: &[u8], sent: &[u8]| {
            assert_eq!(framer.feed(left), []);
            framer.client_may_be_another();
            framer.feed(sent)
        };
        assert_eq!(
            line(b"{\"execute\": \"gue", b"{\"a\":1}\n{\"b\":2}\n"),
            [request("{\"a\":1}"), request("{\"b\":2}")]
        );
        // It was told late: both parts are of one client.
        assert_eq!(line(b"{\"a\":", b"{\"b\":1}}\n"), [request("{\"a\":{\"b\":1}}")]);
        assert_eq!(line(b"{\"a\":", b"1}"), [request("{\"a\":1}")]);
        assert_eq!(line(b"x", b"y\n"), [request("xy")], "neither is a request");
        assert_eq!(framer.feed(&[b'x'; LIMIT + 1]), [Piece::TooLong]);
        framer.client_may_be_another();
        assert_eq!(
            framer.feed(b"{}\n"),
            [request("{}")],
            "the rest of a line that was too long does not come any more"
        );
    }

    #[test]
    fn a_line_that_is_too_long_is_told_once_and_costs_no_other() {
        let mut framer = Framer::new(LIMIT);
        assert_eq!(framer.feed(&vec![b'{'; LIMIT]), []);
        assert_eq!(framer.feed(&vec![b'x'; 10 * LIMIT]), [Piece::TooLong]);
        assert_eq!(framer.feed(b"}\n{}\n"), [request("{}")]);
        framer.feed(&vec![b'{'; LIMIT + 1]);
        assert_eq!(framer.feed(b"xx\xFF{}\n"), [request("{}")]);
    }

    #[test]
    fn an_object_ends_where_its_braces_do_and_not_those_in_strings() {
        let mut framer = Framer::new(LIMIT);
        assert_eq!(framer.feed(br#"{"a":"}\"}"#), []);
        assert_eq!(framer.feed(br#"\\"}"#), [request(r#"{"a":"}\"}\\"}"#)]);
        assert_eq!(framer.feed(b"{} "), [request("{} ")]);
        assert_eq!(framer.feed(b"{}{}"), [], "two in a line are none");
        assert_eq!(framer.feed(b"\n"), [request("{}{}")]);
        assert_eq!(framer.feed(b"x}"), []);
        assert_eq!(framer.feed(b"\n{}"), [request("x}"), request("{}")]);
    }

    #[test]
    fn a_long_request_takes_little_time_however_it_is_cut() {
        let text = format!("{{\"a\":\"{}\",\"b\":[{}1]}}", "}".repeat(1 << 20), "{},".repeat(10_000));
        let mut framer = Framer::new(MAX_REQUEST);
        let start = Instant::now();
        let pieces: Vec<Piece> = text.bytes().flat_map(|octet| framer.feed(&[octet])).collect();
        assert_eq!(pieces, [request(&text)]);
        // To parse it at each brace would take hours.
        assert!(start.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn a_machine_with_little_memory_takes_shorter_requests() {
        assert_eq!(max_request(54 << 20), 432 << 10);
        assert_eq!(max_request(4 << 30), MAX_REQUEST);
        assert_eq!(max_request(0), MIN_REQUEST);
        // 1 MiB of input fits, in base64.
        const { assert!(MAX_REQUEST > (1 << 20) / 3 * 4 + 256) };
    }

    proptest! {
        #[test]
        fn whatever_comes_memory_is_bounded(parts in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..300),
                Just(vec![b'{'; LIMIT / 2]),
                Just(b"}\n".to_vec()),
            ],
            0..20,
        )) {
            let mut framer = Framer::new(LIMIT);
            for part in parts {
                for piece in framer.feed(&part) {
                    if let Piece::Request(octets) = piece {
                        prop_assert!(octets.len() <= LIMIT);
                        prop_assert!(!octets.contains(&b'\n') && !octets.contains(&RESET));
                    }
                }
                prop_assert!(framer.held() <= 2 * LIMIT);
            }
        }
    }
}
