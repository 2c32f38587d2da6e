/* Stopping the daemons of the cluster that CEPH_CONF names, for programs that run there alone. */
#ifndef LOGRBD_CAPI_TESTS_T_DAEMONS_H
#define LOGRBD_CAPI_TESTS_T_DAEMONS_H

#include <dirent.h>
#include <sched.h>
#include <signal.h>

static bool is_daemon(const char *pid, const char *program)
{
	char path[300], line[4096];
	snprintf(path, sizeof path, "/proc/%s/cmdline", pid);
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(line, 1, sizeof line - 1, f) : 0, wanted = strlen(program);
	bool is = false, here = false;
	if (f)
		fclose(f);
	line[n] = 0;
	for (char *word = line; word < line + n; word += strlen(word) + 1) {
		size_t len = strlen(word);
		is |= word == line && len >= wanted && !strcmp(word + len - wanted, program);
		here |= !strcmp(word, getenv("CEPH_CONF"));
	}
	return is && here;
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

/* Sends a signal to all daemons of a program, `ceph-mon` or `ceph-osd`. */
static void daemons(const char *program, int sig)
{
	DIR *all = opendir("/proc");
	for (struct dirent *entry; (entry = readdir(all));)
		if (is_daemon(entry->d_name, program)) {
			kill(atoi(entry->d_name), sig);
			/* Nobody but its parent is told of it. */
			while (sig == SIGSTOP && !stands(entry->d_name))
				sched_yield();
		}
	closedir(all);
}

#endif
