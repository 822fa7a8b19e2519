/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Redirects DNS queries for this host's configured addresses to the AF_XDP socket of their receive queue. Everything
 * else goes up the kernel's stack as if this program were not there: it never drops, and changes no frame but those that it
 * answers. With RUNBOUND_READS_TAGS it asks the driver for one piece of metadata, the VLAN tag beside a frame; with
 * RUNBOUND_ANSWERS it answers what the worker has taught it (answers.bpf.h).
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "runbound.h"

#define NULL ((void *)0)
#define DNS_HEADER_LEN 12
#define VLAN_ID_MASK 0x0fff
#define FRAGMENT_MASK 0x3fff /* more-fragments flag and fragment offset, RFC 791 section 3.1 */
#define IPV4_NO_OPTIONS 0x45 /* version 4, header of five words */
#define IPV4_MULTICAST 224 /* first octet from which on there is no unicast, RFC 5771 and RFC 1112 section 4 */
#define IPV4_LOOPBACK 127
#define IPV6_MULTICAST 0xff
#define MAC_GROUP 1 /* in the first octet, IEEE 802.3 */

struct vlan_header {
	__be16 tci;
	__be16 proto;
};

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 1024); /* more receive queues than any driver has; src/xdp/maps.rs knows the number */
	__type(key, __u32);
	__type(value, __u32);
} xsks SEC(".maps");

/* Whether a receive queue's socket gets frames: enum runbound_gate. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u32);
} gates SEC(".maps");

/* Frames redirected, by receive queue. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} redirected SEC(".maps");

/* Filled from user space alone, and mostly empty: entries take memory when they are made. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, __be32);
	__type(value, struct runbound_place);
} addresses_v4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, struct in6_addr);
	__type(value, struct runbound_place);
} addresses_v6 SEC(".maps");

/* Sources that are this host's: its addresses, and the broadcast addresses of its networks. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, __be32);
	__type(value, __u8);
} own_v4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, struct in6_addr);
	__type(value, __u8);
} own_v6 SEC(".maps");

/* An entry for each verdict: an index into one entry's array would need CAP_PERFMON at load. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, VERDICT_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

struct runbound_settings settings SEC(".data.settings");

/* What the Ethernet header and the tag say of a frame. */
struct link_view {
	const __u8 *mac;
	const __u8 *source;
	__u32 vlan;
};

/* An address is taken only by the MAC and the VLAN of the interface that carries it. This program may be
 * attached below that interface, where frames of other machines pass by.
 */
static __always_inline enum runbound_verdict place_verdict(const struct runbound_place *place, struct link_view link)
{
	if (!place)
		return VERDICT_ADDRESS;
	/* Two loads: an Ethernet header starts at any even address, and XDP allows unaligned loads. */
	if (*(__u32 *)link.mac != *(__u32 *)place->mac || *(__u16 *)(link.mac + 4) != *(__u16 *)(place->mac + 4))
		return VERDICT_MAC;
	return link.vlan == place->vlan ? VERDICT_REDIRECTED : VERDICT_VLAN;
}

static __always_inline enum runbound_verdict ipv4_place_verdict(const struct iphdr *ip, struct link_view link)
{
	if (ip->daddr == settings.near_v4 && settings.near_v4_place.vlan != RUNBOUND_NOWHERE)
		return place_verdict(&settings.near_v4_place, link);
	return place_verdict(bpf_map_lookup_elem(&addresses_v4, &ip->daddr), link);
}

static __always_inline enum runbound_verdict ipv6_place_verdict(const struct ipv6hdr *ip, struct link_view link)
{
	const __u64 *address = (const void *)&ip->daddr;

	if (address[0] == settings.near_v6[0] && address[1] == settings.near_v6[1] &&
	    settings.near_v6_place.vlan != RUNBOUND_NOWHERE)
		return place_verdict(&settings.near_v6_place, link);
	return place_verdict(bpf_map_lookup_elem(&addresses_v6, &ip->daddr), link);
}

/* The last check: what the kernel's stack drops, or would answer to somebody within this host, is left to it. */
static __always_inline enum runbound_verdict source_verdict(struct link_view link, const struct udphdr *udp, void *own)
{
	return own || udp->source == 0 || *link.source & MAC_GROUP ? VERDICT_SOURCE : VERDICT_REDIRECTED;
}

static __always_inline int may_be_own(__u64 filter, __u32 word)
{
	return filter >> (word * RUNBOUND_FILTER_FACTOR >> RUNBOUND_FILTER_SHIFT) & 1;
}

