/* Eight reference trackers at once on one object: no reference is lost, and the object goes with the last one. */
#include "t.h"
#include <sys/wait.h>

enum { PROCESSES = 8, ROUNDS = 5 };
static rados_ioctx_t io;
static char tool[4096];

/* Starts reftracker on the object; its pid. */
static pid_t start(const char *obj, const char *keys, const char *what)
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		execl(tool, tool, "-i", "admin", "-p", t_pool, "-c", getenv("CEPH_CONF"), "-r", obj, "-k", keys, "-o", what, (char *)NULL);
		_exit(127);
	}
	return pid;
}

static int ended(pid_t pid)
{
	int status = -1;
	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int once(const char *obj, const char *keys, const char *what)
{
	return ended(start(obj, keys, what));
}

/* The whole object: count in data, layout version, keys. */
static void state(const char *obj, bool all_keys)
{
	unsigned char data[16] = { 0 };
	char text[16];
	int n = rados_read(io, obj, (char *)data, sizeof data, 0);
	if (n < 0) {
		SAY("  object: -%s", t_errname(n));
		return;
	}
	unsigned count = data[0] | (unsigned)data[1] << 8 | (unsigned)data[2] << 16 | (unsigned)data[3] << 24;
	int v = rados_getxattr(io, obj, "version", text, sizeof text);
	rados_omap_iter_t it;
	unsigned char more = 0;
	rados_read_op_t op = rados_create_read_op();
	rados_read_op_omap_get_vals2(op, "", "", 1000, &it, &more, NULL);
	MUST(rados_read_op_operate(op, io, obj, 0));
	rados_release_read_op(op);
	SAY("  object: %d bytes, count %u, version %.*s, %u keys in the omap, more %u", n, count, v > 0 ? v : 0, text, rados_omap_iter_size(it), more);
	char *key = NULL, *val = NULL;
	size_t klen, vlen;
	while (all_keys && rados_omap_get_next2(it, &key, &val, &klen, &vlen) == 0 && key)
		show("    key", key, klen);
	rados_omap_get_end(it);
}

/* What one of the eight does: adds its own keys and the shared one, in several runs, and takes every second one back. */
static int worker(const char *obj, int who)
{
	for (int round = 0; round < ROUNDS; round++) {
		char keys[200];
		snprintf(keys, sizeof keys, "p%d-r%d,shared", who, round);
		if (once(obj, keys, "add"))
			return 1;
		snprintf(keys, sizeof keys, "p%d-r%d", who, round);
		if (round % 2 && once(obj, keys, "rem"))
			return 1;
	}
	return 0;
}

static int all_at_once(const char *obj, int (*what)(const char *, int))
{
	pid_t pids[PROCESSES];
	int bad = 0;
	fflush(stdout);
	for (int i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(what(obj, i));
	}
	for (int i = 0; i < PROCESSES; i++)
		bad += ended(pids[i]) != 0;
	return bad;
}

static int taker(const char *obj, int who)
{
	char keys[400] = "";
	for (int round = 0; round < ROUNDS; round += 2)
		snprintf(keys + strlen(keys), sizeof keys - strlen(keys), "%sp%d-r%d", *keys ? "," : "", who, round);
	return once(obj, keys, "rem");
}

int main(int argc, char **argv)
{
	t_start(argc, argv);
	const char *slash = strrchr(argv[0], '/');
	snprintf(tool, sizeof tool, "%.*sreftracker", (int)(slash ? slash + 1 - argv[0] : 0), argv[0]);
	const char *obj = name("ref");

	/* The processes come first: a library that is connected in this one need not survive a fork. */
	SECTION("one process");
	R(once(obj, "a,b,a", "add"));
	R(once(obj, "b,c", "add"));
	R(once(obj, "nosuch", "rem"));
	R(once(obj, "a", "rem"));
	rados_t cluster = t_connect();
	io = t_ioctx(cluster);
	state(obj, true);
	R(once(obj, "b,c,d", "rem"));
	state(obj, true);
	R(once(obj, "b", "rem"));
	state(obj, true);

	SECTION("eight at once");
	SAY("processes that failed: %d", all_at_once(obj, worker));
	state(obj, true);
	SECTION("eight take theirs back at once");
	SAY("processes that failed: %d", all_at_once(obj, taker));
	state(obj, true);
	R(once(obj, "shared", "rem"));
	state(obj, true);

	rados_ioctx_destroy(io);
	rados_shutdown(cluster);
	return 0;
}
