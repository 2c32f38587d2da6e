/* SIGKILLs a process that writes to an image, opens the image again and checks what is there.
 *
 * Usage: crash -c CONF [-p POOL] [-i IMAGE] [-s SEED] [-r ROUNDS] [-t MAX_MS] [-q DEPTH] [-M MIB] [-T SECONDS] [-x LOGRBD] [-F]
 *
 * -T: as many rounds as fit into that time, instead of ROUNDS. -x: the tool `logrbd`, whose `check` must find the image
 * clean as the kill has left it, and after it was opened again.
 *
 * -F: the checker takes the exclusive lock first, which fences the dead writer: on a network that is cut, what the writer's kernel
 * had still to send may arrive long after the writer is dead, and after a reader has looked.
 *
 * Each block that is written is stamped with the number of its write. The writer notes in shared memory, which
 * outlives it, when each request was submitted and completed. After the kill the survivors must be explained by a
 * set S of requests with these properties:
 *   flushed   a request that completed before a completed flush was submitted is in S;
 *   prefix    if A completed before B was submitted, and B is in S, then A is in S;
 *   whole     no request is in S in one of its blocks and missing in another;
 *   real      a block holds one of the stamps written to it, or zeroes if it was discarded or never written.
 * Requests in flight at the same time never overlap, so each block has one history.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <rados/librados.h>
#include <rbd/librbd.h>
#include <semaphore.h>
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
#define MAX_OPS (1u << 20)
#define MAX_BLOCKS_OP 32u

struct op {
    uint32_t block, blocks;
    uint8_t discard;
    uint64_t submitted; /* event numbers; 0: never */
    _Atomic uint64_t completed;
};

struct shared {
    _Atomic uint64_t event;
    _Atomic uint64_t ops;
    _Atomic uint64_t flush_submitted; /* of the newest completed flush: when it was submitted */
    _Atomic uint64_t flushes;
    _Atomic int error;
    _Atomic int ready;
    struct op op[MAX_OPS];
};

struct stamp {
    uint64_t magic, seed, round, op, block;
};
#define MAGIC 0x6c6f677262647373ull

static const char *conf, *pool = "rbd", *image = "crash";
static uint64_t seed, rounds = 10, max_ms = 1500, depth = 32, mib = 64, seconds;
static struct shared *sh;
static struct stamp *base; /* what each block held when the round began; magic 0: zeroes */
static uint64_t total_blocks;
static int fence;

