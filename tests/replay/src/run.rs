//! A scenario from its first step to its last, in the order of Unbound's harness (testcode/fake_event.c): a query that went out is
//! what a step waits for, else an answer is checked, else a range answers a query, else the step is done.

use crate::compare::{Parsed, Transport, mismatch};
use crate::message;
use crate::network::Waiting;
use crate::scenario::{Adjust, Entry, Expression, File, Match, Scenario, Step, Values, What};
use crate::served::Served;
use runbound::config::Config;
use runbound::dns::question::Question;
use runbound::dns::{header, rtype};
use runbound::validate::Fakes;
use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

/// Rounds after which a scenario is taken for one without an end.
const ROUNDS: usize = 5000;
/// Who asks where no address is named.
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What came of a scenario.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All came as it says.
    Pass,
    /// Something did not.
    Fail(String),
}

/// Variables and time, for expressions.
struct Known<'a> {
    variables: &'a HashMap<String, String>,
    time: Duration,
    timeout: Option<Duration>,
}

impl Values for Known<'_> {
    fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    fn time(&self) -> i64 {
        self.time.as_secs() as i64
    }

    fn timeout(&self) -> Option<f64> {
        self.timeout.map(|timeout| timeout.as_secs_f64())
    }
}

/// The lines of a file as they are to be, their `${…}` computed.
fn lines(contents: &str, known: &Known<'_>) -> Result<Vec<String>, String> {
    contents.lines().map(|line| Expression::verbatim(line.trim_end()).text(known)).collect()
}

/// The contents of a file that is there when a scenario begins.
///
/// # Errors
/// The `${…}` that cannot be computed.
pub fn at_the_start(contents: &str) -> Result<String, String> {
    let known = Known { variables: &HashMap::new(), time: Duration::ZERO, timeout: None };
    Ok(lines(contents, &known)?.iter().map(|line| format!("{line}\n")).collect())
}

/// By what a scenario is run.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// Reads the configuration, with all files that it names.
    pub configured: &'a dyn Fn() -> Result<Config, String>,
    /// Which signatures count as valid.
    pub fakes: Fakes,
    /// Where the files are.
    pub folder: &'a Path,
    /// Whenever a file was looked at, what serves ends as if it were killed, and another begins with what the files hold.
    pub restarts: bool,
}

struct Run<'a> {
    scenario: &'a Scenario,
    setting: Setting<'a>,
    served: Served,
    /// The step whose turn it is, a place among the steps.
    at: usize,
    variables: HashMap<String, String>,
}

/// Runs `scenario`.
pub fn run(scenario: &Scenario, setting: Setting<'_>) -> Outcome {
    let served = match begin(&setting, Duration::ZERO) {
        Ok(served) => served,
        Err(cause) => return Outcome::Fail(format!("the configuration cannot be used: {cause}")),
    };
    let mut run = Run { scenario, setting, served, at: 0, variables: HashMap::new() };
    let result = run.steps();
    match result {
        Ok(()) => Outcome::Pass,
        Err(cause) => match scenario.steps.get(run.at) {
            Some(step) => Outcome::Fail(format!("step {}: line {}: {cause}", step.number, step.line)),
            None => Outcome::Fail(cause),
        },
    }
}

fn begin(setting: &Setting<'_>, clock: Duration) -> Result<Served, String> {
    Served::new(&(setting.configured)()?, setting.fakes, clock)
}

impl<'a> Run<'a> {
    fn steps(&mut self) -> Result<(), String> {
        let scenario = self.scenario;
        for _ in 0..ROUNDS {
            self.note_new()?;
            let Some(step) = scenario.steps.get(self.at) else { return self.at_the_end() };
            if !self.without_the_step(step)? {
                self.perform(step)?;
            }
        }
        Err("it goes in a circle".into())
    }

    /// A query that leaves while a step waits for one like it is what the step waits for.
    fn note_new(&mut self) -> Result<(), String> {
        for place in 0..self.served.network.waiting.len() {
            if std::mem::replace(&mut self.served.network.waiting[place].is_known, true) {
                continue;
            }
            if let Some(Step { what: What::CheckOutQuery { server, entry }, .. }) = self.scenario.steps.get(self.at)
                && self.fits(place, *server, entry)?
            {
                self.at += 1;
            }
        }
        Ok(())
    }

