/* A file system in memory that keeps apart what was written and what was synced, and fails when it is told to.
 *
 * Usage: faultfs MOUNTPOINT      (in the foreground; ends when it is unmounted)
 *
 * Each call that modifies or syncs has a number, from 1. What is on the "disk" is what fsync, fdatasync and fsync of a
 * folder put there; all else is pending: data and sizes by file, names by folder. A name is durable only once its folder was
 * synced, whatever happened to the file (POSIX; stricter than ext4).
 *
 * The control file MOUNTPOINT/.faultfs takes one command a write, and reads as "CALLS DEAD FIRED\n":
 *   power K              at call K the power is gone: call K takes effect in memory only, and all calls fail with EIO
 *   nospace K N [short]  calls K to K+N-1 that need room fail with ENOSPC; short: a write at K writes one half
 *   eio-write K N, eio-sync K N     such calls with numbers K to K+N-1 fail with EIO. A write that fails writes nothing.
 *                        After a sync that fails, the pending data of the file never gets to the disk, though reads still
 *                        give it: as Linux does
 *   eio-read N           the next N reads fail (they have no numbers)
 *   lazy TEXT            from now on syncs of files whose name contains TEXT do nothing: to see whether a test would notice
 *   clear                no fault any more; power comes back with memory as it is
 *   survive MODE SEED DIR   writes what a power loss now would leave into the folder DIR. MODE: none (only what was synced),
 *                        all, random (each 512-byte sector at any state since the last sync, any pending size, any subset
 *                        of the pending names), pages (the same by 4096 bytes), journal (data by pages; names as a journal
 *                        keeps them: all pending names up to some moment)
 *   trace FILE           from now on each call's number, kind and name goes to FILE (outside)
 */
#define _GNU_SOURCE
#define FUSE_USE_VERSION 35
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SECTOR 512u
#define CONTROL 2u
#define FIRST 16u
#define NAME 64u

/* Bytes of a file; beyond `cap` and up to `size` they are zeroes. */
struct bytes {
    unsigned char *p;
    uint64_t cap, size;
};

enum kind { WRITE, SIZE, PUNCH };

/* Data that is not synced yet. */
struct change {
    struct change *next;
    enum kind kind;
    uint64_t off, len;
    unsigned char *data;
};

/* A name that is not synced yet: `ino` 0 takes it away. A rename is two in one. */
struct rename {
    struct rename *next;
    uint64_t when;
    char name[NAME], other[NAME];
    uint64_t ino, other_ino;
    int is_two;
};

struct entry {
    struct entry *next;
    char name[NAME];
    uint64_t ino;
};

struct inode {
    uint64_t ino, links;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    struct timespec mtime, ctime;
    struct bytes now, disk;
    struct change *first, **last;
    struct entry *entries, *disk_entries;
    struct rename *names, **last_name;
    uint64_t parent;
    char label[NAME];
};

static struct inode **table;
static uint64_t inodes = FIRST, table_cap;
static uint64_t calls, clock_of_names, fired;
static int dead;
static char lazy[NAME];
static FILE *trace;
static struct {
    uint64_t power, nospace, nospace_n, eio_write, eio_write_n, eio_sync, eio_sync_n, eio_read;
    int is_short;
} fault;

