/* rados_mon_op_timeout: what monitors that stand still make of calls, with the option set before the connect, after it, and
 * not at all. Stops the monitors of its cluster for some seconds, so nothing else may run there. */
#include "t.h"
#include "t_daemons.h"

static void go_on(void)
{
	daemons("ceph-mon", SIGCONT);
}

/* The call with how long it took: at once, about the second of the option, or something else. */
#define TIMED(call) do { int64_t begin = now_ms(); R(call); took(now_ms() - begin); } while (0)

static void took(int64_t ms)
{
	if (ms < 700)
		SAY("  at once");
	else if (ms >= 950 && ms < 5000)
		SAY("  after the time of the option");
	else
		SAY("  after %lld ms", (long long)ms);
}

static rados_t cluster;

static rados_t connected(const char *timeout)
{
	rados_t c;
	MUST(rados_create(&c, "admin"));
	MUST(rados_conf_read_file(c, getenv("CEPH_CONF")));
	if (timeout)
		MUST(rados_conf_set(c, "rados_mon_op_timeout", timeout));
	MUST(rados_connect(c));
	return c;
}

static int command(const char *what)
{
	char *out = NULL, *status = NULL;
	size_t out_len, status_len;
	char json[200];
	snprintf(json, sizeof json, "{\"prefix\": \"%s\", \"format\": \"json\"}", what);
	const char *cmd[] = {json};
	int r = rados_mon_command(cluster, cmd, 1, "", 0, &out, &out_len, &status, &status_len);
	rados_buffer_free(out);
	rados_buffer_free(status);
	return r;
}

struct call {
	const char *what;
	int (*run)(void);
	pthread_t thread;
	int r;
	volatile bool done;
};

static void *in_thread(void *arg)
{
	struct call *call = arg;
	call->r = call->run();
	call->done = true;
	return NULL;
}

static int latest(void) { return rados_wait_for_latest_osdmap(cluster); }
static int lookup(void) { return rados_pool_lookup(cluster, name("none")) == -ENOENT ? 0 : 1; }
static int stat_command(void) { return command("osd stat"); }

/* Calls that wait for longer than the option's time; then the monitors go on. */
static void waiting(struct call *calls, int n, int seconds)
{
	for (int i = 0; i < n; i++)
		pthread_create(&calls[i].thread, NULL, in_thread, &calls[i]);
	/* There is no event for something that does not happen. */
	struct timespec t = {seconds, 0};
	nanosleep(&t, NULL);
	for (int i = 0; i < n; i++)
		SAY("%s waits: %d", calls[i].what, !calls[i].done);
	go_on();
	for (int i = 0; i < n; i++) {
		pthread_join(calls[i].thread, NULL);
		SAY("%s = %d %s", calls[i].what, calls[i].r, t_errname(calls[i].r));
	}
}

int main(int argc, char **argv)
{
	t_start(argc, argv);
	atexit(go_on);
	struct rados_cluster_stat_t stat;

	SECTION("set before the connect");
	cluster = connected("1");
	R(command("osd stat"));
	daemons("ceph-mon", SIGSTOP);
	TIMED(command("osd stat"));
	TIMED(rados_cluster_stat(cluster, &stat));
	TIMED(rados_pool_create(cluster, name("late")));
	struct call unlimited[] = {{"rados_wait_for_latest_osdmap", latest, 0, 0, false}, {"rados_pool_lookup", lookup, 0, 0, false}};
	waiting(unlimited, 2, 3);
	R(command("osd stat"));
	rados_shutdown(cluster);

	SECTION("set after the connect");
	cluster = connected(NULL);
	R(rados_conf_set(cluster, "rados_mon_op_timeout", "1"));
	daemons("ceph-mon", SIGSTOP);
	struct call late[] = {{"rados_mon_command", stat_command, 0, 0, false}};
	waiting(late, 1, 3);
	rados_shutdown(cluster);

	SECTION("not set");
	cluster = connected(NULL);
	daemons("ceph-mon", SIGSTOP);
	struct call endless[] = {{"rados_mon_command", stat_command, 0, 0, false}};
	waiting(endless, 1, 3);
	rados_shutdown(cluster);
	return 0;
}
