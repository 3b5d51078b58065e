/* Work shared among threads that live as long as one call: nothing is left running, so a fork at any
 * other moment is safe. A unit is always computed by one thread in one order: results do not depend
 * on how many there are.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

enum { ALIGNMENT = 64, MOST_THREADS = 64 };

/* Computes unit number `unit`; `scratch` is the thread's own, as many floats as were asked for. */
typedef void (*Work)(const void *task, ptrdiff_t unit, float *scratch);

typedef struct {
    Work work;
    const void *task;
    ptrdiff_t units;
    atomic_ptrdiff_t next;
} Shared;

typedef struct {
    Shared *shared;
    float *scratch;
} Worker;

static ptrdiff_t round_up(ptrdiff_t x, ptrdiff_t to) { return (x + to - 1) / to * to; }

static float *floats(ptrdiff_t count) {
    return aligned_alloc(ALIGNMENT, (size_t)round_up(count * (ptrdiff_t)sizeof(float), ALIGNMENT) + ALIGNMENT);
}

static void *take_units(void *worker) {
    Worker *w = worker;
    for (;;) {
        ptrdiff_t unit = atomic_fetch_add(&w->shared->next, 1);
        if (unit >= w->shared->units) return NULL;
        w->shared->work(w->shared->task, unit, w->scratch);
    }
}

/* All units, on `threads` threads or fewer; 0, or -1 where there is no memory. */
static int in_parallel(Work work, const void *task, ptrdiff_t units, ptrdiff_t scratch, int threads) {
    Shared shared = {work, task, units, 0};
    Worker workers[MOST_THREADS];
    pthread_t ids[MOST_THREADS];
    int running = 0;
    if (threads > MOST_THREADS) threads = MOST_THREADS;
    if (threads > units) threads = (int)units;
    if (threads < 1) return 0;
    scratch = round_up(scratch, 1024) + 16; /* no two threads in one cache line, nor in one set */
    float *memory = floats(scratch * threads);
    if (!memory) return -1;
    for (int i = 0; i < threads; i++) workers[i] = (Worker){&shared, memory + i * scratch};
    /* Where a thread cannot be had, those that there are do its work. */
    while (running < threads - 1 && !pthread_create(&ids[running], NULL, take_units, &workers[running + 1]))
        running++;
    take_units(&workers[0]);
    for (int i = 0; i < running; i++) pthread_join(ids[i], NULL);
    free(memory);
    return 0;
}
