/* Several processes write to one image at once, are stopped, continued and killed at random; nothing that any of
 * them was told is flushed may be missing at the end.
 *
 * Usage: fight -c CONF [-p POOL] [-i IMAGE] [-s SEED] [-n WRITERS] [-t SECONDS] [-M MIB]
 *
 * Writer w owns the blocks whose number is w modulo WRITERS, so each block has one history: stamps that only grow. A
 * writer notes in shared memory what it submitted and, after a flush was acknowledged, what was flushed. It reads back one of
 * its own blocks now and then: while it is not fenced, it must see its own last write. A writer that gets an error
 * (it lost the image) closes, connects again and goes on. At the end each block must hold a stamp between the last one
 * flushed and the last one submitted.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <rados/librados.h>
#include <rbd/librbd.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 4096u
#define MAX_WRITERS 16
#define PATIENCE 60 /* s */

struct writer_state {
    _Atomic uint64_t next, flushes, errors, opens;
    _Atomic int stop, violation;
};

static struct shared {
    struct writer_state w[MAX_WRITERS];
} *sh;
static _Atomic uint64_t *submitted, *flushed; /* per block */

static const char *conf, *pool = "rbd", *image = "fight";
static uint64_t seed, writers = 3, seconds = 20, mib = 16, blocks, rng_state;

