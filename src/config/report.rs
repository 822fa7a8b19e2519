//! docs/configuration.md, made from the table, and strings of JSON.

use super::options::{self, Change, Clause, OptionSpec, Status};
use super::values::Kind;
use std::fmt::Write;

/// A string of JSON (RFC 8259, 7).
pub fn json_string(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\0'..='\x1f' => out.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => out.push(character),
        }
    }
    out.push('"');
    out
}

/// docs/configuration.md, made from the table.
pub fn directives() -> String {
    let mut text = String::from(HEAD);
    for clause in Clause::ALL {
        let _ = write!(text, "\n## {}:\n\n", clause.word());
        if let Some(instead) = clause.not_yet() {
            let _ = write!(text, "Not supported yet; the clause gives a warning:\n{instead}.\n\n");
        }
        text.push_str("| directive | value | default | status | change | |\n|---|---|---|---|---|---|\n");
        for spec in options::all().filter(|spec| spec.clause == clause) {
            text.push_str(&table_row(spec));
        }
    }
    text
}

fn table_row(spec: &OptionSpec) -> String {
    let mut name = format!("`{}`", spec.name);
    for alias in spec.aliases {
        let _ = write!(name, ", `{alias}`");
    }
    let kinds: Vec<String> = spec.args.iter().map(Kind::to_string).collect();
    let change = match spec.status {
        Status::Honoured(_, Change::Reload) => "reload".to_owned(),
        Status::Honoured(_, Change::Restart) => "restart".to_owned(),
        Status::Honoured(_, Change::RestartFor(part)) => format!("reload; {part} restart"),
        _ => String::new(),
    };
    let mut note = match spec.status {
        Status::Honoured(..) => spec.note.unwrap_or_default().to_owned(),
        Status::AcceptedWithoutEffect(why) | Status::ChangesNothing(why) | Status::Refused { why, .. } => {
            why.to_owned()
        }
        Status::NotYet { instead, .. } => instead.to_owned(),
    };
    match spec.since {
        Some("runbound") if note.is_empty() => note.push_str("this server's own"),
        Some("runbound") => note.push_str("; this server's own"),
        Some(version) => {
            let _ = write!(note, " (Unbound {version})");
        }
        None => (),
    }
    let note = note.trim().replace('|', "\\|");
    format!(
        "| {name} | {} | {} | {} | {change} | {note} |\n",
        kinds.join(" · "),
        spec.default.text(),
        spec.status.word()
    )
}

const HEAD: &str = "\
# Configuration

The file is `unbound.conf` as Unbound 1.22 reads it; the default is `/etc/runbound/unbound.conf`. The defaults are those of
the newest version, 1.25. Older ones have others, of which these change answers: up to 1.22, with Debian 12's 1.17 too,
`serve-expired-ttl` and `serve-expired-client-timeout` are 0 (86400 and 1800 here, as RFC 8767 recommends), and 1.17 has no
`discard-timeout` and no `wait-limit`. This page is made from the table in `src/config/options/`: `RUNBOUND_WRITE_DOCS=1 cargo test --lib configuration_md` writes it, and a test fails when
it is out of date.

- **honoured**: does what Unbound does; where not quite, the note says so.
- **no effect**: accepted; the note says why that harms nobody.
- **no effect: info**: the same, where people want a change by it: a line in the log and in `--check-config` says so, unless
  the value is the default.
- **not yet: warning**: would change answers or safety and does not yet. A line that asks for more than happens anyway
  gives a warning with file, line and directive; the note says what happens instead.
- **not yet: error**: going on without it would be unsafe.

**change** says what puts another value in force: a reload, or a restart; a reload that finds such a change says so in the
log, each time until the restart. `get_option` shows what is in force, of `server:` and `remote-control:`.

Any other word is an error that names the nearest directive. Values are checked for all of them, honoured or not, as
`unbound-checkconf` checks them (`tests/checkconf.rs` asks both and names where they differ): `yes` and `no` are lower case,
sizes take `k`, `m` and `g`, and a number with letters behind it is none; a file that a line names must be there, a tag be
defined above, a view or local zone exist. `include:` and `include-toplevel:` take
patterns with `*`, `?`, `[]`, `{}` and `~/`; a relative path is relative to the working directory, or to `directory:` once that
line was read. Files of hints, anchors and cookie secrets are read when all lines were, relative to `directory:` wherever that
stands. A directive of one value that stands twice, with another value, is a warning which names both lines: the last counts, as with
Unbound; with the same value it is an `[info]`. A file may be included 64 deep, and not by itself.

A link-local IPv6 address names its interface behind `%`, by name or by index: `fe80::1%eth0`. Servers and
`outgoing-interface:` are looked up again whenever interfaces change, `interface:` at the start alone; when that interface is made
anew under its name, XDP serves the address there, and kernel sockets after a restart. Netblocks are compared without it.

What no `forward-zone` and no `stub-zone` covers is asked of the authoritative servers, from the root on. A zone of either kind
without an address and without a name of a server answers SERVFAIL, of which there is a warning. With a trust
anchor answers are validated; without one, what a forwarder was asked with CD for is kept at the worker alone.

What is kept lies in three places. `msg-cache-size` is divided: three quarters hold answers ready to be sent, at the worker,
where a hit costs a copy; one quarter holds the messages of the resolver's cache, which name the RRsets that `rrset-cache-size`
holds. What the worker has no answer for is looked up there before anybody is asked.
";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn configuration_md_is_what_the_table_says() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
        if std::env::var_os("RUNBOUND_WRITE_DOCS").is_some() {
            std::fs::write(&path, directives()).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == directives(),
            "docs/configuration.md is out of date: RUNBOUND_WRITE_DOCS=1 cargo test --lib configuration_md"
        );
    }
}
