/* stamp: writes data that can be recomputed from a seed, and checks it after a crash.
 *
 *   stamp files  DIR SEED FIRST COUNT       batches of file operations in DIR, each synced and then reported
 *   stamp fcheck DIR SEED LAST              is DIR what it must be when batch LAST was reported?
 *   stamp blocks DEV SEED BASE AREA COUNT   4 KiB O_DIRECT writes to AREA blocks from block BASE on, one at a
 *                                       time, with an fdatasync now and then
 *   stamp bcheck DEV SEED BASE AREA LAST    is the area exactly the state after some write, and that write >= LAST?
 *
 * Reports go to the serial line the moment they are true ("* synced N"), and are drained before the
 * next write starts ("* synced N BASE" from blocks): so when the host is killed, at most one batch is under way that was not reported.
 * All that was reported must be there byte for byte; what one unreported batch touched may be old or
 * new, sector by sector, and nothing else. Exit status: 0 as it must be, 1 data lost, 2 cannot tell.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

enum { BLOCK = 4096, SECTOR = 512, SLOTS = 64, SLOT_BLOCKS = 64, OPS = 8 };

static void die(const char *what)
{
    fprintf(stderr, "stamp: %s: %s\n", what, strerror(errno));
    exit(2);
}

static uint64_t mix(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static uint64_t hash3(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t s = a * 0x2545f4914f6cdd1dull ^ b;
    uint64_t h = mix(&s);
    s = h ^ c;
    return mix(&s);
}

/* The bytes of one block: who wrote it stands in its first 16 bytes, the rest follows from that. */
static void fill(unsigned char *block, uint64_t seed, uint64_t place, uint64_t writer)
{
    uint64_t s = hash3(seed, place, writer), w;
    memcpy(block, &place, 8);
    memcpy(block + 8, &writer, 8);
    for (int i = 16; i < BLOCK; i += 8) {
        w = mix(&s);
        memcpy(block + i, &w, 8);
    }
}

static void report(uint64_t n, const char *writer)
{
    static int tty = -1;
    char line[64];
    if (tty < 0 && (tty = open("/dev/ttyS1", O_WRONLY | O_NOCTTY)) < 0)
        die("/dev/ttyS1");
    int len = snprintf(line, sizeof line, "* synced %llu%s\n", (unsigned long long)n, writer);
    if (write(tty, line, len) != len || tcdrain(tty) != 0)
        die("report");
}

/* ---- files ---- */

struct slot {
    int exists;
    uint32_t size;                 /* bytes */
    uint32_t writer[SLOT_BLOCKS];  /* batch that wrote each block */
};

struct op {
    int slot;
    enum { CREATE, OVERWRITE, APPEND, UNLINK } kind;
    uint32_t from, to; /* bytes */
};

/* The operations of one batch; they follow from the seed and from what the batches before left. */
static int plan(const struct slot *slots, uint64_t seed, uint64_t batch, struct op *ops)
{
    uint64_t s = hash3(seed, 0x66696c65, batch), used = 0;
    int n = 1 + mix(&s) % OPS;
    for (int i = 0; i < n; i++) {
        int slot;
        do
            slot = mix(&s) % SLOTS;
        while (used >> slot & 1);
        used |= 1ull << slot;
        const struct slot *f = &slots[slot];
        struct op *o = &ops[i];
        uint64_t dice = mix(&s) % 10, a = mix(&s), b = mix(&s);
        o->slot = slot;
        if (!f->exists) {
            o->kind = CREATE;
            o->from = 0;
            o->to = 1 + a % (b % 4 ? 16384 : SLOT_BLOCKS * BLOCK);
        } else if (dice < 5) {
            uint32_t blocks = (f->size + BLOCK - 1) / BLOCK, first = a % blocks;
            o->kind = OVERWRITE;
            o->from = first * BLOCK;
            o->to = o->from + (1 + b % (blocks - first)) * BLOCK;
            if (o->to > f->size)
                o->to = f->size;
        } else if (dice < 8 && f->size < SLOT_BLOCKS * BLOCK) {
            o->kind = APPEND; /* a last block that was not full is written again as a whole */
            o->from = f->size / BLOCK * BLOCK;
            o->to = f->size + 1 + a % (SLOT_BLOCKS * BLOCK - f->size);
        } else {
            o->kind = UNLINK;
            o->from = o->to = 0;
        }
    }
    return n;
}

static void apply(struct slot *f, const struct op *o, uint64_t batch)
{
    if (o->kind == UNLINK) {
        memset(f, 0, sizeof *f);
        return;
    }
    if (o->kind == CREATE)
        memset(f, 0, sizeof *f);
    f->exists = 1;
    for (uint32_t at = o->from; at < o->to; at += BLOCK)
        f->writer[at / BLOCK] = batch;
    if (o->to > f->size)
        f->size = o->to;
}

