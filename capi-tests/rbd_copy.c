/* Copying images: copy, with options, with progress, deep_copy with snapshots; mistakes. */
#include "t_rbd.h"

static rados_ioctx_t io;
static rbd_image_t src;

static void facts(const char *image)
{
	rbd_image_t img;
	rbd_image_info_t info;
	uint64_t features = 0;
	if (R(rbd_open_read_only(io, image, &img, NULL)))
		return;
	MUST(rbd_stat(img, &info, sizeof info));
	MUST(rbd_get_features(img, &features));
	SAY("  size %" PRIu64 " order %d features %" PRIu64, info.size, info.order, features);
	image_show(img, 0, 10);
	image_show(img, 5 * MIB, 10);
	image_show(img, info.size - 5, 5);
	char value[32] = "";
	size_t len = sizeof value;
	R(rbd_metadata_get(img, "meta", value, &len));
	rbd_snap_info_t snaps[10];
	int max = 10, n = rbd_snap_list(img, snaps, &max);
	for (int i = 0; i < n; i++)
		SAY("  snapshot %s %" PRIu64, snaps[i].name, snaps[i].size);
	if (n >= 0)
		rbd_snap_list_end(snaps);
	MUST(rbd_close(img));
}

static int progress(uint64_t done, uint64_t total, void *arg)
{
	unsigned *bad = arg;
	*bad += done > total;
	return 0;
}

int main(int argc, char **argv)
{
	t_start(argc, argv);
	rados_t cluster = t_connect();
	io = t_ioctx(cluster);
	image_make(io, name("src"), 10 * MIB + 7);
	src = image_open(io, name("src"));
	MUST(rbd_write(src, 0, 3, "old"));
	MUST(rbd_snap_create(src, "snap"));
	MUST(rbd_write(src, 0, 5, "start"));
	MUST(rbd_write(src, 5 * MIB, 6, "middle"));
	MUST(rbd_write(src, 10 * MIB + 4, 3, "end"));
	MUST(rbd_metadata_set(src, "meta", "data"));
	SECTION("copy");
	R(rbd_copy(src, io, name("c1")));
	facts(name("c1"));
	R(rbd_copy(src, io, name("c1")));
	R(rbd_copy(src, io, ""));
	unsigned bad = 0;
	R(rbd_copy_with_progress(src, io, name("c2"), progress, &bad));
	SAY("progress beyond the total: %u", bad);
	facts(name("c2"));
	R(rbd_remove(io, name("c1")));
	R(rbd_remove(io, name("c2")));
	SECTION("copy with options");
	rbd_image_options_t opts;
	rbd_image_options_create(&opts);
	rbd_image_options_set_uint64(opts, RBD_IMAGE_OPTION_ORDER, 20);
	rbd_image_options_set_uint64(opts, RBD_IMAGE_OPTION_FEATURES, RBD_FEATURE_LAYERING);
	SAY("smaller objects, but the stripe unit of the source:");
	R(rbd_copy3(src, io, name("c3"), opts));
	rbd_image_options_set_uint64(opts, RBD_IMAGE_OPTION_STRIPE_UNIT, 1 << 20);
	rbd_image_options_set_uint64(opts, RBD_IMAGE_OPTION_STRIPE_COUNT, 1);
	R(rbd_copy3(src, io, name("c3"), opts));
	facts(name("c3"));
	R(rbd_remove(io, name("c3")));
	R(rbd_copy_with_progress3(src, io, name("c3"), opts, progress, &bad));
	R(rbd_copy_with_progress4(src, io, name("c4"), opts, progress, &bad, 64 * 1024));
	facts(name("c4"));
	R(rbd_remove(io, name("c3")));
	R(rbd_remove(io, name("c4")));
	rbd_image_options_destroy(opts);
	SECTION("copy into an image that is there");
	rbd_image_t dst;
	image_make(io, name("d"), 12 * MIB);
	dst = image_open(io, name("d"));
	MUST(rbd_write(dst, 5 * MIB, 20, "will be gone........"));
	R(rbd_copy2(src, dst));
	image_show(dst, 0, 10);
	image_show(dst, 5 * MIB, 24);
	R(rbd_resize(dst, 5 * MIB));
	R(rbd_copy2(src, dst));
	R(rbd_close(dst));
	R(rbd_remove(io, name("d")));
	SECTION("copy of a snapshot");
	rbd_image_t at;
	MUST(rbd_open_read_only(io, name("src"), &at, "snap"));
	R(rbd_copy(at, io, name("c5")));
	facts(name("c5"));
	R(rbd_close(at));
	R(rbd_remove(io, name("c5")));
	SECTION("deep copy: with the snapshots");
	rbd_image_options_create(&opts);
	R(rbd_deep_copy(src, io, name("deep"), opts));
	facts(name("deep"));
	if (R(rbd_open(io, name("deep"), &at, "snap")) == 0) {
		image_show(at, 0, 10);
		R(rbd_close(at));
	}
	R(rbd_deep_copy(src, io, name("deep"), opts));
	if (R(rbd_open(io, name("deep"), &at, NULL)) == 0) {
		R(rbd_snap_remove(at, "snap"));
		R(rbd_close(at));
	}
	R(rbd_remove(io, name("deep")));
	rbd_image_options_destroy(opts);
	MUST(rbd_snap_remove(src, "snap"));
	R(rbd_close(src));
	R(rbd_remove(io, name("src")));
	rados_ioctx_destroy(io);
	rados_shutdown(cluster);
	return 0;
}
