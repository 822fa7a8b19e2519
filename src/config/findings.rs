//! What `--check-config` prints about a configuration.

use super::diagnostic::{Diagnostic, Severity};
use super::report::json_string;
use std::collections::HashMap;
use std::fmt;
use std::path::Path;

/// Findings that say the same of lines of one file: they are told once.
#[derive(Debug)]
pub struct Group<'a> {
    first: &'a Diagnostic,
    /// From 1, in their order; empty for the file as a whole.
    lines: Vec<u32>,
}

/// The findings in their order, those that say the same together with the first of them.
pub fn grouped(findings: &[Diagnostic]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut places = HashMap::new();
    for finding in findings {
        let key = (finding.severity, &finding.file, &finding.message);
        let place = *places.entry(key).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Group { first: finding, lines: Vec::new() });
        }
        groups[place].lines.extend((finding.line > 0).then_some(finding.line));
    }
    groups.iter_mut().for_each(|group| group.lines.sort_unstable());
    groups
}

impl Group<'_> {
    /// Whether it stops the start.
    pub fn severity(&self) -> Severity {
        self.first.severity
    }

    fn json(&self) -> String {
        let lines: Vec<String> = self.lines.iter().map(u32::to_string).collect();
        format!(
            "{{\"severity\":\"{}\",\"file\":{},\"line\":{},\"lines\":[{}],\"message\":{}}}",
            self.severity().word(),
            json_string(&self.first.file.to_string_lossy()),
            lines.first().map_or("null", String::as_str),
            lines.join(","),
            json_string(&self.first.message)
        )
    }
}

impl fmt::Display for Group<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Diagnostic { file, message, .. } = self.first;
        match *self.lines {
            [] => write!(f, "{}: {message}", file.display()),
            [line] => write!(f, "{}:{line}: {message}", file.display()),
            [first, .., last] => {
                let many = self.lines.len();
                write!(f, "{}:{first}: {message} (lines {first}–{last}, {many} of them)", file.display())
            }
        }
    }
}

/// How many errors and warnings there are, of all that is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// What stops the start.
    pub errors: usize,
    /// What does not work in all it says.
    pub warnings: usize,
}

impl Counts {
    fn and(self, groups: &[Group<'_>]) -> Self {
        let of = |severity: Severity| groups.iter().filter(|group| group.severity() == severity).count();
        Self { errors: self.errors + of(Severity::Error), warnings: self.warnings + of(Severity::Warning) }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        match self.errors {
            0 => f.write_str("no errors")?,
            errors => write!(f, "{errors} error{}", plural(errors))?,
        }
        match self.warnings {
            0 => Ok(()),
            warnings => write!(f, ", {warnings} warning{}", plural(warnings)),
        }
    }
}

/// What `--check-config` prints: a line for each group of findings, those about the host (`host`, each with its line ends,
/// and how many of them are errors and warnings), and as `unbound-checkconf` does the word that all is well, or the sum.
pub fn findings(path: &Path, findings: &[Diagnostic], host: &[String], of_host: Counts) -> String {
    let groups = grouped(findings);
    let mut text = String::new();
    for group in &groups {
        text.push_str(&format!("{group} [{}]\n", group.severity().word()));
    }
    host.iter().for_each(|line| text.extend([line, "\n"]));
    text.push_str(&format!("runbound: {} in {}\n", of_host.and(&groups), path.display()));
    text
}

/// What `--check-config=json` prints: one object with `file`, `ok`, the numbers of `errors` and `warnings`, and `findings`,
/// each of these with `severity`, `file`, `line` (`null` for the file as a whole), `lines` (all that it is said of) and
/// `message`; and `host`, the findings about this host, each an object of JSON already. `ok` is false after an error in
/// either.
pub fn findings_json(path: &Path, findings: &[Diagnostic], host: &[String], of_host: Counts) -> String {
    let groups = grouped(findings);
    let Counts { errors, warnings } = of_host.and(&groups);
    let items: Vec<String> = groups.iter().map(Group::json).collect();
    format!(
        "{{\"file\":{},\"ok\":{},\"errors\":{errors},\"warnings\":{warnings},\"findings\":[{}],\"host\":[{}]}}\n",
        json_string(&path.to_string_lossy()),
        errors == 0,
        items.join(","),
        host.join(",")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "/etc/a \"b\".conf";

    fn finding(severity: Severity, line: u32, message: &str) -> Diagnostic {
        Diagnostic { severity, file: FILE.into(), line, message: message.into() }
    }

    #[test]
    fn all_is_said_and_the_last_line_counts() {
        let path = Path::new(FILE);
        let found = [
            finding(Severity::Error, 7, "bad\ttab"),
            finding(Severity::Warning, 0, "w"),
            finding(Severity::Info, 9, "i"),
        ];
        let host = ["[WARN] mtu: small".to_owned()];
        assert_eq!(
            findings(path, &found, &host, Counts { errors: 0, warnings: 1 }),
            "/etc/a \"b\".conf:7: bad\ttab [error]\n/etc/a \"b\".conf: w [warning]\n/etc/a \"b\".conf:9: i [info]\n\
             [WARN] mtu: small\nrunbound: 1 error, 2 warnings in /etc/a \"b\".conf\n"
        );
        assert_eq!(findings(path, &found[2..], &[], Counts::default()).lines().last().map(str::len), Some(38));
        let json = findings_json(path, &found, &["{\"level\":\"fail\"}".into()], Counts { errors: 1, warnings: 0 });
        for part in [
            "{\"file\":\"/etc/a \\\"b\\\".conf\",\"ok\":false,\"errors\":2,\"warnings\":1,",
            "\"line\":7,\"lines\":[7],\"message\":\"bad\\u0009tab\"}",
            "\"line\":null,\"lines\":[],\"message\":\"w\"}",
            "\"host\":[{\"level\":\"fail\"}]}\n",
        ] {
            assert!(json.contains(part), "{part} in {json}");
        }
        assert!(findings_json(path, &found[1..], &[], Counts::default()).contains("\"ok\":true"));
    }

    #[test]
    fn lines_that_say_the_same_are_told_once() {
        let mut found: Vec<Diagnostic> =
            (43..79).rev().map(|line| finding(Severity::Warning, line, "stub-zone: no")).collect();
        found.push(finding(Severity::Error, 50, "stub-zone: no"));
        let text = findings(Path::new(FILE), &found, &[], Counts::default());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "/etc/a \"b\".conf:43: stub-zone: no (lines 43–78, 36 of them) [warning]",
                "/etc/a \"b\".conf:50: stub-zone: no [error]",
                "runbound: 1 error, 1 warning in /etc/a \"b\".conf",
            ]
        );
        let json = findings_json(Path::new(FILE), &found[35..], &[], Counts::default());
        assert!(json.contains("\"line\":43,\"lines\":[43]"), "{json}");
    }
}
