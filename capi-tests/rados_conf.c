/* Configuration: where it is looked for, how a file is read, arguments, environment, get and set. No connection. */
#include "t.h"
#include <sys/stat.h>
#include <sys/wait.h>

static char dir[256]; /* of the runner's own, if TMPDIR says where */

static const char *put(const char *file, const char *text)
{
	static char path[600];
	snprintf(path, sizeof path, "%s/%s", dir, file);
	FILE *f = fopen(path, "w");
	MUST(f ? 0 : -errno);
	fputs(text, f);
	fclose(f);
	return path;
}

static void get(rados_t c, const char *option)
{
	char buf[512];
	memset(buf, '?', sizeof buf);
	int r = rados_conf_get(c, option, buf, sizeof buf);
	if (r)
		SAY("  %s: -%s", option, t_errname(r));
	else
		SAY("  %s = \"%s\"", option, buf);
}

static rados_t fresh(const char *id)
{
	rados_t c = NULL;
	MUST(rados_create(&c, id));
	return c;
}

static void creating(void)
{
	rados_t c = NULL;
	SECTION("create");
	R(rados_create(&c, NULL));
	get(c, "name");
	rados_shutdown(c);
	R(rados_create(&c, "alice"));
	get(c, "name");
	rados_shutdown(c);
	R(rados_create2(&c, "ceph", "client.bob", 0));
	get(c, "name");
	get(c, "cluster");
	rados_shutdown(c);
	R(rados_create2(&c, "other", "client.bob", 0));
	get(c, "cluster");
	rados_shutdown(c);
	R(rados_create2(&c, "ceph", "bob", 0));
	R(rados_create2(&c, "ceph", "nobody.bob", 0));
	R(rados_create2(&c, "ceph", "client.", 0));
	R(rados_create2(&c, NULL, NULL, 0));
	get(c, "name");
	rados_shutdown(c);
	R(rados_create(&c, ""));
	if (c)
		get(c, "name");
}

