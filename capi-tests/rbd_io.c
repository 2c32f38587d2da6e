/* Image data: read, write, discard, write_zeroes, writesame, compare_and_write, iovec and aio forms; ends and edges. */
#include "t_rbd.h"

static rados_ioctx_t io;
static rbd_image_t image;
static const uint64_t size = 8 * MIB + 1000;

static void compare(const char *what, uint64_t off, const char *want, size_t len)
{
	char *got = malloc(len);
	ssize_t n = rbd_read(image, off, len, got);
	size_t i = 0;
	while (n > 0 && i < (size_t)n && got[i] == want[i])
		i++;
	SAY("%s: read %zd, %s", what, n, n == (ssize_t)len && i == len ? "equal" : "different");
	if (n == (ssize_t)len && i < len)
		SAY("  first difference at %zu: %02x, not %02x", i, (unsigned char)got[i], (unsigned char)want[i]);
	free(got);
}

static void plain(void)
{
	char buf[64];
	SECTION("read and write");
	image_show(image, 0, 10);
	R(rbd_write(image, 0, 5, "hello"));
	image_show(image, 0, 10);
	R(rbd_write(image, 3, 3, "XYZ"));
	image_show(image, 0, 10);
	R(rbd_write(image, 4 * MIB - 2, 4, "abcd"));
	image_show(image, 4 * MIB - 4, 8);
	R(rbd_write2(image, 100, 3, "two", LIBRADOS_OP_FLAG_FADVISE_DONTNEED));
	R(rbd_read2(image, 100, 3, buf, LIBRADOS_OP_FLAG_FADVISE_RANDOM));
	show("  buf", buf, 3);
	R(rbd_write2(image, 100, 3, "all", LIBRADOS_OP_FLAG_FADVISE_FUA));
	image_show(image, 100, 3);
	SECTION("nothing");
	R(rbd_write(image, 0, 0, ""));
	R(rbd_read(image, 0, 0, buf));
	R(rbd_write(image, size, 0, ""));
	R(rbd_read(image, size, 0, buf));
	R(rbd_write(image, size + 1, 0, ""));
	R(rbd_read(image, size + 1, 0, buf));
	R(rbd_discard(image, 0, 0));
	R(rbd_discard(image, size + 1, 0));
	SECTION("the end");
	R(rbd_write(image, size - 3, 3, "end"));
	image_show(image, size - 5, 5);
	image_show(image, size - 5, 10);
	image_show(image, size - 1, 4096);
	R(rbd_read(image, size, 10, buf));
	R(rbd_read(image, size + 1, 10, buf));
	R(rbd_read(image, size + MIB, 10, buf));
	R(rbd_read(image, 1ULL << 62, 10, buf));
	R(rbd_write(image, size - 3, 4, "over"));
	image_show(image, size - 3, 3);
	R(rbd_write(image, size, 1, "x"));
	R(rbd_write(image, size + 1, 1, "x"));
	R(rbd_write(image, size + MIB, 1, "x"));
	R(rbd_write(image, 1ULL << 62, 1, "x"));
	image_show(image, size - 3, 3);
	R(rbd_discard(image, size - 3, 100));
	image_show(image, size - 3, 3);
	R(rbd_discard(image, size, 100));
	R(rbd_discard(image, size + 1, 100));
	R(rbd_discard(image, size + MIB, 100));
	R(rbd_discard(image, 1ULL << 62, 100));
	R(rbd_write(image, size - 3, 3, "end"));
	R(rbd_write_zeroes(image, size - 3, 100, 0, 0));
	image_show(image, size - 3, 3);
	R(rbd_write_zeroes(image, size, 100, 0, 0));
	R(rbd_write_zeroes(image, size + 1, 100, 0, 0));
	SECTION("lengths above INT_MAX");
	R(rbd_discard(image, 0, 1ULL << 31));
	R(rbd_discard(image, 0, (1ULL << 31) - 1));
	R(rbd_write_zeroes(image, 0, 1ULL << 31, 0, 0));
	R(rbd_writesame(image, 0, 1ULL << 31, "x", 1, 0));
}