static uint64_t rng_state;
static uint64_t rng(void)
{
    uint64_t z = (rng_state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static void *need(void *p)
{
    if (!p) {
        fprintf(stderr, "faultfs: no memory\n");
        _exit(3);
    }
    return p;
}

/* ---- bytes ---- */

static void reserve(struct bytes *b, uint64_t cap)
{
    if (cap <= b->cap) return;
    uint64_t to = b->cap ? b->cap : 4096;
    while (to < cap) to += to / 2 + 4096;
    b->p = need(realloc(b->p, to));
    memset(b->p + b->cap, 0, to - b->cap);
    b->cap = to;
}

static void put(struct bytes *b, uint64_t off, const unsigned char *data, uint64_t len)
{
    reserve(b, off + len);
    memcpy(b->p + off, data, len);
    if (off + len > b->size) b->size = off + len;
}

static void clear(struct bytes *b, uint64_t off, uint64_t len)
{
    if (off >= b->cap) return;
    if (len > b->cap - off) len = b->cap - off;
    memset(b->p + off, 0, len);
}

static void resize(struct bytes *b, uint64_t size)
{
    if (size < b->size) clear(b, size, b->size - size);
    b->size = size;
}

/* One change to a range of a file; the whole of it is 0..UINT64_MAX. The size is no part of it. */
static void apply_range(struct bytes *b, const struct change *c, uint64_t from, uint64_t to)
{
    uint64_t lo = c->off > from ? c->off : from, hi = c->off + c->len < to ? c->off + c->len : to;
    if (c->kind == SIZE) { /* what a cut took off reads as zeroes if the file grows again */
        lo = c->off > from ? c->off : from;
        if (lo < to) clear(b, lo, to - lo);
    } else if (lo < hi && c->kind == WRITE) {
        reserve(b, hi);
        memcpy(b->p + lo, c->data + (lo - c->off), hi - lo);
    } else if (lo < hi) {
        clear(b, lo, hi - lo);
    }
}

static uint64_t size_after(uint64_t size, const struct change *c)
{
    if (c->kind == SIZE) return c->off;
    if (c->kind == WRITE && c->off + c->len > size) return c->off + c->len;
    return size;
}

/* ---- inodes ---- */

static struct inode *get(uint64_t ino)
{
    return ino < inodes ? table[ino] : NULL;
}

static struct inode *make(mode_t mode, uint64_t as, const char *name, uint64_t parent)
{
    uint64_t ino = as ? as : inodes++;
    if (ino >= table_cap) {
        uint64_t cap = table_cap * 2 + 1024;
        table = need(realloc(table, cap * sizeof *table));
        memset(table + table_cap, 0, (cap - table_cap) * sizeof *table);
        table_cap = cap;
    }
    struct inode *i = table[ino] = need(calloc(1, sizeof *i));
    i->ino = ino;
    i->mode = mode;
    i->links = 1;
    i->last = &i->first;
    i->last_name = &i->names;
    i->parent = parent;
    clock_gettime(CLOCK_REALTIME, &i->mtime);
    i->ctime = i->mtime;
    snprintf(i->label, NAME, "%s", name);
    return i;
}

static void forget_changes(struct inode *i)
{
    for (struct change *c = i->first, *n; c; c = n) {
        n = c->next;
        free(c->data);
        free(c);
    }
    i->first = NULL;
    i->last = &i->first;
}

static void sync_data(struct inode *i)
{
    for (struct change *c = i->first; c; c = c->next) {
        i->disk.size = size_after(i->disk.size, c);
        apply_range(&i->disk, c, 0, UINT64_MAX);
    }
    forget_changes(i);
}

static void change(struct inode *i, enum kind kind, uint64_t off, uint64_t len, const void *data)
{
    struct change *c = need(calloc(1, sizeof *c));
    c->kind = kind;
    c->off = off;
    c->len = len;
    if (kind == WRITE) {
        c->data = need(malloc(len ? len : 1));
        memcpy(c->data, data, len);
        put(&i->now, off, c->data, len);
    } else if (kind == SIZE) {
        resize(&i->now, off);
    } else {
        clear(&i->now, off, len);
    }
    *i->last = c;
    i->last = &c->next;
    clock_gettime(CLOCK_REALTIME, &i->mtime);
}

static uint64_t *slot(struct entry **list, const char *name, int create)
{
    for (struct entry *e = *list; e; e = e->next)
        if (!strcmp(e->name, name)) return &e->ino;
    if (!create) return NULL;
    struct entry *e = need(calloc(1, sizeof *e));
    snprintf(e->name, NAME, "%s", name);
    e->next = *list;
    *list = e;
    return &e->ino;
}

static uint64_t find(struct inode *dir, const char *name)
{
    uint64_t *s = slot(&dir->entries, name, 0);
    return s ? *s : 0;
}

static void set_name(struct entry **list, const struct rename *r)
{
    *slot(list, r->name, 1) = r->ino;
    if (r->is_two) *slot(list, r->other, 1) = r->other_ino;
}

static void name(struct inode *dir, const char *name, uint64_t ino, const char *other, uint64_t other_ino)
{
    struct rename *r = need(calloc(1, sizeof *r));
    snprintf(r->name, NAME, "%s", name);
    r->ino = ino;
    r->when = ++clock_of_names;
    if (other) {
        snprintf(r->other, NAME, "%s", other);
        r->other_ino = other_ino;
        r->is_two = 1;
    }
    set_name(&dir->entries, r);
    *dir->last_name = r;
    dir->last_name = &r->next;
}

static void sync_names(struct inode *dir)
{
    for (struct rename *r = dir->names, *n; r; r = n) {
        n = r->next;
        set_name(&dir->disk_entries, r);
        free(r);
    }
    dir->names = NULL;
    dir->last_name = &dir->names;
}

/* ---- faults ---- */

static int within(uint64_t k, uint64_t n)
{
    return k && calls >= k && calls - k < n;
}

/* Numbers a call. Not 0: it fails with that. */
static int call(const char *what, const char *label, int needs_room, int is_write, int is_sync)
{
    if (dead) return EIO;
    calls++;
    if (trace) fprintf(trace, "%llu %s %s\n", (unsigned long long)calls, what, label), fflush(trace);
    if (fault.power && calls == fault.power) {
        dead = 1;
        fired++;
        return 0;
    }
    if (needs_room && within(fault.nospace, fault.nospace_n)) return fired++, ENOSPC;
    if (is_write && within(fault.eio_write, fault.eio_write_n)) return fired++, EIO;
    if (is_sync && within(fault.eio_sync, fault.eio_sync_n)) return fired++, EIO;
    return 0;
}

/* ---- what a power loss leaves ---- */

enum mode { NONE, ALL, RANDOM, PAGES, JOURNAL };
static enum mode survive_mode;
static uint64_t survive_until;

static struct bytes survivor_data(struct inode *i)
{
    struct bytes b = {0};
    uint64_t n = 0, sizes = 0, pick, largest = i->disk.size;
    reserve(&b, i->disk.cap);
    if (i->disk.cap) memcpy(b.p, i->disk.p, i->disk.cap);
    b.size = i->disk.size;
    for (struct change *c = i->first; c; c = c->next) {
        n++;
        if (c->kind != SIZE && c->off + c->len > largest && c->kind == WRITE) largest = c->off + c->len;
    }
    if (survive_mode == NONE || !n) return b;
    if (survive_mode == ALL) {
        for (struct change *c = i->first; c; c = c->next) {
            b.size = size_after(b.size, c);
            apply_range(&b, c, 0, UINT64_MAX);
        }
        return b;
    }
    /* The size: as after any of the changes. Each sector: as after any number of them, but with a leaning to few or many. */
    pick = rng() % (n + 1);
    for (struct change *c = i->first; c && sizes < pick; c = c->next, sizes++) b.size = size_after(b.size, c);
    uint64_t unit = survive_mode == RANDOM ? SECTOR : 4096, leaning = rng() % 4;
    for (uint64_t at = 0; at < largest; at += unit) {
        uint64_t to = leaning == 0 ? rng() % (n + 1) : leaning == 1 ? (rng() % 8 ? n : rng() % (n + 1)) : leaning == 2 ? (rng() % 8 ? 0 : n) : rng() % 2 * n;
        for (struct change *c = i->first; c && to; c = c->next, to--) apply_range(&b, c, at, at + unit);
    }
    if (b.size < b.cap) clear(&b, b.size, b.cap - b.size);
    return b;
}

static int write_out(struct inode *i, const char *path)
{
    if (S_ISDIR(i->mode)) {
        struct entry *list = NULL;
        int failed = mkdir(path, 0700) && errno != EEXIST;
        for (struct entry *e = i->disk_entries; e; e = e->next) *slot(&list, e->name, 1) = e->ino;
        for (struct rename *r = i->names; r; r = r->next) {
            int there = survive_mode == ALL || ((survive_mode == RANDOM || survive_mode == PAGES) && rng() % 2) ||
                        (survive_mode == JOURNAL && r->when <= survive_until);
            if (there) set_name(&list, r);
        }
        for (struct entry *e = list, *n; e; e = n) {
            char below[4096];
            snprintf(below, sizeof below, "%s/%s", path, e->name);
            if (e->ino && get(e->ino)) failed |= write_out(get(e->ino), below);
            n = e->next;
            free(e);
        }
        return failed;
    }
    if (!S_ISREG(i->mode)) return mknod(path, i->mode, 0) && errno != EEXIST;
    struct bytes b = survivor_data(i);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, i->mode & 07777), failed = fd < 0;
    uint64_t stored = b.cap < b.size ? b.cap : b.size;
    for (uint64_t at = 0; fd >= 0 && at < stored;) {
        ssize_t w = pwrite(fd, b.p + at, stored - at, (off_t)at);
        if (w <= 0) {
            failed = 1;
            break;
        }
        at += (uint64_t)w;
    }
    if (fd >= 0) failed |= ftruncate(fd, (off_t)b.size) || close(fd);
    free(b.p);
    return failed;
}

static int command(const char *text)
{
    char word[16] = "", mode[16] = "", rest[3000] = "", extra[16] = "";
    unsigned long long a = 0, n = 0;
    if (sscanf(text, "%15s", word) != 1) return EINVAL;
    if (!strcmp(word, "power")) return sscanf(text, "%*s %llu", &a) == 1 ? (fault.power = a, 0) : EINVAL;
    if (!strcmp(word, "nospace")) {
        if (sscanf(text, "%*s %llu %llu %15s", &a, &n, extra) < 2) return EINVAL;
        fault.nospace = a, fault.nospace_n = n, fault.is_short = !strcmp(extra, "short");
        return 0;
    }
    if (!strcmp(word, "eio-write"))
        return sscanf(text, "%*s %llu %llu", &a, &n) == 2 ? (fault.eio_write = a, fault.eio_write_n = n, 0) : EINVAL;
    if (!strcmp(word, "eio-sync"))
        return sscanf(text, "%*s %llu %llu", &a, &n) == 2 ? (fault.eio_sync = a, fault.eio_sync_n = n, 0) : EINVAL;
    if (!strcmp(word, "eio-read")) return sscanf(text, "%*s %llu", &n) == 1 ? (fault.eio_read = n, 0) : EINVAL;
    if (!strcmp(word, "lazy")) return sscanf(text, "%*s %63s", lazy) == 1 ? 0 : EINVAL;
    if (!strcmp(word, "clear")) {
        memset(&fault, 0, sizeof fault);
        dead = 0;
        return 0;
    }
    if (!strcmp(word, "trace")) {
        if (sscanf(text, "%*s %2999s", rest) != 1) return EINVAL;
        trace = fopen(rest, "w");
        return trace ? 0 : errno;
    }
    if (!strcmp(word, "survive")) {
        static const char *const modes[] = {"none", "all", "random", "pages", "journal"};
        if (sscanf(text, "%*s %15s %llu %2999s", mode, &a, rest) != 3) return EINVAL;
        for (unsigned m = 0; m < 5; m++)
            if (!strcmp(mode, modes[m])) {
                survive_mode = (enum mode)m;
                rng_state = a;
                survive_until = rng() % (clock_of_names + 1);
                return write_out(get(1), rest) ? EIO : 0;
            }
    }
    return EINVAL;
}

/* ---- FUSE ---- */

static struct stat stat_of(struct inode *i)
{
    struct stat st = {0};
    st.st_ino = i->ino;
    st.st_mode = i->mode;
    st.st_nlink = S_ISDIR(i->mode) ? 2 : i->links;
    st.st_uid = i->uid;
    st.st_gid = i->gid;
    st.st_size = (off_t)i->now.size;
    st.st_blocks = (blkcnt_t)((i->now.cap < i->now.size ? i->now.cap : i->now.size) + 511) / 512;
    st.st_blksize = 4096;
    st.st_mtim = st.st_atim = i->mtime;
    st.st_ctim = i->ctime;
    return st;
}

static void reply_entry(fuse_req_t req, struct inode *i)
{
    struct fuse_entry_param e = {.ino = i->ino, .attr = stat_of(i), .attr_timeout = 1000, .entry_timeout = 1000};
    fuse_reply_entry(req, &e);
}

#define DEAD() \
    if (dead) { \
        fuse_reply_err(req, EIO); \
        return; \
    }

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *n)
{
    if (parent == 1 && !strcmp(n, ".faultfs")) {
        reply_entry(req, get(CONTROL));
        return;
    }
    DEAD();
    struct inode *dir = get(parent);
    uint64_t ino = dir ? find(dir, n) : 0;
    if (!ino) fuse_reply_err(req, ENOENT);
    else reply_entry(req, get(ino));
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)fi;
    struct inode *i = get(ino);
    if (!i) {
        fuse_reply_err(req, ENOENT);
        return;
    }
    struct stat st = stat_of(i);
    fuse_reply_attr(req, &st, 1000);
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set, struct fuse_file_info *fi)
{
    (void)fi;
    struct inode *i = get(ino);
    int e;
    if (ino == CONTROL) to_set = 0;
    else DEAD();
    if (to_set & FUSE_SET_ATTR_SIZE) {
        uint64_t size = (uint64_t)attr->st_size;
        if ((e = call("truncate", i->label, size > i->now.size, 1, 0))) {
            fuse_reply_err(req, e);
            return;
        }
        change(i, SIZE, size, 0, NULL);
    }
    if (to_set & FUSE_SET_ATTR_MODE) i->mode = attr->st_mode;
    if (to_set & FUSE_SET_ATTR_UID) i->uid = attr->st_uid;
    if (to_set & FUSE_SET_ATTR_GID) i->gid = attr->st_gid;
    if (to_set & FUSE_SET_ATTR_MTIME) i->mtime = attr->st_mtim;
    if (to_set & FUSE_SET_ATTR_MTIME_NOW) clock_gettime(CLOCK_REALTIME, &i->mtime);
    struct stat st = stat_of(i);
    fuse_reply_attr(req, &st, 1000);
}

