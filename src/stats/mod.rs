//! Plain counters per thread, summed by the reader.
