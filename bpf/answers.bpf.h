/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Answers a query in the program itself where a slot of the worker's knows the answer. What is not exactly such a query
 * is left as it came: a frame is written to when nothing can fail any more.
 *
 * Without CAP_PERFMON no register may be added to a pointer into a packet, so a message is read to and written from a
 * piece of memory, where that may be done, eight octets a step.
 */
#ifndef RUNBOUND_ANSWERS_BPF_H
#define RUNBOUND_ANSWERS_BPF_H

#include "answers.h"

#define DNS_QUESTION_FIXED 4
#define OPT_LEN 11
#define OPT_TYPE 41
#define OPT_DO 0x8000
#define LEAST_UDP_SIZE 512 /* RFC 6891 section 6.2.3; no reply of a slot is longer */
#define QUERY_WORDS 12
#define LONGEST_QUERY (DNS_HEADER_LEN + RUNBOUND_NAME_LEN + DNS_QUESTION_FIXED + OPT_LEN)
#define LONGEST_REPLY (DNS_HEADER_LEN + RUNBOUND_NAME_LEN + DNS_QUESTION_FIXED + RUNBOUND_BODY_LEN)
#define HOPS 64 /* as what user space sends */
#define IPV4_DONT_FRAGMENT 0x4000
#define SECOND_NS 1000000000

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
	__u64 key[1 + RUNBOUND_NAME_WORDS];
	/* What is written here and read again is any number to the verifier, which else follows each value that it may have. */
	__u64 loaded;
	__u64 len;
	__u64 name_len;
	__u64 is_v6;
	__u64 pseudo;
	__u64 reply;
};

struct client_v4 {
	__u32 prefix;
	__be32 address;
};

struct client_v6 {
	__u32 prefix;
	struct in6_addr address;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct runbound_work);
} answer_work SEC(".maps");

/* One entry: enum runbound_answer_gate. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} answer_gate SEC(".maps");

/* The next five are one for all programs of a process: src/xdp/answers/table.rs makes them. */
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

/* Clients that may be answered here: those of plain access. An entry of 0 takes a network out again. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, struct client_v4);
	__type(value, __u8);
} answer_clients_v4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, struct client_v6);
	__type(value, __u8);
} answer_clients_v6 SEC(".maps");

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

static __always_inline int ipv4_is_client(struct iphdr *ip)
{
	struct client_v4 client = { .prefix = 32, .address = ip->saddr };
	__u8 *plain = bpf_map_lookup_elem(&answer_clients_v4, &client);

	return plain && *plain;
}

static __always_inline int ipv6_is_client(struct ipv6hdr *ip)
{
	struct client_v6 client = { .prefix = 128, .address = ip->saddr };
	__u8 *plain = bpf_map_lookup_elem(&answer_clients_v6, &client);

	return plain && *plain;
}

/* Sum of the addresses, which both directions have in common. */
static __always_inline __u64 ipv4_sum(const struct iphdr *ip)
{
	return (__u64)ip->saddr + ip->daddr;
}

static __always_inline __u64 ipv6_sum(const struct ipv6hdr *ip)
{
	const __u64 *words = (const void *)&ip->saddr;

	return halves(words[0]) + halves(words[1]) + halves(words[2]) + halves(words[3]);
}

/* Reads what is behind the UDP header, as long as the frame is, if that is shorter than the longest query. */
static __always_inline void read_message(struct runbound_work *work, void *from, void *end)
{
	__u8 *to = work->message;
	__u64 len = 0;

	for (int word = 0; word < QUERY_WORDS && from + 8 <= end; ++word) {
		*(__u64 *)to = *(__u64 *)from;
		from = step(from, 8);
		to = step(to, 8);
		len += 8;
	}
	if (from + 4 <= end) {
		*(__u32 *)to = *(__u32 *)from;
		from = step(from, 4);
		to = step(to, 4);
		len += 4;
	}
	if (from + 2 <= end) {
		*(__u16 *)to = *(__u16 *)from;
		from = step(from, 2);
		to = step(to, 2);
		len += 2;
	}
	if (from + 1 <= end) {
		*to = *(__u8 *)from;
		len += 1;
	}
	ONCE(work->loaded) = len;
}

/* The datagram of a client that may be answered here goes to `work`; gives the length of its message, 0 for none. */
static __always_inline __u64 read_datagram(struct runbound_work *work, void *data, void *end, __u64 *udp_sum, __u64 *given)
{
	__u64 is_v6 = 0, len;
	struct udphdr *udp;
	__u64 sum;
	void *ip;

	if (!find_ip(data, end, &ip, &is_v6))
		return 0;
	if (is_v6) {
		if (ip + sizeof(struct ipv6hdr) + sizeof(*udp) > end || !ipv6_is_client(ip))
			return 0;
		sum = ipv6_sum(ip);
		udp = step(ip, sizeof(struct ipv6hdr));
	} else {
		if (ip + sizeof(struct iphdr) + sizeof(*udp) > end || !ipv4_is_client(ip))
			return 0;
		sum = ipv4_sum(ip);
		udp = step(ip, sizeof(struct iphdr));
	}
	if ((void *)(udp + 1) > end)
		return 0;
	ONCE(work->is_v6) = is_v6;
	ONCE(work->pseudo) = sum + bpf_htons(IPPROTO_UDP);
	*udp_sum = halves(*(__u64 *)udp);
	*given = udp->check;
	len = bpf_ntohs(udp->len) - sizeof(*udp);
	read_message(work, udp + 1, end);
	return len;
}

/* As the kernel and the worker look at it: right, none (IPv4 alone), or that of the pseudo header, which a sender on this
 * host leaves to hardware.
 */