/* A new inode under a name; NULL: the answer was given. */
static struct inode *add(fuse_req_t req, fuse_ino_t parent, const char *n, mode_t mode, const char *what)
{
    struct inode *dir = get(parent);
    int e = dead ? EIO : strlen(n) >= NAME ? ENAMETOOLONG : find(dir, n) ? EEXIST : call(what, n, 1, 0, 0);
    if (e) {
        fuse_reply_err(req, e);
        return NULL;
    }
    struct inode *i = make(mode, 0, n, parent);
    const struct fuse_ctx *ctx = fuse_req_ctx(req);
    i->uid = ctx->uid;
    i->gid = ctx->gid;
    name(dir, n, i->ino, NULL, 0);
    return i;
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *n, mode_t mode, dev_t dev)
{
    (void)dev;
    struct inode *i = add(req, parent, n, mode, "mknod");
    if (i) reply_entry(req, i);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *n, mode_t mode)
{
    struct inode *i = add(req, parent, n, (mode & 07777) | S_IFDIR, "mkdir");
    if (i) reply_entry(req, i);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *n, mode_t mode, struct fuse_file_info *fi)
{
    struct inode *i = add(req, parent, n, (mode & 07777) | S_IFREG, "create");
    if (!i) return;
    struct fuse_entry_param e = {.ino = i->ino, .attr = stat_of(i), .attr_timeout = 1000, .entry_timeout = 1000};
    fi->keep_cache = 1;
    fuse_reply_create(req, &e, fi);
}

