/* Snapshots: create, list, look at, protect, roll back, remove, rename, limit; reading at one; every mistake. */
#include "t_rbd.h"

static rados_ioctx_t io;
static rbd_image_t image;

static void list(rbd_image_t img)
{
	rbd_snap_info_t snaps[20];
	int max = 20;
	memset(snaps, 0, sizeof snaps);
	int n = rbd_snap_list(img, snaps, &max);
	SAY("  snapshots: %d, max %d", n, max);
	uint64_t last = 0;
	for (int i = 0; i < n; i++) {
		SAY("    %s size %" PRIu64 " id %s", snaps[i].name, snaps[i].size, snaps[i].id > last ? "grows" : "does not grow");
		last = snaps[i].id;
	}
	if (n >= 0)
		rbd_snap_list_end(snaps);
}

static void basics(void)
{
	rbd_snap_info_t snaps[20];
	SECTION("create and list");
	list(image);
	MUST(rbd_write(image, 0, 5, "first"));
	R(rbd_snap_create(image, "one"));
	R(rbd_snap_create(image, "one"));
	R(rbd_snap_create(image, ""));
	R(rbd_snap_remove(image, ""));
	MUST(rbd_write(image, 0, 6, "second"));
	R(rbd_snap_create(image, "two"));
	MUST(rbd_write(image, 0, 5, "third"));
	R(rbd_resize(image, 20 * MIB));
	R(rbd_snap_create(image, "three"));
	list(image);
	int max = 2;
	R(rbd_snap_list(image, snaps, &max));
	SAY("max %d", max);
	max = 0;
	R(rbd_snap_list(image, snaps, &max));
	SAY("max %d", max);
	max = 3;
	int n = rbd_snap_list(image, snaps, &max);
	SAY("exactly as many: %d", n);
	if (n >= 0)
		rbd_snap_list_end(snaps);
	SECTION("what one is");
	uint64_t id = 0, id2 = 0;
	char text[100];
	R(rbd_snap_get_id(image, "one", &id));
	R(rbd_snap_get_id(image, "two", &id2));
	SAY("ids grow: %d", id2 > id && id > 0);
	R(rbd_snap_get_id(image, "none", &id2));
	size_t len = sizeof text;
	R(rbd_snap_get_name(image, id, text, &len));
	SAY("name %s len %zu", text, len);
	len = 2;
	R(rbd_snap_get_name(image, id, text, &len));
	SAY("len %zu", len);
	R(rbd_snap_get_name(image, 999999, text, &len));
	bool exists = false;
	R(rbd_snap_exists(image, "one", &exists));
	SAY("exists %d", exists);
	R(rbd_snap_exists(image, "none", &exists));
	SAY("exists %d", exists);
	struct timespec ts = { 0, 0 };
	R(rbd_snap_get_timestamp(image, id, &ts));
	SAY("time %s", llabs((long long)(time(NULL) - ts.tv_sec)) < 300 ? "now" : "wrong");
	rbd_snap_namespace_type_t type = 99;
	R(rbd_snap_get_namespace_type(image, id, &type));
	SAY("namespace type %d", (int)type);
	R(rbd_snap_get_namespace_type(image, 999999, &type));
}