static __always_inline int udp_checksum_holds(struct runbound_work *work, __u64 udp_sum, __u64 given)
{
	__u64 len = ONCE(work->len), pseudo = ONCE(work->pseudo) + bpf_htons(len + sizeof(struct udphdr)), sum = pseudo + udp_sum;
	__u64 *word = (__u64 *)work->message;

	if (given == 0 || fold(pseudo) == given)
		return 1;
	for (__u64 at = 0; at < 8 * QUERY_WORDS && at < len; at += 8) {
		sum += halves(*word);
		word = step(word, 8);
	}
	return fold(sum) == 0xffff;
}

/* A–Z to a–z in eight octets. */
static __always_inline __u64 lower(__u64 word)
{
	const __u64 ones = 0x0101010101010101;
	__u64 low = word & 0x7f * ones;
	__u64 letters = (low + (0x80 - 'A') * ones) & ~(low + (0x80 - 'Z' - 1) * ones) & ~word & 0x80 * ones;

	return word | letters >> 2;
}

/* How the query in `work` has EDNS, whose OPT record would stand at `at`; negative where that is for the worker to look at. */
static __always_inline int read_edns(const __u8 *opt)
{
	__u16 flags = *(__u16 *)(opt + 7);

	if (opt[0] || *(__u16 *)(opt + 1) != bpf_htons(OPT_TYPE) || *(__u16 *)(opt + 5) || *(__u16 *)(opt + 9))
		return -1;
	if (bpf_ntohs(*(__u16 *)(opt + 3)) < LEAST_UDP_SIZE || flags & ~bpf_htons(OPT_DO))
		return -1;
	return flags ? EDNS_DO : EDNS_PLAIN;
}

/* Makes the key of the query of `len` octets in `work` but for its name; 0 where it has another shape. */
static __always_inline int make_key(struct runbound_work *work, __u64 len)
{
	__u64 name_len = len - DNS_HEADER_LEN - DNS_QUESTION_FIXED;
	const __u16 *header = (const __u16 *)work->message;
	int edns = EDNS_NONE;

	/* One question, no records but for an OPT record. */
	if (header[2] != bpf_htons(1) || header[3] || header[4])
		return 0;
	if (header[5] == bpf_htons(1)) {
		if (len < DNS_HEADER_LEN + DNS_QUESTION_FIXED + OPT_LEN + 1)
			return 0;
		name_len -= OPT_LEN;
		OPAQUE(name_len);
		if (name_len > RUNBOUND_NAME_LEN)
			return 0;
		edns = read_edns(work->message + DNS_HEADER_LEN + DNS_QUESTION_FIXED + name_len);
		if (edns < 0)
			return 0;
	} else if (header[5]) {
		return 0;
	}
	OPAQUE(name_len);
	if (name_len == 0 || name_len > RUNBOUND_NAME_LEN)
		return 0;
	work->key[0] = RUNBOUND_KEY(*(__u32 *)(work->message + DNS_HEADER_LEN + name_len), header[1], edns, name_len);
	ONCE(work->name_len) = name_len;
	return 1;
}

/* Folds the name into the key; gives the key's hash. */
static __always_inline __u64 hash_key(struct runbound_work *work, const struct runbound_answer_control *control)
{
	__u64 factor = control->hash_factor, hash = (control->hash_start ^ work->key[0]) * factor;
	__u64 *from = (__u64 *)(work->message + DNS_HEADER_LEN), *to = work->key + 1;
	__s64 left = ONCE(work->name_len);

	for (int word = 0; word < RUNBOUND_NAME_WORDS && left > 0; ++word) {
		__u64 octets = *from;

		if (left < 8)
			octets &= ~0ull >> (64 - 8 * left);
		octets = lower(octets);
		*to = octets;
		hash = ((hash ^ hash >> 32) ^ octets) * factor;
		from = step(from, 8);
		to = step(to, 8);
		left -= 8;
	}
	return hash;
}

static __always_inline int is_of(struct runbound_slot *slot, struct runbound_work *work, __u64 generation)
{
	const __u64 *kept = slot->key, *key = work->key;
	__s64 left = ONCE(work->name_len);

	if (ONCE(slot->generation) != generation || *kept != *key)
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

/* Writes flags, counts and body of a slot around the question in `work`; gives the reply's length, 0 where the slot has changed
 * or its time is over.
 */
static __always_inline __u64 compose(struct runbound_work *work, struct runbound_slot *slot, __u64 now)
{
	__u64 generation = ONCE(slot->generation), question = ONCE(work->name_len) + DNS_QUESTION_FIXED;
	__u64 second = slot->second, aged = now - second, ttls = slot->ttls, len = ONCE(slot->body_len);
	__u8 *to, *body;
	__u64 *from = (__u64 *)slot->body;
	__u16 *ttl_at = slot->ttl_at;

	if (now < second || now >= slot->until || question > RUNBOUND_NAME_LEN + DNS_QUESTION_FIXED)
		return 0;
	to = body = work->message + DNS_HEADER_LEN + question;
	*(__u16 *)(work->message + 2) = *(__u16 *)slot->head;
	*(__u64 *)(work->message + 4) = *(__u64 *)(slot->head + 2);
	for (__u64 at = 0; at < RUNBOUND_BODY_LEN && at < len; at += 8) {
		*(__u64 *)to = *from;
		from = step(from, 8);
		to = step(to, 8);
	}
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
	/* A slot is not written before a second has gone by since it was emptied: what was read is whole if it is not now. */
	len = ONCE(slot->body_len);
	if (ONCE(slot->generation) != generation || len > RUNBOUND_BODY_LEN)
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
	/* The frame was read to its end, and the datagram ends within it. */
	if (len <= DNS_HEADER_LEN + DNS_QUESTION_FIXED || len > LONGEST_QUERY || len > ONCE(work->loaded) ||
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
