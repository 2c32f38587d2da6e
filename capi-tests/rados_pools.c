/* Pools: create, list, look up, stat, delete; namespaces and locator keys of a handle; applications; cluster facts. */
#include "t.h"

static rados_t cluster;
static rados_ioctx_t io;

static bool listed(const char *pool)
{
	size_t len = 1 << 16;
	char *buf = malloc(len);
	int n = rados_pool_list(cluster, buf, len);
	bool found = false;
	for (char *p = buf; n > 0 && *p; p += strlen(p) + 1)
		found |= !strcmp(p, pool);
	free(buf);
	return found;
}

static void pools(void)
{
	const char *a = name("pool-a"), *b = name("pool-b");
	char buf[256];
	SECTION("look up");
	R(rados_pool_lookup(cluster, name("none")));
	R(rados_pool_lookup(cluster, ""));
	RS(rados_pool_lookup(cluster, t_pool));
	int64_t id = rados_pool_lookup(cluster, t_pool);
	SAY("reverse lookup gives the length: %d", rados_pool_reverse_lookup(cluster, id, buf, sizeof buf) == (int)strlen(t_pool));
	SAY("and the name: %d", !strcmp(buf, t_pool));
	R(rados_pool_reverse_lookup(cluster, id, buf, 2));
	R(rados_pool_reverse_lookup(cluster, id, buf, strlen(t_pool)));
	RS(rados_pool_reverse_lookup(cluster, id, buf, strlen(t_pool) + 1));
	R(rados_pool_reverse_lookup(cluster, 999999, buf, sizeof buf));
	R(rados_pool_reverse_lookup(cluster, -1, buf, sizeof buf));
	rados_ioctx_t none;
	R(rados_ioctx_create(cluster, name("none"), &none));
	R(rados_ioctx_create(cluster, "", &none));
	R(rados_ioctx_create2(cluster, 999999, &none));
	R(rados_pool_delete(cluster, name("none")));
	SECTION("create and delete");
	R(rados_pool_create(cluster, a));
	R(rados_pool_create(cluster, a));
	R(rados_pool_create(cluster, ""));
	SAY("listed: %d", listed(a));
	RS(rados_pool_lookup(cluster, a));
	int64_t first = rados_pool_lookup(cluster, a);
	R(rados_ioctx_create(cluster, a, &io));
	SAY("id is the same: %d", rados_ioctx_get_id(io) == first);
	SAY("its cluster is ours: %d", rados_ioctx_get_cluster(io) == cluster);
	SAY("pool name length: %d", rados_ioctx_get_pool_name(io, buf, sizeof buf) == (int)strlen(a));
	SAY("pool name %s", unname(buf));
	R(rados_ioctx_get_pool_name(io, buf, 3));
	R(rados_write_full(io, "o", "data", 4));
	rados_ioctx_t by_id;
	R(rados_ioctx_create2(cluster, first, &by_id));
	R(rados_read(by_id, "o", buf, 10, 0));
	rados_ioctx_destroy(by_id);
	R(rados_pool_delete(cluster, a));
	SAY("listed: %d", listed(a));
	R(rados_pool_lookup(cluster, a));
	R(rados_pool_delete(cluster, a));
	SAY("a handle of a pool that is gone:");
	R(rados_read(io, "o", buf, 10, 0));
	R(rados_write_full(io, "o", "data", 4));
	R(rados_stat(io, "o", NULL, NULL));
	R(rados_ioctx_get_pool_name(io, buf, sizeof buf));
	rados_ioctx_destroy(io);
	R(rados_pool_create(cluster, a));
	SAY("a pool of the same name has a larger id: %d", rados_pool_lookup(cluster, a) > first);
	R(rados_ioctx_create(cluster, a, &io));
	R(rados_read(io, "o", buf, 10, 0));
	rados_ioctx_destroy(io);
	R(rados_pool_delete(cluster, a));
	R(rados_pool_create_with_crush_rule(cluster, b, 0));
	R(rados_pool_create_with_crush_rule(cluster, name("pool-c"), 200));
	R(rados_pool_create_with_auid(cluster, name("pool-d"), 5));
	R(rados_pool_delete(cluster, b));
	SECTION("pool list and its buffer");
	size_t len = 1 << 16;
	char *big = malloc(len);
	int need = rados_pool_list(cluster, big, len);
	memset(big, '?', 64);
	SAY("a short buffer asks for as much: %d", rados_pool_list(cluster, big, 2) == need);
	show("  buf", big, 4);
	SAY("none at all too: %d", rados_pool_list(cluster, NULL, 0) == need);
	size_t sum = 1;
	rados_pool_list(cluster, big, len);
	for (char *p = big; *p; p += strlen(p) + 1)
		sum += strlen(p) + 1;
	SAY("it is the length of all names with their NULs and the last one: %d", need == (int)sum);
	R(rados_pool_list(cluster, NULL, 10));
	free(big);
}

