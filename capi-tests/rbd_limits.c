/* How far images go: many open at once, deep queues, large requests, smallest and largest sizes, longest names; and what
 * becomes of requests under way when the image shrinks or is closed. */
#include "t_rbd.h"

#define IMAGES 64
#define DEPTH 1024
#define LARGE (64 * MIB)

static rados_t cluster;
static rados_ioctx_t io;

static void stamp(char *block, uint64_t number)
{
	for (size_t i = 0; i < 4096; i += 8)
		memcpy(block + i, &number, 8);
}

static bool stamped(const char *block, uint64_t number)
{
	for (size_t i = 0; i < 4096; i += 8)
		if (memcmp(block + i, &number, 8))
			return false;
	return true;
}

static bool all(const char *data, size_t len, char value)
{
	return !len || (data[0] == value && !memcmp(data, data + 1, len - 1));
}

static void many_images(void)
{
	SECTION("64 images, open at the same time");
	rbd_image_t images[IMAGES];
	char base[16], block[4096];
	const char *names[IMAGES];
	int failed = 0;
	for (int i = 0; i < IMAGES; i++) {
		snprintf(base, sizeof base, "many%d", i);
		names[i] = strdup(name(base));
		image_make(io, names[i], 4 * MIB);
		images[i] = image_open(io, names[i]);
	}
	rbd_completion_t c[IMAGES];
	char *data = malloc(IMAGES * 4096);
	for (uint64_t i = 0; i < IMAGES; i++) {
		stamp(data + i * 4096, i + 1);
		MUST(rbd_aio_create_completion(NULL, NULL, &c[i]));
		MUST(rbd_aio_write(images[i], i * 4096, 4096, data + i * 4096, c[i]));
	}
	for (int i = 0; i < IMAGES; i++) {
		rbd_aio_wait_for_complete(c[i]);
		failed += rbd_aio_get_return_value(c[i]) != 0;
		rbd_aio_release(c[i]);
	}
	SAY("writes that failed: %d", failed);
	failed = 0;
	for (int i = 0; i < IMAGES; i++)
		failed += rbd_flush(images[i]) != 0;
	SAY("flushes that failed: %d", failed);
	failed = 0;
	for (uint64_t i = 0; i < IMAGES; i++)
		failed += rbd_read(images[i], i * 4096, 4096, block) != 4096 || !stamped(block, i + 1);
	SAY("reads that were wrong: %d", failed);
	failed = 0;
	for (int i = 0; i < IMAGES; i += 2)
		failed += rbd_close(images[i]) != 0;
	for (int i = 1; i < IMAGES; i += 2)
		failed += rbd_close(images[i]) != 0;
	SAY("closes that failed: %d", failed);
	failed = 0;
	for (uint64_t i = 0; i < IMAGES; i++) {
		rbd_image_t image = image_open(io, names[i]);
		failed += rbd_read(image, i * 4096, 4096, block) != 4096 || !stamped(block, i + 1);
		MUST(rbd_close(image));
		image_drop(io, names[i]);
	}
	SAY("wrong after opening again: %d", failed);
	free(data);
}

static void deep_queue(void)
{
	SECTION("1024 requests under way at once");
	const char *image = name("deep");
	image_make(io, image, 16 * MIB);
	rbd_image_t i = image_open(io, image);
	static rbd_completion_t c[DEPTH];
	char *data = malloc(DEPTH * 4096ull), *back = malloc(DEPTH * 4096ull);
	int failed = 0;
	/* Each block twice: the later write is submitted when the first has completed, and wins. */
	for (int round = 0; round < 2; round++) {
		for (uint64_t n = 0; n < DEPTH; n++) {
			stamp(data + n * 4096, round * 10000 + n);
			MUST(rbd_aio_create_completion(NULL, NULL, &c[n]));
			failed += rbd_aio_write(i, n * 3 * 4096, 4096, data + n * 4096, c[n]) != 0;
		}
		for (int n = 0; n < DEPTH; n++) {
			rbd_aio_wait_for_complete(c[n]);
			failed += rbd_aio_get_return_value(c[n]) != 0;
			rbd_aio_release(c[n]);
		}
	}
	SAY("writes that failed: %d", failed);
	failed = 0;
	for (int n = 0; n < DEPTH; n++) {
		MUST(rbd_aio_create_completion(NULL, NULL, &c[n]));
		failed += rbd_aio_read(i, n * 3 * 4096, 4096, back + n * 4096ull, c[n]) != 0;
	}
	for (uint64_t n = 0; n < DEPTH; n++) {
		rbd_aio_wait_for_complete(c[n]);
		failed += rbd_aio_get_return_value(c[n]) != 4096 || !stamped(back + n * 4096, 10000 + n);
		rbd_aio_release(c[n]);
	}
	SAY("reads that were wrong: %d", failed);
	R(rbd_close(i));
	image_drop(io, image);
	free(data);
	free(back);
}

