// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
// Turns a query into its "answer", for both halves of the null responder.
#ifndef NULL_REFLECT_H
#define NULL_REFLECT_H

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/types.h>
#include <linux/udp.h>

static inline __attribute__((always_inline)) void turn(struct ethhdr *eth)
{
    struct iphdr *ip = (void *)(eth + 1);
    struct udphdr *udp = (void *)(ip + 1);
    unsigned char mac[ETH_ALEN];
    __u32 address = ip->saddr;
    __u16 port = udp->source;

    __builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
    __builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
    __builtin_memcpy(eth->h_source, mac, ETH_ALEN);
    ip->saddr = ip->daddr;
    ip->daddr = address;
    udp->source = udp->dest;
    udp->dest = port;
    udp->check = 0;
    ((unsigned char *)(udp + 1))[2] |= 0x80;
}

#endif