static void path_of(char *path, const char *dir, int slot)
{
    snprintf(path, 512, "%s/f%02d", dir, slot);
}

static void expect(unsigned char *out, const struct slot *f, uint64_t seed, int slot)
{
    unsigned char block[BLOCK];
    for (uint32_t at = 0; at < f->size; at += BLOCK) {
        fill(block, seed, (uint64_t)slot << 32 | at / BLOCK, f->writer[at / BLOCK]);
        memcpy(out + at, block, f->size - at < BLOCK ? f->size - at : BLOCK);
    }
}

static void perform(const char *dir, uint64_t seed, const struct op *o, const struct slot *after, int each)
{
    static unsigned char data[SLOT_BLOCKS * BLOCK];
    char path[512];
    path_of(path, dir, o->slot);
    if (o->kind == UNLINK) {
        if (unlink(path) != 0)
            die(path);
        return;
    }
    int fd = open(path, O_WRONLY | (o->kind == CREATE ? O_CREAT | O_EXCL : 0), 0644);
    if (fd < 0)
        die(path);
    expect(data, after, seed, o->slot);
    if (pwrite(fd, data + o->from, o->to - o->from, o->from) != (ssize_t)(o->to - o->from))
        die(path);
    if (each && fsync(fd) != 0)
        die(path);
    close(fd);
}

static int files(const char *dir, uint64_t seed, uint64_t first, uint64_t count)
{
    static struct slot slots[SLOTS];
    struct op ops[OPS];
    for (uint64_t batch = 1; batch < first + count; batch++) {
        int n = plan(slots, seed, batch, ops);
        uint64_t s = hash3(seed, 0x73796e63, batch);
        int each = mix(&s) % 2;
        for (int i = 0; i < n; i++) {
            apply(&slots[ops[i].slot], &ops[i], batch);
            if (batch >= first)
                perform(dir, seed, &ops[i], &slots[ops[i].slot], each);
        }
        if (batch < first)
            continue;
        int fd = open(dir, O_RDONLY | O_DIRECTORY);
        if (fd < 0 || (each ? fsync(fd) : syncfs(fd)) != 0)
            die(dir);
        close(fd);
        report(batch, "");
    }
    return 0;
}

static int bad;

static void complain(const char *path, const char *what, const char *unit, uint64_t at)
{
    if (bad++ < 10)
        printf("bad %s: %s: %s %llu\n", path, what, unit, (unsigned long long)at);
}

static int fcheck(const char *dir, uint64_t seed, uint64_t last)
{
    static struct slot before[SLOTS], after[SLOTS];
    static unsigned char old[SLOT_BLOCKS * BLOCK], new[SLOT_BLOCKS * BLOCK], have[SLOT_BLOCKS * BLOCK + 1];
    struct op ops[OPS];
    const struct op *under_way[SLOTS] = {0};
    uint64_t bytes = 0;
    int count = 0;

    for (uint64_t batch = 1; batch <= last; batch++) {
        int n = plan(before, seed, batch, ops);
        for (int i = 0; i < n; i++)
            apply(&before[ops[i].slot], &ops[i], batch);
    }
    memcpy(after, before, sizeof before);
    int n = plan(before, seed, last + 1, ops);
    for (int i = 0; i < n; i++) {
        apply(&after[ops[i].slot], &ops[i], last + 1);
        under_way[ops[i].slot] = &ops[i];
    }
    for (int slot = 0; slot < SLOTS; slot++) {
        const struct slot *f = &before[slot];
        const struct op *o = under_way[slot];
        char path[512];
        path_of(path, dir, slot);
        int fd = open(path, O_RDONLY);
        if (fd < 0) {
            if (errno != ENOENT)
                complain(path, strerror(errno), "byte", 0);
            else if (f->exists && !(o && o->kind == UNLINK))
                complain(path, "file is missing", "byte", 0);
            continue;
        }
        if (!f->exists) {
            if (!(o && o->kind == CREATE))
                complain(path, "file should not exist", "byte", 0);
            close(fd);
            continue;
        }
        ssize_t got = 0, part;
        while ((part = read(fd, have + got, sizeof have - got)) > 0)
            got += part;
        if (part < 0)
            complain(path, strerror(errno), "byte", got);
        close(fd);
        expect(old, f, seed, slot);
        expect(new, &after[slot], seed, slot);
        if (got != (ssize_t)f->size && !(o && o->kind == APPEND && got >= (ssize_t)f->size))
            complain(path, "wrong size", "byte", got);
        uint32_t have_size = got < (ssize_t)f->size ? got : f->size;
        for (uint32_t at = 0; at < have_size; at += SECTOR) {
            uint32_t len = have_size - at < SECTOR ? have_size - at : SECTOR;
            if (memcmp(have + at, old + at, len) == 0)
                continue;
            if (o && (o->kind == OVERWRITE || o->kind == APPEND) && memcmp(have + at, new + at, len) == 0)
                continue;
            complain(path, "wrong bytes", "byte", at);
        }
        bytes += have_size;
        count++;
    }
    printf("files %s: batch %llu, %d files, %llu bytes compared, %d bad\n", dir, (unsigned long long)last, count,
           (unsigned long long)bytes, bad);
    return bad ? 1 : 0;
}

