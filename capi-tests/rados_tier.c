/* A writeback cache tier over a base pool: reads and writes through the overlay, objects that come to the cache and leave it, the
 * flags IGNORE_OVERLAY and IGNORE_CACHE, the overlay's end; balanced and localised reads. */
#include "t.h"
#include <sys/wait.h>

static rados_t cluster;
static rados_ioctx_t base, cache;
static char base_name[300], cache_name[300];

static int mon(const char *format, ...)
{
	char json[1000], *out = NULL, *status = NULL;
	size_t out_len, status_len;
	va_list args;
	va_start(args, format);
	vsnprintf(json, sizeof json, format, args);
	va_end(args);
	const char *cmd[] = {json};
	int r = rados_mon_command(cluster, cmd, 1, "", 0, &out, &out_len, &status, &status_len);
	if (r < 0)
		fprintf(stderr, "%s: %d %.*s\n", json, r, (int)status_len, status ? status : "");
	rados_buffer_free(out);
	rados_buffer_free(status);
	return r;
}

static void set(const char *pool, const char *var, const char *val)
{
	MUST(mon("{\"prefix\": \"osd pool set\", \"pool\": \"%s\", \"var\": \"%s\", \"val\": \"%s\"}", pool, var, val));
}

/* The newest map is there for the program's own handle, too. */
static void settle(void)
{
	MUST(rados_wait_for_latest_osdmap(cluster));
}

