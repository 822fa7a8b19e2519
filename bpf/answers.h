/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The table of answers that the XDP program tells itself: written by the worker, read by the program. src/xdp/answers mirrors
 * it; tests hold them together.
 */
#ifndef RUNBOUND_ANSWERS_H
#define RUNBOUND_ANSWERS_H

/* What the program answers itself: an entry for each attachment, in the map `answer_gate`. */
enum runbound_answer_gate {
	ANSWERS_CLOSED = 0,       /* nothing */
	ANSWERS_TRIAL = 1,        /* one query, then nothing */
	ANSWERS_OPEN = 2,         /* what it knows */
};

#define RUNBOUND_SLOTS 4096 /* a power of two; two of them, side by side, for each value of the hash */
#define RUNBOUND_NAME_WORDS 8 /* longest name, in words of eight octets */
#define RUNBOUND_NAME_LEN (8 * RUNBOUND_NAME_WORDS)
#define RUNBOUND_BODY_LEN 376
#define RUNBOUND_TTLS 11

/* How a query has EDNS (RFC 6891). */
enum runbound_edns {
	EDNS_NONE = 0,
	EDNS_PLAIN = 1,           /* an OPT record without options */
	EDNS_DO = 2,              /* the same with the bit DO */
};

/* The first word of a key: type and class as they stand in the question, flags of the query as they stand in its header, enum
 * runbound_edns, octets of the name.
 */
#define RUNBOUND_KEY(question, flags, edns, len) \
	((__u64)(question) | (__u64)(flags) << 32 | (__u64)(edns) << 48 | (__u64)(len) << 56)

/* One answer. The key is that of the query, its name in lower case and zeros behind it; the reply's other octets stand here as
 * they are sent at `second`.
 */
struct runbound_slot {
	__u64 stamp;              /* the generation in which it holds, and below it a number for each writing; 0: empty, or being written */
	__u64 key[1 + RUNBOUND_NAME_WORDS];
	__u32 second;             /* of the monotonic clock: its TTLs are those of then */
	__u32 until;              /* the first second in which the worker answers */
	__u8 head[10];            /* flags and counts of the reply's header */
	__u16 body_len;           /* octets behind the question */
	__u8 ttls;                /* how many TTLs count down */
	__u8 rotates;             /* records of the RRset that is rotated by the query's ID; 0: none is */
	__u16 ttl_at[RUNBOUND_TTLS]; /* where TTLs stand in the body */
	__u16 rotates_at;         /* where that RRset stands in the body */
	__u16 rotates_by;         /* octets of each of its records */
	__u8 body[RUNBOUND_BODY_LEN];
	__u64 end;                /* of nothing: a pointer that walks through the body stays within the slot */
};

/* Queries that a slot has answered, by IP version. Written by the program alone. */
struct runbound_hits {
	__u64 v4;
	__u64 v6;
};

#define RUNBOUND_GENERATION_SHIFT 32 /* of a generation in a stamp */

/* What holds for all slots. The worker's to write. */
struct runbound_answer_control {
	__u64 generation;         /* of the slots that are told; never 0 when any is */
	__u64 heartbeat;          /* when the worker was last seen, in nanoseconds of the monotonic clock */
	__u64 hash_start;
	__u64 hash_factor;        /* odd */
	__u64 traffic_class;      /* of replies: DSCP and two bits */
};

#define RUNBOUND_HEARTBEAT_NS 2000000000 /* after which the worker is taken to hang */

#endif
