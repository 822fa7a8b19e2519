/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A slot and its query become a reply, in the frame that the query came in. */
#ifndef RUNBOUND_REPLY_BPF_H
#define RUNBOUND_REPLY_BPF_H

#include "work.bpf.h"

#define LONGEST_REPLY (DNS_HEADER_LEN + RUNBOUND_NAME_LEN + DNS_QUESTION_FIXED + RUNBOUND_BODY_LEN)
#define HOPS 64 /* as what user space sends */
#define IPV4_DONT_FRAGMENT 0x4000

/* Copies `len` octets of a body, eight at a time: some of those behind them are written over, too. */
static __always_inline void copy_octets(__u8 *to, const __u8 *from, __u64 len)
{
	for (__u64 at = 0; at < RUNBOUND_BODY_LEN && at < len; at += 8) {
		*(__u64 *)to = *(__u64 *)from;
		to = step(to, 8);
		from = step((void *)from, 8);
	}
}

/* The same from one place of a body to another: what is written behind the end is there to be written next. No place is further
 * away than a body is long, whatever a slot says.
 */
static __always_inline void copy_part(struct runbound_work *work, __u8 *to, __u64 put, __u64 take, __u64 len)
{
	ONCE(work->put) = put;
	ONCE(work->take) = take;
	ONCE(work->part) = len;
	put = ONCE(work->put);
	take = ONCE(work->take);
	if (put <= RUNBOUND_BODY_LEN && take <= RUNBOUND_BODY_LEN)
		copy_octets(to + put, work->body + take, ONCE(work->part));
}

/* Writes the body of a slot with an RRset rotated by the query's ID, as `rotate_into` of src/answer/reply.rs does it. */
static __always_inline void rotate_body(struct runbound_work *work, struct runbound_slot *slot, __u8 *to)
{
	__u64 at = slot->rotates_at, stride = slot->rotates_by, set = slot->rotates * stride;
	__u64 skip = bpf_ntohs(*(__be16 *)work->message) % slot->rotates * stride;

	copy_octets(work->body, slot->body, ONCE(slot->body_len));
	copy_part(work, to, 0, 0, at);
	copy_part(work, to, at, at + skip, set - skip);
	copy_part(work, to, at + set - skip, at, skip);
	copy_part(work, to, at + set, at + set, ONCE(slot->body_len) - at - set);
}

/* Writes flags, counts and body of a slot around the question in `work`; gives the reply's length, 0 where the slot has changed
 * or its time is over.
 */
static __always_inline __u64 compose(struct runbound_work *work, struct runbound_slot *slot, __u64 now)
{
	__u64 question = ONCE(work->name_len) + DNS_QUESTION_FIXED;
	__u64 second = slot->second, aged = now - second, ttls = slot->ttls, len;
	__u8 *body;
	__u16 *ttl_at = slot->ttl_at;

	if (now < second || now >= slot->until || question > RUNBOUND_NAME_LEN + DNS_QUESTION_FIXED)
		return 0;
	body = work->message + DNS_HEADER_LEN + question;
	*(__u16 *)(work->message + 2) = *(__u16 *)slot->head;
	*(__u64 *)(work->message + 4) = *(__u64 *)(slot->head + 2);
	if (slot->rotates)
		rotate_body(work, slot, body);
	else
		copy_octets(body, slot->body, ONCE(slot->body_len));
	for (__u64 place = 0; aged && place < RUNBOUND_TTLS && place < ttls; ++place) {
		__u64 at = *ttl_at, left;
		__be32 *ttl;

		if (at > RUNBOUND_BODY_LEN - sizeof(*ttl))
			return 0;
		ttl = (__be32 *)(body + at);
		left = bpf_ntohl(*ttl);
		*ttl = bpf_htonl(left > aged ? left - aged : 0);
		ttl_at = step(ttl_at, sizeof(*ttl_at));
	}
	/* No two writings have the same stamp: what was read is whole, and of the key that was found, if it is there still. */
	len = ONCE(slot->body_len);
	if (ONCE(slot->stamp) != ONCE(work->stamp) || len > RUNBOUND_BODY_LEN)
		return 0;
	return DNS_HEADER_LEN + question + len;
}

