//! An entry: what a message has to match, and the message itself.

use super::Unreadable;
use super::lines::Lines;

/// One `ENTRY_BEGIN … ENTRY_END`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Where it begins, a line of the file.
    pub line: usize,
    /// All of these.
    pub matches: Vec<Match>,
    /// Flags, opcode and rcode, and DO: the words of REPLY.
    pub reply: Vec<String>,
    /// What becomes of the message before it is sent.
    pub adjust: Vec<Adjust>,
    /// Question, answer, authority, additional: a record a line, each with its origin and TTL where `$ORIGIN` and `$TTL` gave
    /// them.
    pub sections: [Vec<Record>; 4],
    /// The whole message, where octets are given in place of records.
    pub octets: Option<Vec<u8>>,
    /// Options of the OPT record, octets.
    pub edns_data: Option<Vec<u8>>,
    /// Messages that follow the first at once.
    pub extra: Vec<Entry>,
}

/// A record as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The line of the file.
    pub line: usize,
    /// In presentation form.
    pub text: String,
    /// What relative names end with.
    pub origin: String,
    /// Seconds, where the text has none.
    pub ttl: u32,
}

/// What is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    Opcode,
    Qtype,
    Qname,
    /// The name asked for is at or below that of the entry.
    Subdomain,
    Serial(u32),
    /// Header flags and all records, in any order.
    All,
    /// The same but for OPT.
    AllNoEdns,
    Ttl,
    DnssecOk,
    /// The flag CO is set (draft-ietf-dnsop-compact-denial-of-existence).
    CompactOk,
    NoEdns,
    Rcode,
    Question,
    Answer,
    EdnsData,
    Udp,
    Tcp,
    /// An extended error of this code; `None`: any.
    ExtendedError(Option<u16>),
    ClientCookie,
    ServerCookie,
}

/// What becomes of a message before it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Adjust {
    /// It gets the query's ID, as every message does: Unbound's harness does not look at it.
    CopyId,
    /// It gets another ID than the query's (in our own scenarios).
    OtherId,
    /// It gets the query's question.
    CopyQuery,
    /// Its client subnet becomes the query's, or one that is larger by one: not done while no scenario with subnets is run.
    ClientSubnet,
    /// It comes so many seconds later.
    Sleep(u32),
}

const SECTIONS: [&str; 4] = ["QUESTION", "ANSWER", "AUTHORITY", "ADDITIONAL"];
/// The TTL of a record that has none.
const TTL: u32 = 3600;

/// What `$ORIGIN` and `$TTL` said last, in whatever entry.
pub(super) struct Defaults {
    origin: String,
    ttl: u32,
}

impl Default for Defaults {
    fn default() -> Self {
        Defaults { origin: ".".into(), ttl: TTL }
    }
}

