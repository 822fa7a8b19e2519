// SPDX-License-Identifier: BSD-2-Clause
// How much of each processor is left over: turns of a loop that has the processor only while nobody else wants it.
//
//     idle_turns SECONDS TASKS CPU...        prints for each CPU: CPU TURNS PROCESSOR_SECONDS SECONDS
//
// A process of SCHED_IDLE on each CPU counts its turns. 1 - turns a second / turns a second of a machine at rest is the share
// of that CPU that others used. Ticks (/proc/stat, ps, schedstat) do not see work of interrupts and softirqs where it is:
// a generator that paces itself by timers runs between the ticks that sample it, and what softirqs do for others is charged
// to whoever is interrupted. The loop touches nothing but its own cache line. Whoever looks at the counters is an ordinary
// process, so that both looks are on time however busy the CPUs are.
//
// SCHED_IDLE yields to others of its group alone, and with autogroups or systemd every session is a group that gets its even
// share: TASKS is the cgroup.procs of a group with cpu.idle set, into which the loops go. With - they are ordinary processes: they
// have a part of a busy CPU, too, and PROCESSOR_SECONDS says how much, so that their speed can be known.
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_CPUS 256
#define STEPS 2000 // of one turn: some microseconds

struct counter {
    _Alignas(64) atomic_ulong turns;
    int cpu;
    pid_t process;
    clockid_t clock;
};

struct look {
    unsigned long turns;
    double processor, wall;
};

static struct counter *counters;

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

// This process has the CPU from now on only when nobody else wants it.
static void stand_back(const char *tasks)
{
    struct sched_param none = {0};
    FILE *file;

    if (sched_setscheduler(0, SCHED_IDLE, &none))
        fail("SCHED_IDLE", errno);
    file = fopen(tasks, "r+"); // makes no file
    if (!file || fprintf(file, "%d\n", getpid()) < 0 || fclose(file))
        fail(tasks, errno);
}

static void stay_on(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set))
        fail("sched_setaffinity", errno);
}

static void turn(atomic_ulong *turns)
{
    uint64_t state = 1;
    for (;;) {
        for (int step = 0; step < STEPS; step++) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            __asm__ volatile("" : "+r"(state)); // each step is made
        }
        atomic_fetch_add_explicit(turns, 1, memory_order_relaxed);
    }
}

static void start(struct counter *counter, const char *tasks)
{
    int ready[2], error;
    pid_t process;
    char octet;

    if (pipe(ready) || (process = fork()) < 0)
        fail("fork", errno);
    if (!process) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        stay_on(counter->cpu);
        if (strcmp(tasks, "-"))
            stand_back(tasks);
        if (write(ready[1], "r", 1) != 1)
            fail("pipe", errno);
        turn(&counter->turns);
    }
    close(ready[1]);
    if (read(ready[0], &octet, 1) != 1)
        exit(1); // it has said why
    close(ready[0]);
    counter->process = process; // by this process alone: the memory is shared
    if ((error = clock_getcpuclockid(counter->process, &counter->clock)))
        fail("the clock of a process", error);
}

static struct look look_at(struct counter *counter)
{
    return (struct look){.wall = now(CLOCK_MONOTONIC),
                         .turns = atomic_load_explicit(&counter->turns, memory_order_relaxed),
                         .processor = now(counter->clock)};
}

int main(int argc, char **argv)
{
    int count = argc - 3;
    double seconds = argc > 1 ? atof(argv[1]) : 0;
    struct look before[MOST_CPUS];

    if (count < 1 || count > MOST_CPUS || seconds <= 0) {
        fprintf(stderr, "usage: idle_turns SECONDS TASKS CPU...\n");
        return 2;
    }
    counters = mmap(NULL, (size_t)count * sizeof *counters, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (counters == MAP_FAILED)
        fail("mmap", errno);
    for (int i = 0; i < count; i++) {
        counters[i].cpu = atoi(argv[i + 3]);
        start(&counters[i], argv[2]);
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
    for (int i = 0; i < count; i++) { // gone when this ends, so that their group can go
        kill(counters[i].process, SIGKILL);
        waitpid(counters[i].process, NULL, 0);
    }
    return 0;
}
