//! `root-hints:`, a file with the names and addresses of the root's servers (RFC 9609), in master-file format (RFC 1035,
//! section 5).

use super::master::{Entries, Entry, Flaw};
use super::tokens::{Token, Tokens, period};
use crate::dns::name_text::{self, NameBuf};
use crate::whole_file;
use domain::base::iana::Rtype;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Most octets of a file: that of today has 3,300.
const MOST_OCTETS: u64 = 1 << 20;
/// Most name servers of the root.
const MOST_SERVERS: usize = 64;

/// A name server of the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootHint {
    /// Its name, wire form, lower case.
    pub name: Vec<u8>,
    /// Its addresses, in the order of the file.
    pub addresses: Vec<IpAddr>,
}

/// What the `root-hints:` lines say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RootHints {
    /// The files, as the lines have them.
    pub files: Vec<PathBuf>,
    /// The servers of all of them; none: those that the program knows by itself.
    pub servers: Vec<RootHint>,
}

/// What a file says, and what of it is passed over: line and cause.
#[derive(Debug, Default)]
pub(super) struct Hints {
    pub servers: Vec<RootHint>,
    pub passed_over: Option<(usize, String)>,
}

/// Reads the file at `path`.
///
/// # Errors
/// What is wrong, with file and line, and what a file of hints has.
pub(super) fn read(path: &Path) -> Result<Hints, String> {
    let text = whole_file::read(path, MOST_OCTETS).map_err(|cause| format!("{}: {cause}", path.display()))?;
    parse(&text).map_err(|(line, cause)| match line {
        0 => format!("{}: {cause}", path.display()),
        line => format!("{}:{line}: {cause}", path.display()),
    })
}

#[derive(Default)]
struct Reader {
    origin: NameBuf,
    owner: NameBuf,
    /// Names of NS records, in order.
    names: Vec<NameBuf>,
    addresses: BTreeMap<Vec<u8>, Vec<IpAddr>>,
    passed_over: Option<Flaw>,
}

fn parse(text: &[u8]) -> Result<Hints, Flaw> {
    let mut reader = Reader::default();
    // The root.
    let _ = reader.origin.try_push(0);
    for entry in Entries::new(text) {
        let Entry { line, text, .. } = entry?;
        reader.entry(&text, line).map_err(|cause| (line, cause))?;
    }
    reader.finish().map_err(|cause| (0, cause))
}

impl Reader {
    fn entry(&mut self, entry: &[u8], line: usize) -> Result<(), String> {
        let mut tokens = Tokens::new(entry);
        if entry.first() == Some(&b'$') {
            return self.directive(&mut tokens);
        }
        if !entry.first().is_some_and(|first| matches!(first, b' ' | b'\t')) {
            let Some(owner) = tokens.next().transpose()? else { return Ok(()) };
            self.owner = self.name(owner)?;
        }
        let Some(mut word) = tokens.next().transpose()? else { return Ok(()) };
        let mut class = "IN";
        loop {
            let text = word.utf8()?;
            if text.starts_with(|first: char| first.is_ascii_digit()) {
                period(text).ok_or_else(|| format!("{text:?} is no TTL"))?;
            } else if ["IN", "CH", "HS"].iter().any(|known| known.eq_ignore_ascii_case(text)) {
                class = text;
            } else {
                break;
            }
            word = tokens.next().transpose()?.ok_or("the record has no type; hints have NS, A and AAAA records")?;
        }
        let rtype = word.utf8()?.to_ascii_uppercase();
        // As with Unbound: what is no record at all is an error, and records that hints do not have are passed over.
        Rtype::from_str(&rtype)
            .map_err(|_| format!("{rtype:?} is no record type; hints have NS, A and AAAA records"))?;
        if !class.eq_ignore_ascii_case("IN") || !["NS", "A", "AAAA"].contains(&rtype.as_str()) {
            let cause =
                format!("a record of class {class} and type {rtype} is passed over: hints have NS, A and AAAA records");
            self.passed_over.get_or_insert((line, cause));
            return Ok(());
        }
        let data = tokens.next().transpose()?.ok_or_else(|| format!("the {rtype} record has no data"))?;
        if tokens.next().is_some() {
            return Err(format!("the {rtype} record has more than one value"));
        }
        self.record(&rtype, data)
    }

    fn directive(&mut self, tokens: &mut Tokens<'_>) -> Result<(), String> {
        let word = tokens.next().transpose()?.ok_or("an empty directive")?.utf8()?.to_ascii_uppercase();
        let value = tokens.next().transpose()?.ok_or_else(|| format!("{word} has no value"))?;
        match word.as_str() {
            "$ORIGIN" => self.origin = self.name(value)?,
            "$TTL" => {
                let text = value.utf8()?;
                period(text).ok_or_else(|| format!("{text:?} is no TTL"))?;
            }
            _ => return Err(format!("{word} is not taken here; write what it stands for")),
        }
        Ok(())
    }