static void clearing(void)
{
	const size_t len = 6 * MIB;
	char *model = malloc(len);
	SECTION("discard reads as zero, to the byte");
	static const struct { uint64_t off, len; } cut[] = {
		{ 0, 4096 }, { 10000, 100 }, { 65536, 65536 }, { 65536 * 3 + 17, 65536 * 2 + 5 }, { 4 * MIB - 1000, 2000 }, { 4 * MIB, 2 * MIB }, { 512, 1 },
	};
	for (int form = 0; form < 3; form++) {
		SAY("%s", form == 0 ? "discard" : form == 1 ? "write_zeroes" : "write_zeroes, thick");
		for (size_t i = 0; i < len; i++)
			model[i] = (char)(1 + i * 31 % 251);
		R(rbd_write(image, 0, len, model));
		for (size_t i = 0; i < COUNT(cut); i++) {
			if (form == 0)
				R(rbd_discard(image, cut[i].off, cut[i].len));
			else if (form == 1)
				R(rbd_write_zeroes(image, cut[i].off, cut[i].len, 0, 0));
			else
				R(rbd_write_zeroes(image, cut[i].off, cut[i].len, RBD_WRITE_ZEROES_FLAG_THICK_PROVISION, 0));
			memset(model + cut[i].off, 0, cut[i].len);
		}
		/* A discard may leave the ends of its range alone (rbd_skip_partial_discard and its granularity): what it must
		 * not do is touch a byte outside of it. */
		if (form) {
			compare("all", 0, model, len);
		} else {
			char *got = malloc(len);
			SAY("read %zd", rbd_read(image, 0, len, got));
			size_t wrong = 0, stale[COUNT(cut)] = { 0 };
			for (size_t i = 0; i < len; i++) {
				if (got[i] == model[i])
					continue;
				size_t j = 0;
				while (j < COUNT(cut) && (i < cut[j].off || i >= cut[j].off + cut[j].len))
					j++;
				if (j < COUNT(cut) && got[i] == (char)(1 + i * 31 % 251))
					stale[j]++;
				else
					wrong++;
			}
			SAY("bytes outside that changed: %zu", wrong);
			for (size_t j = 0; j < COUNT(cut); j++)
				SAY("  discard %" PRIu64 "+%" PRIu64 " left %zu bytes", cut[j].off, cut[j].len, stale[j]);
			free(got);
		}
	}
	R(rbd_write_zeroes(image, 0, 100, 1 << 5, 0));
	R(rbd_write_zeroes(image, 0, 0, 0, 0));
	free(model);
}

