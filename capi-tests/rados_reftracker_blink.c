/* Eight reference trackers on one object that comes and goes all the time: it is gone with the last reference. */
#include "t.h"
#include <sys/wait.h>

enum { PROCESSES = 8, ROUNDS = 10 };
static char tool[4096];

static int ended(pid_t pid)
{
	int status = -1;
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int once(const char *obj, const char *key, const char *what)
{
	pid_t pid = fork();
	if (pid == 0) {
		execl(tool, tool, "-i", "admin", "-p", t_pool, "-c", getenv("CEPH_CONF"), "-r", obj, "-k", key, "-o", what, (char *)NULL);
		_exit(127);
	}
	return ended(pid);
}

static int blinker(const char *obj, int who)
{
	char key[32];
	snprintf(key, sizeof key, "b%d", who);
	for (int i = 0; i < ROUNDS; i++)
		if (once(obj, key, "add") || once(obj, key, "rem"))
			return 1;
	return 0;
}

int main(int argc, char **argv)
{
	t_start(argc, argv);
	const char *slash = strrchr(argv[0], '/');
	snprintf(tool, sizeof tool, "%.*sreftracker", (int)(slash ? slash + 1 - argv[0] : 0), argv[0]);
	const char *obj = name("blink");
	pid_t pids[PROCESSES];
	int bad = 0;
	fflush(stdout);
	for (int i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(blinker(obj, i));
	}
	for (int i = 0; i < PROCESSES; i++)
		bad += ended(pids[i]) != 0;
	rados_t cluster = t_connect();
	rados_ioctx_t io = t_ioctx(cluster);
	int r = rados_stat(io, obj, NULL, NULL);
	SAY("processes that failed: %d, the object: %s", bad, t_errname(r));
	rados_ioctx_destroy(io);
	rados_shutdown(cluster);
	return bad || r != -ENOENT;
}
