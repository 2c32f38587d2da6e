/* usage: opened LIBDIR. Opens the libraries with dlopen and checks that every rbd_* and rados_* name that is asked for
 * leads into the one librados.so.2, whichever handle is asked, and that the four versioned names exist in both forms. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

static int failures;

static void check(int ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "failed: %s\n", what);
		failures++;
	}
}

static void *open_in(const char *dir, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		fprintf(stderr, "%s\n", dlerror());
	check(handle != NULL, name);
	return handle;
}

static void check_home(void *symbol, const char *name)
{
	Dl_info info;

	check(symbol && dladdr(symbol, &info) && strstr(info.dli_fname, "/librados.so.2"), name);
}

int main(int argc, char **argv)
{
	static const char *versioned[] = { "rados_ioctx_pool_stat", "rados_tmap_get", "rados_tmap_put", "rados_tmap_update" };
	(void)argc;
	void *rbd = open_in(argv[1], "librbd.so.1");
	void *rados = open_in(argv[1], "librados.so.2");
	if (!rbd || !rados)
		return 1;
	check_home(dlsym(rbd, "rbd_open"), "rbd_open from librbd");
	check_home(dlsym(rados, "rbd_open"), "rbd_open from librados");
	check_home(dlsym(rados, "rados_connect"), "rados_connect from librados");
	check_home(dlsym(rbd, "rados_connect"), "rados_connect from librbd, which needs librados");
	check(dlsym(rbd, "rbd_open") == dlsym(rados, "rbd_open"), "one rbd_open");
	for (size_t i = 0; i < sizeof(versioned) / sizeof(versioned[0]); i++) {
		void *new_form = dlvsym(rados, versioned[i], "LIBRADOS_14.2.0");
		check_home(new_form, versioned[i]);
		check_home(dlsym(rados, versioned[i]), versioned[i]);
	}
	return failures != 0;
}