static void same(void)
{
	char pattern[1024], *model = malloc(MIB);
	SECTION("writesame");
	for (size_t i = 0; i < sizeof pattern; i++)
		pattern[i] = (char)(i * 7 + 1);
	R(rbd_writesame(image, 0, 512 * 20, pattern, 512, 0));
	for (size_t i = 0; i < 512 * 20; i++)
		model[i] = pattern[i % 512];
	compare("512 bytes twenty times", 0, model, 512 * 20);
	R(rbd_writesame(image, 4 * MIB - 100, 1000, "0123456789", 10, 0));
	image_show(image, 4 * MIB - 105, 20);
	image_show(image, 4 * MIB - 5, 10);
	image_show(image, 4 * MIB + 890, 20);
	R(rbd_writesame(image, 0, 1001, "0123456789", 10, 0));
	R(rbd_writesame(image, 0, 0, "0123456789", 10, 0));
	R(rbd_writesame(image, 0, 10, "0123456789", 0, 0));
	R(rbd_writesame(image, 0, 5, "0123456789", 10, 0));
	R(rbd_writesame(image, size - 10, 20, "0123456789", 10, 0));
	image_show(image, size - 12, 12);
	R(rbd_writesame(image, size + 10, 20, "0123456789", 10, 0));
	memset(pattern, 0, sizeof pattern);
	R(rbd_writesame(image, 0, 10240, pattern, 1024, 0));
	image_show(image, 0, 10300);
	SECTION("compare_and_write");
	uint64_t mismatch = 99;
	memset(pattern, 'a', sizeof pattern);
	MUST(rbd_write(image, 0, 1024, pattern));
	char new[1024], wrong[1024];
	memset(new, 'n', sizeof new);
	memcpy(wrong, pattern, sizeof wrong);
	wrong[100] = 'x';
	R(rbd_compare_and_write(image, 512, 512, wrong, new, &mismatch, 0));
	SAY("mismatch at %" PRIu64, mismatch);
	image_show(image, 0, 1100);
	R(rbd_compare_and_write(image, 512, 512, pattern, new, &mismatch, 0));
	image_show(image, 0, 1100);
	/* A length of 0 and a range that begins at or beyond the end crash librbd. */
	static const struct { uint64_t off; size_t len; } at[] = {
		{ 0, 1024 }, { 0, 513 }, { 5, 10 }, { 5, 512 }, { 256, 512 }, { 0, 512 }, { 4 * MIB - 512, 1024 }, { 4 * MIB - 512, 512 }, { 4 * MIB - 5, 10 },
	};
	memset(pattern, 0, sizeof pattern);
	for (size_t k = 0; k < COUNT(at); k++) {
		MUST(rbd_write(image, at[k].off / 512 * 512, 1024, pattern));
		mismatch = 99;
		SAY("offset %" PRIu64 " length %zu", at[k].off, at[k].len);
		R(rbd_compare_and_write(image, at[k].off, at[k].len, pattern, new, &mismatch, 0));
		SAY("  mismatch %" PRIu64, mismatch);
		image_show(image, at[k].off / 512 * 512, 1100);
	}
	memset(pattern, 'a', sizeof pattern);
	R(rbd_compare_and_write(image, size - 100, 512, pattern, new, &mismatch, 0));
	MUST(rbd_discard(image, 4 * MIB, 4 * MIB));
	memset(wrong, 0, sizeof wrong);
	mismatch = 99;
	R(rbd_compare_and_write(image, 5 * MIB, 512, pattern, new, &mismatch, 0));
	SAY("mismatch at %" PRIu64 " where nothing was written", mismatch);
	R(rbd_compare_and_write(image, 5 * MIB, 512, wrong, new, &mismatch, 0));
	image_show(image, 5 * MIB, 520);
	free(model);
}

struct seen {
	struct event done;
	int callbacks;
	long long arg;
};

static void on_done(rbd_completion_t c, void *arg)
{
	struct seen *s = arg;
	s->callbacks++;
	s->arg = rbd_aio_get_arg(c) == arg;
	event_set(&s->done);
}

