//! From files to [`Config`]: clauses, directives and includes, each value checked against the one table.

mod late;
mod nested;

use super::diagnostic::{Diagnostic, Location, Severity};
use super::duplicates::Single;
use super::include;
use super::lexer::{LexError, Lexer};
use super::model::Config;
use super::noted::Noted;
use super::options::{self, Args, Clause, OptionSpec, Status};
use super::record::Record;
use super::servers::ZoneClause;
use super::values::{self, Value};
use crate::dns::name_text::NameBuf;
use crate::sys::memory;
use late::Late;
use nested::Pending;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Most errors worth telling; a file of another kind has one on every line.
pub(super) const MAX_ERRORS: usize = 100;
/// Most warnings worth telling.
const MAX_WARNINGS: usize = 1000;
/// Octets that are taken for each of a file, while what its lines say grows.
const READ: u64 = 2;

/// A file being read.
struct Source {
    lexer: Lexer,
    file: u16,
    path: PathBuf,
    /// Whether the text behind it must start a clause.
    toplevel: bool,
}

/// Reads files into a configuration.
#[derive(Default)]
pub(super) struct Parser {
    /// What was read so far.
    pub config: Config,
    /// What is wrong.
    pub errors: Vec<Diagnostic>,
    /// What does not work in all it says.
    pub warnings: Vec<Diagnostic>,
    sources: Vec<Source>,
    pending: Vec<Pending>,
    late: Vec<Late>,
    clause: Option<Clause>,
    /// The last directive's row: the next line is often of the same.
    last: Option<&'static OptionSpec>,
    place: include::Place,
    /// Files are closed to this process that its user could open.
    pub sandboxed: bool,
    /// No file is opened.
    sealed: bool,
    /// The words of the current directive and where each ends.
    words: Vec<u8>,
    name: NameBuf,
    record: Record,
    /// What lines without effect must agree on.
    pub noted: Noted,
    /// The lines of which the last counts.
    single: Single,
    /// Clauses and directives so far.
    pub statements: usize,
}

impl Parser {
    /// A parser inside of `chroot`, where the files' paths still start with it.
    pub fn new(chroot: Option<&Path>) -> Self {
        Self::at(include::Place { chroot: chroot.map(Path::to_path_buf), ..include::Place::default() })
    }

    /// A parser that finds files at `place`.
    pub fn at(place: include::Place) -> Self {
        Self { place, ..Self::default() }
    }

    /// Reads the file at `path` and all it includes.
    pub fn read_file(&mut self, path: &Path) {
        let here = Location::default();
        match self.open(&self.place.inside(path).unwrap_or_else(|| path.into())) {
            Ok(input) => self.start(path.to_path_buf(), input, false, here),
            Err(error) => {
                let fix = match error.kind() {
                    std::io::ErrorKind::NotFound => "; `runbound --install` writes one, `-c FILE` names another",
                    _ => self.denied(&error.to_string()),
                };
                let message = format!("cannot open the configuration: {error}{fix}");
                self.errors.push(Diagnostic {
                    file: path.into(),
                    ..Diagnostic::whole(Severity::Error, &self.config.files, message)
                });
            }
        }
        self.run();
    }

    /// A parser that opens no file: an `include:` is an error.
    pub fn without_files() -> Self {
        Self { sealed: true, ..Self::default() }
    }

    /// One that goes on from `config`, and opens no file by `include:`.
    pub fn over(config: Config) -> Self {
        Self { config, ..Self::without_files() }
    }

    /// Reads `input`, named `path` in messages.
    pub fn read_bytes(&mut self, path: &str, input: &[u8]) {
        self.start(path.into(), Box::new(std::io::Cursor::new(input.to_vec())), false, Location::default());
        self.run();
    }

    fn open(&self, path: &Path) -> std::io::Result<Box<dyn BufRead>> {
        let file = File::open(path)?;
        let found = file.metadata()?;
        if found.is_dir() {
            return Err(std::io::Error::other("it is a folder"));
        }
        memory::room(READ * found.len()).map_err(std::io::Error::other)?;
        Ok(Box::new(BufReader::with_capacity(64 * 1024, file)))
    }

