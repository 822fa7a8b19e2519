//! Files of anchors that follow their zones' keys: what the resolver wants in them is written here, off its thread.

use super::Program;
use super::privileges::inside;
use crate::answer::compile;
use crate::answer::policy::Policy;
use crate::resolve::anchor_file;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

/// Between two tries to write a file that could not be written.
const AGAIN: Duration = Duration::from_secs(60);

/// A file that could not be written.
struct Failed {
    text: String,
    cause: String,
    again: Instant,
}

/// What is to be written.
pub(super) struct AnchorFiles {
    wanted: Receiver<(PathBuf, String)>,
    failed: BTreeMap<PathBuf, Failed>,
}

impl AnchorFiles {
    /// What takes in what is to be written, and the resolver's end.
    pub(super) fn new() -> (AnchorFiles, Sender<(PathBuf, String)>) {
        let (sender, wanted) = mpsc::channel();
        (AnchorFiles { wanted, failed: BTreeMap::new() }, sender)
    }

    /// Writes what is to be written; files are named as they are outside `root`, where this process has its own. Gives what
    /// the resolver wanted since the last time.
    pub(super) fn write(&mut self, root: Option<&Path>, now: Instant) -> Vec<(PathBuf, String)> {
        let due = self.failed.iter().filter(|(_, failed)| now >= failed.again);
        let mut all: BTreeMap<PathBuf, String> =
            due.map(|(file, failed)| (file.clone(), failed.text.clone())).collect();
        let news: Vec<_> = self.wanted.try_iter().collect();
        // The last text of a file counts.
        all.extend(news.iter().cloned());
        for (file, text) in all {
            match anchor_file::write(&inside(&file, root), &text) {
                Ok(()) => {
                    if self.failed.remove(&file).is_some() {
                        log::info!("auto-trust-anchor-file: {} is written", file.display());
                    }
                }
                Err(cause) => {
                    if self.failed.get(&file).is_none_or(|failed| failed.cause != cause) {
                        log::error!("{cause}");
                    }
                    self.failed.insert(file, Failed { text, cause, again: now + AGAIN });
                }
            }
        }
        news
    }

    /// Why files cannot be written, a line each.
    pub(super) fn troubles(&self) -> impl Iterator<Item = String> {
        self.failed.values().map(|failed| failed.cause.clone())
    }
}

impl Program {
    /// Writes the files of anchors that are to hold something else.
    pub(super) fn write_anchor_files(&mut self) {
        let news = self.threads.anchor_files.write(self.chroot.as_deref(), Instant::now());
        for (file, text) in &news {
            self.config.note_anchor(file, text);
        }
        self.has_new_anchors |= !news.is_empty();
        if self.has_new_anchors && self.threads.orders.collect() {
            self.has_new_anchors = false;
            self.list_anchors();
        }
    }

    /// Has the worker list what is trusted now (`trustanchor.unbound.`).
    fn list_anchors(&mut self) {
        let (policy, anchors) = (Arc::clone(self.threads.orders.policy()), compile::anchors(&self.config));
        if policy.anchors.as_deref().is_some_and(|listed| *listed != anchors) {
            let policy = Policy { anchors: Some(anchors.into()), ..(*policy).clone() };
            // It is told nothing else now, and one that is late does it later.
            let _ = self.threads.orders.put_in_force(Arc::new(policy), None);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_that_cannot_be_written_is_told_and_tried_again() {
        let top = std::env::temp_dir().join(format!("runbound-anchors-{}", std::process::id()));
        let (file, start) = (top.join("state/root.key"), Instant::now());
        let (mut files, sender) = AnchorFiles::new();
        fs::create_dir_all(&top).unwrap();
        fs::write(top.join("state"), "").unwrap();
        sender.send((file.clone(), "first".to_owned())).unwrap();
        sender.send((file.clone(), "last".to_owned())).unwrap();
        files.write(None, start);
        let told: Vec<String> = files.troubles().collect();
        assert!(told.len() == 1 && told[0].contains("root.key"), "{told:?}");
        fs::remove_file(top.join("state")).unwrap();
        files.write(None, start);
        assert!(!file.exists(), "not yet");
        files.write(None, start + AGAIN);
        assert_eq!((fs::read_to_string(&file).unwrap(), files.troubles().count()), ("last".to_owned(), 0));
        sender.send((file.clone(), "inside".to_owned())).unwrap();
        files.write(Some(Path::new("/elsewhere")), start);
        assert_eq!(fs::read_to_string(&file).unwrap(), "inside");
        fs::remove_dir_all(&top).unwrap();
    }
}