/* The inode stays in the table: the disk may still name it. */
static void op_remove(fuse_req_t req, fuse_ino_t parent, const char *n)
{
    struct inode *dir = get(parent), *i = get(find(dir, n));
    int e = dead ? EIO : !i ? ENOENT : 0;
    for (struct entry *x = i && S_ISDIR(i->mode) ? i->entries : NULL; x && !e; x = x->next)
        if (x->ino) e = ENOTEMPTY;
    if (!e) e = call("unlink", n, 0, 0, 0);
    if (!e) {
        name(dir, n, 0, NULL, 0);
        if (i->links) i->links--;
    }
    fuse_reply_err(req, e);
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *n, fuse_ino_t to, const char *other, unsigned flags)
{
    struct inode *dir = get(parent), *i = get(find(dir, n)), *old = get(find(get(to), other));
    int e = dead ? EIO : !i ? ENOENT : flags || parent != to || strlen(other) >= NAME ? EINVAL : call("rename", n, 0, 0, 0);
    if (!e) {
        name(dir, n, 0, other, i->ino);
        snprintf(i->label, NAME, "%s", other);
        if (old && old->links) old->links--;
    }
    fuse_reply_err(req, e);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    if (ino == CONTROL) {
        fi->direct_io = 1;
        fuse_reply_open(req, fi);
        return;
    }
    DEAD();
    /* What is read again after an open comes from here, so that reads can be made to fail; a mapped file stays. */
    fi->keep_cache = strstr(get(ino)->label, "-shm") != NULL;
    fuse_reply_open(req, fi);
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino, (void)fi;
    fuse_reply_err(req, 0);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    (void)fi;
    if (ino == CONTROL) {
        char text[96];
        int n = snprintf(text, sizeof text, "%llu %d %llu\n", (unsigned long long)calls, dead, (unsigned long long)fired);
        if (off >= n) n = 0;
        fuse_reply_buf(req, text, (size_t)n);
        return;
    }
    DEAD();
    if (fault.eio_read) {
        fault.eio_read--;
        fired++;
        fuse_reply_err(req, EIO);
        return;
    }
    struct bytes *b = &get(ino)->now;
    if ((uint64_t)off >= b->size) {
        fuse_reply_buf(req, NULL, 0);
        return;
    }
    if (size > b->size - (uint64_t)off) size = b->size - (uint64_t)off;
    reserve(b, (uint64_t)off + size);
    fuse_reply_buf(req, (char *)b->p + off, size);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off, struct fuse_file_info *fi)
{
    if (ino == CONTROL) {
        char text[4096];
        snprintf(text, sizeof text, "%.*s", (int)(size < 4095 ? size : 4095), buf);
        int e = command(text);
        if (e) fuse_reply_err(req, e);
        else fuse_reply_write(req, size);
        return;
    }
    struct inode *i = get(ino);
    int e = call("write", i->label, 1, 1, 0);
    /* Of a direct write that is cut short the kernel makes EIO (fuse_get_res_by_io): such a one fails as a whole. */
    if (e == ENOSPC && fault.is_short && calls == fault.nospace && size >= 2 && !(fi->flags & O_DIRECT)) {
        size /= 2;
        e = 0;
    }
    if (e) {
        fuse_reply_err(req, e);
        return;
    }
    change(i, WRITE, (uint64_t)off, size, buf);
    if (dead) fuse_reply_err(req, EIO);
    else fuse_reply_write(req, size);
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    (void)fi;
    struct inode *i = get(ino);
    int e = call(datasync ? "fdatasync" : "fsync", i->label, 0, 0, 1);
    if (!e && dead) e = EIO;
    else if (!e && !(lazy[0] && strstr(i->label, lazy))) sync_data(i);
    else if (e && !dead) forget_changes(i);
    fuse_reply_err(req, e);
}

