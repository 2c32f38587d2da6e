/* An image whose newest flushed bytes are only in the log of a host that was killed: who may open it, and what is there then.
 *
 * Usage: local_log -c CONF -d FOLDER -x LOGRBD [-p POOL] [-i IMAGE]
 *
 * CONF has rbd_persistent_cache_mode = ssd and FOLDER as rbd_persistent_cache_path. A store that tells at once that a client
 * is dead: a local one.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <rados/librados.h>
#include <rbd/librbd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCK 4096

static const char *conf, *folder, *tool, *pool = "rbd", *image = "local_log";
static char saved[600], path[600];

static void die(const char *what, int r)
{
    fprintf(stderr, "local_log: %s: %s (%d)\n", what, strerror(r < 0 ? -r : r), r);
    _exit(2);
}

static void need(const char *what, int got, int wanted)
{
    if (got == wanted) return;
    fprintf(stderr, "local_log: VIOLATION: %s gave %d (%s), not %d\n", what, got, strerror(got < 0 ? -got : 0), wanted);
    _exit(1);
}

struct conn {
    rados_t cluster;
    rados_ioctx_t io;
    rbd_image_t img;
};

static void connect_to(struct conn *c, const char *host, const char *mode)
{
    int r;
    if ((r = rados_create(&c->cluster, "admin")) < 0) die("rados_create", r);
    if ((r = rados_conf_read_file(c->cluster, conf)) < 0) die(conf, r);
    if (host && (r = rados_conf_set(c->cluster, "logrbd_host_id", host)) < 0) die("logrbd_host_id", r);
    if (mode && (r = rados_conf_set(c->cluster, "rbd_persistent_cache_mode", mode)) < 0) die(mode, r);
    if ((r = rados_connect(c->cluster)) < 0) die("rados_connect", r);
    if ((r = rados_ioctx_create(c->cluster, pool, &c->io)) < 0) die(pool, r);
}

static void holds(struct conn *c, int block, int byte)
{
    unsigned char data[BLOCK];
    need("rbd_read", (int)rbd_read(c->img, (uint64_t)block * BLOCK, BLOCK, (char *)data), BLOCK);
    for (int i = 0; i < BLOCK; i++)
        if (data[i] != byte) {
            fprintf(stderr, "local_log: VIOLATION: block %d has %d at byte %d, not %d\n", block, data[i], i, byte);
            _exit(1);
        }
}

static void put(struct conn *c, int block, int byte)
{
    char data[BLOCK];
    memset(data, byte, BLOCK);
    need("rbd_write", (int)rbd_write(c->img, (uint64_t)block * BLOCK, BLOCK, data), BLOCK);
}

static void disconnect(struct conn *c)
{
    rados_ioctx_destroy(c->io);
    rados_shutdown(c->cluster);
}

/* Each step is a process of its own: one that uses the library is not forked. */
static void in_child(void (*step)(void *), void *arg, int signal)
{
    fflush(stdout);
    pid_t pid = fork();
    int status;
    if (pid < 0) die("fork", errno);
    if (!pid) {
        step(arg);
        _exit(0);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (signal ? !WIFSIGNALED(status) || WTERMSIG(status) != signal : status != 0) exit(WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : 2);
}

static void make(void *name)
{
    struct conn c;
    int order = 0;
    connect_to(&c, NULL, NULL);
    rbd_remove(c.io, name);
    need("rbd_create", rbd_create(c.io, name, 16 << 20, &order), 0);
    disconnect(&c);
}

/* Block 0 is in the store as 1; block 1 was flushed to the log as 2. */
static void crash(void *name)
{
    struct conn c;
    connect_to(&c, "one", NULL);
    need("rbd_open", rbd_open(c.io, name, &c.img, NULL), 0);
    put(&c, 0, 1);
    put(&c, 1, 9);
    need("rbd_close", rbd_close(c.img), 0);
    need("rbd_open", rbd_open(c.io, name, &c.img, NULL), 0);
    put(&c, 1, 2);
    need("rbd_flush", rbd_flush(c.img), 0);
    kill(getpid(), SIGKILL);
}

static void refused(void *host)
{
    struct conn c;
    connect_to(&c, host, NULL);
    need("rbd_open where the log is not", rbd_open(c.io, image, &c.img, NULL), -EUCLEAN);
    need("rbd_open_read_only", rbd_open_read_only(c.io, image, &c.img, NULL), 0);
    holds(&c, 0, 1);
    need("rbd_close", rbd_close(c.img), 0);
    disconnect(&c);
}

/* Reads before it writes: the first read must see what was flushed. */
static void look(const char *host, const char *mode, int flushed)
{
    struct conn c;
    connect_to(&c, host, mode);
    need("rbd_open", rbd_open(c.io, image, &c.img, NULL), 0);
    holds(&c, 1, flushed);
    holds(&c, 0, 1);
    need("rbd_close", rbd_close(c.img), 0);
    disconnect(&c);
}

static void opens_elsewhere(void *flushed)
{
    look("two", NULL, *(int *)flushed);
}

/* On the log's host. */
static void opens_here(void *mode)
{
    look("one", mode, 2);
}

static void rwl(void *unused)
{
    struct conn c;
    (void)unused;
    connect_to(&c, "one", "rwl");
    need("rbd_open with rwl", rbd_open(c.io, image, &c.img, NULL), -EINVAL);
    need("rbd_open_read_only with rwl", rbd_open_read_only(c.io, image, &c.img, NULL), 0);
    need("rbd_close", rbd_close(c.img), 0);
    need("an unknown mode", rados_conf_set(c.cluster, "rbd_persistent_cache_mode", "tape"), -EINVAL);
    disconnect(&c);
}

/* Two openers at once, each with a log, on hosts of their own: the lock moves, and what the other has flushed is there. */
static void moves(void *unused)
{
    struct conn a, b;
    (void)unused;
    connect_to(&a, "one", NULL);
    connect_to(&b, "two", NULL);
    need("rbd_open", rbd_open(a.io, image, &a.img, NULL), 0);
    put(&a, 2, 3);
    need("rbd_flush", rbd_flush(a.img), 0);
    need("rbd_open beside a living owner", rbd_open(b.io, image, &b.img, NULL), 0);
    holds(&b, 2, 3);
    put(&b, 2, 4);
    need("rbd_flush", rbd_flush(b.img), 0);
    holds(&a, 2, 4);
    need("rbd_close", rbd_close(b.img), 0);
    need("rbd_close", rbd_close(a.img), 0);
    disconnect(&b);
    disconnect(&a);
}

/* What stands in the header about the log is no mark any more. */
static void rot(void *unused)
{
    struct conn c;
    char id[64], header[100];
    (void)unused;
    connect_to(&c, "two", NULL);
    need("rbd_open_read_only", rbd_open_read_only(c.io, image, &c.img, NULL), 0);
    need("rbd_get_id", rbd_get_id(c.img, id, sizeof id), 0);
    need("rbd_close", rbd_close(c.img), 0);
    snprintf(header, sizeof header, "lsvd_header.%s", id);
    const char *key = "local_log", *value = "rot";
    size_t length = strlen(value);
    rados_write_op_t op = rados_create_write_op();
    rados_write_op_omap_set(op, &key, &value, &length, 1);
    need("rados_write_op_operate", rados_write_op_operate(op, c.io, header, NULL, 0), 0);
    rados_release_write_op(op);
    need("rbd_open with a mark that has rotted", rbd_open(c.io, image, &c.img, NULL), -EIO);
    need("rbd_open_read_only", rbd_open_read_only(c.io, image, &c.img, NULL), 0);
    holds(&c, 0, 1);
    need("rbd_close", rbd_close(c.img), 0);
    disconnect(&c);
}

static void removed(void *host)
{
    struct conn c;
    connect_to(&c, host, NULL);
    need("rbd_remove", rbd_remove(c.io, image), 0);
    disconnect(&c);
}

static int run_tool(const char *command, const char *option)
{
    pid_t pid = fork();
    int status;
    if (pid < 0) die("fork", errno);
    if (!pid) {
        execl(tool, tool, "-c", conf, "-p", pool, "-o", "logrbd_host_id=one", "persistent-cache", command, image, option, (char *)NULL);
        die(tool, errno);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The only log in the folder. */
static void find_log(void)
{
    DIR *d = opendir(folder);
    int found = 0;
    if (!d) die(folder, errno);
    for (struct dirent *e; (e = readdir(d));)
        if (!strncmp(e->d_name, "logrbd-ssd.", 11)) {
            snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
            found++;
        }
    closedir(d);
    need("logs in the folder", found, 1);
    snprintf(saved, sizeof saved, "%s/saved", folder);
}

static void move(const char *from, const char *to)
{
    if (rename(from, to) < 0) die(from, errno);
}

int main(int argc, char **argv)
{
    int o, two = 2, nine = 9;
    char other[100], foreign[600];
    while ((o = getopt(argc, argv, "c:d:x:p:i:")) != -1) switch (o) {
        case 'c': conf = optarg; break;
        case 'd': folder = optarg; break;
        case 'x': tool = optarg; break;
        case 'p': pool = optarg; break;
        case 'i': image = optarg; break;
        default: return 2;
        }
    if (!conf || !folder || !tool) {
        fprintf(stderr, "usage: local_log -c CONF -d FOLDER -x LOGRBD [-p POOL] [-i IMAGE]\n");
        return 2;
    }
    /* The log of another image, left by a crash. */
    snprintf(other, sizeof other, "%s.other", image);
    snprintf(foreign, sizeof foreign, "%s/foreign", folder);
    in_child(make, other, 0);
    in_child(crash, other, SIGKILL);
    find_log();
    move(path, foreign);
    char others_path[600];
    strcpy(others_path, path);

    in_child(make, (void *)image, 0);
    in_child(crash, (void *)image, SIGKILL);
    find_log();
    in_child(refused, "two", 0);
    move(path, saved);
    in_child(refused, "one", 0); /* it is gone */
    if (link(foreign, path) < 0) die(path, errno);
    in_child(refused, "one", 0); /* no file of one name only */
    unlink(path);
    move(foreign, path);
    in_child(refused, "one", 0); /* of another image */
    move(path, foreign);
    move(saved, path);
    in_child(rwl, NULL, 0);
    in_child(opens_here, NULL, 0);
    in_child(opens_elsewhere, &two, 0);

    in_child(crash, (void *)image, SIGKILL);
    in_child(opens_here, "disabled", 0); /* an opener without a log of its own replays as well */
    in_child(opens_elsewhere, &two, 0);

    in_child(crash, (void *)image, SIGKILL);
    need("status", run_tool("status", NULL), 0);
    need("invalidate without --force", run_tool("invalidate", NULL), 8);
    in_child(refused, "two", 0);
    need("flush", run_tool("flush", NULL), 0);
    in_child(opens_elsewhere, &two, 0);

    in_child(crash, (void *)image, SIGKILL);
    need("invalidate", run_tool("invalidate", "--force"), 0);
    in_child(opens_elsewhere, &nine, 0); /* what the store had */
    in_child(moves, NULL, 0);

    in_child(crash, (void *)image, SIGKILL);
    in_child(rot, NULL, 0);
    need("invalidate", run_tool("invalidate", "--force"), 0);
    in_child(opens_elsewhere, &nine, 0);

    in_child(crash, (void *)image, SIGKILL);
    find_log();
    in_child(removed, "one", 0); /* with its log */
    need("access to the log of a removed image", access(path, F_OK) < 0 ? -errno : 0, -ENOENT);
    in_child(make, (void *)image, 0);
    in_child(crash, (void *)image, SIGKILL);
    find_log();
    in_child(removed, "two", 0); /* which does not have the log */
    need("access to the log of another host", access(path, F_OK) < 0 ? -errno : 0, 0);
    puts("ok");
    return 0;
}
