/* Images: create, open, stat, properties, list, rename, remove, and every mistake on the way. */
#include "t_rbd.h"

static rados_ioctx_t io;

static void creating(void)
{
	const char *a = name("a");
	int order = 22;
	rbd_image_t image = (rbd_image_t)1;
	SECTION("create");
	R(rbd_create(io, a, 10 * MIB, &order));
	R(rbd_create(io, a, 10 * MIB, &order));
	SAY("order %d", order);
	R(rbd_remove(io, a));
	R(rbd_remove(io, a));
	static const int orders[] = { 0, 11, 12, 16, 25, 26, 63, -1 };
	for (size_t i = 0; i < COUNT(orders); i++) {
		order = orders[i];
		SAY("order %d", orders[i]);
		if (R(rbd_create2(io, a, 10 * MIB, RBD_FEATURE_LAYERING, &order)) == 0) {
			SAY("  order became %d", order);
			MUST(rbd_remove(io, a));
		}
	}
	order = 22;
	static const uint64_t sizes[] = { 0, 1, 4095, (1ULL << 32) + 512 };
	for (size_t i = 0; i < COUNT(sizes); i++) {
		SAY("size %" PRIu64, sizes[i]);
		if (R(rbd_create2(io, a, sizes[i], RBD_FEATURE_LAYERING, &order)) == 0) {
			uint64_t size = 0;
			image = image_open(io, a);
			R(rbd_get_size(image, &size));
			SAY("  size %" PRIu64, size);
			R(rbd_close(image));
			MUST(rbd_remove(io, a));
		}
	}
	SECTION("features");
	static const uint64_t features[] = {
		0, RBD_FEATURE_LAYERING, RBD_FEATURE_EXCLUSIVE_LOCK, RBD_FEATURE_OBJECT_MAP, RBD_FEATURE_OBJECT_MAP | RBD_FEATURE_EXCLUSIVE_LOCK,
		RBD_FEATURE_FAST_DIFF, RBD_FEATURE_LAYERING | RBD_FEATURE_EXCLUSIVE_LOCK | RBD_FEATURE_OBJECT_MAP | RBD_FEATURE_FAST_DIFF | RBD_FEATURE_DEEP_FLATTEN,
		RBD_FEATURE_JOURNALING, 1ULL << 60,
	};
	for (size_t i = 0; i < COUNT(features); i++) {
		order = 22;
		SAY("features %" PRIu64, features[i]);
		if (R(rbd_create2(io, a, 10 * MIB, features[i], &order)) == 0) {
			uint64_t got = 0, flags = 99;
			image = image_open(io, a);
			R(rbd_get_features(image, &got));
			R(rbd_get_flags(image, &flags));
			SAY("  features %" PRIu64 " flags %" PRIu64, got, flags);
			R(rbd_close(image));
			MUST(rbd_remove(io, a));
		}
	}
	SECTION("striping");
	static const struct { uint64_t unit, count; } stripes[] = { { 0, 0 }, { 4 << 20, 1 }, { 65536, 16 }, { 65536, 0 }, { 0, 4 }, { 8 << 20, 2 }, { 1000, 2 } };
	for (size_t i = 0; i < COUNT(stripes); i++) {
		order = 22;
		SAY("unit %" PRIu64 " count %" PRIu64, stripes[i].unit, stripes[i].count);
		if (R(rbd_create3(io, a, 10 * MIB, RBD_FEATURE_LAYERING | RBD_FEATURE_STRIPINGV2, &order, stripes[i].unit, stripes[i].count)) == 0) {
			uint64_t unit = 0, count = 0, got = 0;
			image = image_open(io, a);
			R(rbd_get_stripe_unit(image, &unit));
			R(rbd_get_stripe_count(image, &count));
			R(rbd_get_features(image, &got));
			SAY("  unit %" PRIu64 " count %" PRIu64 " features %" PRIu64, unit, count, got);
			R(rbd_close(image));
			MUST(rbd_remove(io, a));
		}
	}
	SECTION("create with options");
	rbd_image_options_t opts;
	rbd_image_options_create(&opts);
	R(rbd_create4(io, a, 5 * MIB, opts));
	image = image_open(io, a);
	uint64_t got = 0;
	R(rbd_get_features(image, &got));
	SAY("  default features %" PRIu64, got);
	R(rbd_close(image));
	MUST(rbd_remove(io, a));
	R(rbd_image_options_set_uint64(opts, RBD_IMAGE_OPTION_ORDER, 20));
	R(rbd_image_options_set_uint64(opts, RBD_IMAGE_OPTION_FEATURES, RBD_FEATURE_LAYERING));
	R(rbd_image_options_get_uint64(opts, RBD_IMAGE_OPTION_ORDER, &got));
	SAY("  order %" PRIu64, got);
	R(rbd_image_options_get_uint64(opts, RBD_IMAGE_OPTION_STRIPE_UNIT, &got));
	R(rbd_image_options_set_uint64(opts, 1234, 1));
	R(rbd_image_options_set_string(opts, RBD_IMAGE_OPTION_ORDER, "x"));
	R(rbd_image_options_set_uint64(opts, RBD_IMAGE_OPTION_DATA_POOL, 1));
	bool is_set = true;
	R(rbd_image_options_is_set(opts, RBD_IMAGE_OPTION_STRIPE_UNIT, &is_set));
	SAY("  stripe unit is set: %d; empty: %d", is_set, rbd_image_options_is_empty(opts));
	R(rbd_image_options_unset(opts, RBD_IMAGE_OPTION_STRIPE_UNIT));
	R(rbd_create4(io, a, 5 * MIB, opts));
	image = image_open(io, a);
	rbd_image_info_t info;
	R(rbd_stat(image, &info, sizeof info));
	SAY("  obj_size %" PRIu64 " num_objs %" PRIu64 " order %d", info.obj_size, info.num_objs, info.order);
	R(rbd_close(image));
	MUST(rbd_remove(io, a));
	R(rbd_image_options_set_uint64(opts, RBD_IMAGE_OPTION_FORMAT, 3));
	if (R(rbd_create4(io, a, 5 * MIB, opts)) == 0)
		MUST(rbd_remove(io, a));
	R(rbd_image_options_set_uint64(opts, RBD_IMAGE_OPTION_FORMAT, 2));
	R(rbd_image_options_set_string(opts, RBD_IMAGE_OPTION_DATA_POOL, "no-such-pool"));
	R(rbd_create4(io, a, 5 * MIB, opts));
	rbd_image_options_clear(opts);
	SAY("  empty after clear: %d", rbd_image_options_is_empty(opts));
	rbd_image_options_destroy(opts);
	SECTION("names");
	order = 22;
	R(rbd_create2(io, "", 10 * MIB, RBD_FEATURE_LAYERING, &order));
	R(rbd_create2(io, "with/slash", 10 * MIB, RBD_FEATURE_LAYERING, &order));
	R(rbd_create2(io, "with@at", 10 * MIB, RBD_FEATURE_LAYERING, &order));
	R(rbd_remove(io, "with/slash"));
	R(rbd_remove(io, "with@at"));
	R(rbd_remove(io, ""));
}

