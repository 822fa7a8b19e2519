//! Octets from a client, made into a command (`doc/control_proto_spec.txt` of Unbound).

use crate::sys::memory;

/// Octets of a command line, behind `UBCT1 `.
pub(super) const MAX_COMMAND: usize = 1023;
/// Octets of one line of data: the longest record there is, each of its octets escaped, fits.
pub(super) const MAX_LINE: usize = 4 * (65_535 + 255) + 1024;

const MAGIC: &[u8] = b"UBCT";
pub(super) const MAGIC_VERSION: &[u8] = b"UBCT1 ";

/// Ends the lines of data, as the end of the stream does.
pub(super) const END_OF_TRANSMISSION: &[u8] = b"\x04";

/// The command with a cache's text behind it, which may be longer than memory has room for.
const LOAD: &str = "load_cache";

/// The commands with lines of data behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Batch {
    Zones,
    ZonesRemove,
    Datas,
    DatasRemove,
}

impl Batch {
    fn of_command(line: &str) -> Option<Batch> {
        match line.trim() {
            "local_zones" => Some(Batch::Zones),
            "local_zones_remove" => Some(Batch::ZonesRemove),
            "local_datas" => Some(Batch::Datas),
            "local_datas_remove" => Some(Batch::DatasRemove),
            _ => None,
        }
    }
}

/// A whole request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// The command line, behind the magic, without its end.
    Line(String),
    /// A command with its lines, each ended by a line feed (the last one perhaps not).
    Batch(Batch, Vec<u8>),
    /// `load_cache`, behind which any number of lines follow, taken in as they come: the octets that came with it.
    Load(Vec<u8>),
}

/// What the octets so far amount to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Not enough yet.
    More,
    /// A request, to be carried out.
    Run(Request),
    /// Not a request: the reply says so.
    Refuse(String),
    /// Not this protocol: to be closed without a word, as Unbound does.
    Hangup,
}

/// Collects one request.
#[derive(Default)]
pub(super) struct RequestReader {
    octets: Vec<u8>,
    /// Set once the command line of a batch is read and taken off `octets`.
    batch: Option<Batch>,
    /// In a batch: where the first line starts that has not been looked at.
    line_at: usize,
}

impl RequestReader {
    /// Octets held.
    pub(super) fn held(&self) -> usize {
        self.octets.capacity()
    }

    /// Whether lines of data are being read.
    pub(super) fn in_batch(&self) -> bool {
        self.batch.is_some()
    }

    /// Takes octets in; `room` is how many this reader may hold.
    pub(super) fn feed(&mut self, octets: &[u8], room: usize) -> Step {
        if self.octets.len() + octets.len() > room {
            return Step::Refuse(format!("the lines are more than {room} octets: send them in several parts"));
        }
        if let Err(cause) = memory::reserve(&mut self.octets, octets.len()) {
            return Step::Refuse(format!("{cause}: send the lines in several parts; none of them is in force"));
        }
        self.octets.extend_from_slice(octets);
        self.step(false)
    }

    /// The client has sent all it will: what there is counts as a whole line.
    pub(super) fn end(&mut self) -> Step {
        match self.step(true) {
            Step::More => Step::Hangup,
            step => step,
        }
    }

    fn step(&mut self, ended: bool) -> Step {
        match self.batch {
            Some(batch) => self.batch_step(batch, ended),
            None => self.command_step(ended),
        }
    }

    fn command_step(&mut self, ended: bool) -> Step {
        let magic = self.octets.len().min(MAGIC.len());
        if self.octets[..magic] != MAGIC[..magic] {
            return Step::Hangup;
        }
        let Some((version, rest)) = self.octets.split_at_checked(MAGIC_VERSION.len()) else { return Step::More };
        let line_len = match memchr::memchr(b'\n', rest) {
            Some(at) => at,
            None if ended || rest.len() > MAX_COMMAND => rest.len(),
            None => return Step::More,
        };
        if line_len > MAX_COMMAND {
            return Step::Refuse(format!("the command is longer than {MAX_COMMAND} octets"));
        }
        if version != MAGIC_VERSION {
            return Step::Refuse("version mismatch".to_owned());
        }
        let Some(line) = text_of(&rest[..line_len]) else {
            return Step::Refuse("the command is not UTF-8 text".to_owned());
        };
        let data_at = (MAGIC_VERSION.len() + line_len + 1).min(self.octets.len());
        if line.trim() == LOAD {
            return Step::Run(Request::Load(self.octets.split_off(data_at)));
        }
        let Some(batch) = Batch::of_command(line) else { return Step::Run(Request::Line(line.to_owned())) };
        self.octets.drain(..data_at);
        self.batch = Some(batch);
        self.batch_step(batch, ended)
    }

