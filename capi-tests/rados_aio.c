/* Completions: their states, callbacks, results, order, flush, cancel; what a callback may do. */
#include "t.h"

static rados_t cluster;
static rados_ioctx_t io;

struct seen {
	struct event complete, safe;
	int complete_calls, safe_calls;
	bool arg_ok, on_caller;
	pthread_t caller;
};

static void on_complete(rados_completion_t c, void *arg)
{
	struct seen *s = arg;
	s->complete_calls++;
	s->on_caller |= pthread_equal(s->caller, pthread_self());
	s->arg_ok = rados_aio_is_complete(c);
	event_set(&s->complete);
}

static void on_safe(rados_completion_t c, void *arg)
{
	struct seen *s = arg;
	(void)c;
	s->safe_calls++;
	event_set(&s->safe);
}

static struct seen seen_new(void)
{
	struct seen s = { EVENT_INIT, EVENT_INIT, 0, 0, false, false, pthread_self() };
	return s;
}

#define AIO(call) do { \
		MUST(rados_aio_create_completion2(NULL, NULL, &c)); \
		if (R(call) == 0) { \
			MUST(rados_aio_wait_for_complete(c)); \
			t_result("  completed", rados_aio_get_return_value(c)); \
		} \
		rados_aio_release(c); \
	} while (0)

static void plain(void)
{
	const char *a = name("a");
	rados_completion_t c;
	struct seen s = seen_new();
	char buf[64];
	SECTION("a write with both callbacks");
	R(rados_aio_create_completion(&s, on_complete, on_safe, &c));
	R(rados_aio_is_complete(c));
	R(rados_aio_is_safe(c));
	R(rados_aio_is_complete_and_cb(c));
	R(rados_aio_is_safe_and_cb(c));
	R(rados_aio_get_return_value(c));
	R(rados_aio_write_full(io, a, c, "data", 4));
	R(rados_aio_wait_for_complete(c));
	R(rados_aio_wait_for_safe(c));
	R(rados_aio_wait_for_complete_and_cb(c));
	R(rados_aio_wait_for_safe_and_cb(c));
	R(rados_aio_is_complete(c));
	R(rados_aio_is_safe(c));
	R(rados_aio_is_complete_and_cb(c));
	R(rados_aio_is_safe_and_cb(c));
	R(rados_aio_get_return_value(c));
	SAY("version is the handle's: %d", rados_aio_get_version(c) == rados_get_last_version(io) || rados_aio_get_version(c) > 0);
	SAY("complete calls %d, safe calls %d, complete inside the callback %d, on the caller's thread %d", s.complete_calls, s.safe_calls, s.arg_ok, s.on_caller);
	rados_aio_release(c);
	SECTION("only one of the callbacks, or none");
	struct seen t = seen_new();
	R(rados_aio_create_completion(&t, on_complete, NULL, &c));
	R(rados_aio_read(io, a, c, buf, 10, 0));
	R(rados_aio_wait_for_complete_and_cb(c));
	R(rados_aio_get_return_value(c));
	SAY("complete calls %d, safe calls %d", t.complete_calls, t.safe_calls);
	rados_aio_release(c);
	struct seen u = seen_new();
	R(rados_aio_create_completion(&u, NULL, on_safe, &c));
	R(rados_aio_append(io, a, c, "+", 1));
	R(rados_aio_wait_for_safe_and_cb(c));
	R(rados_aio_get_return_value(c));
	SAY("complete calls %d, safe calls %d", u.complete_calls, u.safe_calls);
	rados_aio_release(c);
	struct seen v = seen_new();
	R(rados_aio_create_completion(&v, on_complete, on_safe, &c));
	R(rados_aio_read(io, a, c, buf, 10, 0));
	R(rados_aio_wait_for_safe_and_cb(c));
	SAY("a read: complete calls %d, safe calls %d", v.complete_calls, v.safe_calls);
	rados_aio_release(c);
}

