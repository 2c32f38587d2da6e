/* Object data: write, read, append, write_full, trunc, zero, writesame, cmpext, stat, remove; holes, lengths, limits. */
#include "t.h"

static rados_ioctx_t io;
static char buf[1 << 16];

static void content(const char *obj)
{
	memset(buf, '?', sizeof buf);
	long long n = R(rados_read(io, obj, buf, sizeof buf, 0));
	if (n >= 0)
		show("  content", buf, (size_t)n);
}

static void size_of(const char *obj)
{
	uint64_t size = 12345;
	time_t mtime = 0;
	if (R(rados_stat(io, obj, &size, &mtime)) == 0)
		SAY("  size %" PRIu64 ", mtime %s", size, llabs((long long)time(NULL) - (long long)mtime) < 300 ? "now" : "wrong");
}

static void fresh(const char *obj)
{
	int r = rados_remove(io, obj);
	if (r && r != -ENOENT)
		SAY("cleaning %s: %d", unname(obj), r);
}

static void missing(void)
{
	const char *a = name("missing");
	SECTION("an object that is not there");
	R(rados_read(io, a, buf, 10, 0));
	R(rados_read(io, a, buf, 0, 0));
	R(rados_read(io, a, buf, 10, 1 << 20));
	size_of(a);
	R(rados_remove(io, a));
	R(rados_cmpext(io, a, "x", 1, 0));
	R(rados_cmpext(io, a, "\0\0", 2, 0));
	R(rados_stat(io, a, NULL, NULL));
	SECTION("what creates one");
	R(rados_trunc(io, a, 0));
	R(rados_stat(io, a, NULL, NULL));
	R(rados_trunc(io, a, 100));
	R(rados_stat(io, a, NULL, NULL));
	fresh(a);
	R(rados_write(io, a, "", 0, 0));
	size_of(a);
	fresh(a);
	R(rados_write(io, a, "", 0, 100));
	size_of(a);
	fresh(a);
	R(rados_append(io, a, "", 0));
	size_of(a);
	fresh(a);
	R(rados_write_full(io, a, "", 0));
	size_of(a);
	fresh(a);
	R(rados_writesame(io, a, "ab", 2, 4, 0));
	size_of(a);
	fresh(a);
	rados_write_op_t op = rados_create_write_op();
	rados_write_op_zero(op, 0, 100);
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	size_of(a);
	op = rados_create_write_op();
	rados_write_op_truncate(op, 100);
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	size_of(a);
	fresh(a);
	op = rados_create_write_op();
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	size_of(a);
	fresh(a);
}

static void writes(void)
{
	const char *a = name("w");
	SECTION("write and read");
	R(rados_write(io, a, "hello world", 11, 0));
	size_of(a);
	content(a);
	R(rados_write(io, a, "XY", 2, 3));
	content(a);
	R(rados_write(io, a, "", 0, 500));
	size_of(a);
	R(rados_write(io, a, "far", 3, 5000));
	size_of(a);
	content(a);
	SECTION("reads");
	memset(buf, '?', 32);
	R(rados_read(io, a, buf, 5, 0));
	show("  buf", buf, 8);
	memset(buf, '?', 32);
	R(rados_read(io, a, buf, 10, 4998));
	show("  buf", buf, 8);
	R(rados_read(io, a, buf, 10, 5003));
	R(rados_read(io, a, buf, 10, 5004));
	R(rados_read(io, a, buf, 10, 1ULL << 40));
	memset(buf, '?', 32);
	R(rados_read(io, a, buf, 0, 0));
	show("  a read of length 0 with a buffer", buf, 4);
	SECTION("append");
	R(rados_append(io, a, "end", 3));
	R(rados_append(io, a, "", 0));
	size_of(a);
	SECTION("write_full");
	R(rados_write_full(io, a, "short", 5));
	content(a);
	size_of(a);
	R(rados_write_full(io, a, "", 0));
	size_of(a);
	content(a);
	SECTION("truncate");
	R(rados_write_full(io, a, "0123456789", 10));
	R(rados_trunc(io, a, 4));
	content(a);
	R(rados_trunc(io, a, 8));
	content(a);
	R(rados_trunc(io, a, 8));
	R(rados_trunc(io, a, 10000));
	size_of(a);
	content(a);
	R(rados_trunc(io, a, 0));
	size_of(a);
	fresh(a);
}

