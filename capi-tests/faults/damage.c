/* Damages one file of a store at a time and reads everything: each read must give the right bytes or an error.
 *
 * Usage: damage -d DIR [-s SEED] [-n TRIALS] [-k TRIAL] [-v]
 *
 * Two stores are made: one that was closed (all in store.db and data files), and one whose process was killed (the newest part is
 * in the WAL). A trial copies one, then flips bits, overwrites a sector with zeroes or noise, swaps two sectors or cuts the file
 * off, in a file chosen by kind, so that small kinds get their share. A child opens the copy and reads.
 *
 * right: the bytes that were written. error: an errno that says so. refused: the store does not open. Wrong bytes, older ones, a name or
 * a key that is not found, a crash and a hang are failures.
 */
#define _GNU_SOURCE
#include <dirent.h>
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
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 4096u
#define BLOCKS 512u
#define OBJECTS 24
#define KEYS 40
#define KINDS 8

static const char *const kinds[KINDS] = {"store.db", "store.db-wal", "store.db-shm", "store.db-end", "data", "logrbd-store", "clients", "other"};
static const char *dir;
static uint64_t seed = 1, rng_state;
static int verbose;
static FILE *err;
static struct counts {
    volatile uint32_t right, error, refused;
} *now;

static uint64_t rng(void)
{
    uint64_t z = (rng_state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static void die(const char *what, int r)
{
    fprintf(err, "damage: %s: %s (%d)\n", what, strerror(r < 0 ? -r : r), r);
    _exit(2);
}

static int bad(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(err, "damage: VIOLATION: ");
    vfprintf(err, fmt, ap);
    fputc('\n', err);
    va_end(ap);
    return 1;
}

struct conn {
    rados_t cluster;
    rados_ioctx_t io;
};

static int connect_to(struct conn *c, const char *store)
{
    char text[1200];
    int r;
    if ((r = rados_create(&c->cluster, "admin")) < 0) return r;
    snprintf(text, sizeof text, "local:%s", store);
    rados_conf_set(c->cluster, "mon_host", text);
    rados_conf_set(c->cluster, "logrbd_segment_size", "1048576");
    if ((r = rados_connect(c->cluster)) >= 0 && (r = rados_ioctx_create(c->cluster, "rbd", &c->io)) >= 0) return 0;
    rados_shutdown(c->cluster);
    return r;
}

static void fill(unsigned char *p, uint64_t n, uint64_t tag)
{
    for (uint64_t i = 0; i < n; i++) p[i] = (unsigned char)((tag * 2654435761u + i * 31 + (i >> 9)) >> (i % 3)) | 1;
}

static uint64_t object_size(int o)
{
    return o % 4 == 0 ? 300000 + (uint64_t)o : o % 4 == 1 ? 9000 : 50;
}

/* Block b in generation g (1: at the snapshot, 2: now); generation 2 has every third block new, and some holes. */
static void block(unsigned char *p, uint32_t b, int g)
{
    if (b % 16 == 7) memset(p, 0, BLOCK);
    else fill(p, BLOCK, (uint64_t)b * 8 + (g == 2 && b % 3 == 0 ? 2 : 1));
}

static void make(const char *store, int killed)
{
    struct conn c;
    rbd_image_t img;
    int order = 20, r;
    static unsigned char buf[400000];
    if ((r = connect_to(&c, store)) < 0) die("rados_connect", r);
    if ((r = rbd_create(c.io, "image", BLOCKS * BLOCK, &order)) < 0) die("rbd_create", r);
    if ((r = rbd_open(c.io, "image", &img, NULL)) < 0) die("rbd_open", r);
    for (int g = 1; g <= 2; g++) {
        for (uint32_t b = 0; b < BLOCKS; b++) {
            block(buf, b, g);
            if ((g == 1 || b % 3 == 0) && b % 16 != 7 && (r = (int)rbd_write(img, (uint64_t)b * BLOCK, BLOCK, (char *)buf)) < 0) die("rbd_write", r);
            if (b % 64 == 0 && (r = rbd_flush(img)) < 0) die("rbd_flush", r);
        }
        if (g == 1 && (r = rbd_snap_create(img, "snap")) < 0) die("rbd_snap_create", r);
    }
    if ((r = rbd_flush(img)) < 0) die("rbd_flush", r);
    for (int o = 0; o < OBJECTS; o++) {
        char name[32], key[KEYS][16], value[KEYS][64];
        const char *keys[KEYS], *values[KEYS];
        size_t lens[KEYS];
        sprintf(name, "object%d", o);
        rados_write_op_t op = rados_create_write_op();
        fill(buf, object_size(o), 1000 + (uint64_t)o);
        rados_write_op_write_full(op, (char *)buf, object_size(o));
        for (int k = 0; k < KEYS; k++) {
            sprintf(key[k], "key%d", k);
            lens[k] = (size_t)sprintf(value[k], "value %d of %d", k, o);
            keys[k] = key[k];
            values[k] = value[k];
        }
        rados_write_op_omap_set(op, keys, values, lens, KEYS);
        rados_write_op_setxattr(op, "name", name, strlen(name));
        if ((r = rados_write_op_operate(op, c.io, name, NULL, 0)) < 0) die(name, r);
        rados_release_write_op(op);
    }
    if (killed) raise(SIGKILL);
    if ((r = rbd_close(img)) < 0) die("rbd_close", r);
    rados_ioctx_destroy(c.io);
    rados_shutdown(c.cluster);
    _exit(0);
}

/* An answer that is no data. 1: it is no fair one. */
static int count(int r)
{
    now->error++;
    return r == -ENOENT || r == -ENODATA ? bad("nothing is found (%d)", r) : 0;
}

static int read_image(struct conn *c, const char *snap, int g)
{
    static unsigned char got[BLOCK], want[BLOCK];
    rbd_image_t img;
    uint64_t size;
    int failures = 0, r = rbd_open_read_only(c->io, "image", &img, snap);
    if (r < 0) return count(r);
    if ((r = rbd_get_size(img, &size)) < 0) failures += count(r);
    else if (size != BLOCKS * BLOCK) failures += bad("the image has %llu bytes", (unsigned long long)size);
    for (uint32_t b = 0; b < BLOCKS && !failures; b++) {
        ssize_t n = rbd_read(img, (uint64_t)b * BLOCK, BLOCK, (char *)got);
        block(want, b, g);
        int zero = got[0] == 0 && !memcmp(got, got + 1, BLOCK - 1);
        if (n < 0) failures += count((int)n);
        else if (n == BLOCK && !memcmp(got, want, BLOCK)) now->right++;
        else failures += bad("block %u of %s is wrong (%zd bytes%s)", b, snap ? snap : "the image", n, zero ? ", zeroes" : "");
    }
    rbd_close(img);
    return failures;
}

static int read_all(const char *store)
{
    struct conn c;
    static unsigned char got[400000], want[400000];
    int failures = 0, r = connect_to(&c, store);
    if (r < 0) {
        now->refused++;
        return 0;
    }
    for (int o = 0; o < OBJECTS; o++) {
        char name[32];
        sprintf(name, "object%d", o);
        uint64_t size = object_size(o);
        fill(want, size, 1000 + (uint64_t)o);
        r = rados_read(c.io, name, (char *)got, sizeof got, 0);
        if (r < 0) failures += count(r);
        else if ((uint64_t)r == size && !memcmp(got, want, size)) now->right++;
        else failures += bad("%s reads as %d other bytes", name, r);
        r = rados_getxattr(c.io, name, "name", (char *)got, sizeof got);
        if (r < 0) failures += count(r);
        else if ((size_t)r == strlen(name) && !memcmp(got, name, (size_t)r)) now->right++;
        else failures += bad("an xattr of %s is wrong", name);
        rados_omap_iter_t it;
        unsigned char more;
        int ret = 0, seen = 0;
        rados_read_op_t op = rados_create_read_op();
        rados_read_op_omap_get_vals2(op, "", "", 1000, &it, &more, &ret);
        r = rados_read_op_operate(op, c.io, name, 0);
        if (r >= 0 && ret >= 0) {
            char *k, *v;
            size_t len;
            while (rados_omap_get_next(it, &k, &v, &len) == 0 && k) {
                int n = -1;
                char value[64];
                sscanf(k, "key%d", &n);
                sprintf(value, "value %d of %d", n, o);
                if (n < 0 || n >= KEYS || len != strlen(value) || memcmp(v, value, len)) failures += bad("omap of %s: key %s is wrong", name, k);
                seen++;
            }
            rados_omap_get_end(it);
            if (seen != KEYS) failures += bad("omap of %s has %d keys", name, seen);
            now->right += (uint32_t)(seen == KEYS);
        } else {
            failures += count(r < 0 ? r : ret);
        }
        rados_release_read_op(op);
    }
    failures += read_image(&c, NULL, 2);
    failures += read_image(&c, "snap", 1);
    rados_ioctx_destroy(c.io);
    rados_shutdown(c.cluster);
    return failures;
}

/* ---- damage ---- */

static struct file {
    char path[600];
    int kind;
    off_t size;
} files[512];
static int nfiles;

static void list(const char *path, const char *below)
{
    DIR *d = opendir(path);
    struct dirent *e;
    while (d && (e = readdir(d))) {
        struct stat st;
        char at[600];
        if (e->d_name[0] == '.') continue;
        snprintf(at, sizeof at, "%s/%s", path, e->d_name);
        if (lstat(at, &st)) continue;
        if (S_ISDIR(st.st_mode)) list(at, below[0] ? below : e->d_name);
        if (!S_ISREG(st.st_mode) || nfiles == 512) continue;
        struct file *f = &files[nfiles++];
        snprintf(f->path, sizeof f->path, "%s", at);
        f->size = st.st_size;
        f->kind = KINDS - 1;
        for (int k = 0; k < KINDS - 1; k++)
            if (!strcmp(below[0] ? below : e->d_name, kinds[k])) f->kind = k;
    }
    if (d) closedir(d);
}

static void damage(struct file *f, char *what, size_t room)
{
    int fd = open(f->path, O_RDWR);
    unsigned char sector[512], other[512];
    uint64_t size = (uint64_t)f->size;
    if (fd < 0) die(f->path, errno);
    int how = (int)(rng() % 8);
    if (!size || how == 0) {
        uint64_t to = size ? rng() % size : 100 + rng() % 1000;
        if (size && rng() % 2) to = to / 4096 * 4096;
        snprintf(what, room, "%s: size %llu becomes %llu", f->path, (unsigned long long)size, (unsigned long long)to);
        if (ftruncate(fd, (off_t)to)) die(f->path, errno);
    } else if (how < 5) {
        int n = how < 4 ? 1 : 1 + (int)(rng() % 20);
        size_t used = (size_t)snprintf(what, room, "%s: bits flipped at", f->path);
        for (int i = 0; i < n; i++) {
            uint64_t at = rng() % size, bit = rng() % 8;
            unsigned char byte;
            if (pread(fd, &byte, 1, (off_t)at) != 1) die(f->path, errno);
            byte ^= (unsigned char)(1u << bit);
            if (pwrite(fd, &byte, 1, (off_t)at) != 1) die(f->path, errno);
            if (used < room) used += (size_t)snprintf(what + used, room - used, " %llu.%llu", (unsigned long long)at, (unsigned long long)bit);
        }
    } else {
        uint64_t at = rng() % size / 512 * 512, from = rng() % size / 512 * 512;
        ssize_t n = pread(fd, sector, 512, (off_t)at), m = pread(fd, other, 512, (off_t)from);
        if (n <= 0 || m <= 0) die(f->path, errno);
        snprintf(what, room, "%s: sector at %llu, %s", f->path, (unsigned long long)at, how == 5 ? "zeroes" : how == 6 ? "noise" : "another's bytes");
        if (how == 5) memset(sector, 0, sizeof sector);
        if (how == 6)
            for (int i = 0; i < 512; i++) sector[i] = (unsigned char)rng();
        if (how == 7) memcpy(sector, other, (size_t)m);
        if (pwrite(fd, sector, (size_t)n, (off_t)at) != n) die(f->path, errno);
    }
    close(fd);
}

static int wait_ms(pid_t pid, int ms, int *status)
{
    struct timespec t = {0, 1000000};
    for (; ms > 0; ms--) {
        if (waitpid(pid, status, WNOHANG) == pid) return 1;
        nanosleep(&t, NULL);
    }
    return 0;
}

static void shell(const char *command, const char *a, const char *b)
{
    char text[2000];
    snprintf(text, sizeof text, "%s '%s' '%s'", command, a, b);
    if (system(text)) die(text, EIO);
}

int main(int argc, char **argv)
{
    int o, failures = 0, status;
    uint64_t trials = 150, only = 0, done = 0;
    err = stderr;
    if (getenv("LOGRBD_SEED")) seed = strtoull(getenv("LOGRBD_SEED"), NULL, 0);
    while ((o = getopt(argc, argv, "d:s:n:k:v")) != -1) switch (o) {
        case 'd': dir = optarg; break;
        case 's': seed = strtoull(optarg, NULL, 0); break;
        case 'n': trials = strtoull(optarg, NULL, 0); break;
        case 'k': only = strtoull(optarg, NULL, 0); break;
        case 'v': verbose = 1; break;
        default: return 2;
        }
    if (!dir) {
        fprintf(stderr, "usage: damage -d DIR [-s SEED] [-n TRIALS] [-k TRIAL] [-v]\n");
        return 2;
    }
    char log[600], trial[600], what[2000];
    snprintf(log, sizeof log, "%s/log", dir);
    snprintf(trial, sizeof trial, "%s/trial", dir);
    err = fdopen(dup(2), "w");
    setvbuf(err, NULL, _IOLBF, 0);
    if (!freopen(log, "a", stderr)) die(log, errno);
    struct counts *all = calloc(2 * KINDS, sizeof *all);
    uint32_t tries[2 * KINDS] = {0};
    now = mmap(NULL, sizeof *now, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int killed = 0; killed < 2; killed++) {
        char store[600];
        snprintf(store, sizeof store, "%s/made%d", dir, killed);
        pid_t pid = fork();
        if (!pid) make(store, killed);
        waitpid(pid, &status, 0);
        if (killed ? !WIFSIGNALED(status) : status) die("the store cannot be made", EIO);
    }
    for (uint64_t t = 0; t <= trials && failures < 5; t++) {
        uint64_t number = only ? only : t; /* 0: nothing is damaged, all must be right */
        if (only && t > 1) break;
        if (only && t == 0) number = 0;
        int killed = (int)(number % 2), kind = KINDS - 1;
        char store[600];
        rng_state = seed * 1000003 + number;
        snprintf(store, sizeof store, "%s/made%d", dir, killed);
        shell("rm -rf", trial, trial);
        shell("cp -a", store, trial);
        what[0] = 0;
        if (number) {
            nfiles = 0;
            list(trial, "");
            uint32_t there = 0, pick;
            for (int f = 0; f < nfiles; f++) there |= 1u << files[f].kind;
            do kind = rng() % 4 == 0 ? 0 : rng() % 4 == 0 ? 1 : rng() % 4 == 0 ? 4 : (int)(rng() % KINDS);
            while (!(there >> kind & 1));
            do pick = (uint32_t)(rng() % (uint64_t)nfiles);
            while (files[pick].kind != kind);
            damage(&files[pick], what, sizeof what);
        }
        memset(now, 0, sizeof *now);
        fflush(stdout);
        pid_t pid = fork();
        if (!pid) _exit(read_all(trial) ? 1 : 0);
        int ended = wait_ms(pid, 60000, &status);
        if (!ended) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
        }
        if (!number && (now->error || now->refused)) status = 1;
        if (!ended || status) {
            failures++;
            fprintf(err, "damage: FAILED: %s; seed %llu, trial %llu, %s store; %s (status %x)\n", ended ? "wrong" : "it hangs", (unsigned long long)seed,
                    (unsigned long long)number, killed ? "killed" : "closed", what, status);
        }
        if (verbose) fprintf(err, "%llu: %s: %u right, %u errors%s\n", (unsigned long long)number, what, now->right, now->error, now->refused ? ", refused" : "");
        struct counts *c = &all[killed * KINDS + kind];
        tries[killed * KINDS + kind] += number != 0;
        c->right += now->right, c->error += now->error, c->refused += now->refused;
        done++;
    }
    for (int i = 0; i < 2 * KINDS; i++)
        if (tries[i])
            printf("%s store, %s: %u trials, %u refused; reads: %u right, %u errors\n", i < KINDS ? "closed" : "killed", kinds[i % KINDS],
                   tries[i], all[i].refused, all[i].right, all[i].error);
    uint32_t errors = 0, refused = 0;
    for (int i = 0; i < 2 * KINDS; i++) errors += all[i].error, refused += all[i].refused;
    printf("%llu trials, %u reads gave an error, %u stores did not open, %d failures; seed %llu\n", (unsigned long long)done, errors, refused, failures,
           (unsigned long long)seed);
    return failures;
}