static __always_inline enum runbound_verdict ipv4_source_verdict(struct iphdr *ip, struct link_view link)
{
	__u32 first = *(__u8 *)&ip->saddr;
	void *own = NULL;

	if (first == 0 || first == IPV4_LOOPBACK || first >= IPV4_MULTICAST)
		return VERDICT_SOURCE;
	if (may_be_own(settings.own_v4_filter, ip->saddr))
		own = bpf_map_lookup_elem(&own_v4, &ip->saddr);
	return source_verdict(link, (void *)(ip + 1), own);
}

static __always_inline enum runbound_verdict ipv6_source_verdict(struct ipv6hdr *ip, struct link_view link)
{
	const __be32 *words = ip->saddr.in6_u.u6_addr32;
	void *own = NULL;

	/* Unspecified, loopback, IPv4-compatible and IPv4-mapped addresses begin with 80 zero bits. */
	if (*(__u8 *)words == IPV6_MULTICAST || !(words[0] | words[1] | *(__be16 *)(words + 2)))
		return VERDICT_SOURCE;
	if (may_be_own(settings.own_v6_filter, words[0] ^ words[1] ^ words[2] ^ words[3]))
		own = bpf_map_lookup_elem(&own_v6, &ip->saddr);
	return source_verdict(link, (void *)(ip + 1), own);
}

