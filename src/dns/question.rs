//! The question section of a query (RFC 1035 section 4.1.2).

use super::record::skip_name;
use super::{get_u16, header, name};

/// Type and class asked for, and where the question lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// Octets of the name, root included.
    pub name_len: usize,
    /// QTYPE.
    pub qtype: u16,
    /// QCLASS.
    pub qclass: u16,
}

impl Question {
    /// Reads the question behind the header. `None` when its name is compressed (nothing stands before it to point to)
    /// or malformed, or the message ends inside it.
    #[inline]
    pub fn parse(message: &[u8]) -> Option<Question> {
        let name_len = name::uncompressed_len(message, header::LEN)?;
        let at = header::LEN + name_len;
        Some(Question { name_len, qtype: get_u16(message, at)?, qclass: get_u16(message, at + 2)? })
    }

    /// Octet after the question.
    #[inline]
    pub fn end(&self) -> usize {
        header::LEN + self.name_len + super::body::QUESTION_FIXED
    }
}
/// Octet after the question at `at`, compressed or not; `None` when the message ends inside it.
pub fn skip(message: &[u8], at: usize) -> Option<usize> {
    let end = skip_name(message, at)? + super::body::QUESTION_FIXED;
    (end <= message.len()).then_some(end)
}
