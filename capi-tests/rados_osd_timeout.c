/* rados_osd_op_timeout: what OSDs that stand still make of requests, with the option set before the connect, changed after it,
 * and taken back. Stops the OSDs of its cluster for some seconds, so nothing else may run there. */
#include "t.h"
#include "t_daemons.h"

static void go_on(void)
{
	daemons("ceph-osd", SIGCONT);
}

/* The call, and how many seconds it took. */
#define TIMED(call) do { uint64_t begin = now_ms(); R(call); SAY("  after %d s", (int)((now_ms() - begin + 300) / 1000)); } while (0)

static bool done_within(rados_completion_t c, int ms)
{
	for (uint64_t begin = now_ms(); now_ms() < begin + ms; usleep(20000))
		if (rados_aio_is_complete(c))
			return true;
	return false;
}

static void show_option(rados_t cluster)
{
	char value[20];
	MUST(rados_conf_get(cluster, "rados_osd_op_timeout", value, sizeof value));
	SAY("rados_osd_op_timeout is %s", value);
}

int main(int argc, char **argv)
{
	t_start(argc, argv);
	atexit(go_on);
	const char *oid = name("x"), *cmd[] = { "{\"prefix\": \"version\"}" };
	char *out, *status, buf[8];
	size_t len, status_len;
	rados_completion_t early, late, none;
	rados_t cluster;
	MUST(rados_create(&cluster, NULL));
	MUST(rados_conf_read_file(cluster, NULL));
	MUST(rados_conf_set(cluster, "rados_osd_op_timeout", "1"));
	MUST(rados_connect(cluster));
	rados_ioctx_t io = t_ioctx(cluster);
	MUST(rados_aio_create_completion2(NULL, NULL, &early));
	MUST(rados_aio_create_completion2(NULL, NULL, &late));
	MUST(rados_aio_create_completion2(NULL, NULL, &none));
	R(rados_write_full(io, oid, "a", 1));

	SECTION("set before the connect");
	daemons("ceph-osd", SIGSTOP);
	TIMED(rados_write_full(io, oid, "b", 1));
	TIMED(rados_read(io, oid, buf, sizeof buf, 0));
	TIMED(rados_osd_command(cluster, 0, cmd, 1, "", 0, &out, &len, &status, &status_len));

	SECTION("changed: holds for what begins from then on");
	R(rados_conf_set(cluster, "rados_osd_op_timeout", "6"));
	show_option(cluster);
	R(rados_aio_write_full(io, oid, early, "c", 1));
	R(rados_conf_set(cluster, "rados_osd_op_timeout", "2"));
	show_option(cluster);
	TIMED(rados_write_full(io, oid, "d", 1));
	SAY("the earlier one: %s", rados_aio_is_complete(early) ? "done" : "not yet");
	R(rados_aio_wait_for_complete(early));
	R(rados_aio_get_return_value(early));

	SECTION("taken back: as long as it takes");
	R(rados_conf_set(cluster, "rados_osd_op_timeout", "0"));
	R(rados_aio_write_full(io, oid, none, "e", 1));
	SAY("done within 3 s: %s", done_within(none, 3000) ? "yes" : "no");
	R(rados_conf_set(cluster, "rados_osd_op_timeout", "1"));
	R(rados_aio_write_full(io, oid, late, "f", 1));
	R(rados_aio_wait_for_complete(late));
	R(rados_aio_get_return_value(late));
	SAY("the one without: %s", rados_aio_is_complete(none) ? "done" : "not yet");
	R(rados_conf_set(cluster, "rados_osd_op_timeout", "x"));
	show_option(cluster);
	go_on();
	R(rados_aio_wait_for_complete(none));
	R(rados_aio_get_return_value(none));
	R(rados_conf_set(cluster, "rados_osd_op_timeout", "0"));
	RS(rados_read(io, oid, buf, sizeof buf, 0));

	rados_aio_release(early);
	rados_aio_release(late);
	rados_aio_release(none);
	rados_ioctx_destroy(io);
	rados_shutdown(cluster);
	return 0;
}
