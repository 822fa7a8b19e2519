/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Redirects DNS queries for this host's configured addresses to the AF_XDP socket of their receive queue. Everything
 * else goes up the kernel's stack as if this program were not there: it never drops, never changes a frame, has no
 * loop and asks for no metadata.
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

#define DNS_HEADER_LEN 12
#define VLAN_ID_MASK 0x0fff
#define FRAGMENT_MASK 0x3fff /* more-fragments flag and fragment offset, RFC 791 section 3.1 */
#define IPV4_NO_OPTIONS 0x45 /* version 4, header of five words */

struct vlan_header {
	__be16 tci;
	__be16 proto;
};

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 1024); /* more receive queues than any driver has; src/xdp/program.rs knows the number */
	__type(key, __u32);
	__type(value, __u32);
} xsks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __be32);
	__type(value, __u8);
} addresses_v4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct in6_addr);
	__type(value, __u8);
} addresses_v6 SEC(".maps");

/* A bit for each VLAN id, 64 in an entry. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} vlans SEC(".maps");

/* An entry for each verdict: an index into one entry's array would need CAP_PERFMON at load. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, VERDICT_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

struct runbound_settings settings SEC(".data.settings");

static __always_inline int is_our_vlan(__be16 tci)
{
	__u32 id = bpf_ntohs(tci) & VLAN_ID_MASK;
	__u32 word = id >> 6;
	__u64 *bits = bpf_map_lookup_elem(&vlans, &word);

	return bits && (*bits >> (id & 63) & 1);
}

static __always_inline int is_our_mac(const __u8 *mac)
{
	/* Two loads: an Ethernet header starts at any even address, and XDP allows unaligned loads. */
	return *(__u32 *)mac == *(__u32 *)settings.mac && *(__u16 *)(mac + 4) == *(__u16 *)(settings.mac + 4);
}

/* The last checks, the same for both IP versions. `ip_payload` is what the IP header says follows it. */
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

static __always_inline enum runbound_verdict ipv4_verdict(struct iphdr *ip, void *end)
{
	__u32 total;

	if ((void *)(ip + 1) > end)
		return VERDICT_SHORT;
	if (*(__u8 *)ip != IPV4_NO_OPTIONS || ip->frag_off & bpf_htons(FRAGMENT_MASK))
		return VERDICT_IP_SHAPE;
	if (ip->protocol != IPPROTO_UDP)
		return VERDICT_NOT_UDP;
	if (!bpf_map_lookup_elem(&addresses_v4, &ip->daddr))
		return VERDICT_ADDRESS;
	total = bpf_ntohs(ip->tot_len);
	if (total < sizeof(*ip))
		return VERDICT_SHORT;
	return udp_verdict((void *)(ip + 1), end, total - sizeof(*ip));
}

static __always_inline enum runbound_verdict ipv6_verdict(struct ipv6hdr *ip, void *end)
{
	if ((void *)(ip + 1) > end)
		return VERDICT_SHORT;
	if (*(__u8 *)ip >> 4 != 6)
		return VERDICT_IP_SHAPE;
	if (ip->nexthdr != IPPROTO_UDP)
		return VERDICT_NOT_UDP;
	if (!bpf_map_lookup_elem(&addresses_v6, &ip->daddr))
		return VERDICT_ADDRESS;
	return udp_verdict((void *)(ip + 1), end, bpf_ntohs(ip->payload_len));
}

static __always_inline enum runbound_verdict frame_verdict(void *data, void *end)
{
	struct ethhdr *eth = data;
	void *next = eth + 1;
	__be16 proto;

	if (next > end)
		return VERDICT_NOT_IP;
	if (!is_our_mac(eth->h_dest))
		return VERDICT_MAC;
	proto = eth->h_proto;
	if (proto == bpf_htons(ETH_P_8021Q)) {
		struct vlan_header *tag = next;

		next = tag + 1;
		if (next > end || !is_our_vlan(tag->tci))
			return VERDICT_VLAN;
		proto = tag->proto;
		if (proto == bpf_htons(ETH_P_8021Q))
			return VERDICT_VLAN;
	}
	if (proto == bpf_htons(ETH_P_IP))
		return ipv4_verdict(next, end);
	if (proto == bpf_htons(ETH_P_IPV6))
		return ipv6_verdict(next, end);
	return VERDICT_NOT_IP;
}

SEC("xdp")
int runbound(struct xdp_md *ctx)
{
	__u32 verdict = frame_verdict((void *)(long)ctx->data, (void *)(long)ctx->data_end);
	int action = XDP_PASS;
	__u64 *counter;

	if (verdict == VERDICT_REDIRECTED) {
		/* The flag is the action when the queue has no socket in the map. */
		action = bpf_redirect_map(&xsks, ctx->rx_queue_index, XDP_PASS);
		if (action != XDP_REDIRECT)
			verdict = VERDICT_NO_SOCKET;
	}
	counter = bpf_map_lookup_elem(&counters, &verdict);
	if (counter)
		++*counter;
	return action;
}

char program_license[] SEC("license") = "Dual BSD/GPL";
