//! Unbound's remote control protocol (UBCT1) on a unix socket, and the counters it shows.
//!
//! A client sends one line, `UBCT1 command arguments`, for some commands lines of data behind it, and reads the reply until
//! the server closes. Main polls [`ControlServer`] beside its other descriptors; there is no thread here, and nothing waits.
//!
//! | file | holds |
//! |---|---|
//! | `server` | the socket: bind, accept, poll, remove |
//! | `connection` | one client: read, reply, drain, deadlines |
//! | `request` | octets to a command, or to a command with its lines |
//! | `backend` | what the rest of the program does for a command |
//! | `command` | the commands: arguments checked, backend called, Unbound's replies |
//! | `zones` | the commands that change whom is asked, and single directives |
//! | `clients` | the commands about clients' rates and cookies |
//! | `local` | the commands that edit local data, one by one and in batches |
//! | `report` | `status`, and the lines of `stats` |
//! | `reply` | the text of a reply, limited in size |
//! | `long` | replies and texts of any length, a piece at a time |
//! | `client` | the other end: a request sent, its reply read |

mod arguments;
mod backend;
mod client;
mod clients;
mod command;
mod connection;
#[cfg(any(test, fuzzing))]
pub mod fake;
mod local;
mod long;
mod own_lines;
mod reply;
mod report;
mod request;
mod server;
mod zones;

pub use backend::{
    Backend, CookieChange, EditError, Flushed, ForwardServer, ForwardZone, Load, LocalEditor, NotInForce, Pieces,
    Status, ZoneChange,
};
pub use client::{Answer, Progress, Question};
pub use report::rcode_word;
pub use server::{BindError, ControlServer};

use command::Reaction;
use long::Loading;
use request::{RequestReader, Step};

/// Octets held for [`answer`].
const ANSWER_ROOM: usize = 1 << 20;

/// The reply to all that a client sends, without a socket: what fuzzing calls. `None` when a client that sends this is
/// closed without a word.
pub fn answer(octets: &[u8], backend: &mut dyn Backend) -> Option<Vec<u8>> {
    let mut reader = RequestReader::default();
    let step = match reader.feed(octets, ANSWER_ROOM) {
        Step::More => reader.end(),
        step => step,
    };
    match step {
        Step::Run(request) => Some(whole(command::carry_out(request, backend, &mut None, ANSWER_ROOM))),
        Step::Refuse(reason) => Some(format!("error {reason}\n").into_bytes()),
        Step::Hangup | Step::More => None,
    }
}

/// All octets of a reply, when nothing comes behind the request.
fn whole(reaction: Reaction) -> Vec<u8> {
    match reaction {
        Reaction::Reply(octets) => octets,
        Reaction::Pieces(pieces) => pieces.flat_map(long::octets).collect(),
        Reaction::Load(load, octets) => {
            let mut loading = Loading::new(load);
            let reply = loading.feed(&octets).or_else(|| Some(loading.end()));
            reply.unwrap_or_default()
        }
    }
}
