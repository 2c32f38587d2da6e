/* Forks, as QEMU and others that daemonise do: no thread before rados_connect, and a handle that was made before the fork
 * connects after it. What Ceph cannot promise works here too: a process that was connected once forks, and the child
 * makes a connection of its own. A child of a process that is connected at that moment is refused on a local store: SQLite's locks are
 * not inherited, and what it would read or write were not safe. On a cluster it may. */
#include "t_check.h"
#include <dirent.h>
#include <sys/wait.h>

static int threads(void)
{
	int n = 0;
	DIR *dir = opendir("/proc/self/task");
	for (struct dirent *entry; (entry = readdir(dir));)
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

static rados_t created(void)
{
	rados_t c;
	MUST(rados_create(&c, "admin"));
	MUST(rados_conf_read_file(c, NULL));
	return c;
}

/* Connects, writes, reads and shuts down. */
static void use(rados_t c)
{
	char buf[4] = "";
	IS(0, rados_connect(c));
	rados_ioctx_t io = t_ioctx(c);
	IS(0, rados_write_full(io, name("fork"), "abc", 3));
	IS(3, rados_read(io, name("fork"), buf, sizeof buf, 0));
	HOLDS(!memcmp(buf, "abc", 3));
	IS(0, rados_remove(io, name("fork")));
	rados_ioctx_destroy(io);
	rados_shutdown(c);
}

static void in_child(rados_t c)
{
	int status = -1;
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		alarm(60);
		use(c ? c : created());
		fflush(stdout);
		_exit(t_failures != 0);
	}
	HOLDS(waitpid(child, &status, 0) == child);
	HOLDS(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Forks while connected; the child must be told at once, and the parent must not notice. */
static void while_connected(void)
{
	rados_t c = created();
	IS(0, rados_connect(c));
	rados_ioctx_t io = t_ioctx(c);
	IS(0, rados_write_full(io, name("parent"), "abc", 3));
	int status = -1;
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		alarm(20);
		rados_t own = created();
		char place[4096] = "";
		rados_conf_get(own, "mon_host", place, sizeof place);
		IS(strncmp(place, "local:", 6) ? 0 : -EINVAL, rados_connect(own));
		rados_shutdown(own);
		fflush(stdout);
		_exit(t_failures != 0);
	}
	HOLDS(waitpid(child, &status, 0) == child);
	HOLDS(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	IS(0, rados_write_full(io, name("parent"), "def", 3));
	IS(0, rados_remove(io, name("parent")));
	rados_ioctx_destroy(io);
	rados_shutdown(c);
}

int main(int argc, char **argv)
{
	t_start(argc, argv);
	rados_t c = created();
	IS(1, threads());
	in_child(c);
	use(c);
	in_child(NULL);
	use(created());
	while_connected();
	in_child(NULL);
	return t_verdict();
}
