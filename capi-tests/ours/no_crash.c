/* Calls on which Ceph's libraries or its OSD abort, hang, or overrun the caller's buffer. Here they end, with a result. */
#include "t_check.h"
#include <dlfcn.h>

static rados_t c;
static rados_ioctx_t io;

static void rados(void)
{
	const char *a = name("o");
	char buf[64];
	int rval = 99;
	rados_t other;
	struct rados_cluster_stat_t st;
	MUST(rados_create(&other, NULL));
	IS(-ENOTCONN, rados_cluster_stat(other, &st));
	FAILS(rados_wait_for_latest_osdmap(other));
	rados_shutdown(other);

	/* An OSD asserts that the length is not zero. */
	MUST(rados_write_full(io, a, "0123456789", 10));
	rados_write_op_t op = rados_create_write_op();
	rados_write_op_zero(op, 3, 0);
	IS(0, rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	IS(10, rados_read(io, a, buf, sizeof buf, 0));
	HOLDS(!memcmp(buf, "0123456789", 10));

	/* An OSD takes the object for damaged, and waits for ever. A comparison sees what was there before the list. */
	op = rados_create_write_op();
	rados_write_op_write_full(op, "new", 3);
	rados_write_op_cmpext(op, "0123", 4, 0, &rval);
	IS(0, rados_write_op_operate(op, io, a, NULL, 0));
	IS(0, rval);
	rados_release_write_op(op);
	op = rados_create_write_op();
	rados_write_op_write_full(op, "0123456789", 10);
	rados_write_op_cmpext(op, "0123", 4, 0, &rval);
	FAILS(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	IS(3, rados_read(io, a, buf, sizeof buf, 0));

	FAILS(rados_writesame(io, a, buf, (size_t)UINT_MAX, (size_t)UINT_MAX, 0));
	FAILS(rados_watch_check(io, 12345));
	FAILS(rados_unwatch2(io, 12345));

	/* These overrun the buffer. */
	rados_completion_t comp;
	memset(buf, '?', sizeof buf);
	MUST(rados_aio_create_completion2(NULL, NULL, &comp));
	if (rados_aio_read(io, a, comp, buf, 0, 0) == 0)
		MUST(rados_aio_wait_for_complete(comp));
	rados_aio_release(comp);
	HOLDS(buf[0] == '?');
	MUST(rados_remove(io, a));
	/* A length of zero, where Ceph inserts a negative range into a vector. */
	const char *args[] = { "x" };
	rados_conf_parse_argv(c, 0, args);
}

/* The plain forms of rados_tmap_*, which dlsym() finds. */
static void tmaps(void)
{
	int (*put)(rados_ioctx_t, const char *, const char *, size_t) = dlsym(RTLD_DEFAULT, "rados_tmap_put");
	int (*update)(rados_ioctx_t, const char *, const char *, size_t) = dlsym(RTLD_DEFAULT, "rados_tmap_update");
	static const char unsorted[] = "\0\0\0\0\2\0\0\0\1\0\0\0m\0\0\0\0\1\0\0\0c\0\0\0\0what follows";
	static const char set[] = "sX\0\0\0z\0\0\0\0s\1\0\0\0c\0\0\0\0";
	const char *a = name("tmap");
	char buf[64], steps[sizeof set];
	memcpy(steps, set, sizeof set);
	steps[1] = 1;
	/* The library ends the program by an exception. */
	IS(-EINVAL, put(io, a, "junk", 4));
	IS(-EINVAL, put(io, a, "", 0));
	IS(-EINVAL, put(io, a, unsorted, 20));
	IS(-ENOENT, rados_read(io, a, buf, sizeof buf, 0));
	/* An OSD aborts: the object is no map, or steps out of order meet what follows one. */
	MUST(rados_write_full(io, a, "0123456789", 10));
	IS(-EINVAL, update(io, a, steps, 10));
	IS(10, rados_read(io, a, buf, sizeof buf, 0));
	MUST(rados_write_full(io, a, unsorted, sizeof unsorted - 1));
	IS(-EINVAL, update(io, a, steps, sizeof set - 1));
	IS((long)sizeof unsorted - 1, rados_read(io, a, buf, sizeof buf, 0));
	HOLDS(!memcmp(buf, unsorted, sizeof unsorted - 1));
	MUST(rados_remove(io, a));
}

struct chain {
	struct event done;
	rbd_image_t image;
	const char *obj;
	char buf[16];
	long long rados_result, rbd_result;
};

static void on_rados(rados_completion_t outer, void *arg)
{
	struct chain *t = arg;
	rados_completion_t inner;
	(void)outer;
	/* A whole call, with its wait, from inside a callback; in Ceph the one thread for callbacks waits for itself. */
	MUST(rados_aio_create_completion2(NULL, NULL, &inner));
	MUST(rados_aio_read(io, t->obj, inner, t->buf, sizeof t->buf, 0));
	MUST(rados_aio_wait_for_complete_and_cb(inner));
	t->rados_result = rados_aio_get_return_value(inner);
	rados_aio_release(inner);
	event_set(&t->done);
}

static void on_rbd(rbd_completion_t outer, void *arg)
{
	struct chain *t = arg;
	(void)outer;
	t->rbd_result = rbd_read(t->image, 0, 4, t->buf);
	event_set(&t->done);
}

static void waiting(void)
{
	struct chain t = { EVENT_INIT, NULL, name("w"), "", -1, -1 };
	rados_completion_t comp;
	MUST(rados_aio_create_completion2(&t, on_rados, &comp));
	MUST(rados_aio_write_full(io, t.obj, comp, "abc", 3));
	HOLDS(event_wait(&t.done, 1, 20000));
	rados_aio_release(comp);
	IS(3, t.rados_result);
	MUST(rados_remove(io, t.obj));

	image_make(io, name("w"), MIB);
	t.image = image_open(io, name("w"));
	rbd_completion_t rc;
	MUST(rbd_aio_create_completion(&t, on_rbd, &rc));
	MUST(rbd_aio_write(t.image, 0, 4, "data", rc));
	HOLDS(event_wait(&t.done, 2, 20000));
	IS(4, t.rbd_result);
	rbd_aio_release(rc);
	IS(0, rbd_close(t.image));
	IS(0, rbd_remove(io, name("w")));
}

static void rbd(void)
{
	const uint64_t size = MIB;
	char a[512], b[512];
	uint64_t mismatch;
	struct timespec ts;
	memset(a, 0, sizeof a);
	memset(b, 'b', sizeof b);
	image_make(io, name("img"), size);
	rbd_image_t image = image_open(io, name("img"));
	IS(-EINVAL, rbd_compare_and_write(image, size, 512, a, b, &mismatch, 0));
	IS(-EINVAL, rbd_compare_and_write(image, size + 4096, 512, a, b, &mismatch, 0));
	HOLDS(rbd_compare_and_write(image, 0, 0, a, b, &mismatch, 0) <= 0);
	IS(-ENOENT, rbd_snap_get_timestamp(image, 999999, &ts));

	struct iovec huge[2] = { { a, SIZE_MAX / 2 }, { b, SIZE_MAX / 2 } };
	rbd_completion_t comp;
	MUST(rbd_aio_create_completion(NULL, NULL, &comp));
	FAILS(rbd_aio_writev(image, huge, 2, 0, comp));
	FAILS(rbd_aio_readv(image, huge, 2, 0, comp));
	rbd_aio_release(comp);

	/* Writing at the head again while another handle has the lock. */
	MUST(rbd_write(image, 0, 1, "x"));
	MUST(rbd_snap_create(image, "s"));
	rbd_image_t at;
	MUST(rbd_open(io, name("img"), &at, "s"));
	IS(0, rbd_snap_set(at, NULL));
	HOLDS(rbd_write(at, 1, 1, "y") == 1);
	IS(0, rbd_close(at));
	MUST(rbd_snap_remove(image, "s"));
	IS(0, rbd_close(image));
	IS(0, rbd_remove(io, name("img")));

	/* An advisory lock that its owner forgot: removing the image must not wait for ever. */
	image_make(io, name("locked"), size);
	image = image_open(io, name("locked"));
	MUST(rbd_lock_exclusive(image, "forgotten"));
	IS(0, rbd_close(image));
	int r = rbd_remove(io, name("locked"));
	HOLDS(r == 0 || r == -EBUSY);
	if (r == -EBUSY) {
		image = image_open(io, name("locked"));
		IS(0, rbd_unlock(image, "forgotten"));
		IS(0, rbd_close(image));
		IS(0, rbd_remove(io, name("locked")));
	}
}

int main(int argc, char **argv)
{
	t_start(argc, argv);
	c = t_connect();
	io = t_ioctx(c);
	rados();
	tmaps();
	waiting();
	rbd();
	rados_ioctx_destroy(io);
	rados_shutdown(c);
	return t_verdict();
}
