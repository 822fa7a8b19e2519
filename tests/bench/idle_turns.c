// SPDX-License-Identifier: BSD-2-Clause
// How much of each processor is left over: turns of a loop that has the processor only while nobody else wants it.
//
//     idle_turns SECONDS CPU...        prints for each CPU: CPU TURNS PROCESSOR_SECONDS SECONDS
//
// A thread of SCHED_IDLE on each CPU counts its turns. 1 - turns a second / turns a second of a machine at rest is the share
// of that CPU that others used. Ticks (/proc/stat, ps, schedstat) do not see work of interrupts and softirqs where it is:
// a generator that paces itself by timers runs between the ticks that sample it, and what softirqs do for others is charged
// to whoever is interrupted. The loop touches nothing but its own cache line. The thread that looks at the counters is an
// ordinary one, so that both looks are on time however busy the CPUs are.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MOST_CPUS 256
#define STEPS 2000 // of one turn: some microseconds

struct counter {
    _Alignas(64) atomic_ulong turns;
    int cpu;
    pthread_t thread;
    clockid_t clock;
};

struct look {
    unsigned long turns;
    double processor, wall;
};

static struct counter counters[MOST_CPUS];

static void fail(const char *what, int error)
{
    fprintf(stderr, "idle_turns: %s: %s\n", what, strerror(error));
    exit(1);
}

static double now(clockid_t clock)
{
    struct timespec time;
    if (clock_gettime(clock, &time))
        fail("clock_gettime", errno);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void pause_for(double seconds)
{
    struct timespec time = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (nanosleep(&time, &time) && errno == EINTR)
        ;
}

static void *turn(void *argument)
{
    struct counter *counter = argument;
    struct sched_param none = {0};
    uint64_t state = 1;

    if (sched_setscheduler(0, SCHED_IDLE, &none)) // of this thread alone
        fail("SCHED_IDLE", errno);
    for (;;) {
        for (int step = 0; step < STEPS; step++) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            __asm__ volatile("" : "+r"(state)); // each step is made
        }
        atomic_fetch_add_explicit(&counter->turns, 1, memory_order_relaxed);
    }
    return NULL;
}

static void start(struct counter *counter)
{
    pthread_attr_t attributes;
    cpu_set_t set;
    int error;

    CPU_ZERO(&set);
    CPU_SET(counter->cpu, &set);
    if ((error = pthread_attr_init(&attributes)) || (error = pthread_attr_setaffinity_np(&attributes, sizeof set, &set)) ||
        (error = pthread_create(&counter->thread, &attributes, turn, counter)) ||
        (error = pthread_getcpuclockid(counter->thread, &counter->clock)))
        fail("start a thread", error);
}

static struct look look_at(struct counter *counter)
{
    return (struct look){.wall = now(CLOCK_MONOTONIC),
                         .turns = atomic_load_explicit(&counter->turns, memory_order_relaxed),
                         .processor = now(counter->clock)};
}

int main(int argc, char **argv)
{
    int count = argc - 2;
    double seconds = argc > 1 ? atof(argv[1]) : 0;
    struct look before[MOST_CPUS];

    if (count < 1 || count > MOST_CPUS || seconds <= 0) {
        fprintf(stderr, "usage: idle_turns SECONDS CPU...\n");
        return 2;
    }
    for (int i = 0; i < count; i++) {
        counters[i].cpu = atoi(argv[i + 2]);
        start(&counters[i]);
    }
    pause_for(0.05);
    for (int i = 0; i < count; i++)
        before[i] = look_at(&counters[i]);
    pause_for(seconds);
    for (int i = 0; i < count; i++) {
        struct look after = look_at(&counters[i]);
        printf("%d %lu %.6f %.6f\n", counters[i].cpu, after.turns - before[i].turns, after.processor - before[i].processor,
               after.wall - before[i].wall);
    }
    return 0;
}
