/* Watch and notify: two clients, two processes, answers, time-outs, errors, checks. */
#include "t.h"
#include <signal.h>
#include <sys/wait.h>

static rados_t c1, c2;
static rados_ioctx_t io1, io2;

struct watcher {
	struct event told, failed;
	rados_ioctx_t io;
	const char *obj, *answer;
	size_t answer_len;
	uint64_t cookie, notify_id, notifier;
	char data[64];
	size_t data_len;
	int err;
	bool answers;
};

static void on_notify(void *arg, uint64_t notify_id, uint64_t handle, uint64_t notifier, void *data, size_t len)
{
	struct watcher *w = arg;
	w->cookie = handle;
	w->notify_id = notify_id;
	w->notifier = notifier;
	w->data_len = len;
	memcpy(w->data, data, len < sizeof w->data ? len : sizeof w->data);
	/* Counted before the answer: the notifier may look at the count as soon as that is there. */
	event_set(&w->told);
	if (w->answers)
		rados_notify_ack(w->io, w->obj, notify_id, handle, w->answer, (int)w->answer_len);
}

static void on_error(void *arg, uint64_t cookie, int err)
{
	struct watcher *w = arg;
	(void)cookie;
	w->err = err;
	event_set(&w->failed);
}

static struct watcher watcher(rados_ioctx_t io, const char *obj, const char *answer, size_t len)
{
	struct watcher w = { EVENT_INIT, EVENT_INIT, io, obj, answer, len, 0, 0, 0, "", 0, 0, answer != NULL };
	return w;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sends, and shows the decoded reply; the watchers' ids are shown by whose they are. */
static int notify(rados_ioctx_t io, const char *obj, const char *what, int len, uint64_t timeout_ms)
{
	char *reply = NULL;
	size_t reply_len = 0;
	int r = R(rados_notify2(io, obj, what, len, timeout_ms, &reply, &reply_len));
	SAY("  reply %s, length %s", reply ? "set" : "null", reply_len ? "set" : "0");
	if (!reply)
		return r;
	struct notify_ack_t *acks = NULL;
	struct notify_timeout_t *timeouts = NULL;
	size_t n_acks = 99, n_timeouts = 99;
	int d = rados_decode_notify_response(reply, reply_len, &acks, &n_acks, &timeouts, &n_timeouts);
	SAY("  decoded %d: %zu acks, %zu time-outs", d, n_acks, n_timeouts);
	char *lines[16];
	size_t n = 0;
	for (size_t i = 0; d == 0 && i < n_acks && n < 16; i++) {
		char text[100];
		int at = snprintf(text, sizeof text, "    ack by client %d, cookie %s, %" PRIu64 " bytes ", acks[i].notifier_id == rados_get_instance_id(c1) ? 1 : acks[i].notifier_id == rados_get_instance_id(c2) ? 2 : 3,
				  acks[i].cookie ? "set" : "0", acks[i].payload_len);
		snprintf(text + at, sizeof text - (size_t)at, "%.*s", (int)acks[i].payload_len, acks[i].payload ? acks[i].payload : "");
		lines[n++] = strdup(text);
	}
	for (size_t i = 0; d == 0 && i < n_timeouts && n < 16; i++) {
		char text[100];
		snprintf(text, sizeof text, "    no answer by client %d, cookie %s", timeouts[i].notifier_id == rados_get_instance_id(c1) ? 1 : timeouts[i].notifier_id == rados_get_instance_id(c2) ? 2 : 3, timeouts[i].cookie ? "set" : "0");
		lines[n++] = strdup(text);
	}
	qsort(lines, n, sizeof lines[0], by_text);
	for (size_t i = 0; i < n; i++) {
		SAY("%s", lines[i]);
		free(lines[i]);
	}
	if (d == 0)
		rados_free_notify_response(acks, n_acks, timeouts);
	rados_buffer_free(reply);
	return r;
}

static void one(void)
{
	const char *a = name("one");
	uint64_t cookie = 0, cookie2 = 0;
	SECTION("missing object, no watcher");
	R(rados_watch2(io1, a, &cookie, on_notify, on_error, NULL));
	SAY("cookie %s", cookie ? "set" : "0");
	notify(io1, a, "x", 1, 1000);
	MUST(rados_write_full(io1, a, "x", 1));
	notify(io1, a, "x", 1, 1000);
	SECTION("one watcher");
	struct watcher w = watcher(io1, a, "answer", 6);
	R(rados_watch2(io1, a, &cookie, on_notify, on_error, &w));
	SAY("cookie set: %d, check not negative: %d", cookie != 0, rados_watch_check(io1, cookie) >= 0);
	notify(io2, a, "hello", 5, 5000);
	SAY("told %d: cookie is right %d, notifier is client 2 %d, id set %d", w.told.count, w.cookie == cookie, w.notifier == rados_get_instance_id(c2), w.notify_id != 0);
	show("  data", w.data, w.data_len);
	notify(io2, a, "", 0, 5000);
	show("  data", w.data, w.data_len);
	notify(io2, a, NULL, 0, 5000);
	w.answer_len = 0;
	notify(io2, a, "x", 1, 5000);
	w.answer = NULL;
	notify(io2, a, "x", 1, 5000);
	SAY("without a place for the reply:");
	R(rados_notify2(io2, a, "x", 1, 5000, NULL, NULL));
	SAY("the older call:");
	R(rados_notify(io2, a, 0, "old", 3));
	show("  data", w.data, w.data_len);
	SAY("told %d", w.told.count);
	SECTION("a watcher hears itself");
	w.answer = "me";
	w.answer_len = 2;
	notify(io1, a, "self", 4, 5000);
	SECTION("one client, two watches; two clients");
	struct watcher v = watcher(io1, a, "second", 6), u = watcher(io2, a, "third", 5);
	R(rados_watch2(io1, a, &cookie2, on_notify, on_error, &v));
	SAY("another cookie: %d", cookie2 != cookie);
	uint64_t cookie3 = 0;
	R(rados_watch3(io2, a, &cookie3, on_notify, on_error, 30, &u));
	notify(io2, a, "all", 3, 5000);
	SAY("told %d %d %d", w.told.count, v.told.count, u.told.count);
	SECTION("unwatch");
	R(rados_unwatch2(io1, cookie2));
	notify(io2, a, "two", 3, 5000);
	SAY("told %d %d %d", w.told.count, v.told.count, u.told.count);
	R(rados_unwatch(io2, a, cookie3));
	R(rados_watch_flush(c1));
	R(rados_watch_flush(c2));
	notify(io2, a, "one", 3, 5000);
	SECTION("somebody who does not answer");
	w.answers = false;
	uint64_t began = now_ms();
	notify(io2, a, "silence", 7, 1500);
	uint64_t took = now_ms() - began;
	SAY("it took at least a second: %d, and less than fifteen: %d", took >= 1000, took < 15000);
	SAY("an answer that comes too late:");
	RS(rados_notify_ack(io1, a, w.notify_id, w.cookie, "late", 4));
	w.answers = true;
	notify(io2, a, "again", 5, 5000);
	R(rados_unwatch2(io1, cookie));
	SECTION("aio forms");
	rados_completion_t c;
	MUST(rados_aio_create_completion2(NULL, NULL, &c));
	R(rados_aio_watch(io1, a, c, &cookie, on_notify, on_error, &w));
	R(rados_aio_wait_for_complete(c));
	R(rados_aio_get_return_value(c));
	rados_aio_release(c);
	char *reply = NULL;
	size_t len = 0;
	MUST(rados_aio_create_completion2(NULL, NULL, &c));
	R(rados_aio_notify(io2, a, c, "aio", 3, 5000, &reply, &len));
	R(rados_aio_wait_for_complete(c));
	R(rados_aio_get_return_value(c));
	rados_aio_release(c);
	SAY("reply %s", reply ? "set" : "null");
	rados_buffer_free(reply);
	show("  data", w.data, w.data_len);
	MUST(rados_aio_create_completion2(NULL, NULL, &c));
	R(rados_aio_unwatch(io1, cookie, c));
	R(rados_aio_wait_for_complete(c));
	R(rados_aio_get_return_value(c));
	rados_aio_release(c);
	MUST(rados_aio_create_completion2(NULL, NULL, &c));
	R(rados_aio_watch2(io1, name("none"), c, &cookie, on_notify, on_error, 20, &w));
	R(rados_aio_wait_for_complete(c));
	R(rados_aio_get_return_value(c));
	rados_aio_release(c);
	MUST(rados_remove(io1, a));
}

static void removed(void)
{
	const char *a = name("gone");
	uint64_t cookie = 0;
	SECTION("the object is removed under its watcher");
	MUST(rados_write_full(io1, a, "x", 1));
	struct watcher w = watcher(io1, a, "yes", 3);
	R(rados_watch2(io1, a, &cookie, on_notify, on_error, &w));
	R(rados_remove(io2, a));
	SAY("told of an error: %d", event_wait(&w.failed, 1, 40000));
	SAY("error -%s", t_errname(w.err));
	R(rados_watch_check(io1, cookie));
	R(rados_unwatch2(io1, cookie));
	R(rados_stat(io1, a, NULL, NULL));
	SECTION("made again: nobody watches it");
	MUST(rados_write_full(io1, a, "x", 1));
	notify(io2, a, "x", 1, 2000);
	MUST(rados_remove(io1, a));
}

static void processes(void)
{
	const char *a = name("proc");
	char text[32] = "";
	int to[2], from[2];
	SECTION("another process watches, and is killed");
	MUST(pipe(to));
	MUST(pipe(from));
	MUST(rados_write_full(io1, a, "x", 1));
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		char fd1[16], fd2[16];
		snprintf(fd1, sizeof fd1, "%d", to[0]);
		snprintf(fd2, sizeof fd2, "%d", from[1]);
		execl("/proc/self/exe", t_argv[0], t_pool, t_suffix, "child", a, fd1, fd2, (char *)NULL);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	SAY("it is ready: %d", read(from[0], text, 1) == 1);
	notify(io2, a, "over there", 10, 10000);
	SAY("it was told: %d", read(from[0], text, 1) == 1);
	MUST(kill(pid, SIGKILL));
	waitpid(pid, NULL, 0);
	/* Its watch lasts until it times out (3 s were asked for), then a notify has nobody to wait for. */
	char *reply = NULL;
	size_t len = 0;
	uint64_t end = now_ms() + 60000;
	size_t n_acks = 0, n_timeouts = 1;
	while (n_timeouts && now_ms() < end) {
		struct notify_ack_t *acks;
		struct notify_timeout_t *timeouts;
		rados_notify2(io2, a, "x", 1, 1000, &reply, &len);
		MUST(rados_decode_notify_response(reply, len, &acks, &n_acks, &timeouts, &n_timeouts));
		rados_free_notify_response(acks, n_acks, timeouts);
		rados_buffer_free(reply);
	}
	SAY("in the end nobody is waited for: %d", n_timeouts == 0);
	close(to[1]);
	close(from[0]);
	MUST(rados_remove(io1, a));
}

static int child(char **argv)
{
	int from = atoi(argv[6]);
	c1 = t_connect();
	io1 = t_ioctx(c1);
	uint64_t cookie;
	struct watcher w = watcher(io1, argv[4], "from a child", 12);
	MUST(rados_watch3(io1, argv[4], &cookie, on_notify, on_error, 3, &w));
	if (write(from, "r", 1) != 1 || !event_wait(&w.told, 1, 60000) || write(from, "t", 1) != 1)
		return 1;
	pause();
	return 0;
}

static void threads(void)
{
	const char *a = name("many");
	enum { N = 20 };
	uint64_t cookies[N];
	SECTION("twenty watches, of which all answer");
	MUST(rados_write_full(io1, a, "x", 1));
	struct watcher *w = calloc(N, sizeof *w);
	for (int i = 0; i < N; i++) {
		w[i] = watcher(i % 2 ? io1 : io2, a, "y", 1);
		MUST(rados_watch2(w[i].io, a, &cookies[i], on_notify, on_error, &w[i]));
	}
	char *reply = NULL;
	size_t len = 0, n_acks = 0, n_timeouts = 0;
	struct notify_ack_t *acks;
	struct notify_timeout_t *timeouts;
	R(rados_notify2(io1, a, "x", 1, 10000, &reply, &len));
	R(rados_decode_notify_response(reply, len, &acks, &n_acks, &timeouts, &n_timeouts));
	SAY("acks %zu time-outs %zu", n_acks, n_timeouts);
	rados_free_notify_response(acks, n_acks, timeouts);
	rados_buffer_free(reply);
	int told = 0;
	for (int i = 0; i < N; i++) {
		told += w[i].told.count;
		MUST(rados_unwatch2(w[i].io, cookies[i]));
	}
	SAY("told %d", told);
	R(rados_watch_flush(c1));
	free(w);
	MUST(rados_remove(io1, a));
	SECTION("no reply at all");
	R(rados_decode_notify_response(NULL, 0, &acks, &n_acks, &timeouts, &n_timeouts));
}

int main(int argc, char **argv)
{
	t_start(argc, argv);
	if (argc > 6 && !strcmp(argv[3], "child"))
		return child(argv);
	c1 = t_connect();
	c2 = t_connect();
	io1 = t_ioctx(c1);
	io2 = t_ioctx(c2);
	one();
	removed();
	processes();
	threads();
	rados_ioctx_destroy(io1);
	rados_ioctx_destroy(io2);
	rados_shutdown(c1);
	rados_shutdown(c2);
	return 0;
}
