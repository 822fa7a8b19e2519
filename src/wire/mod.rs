//! Views on Ethernet, 802.1Q, IPv4, IPv6, UDP; checksums.
