//! DNS on byte slices and fixed buffers.
