/* A fixed series of work on an image and on plain objects, on a file system that fails (faultfs), and a check of what is left.
 *
 * Usage: faults -f FAULTFS -d DIR -m MODE [-s SEED] [-n OPS] [-k CALL] [-T SECONDS | -a] [-j SHARD/SHARDS] [-c LINES] [-l TEXT] [-S] [-v]
 *
 * MODE: power        at call K the power goes; every way in which what was not synced may survive is checked
 *       nospace      ENOSPC at call K;  nospace-long: from K on for 40 calls;  nospace-short: the write at K is cut in half
 *       eio-write, eio-sync   EIO at call K;  eio-read: the next reads fail
 * -k one K; -T random K until the time is over; -a every K. -l: syncs of files with TEXT in their
 * name do nothing: the check has to notice. What the library logs goes to DIR/log.
 * -c: lines for the conf file's [client] section ("\n" between).
 *
 * Work is sequential, so what is acknowledged is a number of steps. The image must be as after j steps, with j at least the
 * last step that a flush covers; snapshots as they were when they were taken; an object as after its last acknowledged list, or
 * the one that was under way. In the modes with errors the process goes on: it opens the image again, checks it, and works on.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <rados/librados.h>
#include <rbd/librbd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 4096u
#define BLOCKS 1024u
#define MAX_STEPS 4096u
#define SNAPS 64u
#define OBJECTS 4u
#define LARGEST 1200000u
#define IMAGE "image"

enum step_kind { WRITE = 1, ZERO, FLUSH, SNAP, UNSNAP, ROLLBACK, RESIZE, REOPEN };

struct state {
    uint32_t blocks, stamp[BLOCKS];
};

struct step {
    uint8_t kind;
    uint32_t block, count, stamp, snap;
};

struct snap {
    uint8_t made, made_ok, gone, gone_ok; /* begun and acknowledged */
    struct state state;
};

struct object {
    uint32_t acked, begun; /* numbers of lists; odd multiples of 8 are removals */
};

static struct shared {
    volatile int created; /* 1: begun, 2: acknowledged */
    volatile uint32_t steps, done, durable; /* begun, acknowledged, must survive */
    volatile int finished;
    volatile uint32_t errors, reopens, wrong_errno, reads;
    struct state base; /* as before steps[0] */
    struct step step[MAX_STEPS];
    struct snap snap[SNAPS];
    volatile uint32_t snaps;
    struct object object[OBJECTS];
} *sh;

static const char *faultfs, *dir, *mode = "power", *extra = "";
static uint64_t seed = 1, ops = 160, only_k, rng_state;
static int seconds, every, verbose, shard, shards = 1;
static const char *lazy;
static FILE *err; /* ours; the library's own log goes to DIR/log */
static char mnt[512], control[600];