static __always_inline void turn_link(struct ethhdr *eth)
{
	__u32 first = *(__u32 *)eth->h_dest;
	__u16 last = *(__u16 *)(eth->h_dest + 4);

	*(__u32 *)eth->h_dest = *(__u32 *)eth->h_source;
	*(__u16 *)(eth->h_dest + 4) = *(__u16 *)(eth->h_source + 4);
	*(__u32 *)eth->h_source = first;
	*(__u16 *)(eth->h_source + 4) = last;
}

static __always_inline void turn_ipv4(struct iphdr *ip, __u64 len, __u64 class)
{
	__be32 client = ip->saddr;
	__u32 *words = (__u32 *)ip;
	__u64 sum;

	ip->tos = class;
	ip->tot_len = bpf_htons(sizeof(*ip) + len);
	ip->id = 0;
	ip->frag_off = bpf_htons(IPV4_DONT_FRAGMENT);
	ip->ttl = HOPS;
	ip->check = 0;
	ip->saddr = ip->daddr;
	ip->daddr = client;
	sum = (__u64)words[0] + words[1] + words[2] + words[3] + words[4];
	ip->check = ~fold(sum);
}

static __always_inline void turn_ipv6(struct ipv6hdr *ip, __u64 len, __u64 class)
{
	struct in6_addr client = ip->saddr;

	*(__be32 *)ip = bpf_htonl(0x60000000 | class << 20);
	ip->payload_len = bpf_htons(len);
	ip->hop_limit = HOPS;
	ip->saddr = ip->daddr;
	ip->daddr = client;
}

/* Writes the message, which zeros follow, behind the UDP header up to the frame's end; gives the sum of its octets. */
static __always_inline __u64 write_message(struct runbound_work *work, void *to, void *end)
{
	__u8 *from = work->message;
	__u64 sum = 0;

	for (int word = 0; word < LONGEST_REPLY / 8 && to + 8 <= end; ++word) {
		__u64 octets = *(__u64 *)from;

		*(__u64 *)to = octets;
		sum += halves(octets);
		to = step(to, 8);
		from = step(from, 8);
	}
	sum += halves(*(__u64 *)from);
	if (to + 4 <= end) {
		*(__u32 *)to = *(__u32 *)from;
		to = step(to, 4);
		from = step(from, 4);
	}
	if (to + 2 <= end) {
		*(__u16 *)to = *(__u16 *)from;
		to = step(to, 2);
		from = step(from, 2);
	}
	if (to + 1 <= end)
		*(__u8 *)to = *from;
	return sum;
}

/* Turns the frame, which is as long as its reply, round. */
static __always_inline int turn_frame(struct xdp_md *ctx, struct runbound_work *work, __u64 len, __u64 class)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end, *ip;
	__u64 is_v6 = 0, udp_len = len + sizeof(struct udphdr), sum;
	struct udphdr *udp;
	__be16 client;

	if (!find_ip(data, end, &ip, &is_v6))
		return 0;
	if (is_v6) {
		udp = step(ip, sizeof(struct ipv6hdr));
		if ((void *)(udp + 1) > end)
			return 0;
		turn_ipv6(ip, udp_len, class);
	} else {
		udp = step(ip, sizeof(struct iphdr));
		if ((void *)(udp + 1) > end)
			return 0;
		turn_ipv4(ip, udp_len, class);
	}
	turn_link(data);
	client = udp->source;
	udp->source = udp->dest;
	udp->dest = client;
	udp->len = bpf_htons(udp_len);
	sum = fold(ONCE(work->pseudo) + 2 * (__u64)udp->len + udp->source + udp->dest +
		   write_message(work, udp + 1, end));
	/* A sum of zero is sent as all ones: zero says that there is none. */
	udp->check = sum == 0xffff ? 0xffff : ~sum;
	return 1;
}

#endif