static void large_requests(void)
{
	SECTION("requests of 64 MiB");
	const char *image = name("large");
	image_make(io, image, 2 * LARGE);
	rbd_image_t i = image_open(io, image);
	char *data = malloc(LARGE), *back = malloc(LARGE);
	for (uint64_t n = 0; n < LARGE / 4096; n++)
		stamp(data + n * 4096, n);
	R(rbd_write(i, 12345, LARGE, data));
	R(rbd_read(i, 12345, LARGE, back));
	SAY("the same: %s", memcmp(data, back, LARGE) ? "no" : "yes");
	R(rbd_read(i, 2 * LARGE - 100, LARGE, back));
	R(rbd_write(i, 2 * LARGE - 100, LARGE, data));
	memset(back, 1, LARGE);
	R(rbd_discard(i, 0, LARGE));
	R(rbd_read(i, 0, LARGE, back));
	SAY("zeroes: %s", all(back, LARGE, 0) ? "yes" : "no");
	R(rbd_writesame(i, 0, LARGE, data + 4096, 4096, 0));
	R(rbd_read(i, 4096, 4096, back));
	SAY("the pattern: %s", stamped(back, 1) ? "yes" : "no");
	R(rbd_write_zeroes(i, 0, LARGE, 0, 0));
	R(rbd_read(i, LARGE / 2, LARGE / 2, back));
	SAY("zeroes: %s", all(back, LARGE / 2, 0) ? "yes" : "no");
	rbd_completion_t c;
	struct iovec iov[16];
	for (int n = 0; n < 16; n++)
		iov[n] = (struct iovec){ data + n * (LARGE / 16), LARGE / 16 };
	MUST(rbd_aio_create_completion(NULL, NULL, &c));
	R(rbd_aio_writev(i, iov, 16, LARGE, c));
	rbd_aio_wait_for_complete(c);
	R(rbd_aio_get_return_value(c));
	rbd_aio_release(c);
	for (int n = 0; n < 16; n++)
		iov[n].iov_base = back + n * (LARGE / 16);
	MUST(rbd_aio_create_completion(NULL, NULL, &c));
	R(rbd_aio_readv(i, iov, 16, LARGE, c));
	rbd_aio_wait_for_complete(c);
	R(rbd_aio_get_return_value(c));
	rbd_aio_release(c);
	SAY("the same: %s", memcmp(data, back, LARGE) ? "no" : "yes");
	R(rbd_close(i));
	image_drop(io, image);
	free(data);
	free(back);
}

static void sizes(void)
{
	SECTION("sizes: none, a byte, a block, 64 TiB, more");
	static const struct { const char *name; uint64_t size; } sizes[] = {
		{ "0", 0 }, { "1", 1 }, { "511", 511 }, { "4096", 4096 }, { "4097", 4097 }, { "64 TiB", 64ull << 40 },
	};
	for (size_t n = 0; n < COUNT(sizes); n++) {
		uint64_t size = sizes[n].size, got = 99;
		const char *image = name("size");
		int order = 22;
		SAY("%s bytes", sizes[n].name);
		/* The object map keeps librbd from looking for each of the 16 million objects when it removes the largest. */
		uint64_t features = RBD_FEATURE_LAYERING | RBD_FEATURE_EXCLUSIVE_LOCK | RBD_FEATURE_OBJECT_MAP;
		if (R(rbd_create2(io, image, size, features, &order)))
			continue;
		rbd_image_t i = image_open(io, image);
		R(rbd_get_size(i, &got));
		SAY("as created: %s", got == size ? "yes" : "no");
		char buf[16] = "";
		uint64_t last = size > 8 ? size - 8 : 0;
		R(rbd_write(i, last, 16, "abcdefghijklmnop"));
		R(rbd_read(i, last, 16, buf));
		SAY("\"%.16s\"", buf);
		R(rbd_write(i, size, 1, "x"));
		R(rbd_flush(i));
		R(rbd_close(i));
		i = image_open(io, image);
		memset(buf, 0, sizeof buf);
		R(rbd_read(i, last, 16, buf));
		SAY("opened again: \"%.16s\"", buf);
		/* librbd goes through all objects that could be there. */
		R(rbd_resize(i, size > MIB ? size - MIB : size / 2));
		R(rbd_resize(i, size + 4096));
		memset(buf, 'x', sizeof buf);
		R(rbd_read(i, last, 8, buf));
		SAY("cut off and grown: %s", all(buf, size > 8 ? 8 : 1, 0) ? "zeroes" : "not zeroes");
		R(rbd_close(i));
		R(rbd_remove(io, image));
	}
}