static void kinds(void)
{
	const char *a = name("k");
	rados_completion_t c;
	char buf[64];
	uint64_t size = 0;
	time_t mtime = 0;
	SECTION("every kind");
	AIO(rados_aio_write(io, a, c, "hello", 5, 0));
	AIO(rados_aio_append(io, a, c, " world", 6));
	memset(buf, '?', sizeof buf);
	AIO(rados_aio_read(io, a, c, buf, sizeof buf, 0));
	show("  buf", buf, 12);
	AIO(rados_aio_read(io, a, c, buf, 10, 100));
	/* A read of length 0, and an exec with a buffer that is too short, overrun that buffer in Ceph. */
	AIO(rados_aio_read(io, name("none"), c, buf, 10, 0));
	AIO(rados_aio_stat(io, a, c, &size, &mtime));
	SAY("  size %" PRIu64, size);
	AIO(rados_aio_stat(io, name("none"), c, &size, &mtime));
	AIO(rados_aio_cmpext(io, a, c, "hello", 5, 0));
	AIO(rados_aio_cmpext(io, a, c, "heLlo", 5, 0));
	AIO(rados_aio_writesame(io, a, c, "ab", 2, 6, 1));
	AIO(rados_aio_writesame(io, a, c, "ab", 2, 5, 1));
	AIO(rados_aio_read(io, a, c, buf, sizeof buf, 0));
	show("  buf", buf, 11);
	AIO(rados_aio_setxattr(io, a, c, "x", "value", 5));
	AIO(rados_aio_setxattr(io, a, c, "x", "value", 5));
	AIO(rados_aio_getxattr(io, a, c, "x", buf, sizeof buf));
	show("  buf", buf, 5);
	AIO(rados_aio_getxattr(io, a, c, "x", buf, 2));
	AIO(rados_aio_getxattr(io, a, c, "none", buf, 2));
	rados_xattrs_iter_t it;
	AIO(rados_aio_getxattrs(io, a, c, &it));
	const char *key, *val;
	size_t len;
	R(rados_getxattrs_next(it, &key, &val, &len));
	SAY("  first key %s", key ? key : "(null)");
	rados_getxattrs_end(it);
	AIO(rados_aio_rmxattr(io, a, c, "x"));
	AIO(rados_aio_getxattr(io, a, c, "x", buf, sizeof buf));
	memset(buf, '-', sizeof buf);
	AIO(rados_aio_exec(io, a, c, "hello", "say_hello", "you", 3, buf, sizeof buf));
	show("  buf", buf, 11);
	AIO(rados_aio_write(io, a, c, buf, (size_t)UINT_MAX, 0));
	AIO(rados_aio_write_full(io, a, c, buf, (size_t)UINT_MAX));
	AIO(rados_aio_append(io, a, c, buf, (size_t)UINT_MAX));
	AIO(rados_aio_write(io, a, c, "x", 1, 1ULL << 40));
	AIO(rados_aio_write(io, "", c, "x", 1, 0));
	rados_write_op_t w = rados_create_write_op();
	rados_write_op_write_full(w, "by op", 5);
	AIO(rados_aio_write_op_operate(w, io, c, a, NULL, 0));
	rados_release_write_op(w);
	w = rados_create_write_op();
	time_t when = 1000000000;
	rados_write_op_append(w, "2", 1);
	AIO(rados_aio_write_op_operate(w, io, c, a, &when, 0));
	rados_release_write_op(w);
	AIO(rados_aio_stat(io, a, c, &size, &mtime));
	SAY("  size %" PRIu64 " mtime %lld", size, (long long)mtime);
	rados_read_op_t r = rados_create_read_op();
	size_t got = 0;
	int rval = 99;
	rados_read_op_read(r, 0, 10, buf, &got, &rval);
	AIO(rados_aio_read_op_operate(r, io, c, a, 0));
	SAY("  got %zu rval %d", got, rval);
	rados_release_read_op(r);
	w = rados_create_write_op();
	rados_write_op_create(w, LIBRADOS_CREATE_EXCLUSIVE, NULL);
	AIO(rados_aio_write_op_operate(w, io, c, a, NULL, 0));
	rados_release_write_op(w);
	AIO(rados_aio_remove(io, a, c));
	AIO(rados_aio_remove(io, a, c));
}

static void buffers(void)
{
	const char *a = name("buf");
	rados_completion_t c;
	SECTION("the caller's buffer may go when the call returns");
	char *p = malloc(100000);
	memset(p, 'd', 100000);
	MUST(rados_aio_create_completion2(NULL, NULL, &c));
	R(rados_aio_write_full(io, a, c, p, 100000));
	memset(p, 'X', 100000);
	MUST(rados_aio_wait_for_complete(c));
	rados_aio_release(c);
	R(rados_read(io, a, p, 100000, 0));
	SAY("first %c, last %c", p[0], p[99999]);
	rados_write_op_t w = rados_create_write_op();
	memset(p, 'e', 1000);
	rados_write_op_write_full(w, p, 1000);
	memset(p, 'X', 1000);
	R(rados_write_op_operate(w, io, a, NULL, 0));
	rados_release_write_op(w);
	R(rados_read(io, a, p, 1000, 0));
	SAY("first %c", p[0]);
	free(p);
	MUST(rados_remove(io, a));
}

static void on_release(rados_completion_t c, void *arg)
{
	rados_aio_release(c);
	event_set(arg);
}

struct chain {
	struct event done;
	int left;
};

static void on_next(rados_completion_t c, void *arg)
{
	struct chain *t = arg;
	rados_aio_release(c);
	if (--t->left > 0) {
		rados_completion_t next;
		rados_aio_create_completion2(t, on_next, &next);
		rados_aio_append(io, name("cb"), next, "x", 1);
	} else {
		event_set(&t->done);
	}
}

