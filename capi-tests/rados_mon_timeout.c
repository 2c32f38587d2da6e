/* rados_mon_op_timeout: what monitors that stand still make of calls, with the option set before the connect, after it, and
 * not at all. Stops the monitors of its cluster for some seconds, so nothing else may run there. */
#include "t.h"
#include <dirent.h>
#include <sched.h>
#include <signal.h>

static bool is_monitor(const char *pid)
{
	char path[300], line[4096];
	snprintf(path, sizeof path, "/proc/%s/cmdline", pid);
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(line, 1, sizeof line - 1, f) : 0;
	bool mon = false, here = false;
	if (f)
		fclose(f);
	line[n] = 0;
	for (char *word = line; word < line + n; word += strlen(word) + 1) {
		size_t len = strlen(word);
		mon |= word == line && len >= 8 && !strcmp(word + len - 8, "ceph-mon");
		here |= !strcmp(word, getenv("CEPH_CONF"));
	}
	return mon && here;
}

/* Whether all threads of a process stand still. One of them takes the signal, and the others go on until it has. */
static bool stands(const char *pid)
{
	char path[600], line[300];
	bool still = true;
	snprintf(path, sizeof path, "/proc/%s/task", pid);
	DIR *all = opendir(path);
	for (struct dirent *entry; all && (entry = readdir(all));) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "/proc/%s/task/%s/stat", pid, entry->d_name);
		FILE *f = fopen(path, "r");
		char *state = f && fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL;
		still &= !state || state[2] == 'T';
		if (f)
			fclose(f);
	}
	if (all)
		closedir(all);
	return still;
}

static void monitors(int sig)
{
	DIR *all = opendir("/proc");
	for (struct dirent *entry; (entry = readdir(all));)
		if (is_monitor(entry->d_name)) {
			kill(atoi(entry->d_name), sig);
			/* Nobody but its parent is told of it. */
			while (sig == SIGSTOP && !stands(entry->d_name))
				sched_yield();
		}
	closedir(all);
}

static void go_on(void)
{
	monitors(SIGCONT);
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
	monitors(SIGSTOP);
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
	monitors(SIGSTOP);
	struct call late[] = {{"rados_mon_command", stat_command, 0, 0, false}};
	waiting(late, 1, 3);
	rados_shutdown(cluster);

	SECTION("not set");
	cluster = connected(NULL);
	monitors(SIGSTOP);
	struct call endless[] = {{"rados_mon_command", stat_command, 0, 0, false}};
	waiting(endless, 1, 3);
	rados_shutdown(cluster);
	return 0;
}