/* A name of this length, this run's suffix included. */
static const char *long_name(size_t length, char fill)
{
	static char out[8192];
	size_t suffix = strlen(t_suffix);
	memset(out, fill, length);
	memcpy(out + length - suffix, t_suffix, suffix + 1);
	return out;
}

static void names(void)
{
	SECTION("names of images by length");
	static const size_t lengths[] = { 64, 95, 96, 97, 128, 255, 256, 512, 1024, 2000, 2029, 2030, 2031, 2032, 2033, 2034, 2035, 2040, 2041, 2042, 2048, 2049, 4096 };
	for (size_t n = 0; n < COUNT(lengths); n++) {
		const char *image = long_name(lengths[n], 'n');
		int order = 22;
		int r = rbd_create2(io, image, MIB, RBD_FEATURE_LAYERING, &order);
		SAY("create with a name of %zu: %d %s", lengths[n], r, t_errname(r));
		if (r)
			continue;
		rbd_image_t i;
		char buf[8192];
		size_t size = sizeof buf;
		R(rbd_open(io, image, &i, NULL));
		r = rbd_get_name(i, buf, &size);
		SAY("its name: %d, %zu, %s", r, size, strcmp(buf, image) ? "another" : "the same");
		rbd_image_info_t info;
		R(rbd_stat(i, &info, sizeof info));
		R(rbd_close(i));
		R(rbd_remove(io, image));
	}
	SECTION("renaming to long names");
	const char *image = name("short");
	image_make(io, image, MIB);
	static const size_t to[] = { 256, 2040, 2041, 2042, 4096 };
	for (size_t n = 0; n < COUNT(to); n++) {
		const char *longer = strdup(long_name(to[n], 'r'));
		int r = rbd_rename(io, image, longer);
		SAY("to a name of %zu: %d %s", to[n], r, t_errname(r));
		if (!r)
			R(rbd_rename(io, longer, image));
	}
	SECTION("names of snapshots and of metadata by length");
	rbd_image_t i = image_open(io, image);
	static const size_t snaps[] = { 1, 96, 255, 256, 1024, 2048, 4096, 8000 };
	for (size_t n = 0; n < COUNT(snaps); n++) {
		char *snap = malloc(snaps[n] + 1);
		memset(snap, 's', snaps[n]);
		snap[snaps[n]] = 0;
		int r = rbd_snap_create(i, snap);
		SAY("a snapshot's name of %zu: %d %s", snaps[n], r, t_errname(r));
		if (!r) {
			R(rbd_snap_set(i, snap));
			R(rbd_snap_set(i, NULL));
			R(rbd_snap_remove(i, snap));
		}
		r = rbd_metadata_set(i, snap, snap);
		SAY("a key and a value of %zu: %d %s", snaps[n], r, t_errname(r));
		if (!r) {
			char value[9000];
			size_t length = sizeof value;
			r = rbd_metadata_get(i, snap, value, &length);
			SAY("read: %d %s, %zu", r, t_errname(r), length);
			R(rbd_metadata_remove(i, snap));
		}
		free(snap);
	}
	R(rbd_close(i));
	image_drop(io, image);
	SECTION("names of namespaces by length");
	static const size_t spaces[] = { 63, 64, 65, 128, 255, 256, 257, 1000 };
	for (size_t n = 0; n < COUNT(spaces); n++) {
		const char *space = long_name(spaces[n], 'p');
		int r = rbd_namespace_create(io, space);
		SAY("a namespace's name of %zu: %d %s", spaces[n], r, t_errname(r));
		if (r)
			continue;
		bool exists = false;
		R(rbd_namespace_exists(io, space, &exists));
		SAY("it exists: %d", exists);
		rados_ioctx_set_namespace(io, space);
		int order = 22;
		if (!R(rbd_create2(io, "inside", MIB, RBD_FEATURE_LAYERING, &order)))
			R(rbd_remove(io, "inside"));
		rados_ioctx_set_namespace(io, "");
		R(rbd_namespace_remove(io, space));
	}
}

