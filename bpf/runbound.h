/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the XDP program and user space share. `src/xdp/program.rs` mirrors it; a test there holds the two together. */
#ifndef RUNBOUND_H
#define RUNBOUND_H

/* Why a frame went where it went: index into a per-CPU array of counters. All but REDIRECTED are XDP_PASS. */
enum runbound_verdict {
	VERDICT_REDIRECTED = 0,   /* to the socket of its receive queue */
	VERDICT_NO_SOCKET = 1,    /* ours, but no socket in the map for its queue */
	VERDICT_NOT_IP = 2,       /* ARP, LLDP, 802.1ad and the like, or shorter than Ethernet */
	VERDICT_VLAN = 3,         /* tagged with an id that is not configured, or tagged twice */
	VERDICT_MAC = 4,          /* destination MAC is not ours: broadcast, multicast, another host's */
	VERDICT_IP_SHAPE = 5,     /* fragment, IPv4 options, or a header that contradicts its version */
	VERDICT_NOT_UDP = 6,      /* TCP, ICMP, an IPv6 extension header */
	VERDICT_ADDRESS = 7,      /* destination address not in the set */
	VERDICT_PORT = 8,         /* UDP to another port */
	VERDICT_SHORT = 9,        /* lengths that lie, or no room for a DNS header */
	VERDICT_COUNT = 10,
};

/* One per program, in the map `.data.settings`. */
struct runbound_settings {
	__u8 mac[6];              /* destination MAC to accept */
	__u16 port;               /* UDP destination port, network order */
};

#endif