static void spaces(void)
{
	char buf[256];
	const char *a = name("o");
	SECTION("namespaces");
	MUST(rados_ioctx_create(cluster, t_pool, &io));
	R(rados_ioctx_get_namespace(io, buf, sizeof buf));
	rados_ioctx_set_namespace(io, "one");
	R(rados_ioctx_get_namespace(io, buf, sizeof buf));
	SAY("  %s", buf);
	R(rados_ioctx_get_namespace(io, buf, 3));
	R(rados_ioctx_get_namespace(io, buf, 4));
	R(rados_write_full(io, a, "in one", 6));
	rados_ioctx_set_namespace(io, "two");
	R(rados_read(io, a, buf, 10, 0));
	R(rados_write_full(io, a, "in number two", 13));
	rados_ioctx_set_namespace(io, "");
	R(rados_read(io, a, buf, 10, 0));
	rados_ioctx_set_namespace(io, "one");
	R(rados_read(io, a, buf, 20, 0));
	R(rados_remove(io, a));
	R(rados_read(io, a, buf, 20, 0));
	rados_ioctx_set_namespace(io, "two");
	R(rados_read(io, a, buf, 20, 0));
	R(rados_remove(io, a));
	rados_ioctx_set_namespace(io, LIBRADOS_ALL_NSPACES);
	R(rados_read(io, a, buf, 20, 0));
	R(rados_write_full(io, a, "everywhere", 10));
	rados_ioctx_set_namespace(io, NULL);
	R(rados_ioctx_get_namespace(io, buf, sizeof buf));
	SECTION("locator keys: another key is another object");
	R(rados_write_full(io, a, "plain", 5));
	rados_ioctx_locator_set_key(io, "elsewhere");
	R(rados_read(io, a, buf, 20, 0));
	R(rados_write_full(io, a, "with a key", 10));
	R(rados_read(io, a, buf, 20, 0));
	rados_ioctx_locator_set_key(io, a);
	R(rados_read(io, a, buf, 20, 0));
	rados_ioctx_locator_set_key(io, NULL);
	R(rados_read(io, a, buf, 20, 0));
	R(rados_remove(io, a));
	rados_ioctx_locator_set_key(io, "elsewhere");
	R(rados_read(io, a, buf, 20, 0));
	R(rados_remove(io, a));
	rados_ioctx_locator_set_key(io, "");
	R(rados_read(io, a, buf, 20, 0));
	SECTION("alignment");
	int flag = 9;
	uint64_t align = 99;
	R(rados_ioctx_pool_requires_alignment(io));
	R(rados_ioctx_pool_required_alignment(io));
	R(rados_ioctx_pool_requires_alignment2(io, &flag));
	SAY("  %d", flag);
	R(rados_ioctx_pool_required_alignment2(io, &align));
	SAY("  %" PRIu64, align);
	rados_ioctx_destroy(io);
}

static void applications(void)
{
	const char *a = name("app");
	char buf[256], buf2[256];
	SECTION("applications");
	MUST(rados_pool_create(cluster, a));
	MUST(rados_ioctx_create(cluster, a, &io));
	size_t len = sizeof buf, len2 = sizeof buf2;
	R(rados_application_list(io, buf, &len));
	SAY("  len %zu", len);
	R(rados_application_enable(io, "first", 0));
	R(rados_application_enable(io, "first", 0));
	R(rados_application_enable(io, "second", 0));
	R(rados_application_enable(io, "second", 1));
	len = sizeof buf;
	R(rados_application_list(io, buf, &len));
	show("  list", buf, len);
	len = 3;
	R(rados_application_list(io, buf, &len));
	SAY("  len %zu", len);
	R(rados_application_metadata_set(io, "first", "k", "v"));
	R(rados_application_metadata_set(io, "none", "k", "v"));
	R(rados_application_metadata_set(io, "first", "k2", "vv"));
	len = sizeof buf;
	R(rados_application_metadata_get(io, "first", "k", buf, &len));
	show("  value", buf, len);
	len = 1;
	R(rados_application_metadata_get(io, "first", "k2", buf, &len));
	SAY("  len %zu", len);
	len = sizeof buf;
	R(rados_application_metadata_get(io, "first", "none", buf, &len));
	R(rados_application_metadata_get(io, "none", "k", buf, &len));
	len = sizeof buf;
	R(rados_application_metadata_list(io, "first", buf, &len, buf2, &len2));
	show("  keys", buf, len);
	show("  values", buf2, len2);
	R(rados_application_metadata_remove(io, "first", "k"));
	R(rados_application_metadata_remove(io, "first", "k"));
	R(rados_application_metadata_list(io, "none", buf, &len, buf2, &len2));
	rados_ioctx_destroy(io);
	R(rados_pool_delete(cluster, a));
}

