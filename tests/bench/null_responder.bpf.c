// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
// The programs of the null responder. What is not UDP/53 over IPv4 goes to the kernel.
//
//     to_socket  every query goes to the AF_XDP socket of its queue
//     reflect    every query is sent back where it came from, unread: MAC and IP addresses and ports swapped, QR set
//     pass       nothing at all. A veth end takes what the other end sends by XDP_TX only while it has a program
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "null_reflect.h"

#define DNS_HEADER 12
#define NULL ((void *)0)

struct {
    __uint(type, BPF_MAP_TYPE_XSKMAP);
    __uint(max_entries, 64);
    __type(key, __u32);
    __type(value, __u32);
} sockets SEC(".maps");

// The frame's headers when it is a query, NULL otherwise.
static __always_inline struct ethhdr *query(struct xdp_md *ctx)
{
    void *end = (void *)(long)ctx->data_end;
    struct ethhdr *eth = (void *)(long)ctx->data;
    struct iphdr *ip = (void *)(eth + 1);
    struct udphdr *udp = (void *)(ip + 1);

    if ((void *)(udp + 1) + DNS_HEADER > end || eth->h_proto != bpf_htons(ETH_P_IP) || ip->ihl != 5 ||
        ip->protocol != IPPROTO_UDP || udp->dest != bpf_htons(53))
        return NULL;
    return eth;
}

SEC("xdp")
int to_socket(struct xdp_md *ctx)
{
    return query(ctx) ? bpf_redirect_map(&sockets, ctx->rx_queue_index, XDP_PASS) : XDP_PASS;
}

SEC("xdp")
int reflect(struct xdp_md *ctx)
{
    struct ethhdr *eth = query(ctx);
    if (!eth)
        return XDP_PASS;
    turn(eth);
    return XDP_TX;
}

SEC("xdp")
int pass(struct xdp_md *ctx)
{
    (void)ctx;
    return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
