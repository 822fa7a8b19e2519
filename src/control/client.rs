//! The client's end of the protocol, for what asks the server as unbound-control does.

use super::request::{END_OF_TRANSMISSION, MAGIC_VERSION};
use std::io::{self, Write};

/// Sends one request: the command `words`, and behind them lines of `data`, for a command that reads some. The reply is
/// what comes from then on, until the server closes.
///
/// # Errors
/// The stream's: [`io::ErrorKind::WouldBlock`] too, where it does not block and has not taken all.
pub fn send(stream: &mut impl Write, words: &str, data: Option<&[u8]>) -> io::Result<()> {
    stream.write_all(&[MAGIC_VERSION, words.as_bytes(), b"\n"].concat())?;
    if let Some(data) = data {
        stream.write_all(data)?;
        stream.write_all(&[END_OF_TRANSMISSION, b"\n"].concat())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::request::{Batch, Request, RequestReader, Step};
    use super::*;

    #[test]
    fn what_is_sent_is_the_request_that_the_server_reads() {
        let read = |words: &str, data: Option<&[u8]>| {
            let mut sent = Vec::new();
            send(&mut sent, words, data).unwrap();
            RequestReader::default().feed(&sent, 1 << 20)
        };
        assert_eq!(read("status", None), Step::Run(Request::Line("status".into())));
        let lines = b"a. static\nb. deny\n";
        assert_eq!(read("local_zones", Some(lines)), Step::Run(Request::Batch(Batch::Zones, lines.to_vec())));
    }
}