static void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    (void)fi, (void)datasync;
    int e = call("fsyncdir", get(ino)->label, 0, 0, 1);
    if (!e && dead) e = EIO;
    else if (!e) sync_names(get(ino));
    fuse_reply_err(req, e);
}

static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino, (void)fi;
    fuse_reply_err(req, 0);
}

static void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t len, struct fuse_file_info *fi)
{
    (void)fi;
    struct inode *i = get(ino);
    uint64_t end = (uint64_t)off + (uint64_t)len;
    int punch = mode & FALLOC_FL_PUNCH_HOLE, e = call(punch ? "punch" : "fallocate", i->label, !punch, 1, 0);
    if (!e && punch) change(i, PUNCH, (uint64_t)off, (uint64_t)len, NULL);
    else if (!e && !(mode & FALLOC_FL_KEEP_SIZE) && end > i->now.size) change(i, SIZE, end, 0, NULL);
    fuse_reply_err(req, e);
}

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    DEAD();
    fuse_reply_open(req, fi);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    (void)fi;
    DEAD();
    char *buf = need(malloc(size));
    size_t used = 0;
    off_t at = 0;
    for (struct entry *e = get(ino)->entries; e; e = e->next) {
        if (!e->ino || at++ < off) continue;
        struct stat st = stat_of(get(e->ino));
        size_t n = fuse_add_direntry(req, buf + used, size - used, e->name, &st, at);
        if (n > size - used) break;
        used += n;
    }
    fuse_reply_buf(req, buf, used);
    free(buf);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
    (void)ino;
    struct statvfs st = {.f_bsize = 4096, .f_frsize = 4096, .f_blocks = 1 << 20, .f_bfree = 1 << 19, .f_bavail = 1 << 19,
                         .f_files = 1 << 20, .f_ffree = 1 << 19, .f_favail = 1 << 19, .f_namemax = NAME - 1};
    fuse_reply_statfs(req, &st);
}

