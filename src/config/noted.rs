//! What lines without effect must agree on among themselves: a tag is defined before it is used, a view exists, a zone has
//! one name. Unbound refuses a file where they do not, so such a file is refused here, before the day it matters.

use super::default_zones;
use super::diagnostic::{Diagnostic, Location};
use super::include::Place;
use super::model::Config;
use super::options::clause::Clause;
use super::values::Netblock;
use crate::dns::name_text;
use std::collections::HashSet;
use std::path::PathBuf;

/// Something a line needs, wherever in the files it stands.
enum Need {
    Tag(String),
    View(String),
    LocalZone(Vec<u8>),
    /// `response-ip:` with the action redirect.
    Redirect(Netblock),
}

/// A clause that describes one zone or view.
struct Open {
    clause: Clause,
    at: Location,
    name: Option<String>,
    /// `rpz-action-override: cname` was there.
    wants_cname: Option<Location>,
    has_cname: bool,
    /// The zone file, when it is not there.
    missing_file: Option<(Location, String)>,
    /// The zone comes from another server.
    fetched: bool,
}

/// What was noted so far.
#[derive(Default)]
pub(super) struct Noted {
    tags: HashSet<String>,
    views: HashSet<String>,
    redirects: HashSet<Netblock>,
    needs: Vec<(Location, &'static str, Need)>,
    /// The last `prefer-ip4:` and `prefer-ip6:` lines that say yes.
    preferred: [Option<Location>; 2],
    open: Option<Open>,
    errors: Vec<(Location, String)>,
}

impl Noted {
    /// A clause starts; what the one before lacks is noted.
    pub fn open_clause(&mut self, clause: Clause, at: Location) {
        self.close_clause();
        let zone = matches!(clause, Clause::AuthZone | Clause::Rpz | Clause::View);
        self.open = zone.then_some(Open {
            clause,
            at,
            name: None,
            wants_cname: None,
            has_cname: false,
            missing_file: None,
            fetched: false,
        });
    }

    fn close_clause(&mut self) {
        let Some(open) = self.open.take() else { return };
        let word = open.clause.word();
        // Unbound passes over an auth-zone or rpz without a name.
        if open.name.is_none() && open.clause == Clause::View {
            self.errors.push((open.at, format!("the {word} has no name; add a line like name: \"example.com\"")));
        }
        if let Some(at) = open.wants_cname.filter(|_| !open.has_cname) {
            self.errors.push((at, "rpz-action-override: cname wants a rpz-cname-override line beside it".into()));
        }
        if let Some((at, message)) = open.missing_file.filter(|_| open.name.is_some() && !open.fetched) {
            self.errors.push((at, message));
        }
    }

    /// `name:` of the open clause.
    ///
    /// # Errors
    /// When it has one, or when another view has it.
    pub fn name(&mut self, name: &str) -> Result<(), String> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let word = open.clause.word();
        if open.name.replace(name.to_owned()).is_some() {
            return Err(format!("the {word} has a name already; start another {word}: clause"));
        }
        if open.clause == Clause::View {
            if self.views.contains(name) {
                return Err(format!("there is a view {name:?} already"));
            }
            self.views.insert(name.to_owned());
        }
        Ok(())
    }

    /// `define-tag:`
    pub fn define_tags(&mut self, text: &str) {
        self.tags.extend(text.split_ascii_whitespace().map(str::to_owned));
    }

    /// A list of tags, all of which must have been defined above.
    ///
    /// # Errors
    /// The first that was not.
    pub fn use_tags(&self, text: &str) -> Result<(), String> {
        match text.split_ascii_whitespace().find(|tag| !self.tags.contains(*tag)) {
            Some(tag) => Err(format!("the tag {tag:?} is not defined; put define-tag: \"{tag}\" above")),
            None if self.tags.is_empty() => Err("no tag is defined; put a define-tag: line above".into()),
            None => Ok(()),
        }
    }

    /// A line needs a tag that is defined somewhere.
    pub fn need_tag(&mut self, at: Location, directive: &'static str, tag: &str) {
        self.needs.push((at, directive, Need::Tag(tag.to_owned())));
    }