static void reading(void)
{
	rbd_image_t at;
	uint64_t size = 0;
	SECTION("reading at a snapshot");
	R(rbd_open(io, name("img"), &at, "one"));
	image_show(at, 0, 8);
	R(rbd_get_size(at, &size));
	SAY("size %" PRIu64, size);
	R(rbd_write(at, 0, 1, "x"));
	R(rbd_discard(at, 0, 4096));
	R(rbd_resize(at, MIB));
	R(rbd_snap_create(at, "never"));
	R(rbd_flush(at));
	list(at);
	R(rbd_snap_set(at, "two"));
	image_show(at, 0, 8);
	R(rbd_snap_set(at, "none"));
	image_show(at, 0, 8);
	R(rbd_snap_set(at, NULL));
	image_show(at, 0, 8);
	R(rbd_get_size(at, &size));
	SAY("size %" PRIu64, size);
	uint64_t id = 0;
	R(rbd_snap_get_id(at, "one", &id));
	R(rbd_snap_set_by_id(at, id));
	image_show(at, 0, 8);
	R(rbd_snap_set_by_id(at, 999999));
	R(rbd_close(at));
	R(rbd_open_read_only(io, name("img"), &at, "two"));
	image_show(at, 0, 8);
	R(rbd_read(at, 10 * MIB, 10, (char[10]){ 0 }));
	R(rbd_read(at, 10 * MIB - 5, 10, (char[10]){ 0 }));
	R(rbd_close(at));
	image_show(image, 0, 8);
	SECTION("written and discarded after a snapshot, which does not change");
	MUST(rbd_write(image, 4 * MIB, 6, "before"));
	R(rbd_snap_create(image, "four"));
	R(rbd_discard(image, 4 * MIB, 4 * MIB));
	R(rbd_write_zeroes(image, 0, 4096, 0, 0));
	image_show(image, 4 * MIB, 8);
	image_show(image, 0, 8);
	R(rbd_open_read_only(io, name("img"), &at, "four"));
	image_show(at, 4 * MIB, 8);
	image_show(at, 0, 8);
	R(rbd_close(at));
}

static void protecting(void)
{
	int is = 9;
	SECTION("protect");
	R(rbd_snap_is_protected(image, "one", &is));
	SAY("protected %d", is);
	R(rbd_snap_protect(image, "one"));
	R(rbd_snap_protect(image, "one"));
	R(rbd_snap_is_protected(image, "one", &is));
	SAY("protected %d", is);
	R(rbd_snap_remove(image, "one"));
	R(rbd_snap_unprotect(image, "one"));
	R(rbd_snap_unprotect(image, "one"));
	R(rbd_snap_protect(image, "none"));
	R(rbd_snap_unprotect(image, "none"));
	R(rbd_snap_is_protected(image, "none", &is));
	SECTION("remove, and the image with snapshots");
	R(rbd_snap_remove(image, "one"));
	R(rbd_snap_remove(image, "one"));
	list(image);
	R(rbd_close(image));
	R(rbd_remove(io, name("img")));
	image = image_open(io, name("img"));
	R(rbd_snap_protect(image, "two"));
	R(rbd_snap_remove2(image, "two", RBD_SNAP_REMOVE_UNPROTECT, NULL, NULL));
	list(image);
	uint64_t id = 0;
	MUST(rbd_snap_get_id(image, "three", &id));
	R(rbd_snap_remove_by_id(image, id));
	R(rbd_snap_remove_by_id(image, id));
	list(image);
}

static int progress(uint64_t done, uint64_t total, void *arg)
{
	*(int *)arg |= done > total;
	return 0;
}

