//! Facts of this machine: addresses, links, queues, limits.
