/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the other files of the program's answers have in common: words of eight octets, sums, and the memory that a message is read
 * to and written from.
 *
 * Without CAP_PERFMON no register may be added to a pointer into a packet, and none compared with NULL. So a packet is walked
 * through in steps of a constant, and what stands at a place that is not one is looked at in a copy, where it may be done.
 */
#ifndef RUNBOUND_WORK_BPF_H
#define RUNBOUND_WORK_BPF_H

#include "answers.h"

#define DNS_QUESTION_FIXED 4

/* Keeps the compiler from knowing how a value came to be. */
#define OPAQUE(value) asm volatile("" : "+r"(value))
/* Reads or writes memory when it is said. */
#define ONCE(value) (*(volatile typeof(value) *)&(value))

/* Adds a constant, as that alone may be added. */
static __always_inline void *step(void *place, int octets)
{
	place += octets;
	OPAQUE(place);
	return place;
}

struct runbound_work {
	__u8 message[512]; /* the query, then the reply */
	__u8 body[2 * RUNBOUND_BODY_LEN + 16]; /* of a slot, to be rotated; a walk as long as a body is ends within it */
	__u64 key[1 + RUNBOUND_NAME_WORDS];
	/* What is written here and read again is any number to the verifier, which else follows each value that it may have. */
	__u64 loaded;
	__u64 len;
	__u64 name_len;
	__u64 is_v6;
	__u64 pseudo;
	__u64 ip_payload; /* octets behind the IP header, as that says */
	__u64 reply;
	__u64 put;
	__u64 take;
	__u64 part;
	__u64 stamp; /* of the slot, when it was found */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct runbound_work);
} answer_work SEC(".maps");

static __always_inline __u64 halves(__u64 word)
{
	return (word & 0xffffffff) + (word >> 32);
}

/* A sum of words of RFC 1071, in the machine's order. */
static __always_inline __u64 fold(__u64 sum)
{
	sum = halves(sum);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* Finds the IP header of a frame in which a query was found, and whether it is one of version 6. A pointer into a packet may not
 * be compared with NULL.
 */
static __always_inline int find_ip(void *data, void *end, void **ip, __u64 *is_v6)
{
	struct ethhdr *eth = data;
	struct vlan_header *tag = (void *)(eth + 1);
	__be16 proto;

	if ((void *)(tag + 1) > end)
		return 0;
	proto = eth->h_proto;
	*ip = tag;
	if (proto == bpf_htons(ETH_P_8021Q)) {
		proto = tag->proto;
		*ip = step(tag, sizeof(*tag));
	}
	*is_v6 = proto != bpf_htons(ETH_P_IP);
	return 1;
}

#endif