/* Ceph's own tool on Ceph's own libraries, in either column: flushing and evicting are not in the C API. */
static void flush_evict(void)
{
	char line[800];
	snprintf(line, sizeof line, "env -u LD_LIBRARY_PATH rados -c \"$CEPH_CONF\" -p '%s' cache-flush-evict-all >/dev/null 2>&1", cache_name);
	int status = system(line);
	SAY("flushed and evicted: %d", WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int names_of(rados_ioctx_t io, char **names, int max)
{
	rados_list_ctx_t list;
	const char *entry;
	int n = 0;
	MUST(rados_nobjects_list_open(io, &list));
	while (n < max && rados_nobjects_list_next(list, &entry, NULL, NULL) == 0)
		names[n++] = strdup(entry);
	rados_nobjects_list_close(list);
	qsort(names, n, sizeof *names, compare);
	return n;
}

static void list(const char *label, rados_ioctx_t io)
{
	char *names[100];
	int n = names_of(io, names, 100);
	printf("%s:", label);
	for (int i = 0; i < n; i++) {
		printf(" %s", names[i]);
		free(names[i]);
	}
	putchar('\n');
}

/* Objects are copied into the cache beside the answer: waits until one is there. */
static void promoted(const char *oid)
{
	for (int tries = 0; tries < 300; tries++) {
		char *names[100];
		bool found = false;
		for (int i = 0, n = names_of(cache, names, 100); i < n; i++) {
			found |= !strcmp(names[i], oid);
			free(names[i]);
		}
		if (found) {
			SAY("%s comes to the cache", oid);
			return;
		}
		poll(NULL, 0, 100); /* nobody tells */
	}
	SAY("%s does not come to the cache", oid);
}

static void read_all(const char *oid)
{
	char buf[100];
	memset(buf, 0, sizeof buf);
	int r = R(rados_read(base, oid, buf, sizeof buf, 0));
	if (r > 0)
		show(oid, buf, r);
}

static void read_with(rados_ioctx_t io, const char *oid, int flags, const char *label)
{
	rados_read_op_t op = rados_create_read_op();
	char buf[100];
	size_t got = 0;
	int rval = 0;
	rados_read_op_read(op, 0, sizeof buf, buf, &got, &rval);
	int r = rados_read_op_operate(op, io, oid, flags);
	SAY("read with %s: %d %s", label, r, t_errname(r));
	if (r >= 0)
		show(oid, buf, got);
	rados_release_read_op(op);
}

static void write_with(rados_ioctx_t io, const char *oid, const char *data, int flags, const char *label)
{
	rados_write_op_t op = rados_create_write_op();
	rados_write_op_write_full(op, data, strlen(data));
	int r = rados_write_op_operate(op, io, oid, NULL, flags);
	SAY("write with %s: %d %s", label, r, t_errname(r));
	rados_release_write_op(op);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int notified;

static void on_notify(void *arg, uint64_t notify_id, uint64_t handle, uint64_t notifier, void *data, size_t len)
{
	(void)arg, (void)notifier, (void)data, (void)len;
	pthread_mutex_lock(&lock);
	notified++;
	pthread_mutex_unlock(&lock);
	rados_notify_ack(base, "watched", notify_id, handle, "ack", 3);
}

static void on_error(void *arg, uint64_t cookie, int err)
{
	(void)arg, (void)cookie;
	SAY("watch error %s", t_errname(err));
}

static void with_tier(void)
{
	SECTION("before there is an overlay");
	R(rados_write_full(base, "old", "from before", 11));
	R(rados_setxattr(base, "old", "x", "1", 1));
	MUST(mon("{\"prefix\": \"osd tier add\", \"pool\": \"%s\", \"tierpool\": \"%s\"}", base_name, cache_name));
	MUST(mon("{\"prefix\": \"osd tier cache-mode\", \"pool\": \"%s\", \"mode\": \"writeback\"}", cache_name));
	set(cache_name, "hit_set_type", "bloom");
	set(cache_name, "hit_set_count", "1");
	set(cache_name, "hit_set_period", "3600");
	set(cache_name, "target_max_objects", "1000000");
	set(cache_name, "min_read_recency_for_promote", "0");
	set(cache_name, "min_write_recency_for_promote", "0");
	MUST(mon("{\"prefix\": \"osd tier set-overlay\", \"pool\": \"%s\", \"overlaypool\": \"%s\"}", base_name, cache_name));
	settle();

	SECTION("through the overlay");
	read_all("old");
	promoted("old");
	R(rados_write_full(base, "new", "written", 7));
	read_all("new");
	promoted("new");
	R(rados_append(base, "new", " twice", 6));
	read_all("new");
	list("cache", cache);
	uint64_t size;
	time_t mtime;
	R(rados_stat(base, "new", &size, &mtime));
	SAY("size %llu", (unsigned long long)size);
	char x[10];
	R(rados_getxattr(base, "old", "x", x, sizeof x));
	R(rados_setxattr(base, "old", "x", "22", 2));
	R(rados_getxattr(base, "old", "x", x, sizeof x));
	read_all("none");
	R(rados_remove(base, "none"));
	R(rados_trunc(base, "new", 4));
	read_all("new");
	rados_write_op_t create = rados_create_write_op();
	rados_write_op_create(create, LIBRADOS_CREATE_EXCLUSIVE, NULL);
	R(rados_write_op_operate(create, base, "old", NULL, 0));
	rados_release_write_op(create);

	SECTION("what the flags look at");
	read_with(base, "new", 0, "nothing");
	read_with(base, "old", LIBRADOS_OPERATION_IGNORE_OVERLAY, "IGNORE_OVERLAY");
	read_with(base, "old", LIBRADOS_OPERATION_IGNORE_CACHE, "IGNORE_CACHE");
	read_with(cache, "new", 0, "nothing, in the cache itself");

	SECTION("a watch through the overlay");
	uint64_t cookie;
	char *reply = NULL;
	size_t reply_len = 0;
	R(rados_write_full(base, "watched", "w", 1));
	R(rados_watch2(base, "watched", &cookie, on_notify, on_error, NULL));
	R(rados_notify2(base, "watched", "hello", 5, 5000, &reply, &reply_len));
	rados_buffer_free(reply);
	SAY("heard: %d", notified);
	RS(rados_watch_check(base, cookie));
	R(rados_unwatch2(base, cookie));

	SECTION("flushed and evicted");
	flush_evict();
	list("cache", cache);
	list("base", base);
	read_with(base, "new", LIBRADOS_OPERATION_IGNORE_OVERLAY, "IGNORE_OVERLAY");
	R(rados_stat(base, "new", &size, &mtime));
	SAY("size %llu", (unsigned long long)size);
	read_all("new");
	promoted("new");
	R(rados_getxattr(base, "old", "x", x, sizeof x));

	SECTION("removed through the overlay");
	R(rados_remove(base, "new"));
	read_all("new");
	read_with(base, "new", LIBRADOS_OPERATION_IGNORE_OVERLAY, "IGNORE_OVERLAY");
	flush_evict();
	read_with(base, "new", LIBRADOS_OPERATION_IGNORE_OVERLAY, "IGNORE_OVERLAY");
	R(rados_write_full(base, "last", "kept", 4));

	SECTION("written behind the overlay");
	write_with(base, "behind", "base", LIBRADOS_OPERATION_IGNORE_OVERLAY, "IGNORE_OVERLAY");
	read_with(base, "behind", LIBRADOS_OPERATION_IGNORE_OVERLAY, "IGNORE_OVERLAY");
	read_all("behind");

	SECTION("the overlay's end");
	MUST(mon("{\"prefix\": \"osd tier cache-mode\", \"pool\": \"%s\", \"mode\": \"proxy\"}", cache_name));
	settle();
	R(rados_write_full(base, "proxied", "p", 1));
	read_all("proxied");
	flush_evict();
	list("cache", cache);
	MUST(mon("{\"prefix\": \"osd tier remove-overlay\", \"pool\": \"%s\"}", base_name));
	settle();
	read_all("last");
	read_all("old");
	R(rados_write_full(base, "after", "direct", 6));
	read_all("after");
	list("cache", cache);
	MUST(mon("{\"prefix\": \"osd tier remove\", \"pool\": \"%s\", \"tierpool\": \"%s\"}", base_name, cache_name));
	settle();
	read_all("after");
	R(rados_remove(base, "behind"));
	list("base", base);
}

static void replicas(void)
{
	SECTION("balanced and localised reads");
	R(rados_write_full(base, "r", "replicated", 10));
	for (int i = 0; i < 5; i++) {
		read_with(base, "r", LIBRADOS_OPERATION_BALANCE_READS, "BALANCE_READS");
		read_with(base, "r", LIBRADOS_OPERATION_LOCALIZE_READS, "LOCALIZE_READS");
	}
	read_with(base, "r", LIBRADOS_OPERATION_BALANCE_READS | LIBRADOS_OPERATION_LOCALIZE_READS, "both");
	read_with(base, "none", LIBRADOS_OPERATION_BALANCE_READS, "BALANCE_READS");
	write_with(base, "r", "again", LIBRADOS_OPERATION_BALANCE_READS, "BALANCE_READS");
	for (int i = 0; i < 5; i++)
		read_with(base, "r", LIBRADOS_OPERATION_BALANCE_READS, "BALANCE_READS");
}

int main(int argc, char **argv)
{
	t_start(argc, argv);
	cluster = t_connect();
	snprintf(base_name, sizeof base_name, "%s", name("tier-base"));
	snprintf(cache_name, sizeof cache_name, "%s", name("tier-cache"));
	for (int i = 0; i < 2; i++)
		MUST(mon("{\"prefix\": \"osd pool create\", \"pool\": \"%s\", \"pg_num\": 4}", i ? cache_name : base_name));
	settle();
	MUST(rados_ioctx_create(cluster, base_name, &base));
	MUST(rados_ioctx_create(cluster, cache_name, &cache));
	with_tier();
	replicas();
	rados_ioctx_destroy(base);
	rados_ioctx_destroy(cache);
	rados_pool_delete(cluster, base_name);
	rados_pool_delete(cluster, cache_name);
	rados_shutdown(cluster);
	return 0;
}
