/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A query is read from its frame, looked at, and made a key of. */
#ifndef RUNBOUND_QUERY_BPF_H
#define RUNBOUND_QUERY_BPF_H

#include "work.bpf.h"

#define OPT_LEN 11
#define OPT_TYPE 41
#define OPT_DO 0x8000
#define LEAST_UDP_SIZE 512 /* RFC 6891 section 6.2.3; no reply of a slot is longer */
#define QUERY_WORDS 12
#define LONGEST_QUERY (DNS_HEADER_LEN + RUNBOUND_NAME_LEN + DNS_QUESTION_FIXED + OPT_LEN)

struct client_v4 {
	__u32 prefix;
	__be32 address;
};

struct client_v6 {
	__u32 prefix;
	struct in6_addr address;
};

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
		ONCE(work->ip_payload) = bpf_ntohs(((struct ipv6hdr *)ip)->payload_len);
		udp = step(ip, sizeof(struct ipv6hdr));
	} else {
		if (ip + sizeof(struct iphdr) + sizeof(*udp) > end || !ipv4_is_client(ip))
			return 0;
		sum = ipv4_sum(ip);
		ONCE(work->ip_payload) = bpf_ntohs(((struct iphdr *)ip)->tot_len) - sizeof(struct iphdr);
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

#endif
