//! From the text of a file to a scenario.

use super::entry::{self, Defaults, Entry};
use super::expression::Expression;
use super::lines::Lines;
use super::{File, Line, Range, Scenario, Step, Unreadable, What};
use std::net::IpAddr;

/// Reads a file.
///
/// # Errors
/// The line that says nothing known, or misses its end.
pub fn parse(text: &str) -> Result<Scenario, Unreadable> {
    let mut lines = Lines::new(text);
    let (mut scenario, mut defaults) = (Scenario::default(), Defaults::default());
    configuration(&mut lines, &mut scenario)?;
    while let Some(line) = lines.next() {
        let (word, rest) = first_word(line);
        match word {
            _ if defaults.take(line, &lines)? => {}
            // Unbound's harness passes over what ends nothing.
            "RANGE_END" | "ENTRY_END" => {}
            "SCENARIO_BEGIN" => scenario.title = rest.to_owned(),
            "RANGE_BEGIN" => scenario.ranges.push(range(&mut lines, rest, &mut defaults)?),
            "STEP" => scenario.steps.push(step(&mut lines, rest, &mut defaults)?),
            "SCENARIO_END" => return Ok(scenario),
            // Unbound's harness passes over what is no word of its; a word that is meant for one is taken for a slip here.
            _ if word.bytes().all(|octet| octet.is_ascii_uppercase() || octet == b'_') => {
                return Err(lines.wrong(format!("{word:?} is not known")));
            }
            _ => {}
        }
    }
    Err(lines.wrong("no SCENARIO_END follows"))
}

fn first_word(line: &str) -> (&str, &str) {
    let line = line.trim();
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    (word, rest.trim())
}

/// All up to CONFIG_END.
fn configuration(lines: &mut Lines<'_>, scenario: &mut Scenario) -> Result<(), Unreadable> {
    while let Some(line) = lines.raw() {
        let (word, rest) = first_word(line);
        match word {
            "CONFIG_END" => return Ok(()),
            "AUTOTRUST_FILE" => {
                scenario.configuration.push(Line::Autotrust(rest.to_owned()));
                scenario.files.push(file(lines, rest, "AUTOTRUST_END", true)?);
            }
            "TEMPFILE_CONTENTS" => scenario.files.push(file(lines, rest, "TEMPFILE_END", false)?),
            // Where its name stands in the configuration.
            "TEMPFILE_NAME" => scenario.configuration.push(Line::Path(rest.to_owned())),
            // There is no command line to be added to.
            _ if word.starts_with(';') || word == "COMMANDLINE" => {}
            _ => scenario.configuration.push(Line::Text(line.to_owned())),
        }
        // Lines keep their numbers.
        scenario.configuration.resize_with(lines.number(), || Line::Text(String::new()));
    }
    Err(lines.wrong("no CONFIG_END follows"))
}