static void rolling(void)
{
	uint64_t size = 0;
	int wrong = 0;
	SECTION("roll back: data and size");
	MUST(rbd_resize(image, 10 * MIB));
	MUST(rbd_write_zeroes(image, 0, 10 * MIB, 0, 0));
	MUST(rbd_write(image, 0, 4, "base"));
	MUST(rbd_write(image, 9 * MIB, 4, "tail"));
	R(rbd_snap_create(image, "back"));
	MUST(rbd_write(image, 0, 4, "xxxx"));
	MUST(rbd_write(image, 5 * MIB, 4, "new!"));
	MUST(rbd_resize(image, 4 * MIB));
	R(rbd_snap_rollback(image, "none"));
	R(rbd_snap_rollback_with_progress(image, "back", progress, &wrong));
	SAY("progress beyond the total: %d", wrong);
	R(rbd_get_size(image, &size));
	SAY("size %" PRIu64, size);
	image_show(image, 0, 8);
	image_show(image, 5 * MIB, 8);
	image_show(image, 9 * MIB, 8);
	MUST(rbd_write(image, 0, 4, "more"));
	R(rbd_snap_rollback(image, "back"));
	image_show(image, 0, 8);
	MUST(rbd_resize(image, 20 * MIB));
	R(rbd_snap_rollback(image, "back"));
	R(rbd_get_size(image, &size));
	SAY("size %" PRIu64, size);
	SECTION("rename");
	R(rbd_snap_create(image, "other"));
	R(rbd_snap_rename(image, "back", "other"));
	R(rbd_snap_rename(image, "none", "x"));
	R(rbd_snap_rename(image, "back", "forth"));
	R(rbd_snap_rename(image, "forth", "forth"));
	list(image);
	SECTION("limit");
	uint64_t limit = 0;
	R(rbd_snap_get_limit(image, &limit));
	SAY("limit %s", limit == UINT64_MAX ? "none" : "set");
	R(rbd_snap_set_limit(image, 3));
	R(rbd_snap_set_limit(image, 5));
	R(rbd_snap_get_limit(image, &limit));
	SAY("limit %" PRIu64, limit);
	list(image);
	R(rbd_snap_create(image, "third"));
	R(rbd_snap_create(image, "fourth"));
	R(rbd_snap_set_limit(image, 1));
	R(rbd_snap_set_limit(image, UINT64_MAX));
	R(rbd_snap_create(image, "fourth"));
	SECTION("create without quiescing, with progress");
	R(rbd_snap_create2(image, "fifth", RBD_SNAP_CREATE_SKIP_QUIESCE, progress, &wrong));
	R(rbd_snap_create2(image, "sixth", RBD_SNAP_CREATE_IGNORE_QUIESCE_ERROR, progress, &wrong));
	list(image);
}

static void many(void)
{
	char text[32], want[32], got[32];
	int bad = 0;
	rbd_snap_info_t snaps[20];
	int max = 20, n = rbd_snap_list(image, snaps, &max);
	for (int i = 0; i < n; i++)
		MUST(rbd_snap_remove(image, snaps[i].name));
	rbd_snap_list_end(snaps);
	SECTION("six snapshots of one block, removed in an odd order");
	for (int i = 0; i < 6; i++) {
		snprintf(text, sizeof text, "s%d", i);
		snprintf(want, sizeof want, "generation %d", i);
		MUST(rbd_write(image, 8192, 13, want));
		MUST(rbd_snap_create(image, text));
	}
	static const int order[] = { 3, 0, 5 };
	for (size_t k = 0; k <= COUNT(order); k++) {
		for (int i = 0; i < 6; i++) {
			bool gone = false;
			for (size_t j = 0; j < k; j++)
				gone |= order[j] == i;
			rbd_image_t at;
			snprintf(text, sizeof text, "s%d", i);
			snprintf(want, sizeof want, "generation %d", i);
			int r = rbd_open_read_only(io, name("img"), &at, text);
			if (gone) {
				bad += r != -ENOENT;
				continue;
			}
			bad += r != 0;
			if (r == 0) {
				bad += rbd_read(at, 8192, 12, got) != 12 || memcmp(got, want, 12);
				bad += rbd_close(at) != 0;
			}
		}
		if (k < COUNT(order)) {
			snprintf(text, sizeof text, "s%d", order[k]);
			MUST(rbd_snap_remove(image, text));
		}
	}
	SAY("wrong: %d", bad);
	max = 20;
	n = rbd_snap_list(image, snaps, &max);
	for (int i = 0; i < n; i++)
		MUST(rbd_snap_remove(image, snaps[i].name));
	rbd_snap_list_end(snaps);
	image_show(image, 8192, 14);
}

int main(int argc, char **argv)
{
	t_start(argc, argv);
	rados_t cluster = t_connect();
	io = t_ioctx(cluster);
	image_make(io, name("img"), 10 * MIB);
	image = image_open(io, name("img"));
	basics();
	reading();
	protecting();
	rolling();
	many();
	R(rbd_close(image));
	R(rbd_remove(io, name("img")));
	rados_ioctx_destroy(io);
	rados_shutdown(cluster);
	return 0;
}