static void setting(void)
{
	char buf[16];
	rados_t c = fresh("t");
	static const char *const options[] = {
		"mon_host", "rbd_cache", "rbd_cache_size", "rbd_cache_max_dirty", "rbd_cache_target_dirty", "rbd_cache_max_dirty_age",
		"rbd_cache_writethrough_until_flush", "rbd_cache_policy", "rbd_default_features", "rbd_default_order", "rbd_default_pool",
		"rbd_default_format", "rbd_concurrent_management_ops", "rbd_discard_granularity_bytes", "rbd_skip_partial_discard",
		"rados_mon_op_timeout", "rados_osd_op_timeout", "client_mount_timeout", "keyring", "key", "keyfile", "log_file", "admin_socket",
		"rbd_persistent_cache_mode", "rbd_persistent_cache_path", "rbd_persistent_cache_size", "rbd_balance_snap_reads", "fsid", "objecter_inflight_ops",
		"objecter_inflight_op_bytes", "debug_ms", "debug_rbd", "ms_mode", "auth_client_required", "auth_supported", "rbd_read_from_replica_policy",
		"rbd_plugins", "rbd_auto_exclusive_lock_until_manual_request", "rbd_compression_hint", "log_to_stderr", "err_to_stderr", "client_oc", "pid_file", "run_dir",
	};
	SECTION("defaults");
	for (size_t i = 0; i < COUNT(options); i++)
		get(c, options[i]);
	SECTION("get and set");
	R(rados_conf_get(c, "nosuch_option", buf, sizeof buf));
	R(rados_conf_set(c, "nosuch_option", "1"));
	R(rados_conf_get(c, "", buf, sizeof buf));
	R(rados_conf_set(c, "", "1"));
	static const struct { const char *option, *value; } sets[] = {
		{ "rbd_cache", "false" }, { "rbd_cache", "1" }, { "rbd_cache", "yes" }, { "rbd_cache", "TRUE" }, { "rbd_cache", "no" }, { "rbd_cache", "off" },
		{ "rbd_cache", "maybe" }, { "rbd_cache", "" }, { "rbd_cache", " true " }, { "rbd_cache", "7" }, { "rbd_cache", "0" },
		{ "rbd_cache_size", "1048576" }, { "rbd_cache_size", "64M" }, { "rbd_cache_size", "64K" }, { "rbd_cache_size", "1G" }, { "rbd_cache_size", "1MiB" },
		{ "rbd_cache_size", "1.5M" }, { "rbd_cache_size", "-1" }, { "rbd_cache_size", "many" }, { "rbd_cache_size", "0x100" }, { "rbd_cache_size", "" },
		{ "rbd_cache_size", "99999999999999999999" }, { "rbd_cache_max_dirty_age", "2.5" }, { "rbd_cache_max_dirty_age", "x" }, { "rbd_cache_max_dirty_age", "-1" },
		{ "rbd_concurrent_management_ops", "0" }, { "rbd_concurrent_management_ops", "7" }, { "rbd_concurrent_management_ops", "seven" },
		{ "rbd_default_order", "20" }, { "rbd_default_order", "99" }, { "rbd_default_features", "layering" }, { "rbd_default_features", "3" }, { "rbd_default_features", "nonsense" },
		{ "rbd_cache_policy", "writeback" }, { "rbd_cache_policy", "nonsense" }, { "rados_osd_op_timeout", "5" }, { "rados_osd_op_timeout", "5.5" }, { "rados_osd_op_timeout", "-5" },
		{ "rados_osd_op_timeout", "5s" }, { "debug_rbd", "20" }, { "debug_rbd", "20/5" }, { "debug_rbd", "x" }, { "mon_host", "1.2.3.4" }, { "mon_host", "" },
		{ "fsid", "not-a-uuid" }, { "fsid", "00000000-0000-0000-0000-000000000001" }, { "keyring", "/a,/b" }, { "rbd_persistent_cache_mode", "ssd" },
		{ "rbd_persistent_cache_mode", "odd" }, { "objecter_inflight_ops", "12" },
	};
	for (size_t i = 0; i < COUNT(sets); i++) {
		SAY("%s: \"%s\"", sets[i].option, sets[i].value);
		R(rados_conf_set(c, sets[i].option, sets[i].value));
		get(c, sets[i].option);
	}
	SECTION("the names of options");
	R(rados_conf_set(c, "rbd-cache-size", "1111"));
	get(c, "rbd_cache_size");
	R(rados_conf_set(c, "rbd cache size", "2222"));
	get(c, "rbd_cache_size");
	get(c, "rbd-cache-size");
	get(c, "rbd cache size");
	R(rados_conf_set(c, "RBD_CACHE_SIZE", "3333"));
	get(c, "rbd_cache_size");
	SECTION("buffers of get");
	MUST(rados_conf_set(c, "rbd_cache_size", "123456"));
	memset(buf, '?', sizeof buf);
	R(rados_conf_get(c, "rbd_cache_size", buf, 7));
	show("  buf", buf, 9);
	memset(buf, '?', sizeof buf);
	R(rados_conf_get(c, "rbd_cache_size", buf, 6));
	show("  buf", buf, 9);
	memset(buf, '?', sizeof buf);
	R(rados_conf_get(c, "rbd_cache_size", buf, 1));
	R(rados_conf_get(c, "rbd_cache_size", buf, 0));
	show("  buf", buf, 9);
	rados_shutdown(c);
}

