//! SPSC ring, doorbell, and the cursors of the XSK rings.