static const struct fuse_lowlevel_ops ops = {
    .lookup = op_lookup, .getattr = op_getattr, .setattr = op_setattr, .mknod = op_mknod, .mkdir = op_mkdir,
    .create = op_create, .unlink = op_remove, .rmdir = op_remove, .rename = op_rename, .open = op_open,
    .release = op_release, .read = op_read, .write = op_write, .flush = op_flush, .fsync = op_fsync,
    .fsyncdir = op_fsyncdir, .fallocate = op_fallocate, .opendir = op_opendir, .readdir = op_readdir, .statfs = op_statfs,
};

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: faultfs MOUNTPOINT\n");
        return 2;
    }
    char *fuse_argv[] = {argv[0], "-o", "fsname=faultfs,default_permissions", NULL};
    struct fuse_args args = FUSE_ARGS_INIT(3, fuse_argv);
    make(S_IFDIR | 0700, 1, "/", 1);
    make(S_IFREG | 0600, CONTROL, ".faultfs", 1);
    struct fuse_session *session = fuse_session_new(&args, &ops, sizeof ops, NULL);
    if (!session || fuse_set_signal_handlers(session) || fuse_session_mount(session, argv[1])) return 2;
    int r = fuse_session_loop(session);
    fuse_session_unmount(session);
    fuse_remove_signal_handlers(session);
    fuse_session_destroy(session);
    return r ? 1 : 0;
}