/* ---- blocks ---- */

static uint64_t place_of(uint64_t seed, uint64_t seq, uint64_t area)
{
    return hash3(seed, 0x706c6163, seq) % area;
}

static int blocks(const char *dev, uint64_t seed, uint64_t base, uint64_t area, uint64_t count)
{
    unsigned char *block;
    uint64_t s = hash3(seed, 0x666c7573, 0), left = 1;
    char writer[32];
    int fd = open(dev, O_RDWR | O_DIRECT);
    snprintf(writer, sizeof writer, " %llu", (unsigned long long)base);
    if (fd < 0 || posix_memalign((void **)&block, BLOCK, BLOCK) != 0)
        die(dev);
    for (uint64_t seq = 1; seq <= count; seq++) {
        uint64_t place = place_of(seed, seq, area);
        fill(block, seed, place, seq);
        if (pwrite(fd, block, BLOCK, (base + place) * BLOCK) != BLOCK)
            die("write");
        if (--left == 0) {
            left = 1 + mix(&s) % 32;
            if (fdatasync(fd) != 0)
                die("fdatasync");
            report(seq, writer);
        }
    }
    return 0;
}

static int bcheck(const char *dev, uint64_t seed, uint64_t base, uint64_t area, uint64_t last)
{
    unsigned char block[BLOCK];
    uint64_t *have = calloc(area, sizeof *have), *must = calloc(area, sizeof *must), top = 0;
    int fd = open(dev, O_RDONLY);
    if (fd < 0 || !have || !must)
        die(dev);
    for (uint64_t place = 0; place < area; place++) {
        static unsigned char want[BLOCK];
        uint64_t writer;
        if (pread(fd, block, BLOCK, (base + place) * BLOCK) != BLOCK)
            die("read");
        memcpy(&writer, block + 8, 8);
        if (writer == 0) {
            for (int i = 0; i < BLOCK; i++)
                if (block[i] != 0) {
                    complain(dev, "bytes that nobody wrote", "block", place);
                    break;
                }
            continue;
        }
        fill(want, seed, place, writer);
        if (place_of(seed, writer, area) != place || memcmp(block, want, BLOCK) != 0) {
            complain(dev, "bytes that nobody wrote", "block", place);
            continue;
        }
        have[place] = writer;
        if (writer > top)
            top = writer;
    }
    for (uint64_t seq = 1; seq <= top; seq++)
        must[place_of(seed, seq, area)] = seq;
    for (uint64_t place = 0; place < area; place++)
        if (have[place] != must[place]) {
            if (bad < 10)
                printf("bad %s: block %llu has write %llu, but the state after write %llu has %llu\n", dev,
                       (unsigned long long)place, (unsigned long long)have[place], (unsigned long long)top,
                       (unsigned long long)must[place]);
            bad++;
        }
    if (top < last)
        bad++;
    printf("blocks %s: state after write %llu, reported %llu, %llu blocks compared, %d bad\n", dev,
           (unsigned long long)top, (unsigned long long)last, (unsigned long long)area, bad);
    return bad ? 1 : 0;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc >= 5) {
        const char *verb = argv[1], *where = argv[2];
        uint64_t seed = strtoull(argv[3], NULL, 0), a = strtoull(argv[4], NULL, 0);
        uint64_t b = argc > 5 ? strtoull(argv[5], NULL, 0) : 0, c = argc > 6 ? strtoull(argv[6], NULL, 0) : 0;
        if (!strcmp(verb, "files") && argc == 6)
            return files(where, seed, a, b);
        if (!strcmp(verb, "fcheck") && argc == 5)
            return fcheck(where, seed, a);
        if (!strcmp(verb, "blocks") && argc == 7)
            return blocks(where, seed, a, b, c);
        if (!strcmp(verb, "bcheck") && argc == 7)
            return bcheck(where, seed, a, b, c);
    }
    fprintf(stderr, "usage: stamp files|blocks|fcheck|bcheck WHERE SEED ...\n");
    return 2;
}
