//! What is said of this host's links when they cannot be read: once for each cause, and when they can be again.

use std::io;

/// The cause that was said last, while it lasts.
#[derive(Default)]
pub(super) struct Unread(Option<String>);

impl Unread {
    /// What came of reading them, said as far as it is news.
    pub(super) fn told<T>(&mut self, read: io::Result<T>) -> Option<T> {
        let news = self.news(read.as_ref().err());
        match (&read, news) {
            (Ok(_), Some(line)) => log::info!("{line}"),
            (Err(_), Some(line)) => log::warn!("{line}"),
            (_, None) => (),
        }
        read.ok()
    }

    fn news(&mut self, cause: Option<&io::Error>) -> Option<String> {
        let before = std::mem::replace(&mut self.0, cause.map(ToString::to_string));
        match (&self.0, before) {
            (Some(cause), before) if before.as_ref() != Some(cause) => Some(format!(
                "cannot read this host's links: {cause}: interfaces and addresses that come or go are not followed; it is tried \
                 again every two seconds"
            )),
            (None, Some(_)) => Some("this host's links can be read again".to_owned()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once_and_its_end_too() {
        let mut unread = Unread::default();
        let [memory, room] = [libc::ENOMEM, libc::ENOBUFS].map(io::Error::from_raw_os_error);
        assert_eq!(unread.news(None), None);
        assert!(unread.news(Some(&memory)).is_some_and(|line| line.contains("Out of memory")));
        assert_eq!(unread.news(Some(&memory)), None);
        assert!(unread.news(Some(&room)).is_some_and(|line| line.contains("No buffer space")), "another cause");
        assert!(unread.news(None).is_some_and(|line| line.contains("again")));
        assert_eq!(unread.news(None), None);
    }
}
