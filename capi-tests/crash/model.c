/* Random work on an image beside a plain array of bytes that does the same; both must always be equal.
 *
 * Usage: model -c CONF [-p POOL] [-i IMAGE] [-s SEED] [-n STEPS] [-M MAX_MIB] [-v]
 *
 * Every kind of I/O at any byte offset, sync and aio, overlapping block and object borders; resize, snapshots (create,
 * read at, roll back, remove), diff between snapshots, a second reader beside the writer, close and open again. Discard may
 * leave what was there (librbd rounds to rbd_discard_granularity_bytes), so after it each byte may be old or zero.
 * The seed is printed and replays (-s or LOGRBD_SEED).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <rados/librados.h>
#include <rbd/librbd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define MAX_SNAPS 4
#define MAX_IO (3u << 20)
#define AIO 16

static const char *conf, *pool = "rbd", *image = "model";
static uint64_t seed, steps = 400, max_bytes = 32 << 20, rng_state, step_no;
static int verbose;
static int local_log; /* the image has a log on a local disk */
static rados_t cluster;
static rados_ioctx_t io;
static rbd_image_t img;

static unsigned char *now; /* the image as it must be */
static uint64_t size;
static struct snap {
    int used, id;
    uint64_t size;
    unsigned char *data;
} snaps[MAX_SNAPS];
static int next_snap;