    /// True when something is done before the step: what waited was checked, or a range has answered.
    fn without_the_step(&mut self, step: &'a Step) -> Result<bool, String> {
        if let What::CheckOutQuery { server, entry } = &step.what
            && let Some(place) = self.newest(*server, entry)?
        {
            self.at += 1;
            if entry.adjust.contains(&Adjust::CopyId) {
                self.reply(place, entry)?;
            }
            return Ok(true);
        }
        if let What::CheckAnswer { client, entry } = &step.what
            && !self.served.answers.is_empty()
        {
            self.check_answer(*client, entry)?;
            self.at += 1;
            return Ok(true);
        }
        if let Some((place, entry)) = self.in_range(step.number)? {
            let query = self.served.network.waiting[place].octets.clone();
            self.reply(place, entry)?;
            self.give_up_in_vain(&query)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// A server of a range that has answered another question than that of `query` will not answer it later: Unbound goes on
    /// at once with what is none of its question, and the core when it has waited for long enough.
    fn give_up_in_vain(&mut self, query: &[u8]) -> Result<(), String> {
        let waiting = &mut self.served.network.waiting;
        let Some(place) = waiting.iter().position(|left| left.is_past && left.octets == query) else { return Ok(()) };
        waiting[place].is_vain = true;
        match self.served.in_flight() > 0 {
            true => self.served.time_out(place, true).or(Ok(())),
            false => Ok(()),
        }
    }

    /// Whether the query at `place` goes to `server`, if one is named, and matches.
    fn fits(&self, place: usize, server: Option<IpAddr>, entry: &Entry) -> Result<bool, String> {
        let query = &self.served.network.waiting[place];
        let is_there = server.is_none_or(|server| server == query.server.ip());
        Ok(is_there && mismatch(entry, &query.octets, query.transport)?.is_none())
    }

    /// The queries that nothing has come of yet, the newest first.
    fn open(&self) -> Vec<usize> {
        let waiting = &self.served.network.waiting;
        (0..waiting.len()).rev().filter(|&place| !waiting[place].is_past).collect()
    }

    /// The newest query that fits.
    fn newest(&self, server: Option<IpAddr>, entry: &Entry) -> Result<Option<usize>, String> {
        for place in self.open() {
            if self.fits(place, server, entry)? {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    /// The newest query that a server of a range answers at step `number`, and with what.
    fn in_range(&self, number: u32) -> Result<Option<(usize, &'a Entry)>, String> {
        for place in self.open() {
            let address = self.served.network.waiting[place].server.ip();
            for range in &self.scenario.ranges {
                let is_there = range.addresses.is_empty() || range.addresses.contains(&address);
                if !is_there || !(range.first..=range.last).contains(&number) {
                    continue;
                }
                for entry in &range.entries {
                    if self.fits(place, None, entry)? {
                        return Ok(Some((place, entry)));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Has the query at `place` answered by an entry.
    fn reply(&mut self, place: usize, entry: &Entry) -> Result<(), String> {
        let query = self.served.network.waiting[place].octets.clone();
        let entries = std::iter::once(entry).chain(&entry.extra);
        let replies = entries.map(|part| Ok(message::adjusted(message::octets(part)?, entry, &query)));
        let replies: Vec<Vec<u8>> = replies.collect::<Result<_, String>>()?;
        self.served.answer(place, &replies)
    }

    fn check_answer(&mut self, client: Option<IpAddr>, entry: &Entry) -> Result<(), String> {
        let mut first = None;
        for (place, answer) in self.served.answers.iter().enumerate() {
            let difference = match client {
                Some(client) if client != answer.client => Some(format!("it went to {}", answer.client)),
                _ => mismatch(entry, &answer.octets, answer.transport)?,
            };
            let Some(difference) = difference else {
                self.served.answers.remove(place);
                return Ok(());
            };
            first.get_or_insert(format!("{difference}: {}", Parsed::new(&answer.octets)));
        }
        let wanted = Parsed::new(&message::octets(entry)?);
        Err(format!("expected {wanted}, and what came has {}", first.unwrap_or_default()))
    }

    /// The query that a step is about: the newest that the entry matches, else the newest. When all that is asked pauses, its
    /// clock goes on until something is sent.
    fn outstanding(&mut self, server: Option<IpAddr>, entry: Option<&Entry>) -> Result<usize, String> {
        while self.pauses() && self.served.wait()? {
            self.note_new()?;
        }
        if let Some(entry) = entry
            && let Some(place) = self.newest(server, entry)?
        {
            return Ok(place);
        }
        let newest = self.served.network.waiting.len().checked_sub(1);
        self.open().first().copied().or(newest).ok_or_else(|| "no query is outstanding".to_owned())
    }

    /// Whether questions are in flight and no query is outstanding.
    fn pauses(&self) -> bool {
        self.served.network.waiting.is_empty() && self.served.in_flight() > 0
    }

    fn perform(&mut self, step: &'a Step) -> Result<(), String> {
        match &step.what {
            What::Nothing | What::Traffic => {}
            What::Query { client, entry } => {
                let octets = message::octets(entry)?;
                let is_tcp = entry.matches.contains(&Match::Tcp);
                let transport = if is_tcp { Transport::Tcp } else { Transport::Udp };
                return self.then(|run| run.served.ask(client.unwrap_or(CLIENT), transport, &octets));
            }
            What::CheckAnswer { entry, .. } => {
                let wanted = Parsed::new(&message::octets(entry)?);
                return Err(format!("expected {wanted}, and no answer came{}", self.what_waits()));
            }
            What::CheckOutQuery { entry, .. } => {
                if self.pauses() && self.served.wait()? {
                    return Ok(());
                }
                let wanted = Parsed::new(&message::octets(entry)?);
                return Err(format!("expected a query {wanted} to go out, and none did{}", self.what_waits()));
            }
            What::Reply { server, entry } => {
                let place = self.outstanding(*server, Some(entry))?;
                return self.then(|run| run.reply(place, entry));
            }
            What::Timeout => {
                let place = self.outstanding(None, None)?;
                return self.then(|run| run.served.time_out(place, false));
            }
            What::Error => {
                let place = self.outstanding(None, None)?;
                return self.then(|run| run.served.refuse(place));
            }
            What::TimePasses(time) => {
                let seconds = time.number(&self.known())?;
                let time = Duration::try_from_secs_f64(seconds).map_err(|cause| format!("{seconds} s: {cause}"))?;
                self.served.pass(time)?;
                self.note_new()?;
            }
            What::Assign { name, value } => {
                let value = value.text(&self.known())?;
                self.variables.insert(name.clone(), value);
            }
            What::InfraRtt { server, rtt } => {
                let ms = rtt.number(&self.known())?;
                self.served.note_rtt(*server, ms as u32);
            }
            What::Forget(what) => {
                let (name, qtype, _) = message::asked(what, ".")?;
                self.served.forget(&name, qtype)?;
            }
            What::CheckFile(file) => {
                self.check_file(file)?;
                if self.setting.restarts {
                    self.served = begin(&self.setting, self.served.clock())?;
                }
            }
        }
        self.at += 1;
        Ok(())
    }

    /// A file must hold the lines of a step, those of it with their `${…}` computed.
    fn check_file(&mut self, file: &File) -> Result<(), String> {
        let path = self.setting.folder.join(&file.name);
        let found = fs::read_to_string(&path).map_err(|cause| format!("{}: {cause}", file.name))?;
        let mut wanted = lines(&file.contents, &self.known())?;
        let mut found: Vec<&str> = found.lines().map(str::trim_end).collect();
        if self.setting.restarts {
            // Keys change their order when they are read, as Unbound's do, and who begins asks for them when somebody needs them.
            let is_random = |line: &str| line.starts_with(";;next_probe_time:");
            wanted.retain(|line| !is_random(line));
            found.retain(|line| !is_random(line));
            wanted.sort_unstable();
            found.sort_unstable();
        }
        let place =
            (0..wanted.len().max(found.len())).find(|&at| wanted.get(at).map(String::as_str) != found.get(at).copied());
        let Some(at) = place else { return Ok(()) };
        let (wanted, found) =
            (wanted.get(at).map_or("its end", String::as_str), found.get(at).copied().unwrap_or("its end"));
        Err(format!("{}: expected {wanted:?} in line {}, and there is {found:?}", file.name, at + 1))
    }

    /// Does the rest of a step while it is the next one's turn, which may be to check what comes of it.
    fn then(&mut self, rest: impl FnOnce(&mut Self) -> Result<(), String>) -> Result<(), String> {
        self.at += 1;
        let at = self.at;
        rest(self).inspect_err(|_| self.at = at - 1)
    }

    fn known(&mut self) -> Known<'_> {
        let timeout = self.served.timeout();
        Known { time: self.served.clock(), timeout, variables: &self.variables }
    }

    fn at_the_end(&mut self) -> Result<(), String> {
        let is_nobodys = |query: &Waiting| query.is_vain || tells_of_keys(&query.octets);
        if !self.served.network.waiting.iter().all(is_nobodys) {
            return Err(format!("at the end{}", self.what_waits()));
        }
        match self.served.answers.front() {
            None => Ok(()),
            Some(answer) => Err(format!("at the end an answer is not checked: {}", Parsed::new(&answer.octets))),
        }
    }

    /// The queries that are outstanding, for people.
    fn what_waits(&self) -> String {
        let waiting = self.served.network.waiting.iter();
        let shown = waiting.map(|query| {
            let how = if query.transport == Transport::Tcp { " over TCP" } else { "" };
            format!("; outstanding at {}{how}: {}", query.server, Parsed::new(&query.octets))
        });
        shown.collect()
    }
}

/// Whether a query tells a zone's servers which of its keys are trusted (RFC 8145): nobody waits for what they say to that.
fn tells_of_keys(query: &[u8]) -> bool {
    let Some(question) = Question::parse(query) else { return false };
    let label = query.get(header::LEN + 1..).unwrap_or_default();
    question.qtype == rtype::NULL && label.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"_ta-"))
}