    fn start(&mut self, path: PathBuf, input: Box<dyn BufRead>, toplevel: bool, from: Location) {
        match self.config.files.add(path.clone()) {
            Some(file) => self.sources.push(Source { lexer: Lexer::new(input), file, path, toplevel }),
            None => self.error(from, "too many include files; is there a loop of patterns?".into()),
        }
    }

    fn run(&mut self) {
        loop {
            while self.pending.last().is_some_and(|next| next.depth == self.sources.len()) {
                let opened = self.sources.len();
                self.start_pending();
                if self.sources.len() > opened {
                    break;
                }
            }
            let Some(source) = self.sources.last_mut() else {
                return self.catch_up();
            };
            if self.errors.len() >= MAX_ERRORS {
                let at = self.here();
                self.errors.push(Diagnostic::error(
                    &self.config.files,
                    at,
                    format!("stopped after {MAX_ERRORS} errors"),
                ));
                self.pending.clear();
                return self.sources.clear();
            }
            match source.lexer.keyword() {
                Ok(Some(word)) => self.statement(word),
                Ok(None) => self.end_source(),
                Err(error) => self.lex_error(&error),
            }
        }
    }

    fn end_source(&mut self) {
        if self.sources.pop().is_some_and(|source| source.toplevel) {
            self.clause = None;
        }
    }

    /// Handles the directive, clause or include whose keyword is `word` of the current line.
    fn statement(&mut self, word: Range<usize>) {
        let Some(source) = self.sources.last() else {
            return;
        };
        let at = Location { file: source.file, line: source.lexer.line() };
        let word = source.lexer.text(word);
        self.statements += 1;
        if let Some(spec) = self.last.filter(|spec| Some(spec.clause) == self.clause && spec.name.as_bytes() == word) {
            return self.directive(spec, at);
        }
        let word = String::from_utf8_lossy(word).into_owned();
        if let Some(clause) = Clause::from_word(&word) {
            return self.open_clause(clause, at);
        }
        match (self.clause.and_then(|clause| options::find(clause, &word)), word.as_str()) {
            (Some(spec), _) => {
                self.last = Some(spec);
                self.directive(spec, at);
            }
            (None, "include") => self.include(false, at),
            (None, "include-toplevel") => self.include(true, at),
            (None, _) => {
                self.error(at, options::explain_unknown(self.clause, &word));
                self.skip_line();
            }
        }
    }

    fn open_clause(&mut self, clause: Clause, at: Location) {
        self.clause = Some(clause);
        self.noted.open_clause(clause, at);
        match clause {
            Clause::ForwardZone => self.config.forward_zones.push(ZoneClause { at, ..ZoneClause::default() }),
            Clause::StubZone => self.config.stub_zones.push(ZoneClause { at, ..ZoneClause::default() }),
            _ => {}
        }
        if clause == Clause::RemoteControl {
            self.config.remote_control.at = at;
        }
        if let Some(instead) = clause.not_yet() {
            self.warning(at, format!("{}: is not supported yet; {instead}", clause.word()));
        }
    }

    /// Reads the values of `spec`, checks them and lets the row do what it does.
    fn directive(&mut self, spec: &'static OptionSpec, at: Location) {
        let mut words = std::mem::take(&mut self.words);
        let mut ends = [0usize; 3];
        words.clear();
        for end in ends.iter_mut().take(spec.args.len()) {
            if !self.read_value(spec.name, at, &mut words) {
                self.words = words;
                return;
            }
            *end = words.len();
        }
        if !self.put_off(spec, &words, &ends, at) {
            self.apply_line(spec, &words, &ends, at);
        }
        self.words = words;
    }

    fn apply_line(&mut self, spec: &'static OptionSpec, words: &[u8], ends: &[usize; 3], at: Location) {
        if let Err(message) = self.apply(spec, words, ends, at) {
            self.error(at, format!("{}: {message}", spec.name));
        }
    }