/* RFC 1071, in the machine's words: the sum over the header with its checksum is all ones. */
static __always_inline int ipv4_checksum_holds(const struct iphdr *ip)
{
	const __u32 *words = (const void *)ip;
	__u64 sum = (__u64)words[0] + words[1] + words[2] + words[3] + words[4];

	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

/* The same for both IP versions. `ip_payload` is what the IP header says follows it. */
static __always_inline enum runbound_verdict udp_verdict(struct udphdr *udp, void *end, __u32 ip_payload)
{
	__u32 len;

	if ((void *)(udp + 1) + DNS_HEADER_LEN > end)
		return VERDICT_SHORT;
	if (udp->dest != settings.port)
		return VERDICT_PORT;
	len = bpf_ntohs(udp->len);
	/* Whether the frame is as long as it says is left to user space: pointers and lengths may be compared only by
	 * those who hold CAP_PERFMON when they load. The kernel's stack would drop such a datagram all the same.
	 */
	if (len < sizeof(*udp) + DNS_HEADER_LEN || len > ip_payload)
		return VERDICT_SHORT;
	return VERDICT_REDIRECTED;
}

static __always_inline enum runbound_verdict ipv4_verdict(struct iphdr *ip, void *end, struct link_view link)
{
	enum runbound_verdict verdict;
	__u32 total;

	if ((void *)(ip + 1) > end)
		return VERDICT_SHORT;
	if (*(__u8 *)ip != IPV4_NO_OPTIONS || ip->frag_off & bpf_htons(FRAGMENT_MASK))
		return VERDICT_IP_SHAPE;
	if (ip->protocol != IPPROTO_UDP)
		return VERDICT_NOT_UDP;
	total = bpf_ntohs(ip->tot_len);
	if (total < sizeof(*ip))
		return VERDICT_SHORT;
	verdict = udp_verdict((void *)(ip + 1), end, total - sizeof(*ip));
	if (verdict != VERDICT_REDIRECTED)
		return verdict;
	verdict = ipv4_place_verdict(ip, link);
	if (verdict != VERDICT_REDIRECTED)
		return verdict;
	if (!ipv4_checksum_holds(ip))
		return VERDICT_CHECKSUM;
	return ipv4_source_verdict(ip, link);
}

static __always_inline enum runbound_verdict ipv6_verdict(struct ipv6hdr *ip, void *end, struct link_view link)
{
	enum runbound_verdict verdict;

	if ((void *)(ip + 1) > end)
		return VERDICT_SHORT;
	if (*(__u8 *)ip >> 4 != 6)
		return VERDICT_IP_SHAPE;
	if (ip->nexthdr != IPPROTO_UDP)
		return VERDICT_NOT_UDP;
	verdict = udp_verdict((void *)(ip + 1), end, bpf_ntohs(ip->payload_len));
	if (verdict != VERDICT_REDIRECTED)
		return verdict;
	verdict = ipv6_place_verdict(ip, link);
	if (verdict != VERDICT_REDIRECTED)
		return verdict;
	/* RFC 8200 section 8.1. */
	if (((struct udphdr *)(ip + 1))->check == 0)
		return VERDICT_CHECKSUM;
	return ipv6_source_verdict(ip, link);
}

static __always_inline enum runbound_verdict frame_verdict(void *data, void *end)
{
	struct ethhdr *eth = data;
	struct link_view link = { .mac = eth->h_dest, .source = eth->h_source, .vlan = RUNBOUND_UNTAGGED };
	void *next = eth + 1;
	__be16 proto;

	if (next > end)
		return VERDICT_NOT_IP;
	proto = eth->h_proto;
	if (proto == bpf_htons(ETH_P_8021Q)) {
		struct vlan_header *tag = next;

		next = tag + 1;
		/* Cut, or tagged twice: whose it is cannot be said. */
		if (next > end || tag->proto == bpf_htons(ETH_P_8021Q))
			return VERDICT_NOT_IP;
		proto = tag->proto;
		/* A tag of id 0 carries a priority alone, and no place has it: such a query is left to the kernel. */
		link.vlan = bpf_ntohs(tag->tci) & VLAN_ID_MASK;
		if (link.vlan == 0)
			link.vlan = RUNBOUND_PRIORITY;
	}
	if (proto == bpf_htons(ETH_P_IP))
		return ipv4_verdict(next, end, link);
	if (proto == bpf_htons(ETH_P_IPV6))
		return ipv6_verdict(next, end, link);
	return VERDICT_NOT_IP;
}

static __always_inline void count(void *map, __u32 key)
{
	__u64 *counter = bpf_map_lookup_elem(map, &key);

	if (counter)
		++*counter;
}

/* To the socket of the receive queue, if its gate lets it. */
static __always_inline int redirect(__u32 queue)
{
	__u32 *gate = bpf_map_lookup_elem(&gates, &queue);
	int action;

	if (settings.shut || !gate || *gate == GATE_CLOSED)
		return XDP_PASS;
	/* The flag is the action when the queue has no socket in the map. */
	action = bpf_redirect_map(&xsks, queue, XDP_PASS);
	if (action != XDP_REDIRECT)
		return action;
	/* One frame proves the way: user space opens the gate when it has come. In generic mode two CPUs may serve one
	 * queue and each let one through.
	 */
	if (*gate == GATE_TRIAL)
		*gate = GATE_CLOSED;
	count(&redirected, queue);
	return action;
}

#ifdef RUNBOUND_READS_TAGS
#define EOPNOTSUPP 95

extern int bpf_xdp_metadata_rx_vlan_tag(const struct xdp_md *ctx, __be16 *proto, __u16 *tci) __ksym;

/* Linux 6.8; a program that calls it is bound to one device when it is loaded. What cannot be told has one. */
static __always_inline int may_have_tag_beside(struct xdp_md *ctx)
{
	__be16 proto;
	__u16 tci;
	int result = bpf_xdp_metadata_rx_vlan_tag(ctx, &proto, &tci);

	return result == 0 || result == -EOPNOTSUPP;
}
#else
static __always_inline int may_have_tag_beside(struct xdp_md *ctx)
{
	(void)ctx;
	return 0;
}
#endif

#ifdef RUNBOUND_ANSWERS
#include "answers.bpf.h"
#else
static __always_inline int answer(struct xdp_md *ctx)
{
	(void)ctx;
	return 0;
}
#endif

static __always_inline int finish(struct xdp_md *ctx, __u32 verdict)
{
	int action = XDP_PASS;

	/* The socket would get the frame without that tag, and answer without it. */
	if (verdict == VERDICT_REDIRECTED && may_have_tag_beside(ctx))
		verdict = VERDICT_VLAN;
	if (verdict == VERDICT_REDIRECTED && answer(ctx)) {
		verdict = VERDICT_ANSWERED;
		action = XDP_TX;
	} else if (verdict == VERDICT_REDIRECTED) {
		action = redirect(ctx->rx_queue_index);
		if (action != XDP_REDIRECT)
			verdict = VERDICT_NO_SOCKET;
	}
	count(&counters, verdict);
	return action;
}

/* Frames of several buffers may come, so no MTU of the interface stands in the way. A socket would drop one that it has no
 * room for in a frame of its own.
 */
SEC("xdp.frags")
int runbound(struct xdp_md *ctx)
{
	__u32 verdict = frame_verdict((void *)(long)ctx->data, (void *)(long)ctx->data_end);

	if (verdict == VERDICT_REDIRECTED && bpf_xdp_get_buff_len(ctx) > RUNBOUND_MAX_FRAME)
		verdict = VERDICT_IP_SHAPE;
	return finish(ctx, verdict);
}

/* For kernels before 5.18, which have every frame in one buffer. */
SEC("xdp")
int runbound_linear(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 verdict = frame_verdict(data, end);

	if (verdict == VERDICT_REDIRECTED && data + RUNBOUND_MAX_FRAME + 1 <= end)
		verdict = VERDICT_IP_SHAPE;
	return finish(ctx, verdict);
}

char program_license[] SEC("license") = "Dual BSD/GPL";
