//! Programs that are loaded before the sandbox closes the way to load one, for interfaces that come later.

use std::sync::Arc;

use super::error::{Kind, XdpError, capture_library_log};
use super::maps::Object;

/// A program that is on no interface, to attach. It is free again when the attachment and its queues are dropped.
#[derive(Debug)]
pub struct Program(pub(super) Arc<Object>);

/// All programs that are loaded.
#[derive(Debug, Default)]
pub struct Programs {
    loaded: Vec<Arc<Object>>,
    complete: bool,
    /// Why one could not be loaded.
    missing: Option<XdpError>,
}

impl Programs {
    /// Loads as many as `count` takes, those on interfaces included, and none later.
    ///
    /// # Errors
    /// The cause and the fix, see [`Kind`]; those that are loaded can be used.
    pub fn complete(&mut self, count: usize) -> Result<(), XdpError> {
        self.complete = true;
        if let Some(cause) = self.missing.as_ref().filter(|_| self.loaded.is_empty()) {
            return Err(cause.clone());
        }
        while self.loaded.len() < count {
            self.load("spare XDP programs")?;
        }
        Ok(())
    }

    /// How many are loaded.
    pub fn count(&self) -> usize {
        self.loaded.len()
    }

    /// Whether this thread may use what is loaded: the kernel's answer.
    pub fn can_be_used(&self) -> bool {
        self.loaded.first().is_none_or(|object| object.verdict(0).is_ok())
    }

    /// One that is on no interface, for `interface`; loaded now if that may be.
    ///
    /// # Errors
    /// The cause and the fix; of kind [`Kind::NoProgram`] when each is in use.
    pub fn take(&mut self, interface: &str) -> Result<Program, XdpError> {
        // Nobody else has it: no attachment, and no queue on the worker that still writes to its maps.
        if let Some(free) = self.loaded.iter_mut().position(|object| Arc::get_mut(object).is_some()) {
            return Ok(Program(Arc::clone(&self.loaded[free])));
        }
        if self.complete {
            if let Some(cause) = self.missing.as_ref().filter(|_| self.loaded.is_empty()) {
                return Err(cause.on(interface));
            }
            let text = format!(
                "each of the {} XDP programs loaded at the start is in use, and within the sandbox none is loaded: a \
                 restart makes room (sandbox: no does, too)",
                self.count()
            );
            return Err(XdpError::new(Kind::NoProgram, interface, text));
        }
        self.load(interface).map(Program)
    }

    fn load(&mut self, interface: &str) -> Result<Arc<Object>, XdpError> {
        capture_library_log();
        let object = Object::load().map(Arc::new).map_err(|(step, cause)| XdpError::step(interface, step, &cause));
        match &object {
            Ok(object) => self.loaded.push(Arc::clone(object)),
            Err(cause) => self.missing = Some(cause.clone()),
        }
        object
    }
}
