//! Which clauses and directives a configuration has, whether they can be used or not.

/// See the module's text.
#[derive(Debug, Default)]
pub struct Used {
    /// Clauses stand here with no value.
    found: Vec<Directive>,
}

#[derive(Debug)]
struct Directive {
    clause: String,
    name: String,
    value: String,
}

const CLAUSES: [&str; 13] = [
    "server",
    "remote-control",
    "forward-zone",
    "stub-zone",
    "auth-zone",
    "rpz",
    "view",
    "dnstap",
    "dnscrypt",
    "cachedb",
    "python",
    "dynlib",
    "ipset",
];

impl Used {
    /// Takes the text of a configuration apart: words that end with a colon, and the values behind them.
    pub fn of(text: &str) -> Used {
        let mut used = Used::default();
        let mut clause = String::new();
        for word in text.lines().flat_map(words) {
            let name = word.strip_suffix(':').filter(|name| !name.is_empty() && name.bytes().all(is_of_a_name));
            match name {
                Some(name) if CLAUSES.contains(&name) => {
                    clause = name.to_owned();
                    used.found.push(Directive { clause: clause.clone(), name: clause.clone(), value: String::new() });
                }
                Some(name) => {
                    used.found.push(Directive { clause: clause.clone(), name: name.to_owned(), value: String::new() });
                }
                None => {
                    let Some(Directive { value, .. }) = used.found.last_mut() else { continue };
                    if !value.is_empty() {
                        value.push(' ');
                    }
                    value.push_str(word.trim_matches(['"', '\'']));
                }
            }
        }
        used
    }

    /// Whether a clause or directive is there.
    pub fn has(&self, name: &str) -> bool {
        self.found.iter().any(|directive| directive.name == name)
    }

    /// The values of a directive.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.found.iter().filter(move |directive| directive.name == name).map(|directive| directive.value.as_str())
    }

    /// Clause, name and value of each.
    pub fn directives(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.found.iter().map(|Directive { clause, name, value }| (clause.as_str(), name.as_str(), value.as_str()))
    }
}

fn is_of_a_name(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || octet == b'-'
}

/// The words of a line, quoted ones with their quotes, up to a comment.
fn words(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() && !rest.starts_with('#') {
        let quote = rest.chars().next().filter(|first| matches!(first, '"' | '\''));
        let end = match quote {
            Some(quote) => rest[1..].find(quote).map_or(rest.len(), |at| at + 2),
            None => rest.find(char::is_whitespace).unwrap_or(rest.len()),
        };
        found.push(&rest[..end]);
        rest = rest[end..].trim_start();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_found_wherever_they_stand() {
        let text = "server: port: 53 # auth-zone:\n local-data: 'a. TXT \"view: x\"'\nforward-zone: name: \".\"\n forward-addr: ::1\n";
        let used = Used::of(text);
        assert!(used.has("forward-zone") && !used.has("auth-zone") && !used.has("view"));
        assert_eq!(used.values("forward-addr").collect::<Vec<_>>(), ["::1"]);
        let all: Vec<_> = used.directives().collect();
        assert!(all.contains(&("forward-zone", "name", ".")) && all.contains(&("server", "port", "53")), "{all:?}");
    }
}
