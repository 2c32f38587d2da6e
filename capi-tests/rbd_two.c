/* Two openers of one image, in two clients: a reader beside a writer, and a lock that moves. */
#include "t_rbd.h"

static rados_t c1, c2;
static rados_ioctx_t io1, io2;

/* A change reaches the other opener by a notification: until it is there, or too late. */
static int patience = 30000;

static bool until_size(rbd_image_t img, uint64_t want)
{
	uint64_t size = 0, end = now_ms() + (uint64_t)patience;
	while (rbd_get_size(img, &size) == 0 && size != want && now_ms() < end)
		poll(NULL, 0, 20);
	return size == want;
}

static int snaps(rbd_image_t img)
{
	rbd_snap_info_t list[20];
	int max = 20, n = rbd_snap_list(img, list, &max);
	if (n >= 0)
		rbd_snap_list_end(list);
	return n;
}

static bool until_snaps(rbd_image_t img, int want)
{
	uint64_t end = now_ms() + (uint64_t)patience;
	while (snaps(img) != want && now_ms() < end)
		poll(NULL, 0, 20);
	return snaps(img) == want;
}

static void beside(bool read_only)
{
	rbd_image_t w = image_open(io1, name("img")), r;
	/* One that is opened read-only has no watch in Ceph, and is not told of changes of the header at all. */
	patience = read_only ? 500 : 30000;
	SECTION(read_only ? "a reader opened read-only" : "a reader opened like a writer");
	MUST(read_only ? rbd_open_read_only(io2, name("img"), &r, NULL) : rbd_open(io2, name("img"), &r, NULL));
	R(rbd_write(w, 0, 5, "hello"));
	R(rbd_flush(w));
	R(rbd_invalidate_cache(r));
	image_show(r, 0, 6);
	R(rbd_write(w, 0, 5, "world"));
	R(rbd_write(w, 5 * MIB, 3, "far"));
	R(rbd_flush(w));
	R(rbd_invalidate_cache(r));
	image_show(r, 0, 6);
	image_show(r, 5 * MIB, 4);
	R(rbd_discard(w, 4 * MIB, 4 * MIB));
	R(rbd_flush(w));
	R(rbd_invalidate_cache(r));
	image_show(r, 5 * MIB, 4);
	R(rbd_resize(w, 20 * MIB));
	SAY("the reader sees the size: %d", until_size(r, 20 * MIB));
	R(rbd_write(w, 19 * MIB, 3, "end"));
	R(rbd_flush(w));
	image_show(r, 19 * MIB, 4);
	R(rbd_resize(w, 10 * MIB));
	SAY("the reader sees the size: %d", until_size(r, 10 * MIB));
	R(rbd_read(r, 19 * MIB, 3, (char[3]){ 0 }));
	R(rbd_snap_create(w, "s1"));
	SAY("the reader sees the snapshot: %d", until_snaps(r, 1));
	R(rbd_write(w, 0, 5, "later"));
	R(rbd_flush(w));
	R(rbd_snap_set(r, "s1"));
	image_show(r, 0, 6);
	R(rbd_snap_set(r, NULL));
	R(rbd_invalidate_cache(r));
	image_show(r, 0, 6);
	R(rbd_snap_rollback(w, "s1"));
	R(rbd_invalidate_cache(r));
	image_show(r, 0, 6);
	R(rbd_snap_remove(w, "s1"));
	SAY("the reader sees it gone: %d", until_snaps(r, 0));
	R(rbd_close(r));
	R(rbd_close(w));
}

static void turns(void)
{
	rbd_image_t a = image_open(io1, name("img")), b = image_open(io2, name("img"));
	char buf[4096];
	int bad = 0;
	SECTION("taking turns: each sees all that the other wrote");
	for (int i = 0; i < 10; i++) {
		rbd_image_t w = i % 2 ? a : b, r = i % 2 ? b : a;
		memset(buf, 'a' + i, sizeof buf);
		bad += rbd_write(w, (uint64_t)i * 4096, sizeof buf, buf) != sizeof buf;
		bad += rbd_flush(w) != 0;
		bad += rbd_invalidate_cache(r) != 0;
		for (int j = 0; j <= i; j++)
			bad += rbd_read(r, (uint64_t)j * 4096, sizeof buf, buf) != sizeof buf || buf[0] != 'a' + j || memcmp(buf, buf + 1, sizeof buf - 1);
	}
	SAY("wrong: %d", bad);
	SECTION("taking turns without a flush: moving the lock flushes");
	bad = 0;
	for (int i = 0; i < 10; i++) {
		rbd_image_t w = i % 2 ? a : b;
		memset(buf, 'A' + i, sizeof buf);
		bad += rbd_write(w, (uint64_t)i * 4096, sizeof buf, buf) != sizeof buf;
	}
	R(rbd_close(a));
	R(rbd_close(b));
	a = image_open(io1, name("img"));
	for (int j = 0; j < 10; j++)
		bad += rbd_read(a, (uint64_t)j * 4096, sizeof buf, buf) != sizeof buf || buf[0] != 'A' + j || memcmp(buf, buf + 1, sizeof buf - 1);
	SAY("wrong: %d", bad);
	R(rbd_close(a));
}

struct job {
	rbd_image_t image;
	char mark;
	int bad;
};

static void *hammer(void *arg)
{
	struct job *j = arg;
	char buf[512];
	for (int i = 0; i < 60; i++) {
		memset(buf, j->mark, sizeof buf);
		uint64_t off = (uint64_t)(2 * i + (j->mark == 'p')) * 512;
		j->bad += rbd_write(j->image, off, sizeof buf, buf) != sizeof buf;
	}
	return NULL;
}

static void together(void)
{
	struct job p = { image_open(io1, name("img")), 'p', 0 }, q = { image_open(io2, name("img")), 'q', 0 };
	pthread_t t, u;
	char *got = malloc(61440);
	int wrong = 0;
	SECTION("both write at once, to blocks that lie between each other's");
	MUST(pthread_create(&t, NULL, hammer, &p));
	MUST(pthread_create(&u, NULL, hammer, &q));
	pthread_join(t, NULL);
	pthread_join(u, NULL);
	SAY("failed: %d %d", p.bad, q.bad);
	R(rbd_close(p.image));
	R(rbd_close(q.image));
	rbd_image_t r = image_open(io1, name("img"));
	R(rbd_read(r, 0, 61440, got));
	for (size_t i = 0; i < 61440; i++)
		wrong += got[i] != ((i / 512) % 2 ? 'p' : 'q');
	SAY("wrong bytes: %d", wrong);
	R(rbd_close(r));
	free(got);
}

int main(int argc, char **argv)
{
	t_start(argc, argv);
	c1 = t_connect();
	c2 = t_connect();
	io1 = t_ioctx(c1);
	io2 = t_ioctx(c2);
	image_make(io1, name("img"), 10 * MIB);
	beside(true);
	beside(false);
	turns();
	together();
	R(rbd_remove(io1, name("img")));
	rados_ioctx_destroy(io1);
	rados_ioctx_destroy(io2);
	rados_shutdown(c1);
	rados_shutdown(c2);
	return 0;
}