    fn apply(
        &mut self,
        spec: &'static OptionSpec,
        words: &[u8],
        ends: &[usize; 3],
        at: Location,
    ) -> Result<(), String> {
        let mut values = [Value::None, Value::None, Value::None];
        let mut start = 0;
        for ((kind, value), end) in spec.args.iter().zip(&mut values).zip(ends) {
            *value = values::check(*kind, &words[start..*end], &mut self.name)?;
            start = *end;
        }
        let first = &words[..ends[0]];
        let mut args = Args {
            values,
            at,
            name: &self.name,
            record: &mut self.record,
            noted: &mut self.noted,
            clause: self.clause,
            place: (!self.sealed).then_some(&self.place),
            warning: None,
        };
        if let Some(check) = spec.check {
            check(&mut self.config, &mut args)?;
        }
        let asks_nothing = |harmless: &[&str]| harmless.iter().any(|value| value.as_bytes() == first);
        match spec.status {
            Status::Honoured(field, _) => {
                (field.set)(&mut self.config, &mut args)?;
                if let Some(message) = args.warning {
                    self.warning(at, message);
                }
                if !field.adds_up
                    && let Some((severity, message)) = self.single.take(&self.config, spec, words, at)
                {
                    self.tell(severity, at, message);
                }
                if spec.name == "directory" {
                    self.enter_directory();
                }
            }
            Status::NotYet { instead, harmless } if !asks_nothing(harmless) => {
                self.warning(at, format!("{}: is not supported yet; {instead}", spec.name));
            }
            Status::ChangesNothing(why) if first != spec.default.text().as_bytes() => {
                self.tell(Severity::Info, at, format!("{}: changes nothing here: {why}", spec.name));
            }
            Status::Refused { why, harmless } if !asks_nothing(harmless) => return Err(why.into()),
            Status::AcceptedWithoutEffect(_)
            | Status::ChangesNothing(_)
            | Status::NotYet { .. }
            | Status::Refused { .. } => (),
        }
        Ok(())
    }

    /// Unbound changes to the folder at once, so that later includes are relative to it.
    fn enter_directory(&mut self) {
        self.place.enter(&self.config.directory);
    }

    /// Appends the next value to `words`.
    fn read_value(&mut self, name: &str, at: Location, words: &mut Vec<u8>) -> bool {
        let Some(source) = self.sources.last_mut() else {
            return false;
        };
        match source.lexer.value() {
            Ok(Some(word)) => {
                words.extend_from_slice(source.lexer.text(word));
                return true;
            }
            Ok(None) => {
                self.error(at, format!("{name}: the value is missing at the end of the file; add it behind the colon"))
            }
            Err(error) => self.lex_error(&error),
        }
        false
    }

    fn lex_error(&mut self, error: &LexError) {
        let at = self.here();
        self.error(at, error.to_string());
        match error {
            // There may be no end to such a file.
            LexError::Io(_) | LexError::LineTooLong => self.end_source(),
            _ => self.skip_line(),
        }
    }

    fn skip_line(&mut self) {
        if let Some(source) = self.sources.last_mut() {
            source.lexer.skip_line();
        }
    }

    fn here(&self) -> Location {
        self.sources
            .last()
            .map_or(Location::default(), |source| Location { file: source.file, line: source.lexer.line() })
    }

    fn error(&mut self, at: Location, message: String) {
        let zone = match self.clause {
            Some(Clause::ForwardZone) => self.config.forward_zones.last_mut(),
            Some(Clause::StubZone) => self.config.stub_zones.last_mut(),
            _ => None,
        };
        if let Some(zone) = zone {
            zone.unread = true;
        }
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(Diagnostic::error(&self.config.files, at, message));
        }
    }

    fn warning(&mut self, at: Location, message: String) {
        self.tell(Severity::Warning, at, message);
    }

    fn tell(&mut self, severity: Severity, at: Location, message: String) {
        match self.warnings.len() {
            MAX_WARNINGS.. => (),
            count => {
                let message =
                    if count + 1 < MAX_WARNINGS { message } else { format!("{message}; more warnings are left out") };
                self.warnings.push(Diagnostic::new(severity, &self.config.files, at, message));
            }
        }
    }
}
