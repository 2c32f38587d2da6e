/* Key-value metadata of an image. */
#include "t_rbd.h"

static rados_ioctx_t io;
static rbd_image_t image;

/* All pairs after start, at most max. */
static void list(const char *start, uint64_t max, size_t keys_room, size_t vals_room)
{
	char keys[4096], vals[4096];
	memset(keys, '?', sizeof keys);
	memset(vals, '?', sizeof vals);
	size_t keys_len = keys_room, vals_len = vals_room;
	SAY("start \"%s\" max %" PRIu64 " room %zu %zu", start, max, keys_room, vals_room);
	int r = R(rbd_metadata_list(image, start, max, keys, &keys_len, vals, &vals_len));
	SAY("  lengths %zu %zu", keys_len, vals_len);
	if (r == 0 && keys_len < 400) {
		show("  keys", keys, keys_len);
		show("  values", vals, vals_len);
	}
}

int main(int argc, char **argv)
{
	char buf[256], text[32];
	t_start(argc, argv);
	rados_t cluster = t_connect();
	io = t_ioctx(cluster);
	image_make(io, name("img"), MIB);
	image = image_open(io, name("img"));
	SECTION("nothing yet");
	list("", 0, 4096, 4096);
	size_t len = sizeof buf;
	R(rbd_metadata_get(image, "k", buf, &len));
	R(rbd_metadata_remove(image, "k"));
	SECTION("set and get");
	R(rbd_metadata_set(image, "k", "value"));
	len = sizeof buf;
	memset(buf, '?', sizeof buf);
	R(rbd_metadata_get(image, "k", buf, &len));
	SAY("len %zu", len);
	show("  buf", buf, 8);
	len = 6;
	R(rbd_metadata_get(image, "k", buf, &len));
	SAY("len %zu", len);
	len = 5;
	R(rbd_metadata_get(image, "k", buf, &len));
	SAY("len %zu", len);
	len = 0;
	R(rbd_metadata_get(image, "k", NULL, &len));
	SAY("len %zu", len);
	R(rbd_metadata_set(image, "k", "another"));
	len = sizeof buf;
	R(rbd_metadata_get(image, "k", buf, &len));
	SAY("len %zu %s", len, buf);
	R(rbd_metadata_set(image, "empty", ""));
	len = sizeof buf;
	R(rbd_metadata_get(image, "empty", buf, &len));
	SAY("len %zu", len);
	R(rbd_metadata_set(image, "", "no key"));
	R(rbd_metadata_set(image, "z/odd \xc3\xa9", "x"));
	SECTION("list");
	list("", 0, 4096, 4096);
	list("", 2, 4096, 4096);
	list("k", 10, 4096, 4096);
	list("empty", 1, 4096, 4096);
	list("zzz", 10, 4096, 4096);
	list("", 0, 3, 4096);
	list("", 0, 4096, 3);
	list("", 0, 0, 0);
	SECTION("remove");
	R(rbd_metadata_remove(image, "k"));
	R(rbd_metadata_remove(image, "k"));
	R(rbd_metadata_remove(image, ""));
	list("", 0, 4096, 4096);
	SECTION("a hundred and fifty");
	for (int i = 0; i < 150; i++) {
		snprintf(text, sizeof text, "key%04d", i);
		MUST(rbd_metadata_set(image, text, "v"));
	}
	list("key", 0, 4096, 4096);
	list("key", 64, 4096, 4096);
	list("key0063", 100, 4096, 4096);
	SECTION("configuration overrides of an image");
	R(rbd_metadata_set(image, "conf_rbd_cache", "false"));
	R(rbd_metadata_set(image, "conf_rbd_nosuch", "false"));
	len = sizeof buf;
	R(rbd_metadata_get(image, "conf_rbd_cache", buf, &len));
	SAY("  %s", buf);
	R(rbd_metadata_remove(image, "conf_rbd_cache"));
	R(rbd_metadata_remove(image, "conf_rbd_nosuch"));
	SECTION("after opening again, at a snapshot, read-only");
	MUST(rbd_snap_create(image, "s"));
	MUST(rbd_metadata_set(image, "after", "the snapshot"));
	R(rbd_close(image));
	MUST(rbd_open(io, name("img"), &image, "s"));
	len = sizeof buf;
	R(rbd_metadata_get(image, "key0000", buf, &len));
	len = sizeof buf;
	R(rbd_metadata_get(image, "after", buf, &len));
	R(rbd_metadata_set(image, "x", "y"));
	R(rbd_metadata_remove(image, "key0000"));
	R(rbd_close(image));
	image = image_open(io, name("img"));
	MUST(rbd_snap_remove(image, "s"));
	R(rbd_close(image));
	R(rbd_remove(io, name("img")));
	rados_ioctx_destroy(io);
	rados_shutdown(cluster);
	return 0;
}