    fn batch_step(&mut self, batch: Batch, ended: bool) -> Step {
        loop {
            let rest = &self.octets[self.line_at..];
            let end = memchr::memchr(b'\n', rest);
            let line = &rest[..end.unwrap_or(rest.len())];
            if end.is_none() && !ended {
                return Step::More;
            }
            let last = line == END_OF_TRANSMISSION;
            let line_len = line.len();
            if last {
                self.octets.truncate(self.line_at);
            }
            if last || end.is_none() {
                return Step::Run(Request::Batch(batch, std::mem::take(&mut self.octets)));
            }
            self.line_at += line_len + 1;
        }
    }
}

/// The text of a line up to its first NUL, where a C string ends; `None` when it is not UTF-8.
pub(super) fn text_of(line: &[u8]) -> Option<&str> {
    let end = memchr::memchr(0, line).unwrap_or(line.len());
    std::str::from_utf8(&line[..end]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ROOM: usize = 1 << 20;

    fn read(octets: &[u8]) -> Step {
        let mut reader = RequestReader::default();
        match reader.feed(octets, ROOM) {
            Step::More => reader.end(),
            step => step,
        }
    }

    fn line(text: &str) -> Step {
        Step::Run(Request::Line(text.to_owned()))
    }

    #[test]
    fn a_line_is_a_command_with_or_without_its_end() {
        assert_eq!(read(b"UBCT1  status\n"), line(" status"));
        assert_eq!(read(b"UBCT1  status"), line(" status"));
        assert_eq!(read(b"UBCT1 status\0more\n"), line("status"));
        assert_eq!(read(b"UBCT1 \n"), line(""));
    }

    #[test]
    fn other_protocols_are_hung_up_on_and_other_versions_told() {
        for octets in [&b"GET / HTTP/1.1\n"[..], b"X", b"UBC", b"", b"UBCT"] {
            assert_eq!(read(octets), Step::Hangup, "{octets:?}");
        }
        assert_eq!(read(b"UBCT2 status\n"), Step::Refuse("version mismatch".into()));
    }

    #[test]
    fn what_is_too_long_is_refused_before_it_ends() {
        let mut reader = RequestReader::default();
        let longest = [MAGIC_VERSION, &[b'a'; MAX_COMMAND]].concat();
        assert_eq!(reader.feed(&longest, ROOM), Step::More);
        assert!(matches!(reader.feed(b"a", ROOM), Step::Refuse(_)));

        let mut reader = RequestReader::default();
        assert_eq!(reader.feed(b"UBCT1 local_zones\na. static\n", 40), Step::More);
        assert!(matches!(reader.feed(b"b. static and so on and so on and so on\n", 40), Step::Refuse(_)));
    }

    #[test]
    fn a_batch_ends_at_a_mark_or_the_end() {
        for end in ["\x04\n", "\x04", "", "\x04\nignored\n"] {
            let step = read(format!("UBCT1 local_datas\na. A 192.0.2.1\n\n\0\nb. A 192.0.2.2\n{end}").as_bytes());
            let lines = b"a. A 192.0.2.1\n\n\0\nb. A 192.0.2.2\n".to_vec();
            assert_eq!(step, Step::Run(Request::Batch(Batch::Datas, lines)), "{end:?}");
        }
        assert_eq!(read(b"UBCT1 local_zones\na. deny"), Step::Run(Request::Batch(Batch::Zones, b"a. deny".to_vec())));
        assert_eq!(read(b"UBCT1 local_zones x\n"), line("local_zones x"));
    }

    proptest! {
        #[test]
        fn how_octets_are_split_makes_no_difference(
            head in prop_oneof![Just(&b"UBCT1 "[..]), Just(&b"UBCT1 local_zones\n"[..]), Just(&b""[..])],
            body in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(4u8), Just(0u8), any::<u8>()], 0..400),
            cut in 0usize..400,
        ) {
            let octets = [head, &body].concat();
            let (front, back) = octets.split_at(cut.min(octets.len()));
            let mut reader = RequestReader::default();
            let step = match reader.feed(front, ROOM) {
                Step::More => match reader.feed(back, ROOM) {
                    Step::More => reader.end(),
                    step => step,
                },
                step => step,
            };
            prop_assert_eq!(step, read(&octets));
        }
    }
}
