//! Programs that are loaded before the sandbox closes the way to load one, for interfaces that come later.

use std::io;
use std::sync::Arc;

use super::answers::Table;
use super::error::{self, Kind, XdpError, capture_library_log};
use super::maps::Object;

/// A program that is on no interface, to attach. It is free again when the attachment and its queues are dropped.
#[derive(Debug)]
pub struct Program(pub(super) Arc<Object>);

/// Loaded programs of one kind, each on an interface or waiting for one.
#[derive(Debug)]
pub(super) struct Stock<T> {
    pub(super) loaded: Vec<Arc<T>>,
    /// None is loaded any more.
    pub(super) complete: bool,
    /// Why one could not be loaded.
    missing: Option<XdpError>,
}

impl<T> Default for Stock<T> {
    fn default() -> Self {
        Self { loaded: Vec::new(), complete: false, missing: None }
    }
}

impl<T> Stock<T> {
    /// One that nobody else has: no attachment, and no queue on the worker that still writes to its maps.
    pub(super) fn free(&mut self) -> Option<Arc<T>> {
        let free = self.loaded.iter_mut().position(|object| Arc::get_mut(object).is_some())?;
        Some(Arc::clone(&self.loaded[free]))
    }

    /// Keeps one that was loaded, or why it was not.
    pub(super) fn keep(&mut self, loaded: Result<T, XdpError>) -> Result<Arc<T>, XdpError> {
        let loaded = loaded.map(Arc::new);
        match &loaded {
            Ok(object) => self.loaded.push(Arc::clone(object)),
            Err(cause) => self.missing = Some(cause.clone()),
        }
        loaded
    }

    /// Why there is none at all.
    pub(super) fn missing(&self) -> Option<&XdpError> {
        self.missing.as_ref().filter(|_| self.loaded.is_empty())
    }
}

/// All programs that are loaded.
#[derive(Debug, Default)]
pub struct Programs {
    any: Stock<Object>,
    /// Those that read VLAN tags, each with the index of the only interface it is for.
    bound: Vec<(u32, Arc<Object>)>,
    /// Why one that reads VLAN tags could not.
    unread: Option<XdpError>,
    /// What programs answer from by themselves, where they do.
    answers: Option<Arc<Table>>,
    /// Why they do not.
    unanswering: Option<XdpError>,
}

impl Programs {
    /// Has programs that are loaded from now on answer by themselves from a table. Where the kernel lets none be loaded that does,
    /// others are.
    pub fn answer_from(&mut self, table: Arc<Table>) {
        self.answers = Some(table);
    }

    /// That table.
    pub const fn table(&self) -> Option<&Arc<Table>> {
        self.answers.as_ref()
    }

    /// Why programs do not answer by themselves although they were to.
    pub const fn answers_missing(&self) -> Option<&XdpError> {
        self.unanswering.as_ref()
    }

    /// One that answers by itself, if it is to and the kernel lets it; else one that does not.
    fn load_answering(&mut self, interface: &str, only_for: Option<u32>) -> Result<Object, (&'static str, io::Error)> {
        capture_library_log();
        let Some(table) = self.answers.clone() else { return Object::load(only_for, None) };
        Object::load(only_for, Some(&table)).or_else(|(step, cause)| {
            let object = Object::load(only_for, None)?;
            // What was loaded shows that the answers alone are in the way.
            self.unanswering = Some(XdpError::step(interface, step, &cause));
            Ok(object)
        })
    }

    /// Loads as many as `count` takes, those on interfaces included, and none later. Of them `answering` answer by themselves, if
    /// they are to: such a one takes the kernel tens of milliseconds to look through.
    ///
    /// # Errors
    /// The cause and the fix, see [`Kind`]; those that are loaded can be used.
    pub fn complete(&mut self, count: usize, answering: usize) -> Result<(), XdpError> {
        self.any.complete = true;
        if let Some(cause) = self.any.missing() {
            return Err(cause.clone());
        }
        while self.count() < count {
            self.load("spare XDP programs", self.count() < answering)?;
        }
        Ok(())
    }

    /// How many are loaded that are for any interface.
    pub fn count(&self) -> usize {
        self.any.loaded.len()
    }

    /// Whether this thread may use what is loaded: the kernel's answer.
    pub fn can_be_used(&self) -> bool {
        let bound = self.bound.iter().map(|(_, object)| object);
        self.any.loaded.iter().chain(bound).next().is_none_or(|object| object.verdict(0).is_ok())
    }