    fn record(&mut self, rtype: &str, data: Token<'_>) -> Result<(), String> {
        if rtype == "NS" {
            let target = self.name(data)?;
            if self.owner[..] != [0] {
                let owner = name_text::to_text(&self.owner);
                return Err(format!("an NS record of {owner}: hints are for the root zone, whose name is \".\""));
            }
            if !self.names.contains(&target) {
                self.names.push(target);
            }
            return if self.names.len() > MOST_SERVERS {
                Err(format!("more than {MOST_SERVERS} name servers; the root has thirteen"))
            } else {
                Ok(())
            };
        }
        let text = data.utf8()?;
        let address = match rtype {
            "A" => text.parse::<Ipv4Addr>().ok().map(IpAddr::from),
            _ => text.parse::<Ipv6Addr>().ok().map(IpAddr::from),
        };
        let address = address.ok_or_else(|| format!("{text:?} is no address of an {rtype} record"))?;
        let all = self.addresses.entry(self.owner.to_vec()).or_default();
        if !all.contains(&address) {
            all.push(address);
        }
        Ok(())
    }

    /// A name, in lower case, with the origin behind it unless it ends in a dot.
    fn name(&self, token: Token<'_>) -> Result<NameBuf, String> {
        if token.text == b"@" {
            return Ok(self.origin.clone());
        }
        let mut name = NameBuf::new();
        name_text::parse(token.text, &mut name).map_err(|error| format!("name: {error}"))?;
        let is_whole = token.text.last() == Some(&b'.') && !token.text.ends_with(b"\\.");
        if !is_whole {
            name.pop();
            name.try_extend_from_slice(&self.origin).map_err(|_| "name: longer than 255 octets".to_owned())?;
        }
        if name.len() > 255 {
            return Err("name: longer than 255 octets".into());
        }
        name.make_ascii_lowercase();
        Ok(name)
    }

    fn finish(mut self) -> Result<Hints, String> {
        let hint = |name: NameBuf| RootHint {
            addresses: self.addresses.remove(&name[..]).unwrap_or_default(),
            name: name.to_vec(),
        };
        let servers: Vec<RootHint> = self.names.into_iter().map(hint).collect();
        if servers.is_empty() && self.passed_over.is_some() {
            // Hints for another class than IN, which nobody is asked in.
            return Ok(Hints { servers, passed_over: self.passed_over });
        }
        if servers.is_empty() {
            return Err(
                "there is no NS record of the root in it; take https://www.internic.net/domain/named.root".into()
            );
        }
        if servers.iter().all(|server| server.addresses.is_empty()) {
            return Err("no name server of the root has an address in it; add A and AAAA records".into());
        }
        Ok(Hints { servers, passed_over: self.passed_over })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn servers(text: &str) -> Vec<(String, Vec<String>)> {
        let hints = parse(text.as_bytes()).unwrap();
        let shown = |hint: &RootHint| {
            (name_text::to_text(&hint.name), hint.addresses.iter().map(ToString::to_string).collect())
        };
        hints.servers.iter().map(shown).collect()
    }

    #[test]
    fn a_file_of_hints_names_servers_and_their_addresses() {
        let text = include_str!("testdata/root.hints");
        let expected =
            [("a.root.example.", vec!["198.51.100.1", "2001:db8::1"]), ("b.root.example.", vec!["198.51.100.2"])];
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(name, all)| (name.to_owned(), all.into_iter().map(str::to_owned).collect::<Vec<_>>()))
            .collect();
        assert_eq!(servers(text), expected);
    }

    #[test]
    fn owners_repeat_origins_hold_and_parentheses_join_lines() {
        let text = "$TTL 3600000\n@ IN NS A.root\n  NS ( b.root.\n )  ; the second\n$ORIGIN root.\na A 192.0.2.1\n\
            \t60 in AAAA 2001:db8::1\nb 1h A 192.0.2.2\nx TXT \"a;b\"";
        let found = servers(text);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], ("a.root.".to_owned(), vec!["192.0.2.1".to_owned(), "2001:db8::1".to_owned()]));
        let (line, cause) = parse(text.as_bytes()).unwrap().passed_over.unwrap();
        assert!(line == 9 && cause.contains("TXT"), "{line} {cause}");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, line, part) in [
            ("", 0, "no NS record"),
            (". NS a.\n", 0, "no name server of the root has an address"),
            (". NS a.\na. A 192.0.2.256\n", 2, "no address"),
            ("\n\nexample. NS a.\n", 3, "root zone"),
            (". NS\n", 1, "no data"),
            (". NS a.\na. A 192.0.2.1\nbroken line here\n", 3, "\"LINE\" is no record type"),
            (". 12\n", 1, "no type"),
            (". NS a. b.\n", 1, "more than one value"),
            ("$INCLUDE x\n", 1, "not taken"),
            (". NS (\n a.\n", 1, "parentheses"),
            (". NS )\n", 1, "without its ("),
        ] {
            let (found, cause) = parse(text.as_bytes()).unwrap_err();
            assert!(found == line && cause.contains(part), "{text:?}: {found} {cause}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_taken_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&octets);
        }
    }
}