static void file(void)
{
	rados_t c;
	SECTION("a file: sections, which wins");
	const char *path = put("a.conf",
			       "# a comment\n; another\n"
			       "[global]\n"
			       "rbd_cache_size = 100\n"
			       "rbd_cache_max_dirty = 50 ; after it\n"
			       "rbd_cache_target_dirty = 40 # after it\n"
			       "rbd concurrent management ops = 11\n"
			       "RBD_Default_Order = 21\n"
			       "log file = /tmp/$cluster.$name.$type.$id.log\n"
			       "keyring = \"/tmp/quoted text\"\n"
			       "[client]\n"
			       "rbd_cache_size = 200\n"
			       "rbd_cache_max_dirty = 150\n"
			       "[client.alice]\n"
			       "rbd_cache_size = 300\n"
			       "[client.bob]\n"
			       "rbd_cache_size = 400\n"
			       "[osd]\n"
			       "rbd_cache_max_dirty = 999\n"
			       "[mon.a]\n"
			       "host = x\n");
	static const char *const ids[] = { NULL, "alice", "bob" };
	for (size_t i = 0; i < COUNT(ids); i++) {
		SAY("id %s", ids[i] ? ids[i] : "(null)");
		c = fresh(ids[i]);
		R(rados_conf_read_file(c, path));
		get(c, "rbd_cache_size");
		get(c, "rbd_cache_max_dirty");
		get(c, "rbd_cache_target_dirty");
		get(c, "rbd_concurrent_management_ops");
		get(c, "rbd_default_order");
		get(c, "log_file");
		get(c, "keyring");
		R(rados_conf_set(c, "rbd_cache_size", "500"));
		R(rados_conf_read_file(c, path));
		get(c, "rbd_cache_size");
		rados_shutdown(c);
	}
	SECTION("forms of lines");
	path = put("b.conf",
		   "[global]\n"
		   "  rbd_cache_size   =   12   \n"
		   "rbd_cache_max_dirty=3\n"
		   "rbd_cache_target_dirty = 1\n"
		   "rbd_cache_target_dirty = 2\n"
		   "log_file = /a \\\n  b\n"
		   "unknown_option = 5\n"
		   "keyring = 'single quoted'\n"
		   "rbd-default-order = 23\n"
		   "mon host = 1.1.1.1, 2.2.2.2\n"
		   "rbd_cache_max_dirty_age =\n");
	c = fresh(NULL);
	R(rados_conf_read_file(c, path));
	get(c, "rbd_cache_size");
	get(c, "rbd_cache_max_dirty");
	get(c, "rbd_cache_target_dirty");
	get(c, "log_file");
	get(c, "unknown_option");
	get(c, "keyring");
	get(c, "rbd_default_order");
	get(c, "mon_host");
	get(c, "rbd_cache_max_dirty_age");
	rados_shutdown(c);
	SECTION("files that are wrong");
	static const struct { const char *what, *text; } bad[] = {
		{ "no = sign", "[global]\nnonsense\n" }, { "no bracket", "[global\nrbd_cache_size = 1\n" }, { "empty file", "" }, { "only a comment", "# x\n" },
		{ "a value of the wrong type", "[global]\nrbd_cache_size = many\nrbd_cache_max_dirty = 7\n" }, { "empty section name", "[]\nrbd_cache_size = 1\n" },
		{ "no name", "[global]\n= 5\n" }, { "no newline at the end", "[global]\nrbd_cache_size = 77" }, { "carriage returns", "[global]\r\nrbd_cache_size = 78\r\n" },
		{ "spaces before a section", "   [global]\n   rbd_cache_size = 79\n" }, { "a tab", "[global]\n\trbd_cache_size\t=\t80\n" },
		{ "section twice", "[global]\nrbd_cache_size = 81\n[client]\nrbd_cache_max_dirty = 1\n[global]\nrbd_cache_size = 82\n" },
		{ "before any section", "rbd_cache_size = 84\n" }, { "; alone on a line", "; x\n[global]\nrbd_cache_size = 85\n" },
		{ "upper case", "[global]\nRBD_CACHE_SIZE = 86\n" }, { "upper case section", "[GLOBAL]\nrbd_cache_size = 87\n" },
		{ "a quoted comment sign", "[global]\nrbd_cache_size = 88\nkeyring = \"a ; b\"\n" }, { "text after a quote", "[global]\nrbd_cache_size = 89\nkeyring = \"a\" b\n" },
		{ "escaped comment sign", "[global]\nrbd_cache_size = 90\nkeyring = a \\; b\n" }, { "spaces in a section", "[ global ]\nrbd_cache_size = 91\n" },
		{ "text after a section", "[global] x\nrbd_cache_size = 92\n" }, { "comment after a section", "[global] # x\nrbd_cache_size = 93\n" },
		{ "several spaces in a name", "[global]\nrbd   cache _size = 94\n" }, { "open quote", "[global]\nkeyring = \"open\nrbd_cache_size = 83\n" },
	};
	for (size_t i = 0; i < COUNT(bad); i++) {
		SAY("%s", bad[i].what);
		path = put("bad.conf", bad[i].text);
		c = fresh(NULL);
		R(rados_conf_read_file(c, path));
		get(c, "rbd_cache_size");
		get(c, "rbd_cache_max_dirty");
		if (strstr(bad[i].text, "keyring"))
			get(c, "keyring");
		rados_shutdown(c);
	}
	SECTION("where it is looked for");
	c = fresh(NULL);
	char missing[600];
	snprintf(missing, sizeof missing, "%s/nosuch.conf", dir);
	R(rados_conf_read_file(c, missing));
	R(rados_conf_read_file(c, ""));
	R(rados_conf_read_file(c, dir));
	rados_shutdown(c);
	path = put("env.conf", "[global]\nrbd_cache_size = 31337\n");
	setenv("CEPH_CONF", path, 1);
	c = fresh(NULL);
	R(rados_conf_read_file(c, NULL));
	get(c, "rbd_cache_size");
	rados_shutdown(c);
	setenv("CEPH_CONF", missing, 1);
	c = fresh(NULL);
	R(rados_conf_read_file(c, NULL));
	rados_shutdown(c);
	unsetenv("CEPH_CONF");
	setenv("HOME", dir, 1);
	MUST(chdir(dir));
	c = fresh(NULL);
	R(rados_conf_read_file(c, NULL));
	rados_shutdown(c);
	put("ceph.conf", "[global]\nrbd_cache_size = 41\n");
	c = fresh(NULL);
	R(rados_conf_read_file(c, NULL));
	get(c, "rbd_cache_size");
	rados_shutdown(c);
	MUST(mkdir(".ceph", 0700));
	put(".ceph/ceph.conf", "[global]\nrbd_cache_size = 42\n");
	c = fresh(NULL);
	R(rados_conf_read_file(c, NULL));
	get(c, "rbd_cache_size");
	rados_shutdown(c);
	MUST(rados_create2(&c, "other", "client.admin", 0));
	R(rados_conf_read_file(c, NULL));
	rados_shutdown(c);
	put("other.conf", "[global]\nrbd_cache_size = 43\nlog_file = /x/$cluster\n");
	MUST(rados_create2(&c, "other", "client.admin", 0));
	R(rados_conf_read_file(c, NULL));
	get(c, "rbd_cache_size");
	get(c, "log_file");
	rados_shutdown(c);
}

