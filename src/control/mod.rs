//! unbound-control's protocol and the counters it shows.
