//! Facts and configuration become an attach plan (pure).
