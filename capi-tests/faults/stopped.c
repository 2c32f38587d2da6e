/* The owner of an image's exclusive lock is stopped (SIGSTOP). As in Ceph, another client can write once the owner's watch has timed out:
 * it fences the owner and breaks the lock. The owner, when it goes on, must not be able to write, and is told so: ESHUTDOWN (or EROFS).
 * A client that is idle, but runs, keeps its lock's watch for as long as it likes.
 *
 * Usage: stopped -d DIR [-s SEED] [-t WATCH_TIMEOUT_S]
 */
#define _GNU_SOURCE
#include <errno.h>
#include <rados/librados.h>
#include <rbd/librbd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 4096u

static char store[600], timeout_s[16] = "3";
static rados_t cluster;
static rados_ioctx_t io;
static rbd_image_t img;

static void die(const char *what, int r)
{
    printf("stopped: %s: %d (%s)\n", what, r, strerror(r < 0 ? -r : r));
    fflush(stdout);
    _exit(1);
}

static void start(int create)
{
    char text[700];
    int r, order = 20;
    if ((r = rados_create(&cluster, "admin")) < 0) die("rados_create", r);
    snprintf(text, sizeof text, "local:%s", store);
    rados_conf_set(cluster, "mon_host", text);
    rados_conf_set(cluster, "osd_client_watch_timeout", timeout_s);
    if ((r = rados_connect(cluster)) < 0) die("rados_connect", r);
    if ((r = rados_ioctx_create(cluster, "rbd", &io)) < 0) die("rados_ioctx_create", r);
    if (create && (r = rbd_create(io, "image", 1024 * BLOCK, &order)) < 0) die("rbd_create", r);
    if ((r = rbd_open(io, "image", &img, NULL)) < 0) die("rbd_open", r);
}

static int put(char what, uint64_t block)
{
    char buf[BLOCK];
    memset(buf, what, BLOCK);
    int r = (int)rbd_write(img, block * BLOCK, BLOCK, buf);
    return r < 0 ? r : rbd_flush(img);
}

static char get(uint64_t block)
{
    char buf[BLOCK];
    int r = (int)rbd_read(img, block * BLOCK, BLOCK, buf);
    if (r != (int)BLOCK) die("rbd_read", r);
    if (memcmp(buf, buf + 1, BLOCK - 1)) die("a mixed block", 0);
    return buf[0];
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    int o, r, status, say[2], hear[2];
    char c;
    const char *dir = NULL;
    while ((o = getopt(argc, argv, "d:s:t:")) != -1) {
        if (o == 'd') dir = optarg;
        else if (o == 't') snprintf(timeout_s, sizeof timeout_s, "%s", optarg);
        else if (o != 's') return 2;
    }
    if (!dir || pipe(say) || pipe(hear)) return 2;
    snprintf(store, sizeof store, "%s/store", dir);
    pid_t owner = fork();
    if (!owner) {
        start(1);
        if ((r = put('a', 0)) < 0 || (r = put('a', 1)) < 0) die("the owner's first write", r);
        /* For as long as it runs, it owns the lock. */
        if (write(hear[1], "a", 1) != 1 || read(say[0], &c, 1) != 1) die("pipe", errno);
        int owns = 0;
        if ((r = put('b', 1)) < 0) die("the write of an owner that was idle", r);
        if ((r = rbd_is_exclusive_lock_owner(img, &owns)) < 0 || !owns) die("an idle owner has lost the lock", r);
        if (write(hear[1], "b", 1) != 1 || read(say[0], &c, 1) != 1) die("pipe", errno);
        /* It was stopped meanwhile, and fenced. */
        /* EROFS: it has heard first that another wants the lock, and cannot get it back. */
        if ((r = put('c', 0)) != -ESHUTDOWN && r != -EROFS) die("the write of the owner that was stopped", r);
        char buf[BLOCK];
        if ((r = (int)rbd_read(img, 0, BLOCK, buf)) != -ESHUTDOWN && r != -EROFS) die("the read of the owner that was stopped", r);
        rbd_close(img);
        rados_ioctx_destroy(io);
        rados_shutdown(cluster);
        _exit(0);
    }
    double timeout = atof(timeout_s);
    if (read(hear[0], &c, 1) != 1) die("the owner", 0);
    /* Longer than the timeout: only an owner that says nothing loses its watch. */
    struct timespec idle = {(time_t)timeout + 1, 0}, quiet = {1, 0};
    start(0);
    nanosleep(&idle, NULL);
    rbd_image_watcher_t watchers[8];
    size_t n = 8;
    if ((r = rbd_watchers_list(img, watchers, &n)) < 0 || n != 2) die("rbd_watchers_list of two openers", r < 0 ? r : (int)n);
    rbd_watchers_list_cleanup(watchers, n);
    if (write(say[1], "b", 1) != 1 || read(hear[0], &c, 1) != 1) die("the owner", 0);
    nanosleep(&quiet, NULL); /* what it does on its own is done */
    kill(owner, SIGSTOP);
    if (waitpid(owner, &status, WUNTRACED) != owner || !WIFSTOPPED(status)) die("SIGSTOP", errno);
    double begin = now();
    alarm(120);
    if ((r = put('d', 0)) < 0) die("a write while the owner is stopped", r);
    double took = now() - begin;
    n = 8;
    if ((r = rbd_watchers_list(img, watchers, &n)) < 0 || n != 1) die("rbd_watchers_list while the owner is stopped", r < 0 ? r : (int)n);
    rbd_watchers_list_cleanup(watchers, n);
    kill(owner, SIGCONT);
    if (write(say[1], "c", 1) != 1 || waitpid(owner, &status, 0) != owner) die("the owner", errno);
    if (status) die("the owner, when it went on", status);
    if (get(0) != 'd' || get(1) != 'b') die("what is read is not what was written", 0);
    if ((r = put('e', 0)) < 0 || get(0) != 'e') die("the new owner", r);
    if (took > 3 * timeout + 30) die("it took too long", (int)took);
    rbd_close(img);
    rados_ioctx_destroy(io);
    rados_shutdown(cluster);
    printf("the lock of an owner that was stopped could be taken after %.1f s (timeout %s s), and the owner was fenced\n", took, timeout_s);
    return 0;
}