static void shrink_under_way(void)
{
	SECTION("the image shrinks while writes are under way");
	const char *image = name("shrink");
	image_make(io, image, 16 * MIB);
	rbd_image_t i = image_open(io, image);
	enum { N = 256 };
	static rbd_completion_t c[N];
	char *data = malloc(N * 4096), block[4096];
	int failed = 0, wrong = 0;
	uint64_t size;
	for (uint64_t n = 0; n < N; n++) {
		stamp(data + n * 4096, n);
		MUST(rbd_aio_create_completion(NULL, NULL, &c[n]));
		MUST(rbd_aio_write(i, n * 16 * 4096, 4096, data + n * 4096, c[n]));
	}
	R(rbd_resize(i, 8 * MIB));
	for (int n = 0; n < N; n++) {
		rbd_aio_wait_for_complete(c[n]);
		failed += rbd_aio_get_return_value(c[n]) != 0;
		rbd_aio_release(c[n]);
	}
	SAY("writes that failed: %d", failed);
	R(rbd_get_size(i, &size));
	SAY("size %" PRIu64, size);
	for (uint64_t n = 0; n < N / 2; n++)
		wrong += rbd_read(i, n * 16 * 4096, 4096, block) != 4096 || !stamped(block, n);
	SAY("wrong before the end: %d", wrong);
	R(rbd_read(i, 8 * MIB, 4096, block));
	R(rbd_resize(i, 16 * MIB));
	wrong = 0;
	for (uint64_t n = N / 2; n < N; n++)
		wrong += rbd_read(i, n * 16 * 4096, 4096, block) != 4096 || !all(block, 4096, 0);
	SAY("not zeroes after growing again: %d", wrong);
	R(rbd_close(i));
	image_drop(io, image);
	free(data);
}

static _Atomic int called;

static void count(rbd_completion_t c, void *arg)
{
	(void)arg;
	called += rbd_aio_get_return_value(c) == 0;
}

static void close_under_way(void)
{
	SECTION("the image is closed while requests are under way");
	const char *image = name("closed");
	image_make(io, image, 16 * MIB);
	enum { N = 256 };
	static rbd_completion_t c[N];
	char *data = malloc(N * 4096), block[4096];
	for (int round = 0; round < 4; round++) {
		rbd_image_t i = image_open(io, image);
		called = 0;
		for (uint64_t n = 0; n < N; n++) {
			stamp(data + n * 4096, round * 1000 + n);
			MUST(rbd_aio_create_completion(NULL, count, &c[n]));
			MUST(rbd_aio_write(i, n * 16 * 4096, 4096, data + n * 4096, c[n]));
		}
		R(rbd_close(i));
		for (int n = 0; n < N; n++)
			rbd_aio_wait_for_complete(c[n]);
		SAY("called back with success: %d", called);
		for (int n = 0; n < N; n++)
			rbd_aio_release(c[n]);
		i = image_open(io, image);
		int wrong = 0;
		for (uint64_t n = 0; n < N; n++)
			wrong += rbd_read(i, n * 16 * 4096, 4096, block) != 4096 || !stamped(block, round * 1000 + n);
		SAY("wrong after opening again: %d", wrong);
		/* And with an asynchronous close, reads under way. */
		rbd_completion_t closing;
		char *back = malloc(N * 4096);
		called = 0;
		for (uint64_t n = 0; n < N; n++) {
			MUST(rbd_aio_create_completion(NULL, NULL, &c[n]));
			MUST(rbd_aio_read(i, n * 16 * 4096, 4096, back + n * 4096, c[n]));
		}
		MUST(rbd_aio_create_completion(NULL, NULL, &closing));
		R(rbd_aio_close(i, closing));
		rbd_aio_wait_for_complete(closing);
		R(rbd_aio_get_return_value(closing));
		rbd_aio_release(closing);
		wrong = 0;
		for (uint64_t n = 0; n < N; n++) {
			rbd_aio_wait_for_complete(c[n]);
			wrong += rbd_aio_get_return_value(c[n]) != 4096 || !stamped(back + n * 4096, round * 1000 + n);
			rbd_aio_release(c[n]);
		}
		SAY("reads that were wrong: %d", wrong);
		free(back);
	}
	image_drop(io, image);
	free(data);
}

int main(int argc, char **argv)
{
	t_start(argc, argv);
	cluster = t_connect();
	io = t_ioctx(cluster);
	many_images();
	deep_queue();
	large_requests();
	sizes();
	names();
	shrink_under_way();
	close_under_way();
	rados_ioctx_destroy(io);
	rados_shutdown(cluster);
	return 0;
}