static void zero(void)
{
	const char *a = name("z");
	static const struct { uint64_t off, len; } at[] = { { 2, 3 }, { 8, 2 }, { 8, 5 }, { 10, 5 }, { 20, 5 }, { 0, 10 }, { 0, 100 } };
	SECTION("zero never makes an object longer");
	for (size_t i = 0; i < COUNT(at); i++) {
		MUST(rados_write_full(io, a, "0123456789", 10));
		rados_write_op_t op = rados_create_write_op();
		rados_write_op_zero(op, at[i].off, at[i].len);
		SAY("zero %" PRIu64 "+%" PRIu64, at[i].off, at[i].len);
		R(rados_write_op_operate(op, io, a, NULL, 0));
		rados_release_write_op(op);
		size_of(a);
		content(a);
	}
	fresh(a);
}

static void same(void)
{
	const char *a = name("s");
	SECTION("writesame");
	R(rados_writesame(io, a, "abc", 3, 9, 2));
	content(a);
	R(rados_writesame(io, a, "abc", 3, 10, 0));
	R(rados_writesame(io, a, "abc", 3, 2, 0));
	R(rados_writesame(io, a, "abc", 3, 0, 0));
	R(rados_writesame(io, a, "abc", 0, 9, 0));
	R(rados_writesame(io, a, "abc", 0, 0, 0));
	R(rados_writesame(io, a, "z", 1, 4000, 100));
	content(a);
	SECTION("cmpext: 0 when equal, -4095 - offset at the first difference");
	MUST(rados_write_full(io, a, "0123456789", 10));
	R(rados_cmpext(io, a, "0123", 4, 0));
	R(rados_cmpext(io, a, "3456", 4, 3));
	R(rados_cmpext(io, a, "0x23", 4, 0));
	R(rados_cmpext(io, a, "345X", 4, 3));
	R(rados_cmpext(io, a, "x123", 4, 0));
	R(rados_cmpext(io, a, "89ab", 4, 8));
	R(rados_cmpext(io, a, "89\0\0", 4, 8));
	R(rados_cmpext(io, a, "\0\0", 2, 10));
	R(rados_cmpext(io, a, "\0\0", 2, 100));
	R(rados_cmpext(io, a, "ab", 2, 100));
	R(rados_cmpext(io, a, "", 0, 0));
	R(rados_cmpext(io, a, "", 0, 100));
	fresh(a);
}

static void limits(void)
{
	const char *a = name("l");
	const size_t big = (size_t)UINT_MAX / 2;
	SECTION("sizes that are too large");
	R(rados_write(io, a, buf, big + 1, 0));
	R(rados_write(io, a, buf, SIZE_MAX, 0));
	R(rados_append(io, a, buf, big + 1));
	R(rados_append(io, a, buf, SIZE_MAX));
	R(rados_write_full(io, a, buf, big + 1));
	R(rados_write_full(io, a, buf, SIZE_MAX));
	R(rados_stat(io, a, NULL, NULL));
	SECTION("offsets that are too large (osd_max_object_size is 128 MiB)");
	R(rados_write(io, a, "x", 1, 128 << 20));
	R(rados_write(io, a, "x", 1, (128 << 20) - 1));
	size_of(a);
	R(rados_append(io, a, "x", 1));
	R(rados_write(io, a, "x", 1, 1ULL << 32));
	R(rados_write(io, a, "x", 1, 1ULL << 63));
	R(rados_write(io, a, "x", 1, UINT64_MAX));
	R(rados_trunc(io, a, (128 << 20) + 1));
	R(rados_trunc(io, a, UINT64_MAX));
	R(rados_trunc(io, a, 128 << 20));
	size_of(a);
	R(rados_writesame(io, a, "xy", 2, 4, (128 << 20) - 2));
	rados_write_op_t op = rados_create_write_op();
	rados_write_op_zero(op, 128 << 20, 100);
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	op = rados_create_write_op();
	rados_write_op_zero(op, UINT64_MAX - 10, 100);
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	op = rados_create_write_op();
	rados_write_op_zero(op, (128 << 20) - 50, 100);
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	size_of(a);
	fresh(a);
	SECTION("names");
	char longname[4096];
	memset(longname, 'n', sizeof longname);
	longname[2049] = 0;
	R(rados_write(io, longname, "x", 1, 0));
	R(rados_stat(io, longname, NULL, NULL));
	longname[2048] = 0;
	R(rados_write(io, longname, "x", 1, 0));
	R(rados_remove(io, longname));
	R(rados_write(io, "", "x", 1, 0));
	R(rados_read(io, "", buf, 1, 0));
	R(rados_stat(io, "", NULL, NULL));
	R(rados_remove(io, ""));
	const char *odd = name("sl/ash\\back %p \xc3\xa9\xff\n");
	R(rados_write_full(io, odd, "odd", 3));
	content(odd);
	fresh(odd);
}