static uint64_t rng_state;
static uint64_t rng(void)
{
    uint64_t z = (rng_state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static void die(const char *what, int r)
{
    fprintf(stderr, "crash: %s: %s (%d)\n", what, strerror(r < 0 ? -r : r), r);
    _exit(2);
}

struct conn {
    rados_t cluster;
    rados_ioctx_t io;
    rbd_image_t img;
};

static void connect_to(struct conn *c, int open_image)
{
    int r;
    if ((r = rados_create(&c->cluster, "admin")) < 0) die("rados_create", r);
    if ((r = rados_conf_read_file(c->cluster, conf)) < 0) die(conf, r);
    if ((r = rados_connect(c->cluster)) < 0) die("rados_connect", r);
    if ((r = rados_ioctx_create(c->cluster, pool, &c->io)) < 0) die(pool, r);
    if (open_image && (r = rbd_open(c->io, image, &c->img, NULL)) < 0) die("rbd_open", r);
}

static void disconnect(struct conn *c)
{
    rados_ioctx_destroy(c->io);
    rados_shutdown(c->cluster);
}

/* ---- the writer ---- */

struct request {
    struct op *op;
    unsigned char *data;
    int is_flush;
    uint64_t flush_event;
};

static sem_t slots;
static uint8_t *busy; /* per block: a request is in flight */
static pthread_mutex_t busy_lock = PTHREAD_MUTEX_INITIALIZER;

static void completed(rbd_completion_t comp, void *arg)
{
    struct request *rq = arg;
    int r = rbd_aio_get_return_value(comp);
    rbd_aio_release(comp);
    if (r < 0) {
        atomic_store(&sh->error, r);
    } else if (rq->is_flush) {
        uint64_t old = atomic_load(&sh->flush_submitted);
        while (old < rq->flush_event && !atomic_compare_exchange_weak(&sh->flush_submitted, &old, rq->flush_event))
            ;
        atomic_fetch_add(&sh->flushes, 1);
    } else {
        atomic_store(&rq->op->completed, atomic_fetch_add(&sh->event, 1) + 1);
    }
    if (!rq->is_flush) {
        pthread_mutex_lock(&busy_lock);
        for (uint32_t i = 0; i < rq->op->blocks; i++) busy[rq->op->block + i] = 0;
        pthread_mutex_unlock(&busy_lock);
    }
    free(rq->data);
    free(rq);
    sem_post(&slots);
}

static void writer(uint64_t round)
{
    struct conn c;
    connect_to(&c, 1);
    rng_state = seed * 1000003 + round;
    busy = calloc(total_blocks, 1);
    sem_init(&slots, 0, depth);
    uint64_t flush_every = 1 + rng() % 200;
    atomic_store(&sh->ready, 1);
    for (uint64_t n = 0; n < MAX_OPS && !atomic_load(&sh->error); n++) {
        struct request *rq = calloc(1, sizeof *rq);
        rbd_completion_t comp;
        int r;
        sem_wait(&slots);
        rbd_aio_create_completion(rq, completed, &comp);
        if (rng() % flush_every == 0) {
            rq->is_flush = 1;
            rq->flush_event = atomic_fetch_add(&sh->event, 1) + 1;
            if ((r = rbd_aio_flush(c.img, comp)) < 0) die("rbd_aio_flush", r);
            n--;
            continue;
        }
        struct op *op = rq->op = &sh->op[n];
        for (;;) {
            op->blocks = rng() % 4 ? 1 : 1 + rng() % MAX_BLOCKS_OP;
            op->block = rng() % (total_blocks - op->blocks + 1);
            uint32_t i;
            pthread_mutex_lock(&busy_lock);
            for (i = 0; i < op->blocks && !busy[op->block + i]; i++)
                ;
            if (i == op->blocks) memset(busy + op->block, 1, op->blocks);
            pthread_mutex_unlock(&busy_lock);
            if (i == op->blocks) break;
        }
        op->discard = rng() % 16 == 0;
        if (!op->discard) {
            rq->data = malloc(op->blocks * BLOCK);
            for (uint32_t i = 0; i < op->blocks; i++) {
                struct stamp s = {MAGIC, seed, round, n, op->block + i};
                for (uint32_t o = 0; o + sizeof s <= BLOCK; o += sizeof s) memcpy(rq->data + i * BLOCK + o, &s, sizeof s);
                memset(rq->data + i * BLOCK + BLOCK / sizeof s * sizeof s, 0, BLOCK % sizeof s);
            }
        }
        op->submitted = atomic_fetch_add(&sh->event, 1) + 1;
        atomic_store(&sh->ops, n + 1);
        r = op->discard
                ? rbd_aio_write_zeroes(c.img, (uint64_t)op->block * BLOCK, op->blocks * BLOCK, comp, 0, 0)
                : rbd_aio_write(c.img, (uint64_t)op->block * BLOCK, op->blocks * BLOCK, (char *)rq->data, comp);
        if (r < 0) die("rbd_aio_write", r);
    }
    if (atomic_load(&sh->error)) die("a request failed", atomic_load(&sh->error));
    for (;;) pause();
}

/* ---- the checker ---- */

static int bad(const char *fmt, uint64_t a, uint64_t b, uint64_t c)
{
    fprintf(stderr, "crash: VIOLATION: ");
    fprintf(stderr, fmt, (unsigned long long)a, (unsigned long long)b, (unsigned long long)c);
    fputc('\n', stderr);
    return 1;
}

/* Reads the image, checks it, and leaves in `base` what it holds. */
static int check(uint64_t round)
{
    struct conn c;
    uint64_t nops = atomic_load(&sh->ops), chunk = 256;
    int failures = 0;
    int8_t *in = calloc(nops + 1, 1); /* 1: in S, -1: not in S, 0: cannot be told */
    /* each block's history, oldest first, as lists through arrays */
    uint64_t *head = calloc(total_blocks, sizeof *head), len = 0, cap = nops * 8 + 16;
    struct link {
        uint64_t op, next;
    } *links = malloc(cap * sizeof *links);
    for (uint64_t n = 0; n < nops; n++)
        for (uint32_t i = 0; i < sh->op[n].blocks; i++) {
            if (len + 1 == cap) links = realloc(links, (cap *= 2) * sizeof *links);
            uint64_t b = sh->op[n].block + i;
            links[++len] = (struct link){n, head[b]}; /* newest first */
            head[b] = len;
        }
    connect_to(&c, 1);
    int got = fence ? rbd_lock_acquire(c.img, RBD_LOCK_MODE_EXCLUSIVE) : 0;
    if (got < 0) die("rbd_lock_acquire", got);
    unsigned char *buf = malloc(chunk * BLOCK);
    for (uint64_t b0 = 0; b0 < total_blocks; b0 += chunk) {
        uint64_t n = total_blocks - b0 < chunk ? total_blocks - b0 : chunk;
        ssize_t r = rbd_read(c.img, b0 * BLOCK, n * BLOCK, (char *)buf);
        if (r != (ssize_t)(n * BLOCK)) die("rbd_read", (int)r);
        for (uint64_t b = b0; b < b0 + n; b++) {
            unsigned char *p = buf + (b - b0) * BLOCK;
            struct stamp s;
            memcpy(&s, p, sizeof s);
            int zero = s.magic == 0;
            for (uint32_t o = 0; o + sizeof s <= BLOCK; o += sizeof s)
                if (memcmp(p + o, &s, sizeof s)) {
                    failures += bad("block %llu is torn inside at byte %llu", b, o, 0);
                    break;
                }
            if (zero ? s.seed || s.round || s.op || s.block : s.magic != MAGIC || s.block != b || s.seed != seed) {
                failures += bad("block %llu holds what was never written there", b, 0, 0);
                continue;
            }
            /* candidates: the writes in the history that left this value; then what the block held before */
            uint64_t candidates = 0, chosen = 0;
            for (uint64_t l = head[b]; l; l = links[l].next) {
                uint64_t op = links[l].op;
                if (zero ? sh->op[op].discard : !sh->op[op].discard && s.round == round && s.op == op) {
                    candidates++;
                    chosen = l;
                }
            }
            int from_base = !memcmp(&base[b], &s, sizeof s);
            if (!candidates && !from_base) {
                failures += bad("block %llu holds write %llu of round %llu, which is not in its history", b, s.op, s.round);
            } else if (candidates + from_base == 1) {
                for (uint64_t l = head[b]; l; l = links[l].next) {
                    uint64_t op = links[l].op;
                    int8_t now = l == chosen ? 1 : -1;
                    if (in[op] && in[op] != now)
                        failures += bad("write %llu is torn: seen in part (block %llu)", op, b, 0);
                    in[op] = now;
                    if (l == chosen) break; /* older ones are hidden */
                }
            }
            base[b] = s;
        }
    }
    int r = rbd_close(c.img);
    if (r < 0) die("rbd_close", r);
    disconnect(&c);
    uint64_t flushed = atomic_load(&sh->flush_submitted), min_out = UINT64_MAX, out_op = 0, max_in = 0, in_op = 0, survived = 0;
    for (uint64_t n = 0; n < nops; n++) {
        uint64_t done = atomic_load(&sh->op[n].completed);
        if (in[n] == 1) survived++;
        if (in[n] == -1 && done && done < min_out) min_out = done, out_op = n;
        if (in[n] == 1 && sh->op[n].submitted > max_in) max_in = sh->op[n].submitted, in_op = n;
    }
    if (min_out < flushed) failures += bad("write %llu was flushed and is lost (completed at %llu, flush submitted at %llu)", out_op, min_out, flushed);
    if (min_out < max_in) failures += bad("no prefix: write %llu is lost, later write %llu is there", out_op, in_op, 0);
    printf("round %llu: %llu requests, %llu flushes, %llu known to have survived, %s\n", (unsigned long long)round,
           (unsigned long long)nops, (unsigned long long)atomic_load(&sh->flushes), (unsigned long long)survived,
           failures ? "VIOLATED" : "ok");
    fflush(stdout);
    return failures;
}

static pid_t spawn(void (*f)(uint64_t), uint64_t arg)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0) die("fork", errno);
    if (!pid) {
        f(arg);
        _exit(0);
    }
    return pid;
}