    /// One that reads the VLAN tags beside frames too, for `interface` of `index` and no other: nobody else may have taken it
    /// meanwhile. Native mode alone runs it.
    ///
    /// # Errors
    /// Why there is none: the kernel does not show them (before Linux 6.8) or lets none be loaded, which is told later, too; or
    /// no program is loaded any more.
    pub fn take_reading_tags(&mut self, interface: &str, index: u32) -> Result<Program, XdpError> {
        let free = |(of, object): &mut (u32, Arc<Object>)| *of == index && Arc::get_mut(object).is_some();
        if let Some(at) = self.bound.iter_mut().position(free) {
            return Ok(Program(Arc::clone(&self.bound[at].1)));
        }
        if self.any.complete {
            if let Some(cause) = self.unread.as_ref().filter(|_| self.bound.is_empty()) {
                return Err(cause.on(interface));
            }
            let why = "a program that reads them is loaded at the start alone, for the interfaces of then: a restart helps \
                       where the kernel shows them to a program (since Linux 6.8)";
            return Err(unread(Kind::NoProgram, interface, why));
        }
        let object = self.load_answering(interface, Some(index)).map(Arc::new).map_err(|(step, cause)| {
            match cause.raw_os_error() {
                Some(libc::EPERM | libc::EACCES) => XdpError::step(interface, step, &cause),
                _ if !error::is_at(interface, index) => XdpError::at(interface, index, step, &cause),
                _ => {
                    unread(Kind::Other, interface, &format!("{step}: {cause}: Linux shows them to a program since 6.8"))
                }
            }
        });
        let object = object.inspect_err(|cause| self.unread = Some(cause.clone()))?;
        // What was for an interface that is gone is of no use.
        self.bound.retain_mut(|(_, object)| Arc::get_mut(object).is_none());
        self.bound.push((index, Arc::clone(&object)));
        Ok(Program(object))
    }

    /// One that is on no interface, for `interface`; loaded now if that may be.
    ///
    /// # Errors
    /// The cause and the fix; of kind [`Kind::NoProgram`] when each is in use.
    pub fn take(&mut self, interface: &str) -> Result<Program, XdpError> {
        if let Some(free) = self.any.free() {
            return Ok(Program(free));
        }
        if self.any.complete {
            if let Some(cause) = self.any.missing() {
                return Err(cause.on(interface));
            }
            let text = format!(
                "each of the {} XDP programs loaded at the start is in use, and within the sandbox none is loaded: a \
                 restart makes room (sandbox: no does, too)",
                self.count()
            );
            return Err(XdpError::new(Kind::NoProgram, interface, text));
        }
        self.load(interface, true).map(Program)
    }

    /// Loads one, that answers by itself if it is to.
    fn load(&mut self, interface: &str, answering: bool) -> Result<Arc<Object>, XdpError> {
        capture_library_log();
        let object = if answering { self.load_answering(interface, None) } else { Object::load(None, None) };
        self.any.keep(object.map_err(|(step, cause)| XdpError::step(interface, step, &cause)))
    }
}

/// That VLAN tags may come beside the frames of `interface` and are not read; true of another interface as well.
fn unread(kind: Kind, interface: &str, why: &str) -> XdpError {
    let text = format!(
        "its other end is in another network namespace and may hand VLAN tags over beside the frames: {why}; its name in \
         `xdp-interface:` says that no frames of a VLAN come there"
    );
    XdpError::new(kind, interface, text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn why_no_program_reads_tags_is_told_of_later_interfaces_too() {
        // No interface has this index, and who runs the test may not be let load one at all.
        let mut programs = Programs::default();
        let first = programs.take_reading_tags("veth-a", i32::MAX.cast_unsigned()).unwrap_err().to_string();
        programs.complete(0, 0).unwrap();
        let later = programs.take_reading_tags("veth-b", 7).unwrap_err();
        assert_eq!(later.to_string(), first.replace("veth-a", "veth-b"));
        assert_ne!(later.kind, Kind::NoProgram, "another interface that goes would not help");
        // Without a cause, what is known.
        let mut none = Programs { any: Stock { complete: true, ..Stock::default() }, ..Programs::default() };
        assert!(none.take_reading_tags("veth-b", 7).unwrap_err().to_string().contains("a restart helps"));
    }
}
