/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * At the other end of a veth pair: lets every frame go on. With a program there that end polls, without which the kernel
 * drops what the program at our end answers (XDP_TX). It counts what leaves from our port, which proves that replies do.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define IPV4_NO_OPTIONS 0x45 /* version 4, header of five words: what a reply of ours has */

struct vlan_header {
	__be16 tci;
	__be16 proto;
};

/* Datagrams from our port. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} replies SEC(".maps");

/* UDP source port, network order; src/xdp/peer.rs writes it. */
__u16 port SEC(".data.port");

static __always_inline int is_from_port(const struct udphdr *udp, void *end)
{
	return (void *)(udp + 1) <= end && udp->source == port;
}

static __always_inline int is_reply(void *data, void *end)
{
	struct ethhdr *eth = data;
	void *next = eth + 1;
	__be16 proto;

	if (next > end)
		return 0;
	proto = eth->h_proto;
	if (proto == bpf_htons(ETH_P_8021Q)) {
		struct vlan_header *tag = next;

		next = tag + 1;
		if (next > end)
			return 0;
		proto = tag->proto;
	}
	if (proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = next;

		return (void *)(ip + 1) <= end && *(__u8 *)ip == IPV4_NO_OPTIONS && ip->protocol == IPPROTO_UDP &&
		       is_from_port((void *)(ip + 1), end);
	}
	if (proto == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = next;

		return (void *)(ip + 1) <= end && ip->nexthdr == IPPROTO_UDP && is_from_port((void *)(ip + 1), end);
	}
	return 0;
}

static __always_inline int look(struct xdp_md *ctx)
{
	__u32 key = 0;
	__u64 *count;

	if (is_reply((void *)(long)ctx->data, (void *)(long)ctx->data_end)) {
		count = bpf_map_lookup_elem(&replies, &key);
		if (count)
			++*count;
	}
	return XDP_PASS;
}

/* Frames of several buffers may come: no MTU of our end stands in the way. */
SEC("xdp.frags")
int runbound_peer(struct xdp_md *ctx)
{
	return look(ctx);
}

/* For kernels that have every frame in one buffer. */
SEC("xdp")
int runbound_peer_1(struct xdp_md *ctx)
{
	return look(ctx);
}

char program_license[] SEC("license") = "Dual BSD/GPL";