static void read_ops(void)
{
	const char *a = name("r");
	size_t got = 77;
	int rval = 99, rval2 = 99, rval3 = 99;
	uint64_t size = 0;
	time_t mtime;
	char small[4];
	SECTION("read op");
	MUST(rados_write_full(io, a, "0123456789", 10));
	rados_read_op_t op = rados_create_read_op();
	memset(buf, '?', 32);
	rados_read_op_stat(op, &size, &mtime, &rval);
	rados_read_op_read(op, 2, 4, buf, &got, &rval2);
	R(rados_read_op_operate(op, io, a, 0));
	SAY("size %" PRIu64 " rval %d, read %zu rval %d", size, rval, got, rval2);
	show("buf", buf, 6);
	rados_release_read_op(op);
	op = rados_create_read_op();
	got = 77;
	rados_read_op_read(op, 8, 16, buf, &got, &rval2);
	R(rados_read_op_operate(op, io, a, 0));
	SAY("read past the end: %zu rval %d", got, rval2);
	rados_release_read_op(op);
	op = rados_create_read_op();
	got = 77;
	rados_read_op_read(op, 100, 16, buf, &got, &rval2);
	R(rados_read_op_operate(op, io, a, 0));
	SAY("read beyond the end: %zu rval %d", got, rval2);
	rados_release_read_op(op);
	op = rados_create_read_op();
	got = 77;
	memset(buf, '?', 32);
	rados_read_op_read(op, 0, 0, buf, &got, &rval2);
	R(rados_read_op_operate(op, io, a, 0));
	SAY("read op of length 0: %zu rval %d", got, rval2);
	rados_release_read_op(op);
	op = rados_create_read_op();
	got = 77;
	memset(small, '?', sizeof small);
	rados_read_op_read(op, 0, sizeof small, small, &got, NULL);
	rados_read_op_read(op, 4, 2, buf, &got, NULL);
	R(rados_read_op_operate(op, io, a, 0));
	show("two reads, first", small, sizeof small);
	show("two reads, second", buf, 2);
	rados_release_read_op(op);
	op = rados_create_read_op();
	R(rados_read_op_operate(op, io, a, 0));
	rados_release_read_op(op);
	op = rados_create_read_op();
	R(rados_read_op_operate(op, io, name("none"), 0));
	rados_release_read_op(op);
	op = rados_create_read_op();
	got = 77;
	rval = rval2 = 99;
	rados_read_op_stat(op, &size, &mtime, &rval);
	rados_read_op_read(op, 0, 4, buf, &got, &rval2);
	R(rados_read_op_operate(op, io, name("none"), 0));
	SAY("missing object: rval %d, got %zu rval %d", rval, got, rval2);
	rados_release_read_op(op);
	SECTION("cmpext in a read op");
	op = rados_create_read_op();
	rados_read_op_cmpext(op, "0123", 4, 0, &rval);
	rados_read_op_read(op, 0, 4, buf, &got, &rval2);
	R(rados_read_op_operate(op, io, a, 0));
	SAY("equal: rval %d, got %zu rval %d", rval, got, rval2);
	rados_release_read_op(op);
	op = rados_create_read_op();
	rval = rval2 = rval3 = 99;
	got = 77;
	rados_read_op_cmpext(op, "01x3", 4, 0, &rval);
	rados_read_op_read(op, 0, 4, buf, &got, &rval2);
	rados_read_op_stat(op, &size, &mtime, &rval3);
	R(rados_read_op_operate(op, io, a, 0));
	SAY("different: rval %d, got %zu rval %d, stat rval %d", rval + 4095, got, rval2, rval3);
	rados_release_read_op(op);
	SECTION("checksum");
	struct { uint32_t count, value; } __attribute__((packed)) sum = { 0, 0 };
	uint32_t init = UINT32_MAX;
	op = rados_create_read_op();
	rados_read_op_checksum(op, LIBRADOS_CHECKSUM_TYPE_CRC32C, (const char *)&init, sizeof init, 0, 10, 0, (char *)&sum, sizeof sum, &rval);
	R(rados_read_op_operate(op, io, a, 0));
	SAY("count %u crc32c %08x rval %d", sum.count, sum.value, rval);
	rados_release_read_op(op);
	char crc[64];
	memset(crc, 0, sizeof crc);
	R(rados_checksum(io, a, LIBRADOS_CHECKSUM_TYPE_CRC32C, (const char *)&init, sizeof init, 10, 0, 5, crc, sizeof crc));
	show("  chunks of 5", crc, 12);
	R(rados_checksum(io, a, LIBRADOS_CHECKSUM_TYPE_CRC32C, (const char *)&init, sizeof init, 10, 0, 3, crc, sizeof crc));
	R(rados_checksum(io, a, LIBRADOS_CHECKSUM_TYPE_CRC32C, (const char *)&init, sizeof init, 10, 0, 0, crc, 4));
	R(rados_checksum(io, a, LIBRADOS_CHECKSUM_TYPE_CRC32C, (const char *)&init, 2, 10, 0, 0, crc, sizeof crc));
	R(rados_checksum(io, name("none"), LIBRADOS_CHECKSUM_TYPE_CRC32C, (const char *)&init, sizeof init, 10, 0, 0, crc, sizeof crc));
	uint64_t init64 = 0;
	memset(crc, 0, sizeof crc);
	R(rados_checksum(io, a, LIBRADOS_CHECKSUM_TYPE_XXHASH32, (const char *)&init64, 4, 10, 0, 0, crc, sizeof crc));
	show("  xxhash32", crc, 8);
	memset(crc, 0, sizeof crc);
	R(rados_checksum(io, a, LIBRADOS_CHECKSUM_TYPE_XXHASH64, (const char *)&init64, 8, 10, 0, 0, crc, sizeof crc));
	show("  xxhash64", crc, 12);
	fresh(a);
}

