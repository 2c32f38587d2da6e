/* Size: growing, shrinking, what is where afterwards, and permission to shrink. */
#include "t_rbd.h"

static rados_ioctx_t io;
static rbd_image_t image;

static void size_of(rbd_image_t img)
{
	uint64_t size = 0;
	rbd_image_info_t info;
	R(rbd_get_size(img, &size));
	MUST(rbd_stat(img, &info, sizeof info));
	SAY("  size %" PRIu64 ", by stat %" PRIu64 " in %" PRIu64 " objects", size, info.size, info.num_objs);
}

struct steps {
	uint64_t last, total;
	unsigned calls, wrong;
	int answer;
};

static int progress(uint64_t done, uint64_t total, void *arg)
{
	struct steps *s = arg;
	s->calls++;
	s->wrong += done > total || done < s->last;
	s->last = done;
	s->total = total;
	return s->answer;
}

int main(int argc, char **argv)
{
	t_start(argc, argv);
	rados_t cluster = t_connect();
	io = t_ioctx(cluster);
	image_make(io, name("img"), 10 * MIB);
	image = image_open(io, name("img"));

	SECTION("grow");
	MUST(rbd_write(image, 10 * MIB - 4, 4, "tail"));
	R(rbd_resize(image, 10 * MIB));
	R(rbd_resize(image, 12 * MIB + 1));
	size_of(image);
	image_show(image, 10 * MIB - 4, 12);
	R(rbd_write(image, 12 * MIB, 2, "zz"));
	image_show(image, 12 * MIB - 1, 5);
	R(rbd_resize(image, 20 * MIB));
	image_show(image, 12 * MIB - 1, 5);

	SECTION("shrink: what is cut off never comes back");
	char *data = malloc(4 * MIB);
	memset(data, 'd', 4 * MIB);
	MUST(rbd_write(image, 4 * MIB, 4 * MIB, data));
	R(rbd_resize(image, 5 * MIB + 123));
	size_of(image);
	image_show(image, 5 * MIB + 120, 10);
	R(rbd_write(image, 5 * MIB + 122, 5, "abcde"));
	R(rbd_write(image, 6 * MIB, 1, "x"));
	R(rbd_resize(image, 20 * MIB));
	image_show(image, 5 * MIB + 120, 10);
	image_show(image, 7 * MIB, 10);
	image_show(image, 10 * MIB - 4, 4);
	image_show(image, 12 * MIB, 2);

	SECTION("shrink, write a part, grow");
	memset(data, 'e', 4 * MIB);
	MUST(rbd_write(image, 8 * MIB, 4 * MIB, data));
	R(rbd_resize(image, 8 * MIB + 4096));
	R(rbd_flush(image));
	R(rbd_resize(image, 16 * MIB));
	MUST(rbd_write(image, 9 * MIB, 3, "new"));
	image_show(image, 8 * MIB + 4090, 12);
	image_show(image, 9 * MIB - 2, 8);
	image_show(image, 11 * MIB, 8);

	SECTION("to nothing and back");
	R(rbd_resize(image, 0));
	size_of(image);
	R(rbd_read(image, 0, 10, data));
	R(rbd_write(image, 0, 1, "x"));
	R(rbd_resize(image, 8 * MIB));
	image_show(image, 0, 8);
	image_show(image, 5 * MIB, 8);

	SECTION("permission and progress");
	struct steps s = { 0, 0, 0, 0, 0 };
	R(rbd_resize2(image, 4 * MIB, false, progress, &s));
	size_of(image);
	R(rbd_resize2(image, 8 * MIB, false, progress, &s));
	R(rbd_resize2(image, 9 * MIB, false, progress, &s));
	size_of(image);
	R(rbd_resize2(image, 4 * MIB, true, progress, &s));
	size_of(image);
	SAY("progress out of order: %u", s.wrong);
	struct steps t = { 0, 0, 0, 0, 0 };
	R(rbd_resize_with_progress(image, 40 * MIB, progress, &t));
	SAY("progress out of order: %u", t.wrong);

	SECTION("after opening again");
	MUST(rbd_write(image, 30 * MIB, 4, "kept"));
	R(rbd_resize(image, 32 * MIB));
	R(rbd_close(image));
	image = image_open(io, name("img"));
	size_of(image);
	image_show(image, 30 * MIB, 6);

	free(data);
	R(rbd_close(image));
	R(rbd_remove(io, name("img")));
	rados_ioctx_destroy(io);
	rados_shutdown(cluster);
	return 0;
}