static void opening(void)
{
	const char *a = name("a");
	rbd_image_t image = NULL;
	SECTION("open what is not there");
	R(rbd_open(io, name("none"), &image, NULL));
	R(rbd_open_read_only(io, name("none"), &image, NULL));
	R(rbd_open_by_id(io, "deadbeef", &image, NULL));
	R(rbd_open_by_id_read_only(io, "deadbeef", &image, NULL));
	R(rbd_open(io, "", &image, NULL));
	R(rbd_remove(io, name("none")));
	R(rbd_rename(io, name("none"), name("other")));
	image_make(io, a, 10 * MIB + 5);
	R(rbd_open(io, a, &image, "nosnap"));
	R(rbd_open_read_only(io, a, &image, "nosnap"));
	SECTION("what an image tells of itself");
	image = NULL;
	R(rbd_open(io, a, &image, NULL));
	rbd_image_info_t info;
	memset(&info, 0x7f, sizeof info);
	R(rbd_stat(image, &info, sizeof info));
	SAY("size %" PRIu64 " obj_size %" PRIu64 " num_objs %" PRIu64 " order %d prefix %s parent_pool %" PRId64 " parent_name \"%s\"", info.size, info.obj_size,
	    info.num_objs, info.order, info.block_name_prefix[0] ? "set" : "empty", info.parent_pool, info.parent_name);
	char id[64] = "", prefix[64] = "", text[256] = "";
	R(rbd_get_id(image, id, sizeof id));
	SAY("id %s", id[0] && strspn(id, "0123456789abcdef") == strlen(id) ? "hexadecimal" : id);
	R(rbd_get_id(image, text, 2));
	R(rbd_get_block_name_prefix(image, prefix, sizeof prefix));
	SAY("prefix ends with the id: %s; the one of stat is its beginning: %s", strlen(prefix) > strlen(id) && !strcmp(prefix + strlen(prefix) - strlen(id), id) ? "yes" : "no",
	    !strncmp(prefix, info.block_name_prefix, strlen(info.block_name_prefix)) ? "yes" : "no");
	R(rbd_get_block_name_prefix(image, text, 3));
	size_t len = sizeof text;
	R(rbd_get_name(image, text, &len));
	SAY("name %s, len %s", unname(text), len == strlen(a) + 1 || len == strlen(a) ? (len == strlen(a) ? "without NUL" : "with NUL") : "other");
	len = 2;
	R(rbd_get_name(image, text, &len));
	SAY("len wanted %s", len == strlen(a) + 1 || len == strlen(a) ? (len == strlen(a) ? "without NUL" : "with NUL") : "other");
	uint64_t v = 99;
	uint8_t old = 9;
	R(rbd_get_size(image, &v));
	SAY("size %" PRIu64, v);
	R(rbd_get_features(image, &v));
	SAY("features %" PRIu64, v);
	R(rbd_get_op_features(image, &v));
	SAY("op features %" PRIu64, v);
	R(rbd_get_flags(image, &v));
	SAY("flags %" PRIu64, v);
	R(rbd_get_old_format(image, &old));
	SAY("old format %d", old);
	R(rbd_get_stripe_unit(image, &v));
	SAY("stripe unit %" PRIu64, v);
	R(rbd_get_stripe_count(image, &v));
	SAY("stripe count %" PRIu64, v);
	v = 99;
	R(rbd_get_overlap(image, &v));
	SAY("overlap %" PRIu64, v);
	SAY("data pool is this one: %s", rbd_get_data_pool_id(image) == rados_ioctx_get_id(io) ? "yes" : "no");
	struct timespec ts;
	R(rbd_get_create_timestamp(image, &ts));
	SAY("created %s", llabs((long long)(time(NULL) - ts.tv_sec)) < 300 ? "now" : "wrong");
	R(rbd_get_access_timestamp(image, &ts));
	SAY("accessed %s", llabs((long long)(time(NULL) - ts.tv_sec)) < 300 ? "now" : "wrong");
	R(rbd_get_modify_timestamp(image, &ts));
	SAY("modified %s", llabs((long long)(time(NULL) - ts.tv_sec)) < 300 ? "now" : "wrong");
	rbd_group_info_t group;
	memset(&group, 0, sizeof group);
	R(rbd_get_group(image, &group, sizeof group));
	SAY("group \"%s\" pool %" PRId64, group.name ? group.name : "(null)", group.pool);
	rbd_group_info_cleanup(&group, sizeof group);
	char pool[64], pname[64], psnap[64];
	R(rbd_get_parent_info(image, pool, sizeof pool, pname, sizeof pname, psnap, sizeof psnap));
	int is_owner = 9;
	R(rbd_is_exclusive_lock_owner(image, &is_owner));
	SAY("lock owner %d", is_owner);
	R(rbd_close(image));
	SECTION("open by id, and read-only");
	R(rbd_open_by_id(io, id, &image, NULL));
	R(rbd_close(image));
	R(rbd_open_by_id_read_only(io, id, &image, NULL));
	R(rbd_close(image));
	R(rbd_open_read_only(io, a, &image, NULL));
	R(rbd_write(image, 0, 1, "x"));
	R(rbd_discard(image, 0, 100));
	R(rbd_write_zeroes(image, 0, 100, 0, 0));
	R(rbd_writesame(image, 0, 512, "x", 1, 0));
	R(rbd_resize(image, MIB));
	R(rbd_snap_create(image, "s"));
	R(rbd_snap_remove(image, "s"));
	R(rbd_snap_rollback(image, "s"));
	R(rbd_metadata_set(image, "k", "v"));
	R(rbd_lock_exclusive(image, "c"));
	R(rbd_unlock(image, "c"));
	R(rbd_lock_acquire(image, RBD_LOCK_MODE_EXCLUSIVE));
	R(rbd_flush(image));
	R(rbd_invalidate_cache(image));
	R(rbd_update_features(image, RBD_FEATURE_OBJECT_MAP, 1));
	image_show(image, 0, 10);
	R(rbd_close(image));
	SECTION("aio open and close");
	rbd_completion_t c;
	R(rbd_aio_create_completion(NULL, NULL, &c));
	R(rbd_aio_open(io, a, &image, NULL, c));
	R(rbd_aio_wait_for_complete(c));
	R(rbd_aio_get_return_value(c));
	rbd_aio_release(c);
	R(rbd_aio_create_completion(NULL, NULL, &c));
	R(rbd_aio_close(image, c));
	R(rbd_aio_wait_for_complete(c));
	R(rbd_aio_get_return_value(c));
	rbd_aio_release(c);
	R(rbd_aio_create_completion(NULL, NULL, &c));
	R(rbd_aio_open_read_only(io, name("none"), &image, NULL, c));
	R(rbd_aio_wait_for_complete(c));
	R(rbd_aio_get_return_value(c));
	rbd_aio_release(c);
	image_drop(io, a);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void listing(rados_t cluster)
{
	const char *names[] = { name("one"), name("two"), name("three") };
	rados_ioctx_t ns;
	char text[512];
	SECTION("list");
	MUST(rados_ioctx_create(cluster, t_pool, &ns));
	R(rbd_namespace_create(ns, name("ns")));
	R(rbd_namespace_create(ns, name("ns")));
	bool exists = false;
	R(rbd_namespace_exists(ns, name("ns"), &exists));
	SAY("exists %d", exists);
	R(rbd_namespace_exists(ns, name("nons"), &exists));
	SAY("exists %d", exists);
	rados_ioctx_set_namespace(ns, name("ns"));
	size_t size = sizeof text;
	R(rbd_list(ns, text, &size));
	SAY("size of nothing %zu", size);
	size_t count = 10;
	rbd_image_spec_t specs[10];
	R(rbd_list2(ns, specs, &count));
	SAY("count of nothing %zu", count);
	for (size_t i = 0; i < 3; i++)
		image_make(ns, names[i], MIB);
	size = sizeof text;
	memset(text, '?', sizeof text);
	int r = rbd_list(ns, text, &size);
	SAY("rbd_list gives the length of all names: %s; size %s", r == (int)(strlen(names[0]) + strlen(names[1]) + strlen(names[2]) + 3) ? "yes" : "no",
	    (int)size == r ? "the same" : size == sizeof text ? "as it was" : "other");
	char *sorted[3], *p = text;
	for (size_t i = 0; i < 3; i++, p += strlen(p) + 1)
		sorted[i] = p;
	qsort(sorted, 3, sizeof sorted[0], by_text);
	SAY("  %s", unname(sorted[0]));
	SAY("  %s", unname(sorted[1]));
	SAY("  %s", unname(sorted[2]));
	size = 4;
	R(rbd_list(ns, text, &size));
	SAY("size wanted is right: %s", size == strlen(names[0]) + strlen(names[1]) + strlen(names[2]) + 3 ? "yes" : "no");
	size = 0;
	R(rbd_list(ns, NULL, &size));
	count = 2;
	R(rbd_list2(ns, specs, &count));
	SAY("count wanted %zu", count);
	count = 0;
	R(rbd_list2(ns, NULL, &count));
	SAY("count wanted %zu", count);
	count = 10;
	if (R(rbd_list2(ns, specs, &count)) == 0) {
		SAY("count %zu", count);
		for (size_t i = 0; i < count; i++)
			if (i < 3)
				sorted[i] = specs[i].name;
		qsort(sorted, count < 3 ? count : 3, sizeof sorted[0], by_text);
		for (size_t i = 0; i < count; i++)
			SAY("  %s, id %s", unname(sorted[i]), specs[i].id[0] ? "set" : "empty");
		rbd_image_spec_list_cleanup(specs, count);
	}
	SECTION("rename");
	R(rbd_rename(ns, names[0], name("uno")));
	R(rbd_rename(ns, name("uno"), names[1]));
	R(rbd_rename(ns, names[1], names[1]));
	R(rbd_rename(ns, names[0], name("x")));
	R(rbd_rename(ns, names[1], ""));
	rbd_image_t image;
	R(rbd_open(ns, names[0], &image, NULL));
	R(rbd_open(ns, name("uno"), &image, NULL));
	size = sizeof text;
	R(rbd_get_name(image, text, &size));
	SAY("name %s", unname(text));
	SAY("renamed while it is open, by somebody else:");
	R(rbd_rename(ns, name("uno"), name("eins")));
	R(rbd_write(image, 0, 1, "x"));
	SECTION("remove while it is open");
	R(rbd_remove(ns, name("eins")));
	R(rbd_close(image));
	R(rbd_remove(ns, name("eins")));
	R(rbd_namespace_remove(io, name("ns")));
	R(rbd_remove(ns, names[1]));
	R(rbd_remove(ns, names[2]));
	R(rbd_namespace_remove(io, name("ns")));
	R(rbd_namespace_remove(io, name("ns")));
	rados_ioctx_destroy(ns);
}

static void features_text(void)
{
	char text[256];
	size_t size = sizeof text;
	uint64_t mask = 0;
	SECTION("features as text");
	R(rbd_features_to_string(61, text, &size));
	SAY("%s %zu", text, size);
	size = 3;
	R(rbd_features_to_string(61, text, &size));
	SAY("%zu", size);
	size = sizeof text;
	R(rbd_features_to_string(1ULL << 50, text, &size));
	R(rbd_features_from_string("layering,exclusive-lock", &mask));
	SAY("%" PRIu64, mask);
	R(rbd_features_from_string("layering,nonsense", &mask));
	R(rbd_features_from_string("5", &mask));
	SAY("%" PRIu64, mask);
	R(rbd_features_from_string("", &mask));
	SAY("%" PRIu64, mask);
	int major, minor, extra;
	rbd_version(&major, &minor, &extra);
	SAY("version %d.%d.%d", major, minor, extra);
}

int main(int argc, char **argv)
{
	t_start(argc, argv);
	rados_t cluster = t_connect();
	io = t_ioctx(cluster);
	creating();
	opening();
	listing(cluster);
	features_text();
	rados_ioctx_destroy(io);
	rados_shutdown(cluster);
	return 0;
}