static uint64_t rng(void)
{
    uint64_t z = (rng_state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static int bad(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(err, "faults: VIOLATION: ");
    vfprintf(err, fmt, ap);
    fputc('\n', err);
    va_end(ap);
    return 1;
}

static void die(const char *what, int r)
{
    fprintf(err, "faults: %s: %s (%d)\n", what, strerror(r < 0 ? -r : r), r);
    _exit(2);
}

/* ---- connections ---- */

static int local_log; /* -S: the image has a log beside the store, on the same disk */

struct conn {
    rados_t cluster;
    rados_ioctx_t io;
    rbd_image_t img;
};

static int connect_to(struct conn *c, const char *folder)
{
    char conf[1200];
    int r;
    memset(c, 0, sizeof *c);
    snprintf(conf, sizeof conf, "local:%s", folder);
    /* The log's path is in the image, and what survives is written to another folder. */
    if (local_log) {
        char parent[1200];
        snprintf(parent, sizeof parent, "%.*s", (int)(strrchr(folder, '/') - folder), folder);
        if (chdir(parent) < 0) return -errno;
    }
    if ((r = rados_create(&c->cluster, "admin")) < 0) return r;
    rados_conf_read_file(c->cluster, getenv("FAULTS_CONF"));
    if ((r = rados_conf_set(c->cluster, "mon_host", conf)) >= 0 && (r = rados_connect(c->cluster)) >= 0 &&
        (r = rados_ioctx_create(c->cluster, "rbd", &c->io)) >= 0)
        return 0;
    rados_shutdown(c->cluster);
    c->cluster = NULL;
    return r;
}

static void disconnect(struct conn *c)
{
    if (!c->cluster) return;
    rados_ioctx_destroy(c->io);
    rados_shutdown(c->cluster);
    c->cluster = NULL;
}

static void tell(const char *text)
{
    int fd = open(control, O_WRONLY);
    if (fd < 0 || write(fd, text, strlen(text)) < 0) die(text, errno);
    close(fd);
}

static void counters(unsigned long long *calls, int *dead, unsigned long long *fired)
{
    char text[100] = "";
    int fd = open(control, O_RDONLY);
    if (fd < 0 || read(fd, text, sizeof text - 1) < 0 || sscanf(text, "%llu %d %llu", calls, dead, fired) != 3) die("control", errno);
    close(fd);
}

/* ---- contents ---- */

static void fill(unsigned char *p, uint32_t block, uint32_t stamp)
{
    uint64_t word[2] = {((uint64_t)block << 32) | stamp, seed};
    for (uint32_t o = 0; o < BLOCK; o += sizeof word) memcpy(p + o, word, sizeof word);
}

/* UINT32_MAX: nothing that was ever written to that block. */
static uint32_t stamp_of(const unsigned char *p, uint32_t block)
{
    uint64_t word[2];
    memcpy(word, p, sizeof word);
    for (uint32_t o = sizeof word; o < BLOCK; o += sizeof word)
        if (memcmp(p, p + o, sizeof word)) return UINT32_MAX;
    if (!word[0] && !word[1]) return 0;
    return word[1] == seed && word[0] >> 32 == block ? (uint32_t)word[0] : UINT32_MAX;
}

static void apply(struct state *s, const struct step *step)
{
    switch (step->kind) {
    case WRITE:
    case ZERO:
        for (uint32_t i = 0; i < step->count; i++) s->stamp[step->block + i] = step->stamp;
        break;
    case RESIZE:
        for (uint32_t i = step->count; i < s->blocks; i++) s->stamp[i] = 0;
        s->blocks = step->count;
        break;
    case ROLLBACK: *s = sh->snap[step->snap].state; break;
    }
}

static int same(const struct state *a, const struct state *b)
{
    return a->blocks == b->blocks && !memcmp(a->stamp, b->stamp, a->blocks * sizeof a->stamp[0]);
}

/* The whole image as it reads; an errno, or 0. */
static int read_state(rbd_image_t img, struct state *s)
{
    static unsigned char buf[64 * BLOCK];
    uint64_t size;
    int r = rbd_get_size(img, &size);
    if (r < 0) return r;
    memset(s, 0, sizeof *s);
    s->blocks = (uint32_t)(size / BLOCK);
    if (s->blocks > BLOCKS) return bad("the image has %u blocks", s->blocks), -EINVAL;
    for (uint32_t b = 0; b < s->blocks; b += 64) {
        uint32_t n = s->blocks - b < 64 ? s->blocks - b : 64;
        ssize_t got = rbd_read(img, (uint64_t)b * BLOCK, n * BLOCK, (char *)buf);
        if (got < 0) return (int)got;
        for (uint32_t i = 0; i < n; i++) s->stamp[b + i] = stamp_of(buf + i * BLOCK, b + i);
    }
    return 0;
}

/* ---- plain objects ---- */

static void object_name(char *name, uint32_t o)
{
    sprintf(name, "object%u", o);
}

static int is_removal(uint32_t list)
{
    return list % 8 == 5;
}

static size_t object_data(uint32_t o, uint32_t list, char *p)
{
    /* The largest ones are files of their own, which go round. */
    static const size_t sizes[] = {100, 5000, LARGEST, 40000, LARGEST, 300000, LARGEST};
    size_t n = sizes[list / 2 % 7] + list;
    for (size_t i = 0; i < n; i++) p[i] = (char)(o * 31 + list * 7 + i * (1 + list % 5) + (i >> 8));
    return n;
}

static int object_write(struct conn *c, uint32_t o, uint32_t list)
{
    static char data[LARGEST + 100000];
    char name[32], value[32];
    object_name(name, o);
    rados_write_op_t op = rados_create_write_op();
    if (is_removal(list)) {
        rados_write_op_remove(op);
    } else {
        size_t n = object_data(o, list, data), len = (size_t)sprintf(value, "%u", list);
        char key[32];
        const char *keys[] = {"list", key}, *values[] = {value, value};
        size_t lens[] = {len, len};
        sprintf(key, "k%u", list % 8);
        rados_write_op_write_full(op, data, n);
        rados_write_op_omap_set(op, keys, values, lens, 2);
        rados_write_op_setxattr(op, "list", value, len);
    }
    int r = rados_write_op_operate(op, c->io, name, NULL, 0);
    rados_release_write_op(op);
    return r;
}

/* Which list the object is as after: 0 none (or not there), UINT32_MAX: none that could be. An errno, or 0. */
static int object_read(struct conn *c, uint32_t o, uint32_t *list)
{
    static char data[LARGEST + 100000], want[LARGEST + 100000];
    char name[32], value[32] = "", omap[32] = "";
    object_name(name, o);
    int r = rados_getxattr(c->io, name, "list", value, sizeof value - 1);
    if (r == -ENOENT) return *list = 0, 0;
    if (r < 0) return r == -ENODATA ? (*list = UINT32_MAX, 0) : r;
    *list = (uint32_t)strtoul(value, NULL, 10);
    int got = rados_read(c->io, name, data, sizeof data, 0);
    if (got < 0) return got;
    size_t n = object_data(o, *list, want);
    if ((size_t)got != n || memcmp(data, want, n)) return bad("%s: data is not that of list %u", name, *list), *list = UINT32_MAX, 0;
    const char *key = "list";
    rados_omap_iter_t it;
    int ret = 0;
    rados_read_op_t op = rados_create_read_op();
    char *k = NULL, *v = NULL;
    size_t len = 0;
    rados_read_op_omap_get_vals_by_keys(op, &key, 1, &it, &ret);
    r = rados_read_op_operate(op, c->io, name, 0);
    if (r >= 0 && ret >= 0 && rados_omap_get_next(it, &k, &v, &len) == 0 && k && len < sizeof omap) memcpy(omap, v, len);
    if (r >= 0 && ret >= 0) rados_omap_get_end(it);
    rados_release_read_op(op);
    if (r < 0) return r;
    if (strcmp(omap, value)) return bad("%s: omap is at list '%s', xattr at '%s'", name, omap, value), *list = UINT32_MAX, 0;
    return 0;
}

/* 0: the object is as it may be, and `acked` says which it is. 1: not. An errno. */
static int object_check(struct conn *c, uint32_t o)
{
    struct object *x = &sh->object[o];
    uint32_t list;
    int r = object_read(c, o, &list);
    if (r < 0) return r;
    uint32_t acked = is_removal(x->acked) ? 0 : x->acked, begun = is_removal(x->begun) ? 0 : x->begun;
    if (list == UINT32_MAX || (list != acked && list != begun))
        return bad("object%u is as after list %d, acknowledged %u, begun %u", o, (int)list, x->acked, x->begun);
    x->acked = list == acked ? x->acked : x->begun;
    x->begun = x->acked;
    return 0;
}

/* ---- the check of an image ---- */

static void snap_name(char *name, uint32_t s)
{
    sprintf(name, "snap%u", s);
}

static int snaps_check(struct conn *c)
{
    rbd_snap_info_t info[SNAPS];
    int max = SNAPS, failures = 0, n = rbd_snap_list(c->img, info, &max);
    if (n < 0) return n;
    uint8_t there[SNAPS] = {0};
    for (int i = 0; i < n; i++) {
        unsigned s = SNAPS;
        if (sscanf(info[i].name, "snap%u", &s) != 1 || s >= sh->snaps) failures += bad("there is a snapshot %s", info[i].name);
        else there[s] = 1;
    }
    if (n) rbd_snap_list_end(info);
    for (uint32_t s = 0; s < sh->snaps; s++) {
        struct snap *x = &sh->snap[s];
        char name[32];
        struct state got;
        rbd_image_t at;
        int r;
        snap_name(name, s);
        if (x->made_ok && !x->gone && !there[s]) failures += bad("snapshot %s is lost", name);
        if ((x->gone_ok || !x->made) && there[s]) failures += bad("snapshot %s is back", name);
        if (!there[s]) continue;
        if ((r = rbd_open_read_only(c->io, IMAGE, &at, name)) < 0) return failures ? 1 : r;
        r = read_state(at, &got);
        rbd_close(at);
        if (r < 0) return failures ? 1 : r;
        if (!same(&got, &x->state)) failures += bad("snapshot %s differs from what it was", name);
    }
    for (uint32_t s = 0; s < sh->snaps; s++) /* what is there now is settled */
        if (there[s]) sh->snap[s].made_ok = 1, sh->snap[s].gone = 0;
        else sh->snap[s].gone = sh->snap[s].gone_ok = 1;
    return failures ? 1 : 0;
}

/* 0: the image is as it may be, and becomes the new base. 1: it is not. An errno: it cannot be read. */
static int image_check(struct conn *c)
{
    static struct state got, s;
    int r = read_state(c->img, &got), found = -1;
    if (r < 0) return r;
    s = sh->base;
    for (uint32_t j = 0; j <= sh->steps; j++) {
        if (j >= sh->durable && same(&s, &got)) found = (int)j;
        if (j < sh->steps) apply(&s, &sh->step[j]);
    }
    if (found < 0) {
        int before = -1;
        s = sh->base;
        for (uint32_t j = 0; j < sh->durable; j++) {
            if (same(&s, &got)) before = (int)j;
            apply(&s, &sh->step[j]);
        }
        for (uint32_t b = 0; before < 0 && b < got.blocks; b++)
            if (got.stamp[b] != s.stamp[b]) {
                fprintf(err, "faults: block %u has stamp %d, flushed was %u; size %u, flushed %u\n", b, (int)got.stamp[b], s.stamp[b], got.blocks, s.blocks);
                break;
            }
        return before >= 0 ? bad("the image is as after step %d; %u are flushed, %u begun", before, sh->durable, sh->steps)
                           : bad("the image is as after no step; %u are flushed, %u begun", sh->durable, sh->steps);
    }
    if ((r = snaps_check(c))) return r;
    sh->base = got;
    sh->steps = sh->done = sh->durable = 0;
    return 0;
}

/* Everything, in a store that nobody uses. */
static int check_all(const char *folder)
{
    struct conn c;
    int r, failures = 0;
    if ((r = connect_to(&c, folder)) < 0) return bad("the store does not open: %s", strerror(-r));
    for (uint32_t o = 0; o < OBJECTS; o++)
        if ((r = object_check(&c, o))) failures += r > 0 ? 1 : bad("object%u: %s", o, strerror(-r));
    r = rbd_open(c.io, IMAGE, &c.img, NULL);
    if (r < 0 && sh->created == 2) {
        failures += bad("the image does not open: %s", strerror(-r));
    } else if (r >= 0) {
        r = sh->created ? image_check(&c) : bad("there is an image");
        if (r) failures += r > 0 ? 1 : bad("the image: %s", strerror(-r));
        unsigned char data[BLOCK];
        fill(data, 1, 77);
        if ((r = (int)rbd_write(c.img, BLOCK, BLOCK, (char *)data)) < 0 || (r = rbd_flush(c.img)) < 0)
            failures += bad("the image takes no write: %s", strerror(-r));
        if ((r = rbd_close(c.img)) < 0) failures += bad("the image does not close: %s", strerror(-r));
    }
    if (sh->created < 2) { /* half an image must not be in the way */
        int order = 20;
        r = rbd_remove(c.io, IMAGE);
        if (r < 0 && r != -ENOENT) failures += bad("half an image cannot be removed: %s", strerror(-r));
        if ((r = rbd_create(c.io, IMAGE, BLOCKS * BLOCK, &order)) < 0) failures += bad("no image can be made: %s", strerror(-r));
    }
    disconnect(&c);
    return failures ? 1 : 0;
}

/* ---- the work ---- */

static int tolerant; /* errors are expected, and one goes on */
static int wanted_errno;

static int note(const char *what, int r)
{
    if (!tolerant) _exit(0); /* the power is gone */
    sh->errors++;
    if (verbose) fprintf(err, "faults: %s: %d\n", what, r);
    if (r != wanted_errno) {
        sh->wrong_errno++;
        fprintf(err, "faults: %s gave %s (%d), not %s\n", what, strerror(-r), r, strerror(-wanted_errno));
    }
    return r;
}

static void retry(struct conn *c, const char *folder, int with_image)
{
    for (int tries = 0;; tries++) {
        int r;
        if (tries == 60) tell("clear");
        if (tries == 70) _exit(bad("it does not work again") + 9);
        if (!c->cluster && (r = connect_to(c, folder)) < 0) {
            note("rados_connect", r);
            continue;
        }
        if (!with_image) return;
        if ((r = rbd_open(c->io, IMAGE, &c->img, NULL)) < 0) {
            note("rbd_open", r);
            if (tries % 3 == 2) disconnect(c);
            continue;
        }
        r = image_check(c);
        if (r > 0) _exit(11);
        if (r == 0) return;
        note("reading everything", r);
        rbd_close(c->img);
    }
}

static void work(const char *folder)
{
    struct conn c = {0};
    struct state now;
    int order = 20, r;
    rng_state = seed;
    retry(&c, folder, 0);
    sh->created = 1;
    sh->base.blocks = BLOCKS;
    for (int tries = 0; (r = rbd_create(c.io, IMAGE, BLOCKS * BLOCK, &order)) < 0; tries++) {
        note("rbd_create", r);
        if (tries == 60) tell("clear");
        if (tries == 70) _exit(bad("rbd_create does not work again: %d", r) + 9);
        int gone = rbd_remove(c.io, IMAGE);
        if (gone < 0 && gone != -ENOENT) note("rbd_remove", gone);
    }
    sh->created = 2;
    retry(&c, folder, 1);
    now = sh->base;
    static unsigned char buf[32 * BLOCK], back[32 * BLOCK];
    for (uint64_t n = 0; n < ops; n++) {
        uint64_t pick = rng() % 100;
        if (pick < 18) {
            uint32_t o = (uint32_t)(rng() % OBJECTS);
            struct object *x = &sh->object[o];
            x->begun = x->acked + 1;
            if (is_removal(x->begun) && is_removal(x->acked)) x->begun++;
            r = object_write(&c, o, x->begun);
            if (r == -ENOENT && is_removal(x->begun) && x->acked == 0) r = 0;
            if (r < 0) {
                note("an object's list", r);
                for (int tries = 0; (r = object_check(&c, o)); tries++) {
                    if (r > 0) _exit(11);
                    note("reading an object", r);
                    if (tries == 60) tell("clear");
                    if (tries == 70) _exit(bad("object%u cannot be read: %d", o, r) + 9);
                }
            } else {
                x->acked = x->begun;
            }
            continue;
        }
        struct step st = {0};
        uint32_t live[SNAPS], lives = 0;
        for (uint32_t s = 0; s < sh->snaps; s++)
            if (sh->snap[s].made_ok && !sh->snap[s].gone) live[lives++] = s;
        st.count = 1 + (uint32_t)(rng() % (rng() % 3 ? 4 : 32));
        if (st.count > now.blocks) st.count = now.blocks;
        st.block = (uint32_t)(rng() % (now.blocks - st.count + 1));
        st.stamp = (uint32_t)n + 1;
        st.kind = pick < 62 ? WRITE : pick < 67 ? ZERO : pick < 84 ? FLUSH : pick < 88 ? SNAP : pick < 91 ? UNSNAP : pick < 93 ? ROLLBACK : pick < 96 ? RESIZE : REOPEN;
        if (st.kind == ZERO) st.stamp = 0;
        if (st.kind == RESIZE) st.count = BLOCKS / 2 + (uint32_t)(rng() % (BLOCKS / 2 + 1));
        if (st.kind == SNAP && (lives >= 3 || sh->snaps == SNAPS)) st.kind = UNSNAP;
        if ((st.kind == UNSNAP || st.kind == ROLLBACK) && !lives) st.kind = FLUSH;
        if (st.kind == UNSNAP || st.kind == ROLLBACK) st.snap = live[rng() % lives];
        if (st.kind == SNAP) st.snap = sh->snaps;
        if (sh->steps == MAX_STEPS) _exit(3);
        char name[32];
        snap_name(name, st.snap);
        struct state after = now;
        apply(&after, &st);
        sh->step[sh->steps] = st;
        if (st.kind == SNAP) sh->snap[st.snap].state = now, sh->snap[st.snap].made = 1, sh->snaps++;
        if (st.kind == UNSNAP) sh->snap[st.snap].gone = 1;
        sh->steps++;
        int durable = 0;
        switch (st.kind) {
        case WRITE:
            for (uint32_t i = 0; i < st.count; i++) fill(buf + i * BLOCK, st.block + i, st.stamp);
            r = (int)rbd_write(c.img, (uint64_t)st.block * BLOCK, st.count * BLOCK, (char *)buf);
            break;
        case ZERO: r = (int)rbd_write_zeroes(c.img, (uint64_t)st.block * BLOCK, st.count * BLOCK, 0, 0); break;
        case FLUSH: r = rbd_flush(c.img), durable = 1; break;
        case SNAP:
            r = rbd_snap_create(c.img, name), durable = 1;
            if (r >= 0) sh->snap[st.snap].made_ok = 1;
            break;
        case UNSNAP:
            r = rbd_snap_remove(c.img, name);
            if (r >= 0) sh->snap[st.snap].gone_ok = 1;
            break;
        case ROLLBACK: r = rbd_snap_rollback(c.img, name), durable = 1; break;
        case RESIZE: r = rbd_resize(c.img, (uint64_t)st.count * BLOCK), durable = 1; break;
        default:
            r = rbd_close(c.img), durable = 1;
            if (r >= 0) sh->durable = sh->steps;
            if (r >= 0 && rng() % 2) disconnect(&c);
            if (r >= 0 && c.cluster) r = rbd_open(c.io, IMAGE, &c.img, NULL);
            else if (r >= 0 && (r = connect_to(&c, folder)) >= 0) r = rbd_open(c.io, IMAGE, &c.img, NULL);
            if (r < 0) { /* it is closed, whatever close said */
                note("close and open", r);
                retry(&c, folder, 1);
                now = sh->base;
                sh->reopens++;
                continue;
            }
        }
        if (r < 0) {
            static const char *const names[] = {"", "rbd_write", "rbd_write_zeroes", "rbd_flush", "rbd_snap_create", "rbd_snap_remove", "rbd_snap_rollback", "rbd_resize", ""};
            note(names[st.kind], r);
            rbd_close(c.img);
            sh->reopens++;
            retry(&c, folder, 1);
            now = sh->base;
            continue;
        }
        now = after;
        sh->done = sh->steps;
        if (durable) sh->durable = sh->steps;
        uint32_t count = 1 + (uint32_t)(rng() % 32), block = (uint32_t)(rng() % (now.blocks - count + 1));
        ssize_t got = rbd_read(c.img, (uint64_t)block * BLOCK, count * BLOCK, (char *)back);
        if (got < 0) {
            note("rbd_read", (int)got);
            continue;
        }
        sh->reads++;
        for (uint32_t i = 0; i < count; i++)
            if (stamp_of(back + i * BLOCK, block + i) != now.stamp[block + i])
                _exit(bad("step %u: block %u reads as stamp %d, must be %u", sh->steps, block + i, (int)stamp_of(back + i * BLOCK, block + i), now.stamp[block + i]) + 10);
    }
    while ((r = rbd_flush(c.img)) < 0 && tolerant) {
        note("the last flush", r);
        rbd_close(c.img);
        retry(&c, folder, 1);
    }
    if (r >= 0) sh->durable = sh->steps;
    if ((r = rbd_close(c.img)) < 0) note("the last close", r);
    sh->finished = 1;
    disconnect(&c);
    _exit(0);
}

/* ---- the driver ---- */

static int wait_ms(pid_t pid, int ms, int *status)
{
    struct timespec t = {0, 1000000};
    for (; ms > 0; ms--) {
        if (waitpid(pid, status, WNOHANG) == pid) return 1;
        nanosleep(&t, NULL);
    }
    return 0;
}

/* In a process of its own, on a copy of what is known; 0: all is as it must be. */
static int check_in_child(const char *folder, const char *what, uint64_t k)
{
    static struct shared *copy;
    int status;
    if (!copy) copy = malloc(sizeof *copy);
    memcpy(copy, sh, sizeof *sh);
    fflush(stdout);
    pid_t pid = fork();
    if (!pid) _exit(check_all(folder));
    if (!wait_ms(pid, 60000, &status)) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        bad("the check hangs");
        status = 1;
    }
    memcpy(sh, copy, sizeof *sh);
    if (status) fprintf(err, "faults: FAILED %s: seed %llu, call %llu, %s (status %x)\n", mode, (unsigned long long)seed, (unsigned long long)k, what, status);
    return status != 0;
}

static void remove_tree(const char *path)
{
    char text[1200];
    snprintf(text, sizeof text, "rm -rf '%s'", path);
    if (system(text)) die(path, EIO);
}

static pid_t server;

static void mount_it(void)
{
    unsigned long long a, b;
    int status;
    mkdir(mnt, 0700);
    server = fork();
    if (!server) {
        execl(faultfs, faultfs, mnt, (char *)NULL);
        _exit(127);
    }
    for (int ms = 0; access(control, F_OK); ms++) {
        if (ms > 5000 || waitpid(server, &status, WNOHANG) == server) die("the file system does not mount", EIO);
        struct timespec t = {0, 1000000};
        nanosleep(&t, NULL);
    }
    counters(&a, &status, &b);
}

static void unmount_it(void)
{
    int status;
    if (umount2(mnt, 0) && umount2(mnt, MNT_DETACH)) die("umount", errno);
    if (!wait_ms(server, 5000, &status)) kill(server, SIGKILL), waitpid(server, &status, 0);
}

/* One run with the fault at call k (0: none). */
static int run(uint64_t k, unsigned long long *calls, unsigned long long *fired)
{
    char text[1400], folder[700];
    int dead, status = 0, failed = 0, ended = 0, power = !strcmp(mode, "power");
    memset(sh, 0, sizeof *sh);
    mount_it();
    snprintf(folder, sizeof folder, "%s/store", mnt);
    if (lazy) snprintf(text, sizeof text, "lazy %s", lazy), tell(text);
    if (verbose) snprintf(text, sizeof text, "trace %s/trace", dir), tell(text);
    unsigned long long n = (unsigned long long)k;
    if (!k) text[0] = 0;
    else if (power) sprintf(text, "power %llu", n);
    else if (!strcmp(mode, "nospace")) sprintf(text, "nospace %llu 1", n);
    else if (!strcmp(mode, "nospace-short")) sprintf(text, "nospace %llu 2 short", n);
    else if (!strcmp(mode, "nospace-long")) sprintf(text, "nospace %llu 40", n);
    else if (!strcmp(mode, "eio-write")) sprintf(text, "eio-write %llu 1", n);
    else if (!strcmp(mode, "eio-sync")) sprintf(text, "eio-sync %llu 8", n);
    else text[0] = 0;
    if (text[0]) tell(text);
    tolerant = !power;
    wanted_errno = strncmp(mode, "nospace", 7) ? -EIO : -ENOSPC;
    fflush(stdout);
    pid_t pid = fork();
    if (!pid) work(folder);
    uint64_t lcg = seed + k;
    for (int ms = 0; ms < 120000 && !ended; ms += 2) {
        ended = wait_ms(pid, 2, &status);
        counters(calls, &dead, fired);
        if (power && dead && !ended) {
            ended = wait_ms(pid, 150, &status);
            break;
        }
        if (k && !strcmp(mode, "eio-read") && (lcg = lcg * 6364136223846793005ull + 1) >> 33 & 1) tell("eio-read 1");
    }
    if (!ended) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        if (!power) failed |= bad("the work hangs"), status = 1;
        else status = 0;
    }
    counters(calls, &dead, fired);
    /* Without power nothing can be read any more, and a page of the log's index that is mapped but not in memory is a SIGBUS. */
    if (power && dead && WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS) status = 0;
    if (status) failed = 1;
    if (failed) fprintf(err, "faults: FAILED %s: seed %llu, call %llu, in the work (status %x)\n", mode, (unsigned long long)seed, n, status);
    if (sh->wrong_errno) failed = 1, fprintf(err, "faults: FAILED %s: seed %llu, call %llu: another errno\n", mode, (unsigned long long)seed, n);
    static const char *const ways[] = {"none", "random", "pages", "journal", "all"};
    for (unsigned w = 0; w < (power ? 5u : 1u) && !failed; w++) {
        char survivors[600];
        snprintf(survivors, sizeof survivors, "%s/survivors", dir);
        snprintf(text, sizeof text, "survive %s %llu %s", ways[w], (unsigned long long)(seed * 1000003 + k), survivors);
        tell(text);
        snprintf(text, sizeof text, "%s/store", survivors);
        failed |= check_in_child(text, ways[w], k);
        if (failed && verbose) return 1;
        remove_tree(survivors);
    }
    if (!power && !failed) {
        tell("clear");
        failed |= check_in_child(folder, "live", k);
    }
    unmount_it();
    return failed;
}