static void arguments(void)
{
	rados_t c = fresh(NULL);
	SECTION("parse_argv");
	const char *argv[] = { "prog", "--rbd_cache_size", "10", "--rbd-cache-max-dirty=11", "left", "--rbd_cache", "false", "--unknown-thing", "x", "--rbd_default_order=24", "-z" };
	R(rados_conf_parse_argv(c, COUNT(argv), argv));
	get(c, "rbd_cache_size");
	get(c, "rbd_cache_max_dirty");
	get(c, "rbd_cache");
	get(c, "rbd_default_order");
	const char *remains[COUNT(argv)] = { 0 };
	R(rados_conf_parse_argv_remainder(c, COUNT(argv), argv, remains));
	for (size_t i = 0; i < COUNT(argv); i++)
		SAY("  remains %zu: %s", i, remains[i] ? remains[i] : "(null)");
	SECTION("arguments that are wrong");
	const char *bad[] = { "prog", "--rbd_cache_size", "many" };
	R(rados_conf_parse_argv(c, 3, bad));
	get(c, "rbd_cache_size");
	const char *shorter[] = { "prog", "--rbd_cache_size" };
	R(rados_conf_parse_argv(c, 2, shorter));
	const char *dashes[] = { "prog", "--", "--rbd_cache_size", "99" };
	R(rados_conf_parse_argv(c, 4, dashes));
	get(c, "rbd_cache_size");
	const char *flags[] = { "prog", "--rbd_cache", "--no-rbd_cache_writethrough_until_flush" };
	R(rados_conf_parse_argv(c, 3, flags));
	get(c, "rbd_cache");
	get(c, "rbd_cache_writethrough_until_flush");
	const char *m[] = { "prog", "-m", "9.9.9.9", "--mon-host", "8.8.8.8" };
	R(rados_conf_parse_argv(c, 3, m));
	get(c, "mon_host");
	rados_shutdown(c);
}

/* One look at the environment, in a process of its own: Ceph reads a variable once in a process, and keeps it. */
static int child(char **argv)
{
	rados_t c = fresh(NULL);
	const char *var = *argv[4] ? argv[4] : NULL;
	SAY("  before it is asked for:");
	get(c, "rbd_cache_size");
	R(rados_conf_parse_env(c, var));
	get(c, "rbd_cache_size");
	get(c, "rbd_cache_max_dirty");
	rados_shutdown(c);
	return 0;
}