static void callbacks(void)
{
	const char *a = name("cb");
	rados_completion_t c;
	SECTION("a completion released at once, and in its own callback");
	struct event e = EVENT_INIT;
	MUST(rados_aio_create_completion2(&e, on_release, &c));
	R(rados_aio_write_full(io, a, c, "1", 1));
	SAY("called: %d", event_wait(&e, 1, 30000));
	struct seen s = seen_new();
	MUST(rados_aio_create_completion2(&s, on_complete, &c));
	R(rados_aio_write_full(io, a, c, "22", 2));
	rados_aio_release(c);
	SAY("called: %d", event_wait(&s.complete, 1, 30000));
	SECTION("a callback that starts the next write");
	struct chain t = { EVENT_INIT, 20 };
	MUST(rados_aio_create_completion2(&t, on_next, &c));
	R(rados_aio_append(io, a, c, "x", 1));
	SAY("done: %d", event_wait(&t.done, 1, 30000));
	uint64_t size = 0;
	R(rados_stat(io, a, &size, NULL));
	SAY("size %" PRIu64, size);
	MUST(rados_remove(io, a));
}

static void order(void)
{
	const char *a = name("order");
	enum { N = 100 };
	rados_completion_t cs[N];
	char buf[N + 1] = "";
	SECTION("a hundred appends to one object arrive in order");
	for (int i = 0; i < N; i++) {
		char ch = (char)('0' + i % 10);
		MUST(rados_aio_create_completion2(NULL, NULL, &cs[i]));
		MUST(rados_aio_append(io, a, cs[i], &ch, 1));
	}
	R(rados_aio_flush(io));
	int done = 0, bad = 0;
	for (int i = 0; i < N; i++) {
		done += rados_aio_is_complete(cs[i]);
		bad += rados_aio_get_return_value(cs[i]) != 0;
		rados_aio_release(cs[i]);
	}
	SAY("complete after aio_flush: %d, failed: %d", done, bad);
	R(rados_read(io, a, buf, N, 0));
	show("  data", buf, 40);
	SECTION("aio_flush_async");
	rados_completion_t c, f;
	MUST(rados_aio_create_completion2(NULL, NULL, &c));
	MUST(rados_aio_create_completion2(NULL, NULL, &f));
	R(rados_aio_append(io, a, c, "y", 1));
	R(rados_aio_flush_async(io, f));
	R(rados_aio_wait_for_complete(f));
	R(rados_aio_is_complete(c));
	R(rados_aio_get_return_value(f));
	rados_aio_release(c);
	rados_aio_release(f);
	R(rados_aio_flush(io));
	SECTION("cancel of what is finished");
	MUST(rados_aio_create_completion2(NULL, NULL, &c));
	R(rados_aio_append(io, a, c, "z", 1));
	R(rados_aio_wait_for_complete(c));
	R(rados_aio_cancel(io, c));
	R(rados_aio_get_return_value(c));
	rados_aio_release(c);
	SECTION("a cancelled call ends once, with its result or ECANCELED");
	struct seen s = seen_new();
	char *big = calloc(1, 4 << 20);
	MUST(rados_aio_create_completion2(&s, on_complete, &c));
	MUST(rados_aio_write_full(io, a, c, big, 4 << 20));
	R(rados_aio_cancel(io, c));
	R(rados_aio_wait_for_complete_and_cb(c));
	int r = rados_aio_get_return_value(c);
	SAY("result is one of them: %d, callbacks %d", r == 0 || r == -ECANCELED, s.complete_calls);
	rados_aio_release(c);
	free(big);
	MUST(rados_remove(io, a));
}

static void ending(void)
{
	const char *a = name("end");
	enum { N = 50 };
	SECTION("a handle destroyed with calls under way: they all end");
	rados_ioctx_t other = t_ioctx(cluster);
	rados_completion_t cs[N];
	struct seen s = seen_new();
	for (int i = 0; i < N; i++) {
		MUST(rados_aio_create_completion2(&s, on_complete, &cs[i]));
		MUST(rados_aio_append(other, a, cs[i], "0123456789", 10));
	}
	V(rados_ioctx_destroy(other));
	int bad = 0;
	for (int i = 0; i < N; i++) {
		MUST(rados_aio_wait_for_complete_and_cb(cs[i]));
		bad += rados_aio_get_return_value(cs[i]) != 0;
		rados_aio_release(cs[i]);
	}
	SAY("failed %d, callbacks %d", bad, s.complete_calls);
	uint64_t size = 0;
	R(rados_stat(io, a, &size, NULL));
	SAY("size %" PRIu64, size);
	MUST(rados_remove(io, a));
}

int main(int argc, char **argv)
{
	t_start(argc, argv);
	cluster = t_connect();
	io = t_ioctx(cluster);
	plain();
	kinds();
	buffers();
	callbacks();
	order();
	ending();
	rados_ioctx_destroy(io);
	rados_shutdown(cluster);
	return 0;
}
