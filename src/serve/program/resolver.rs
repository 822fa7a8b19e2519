//! What main has the resolver do: tables, flushes, listings. All goes through one channel.

use crate::control::{self, Pieces};
use crate::dns::Name;
use crate::resolve::{
    Cache, Cleared, Command, Dumping, Flush, Flushed, Flushing, Lines, Loading, Options, Rules, ZoneTable,
};
use crate::ring::doorbell::Doorbell;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

/// Longest wait for a piece of work, which takes a millisecond as a rule.
const PATIENCE: Duration = Duration::from_secs(5);

/// Main's end.
#[derive(Clone)]
pub(super) struct ToResolver {
    commands: Sender<Command>,
    bell: Doorbell,
}

impl ToResolver {
    /// Through this channel, to the one that waits at this bell.
    pub(super) fn new(commands: Sender<Command>, bell: Doorbell) -> ToResolver {
        ToResolver { commands, bell }
    }

    fn give(&self, command: Command) {
        // It is gone only when the program stops.
        let _ = self.commands.send(command);
        self.bell.ring();
    }

    /// Gives a command and waits for what comes of it.
    ///
    /// # Errors
    /// Nothing comes in time. What was asked is still carried out.
    fn ask<T>(&self, command: impl FnOnce(Sender<T>) -> Command) -> Result<T, String> {
        let (tell, heard) = mpsc::channel();
        self.give(command(tell));
        let late =
            "the resolver has not answered within five seconds; what it was asked is still carried out, try again";
        heard.recv_timeout(PATIENCE).map_err(|_| late.to_owned())
    }

    /// Has it go by other settings.
    pub(super) fn go_by(&self, options: Options, rules: Rules) {
        self.give(Command::Options(Box::new(options), rules));
    }

    /// Has it ask by another table.
    pub(super) fn ask_by(&self, table: ZoneTable) {
        self.give(Command::Table(Arc::new(table)));
    }

    /// Has it go on with this cache, which is empty. Tells how much was kept, and drops that here, off its thread.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub(super) fn clear(&self, empty: Cache) -> Result<Flushed, String> {
        let Cleared { flushed, .. } = self.ask(|tell| Command::Clear(Box::new(empty), tell))?;
        Ok(flushed)
    }

    /// Takes out what is kept for a name: all usual types, or one.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub(super) fn flush_name(&self, name: &Name, rtype: Option<u16>) -> Result<Flushed, String> {
        self.ask(|tell| Command::FlushName(Box::new(*name), rtype, tell))
    }

    /// Takes out by a walk, a piece after the other.
    ///
    /// # Errors
    /// As [`Self::ask`]; a part is taken out then.
    pub(super) fn flush(&self, flush: Flush) -> Result<Flushed, String> {
        let mut flushing = Box::new(Flushing::new(flush));
        loop {
            let (went_on, flushed) = self.ask(|tell| Command::Flush(flushing, tell))?;
            if let Some(flushed) = flushed {
                return Ok(flushed);
            }
            flushing = went_on;
        }
    }

    /// Has it validate nothing at and below a name, or takes that back.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub(super) fn set_insecure(&self, name: &Name, insecure: bool) -> Result<(), String> {
        self.ask(|tell| Command::Insecure(Box::new(*name), insecure, tell))
    }

    /// Forgets what is known of the servers at an address, or of all.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub(super) fn forget_servers(&self, at: Option<IpAddr>) -> Result<(), String> {
        self.ask(|tell| Command::ForgetServers(at, tell))
    }

    /// Ends the questions in flight.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub(super) fn end_questions(&self) -> Result<(), String> {
        self.ask(Command::EndQuestions)
    }

    /// Which servers a name would be asked of, as text.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub(super) fn lookup(&self, name: &Name) -> Result<String, String> {
        self.ask(|tell| Command::Lookup(Box::new(*name), tell))
    }

    /// What is kept, as text in pieces.
    pub(super) fn dump(&self) -> Pieces {
        let mut dumping = Some(Box::<Dumping>::default());
        self.pieces(move |resolver| {
            let Some(at) = dumping.take() else { return Ok(None) };
            let (went_on, text, ended) = resolver.ask(|tell| Command::Dump(at, tell))?;
            dumping = (!ended).then_some(went_on);
            Ok(Some(text))
        })
    }

    /// What is known of servers, as text in pieces.
    pub(super) fn servers(&self) -> Pieces {
        self.listing(Command::Servers)
    }

    /// The questions in flight, as text in pieces.
    pub(super) fn questions(&self) -> Pieces {
        self.listing(Command::Questions)
    }

    /// The rates of zones that are at their limit, or of all, as text in pieces.
    pub(super) fn rates(&self, all: bool) -> Pieces {
        match all {
            true => self.listing(|from, to| Command::Rates(from, true, to)),
            false => self.listing(|from, to| Command::Rates(from, false, to)),
        }
    }

    fn listing(&self, command: fn(usize, Sender<Lines>) -> Command) -> Pieces {
        let mut next = Some(0);
        self.pieces(move |resolver| {
            let Some(at) = next else { return Ok(None) };
            let (text, further) = resolver.ask(|tell| command(at, tell))?;
            next = further;
            Ok(Some(text))
        })
    }

    /// Asks for one piece after the other; the last may be an error.
    fn pieces(&self, mut next: impl FnMut(&ToResolver) -> Result<Option<String>, String> + Send + 'static) -> Pieces {
        let (resolver, mut is_over) = (self.clone(), false);
        Box::new(std::iter::from_fn(move || {
            if is_over {
                return None;
            }
            let piece = next(&resolver).transpose();
            is_over = matches!(piece, None | Some(Err(_)));
            piece
        }))
    }

    /// Takes in what was dumped.
    pub(super) fn load(&self) -> Load {
        Load { resolver: self.clone(), loading: Some(Box::default()) }
    }
}

/// A dump on its way in.
pub(super) struct Load {
    resolver: ToResolver,
    /// `None` after an error.
    loading: Option<Box<Loading>>,
}

impl control::Load for Load {
    fn take(&mut self, lines: &str) -> Result<bool, String> {
        let Some(loading) = self.loading.take() else { return Err("the dump could not be read".into()) };
        let (loading, read) = self.resolver.ask(|tell| Command::Load(loading, lines.to_owned(), tell))?;
        read?;
        let is_done = loading.is_done();
        if is_done {
            tell_loaded(&loading);
        }
        self.loading = Some(loading);
        Ok(is_done)
    }
}

/// Says in the log what a dump has brought, and of what was passed over the first.
fn tell_loaded(loading: &Loading) {
    let loaded = loading.loaded();
    log::info!("load_cache: {} rrsets and {} messages are kept", loaded.rrsets, loaded.messages);
    if let Some(first) = &loaded.first_skipped {
        log::warn!("load_cache: {} entries were passed over, the first at {first}", loaded.skipped);
    }
}