static void environment(void)
{
	static const struct { const char *ask, *set, *value; } cases[] = {
		{ "", NULL, NULL }, { "", "CEPH_ARGS", "--rbd_cache_size 55 --rbd_cache_max_dirty=56" }, { "CEPH_ARGS", "CEPH_ARGS", "--rbd-cache-size=57" },
		{ "MY_ARGS", "MY_ARGS", "--rbd_cache_size 66" }, { "MY_ARGS", "CEPH_ARGS", "--rbd_cache_size 67" }, { "NO_SUCH_ARGS", NULL, NULL },
		{ "", "CEPH_ARGS", "--rbd_cache_size nonsense --rbd_cache_max_dirty 5" }, { "", "CEPH_ARGS", "   " }, { "", "CEPH_ARGS", "--unknown 5 --rbd_cache_size 6" },
		{ "", "CEPH_ARGS", "--rbd_cache_size" },
	};
	SECTION("the environment");
	for (size_t i = 0; i < COUNT(cases); i++) {
		SAY("%s=\"%s\", asked for \"%s\"", cases[i].set ? cases[i].set : "", cases[i].value ? cases[i].value : "", cases[i].ask);
		fflush(stdout);
		pid_t pid = fork();
		if (pid == 0) {
			unsetenv("CEPH_ARGS");
			if (cases[i].set)
				setenv(cases[i].set, cases[i].value, 1);
			execl("/proc/self/exe", t_argv[0], t_pool, t_suffix, "env", cases[i].ask, (char *)NULL);
			_exit(127);
		}
		int status = -1;
		waitpid(pid, &status, 0);
		SAY("  ended with %d", status);
	}
}

static void connecting(void)
{
	rados_t c;
	SECTION("connecting without what is needed");
	const char *path = put("nomon.conf", "[global]\nauth_client_required = none\n[client]\nlog_file =\n");
	c = fresh(NULL);
	R(rados_conf_read_file(c, path));
	R(rados_connect(c));
	rados_shutdown(c);
	c = fresh(NULL);
	R(rados_connect(c));
	rados_shutdown(c);
	SECTION("metavariables");
	path = put("meta.conf",
		   "[global]\n"
		   "log_file = /l/${cluster}-${name}\n"
		   "admin_socket = $rbd_default_pool/x\n"
		   "keyring = /k/$host_is_not_this/$type\n"
		   "rbd_default_pool = poolname\n"
		   "pid_file = $run_dir/$id.pid\n"
		   "run_dir = /r\n");
	c = fresh("u");
	R(rados_conf_read_file(c, path));
	get(c, "log_file");
	get(c, "admin_socket");
	get(c, "keyring");
	get(c, "pid_file");
	R(rados_conf_set(c, "rbd_default_pool", "changed"));
	get(c, "admin_socket");
	R(rados_conf_set(c, "log_file", "$admin_socket.log"));
	get(c, "log_file");
	R(rados_conf_set(c, "log_file", "$$literal $ {x} $nosuch"));
	get(c, "log_file");
	R(rados_conf_set(c, "log_file", "$log_file/again"));
	rados_shutdown(c);
}

static void cleanup(void)
{
	static const char *const files[] = { "a.conf", "b.conf", "bad.conf", "env.conf", "ceph.conf", ".ceph/ceph.conf", "other.conf", "nomon.conf", "meta.conf" };
	for (size_t i = 0; i < COUNT(files); i++) {
		char path[600];
		snprintf(path, sizeof path, "%s/%s", dir, files[i]);
		unlink(path);
	}
	char sub[600];
	snprintf(sub, sizeof sub, "%s/.ceph", dir);
	rmdir(sub);
	rmdir(dir);
}

int main(int argc, char **argv)
{
	t_start(argc, argv);
	if (argc > 4 && !strcmp(argv[3], "env"))
		return child(argv);
	snprintf(dir, sizeof dir, "%s/conf.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	MUST(mkdtemp(dir) ? 0 : -errno);
	creating();
	setting();
	file();
	arguments();
	environment();
	connecting();
	cleanup();
	return 0;
}