static void aio(void)
{
	char buf[64] = "", buf2[64] = "";
	SECTION("aio");
	struct seen s = { EVENT_INIT, 0, 0 };
	rbd_completion_t c;
	R(rbd_aio_create_completion(&s, on_done, &c));
	R(rbd_aio_write(image, 10, 5, "async", c));
	R(rbd_aio_wait_for_complete(c));
	R(rbd_aio_is_complete(c));
	R(rbd_aio_get_return_value(c));
	SAY("callback: %d, its arg is right: %lld", event_wait(&s.done, 1, 10000), s.arg);
	rbd_aio_release(c);
#define AIO(call) do { \
		struct seen s_ = { EVENT_INIT, 0, 0 }; \
		MUST(rbd_aio_create_completion(&s_, on_done, &c)); \
		if (R(call) == 0) { \
			MUST(rbd_aio_wait_for_complete(c)); \
			event_wait(&s_.done, 1, 10000); \
			t_result("  completed", rbd_aio_get_return_value(c)); \
			SAY("  callbacks %d", s_.callbacks); \
		} \
		rbd_aio_release(c); \
	} while (0)
	AIO(rbd_aio_read(image, 8, 10, buf, c));
	show("  buf", buf, 10);
	AIO(rbd_aio_read2(image, 8, 10, buf, c, LIBRADOS_OP_FLAG_FADVISE_NOCACHE));
	AIO(rbd_aio_write2(image, 0, 4, "two!", c, 0));
	AIO(rbd_aio_read(image, size - 2, 10, buf, c));
	AIO(rbd_aio_read(image, size, 10, buf, c));
	AIO(rbd_aio_read(image, size + 10, 10, buf, c));
	AIO(rbd_aio_read(image, 0, 0, buf, c));
	AIO(rbd_aio_write(image, size - 2, 4, "over", c));
	AIO(rbd_aio_write(image, size, 4, "over", c));
	AIO(rbd_aio_write(image, size + 10, 4, "over", c));
	AIO(rbd_aio_write(image, 0, 0, "", c));
	AIO(rbd_aio_flush(image, c));
	AIO(rbd_aio_discard(image, 0, 4096, c));
	AIO(rbd_aio_discard(image, size - 10, 4096, c));
	AIO(rbd_aio_discard(image, size + 10, 4096, c));
	AIO(rbd_aio_write_zeroes(image, 0, 4096, c, 0, 0));
	AIO(rbd_aio_write_zeroes(image, 0, 4096, c, 1 << 7, 0));
	AIO(rbd_aio_writesame(image, 0, 20, "0123456789", 10, c, 0));
	AIO(rbd_aio_writesame(image, 0, 21, "0123456789", 10, c, 0));
	uint64_t mismatch = 99;
	AIO(rbd_aio_compare_and_write(image, 0, 10, "0123456789", "abcdefghij", c, &mismatch, 0));
	AIO(rbd_aio_compare_and_write(image, 0, 10, "abcdXfghij", "ABCDEFGHIJ", c, &mismatch, 0));
	SAY("mismatch at %" PRIu64, mismatch);
	image_show(image, 0, 22);
	SECTION("iovec");
	struct iovec w[3] = { { "one", 3 }, { "", 0 }, { "three", 5 } };
	struct iovec r[2] = { { buf, 4 }, { buf2, 10 } };
	struct iovec none[1] = { { buf, 0 } };
	memset(buf, '?', sizeof buf);
	memset(buf2, '?', sizeof buf2);
	AIO(rbd_aio_writev(image, w, 3, 1000, c));
	AIO(rbd_aio_readv(image, r, 2, 1000, c));
	show("  first", buf, 5);
	show("  second", buf2, 11);
	AIO(rbd_aio_readv(image, r, 2, size - 6, c));
	AIO(rbd_aio_readv(image, r, 2, size, c));
	AIO(rbd_aio_writev(image, w, 3, size - 3, c));
	AIO(rbd_aio_writev(image, none, 1, 0, c));
	AIO(rbd_aio_readv(image, none, 1, 0, c));
	AIO(rbd_aio_readv(image, r, 0, 0, c));
	AIO(rbd_aio_writev(image, w, 0, 0, c));
	AIO(rbd_aio_writev(image, w, -1, 0, c));
	AIO(rbd_aio_readv(image, r, -1, 0, c));
	SECTION("a completion without a callback");
	MUST(rbd_aio_create_completion(NULL, NULL, &c));
	R(rbd_aio_get_arg(c) == NULL);
	R(rbd_aio_flush(image, c));
	R(rbd_aio_wait_for_complete(c));
	R(rbd_aio_get_return_value(c));
	rbd_aio_release(c);
}

static int count_chunks(uint64_t off, size_t len, const char *data, void *arg)
{
	uint64_t *t = arg;
	t[0]++;
	t[1] += len;
	if (!data)
		t[2] += len;
	if (off != t[3])
		SAY("  gap: %" PRIu64 ", not %" PRIu64, off, t[3]);
	t[3] = off + len;
	return t[4] && t[0] == t[4] ? -ECHILD : 0;
}

