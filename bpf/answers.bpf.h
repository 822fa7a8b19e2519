/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Answers a query in the program itself where a slot of the worker's knows the answer. What is not exactly such a query
 * is left as it came: a frame is written to when nothing can fail any more.
 */
#ifndef RUNBOUND_ANSWERS_BPF_H
#define RUNBOUND_ANSWERS_BPF_H

#include "query.bpf.h"
#include "reply.bpf.h"

#define SECOND_NS 1000000000

/* One entry: enum runbound_answer_gate. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} answer_gate SEC(".maps");

/* The next three, and the clients of query.bpf.h, are one for all programs of a process: src/xdp/answers/table.rs makes them. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, RUNBOUND_SLOTS);
	__type(key, __u32);
	__type(value, struct runbound_slot);
} answer_slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, RUNBOUND_SLOTS);
	__type(key, __u32);
	__type(value, struct runbound_hits);
} answer_hits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct runbound_answer_control);
} answer_control SEC(".maps");

static __always_inline int is_of(struct runbound_slot *slot, struct runbound_work *work, __u64 generation)
{
	const __u64 *kept = slot->key, *key = work->key;
	__s64 left = ONCE(work->name_len);
	__u64 stamp = ONCE(slot->stamp);

	ONCE(work->stamp) = stamp;
	if (stamp >> RUNBOUND_GENERATION_SHIFT != generation || *kept != *key)
		return 0;
	for (int word = 0; word < RUNBOUND_NAME_WORDS && left > 0; ++word) {
		kept = step((void *)kept, 8);
		key = step((void *)key, 8);
		if (*kept != *key)
			return 0;
		left -= 8;
	}
	return 1;
}

/* Whether the worker is there, and the queue's and this program's gates are open; what holds for all slots then. */
static __always_inline struct runbound_answer_control *may_answer(__u32 queue, __u32 **answer, __u64 now)
{
	__u32 first = 0, *gate = bpf_map_lookup_elem(&gates, &queue);
	struct runbound_answer_control *control;

	*answer = bpf_map_lookup_elem(&answer_gate, &first);
	if (!*answer || **answer == ANSWERS_CLOSED || settings.shut || !gate || *gate != GATE_OPEN)
		return NULL;
	control = bpf_map_lookup_elem(&answer_control, &first);
	if (!control || control->generation == 0 || (__s64)(now - control->heartbeat) > RUNBOUND_HEARTBEAT_NS)
		return NULL;
	return control;
}

static __always_inline struct runbound_slot *find_slot(struct runbound_work *work, __u64 hash, __u64 generation, __u32 *index)
{
	struct runbound_slot *slot;

	*index = hash >> 32 & (RUNBOUND_SLOTS - 2);
	slot = bpf_map_lookup_elem(&answer_slots, index);
	if (slot && is_of(slot, work, generation))
		return slot;
	*index += 1;
	slot = bpf_map_lookup_elem(&answer_slots, index);
	return slot && is_of(slot, work, generation) ? slot : NULL;
}

static __always_inline void count_hit(__u32 index, __u64 is_v6)
{
	struct runbound_hits *hits = bpf_map_lookup_elem(&answer_hits, &index);

	if (hits && is_v6)
		__sync_fetch_and_add(&hits->v6, 1);
	else if (hits)
		__sync_fetch_and_add(&hits->v4, 1);
}

/* Whether a query that is ours is answered: then the frame is the reply, and is to be sent where it came from. */
static __always_inline int answer(struct xdp_md *ctx)
{
	__u64 now = bpf_ktime_get_coarse_ns(), udp_sum = 0, given = 0, len, reply;
	__u32 first = 0, index, *gate;
	struct runbound_answer_control *control = may_answer(ctx->rx_queue_index, &gate, now);
	struct runbound_work *work;
	struct runbound_slot *slot;

	if (!control)
		return 0;
	work = bpf_map_lookup_elem(&answer_work, &first);
	if (!work)
		return 0;
	len = read_datagram(work, (void *)(long)ctx->data, (void *)(long)ctx->data_end, &udp_sum, &given);
	OPAQUE(len);
	/* The frame was read to its end, and packet and datagram end within it. */
	if (len <= DNS_HEADER_LEN + DNS_QUESTION_FIXED || len > LONGEST_QUERY || len > ONCE(work->loaded) ||
	    ONCE(work->ip_payload) > ONCE(work->loaded) + sizeof(struct udphdr) ||
	    ONCE(work->loaded) >= 8 * QUERY_WORDS)
		return 0;
	*(__u64 *)(work->message + len) = 0;
	ONCE(work->len) = len;
	if (!make_key(work, len) || !udp_checksum_holds(work, udp_sum, given))
		return 0;
	slot = find_slot(work, hash_key(work, control), control->generation, &index);
	if (!slot)
		return 0;
	ONCE(work->reply) = compose(work, slot, now / SECOND_NS);
	reply = ONCE(work->reply);
	if (!reply || reply > LONGEST_REPLY)
		return 0;
	/* Octets behind it count for nothing. */
	*(__u64 *)(work->message + reply) = 0;
	if (bpf_xdp_adjust_tail(ctx, (int)reply - (int)ONCE(work->loaded)))
		return 0;
	if (!turn_frame(ctx, work, reply, control->traffic_class & 0xff))
		return 0;
	count_hit(index, ONCE(work->is_v6));
	if (*gate == ANSWERS_TRIAL)
		*gate = ANSWERS_CLOSED;
	return 1;
}

#endif
