/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the XDP program and user space share. `program.rs`, `maps.rs` and `settings.rs` of src/xdp mirror it; tests hold them together. */
#ifndef RUNBOUND_H
#define RUNBOUND_H

/* Why a frame went where it went: index into a per-CPU array of counters. All but REDIRECTED and ANSWERED are
 * XDP_PASS. */
enum runbound_verdict {
	VERDICT_REDIRECTED = 0,   /* to the socket of its receive queue */
	VERDICT_NO_SOCKET = 1,    /* ours, but its queue's gate is closed or has no socket, or all are shut */
	VERDICT_NOT_IP = 2,       /* ARP, LLDP, 802.1ad, two tags and the like, or shorter than its link's header */
	VERDICT_VLAN = 3,         /* for an address of ours, with another tag than of its interface's VLAN, or with it beside */
	VERDICT_MAC = 4,          /* destination MAC is not that of its address's interface */
	VERDICT_IP_SHAPE = 5,     /* fragment, IPv4 options, a header that contradicts its version, or a frame too long */
	VERDICT_NOT_UDP = 6,      /* TCP, ICMP, an IPv6 extension header */
	VERDICT_ADDRESS = 7,      /* destination address not in the set */
	VERDICT_PORT = 8,         /* UDP to another port */
	VERDICT_SHORT = 9,        /* lengths that lie, or no room for a DNS header */
	VERDICT_SOURCE = 10,      /* of this host, a group or nobody: nothing that could be answered over the wire */
	VERDICT_CHECKSUM = 11,    /* IPv4 header's checksum is wrong, or IPv6 without a UDP checksum */
	VERDICT_ANSWERED = 12,    /* by the program itself: sent back as a reply */
	VERDICT_COUNT = 13,
};

/* What a receive queue's socket gets. */
enum runbound_gate {
	GATE_CLOSED = 0,          /* nothing */
	GATE_TRIAL = 1,           /* one frame, then the gate is closed */
	GATE_OPEN = 2,            /* all that is ours */
};

#define RUNBOUND_UNTAGGED 0
/* No VLAN id: what a tag says that carries a priority alone. */
#define RUNBOUND_PRIORITY 4096

/* Longest frame that is taken: 1,500 octets of IP with a tag. It fits the smallest frame of the UMEM behind its headroom, and
 * the first buffer of every driver.
 */
#define RUNBOUND_MAX_FRAME 1518

/* Where frames for an address come in: its interface's MAC and 802.1Q VLAN id, RUNBOUND_UNTAGGED for none. */
struct runbound_place {
	__u8 mac[6];
	__u16 vlan;
};

#define RUNBOUND_NOWHERE 0xffff /* in place of a VLAN id: no frame comes in here */

/* One per program, in the map `.data.settings`.
 *
 * The near address of each family is one of those in addresses_v4 and addresses_v6, and most hosts have no other: it is found
 * without the call that a look-up is. Its place is RUNBOUND_NOWHERE when there is none, and whenever it changes.
 *
 * The filters have the bit of every source that came into own_v4 and own_v6 since the attach: address *
 * RUNBOUND_FILTER_FACTOR >> RUNBOUND_FILTER_SHIFT in the machine's words, those of an IPv6 address joined by exclusive or.
 * Nearly all clients are told apart by them, without a look-up too.
 */
#define RUNBOUND_FILTER_FACTOR 0x9e3779b1u /* 2^32 by the golden ratio */
#define RUNBOUND_FILTER_SHIFT 26
struct runbound_settings {
	__u64 own_v4_filter;
	__u64 own_v6_filter;
	__u64 near_v6[2];         /* network order, as near_v4 */
	struct runbound_place near_v6_place;
	__be32 near_v4;
	struct runbound_place near_v4_place;
	__u16 port;               /* UDP destination port, network order */
	__u16 shut;               /* when not 0, every gate is as if it were closed */
};

#endif