impl Defaults {
    /// Takes a line that sets one of them; false when it does not.
    pub(super) fn take(&mut self, line: &str, lines: &Lines<'_>) -> Result<bool, Unreadable> {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("$ORIGIN") => self.origin = words.next().unwrap_or(".").to_owned(),
            Some("$TTL") => self.ttl = number(words.next().unwrap_or_default(), lines)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Reads an entry whose ENTRY_BEGIN was taken.
pub(super) fn entry(lines: &mut Lines<'_>, defaults: &mut Defaults) -> Result<Entry, Unreadable> {
    let mut entry = Entry { line: lines.number(), ..Entry::default() };
    let mut section = None;
    while let Some(line) = lines.next() {
        if defaults.take(line, lines)? {
            continue;
        }
        let mut words = line.split_whitespace();
        let word = words.next().unwrap_or_default();
        match word {
            "ENTRY_END" => return Ok(entry),
            "MATCH" => entry.matches.extend(words.map(|word| matching(word, lines)).collect::<Result<Vec<_>, _>>()?),
            "REPLY" => entry.reply.extend(words.map(str::to_owned)),
            "ADJUST" => entry.adjust.extend(words.map(|word| adjusting(word, lines)).collect::<Result<Vec<_>, _>>()?),
            "SECTION" => {
                let name = words.next().unwrap_or_default();
                let place = SECTIONS.iter().position(|section| *section == name);
                section = Some(place.ok_or_else(|| lines.wrong(format!("{name:?} is no section")))?);
            }
            "HEX_ANSWER_BEGIN" => entry.octets = Some(hex(lines, "HEX_ANSWER_END")?),
            "HEX_EDNSDATA_BEGIN" => entry.edns_data = Some(hex(lines, "HEX_EDNSDATA_END")?),
            "EXTRA_PACKET" => {
                entry.extra.push(self::entry(lines, defaults)?);
                return Ok(entry);
            }
            _ => {
                let place =
                    section.ok_or_else(|| lines.wrong(format!("{word:?} is not known, and no section has begun")))?;
                let (text, origin) = (line.to_owned(), defaults.origin.clone());
                entry.sections[place].push(Record { line: lines.number(), text, origin, ttl: defaults.ttl });
            }
        }
    }
    Err(Unreadable { line: entry.line, cause: "no ENTRY_END follows".into() })
}

fn matching(word: &str, lines: &Lines<'_>) -> Result<Match, Unreadable> {
    if let Some(code) = word.strip_prefix("ede=") {
        let code = if code == "any" { None } else { Some(number(code, lines)?) };
        return Ok(Match::ExtendedError(code));
    }
    if let Some(serial) = word.strip_prefix("serial=") {
        return Ok(Match::Serial(number(serial, lines)?));
    }
    Ok(match word {
        "opcode" => Match::Opcode,
        "qtype" => Match::Qtype,
        "qname" => Match::Qname,
        "subdomain" => Match::Subdomain,
        "all" => Match::All,
        "all_noedns" => Match::AllNoEdns,
        "ttl" => Match::Ttl,
        "DO" => Match::DnssecOk,
        "CO" => Match::CompactOk,
        "noedns" => Match::NoEdns,
        "rcode" => Match::Rcode,
        "question" => Match::Question,
        "answer" => Match::Answer,
        "ednsdata" => Match::EdnsData,
        "UDP" => Match::Udp,
        "TCP" => Match::Tcp,
        "client_cookie" => Match::ClientCookie,
        "server_cookie" => Match::ServerCookie,
        _ => return Err(lines.wrong(format!("MATCH {word} is not known"))),
    })
}

fn adjusting(word: &str, lines: &Lines<'_>) -> Result<Adjust, Unreadable> {
    for sleep in ["sleep=", "packet_sleep="] {
        if let Some(seconds) = word.strip_prefix(sleep) {
            return Ok(Adjust::Sleep(number(seconds, lines)?));
        }
    }
    Ok(match word {
        "copy_id" => Adjust::CopyId,
        "other_id" => Adjust::OtherId,
        "copy_query" => Adjust::CopyQuery,
        "copy_ednsdata_assume_clientsubnet" | "increment_ecs_scope" => Adjust::ClientSubnet,
        _ => return Err(lines.wrong(format!("ADJUST {word} is not known"))),
    })
}

/// A whole number.
pub(super) fn number<T: std::str::FromStr>(text: &str, lines: &Lines<'_>) -> Result<T, Unreadable> {
    text.parse().map_err(|_| lines.wrong(format!("{text:?} is no number of its range")))
}

/// Octets, two digits each, white space anywhere between.
fn hex(lines: &mut Lines<'_>, end: &str) -> Result<Vec<u8>, Unreadable> {
    let text = lines.up_to(end)?;
    let digits: Option<Vec<u8>> = text
        .iter()
        .flat_map(|line| super::lines::without_comment(line).chars())
        .filter(|letter| !letter.is_whitespace())
        .map(|letter| letter.to_digit(16).map(|digit| digit as u8))
        .collect();
    match digits.as_deref().map(<[u8]>::as_chunks::<2>) {
        Some((pairs, [])) => Ok(pairs.iter().map(|[high, low]| high << 4 | low).collect()),
        _ => Err(lines.wrong(format!("what stands before {end} is not pairs of hexadecimal digits"))),
    }
}
