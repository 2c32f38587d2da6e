/* Snapshots of RADOS itself: of a pool, and self-managed ones. */
#include "t.h"

static rados_t cluster;
static rados_ioctx_t io;
static char buf[64];

static void shown(rados_ioctx_t at, const char *obj)
{
	int n = rados_read(at, obj, buf, sizeof buf, 0);
	if (n < 0)
		SAY("  %s: -%s", obj, t_errname(n));
	else
		show("  data", buf, (size_t)n);
}

static void of_pool(void)
{
	const char *pool = name("snaps");
	rados_snap_t id = 0, ids[10];
	char text[64];
	time_t when = 0;
	SECTION("of a pool");
	MUST(rados_pool_create(cluster, pool));
	MUST(rados_ioctx_create(cluster, pool, &io));
	R(rados_ioctx_snap_list(io, ids, 10));
	MUST(rados_write_full(io, "o", "first", 5));
	R(rados_ioctx_snap_create(io, "one"));
	R(rados_ioctx_snap_create(io, "one"));
	MUST(rados_write_full(io, "o", "second", 6));
	R(rados_ioctx_snap_create(io, "two"));
	MUST(rados_remove(io, "o"));
	MUST(rados_write_full(io, "later", "x", 1));
	R(rados_ioctx_snap_list(io, ids, 10));
	R(rados_ioctx_snap_list(io, ids, 1));
	R(rados_ioctx_snap_lookup(io, "one", &id));
	R(rados_ioctx_snap_lookup(io, "none", &id));
	MUST(rados_ioctx_snap_lookup(io, "one", &id));
	R(rados_ioctx_snap_get_name(io, id, text, sizeof text));
	SAY("  %s", text);
	R(rados_ioctx_snap_get_name(io, id, text, 2));
	R(rados_ioctx_snap_get_name(io, 12345, text, sizeof text));
	R(rados_ioctx_snap_get_stamp(io, id, &when));
	SAY("  made %s", llabs((long long)(time(NULL) - when)) < 300 ? "now" : "wrong");
	R(rados_ioctx_snap_get_stamp(io, 12345, &when));
	SECTION("reading at one");
	V(rados_ioctx_snap_set_read(io, id));
	shown(io, "o");
	shown(io, "later");
	R(rados_write_full(io, "o", "x", 1));
	V(rados_ioctx_snap_set_read(io, LIBRADOS_SNAP_HEAD));
	shown(io, "o");
	SECTION("rolling back, removing");
	R(rados_ioctx_snap_rollback(io, "o", "two"));
	shown(io, "o");
	R(rados_ioctx_snap_rollback(io, "o", "one"));
	shown(io, "o");
	R(rados_rollback(io, "o", "two"));
	shown(io, "o");
	R(rados_ioctx_snap_rollback(io, "later", "one"));
	shown(io, "later");
	R(rados_ioctx_snap_rollback(io, "o", "none"));
	R(rados_ioctx_snap_remove(io, "one"));
	R(rados_ioctx_snap_remove(io, "one"));
	R(rados_ioctx_snap_list(io, ids, 10));
	uint64_t own = 0;
	SAY("a pool has either kind:");
	R(rados_ioctx_selfmanaged_snap_create(io, &own));
	rados_ioctx_destroy(io);
	MUST(rados_pool_delete(cluster, pool));
}

static void self_managed(void)
{
	const char *pool = name("self");
	uint64_t one = 0, two = 0;
	SECTION("self-managed");
	MUST(rados_pool_create(cluster, pool));
	MUST(rados_ioctx_create(cluster, pool, &io));
	MUST(rados_write_full(io, "o", "first", 5));
	R(rados_ioctx_selfmanaged_snap_create(io, &one));
	rados_snap_t list[2] = { one, 0 };
	R(rados_ioctx_selfmanaged_snap_set_write_ctx(io, one, list, 1));
	MUST(rados_write_full(io, "o", "second", 6));
	R(rados_ioctx_selfmanaged_snap_create(io, &two));
	SAY("ids grow: %d", two > one && one > 0);
	list[0] = two;
	list[1] = one;
	R(rados_ioctx_selfmanaged_snap_set_write_ctx(io, two, list, 2));
	MUST(rados_write_full(io, "o", "third", 5));
	rados_snap_t wrong[2] = { one, two };
	R(rados_ioctx_selfmanaged_snap_set_write_ctx(io, two, wrong, 2));
	R(rados_ioctx_selfmanaged_snap_set_write_ctx(io, two, list, 2));
	rados_ioctx_snap_set_read(io, one);
	shown(io, "o");
	rados_ioctx_snap_set_read(io, two);
	shown(io, "o");
	rados_ioctx_snap_set_read(io, LIBRADOS_SNAP_HEAD);
	shown(io, "o");
	R(rados_ioctx_selfmanaged_snap_rollback(io, "o", one));
	shown(io, "o");
	R(rados_ioctx_selfmanaged_snap_rollback(io, "none", one));
	R(rados_ioctx_selfmanaged_snap_remove(io, one));
	R(rados_ioctx_selfmanaged_snap_remove(io, two));
	R(rados_ioctx_snap_create(io, "pool's"));
	rados_ioctx_destroy(io);
	MUST(rados_pool_delete(cluster, pool));
}

int main(int argc, char **argv)
{
	t_start(argc, argv);
	cluster = t_connect();
	of_pool();
	self_managed();
	rados_shutdown(cluster);
	return 0;
}