static void facts(void)
{
	char buf[64];
	struct rados_cluster_stat_t cs;
	struct rados_pool_stat_t ps;
	SECTION("cluster");
	R(rados_cluster_fsid(cluster, buf, sizeof buf));
	SAY("fsid is a UUID: %d", strlen(buf) == 36 && strspn(buf, "0123456789abcdef-") == 36);
	R(rados_cluster_fsid(cluster, buf, 36));
	R(rados_cluster_fsid(cluster, buf, 37));
	memset(&cs, 0, sizeof cs);
	R(rados_cluster_stat(cluster, &cs));
	SAY("kb is used plus free: %d", cs.kb > 0 && cs.kb_avail <= cs.kb);
	SAY("instance id is set: %d", rados_get_instance_id(cluster) != 0);
	R(rados_wait_for_latest_osdmap(cluster));
	char *addrs = NULL;
	R(rados_getaddrs(cluster, &addrs));
	SAY("addrs %s", addrs && *addrs ? "set" : "not set");
	rados_buffer_free(addrs);
	int major, minor, extra;
	rados_version(&major, &minor, &extra);
	SAY("version %d.%d.%d", major, minor, extra);
	MUST(rados_ioctx_create(cluster, t_pool, &io));
	memset(&ps, 0xff, sizeof ps);
	R(rados_ioctx_pool_stat(io, &ps));
	SAY("objects %s", ps.num_objects < 1000000 ? "plausible" : "implausible");
	R(rados_ioctx_pool_stat(io, &ps));
	rados_ioctx_destroy(io);
	SAY("cct is set: %d", rados_cct(cluster) != NULL);
	SECTION("a pool is counted");
	const char *a = name("count");
	MUST(rados_pool_create(cluster, a));
	MUST(rados_ioctx_create(cluster, a, &io));
	for (int i = 0; i < 5; i++) {
		snprintf(buf, sizeof buf, "o%d", i);
		MUST(rados_write_full(io, buf, "0123456789", 10));
	}
	/* Ceph's numbers come late: ask until they are there. */
	uint64_t until = now_ms() + 60000;
	do {
		ps.num_objects = 0;
		if (rados_ioctx_pool_stat(io, &ps) || ps.num_objects == 5)
			break;
		poll(NULL, 0, 200);
	} while (now_ms() < until);
	/* The bytes of a small object count as what a store allocates for them. */
	SAY("objects %" PRIu64 ", bytes at least 50: %d", ps.num_objects, ps.num_bytes >= 50);
	rados_ioctx_destroy(io);
	R(rados_pool_delete(cluster, a));
}

static void unconnected(void)
{
	rados_t c;
	rados_ioctx_t x;
	char buf[100];
	SECTION("before the connection");
	R(rados_create(&c, NULL));
	R(rados_ioctx_create(c, t_pool, &x));
	R(rados_pool_lookup(c, t_pool));
	R(rados_pool_list(c, buf, sizeof buf));
	R(rados_pool_create(c, name("x")));
	R(rados_pool_delete(c, name("x")));
	SAY("instance id %" PRIu64, rados_get_instance_id(c));
	rados_shutdown(c);
	SECTION("connect twice");
	R(rados_create(&c, NULL));
	R(rados_conf_read_file(c, NULL));
	R(rados_connect(c));
	R(rados_connect(c));
	rados_shutdown(c);
}

int main(int argc, char **argv)
{
	t_start(argc, argv);
	cluster = t_connect();
	pools();
	spaces();
	applications();
	facts();
	unconnected();
	rados_shutdown(cluster);
	return 0;
}
