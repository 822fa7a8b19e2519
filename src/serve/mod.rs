//! The loops: worker, kernel sockets, streams, pending questions.