    /// A line needs a view.
    pub fn need_view(&mut self, at: Location, directive: &'static str, view: &str) {
        self.needs.push((at, directive, Need::View(view.to_owned())));
    }

    /// A line needs a local zone of this name, in lower case wire form.
    pub fn need_local_zone(&mut self, at: Location, directive: &'static str, name: &[u8]) {
        self.needs.push((at, directive, Need::LocalZone(name.to_vec())));
    }

    /// `response-ip:` with the action redirect.
    pub fn redirect(&mut self, block: Netblock) {
        self.redirects.insert(block);
    }

    /// `response-ip-data:` gives data to a redirect.
    pub fn need_redirect(&mut self, at: Location, directive: &'static str, block: Netblock) {
        self.needs.push((at, directive, Need::Redirect(block)));
    }

    /// `prefer-ip4:`, or `prefer-ip6:`; `at` is none for no.
    pub fn prefer(&mut self, at: Option<Location>, ip4: bool) {
        self.preferred[usize::from(!ip4)] = at;
    }

    /// `rpz-action-override: cname`
    pub fn wants_cname(&mut self, at: Location) {
        self.open.iter_mut().for_each(|open| open.wants_cname = Some(at));
    }

    /// `rpz-cname-override:`
    pub fn has_cname(&mut self) {
        self.open.iter_mut().for_each(|open| open.has_cname = true);
    }

    /// `primary:` and `url:`
    pub fn fetched(&mut self) {
        self.open.iter_mut().for_each(|open| open.fetched = true);
    }

    /// `zonefile:` names a file that is not there.
    pub fn missing_file(&mut self, at: Location, message: String) {
        self.open.iter_mut().for_each(|open| open.missing_file = Some((at, message.clone())));
    }

    /// All that does not fit, once everything was read.
    pub fn findings(mut self, config: &Config) -> Vec<Diagnostic> {
        self.close_clause();
        let mut errors = std::mem::take(&mut self.errors);
        for (at, done, family) in [(self.preferred[0], config.do_ip4, "ip4"), (self.preferred[1], config.do_ip6, "ip6")]
        {
            if let Some(at) = at.filter(|_| !done) {
                errors.push((at, format!("prefer-{family}: yes and do-{family}: no exclude each other; remove one")));
            }
        }
        let zones = self.local_zones(config);
        for (at, directive, need) in &self.needs {
            let missing = match need {
                Need::Tag(tag) if !self.tags.contains(tag) => {
                    format!("the tag {tag:?} is not defined; add define-tag: \"{tag}\"")
                }
                Need::View(view) if !self.views.contains(view) => format!("there is no view {view:?}"),
                Need::LocalZone(name) if !zones.contains(&name[..]) => {
                    format!("there is no local-zone {}", name_text::to_text(name))
                }
                Need::Redirect(block) if !self.redirects.contains(block) => {
                    format!("there is no line response-ip: {block} redirect")
                }
                _ => continue,
            };
            errors.push((*at, format!("{directive}: {missing}")));
        }
        errors.into_iter().map(|(at, message)| Diagnostic::error(&config.files, at, message)).collect()
    }

    /// The names of all local zones, by a line or built in, if a line needs one: there may be a million.
    fn local_zones(&self, config: &Config) -> HashSet<Box<[u8]>> {
        if !self.needs.iter().any(|(.., need)| matches!(need, Need::LocalZone(_))) {
            return HashSet::new();
        }
        let built_in = default_zones::missing_from(config).into_iter().map(|zone| zone.name[..].into());
        config.local_zones.iter().map(|zone| zone.name.into()).chain(built_in).collect()
    }
}

/// Why a file that a line names cannot be read, if it is not there. Files of another process' view, as behind a sandbox,
/// are taken to be there.
pub(super) fn missing(place: &Place, text: &str) -> Option<String> {
    if text.is_empty() || text.contains(['*', '?', '[', '{', '~']) {
        return None;
    }
    let path: PathBuf = place.resolve(text);
    match std::fs::metadata(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Some(format!("there is no file {}; put it there or remove the line", path.display()))
        }
        _ => None,
    }
}