fn append(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

fn file(lines: &mut Lines<'_>, name: &str, end: &str, is_autotrust: bool) -> Result<File, Unreadable> {
    let mut contents = String::new();
    lines.up_to(end)?.into_iter().for_each(|line| append(&mut contents, line));
    Ok(File { name: name.to_owned(), contents, is_autotrust })
}

fn range(lines: &mut Lines<'_>, bounds: &str, defaults: &mut Defaults) -> Result<Range, Unreadable> {
    let begin = lines.number();
    let mut numbers = bounds.split_whitespace();
    let mut bound = || entry::number(numbers.next().unwrap_or_default(), lines);
    let (first, last) = (bound()?, bound()?);
    let mut range = Range { first, last, addresses: Vec::new(), entries: Vec::new() };
    while let Some(line) = lines.next() {
        if defaults.take(line, lines)? {
            continue;
        }
        match first_word(line) {
            ("RANGE_END", _) => return Ok(range),
            ("ADDRESS", text) => range.addresses.push(address(lines, text)?),
            ("ENTRY_BEGIN", _) => range.entries.push(entry::entry(lines, defaults)?),
            (word, _) => return Err(lines.wrong(format!("{word:?} is not known within a range"))),
        }
    }
    Err(Unreadable { line: begin, cause: "no RANGE_END follows".into() })
}

fn address(lines: &Lines<'_>, text: &str) -> Result<IpAddr, Unreadable> {
    text.parse().map_err(|_| lines.wrong(format!("{text:?} is no address")))
}

fn step(lines: &mut Lines<'_>, rest: &str, defaults: &mut Defaults) -> Result<Step, Unreadable> {
    let line = lines.number();
    let (number, rest) = first_word(rest);
    let number = entry::number(number, lines)?;
    let (word, rest) = first_word(rest);
    let what = match word {
        "QUERY" => {
            let (client, entry) = addressed(lines, rest, defaults)?;
            What::Query { client, entry }
        }
        "CHECK_ANSWER" => {
            let (client, entry) = addressed(lines, rest, defaults)?;
            What::CheckAnswer { client, entry }
        }
        "CHECK_OUT_QUERY" => {
            let (server, entry) = addressed(lines, rest, defaults)?;
            What::CheckOutQuery { server, entry }
        }
        "REPLY" => {
            let (server, entry) = addressed(lines, rest, defaults)?;
            What::Reply { server, entry }
        }
        "TIMEOUT" => What::Timeout,
        "ERROR" => What::Error,
        "NOTHING" => What::Nothing,
        "TRAFFIC" => What::Traffic,
        "TIME_PASSES" => What::TimePasses(time(lines, rest)?),
        "ASSIGN" => {
            let (name, value) = rest.split_once('=').ok_or_else(|| lines.wrong("ASSIGN wants NAME = VALUE"))?;
            What::Assign { name: name.trim().to_owned(), value: Expression::new(value) }
        }
        "CHECK_AUTOTRUST" | "CHECK_TEMPFILE" => {
            match lines.next() {
                Some("FILE_BEGIN") => {}
                _ => return Err(lines.wrong(format!("{word} wants FILE_BEGIN"))),
            }
            What::CheckFile(file(lines, rest, "FILE_END", word == "CHECK_AUTOTRUST")?)
        }
        "INFRA_RTT" => {
            let words: Vec<&str> = rest.split_whitespace().collect();
            let [server, _, ref rtt @ ..] = words[..] else {
                return Err(lines.wrong("INFRA_RTT wants ADDRESS ZONE MS"));
            };
            What::InfraRtt { server: address(lines, server)?, rtt: Expression::new(&rtt.join(" ")) }
        }
        "FLUSH_MESSAGE" | "EXPIRE_MESSAGE" => What::Forget(rest.to_owned()),
        _ => return Err(lines.wrong(format!("{word:?} is no step"))),
    };
    Ok(Step { number, line, what })
}

/// `ELAPSE seconds` or `EVAL expression`, perhaps in the next line.
fn time(lines: &mut Lines<'_>, rest: &str) -> Result<Expression, Unreadable> {
    let rest = if rest.is_empty() { lines.next().unwrap_or_default() } else { rest };
    match first_word(rest) {
        ("ELAPSE" | "EVAL", value) => Ok(Expression::new(value)),
        _ => Err(lines.wrong("TIME_PASSES wants ELAPSE or EVAL")),
    }
}

/// An address, where one is named behind the step's word or in a line of its own, and an entry.
fn addressed(
    lines: &mut Lines<'_>,
    rest: &str,
    defaults: &mut Defaults,
) -> Result<(Option<IpAddr>, Entry), Unreadable> {
    let mut named = match first_word(rest) {
        ("ADDRESS", text) => Some(address(lines, text)?),
        _ => None,
    };
    while let Some(line) = lines.next() {
        match first_word(line) {
            _ if defaults.take(line, lines)? => {}
            ("ADDRESS", text) => named = Some(address(lines, text)?),
            ("ENTRY_BEGIN", _) => return Ok((named, entry::entry(lines, defaults)?)),
            _ => break,
        }
    }
    Err(lines.wrong("an entry was to follow"))
}