static uint64_t rng(void)
{
    uint64_t z = (rng_state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static void die(const char *what, int r)
{
    fprintf(stderr, "fight: %s: %s (%d)\n", what, strerror(r < 0 ? -r : r), r);
    _exit(2);
}

struct conn {
    rados_t cluster;
    rados_ioctx_t io;
    rbd_image_t img;
};

static int connect_to(struct conn *c, int open_image)
{
    int r;
    if ((r = rados_create(&c->cluster, "admin")) < 0) die("rados_create", r);
    if ((r = rados_conf_read_file(c->cluster, conf)) < 0) die(conf, r);
    if ((r = rados_connect(c->cluster)) < 0) die("rados_connect", r);
    if ((r = rados_ioctx_create(c->cluster, pool, &c->io)) < 0) die(pool, r);
    if (!open_image) return 0;
    if ((r = rbd_open(c->io, image, &c->img, NULL)) < 0) {
        rados_ioctx_destroy(c->io);
        rados_shutdown(c->cluster);
    }
    return r;
}

static void disconnect(struct conn *c, int close_image)
{
    if (close_image) rbd_close(c->img);
    rados_ioctx_destroy(c->io);
    rados_shutdown(c->cluster);
}

static void fill(unsigned char *buf, uint64_t block, uint64_t stamp)
{
    for (unsigned o = 0; o < BLOCK; o += 16) {
        memcpy(buf + o, &block, 8);
        memcpy(buf + o + 8, &stamp, 8);
    }
}

/* The stamp of a block; UINT64_MAX if it is not whole. */
static uint64_t stamp_of(const unsigned char *buf, uint64_t block)
{
    uint64_t stamp, b;
    memcpy(&stamp, buf + 8, 8);
    memcpy(&b, buf, 8);
    if (stamp && b != block) return UINT64_MAX;
    for (unsigned o = 16; o < BLOCK; o += 16)
        if (memcmp(buf, buf + o, 16)) return UINT64_MAX;
    return stamp;
}

/* One session with the image, until an error or the end. */
static void session(uint64_t me, struct writer_state *w)
{
    struct conn c;
    unsigned char buf[BLOCK];
    uint64_t batch[64], stamps[64];
    if (connect_to(&c, 1) < 0) {
        atomic_fetch_add(&w->errors, 1);
        return;
    }
    atomic_fetch_add(&w->opens, 1);
    while (!atomic_load(&w->stop)) {
        uint64_t n = 1 + rng() % 64;
        int r = 0;
        for (uint64_t i = 0; i < n; i++) {
            uint64_t b = rng() % (blocks / writers) * writers + me;
            uint64_t stamp = atomic_fetch_add(&w->next, 1) + 1;
            fill(buf, b, stamp);
            atomic_store(&submitted[b], stamp);
            batch[i] = b;
            stamps[i] = stamp;
            r = (int)rbd_write(c.img, b * BLOCK, BLOCK, (char *)buf);
            if (r < 0) break;
        }
        if (r >= 0) r = rbd_flush(c.img);
        if (r < 0) {
            atomic_fetch_add(&w->errors, 1);
            break;
        }
        for (uint64_t i = 0; i < n; i++) atomic_store(&flushed[batch[i]], stamps[i]);
        atomic_fetch_add(&w->flushes, 1);
        uint64_t b = batch[rng() % n];
        ssize_t got = rbd_read(c.img, b * BLOCK, BLOCK, (char *)buf);
        if (got == BLOCK) {
            uint64_t stamp = stamp_of(buf, b);
            if (stamp != atomic_load(&submitted[b])) {
                fprintf(stderr, "fight: VIOLATION: writer %llu reads stamp %llu in block %llu after it flushed %llu\n",
                        (unsigned long long)me, (unsigned long long)stamp, (unsigned long long)b,
                        (unsigned long long)atomic_load(&flushed[b]));
                atomic_store(&w->violation, 1);
            }
        }
    }
    disconnect(&c, 1);
}

static void writer(uint64_t me, uint64_t life)
{
    rng_state = seed * 7919 + me * 104729 + life;
    while (!atomic_load(&sh->w[me].stop)) session(me, &sh->w[me]);
    _exit(0);
}

static void check(void)
{
    struct conn c;
    unsigned char *buf = malloc(BLOCK);
    int r, failures = 0;
    if ((r = connect_to(&c, 1)) < 0) die("rbd_open", r);
    for (uint64_t b = 0; b < blocks / writers * writers; b++) {
        ssize_t got = rbd_read(c.img, b * BLOCK, BLOCK, (char *)buf);
        if (got != BLOCK) die("rbd_read", (int)got);
        uint64_t stamp = stamp_of(buf, b), lo = atomic_load(&flushed[b]), hi = atomic_load(&submitted[b]);
        if (stamp == UINT64_MAX || stamp < lo || stamp > hi) {
            fprintf(stderr, "fight: VIOLATION: block %llu holds stamp %lld, flushed %llu, submitted %llu\n",
                    (unsigned long long)b, (long long)stamp, (unsigned long long)lo, (unsigned long long)hi);
            failures++;
        }
    }
    disconnect(&c, 1);
    _exit(failures ? 1 : 0);
}

static void make_image(int create)
{
    struct conn c;
    int order = 0, r;
    connect_to(&c, 0);
    r = rbd_remove(c.io, image);
    if (r < 0 && r != -ENOENT) die("rbd_remove (on a cluster a killed writer counts as a watcher for 30 s)", r);
    if (create && (r = rbd_create(c.io, image, mib << 20, &order)) < 0) die("rbd_create", r);
    disconnect(&c, 0);
    _exit(r < 0 ? 2 : 0);
}

static int wait_for(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

static int all_have_flushed(void)
{
    for (uint64_t i = 0; i < writers; i++)
        if (!atomic_load(&sh->w[i].flushes)) return 0;
    return 1;
}

static void pause_ms(uint64_t ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

int main(int argc, char **argv)
{
    int o, failed = 0;
    seed = (uint64_t)time(NULL) * 1000 + getpid() % 1000;
    if (getenv("LOGRBD_SEED")) seed = strtoull(getenv("LOGRBD_SEED"), NULL, 0);
    while ((o = getopt(argc, argv, "c:p:i:s:n:t:M:")) != -1) switch (o) {
        case 'c': conf = optarg; break;
        case 'p': pool = optarg; break;
        case 'i': image = optarg; break;
        case 's': seed = strtoull(optarg, NULL, 0); break;
        case 'n': writers = strtoull(optarg, NULL, 0); break;
        case 't': seconds = strtoull(optarg, NULL, 0); break;
        case 'M': mib = strtoull(optarg, NULL, 0); break;
        default: return 2;
        }
    if (!conf || !writers || writers > MAX_WRITERS) {
        fprintf(stderr, "usage: fight -c CONF [-p POOL] [-i IMAGE] [-s SEED] [-n WRITERS<=16] [-t SECONDS] [-M MIB]\n");
        return 2;
    }
    blocks = mib << 8;
    size_t bytes = sizeof *sh + 2 * blocks * sizeof *submitted;
    sh = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    submitted = (void *)(sh + 1);
    flushed = submitted + blocks;
    printf("seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    pid_t pid[MAX_WRITERS], p = fork();
    uint64_t life = 0, kills = 0, stops = 0;
    if (!p) make_image(1);
    if (wait_for(p)) return 2;
    for (uint64_t i = 0; i < writers; i++)
        if (!(pid[i] = fork())) writer(i, life);
    rng_state = seed;
    time_t end = time(NULL) + seconds;
    while (time(NULL) < end) {
        uint64_t victim = rng() % writers;
        pause_ms(rng() % 1500);
        if (rng() % 3 == 0) {
            kill(pid[victim], SIGKILL);
            wait_for(pid[victim]);
            kills++;
            life++;
            if (!(pid[victim] = fork())) writer(victim, life);
        } else {
            kill(pid[victim], SIGSTOP);
            pause_ms(rng() % 3000);
            kill(pid[victim], SIGCONT);
            stops++;
        }
    }
    /* In a short fight somebody may have been stopped or killed each time that it was its turn: left alone, everybody
     * must get a turn. */
    for (time_t last = time(NULL) + PATIENCE; time(NULL) < last && !all_have_flushed();) pause_ms(20);
    for (uint64_t i = 0; i < writers; i++) atomic_store(&sh->w[i].stop, 1);
    for (uint64_t i = 0; i < writers; i++) {
        int status = wait_for(pid[i]);
        if (status || atomic_load(&sh->w[i].violation)) failed = 1;
        printf("writer %llu: %llu writes, %llu flushes, %llu sessions, %llu errors\n", (unsigned long long)i,
               (unsigned long long)atomic_load(&sh->w[i].next), (unsigned long long)atomic_load(&sh->w[i].flushes),
               (unsigned long long)atomic_load(&sh->w[i].opens), (unsigned long long)atomic_load(&sh->w[i].errors));
        if (!atomic_load(&sh->w[i].flushes)) {
            fprintf(stderr, "fight: writer %llu never got a flush through\n", (unsigned long long)i);
            failed = 1;
        }
    }
    if (!(p = fork())) check();
    if (wait_for(p)) failed = 1;
    if (!(p = fork())) make_image(0);
    if (wait_for(p)) failed = 1;
    printf("%llu kills, %llu stops: %s; seed %llu\n", (unsigned long long)kills, (unsigned long long)stops,
           failed ? "FAILED" : "ok", (unsigned long long)seed);
    return failed;
}