static void make_image(uint64_t arg)
{
    (void)arg;
    struct conn c;
    int order = 0, r;
    connect_to(&c, 0);
    rbd_remove(c.io, image);
    if ((r = rbd_create(c.io, image, total_blocks * BLOCK, &order)) < 0) die("rbd_create", r);
    disconnect(&c);
}

static void remove_image(uint64_t arg)
{
    (void)arg;
    struct conn c;
    int r;
    connect_to(&c, 0);
    /* On a cluster the killed one's watch lives on for a while; there is no event for its end. */
    time_t end = time(NULL) + 60;
    while ((r = rbd_remove(c.io, image)) == -EBUSY && time(NULL) < end) nanosleep(&(struct timespec){0, 200000000}, NULL);
    if (r < 0) die("rbd_remove", r);
    disconnect(&c);
}

static void check_child(uint64_t round)
{
    _exit(check(round) ? 1 : 0);
}

static int wait_for(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

/* What `logrbd check` says of the image: its exit status, 0 if all is well. */
static int tool_check(const char *tool, const char *when)
{
    pid_t pid = fork();
    if (pid < 0) die("fork", errno);
    if (pid == 0) {
        execl(tool, tool, "-c", conf, "-p", pool, "check", "-q", image, (char *)NULL);
        die(tool, errno);
    }
    int status = wait_for(pid);
    if (status) fprintf(stderr, "crash: logrbd check %s: status %d\n", when, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    return status;
}

int main(int argc, char **argv)
{
    const char *tool = NULL;
    int o;
    seed = (uint64_t)time(NULL) * 1000 + getpid() % 1000;
    if (getenv("LOGRBD_SEED")) seed = strtoull(getenv("LOGRBD_SEED"), NULL, 0);
    while ((o = getopt(argc, argv, "c:p:i:s:r:t:q:M:T:x:F")) != -1) switch (o) {
        case 'c': conf = optarg; break;
        case 'p': pool = optarg; break;
        case 'i': image = optarg; break;
        case 's': seed = strtoull(optarg, NULL, 0); break;
        case 'r': rounds = strtoull(optarg, NULL, 0); break;
        case 't': max_ms = strtoull(optarg, NULL, 0); break;
        case 'q': depth = strtoull(optarg, NULL, 0); break;
        case 'M': mib = strtoull(optarg, NULL, 0); break;
        case 'T': seconds = strtoull(optarg, NULL, 0); break;
        case 'F': fence = 1; break;
        case 'x': tool = optarg; break;
        default: return 2;
        }
    if (!conf) {
        fprintf(stderr, "usage: crash -c CONF [-p POOL] [-i IMAGE] [-s SEED] [-r ROUNDS] [-t MAX_MS] [-q DEPTH] [-M MIB] [-T SECONDS] [-x LOGRBD] [-F]\n");
        return 2;
    }
    total_blocks = mib << 8;
    sh = mmap(NULL, sizeof *sh, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    base = mmap(NULL, total_blocks * sizeof *base, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    printf("seed %llu\n", (unsigned long long)seed);
    if (wait_for(spawn(make_image, 0))) return 2;
    uint64_t kills = seed;
    uint64_t done = 0;
    time_t end = time(NULL) + (time_t)seconds;
    for (uint64_t round = 0; seconds ? time(NULL) < end : round < rounds; round++) {
        madvise(sh, sizeof *sh, MADV_REMOVE);
        memset(sh, 0, sizeof *sh);
        pid_t pid = spawn(writer, round);
        struct timespec ms = {0, 1000000};
        int status;
        while (!atomic_load(&sh->ready))
            if (nanosleep(&ms, NULL) == 0 && waitpid(pid, &status, WNOHANG) == pid) return 2;
        rng_state = kills;
        uint64_t wait_us = rng() % (max_ms * 1000) + 1;
        kills = rng();
        struct timespec t = {wait_us / 1000000, wait_us % 1000000 * 1000};
        nanosleep(&t, NULL);
        kill(pid, SIGKILL);
        status = wait_for(pid);
        if (!WIFSIGNALED(status)) {
            fprintf(stderr, "crash: the writer ended by itself (status %d)\n", status);
            return 2;
        }
        status = tool ? tool_check(tool, "after the kill") : 0;
        if (!status) status = wait_for(spawn(check_child, round));
        if (!status && tool) status = tool_check(tool, "after the recovery");
        if (status) {
            fprintf(stderr, "crash: round %llu failed; seed %llu\n", (unsigned long long)round, (unsigned long long)seed);
            return 1;
        }
        done++;
    }
    if (wait_for(spawn(remove_image, 0))) return 2;
    printf("%llu kills, each followed by a check; seed %llu\n", (unsigned long long)done, (unsigned long long)seed);
    return 0;
}