static void iterating(void)
{
	SECTION("read_iterate");
	MUST(rbd_discard(image, 0, size));
	MUST(rbd_write(image, 5 * MIB, 4096, (const char[4096]){ "data" }));
	uint64_t t[5] = { 0, 0, 0, 0, 0 };
	R(rbd_read_iterate(image, 0, size, count_chunks, t));
	SAY("bytes %" PRIu64 ", chunks more than one: %d, absent at least 4 MiB: %d", t[1], t[0] > 1, t[2] >= 4 * MIB);
	uint64_t u[5] = { 0, 0, 0, 0, 0 };
	R(rbd_read_iterate2(image, 0, size, count_chunks, u));
	SAY("bytes %" PRIu64, u[1]);
	uint64_t v[5] = { 0, 0, 0, 0, 1 };
	R(rbd_read_iterate2(image, 0, size, count_chunks, v));
	uint64_t x[5] = { 0, 0, 0, 0, 0 };
	R(rbd_read_iterate2(image, size - 5, 100, count_chunks, x));
	SAY("bytes %" PRIu64, x[1]);
	R(rbd_read_iterate2(image, size + 5, 100, count_chunks, x));
}

static void flushing(void)
{
	SECTION("flush, invalidate, and open again");
	R(rbd_write(image, 12345, 7, "durable"));
	R(rbd_flush(image));
	R(rbd_invalidate_cache(image));
	image_show(image, 12344, 9);
	R(rbd_write(image, 22345, 7, "closing"));
	R(rbd_close(image));
	image = image_open(io, name("img"));
	image_show(image, 12344, 9);
	image_show(image, 22344, 9);
}

static void shuffled(void)
{
	const size_t len = (size_t)size;
	char *model = calloc(1, len), *data = malloc(len);
	uint32_t x = 12345;
	SECTION("five hundred calls of every kind against an array");
	MUST(rbd_write_zeroes(image, 0, len, 0, 0));
	int bad = 0;
	for (int i = 0; i < 500; i++) {
		x = x * 1664525 + 1013904223;
		uint64_t off = (x >> 3) % len;
		x = x * 1664525 + 1013904223;
		size_t n = (x >> 5) % (x & 16 ? 300000 : 5000) + 1;
		if (off + n > len)
			n = len - off;
		switch ((x >> 20) % 6) {
		case 0:
		case 1:
			for (size_t j = 0; j < n; j++)
				data[j] = (char)(x + j * 13);
			bad += rbd_write(image, off, n, data) != (ssize_t)n;
			memcpy(model + off, data, n);
			break;
		case 2:
			bad += rbd_write_zeroes(image, off, n, 0, 0) != (ssize_t)n;
			memset(model + off, 0, n);
			break;
		case 3:
			n -= n % 10;
			if (n) {
				bad += rbd_writesame(image, off, n, "0123456789", 10, 0) != (ssize_t)n;
				for (size_t j = 0; j < n; j++)
					model[off + j] = "0123456789"[j % 10];
			}
			break;
		case 4:
			bad += rbd_read(image, off, n, data) != (ssize_t)n || memcmp(data, model + off, n);
			break;
		default:
			if (i % 7 == 0)
				bad += rbd_flush(image) != 0;
			if (i % 11 == 0)
				bad += rbd_invalidate_cache(image) != 0;
		}
	}
	SAY("calls that were wrong: %d", bad);
	compare("all", 0, model, len);
	free(model);
	free(data);
}

int main(int argc, char **argv)
{
	t_start(argc, argv);
	rados_t cluster = t_connect();
	io = t_ioctx(cluster);
	image_make(io, name("img"), size);
	image = image_open(io, name("img"));
	plain();
	clearing();
	same();
	aio();
	iterating();
	flushing();
	shuffled();
	MUST(rbd_close(image));
	image_drop(io, name("img"));
	rados_ioctx_destroy(io);
	rados_shutdown(cluster);
	return 0;
}