int main(int argc, char **argv)
{
    int o;
    err = stderr;
    if (getenv("LOGRBD_SEED")) seed = strtoull(getenv("LOGRBD_SEED"), NULL, 0);
    while ((o = getopt(argc, argv, "f:d:m:s:n:k:T:aj:c:l:Sv")) != -1) switch (o) {
        case 'f': faultfs = optarg; break;
        case 'd': dir = optarg; break;
        case 'm': mode = optarg; break;
        case 's': seed = strtoull(optarg, NULL, 0); break;
        case 'n': ops = strtoull(optarg, NULL, 0); break;
        case 'k': only_k = strtoull(optarg, NULL, 0); break;
        case 'T': seconds = atoi(optarg); break;
        case 'a': every = 1; break;
        case 'j': if (sscanf(optarg, "%d/%d", &shard, &shards) != 2) return 2; break;
        case 'c': extra = optarg; break;
        case 'l': lazy = optarg; break;
        case 'S': local_log = 1; break;
        case 'v': verbose = 1; break;
        default: return 2;
        }
    if (!faultfs || !dir) {
        fprintf(err, "usage: faults -f FAULTFS -d DIR -m MODE ...\n");
        return 2;
    }
    char log[600];
    snprintf(log, sizeof log, "%s/log", dir);
    err = fdopen(dup(2), "w");
    setvbuf(err, NULL, _IOLBF, 0);
    if (!freopen(log, "a", stderr)) die(log, errno);
    setvbuf(stderr, NULL, _IONBF, 0);
    snprintf(mnt, sizeof mnt, "%s/mnt", dir);
    snprintf(control, sizeof control, "%s/.faultfs", mnt);
    char conf[600];
    snprintf(conf, sizeof conf, "%s/conf", dir);
    FILE *f = fopen(conf, "w");
    if (!f) die(conf, errno);
    fprintf(f, "[client]\n");
    for (const char *p = extra; *p; p++) {
        int nl = p[0] == '\\' && p[1] == 'n';
        fputc(nl ? '\n' : *p, f);
        p += nl;
    }
    fprintf(f, "\n");
    fclose(f);
    setenv("FAULTS_CONF", conf, 1);
    sh = mmap(NULL, sizeof *sh, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    unsigned long long total = 0, calls, fired;
    int failures = 0, runs = 0, hit = 0;
    uint32_t errors = 0, reopens = 0;
    const char *was_lazy = lazy;
    char *real = (char *)mode;
    lazy = NULL, mode = "nospace";
    if (run(0, &total, &fired)) return 1; /* without a fault all is well, and one knows how many calls there are */
    lazy = was_lazy, mode = real;
    uint64_t pick = seed;
    time_t end = time(NULL) + seconds;
    for (uint64_t i = 1;; i++) {
        uint64_t k = only_k ? only_k : i;
        if (only_k && i > 1) break;
        if (!only_k && every) {
            if (i > total) break;
            if ((int)(i % (uint64_t)shards) != shard) continue;
        }
        if (!only_k && !every) {
            if (time(NULL) >= end && (hit || runs >= 20)) break; /* not every call is one that fails */
            rng_state = pick;
            k = 1 + rng() % total;
            pick = rng();
        }
        failures += run(k, &calls, &fired);
        runs++;
        hit += fired > 0;
        errors += sh->errors;
        reopens += sh->reopens;
        if (failures >= (lazy ? 1 : 5)) break;
    }
    printf("%s: %d runs of %llu calls, the fault struck in %d, %u errors given, %u reopens, %d failures; seed %llu\n", mode, runs, total, hit,
           errors, reopens, failures, (unsigned long long)seed);
    return failures || !hit;
}