static uint64_t rng(void)
{
    uint64_t z = (rng_state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static void fail(const char *what, int64_t a, int64_t b)
{
    fprintf(stderr, "model: step %llu: %s (%lld, %lld); seed %llu\n", (unsigned long long)step_no, what, (long long)a,
            (long long)b, (unsigned long long)seed);
    fflush(stdout);
    _exit(1);
}

static void say(const char *what, uint64_t a, uint64_t b)
{
    if (verbose) fprintf(stderr, "%llu: %s %llu %llu\n", (unsigned long long)step_no, what, (unsigned long long)a, (unsigned long long)b);
}

static void need(const char *what, int64_t r, int64_t wanted)
{
    if (r != wanted) fail(what, r, wanted);
}

/* A range inside of the image: often aligned to blocks, sometimes to anything. */
static int range(uint64_t *off, uint64_t *len, uint64_t most)
{
    static const uint64_t unit[] = {1, 512, 4096, 4096, 65536, 1 << 20};
    if (!size) return 0;
    uint64_t u = unit[rng() % 6], max = rng() % 8 ? 64 << 10 : most;
    *off = rng() % size / u * u;
    *len = (rng() % max / u + 1) * u;
    if (*len > most) *len = most;
    if (*off + *len > size) *len = size - *off;
    return *len > 0;
}

static void random_bytes(unsigned char *p, uint64_t len)
{
    uint64_t x = rng();
    for (uint64_t i = 0; i < len; i++) {
        if (i % 8 == 0) x = x * 6364136223846793005ull + 1442695040888963407ull;
        p[i] = (unsigned char)(x >> (33 + i % 8 * 3)) | 1;
    }
}

static void compare(const char *what, const unsigned char *got, const unsigned char *want, uint64_t off, uint64_t len)
{
    if (!memcmp(got, want, len)) return;
    uint64_t i = 0, last = len - 1;
    while (got[i] == want[i]) i++;
    while (got[last] == want[last]) last--;
    fprintf(stderr, "model: bytes %llu to %llu differ, first is %02x and must be %02x\n", (unsigned long long)(off + i),
            (unsigned long long)(off + last), got[i], want[i]);
    fail(what, (int64_t)off, (int64_t)len);
}

static void read_all(rbd_image_t from, const char *what, const unsigned char *want, uint64_t want_size)
{
    uint64_t got_size;
    unsigned char *buf = malloc(1 << 20);
    need("rbd_get_size", rbd_get_size(from, &got_size), 0);
    need("size", (int64_t)got_size, (int64_t)want_size);
    for (uint64_t o = 0; o < want_size; o += 1 << 20) {
        uint64_t n = want_size - o < 1 << 20 ? want_size - o : 1 << 20;
        need("rbd_read", rbd_read(from, o, n, (char *)buf), (int64_t)n);
        compare(what, buf, want + o, o, n);
    }
    free(buf);
}

static void open_image(void)
{
    need("rbd_open", rbd_open(io, image, &img, NULL), 0);
}

static void do_write(void)
{
    uint64_t off, len;
    if (!range(&off, &len, MAX_IO)) return;
    say("write", off, len);
    unsigned char *p = malloc(len);
    random_bytes(p, len);
    switch (rng() % 3) {
    case 0: need("rbd_write", rbd_write(img, off, len, (char *)p), (int64_t)len); break;
    case 1: need("rbd_write2", rbd_write2(img, off, len, (char *)p, 0), (int64_t)len); break;
    default: {
        rbd_completion_t c;
        uint64_t a = rng() % (len + 1), b = a + rng() % (len - a + 1);
        struct iovec v[3] = {{p, a}, {p + a, b - a}, {p + b, len - b}};
        rbd_aio_create_completion(NULL, NULL, &c);
        need("rbd_aio_writev", rbd_aio_writev(img, v, 3, off, c), 0);
        need("wait", rbd_aio_wait_for_complete(c), 0);
        need("rbd_aio_writev result", rbd_aio_get_return_value(c), 0);
        rbd_aio_release(c);
    }
    }
    memcpy(now + off, p, len);
    free(p);
}

static void do_read(void)
{
    uint64_t off, len;
    if (!range(&off, &len, MAX_IO)) return;
    say("read", off, len);
    unsigned char *p = malloc(len);
    if (rng() % 2) {
        need("rbd_read", rbd_read(img, off, len, (char *)p), (int64_t)len);
    } else {
        rbd_completion_t c;
        rbd_aio_create_completion(NULL, NULL, &c);
        uint64_t a = rng() % (len + 1);
        struct iovec v[2] = {{p, a}, {p + a, len - a}};
        need("rbd_aio_readv", rbd_aio_readv(img, v, 2, off, c), 0);
        need("wait", rbd_aio_wait_for_complete(c), 0);
        need("rbd_aio_readv result", rbd_aio_get_return_value(c), (int64_t)len);
        rbd_aio_release(c);
    }
    compare("read", p, now + off, off, len);
    free(p);
}

/* Several writes in flight; they do not overlap. */
static void do_aio_burst(void)
{
    rbd_completion_t c[AIO];
    unsigned char *p[AIO];
    uint64_t stride = size / AIO, n[AIO];
    if (stride < 8192) return;
    say("aio burst", stride, 0);
    for (int i = 0; i < AIO; i++) {
        uint64_t off = i * stride + rng() % (stride / 2);
        n[i] = rng() % (stride / 2 < 65536 ? stride / 2 : 65536) + 1;
        p[i] = malloc(n[i]);
        random_bytes(p[i], n[i]);
        rbd_aio_create_completion(NULL, NULL, &c[i]);
        need("rbd_aio_write", rbd_aio_write(img, off, n[i], (char *)p[i], c[i]), 0);
        memcpy(now + off, p[i], n[i]);
    }
    for (int i = 0; i < AIO; i++) {
        need("wait", rbd_aio_wait_for_complete(c[i]), 0);
        need("rbd_aio_write result", rbd_aio_get_return_value(c[i]), 0);
        rbd_aio_release(c[i]);
        free(p[i]);
    }
}

/* Many short reads at once, anywhere, some of them of the same blocks. */
static void do_read_burst(void)
{
    enum { READS = 64 };
    rbd_completion_t c[READS];
    unsigned char *p[READS];
    uint64_t off[READS], len[READS];
    int count = 0;
    say("read burst", READS, 0);
    for (int i = 0; i < READS; i++) {
        if (!range(&off[count], &len[count], 8192)) continue;
        p[count] = malloc(len[count]);
        rbd_aio_create_completion(NULL, NULL, &c[count]);
        need("rbd_aio_read", rbd_aio_read(img, off[count], len[count], (char *)p[count], c[count]), 0);
        count++;
    }
    for (int i = 0; i < count; i++) {
        need("wait", rbd_aio_wait_for_complete(c[i]), 0);
        need("rbd_aio_read result", rbd_aio_get_return_value(c[i]), (int64_t)len[i]);
        rbd_aio_release(c[i]);
        compare("read burst", p[i], now + off[i], off[i], len[i]);
        free(p[i]);
    }
}

static void do_discard(void)
{
    uint64_t off, len;
    if (!range(&off, &len, max_bytes)) return;
    say("discard", off, len);
    need("rbd_discard", rbd_discard(img, off, len), (int64_t)len);
    unsigned char *p = malloc(len);
    uint64_t done = 0;
    while (done < len) {
        uint64_t n = len - done < MAX_IO ? len - done : MAX_IO;
        need("rbd_read", rbd_read(img, off + done, n, (char *)p + done), (int64_t)n);
        done += n;
    }
    for (uint64_t i = 0; i < len; i++)
        if (p[i] && p[i] != now[off + i]) fail("a discarded byte is neither old nor zero", (int64_t)(off + i), p[i]);
    memcpy(now + off, p, len);
    free(p);
}

static void do_zero(void)
{
    uint64_t off, len;
    if (!range(&off, &len, max_bytes)) return;
    say("write_zeroes", off, len);
    need("rbd_write_zeroes", rbd_write_zeroes(img, off, len, rng() % 2 ? RBD_WRITE_ZEROES_FLAG_THICK_PROVISION : 0, 0), (int64_t)len);
    memset(now + off, 0, len);
}

static void do_writesame(void)
{
    uint64_t off, len, unit = rng() % 2 ? 512 : 4096;
    unsigned char p[4096];
    if (!range(&off, &len, MAX_IO) || len < unit) return;
    len = len / unit * unit;
    say("writesame", off, len);
    random_bytes(p, unit);
    need("rbd_writesame", rbd_writesame(img, off, len, (char *)p, unit, 0), (int64_t)len);
    for (uint64_t i = 0; i < len; i++) now[off + i] = p[i % unit];
}

static void do_compare_and_write(void)
{
    uint64_t off, mismatch = 0;
    unsigned char cmp[512], data[512];
    if (size < 512) return;
    off = rng() % (size / 512) * 512;
    memcpy(cmp, now + off, 512);
    random_bytes(data, 512);
    int differ = rng() % 2;
    uint64_t at = rng() % 512;
    if (differ) cmp[at] ^= 0x55;
    say("compare_and_write", off, differ);
    ssize_t r = rbd_compare_and_write(img, off, 512, (char *)cmp, (char *)data, &mismatch, 0);
    if (differ) {
        need("rbd_compare_and_write", r, -EILSEQ);
        /* librbd 16.2 answers the object's begin + index in the buffer, so only this much is sure */
        if (mismatch % 512 != at) fail("mismatch offset", (int64_t)mismatch, (int64_t)at);
    } else {
        need("rbd_compare_and_write", r, 512);
        memcpy(now + off, data, 512);
    }
}

static void do_resize(void)
{
    uint64_t to = rng() % 8 ? rng() % (max_bytes / 4096 + 1) * 4096 : rng() % (max_bytes + 1);
    say("resize", size, to);
    need("rbd_resize", rbd_resize(img, to), 0);
    if (to > size) memset(now + size, 0, to - size);
    size = to;
    uint64_t got;
    need("rbd_get_size", rbd_get_size(img, &got), 0);
    need("size after resize", (int64_t)got, (int64_t)size);
}

static void snap_name(char *name, int id)
{
    sprintf(name, "s%d", id);
}

static struct snap *a_snap(int used)
{
    int n = (int)(rng() % MAX_SNAPS);
    for (int i = 0; i < MAX_SNAPS; i++)
        if (snaps[(i + n) % MAX_SNAPS].used == used) return &snaps[(i + n) % MAX_SNAPS];
    return NULL;
}

static void do_snap_create(void)
{
    char name[16];
    struct snap *s = a_snap(0);
    if (!s) return;
    s->id = next_snap++;
    snap_name(name, s->id);
    say("snap create", s->id, size);
    need("rbd_snap_create", rbd_snap_create(img, name), 0);
    s->used = 1;
    s->size = size;
    s->data = malloc(size + 1);
    memcpy(s->data, now, size);
}

static void do_snap_remove(void)
{
    char name[16];
    struct snap *s = a_snap(1);
    if (!s) return;
    snap_name(name, s->id);
    say("snap remove", s->id, 0);
    need("rbd_snap_remove", rbd_snap_remove(img, name), 0);
    s->used = 0;
    free(s->data);
}

static void do_snap_rollback(void)
{
    char name[16];
    struct snap *s = a_snap(1);
    if (!s) return;
    snap_name(name, s->id);
    say("snap rollback", s->id, s->size);
    need("rbd_snap_rollback", rbd_snap_rollback(img, name), 0);
    size = s->size;
    memcpy(now, s->data, size);
    read_all(img, "after rollback", now, size);
}

static void do_snap_read(void)
{
    char name[16];
    rbd_image_t at;
    struct snap *s = a_snap(1);
    if (!s) return;
    snap_name(name, s->id);
    say("snap read", s->id, s->size);
    need("rbd_open at a snapshot", rbd_open_read_only(io, image, &at, name), 0);
    read_all(at, "snapshot", s->data, s->size);
    need("rbd_close", rbd_close(at), 0);
}

struct diff {
    const unsigned char *from, *to;
    uint64_t from_size, to_size, covered;
};

static int diff_cb(uint64_t off, size_t len, int exists, void *arg)
{
    struct diff *d = arg;
    if (off < d->covered) fail("diff goes back", (int64_t)off, (int64_t)d->covered);
    for (uint64_t i = d->covered; i < off + len && i < d->to_size; i++) {
        int inside = i >= off;
        unsigned char old = i < d->from_size ? d->from[i] : 0;
        if (!inside && old != d->to[i]) fail("diff leaves out a byte that changed", (int64_t)i, 0);
        if (inside && !exists && d->to[i]) fail("diff says hole where there is data", (int64_t)i, d->to[i]);
    }
    d->covered = off + len;
    return 0;
}

static void do_diff(void)
{
    char name[16];
    struct snap *s = a_snap(1);
    struct diff d = {NULL, now, 0, size, 0};
    if (s) snap_name(name, s->id), d.from = s->data, d.from_size = s->size;
    say("diff", s ? s->id : -1, size);
    need("rbd_flush", rbd_flush(img), 0);
    need("rbd_diff_iterate2", rbd_diff_iterate2(img, s ? name : NULL, 0, size, 1, 0, diff_cb, &d), 0);
    diff_cb(size, 0, 1, &d);
}

static void do_second_reader(void)
{
    rbd_image_t other;
    if (local_log) return do_write(); /* a reader sees what is in the store, and a flush is local */
    say("second reader", 0, 0);
    need("rbd_flush", rbd_flush(img), 0);
    need("rbd_open_read_only", rbd_open_read_only(io, image, &other, NULL), 0);
    read_all(other, "second reader", now, size);
    do_write();
    need("rbd_flush", rbd_flush(img), 0);
    read_all(other, "second reader after a flush", now, size);
    need("rbd_close", rbd_close(other), 0);
}

static void do_reopen(void)
{
    say("reopen", 0, 0);
    need("rbd_close", rbd_close(img), 0);
    open_image();
    read_all(img, "after reopening", now, size);
}

static void do_flush(void)
{
    say("flush", 0, 0);
    need("rbd_flush", rbd_flush(img), 0);
}

static void do_invalidate(void)
{
    say("invalidate_cache", 0, 0);
    need("rbd_invalidate_cache", rbd_invalidate_cache(img), 0);
}

static const struct {
    const char *name;
    void (*run)(void);
    int weight;
} work[] = {
    {"write", do_write, 60},           {"read", do_read, 40},
    {"aio burst", do_aio_burst, 15},   {"read burst", do_read_burst, 10},
    {"discard", do_discard, 8},
    {"zero", do_zero, 8},              {"writesame", do_writesame, 5},
    {"compare_and_write", do_compare_and_write, 6}, {"resize", do_resize, 4},
    {"snap create", do_snap_create, 5}, {"snap remove", do_snap_remove, 3},
    {"snap rollback", do_snap_rollback, 2}, {"snap read", do_snap_read, 4},
    {"diff", do_diff, 3},              {"second reader", do_second_reader, 2},
    {"reopen", do_reopen, 3},          {"flush", do_flush, 12},
    {"invalidate", do_invalidate, 2},
};

int main(int argc, char **argv)
{
    int o, order = 22, total = 0;
    unsigned count[sizeof work / sizeof *work] = {0};
    seed = (uint64_t)time(NULL) * 1000 + getpid() % 1000;
    if (getenv("LOGRBD_SEED")) seed = strtoull(getenv("LOGRBD_SEED"), NULL, 0);
    while ((o = getopt(argc, argv, "c:p:i:s:n:M:Lv")) != -1) switch (o) {
        case 'c': conf = optarg; break;
        case 'p': pool = optarg; break;
        case 'i': image = optarg; break;
        case 's': seed = strtoull(optarg, NULL, 0); break;
        case 'n': steps = strtoull(optarg, NULL, 0); break;
        case 'M': max_bytes = strtoull(optarg, NULL, 0) << 20; break;
        case 'L': local_log = 1; break;
        case 'v': verbose = 1; break;
        default: return 2;
        }
    if (!conf) {
        fprintf(stderr, "usage: model -c CONF [-p POOL] [-i IMAGE] [-s SEED] [-n STEPS] [-M MAX_MIB] [-L] [-v]\n");
        return 2;
    }
    printf("seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    rng_state = seed;
    need("rados_create", rados_create(&cluster, "admin"), 0);
    need("rados_conf_read_file", rados_conf_read_file(cluster, conf), 0);
    need("rados_connect", rados_connect(cluster), 0);
    need("rados_ioctx_create", rados_ioctx_create(cluster, pool, &io), 0);
    size = max_bytes / 2;
    now = calloc(1, max_bytes);
    need("rbd_create", rbd_create(io, image, size, &order), 0);
    open_image();
    for (unsigned i = 0; i < sizeof work / sizeof *work; i++) total += work[i].weight;
    for (step_no = 0; step_no < steps; step_no++) {
        int pick = (int)(rng() % total);
        unsigned i = 0;
        while ((pick -= work[i].weight) >= 0) i++;
        work[i].run();
        count[i]++;
    }
    do_reopen();
    for (int i = 0; i < MAX_SNAPS; i++)
        while (snaps[i].used) do_snap_remove();
    need("rbd_close", rbd_close(img), 0);
    need("rbd_remove", rbd_remove(io, image), 0);
    rados_ioctx_destroy(io);
    rados_shutdown(cluster);
    for (unsigned i = 0; i < sizeof work / sizeof *work; i++) printf("%s %u, ", work[i].name, count[i]);
    printf("ok; seed %llu\n", (unsigned long long)seed);
    return 0;
}
