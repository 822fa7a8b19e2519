// SPDX-License-Identifier: BSD-2-Clause
// The null responder: the cheapest "DNS servers" there can be, the bounds that the benchmark holds others against.
//
//     null_responder OBJECT socket INTERFACE
//     null_responder OBJECT reflect INTERFACE [PEER]
//     null_responder OBJECT pass INTERFACE
//
// It sends every UDP/53 frame back where it came from: MAC addresses, IP addresses and ports swapped, the QR bit set, no
// UDP checksum (IPv4 allows that). It never looks at the question. `socket`: those of queue 0, from an AF_XDP socket; one
// thread, native mode, need_wakeup; frames go fill ring -> RX -> TX -> completion ring -> fill ring and are never copied.
// `reflect`: from the XDP program itself, which on veth needs a program at the other end: PEER gets an empty one.
// `pass`: such an empty program alone. All are gone with the process.
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <net/if.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <xdp/xsk.h>

#include "null_reflect.h"

#define FRAMES 4096
#define FRAME_SIZE 2048
#define BATCH 64

static volatile sig_atomic_t stopped;

static void stop(int signal_number)
{
    (void)signal_number;
    stopped = 1;
}

static void fail(const char *what)
{
    fprintf(stderr, "null_responder: %s: %s\n", what, strerror(errno));
    exit(1);
}

static struct bpf_program *program(struct bpf_object *object, const char *name)
{
    struct bpf_program *found = bpf_object__find_program_by_name(object, name);
    if (!found)
        fail(name);
    return found;
}

// By a link, not a netlink attach: gone with the process.
static void attach(struct bpf_object *object, const char *name, const char *interface)
{
    LIBBPF_OPTS(bpf_link_create_opts, options, .flags = XDP_FLAGS_DRV_MODE);
    int index = if_nametoindex(interface);
    if (!index || bpf_link_create(bpf_program__fd(program(object, name)), index, BPF_XDP, &options) < 0)
        fail("attach the XDP program");
}

static void answer_from_socket(struct bpf_object *object, const char *interface)
{
    void *area = mmap(NULL, (size_t)FRAMES * FRAME_SIZE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    struct xsk_umem *umem;
    struct xsk_ring_prod fill, tx;
    struct xsk_ring_cons completion, rx;
    struct xsk_umem_config umem_config = {.fill_size = FRAMES, .comp_size = FRAMES, .frame_size = FRAME_SIZE};
    if (area == MAP_FAILED ||
        xsk_umem__create(&umem, area, (size_t)FRAMES * FRAME_SIZE, &fill, &completion, &umem_config))
        fail("make the UMEM");
    struct xsk_socket *xsk;
    struct xsk_socket_config socket_config = {.rx_size = FRAMES / 2,
                                              .tx_size = FRAMES / 2,
                                              .libbpf_flags = XSK_LIBBPF_FLAGS__INHIBIT_PROG_LOAD,
                                              .bind_flags = XDP_USE_NEED_WAKEUP};
    // an earlier user of the queue may not be gone yet
    int bound = -EBUSY;
    for (int tries = 0; bound == -EBUSY && tries < 500; tries++, usleep(10000))
        bound = xsk_socket__create(&xsk, interface, 0, umem, &rx, &tx, &socket_config);
    if (bound) {
        errno = -bound;
        fail("bind the socket");
    }

    unsigned int at, from;
    if (xsk_ring_prod__reserve(&fill, FRAMES / 2, &at) != FRAMES / 2)
        fail("fill");
    for (unsigned int i = 0; i < FRAMES / 2; i++)
        *xsk_ring_prod__fill_addr(&fill, at + i) = (uint64_t)i * FRAME_SIZE;
    xsk_ring_prod__submit(&fill, FRAMES / 2);

    int fd = xsk_socket__fd(xsk), queue = 0;
    if (bpf_map_update_elem(bpf_object__find_map_fd_by_name(object, "sockets"), &queue, &fd, 0))
        fail("put the socket into the map");
    attach(object, "to_socket", interface);
    fprintf(stderr, "ready\n");

    while (!stopped) {
        unsigned int count = xsk_ring_cons__peek(&rx, BATCH, &from);
        if (count) {
            while (xsk_ring_prod__reserve(&tx, count, &at) != count)
                sendto(fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
            for (unsigned int i = 0; i < count; i++) {
                const struct xdp_desc *frame = xsk_ring_cons__rx_desc(&rx, from + i);
                turn(xsk_umem__get_data(area, frame->addr));
                *xsk_ring_prod__tx_desc(&tx, at + i) = *frame;
            }
            xsk_ring_cons__release(&rx, count);
            xsk_ring_prod__submit(&tx, count);
        }
        if (xsk_ring_prod__needs_wakeup(&tx))
            sendto(fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
        unsigned int done = xsk_ring_cons__peek(&completion, FRAMES, &from);
        if (done) {
            while (xsk_ring_prod__reserve(&fill, done, &at) != done)
                ;
            for (unsigned int i = 0; i < done; i++)
                *xsk_ring_prod__fill_addr(&fill, at + i) =
                    *xsk_ring_cons__comp_addr(&completion, from + i) & ~(uint64_t)(FRAME_SIZE - 1);
            xsk_ring_cons__release(&completion, done);
            xsk_ring_prod__submit(&fill, done);
        }
        if (!count && xsk_ring_prod__needs_wakeup(&fill))
            recvfrom(fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
    }
}

int main(int argc, char **argv)
{
    const char *mode = argc > 2 ? argv[2] : "";
    int reflects = !strcmp(mode, "reflect");
    if ((argc != 4 && !(reflects && argc == 5)) || (!reflects && strcmp(mode, "socket") && strcmp(mode, "pass"))) {
        fprintf(stderr, "usage: null_responder OBJECT socket|reflect|pass INTERFACE [PEER]\n");
        return 2;
    }
    signal(SIGTERM, stop);
    signal(SIGINT, stop);

    struct bpf_object *object = bpf_object__open_file(argv[1], NULL);
    if (!object || bpf_object__load(object))
        fail("load the XDP programs");
    if (!strcmp(mode, "socket")) {
        answer_from_socket(object, argv[3]);
        return 0;
    }
    attach(object, mode, argv[3]);
    if (argc == 5)
        attach(object, "pass", argv[4]);
    fprintf(stderr, "ready\n");
    while (!stopped)
        usleep(100000);
    return 0;
}
