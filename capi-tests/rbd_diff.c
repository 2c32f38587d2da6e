/* rbd_diff_iterate2. Ceph answers in pieces of its own choosing: neighbouring pieces of one kind are merged, and ranges
 * are printed as they are and widened to whole objects of 4 MiB. */
#include "t_rbd.h"

static rados_ioctx_t io;
static rbd_image_t image;

struct piece {
	uint64_t off, end;
	int exists;
};
struct pieces {
	struct piece at[2000];
	size_t n;
	unsigned disorder;
};

static int collect(uint64_t off, size_t len, int exists, void *arg)
{
	struct pieces *p = arg;
	if (p->n && off < p->at[p->n - 1].end)
		p->disorder++;
	if (p->n && p->at[p->n - 1].end == off && p->at[p->n - 1].exists == exists)
		p->at[p->n - 1].end = off + len;
	else if (p->n < COUNT(p->at))
		p->at[p->n++] = (struct piece){ off, off + len, exists };
	return 0;
}

static void print(const struct pieces *p, bool exact, uint64_t limit)
{
	struct pieces *w = calloc(1, sizeof *w);
	for (size_t i = 0; i < p->n; i++) {
		struct piece x = p->at[i];
		if (!exact) {
			x.off -= x.off % (4 * MIB);
			x.end = (x.end + 4 * MIB - 1) / (4 * MIB) * (4 * MIB);
			if (x.end > limit)
				x.end = limit;
			if (w->n && w->at[w->n - 1].exists == x.exists && w->at[w->n - 1].end >= x.off) {
				w->at[w->n - 1].end = x.end;
				continue;
			}
		}
		w->at[w->n++] = x;
	}
	for (size_t i = 0; i < w->n; i++)
		SAY("    %s %" PRIu64 "..%" PRIu64, w->at[i].exists ? "data" : "zero", w->at[i].off, w->at[i].end);
	free(w);
}

static void diff(rbd_image_t img, const char *from, uint64_t off, uint64_t len)
{
	struct pieces *p = calloc(1, sizeof *p);
	uint64_t size = 0;
	rbd_get_size(img, &size);
	for (uint8_t whole = 0; whole < 2; whole++) {
		memset(p, 0, sizeof *p);
		SAY("from %s, %" PRIu64 "+%" PRIu64 ", whole objects %d", from ? from : "the beginning", off, len, whole);
		R(rbd_diff_iterate2(img, from, off, len, 1, whole, collect, p));
		if (p->disorder)
			SAY("  out of order: %u", p->disorder);
		if (!whole) {
			SAY("  exact");
			print(p, true, size);
		}
		SAY("  by object");
		print(p, false, size);
	}
	free(p);
}

static int stop(uint64_t off, size_t len, int exists, void *arg)
{
	(void)off, (void)len, (void)exists;
	(*(int *)arg)++;
	return -ECHILD;
}

int main(int argc, char **argv)
{
	const uint64_t size = 40 * MIB;
	char *data = malloc(8 * MIB);
	t_start(argc, argv);
	rados_t cluster = t_connect();
	io = t_ioctx(cluster);
	image_make(io, name("img"), size);
	image = image_open(io, name("img"));
	memset(data, 'd', 8 * MIB);
	SECTION("an empty image");
	diff(image, NULL, 0, size);
	SECTION("some data");
	MUST(rbd_write(image, 0, 4096, data));
	MUST(rbd_write(image, 5 * MIB, 65536, data));
	MUST(rbd_write(image, 12 * MIB - 4096, 8192, data));
	MUST(rbd_write(image, 20 * MIB, 4 * MIB, data));
	R(rbd_flush(image));
	diff(image, NULL, 0, size);
	SECTION("a part of the image");
	diff(image, NULL, 5 * MIB, 8 * MIB);
	diff(image, NULL, 21 * MIB, MIB);
	diff(image, NULL, 30 * MIB, 4 * MIB);
	SECTION("since a snapshot");
	R(rbd_snap_create(image, "one"));
	diff(image, "one", 0, size);
	MUST(rbd_write(image, 5 * MIB + 4096, 4096, data));
	MUST(rbd_write(image, 36 * MIB, 4096, data));
	R(rbd_flush(image));
	diff(image, "one", 0, size);
	diff(image, NULL, 0, size);
	SECTION("discards");
	R(rbd_discard(image, 20 * MIB, 4 * MIB));
	R(rbd_discard(image, 36 * MIB, 4 * MIB));
	R(rbd_flush(image));
	diff(image, "one", 0, size);
	diff(image, NULL, 0, size);
	SECTION("between two snapshots");
	R(rbd_snap_create(image, "two"));
	MUST(rbd_write(image, 16 * MIB, 4096, data));
	R(rbd_flush(image));
	rbd_image_t at;
	MUST(rbd_open_read_only(io, name("img"), &at, "two"));
	diff(at, "one", 0, size);
	diff(at, NULL, 0, size);
	struct pieces *p = calloc(1, sizeof *p);
	R(rbd_diff_iterate2(at, "two", 0, size, 1, 0, collect, p));
	SAY("pieces %zu", p->n);
	R(rbd_close(at));
	MUST(rbd_open_read_only(io, name("img"), &at, "one"));
	R(rbd_diff_iterate2(at, "two", 0, size, 1, 0, collect, p));
	R(rbd_close(at));
	diff(image, "two", 0, size);
	SECTION("the older form, a callback that stops, mistakes");
	p->n = 0;
	R(rbd_diff_iterate(image, "two", 0, size, collect, p));
	SAY("pieces %zu", p->n);
	int calls = 0;
	R(rbd_diff_iterate2(image, NULL, 0, size, 1, 0, stop, &calls));
	SAY("called: %d", calls > 0);
	R(rbd_diff_iterate2(image, "none", 0, size, 1, 0, collect, p));
	p->n = 0;
	R(rbd_diff_iterate2(image, NULL, 0, 0, 1, 0, collect, p));
	SAY("pieces %zu", p->n);
	R(rbd_diff_iterate2(image, NULL, size + 10, 10, 1, 0, collect, p));
	R(rbd_diff_iterate2(image, NULL, size, 10, 1, 0, collect, p));
	p->n = 0;
	R(rbd_diff_iterate2(image, NULL, 20 * MIB, 10 * size, 1, 1, collect, p));
	for (size_t i = 0; i < p->n; i++)
		SAY("  %s ends beyond the image: %d", p->at[i].exists ? "data" : "zero", p->at[i].end > size);
	SECTION("after a resize");
	R(rbd_resize(image, 6 * MIB));
	diff(image, "one", 0, 6 * MIB);
	R(rbd_resize(image, 44 * MIB));
	diff(image, "one", 0, 44 * MIB);
	free(p);
	free(data);
	MUST(rbd_snap_remove(image, "one"));
	MUST(rbd_snap_remove(image, "two"));
	R(rbd_close(image));
	R(rbd_remove(io, name("img")));
	rados_ioctx_destroy(io);
	rados_shutdown(cluster);
	return 0;
}