static void large(void)
{
	const char *a = name("large");
	const size_t len = 9 << 20;
	char *w = malloc(len), *r = malloc(len);
	SECTION("nine mebibytes at an odd offset");
	for (size_t i = 0; i < len; i++)
		w[i] = (char)(i * 2654435761u >> 13);
	R(rados_write(io, a, w, len, 12345));
	size_of(a);
	R(rados_read(io, a, r, len, 12345));
	SAY("equal: %s", memcmp(w, r, len) ? "no" : "yes");
	R(rados_read(io, a, r, 12345, 0));
	SAY("hole is zero: %s", r[0] == 0 && !memcmp(r, r + 1, 12344) ? "yes" : "no");
	R(rados_write(io, a, w, 70000, 1 << 20));
	memcpy(w + (1 << 20) - 12345, w, 70000);
	R(rados_read(io, a, r, len, 12345));
	SAY("equal after the overwrite: %s", memcmp(w + (1 << 20) - 12345, r + (1 << 20) - 12345, 70000) ? "no" : "yes");
	R(rados_trunc(io, a, 5 << 20));
	R(rados_trunc(io, a, 6 << 20));
	R(rados_read(io, a, r, 2 << 20, 5 << 20));
	SAY("truncated and grown reads zero: %s", r[0] == 0 && !memcmp(r, r + 1, (1 << 20) - 1) ? "yes" : "no");
	fresh(a);
	free(w);
	free(r);
}

int main(int argc, char **argv)
{
	t_start(argc, argv);
	rados_t cluster = t_connect();
	io = t_ioctx(cluster);
	missing();
	writes();
	zero();
	same();
	limits();
	read_ops();
	large();
	rados_ioctx_destroy(io);
	rados_shutdown(cluster);
	return 0;
}
