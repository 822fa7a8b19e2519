//! The XDP program, UMEM, frames and XSK sockets.
