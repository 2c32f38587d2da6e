/* load: random O_DIRECT requests to a disk from several threads for some seconds, and how long they took.
 *
 *   load DEV (read|write) BYTES THREADS SECONDS FLUSH
 *
 * FLUSH: each thread calls fdatasync after so many of its writes (0: never), which counts as part of the last one.
 * Prints "N requests, S seconds, mean M us, p50 A us, p99 B us, p999 C us".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MOST_THREADS = 64, MOST = 1 << 20 };

static int disk, writes;
static long size_bytes, flush_every;
static uint64_t blocks, end_ns;

struct worker {
    pthread_t thread;
    uint64_t seed;
    uint32_t *took_us;
    long count;
};

static void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(2);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t mix(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    void *buffer;
    if (posix_memalign(&buffer, 4096, (size_t)size_bytes)) die("memory");
    for (long i = 0; i < size_bytes / 8; i++) ((uint64_t *)buffer)[i] = mix(&w->seed);
    for (uint64_t begun = now_ns(), done; begun < end_ns && w->count < MOST; begun = done) {
        off_t at = (off_t)(mix(&w->seed) % blocks * (uint64_t)size_bytes);
        ssize_t n = writes ? pwrite(disk, buffer, (size_t)size_bytes, at) : pread(disk, buffer, (size_t)size_bytes, at);
        if (n != size_bytes) die(writes ? "write" : "read");
        if (flush_every && (w->count + 1) % flush_every == 0 && fdatasync(disk)) die("fdatasync");
        done = now_ns();
        w->took_us[w->count++] = (uint32_t)((done - begun) / 1000);
    }
    return NULL;
}

static int order(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static struct worker workers[MOST_THREADS];
    if (argc != 7) {
        fprintf(stderr, "usage: load DEV (read|write) BYTES THREADS SECONDS FLUSH\n");
        return 2;
    }
    long threads = atol(argv[4]), seconds = atol(argv[5]), total = 0;
    writes = !strcmp(argv[2], "write");
    size_bytes = atol(argv[3]);
    flush_every = atol(argv[6]);
    if (threads < 1 || threads > MOST_THREADS || seconds < 1 || size_bytes < 512 || size_bytes % 512) return 2;
    if ((disk = open(argv[1], (writes ? O_RDWR : O_RDONLY) | O_DIRECT)) < 0) die(argv[1]);
    blocks = (uint64_t)lseek(disk, 0, SEEK_END) / (uint64_t)size_bytes;
    uint64_t begun = now_ns();
    end_ns = begun + (uint64_t)seconds * 1000000000u;
    for (long i = 0; i < threads; i++) {
        workers[i].seed = begun + (uint64_t)i;
        if (!(workers[i].took_us = malloc(MOST * sizeof(uint32_t)))) die("memory");
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i])) die("thread");
    }
    for (long i = 0; i < threads; i++) {
        pthread_join(workers[i].thread, NULL);
        total += workers[i].count;
    }
    double took_s = (double)(now_ns() - begun) / 1e9, sum = 0;
    uint32_t *all = malloc((size_t)total * sizeof *all + 4);
    if (!all) die("memory");
    long n = 0;
    for (long i = 0; i < threads; i++)
        for (long k = 0; k < workers[i].count; k++) sum += all[n++] = workers[i].took_us[k];
    qsort(all, (size_t)n, sizeof *all, order);
    if (!n) return 1;
    printf("%ld requests, %.3f seconds, mean %.0f us, p50 %u us, p99 %u us, p999 %u us\n", n, took_s, sum / (double)n, all[n / 2],
           all[n * 99 / 100], all[n * 999 / 1000]);
    return 0;
}
