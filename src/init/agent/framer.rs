//! Octets from the host, cut into requests: one JSON object a line, in bounded memory.

/// Most octets of one request. The longest that is answered has under 200; one that carries a file is refused anyway.
pub(super) const MAX_REQUEST: usize = 16 * 1024;

/// Never part of UTF-8: what came before it is thrown away. Sent by a client that does not know what its predecessor left.
const RESET: u8 = 0xFF;

/// One thing found in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A line, or an object whose line has not ended: not yet looked at as JSON.
    Request(Vec<u8>),
    /// A line longer than [`MAX_REQUEST`]; told once, the rest of the line is skipped.
    TooLong,
}

/// Holds what has not become a request yet.
#[derive(Default)]
pub(super) struct Framer {
    octets: Vec<u8>,
    /// Within the rest of a line that was too long.
    skipping: bool,
}

impl Framer {
    /// Takes octets in and gives out what they complete.
    pub(super) fn feed(&mut self, octets: &[u8]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for &octet in octets {
            match octet {
                RESET => self.clear(),
                b'\n' => {
                    if !self.skipping && !self.octets.trim_ascii().is_empty() {
                        pieces.push(Piece::Request(std::mem::take(&mut self.octets)));
                    }
                    self.clear();
                }
                _ if self.skipping => {}
                _ if self.octets.len() == MAX_REQUEST => {
                    self.clear();
                    self.skipping = true;
                    pieces.push(Piece::TooLong);
                }
                _ => self.octets.push(octet),
            }
        }
        // The protocol wants no line feed behind an object, so one that is whole is not kept waiting for it.
        if self.octets.trim_ascii_end().ends_with(b"}") && is_whole(&self.octets) {
            pieces.push(Piece::Request(std::mem::take(&mut self.octets)));
        }
        pieces
    }

    /// Forgets what is unfinished.
    pub(super) fn clear(&mut self) {
        self.octets.clear();
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

    fn request(text: &str) -> Piece {
        Piece::Request(text.as_bytes().to_vec())
    }

    #[test]
    fn lines_are_requests_and_empty_lines_are_none() {
        let mut framer = Framer::default();
        assert_eq!(framer.feed(b"{\"a\":1}\n\r\n \nxy\nz"), [request("{\"a\":1}"), request("xy")]);
        assert_eq!(framer.feed(b"z\n"), [request("zz")]);
    }

    #[test]
    fn an_object_in_parts_is_one_and_needs_no_line_feed() {
        let mut framer = Framer::default();
        assert_eq!(framer.feed(b"{\"a\":{\"b\":1}"), []);
        assert_eq!(framer.feed(b"}"), [request("{\"a\":{\"b\":1}}")]);
        assert_eq!(framer.feed(b"\n{}\n"), [request("{}")]);
    }

    #[test]
    fn the_reset_octet_throws_away_what_is_unfinished() {
        let mut framer = Framer::default();
        assert_eq!(framer.feed(b"{\"execute\": \"gue\xFF{\"a\":1}\n"), [request("{\"a\":1}")]);
    }

    #[test]
    fn a_line_that_is_too_long_is_told_once_and_costs_no_other() {
        let mut framer = Framer::default();
        assert_eq!(framer.feed(&vec![b'{'; MAX_REQUEST]), []);
        assert_eq!(framer.feed(&vec![b'x'; 10 * MAX_REQUEST]), [Piece::TooLong]);
        assert_eq!(framer.feed(b"}\n{}\n"), [request("{}")]);
        framer.feed(&vec![b'{'; MAX_REQUEST + 1]);
        assert_eq!(framer.feed(b"xx\xFF{}\n"), [request("{}")]);
    }

    proptest! {
        #[test]
        fn whatever_comes_memory_is_bounded(parts in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..300),
                Just(vec![b'{'; MAX_REQUEST / 2]),
                Just(b"}\n".to_vec()),
            ],
            0..20,
        )) {
            let mut framer = Framer::default();
            for part in parts {
                for piece in framer.feed(&part) {
                    if let Piece::Request(octets) = piece {
                        prop_assert!(octets.len() <= MAX_REQUEST);
                        prop_assert!(!octets.contains(&b'\n') && !octets.contains(&RESET));
                    }
                }
                prop_assert!(framer.held() <= 2 * MAX_REQUEST);
            }
        }
    }
}
