/* Extended attributes: set, get, remove, iterate; in op lists; buffer sizes and limits. */
#include "t.h"

static rados_ioctx_t io;
static char buf[1 << 17];

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void drain(rados_xattrs_iter_t it)
{
	char *lines[64];
	size_t n = 0;
	for (;;) {
		const char *key = NULL, *val = NULL;
		size_t len = 7;
		int r = rados_getxattrs_next(it, &key, &val, &len);
		if (r || !key) {
			SAY("  end: %d key %s val %s len %zu", r, key ? "set" : "null", val ? "set" : "null", len);
			break;
		}
		if (n < COUNT(lines) && asprintf(&lines[n], "%s: %zu bytes, first %02x", key, len, len ? (unsigned char)val[0] : 0) > 0)
			n++;
	}
	qsort(lines, n, sizeof lines[0], by_name);
	for (size_t i = 0; i < n; i++) {
		SAY("  %s", lines[i]);
		free(lines[i]);
	}
	rados_getxattrs_end(it);
}

static void list(const char *obj)
{
	rados_xattrs_iter_t it = NULL;
	if (R(rados_getxattrs(io, obj, &it)) == 0)
		drain(it);
}

static void plain(void)
{
	const char *a = name("a");
	SECTION("missing object");
	R(rados_getxattr(io, a, "k", buf, 10));
	R(rados_rmxattr(io, a, "k"));
	list(a);
	SECTION("set creates the object");
	R(rados_setxattr(io, a, "k", "value", 5));
	R(rados_stat(io, a, NULL, NULL));
	memset(buf, '?', 20);
	R(rados_getxattr(io, a, "k", buf, 20));
	show("  buf", buf, 8);
	SECTION("buffers that are just right, too short, of no length");
	memset(buf, '?', 20);
	R(rados_getxattr(io, a, "k", buf, 5));
	R(rados_getxattr(io, a, "k", buf, 4));
	R(rados_getxattr(io, a, "k", buf, 0));
	R(rados_getxattr(io, a, "k", NULL, 0));
	show("  buf", buf, 8);
	R(rados_getxattr(io, a, "none", buf, 20));
	SECTION("values");
	R(rados_setxattr(io, a, "empty", "", 0));
	R(rados_getxattr(io, a, "empty", buf, 20));
	R(rados_getxattr(io, a, "empty", buf, 0));
	R(rados_setxattr(io, a, "nul", "a\0b", 3));
	R(rados_getxattr(io, a, "nul", buf, 20));
	show("  nul", buf, 3);
	R(rados_setxattr(io, a, "k", "new", 3));
	R(rados_getxattr(io, a, "k", buf, 20));
	R(rados_setxattr(io, a, "_under", "u", 1));
	R(rados_setxattr(io, a, "sp ace/\xc3\xa9", "odd", 3));
	list(a);
	SECTION("remove");
	R(rados_rmxattr(io, a, "k"));
	R(rados_rmxattr(io, a, "k"));
	R(rados_rmxattr(io, a, "none"));
	R(rados_getxattr(io, a, "k", buf, 20));
	list(a);
	SECTION("data calls leave them alone, remove does not");
	R(rados_write_full(io, a, "data", 4));
	R(rados_trunc(io, a, 0));
	R(rados_getxattr(io, a, "nul", buf, 20));
	R(rados_remove(io, a));
	R(rados_write_full(io, a, "data", 4));
	R(rados_getxattr(io, a, "nul", buf, 20));
	list(a);
	MUST(rados_remove(io, a));
}

static void limits(void)
{
	const char *a = name("l");
	char longname[600];
	SECTION("limits");
	memset(buf, 'v', sizeof buf);
	R(rados_setxattr(io, a, "big", buf, 65536));
	R(rados_setxattr(io, a, "big", buf, 65537));
	R(rados_getxattr(io, a, "big", buf, sizeof buf));
	memset(longname, 'n', sizeof longname);
	static const size_t lens[] = { 256, 253, 101, 100, 99 };
	for (size_t i = 0; i < COUNT(lens); i++) {
		longname[lens[i]] = 0;
		SAY("name of %zu bytes", lens[i]);
		R(rados_setxattr(io, a, longname, "x", 1));
		R(rados_getxattr(io, a, longname, buf, 10));
		longname[lens[i]] = 'n';
	}
	rados_remove(io, a);
}

static void ops(void)
{
	const char *a = name("o");
	int rval = 99;
	SECTION("in op lists");
	rados_write_op_t w = rados_create_write_op();
	rados_write_op_setxattr(w, "one", "1", 1);
	rados_write_op_setxattr(w, "two", "22", 2);
	R(rados_write_op_operate(w, io, a, NULL, 0));
	rados_release_write_op(w);
	list(a);
	w = rados_create_write_op();
	rados_write_op_rmxattr(w, "one");
	rados_write_op_setxattr(w, "three", "333", 3);
	R(rados_write_op_operate(w, io, a, NULL, 0));
	rados_release_write_op(w);
	w = rados_create_write_op();
	rados_write_op_setxattr(w, "four", "4", 1);
	rados_write_op_rmxattr(w, "none");
	R(rados_write_op_operate(w, io, a, NULL, 0));
	rados_release_write_op(w);
	list(a);
	rados_xattrs_iter_t it = NULL;
	rados_read_op_t r = rados_create_read_op();
	rados_read_op_getxattrs(r, &it, &rval);
	R(rados_read_op_operate(r, io, a, 0));
	SAY("rval %d", rval);
	drain(it);
	rados_release_read_op(r);
	SECTION("cmpxattr decides whether the list is carried out");
	static const struct { uint8_t op; const char *what; } cmp[] = {
		{ LIBRADOS_CMPXATTR_OP_EQ, "EQ" }, { LIBRADOS_CMPXATTR_OP_NE, "NE" }, { LIBRADOS_CMPXATTR_OP_GT, "GT" },
		{ LIBRADOS_CMPXATTR_OP_GTE, "GTE" }, { LIBRADOS_CMPXATTR_OP_LT, "LT" }, { LIBRADOS_CMPXATTR_OP_LTE, "LTE" },
		{ 0, "op 0" }, { 7, "op 7" },
	};
	static const char *const values[] = { "b", "a", "c", "", "bb" };
	MUST(rados_setxattr(io, a, "str", "b", 1));
	MUST(rados_setxattr(io, a, "empty", "", 0));
	for (size_t i = 0; i < COUNT(cmp); i++)
		for (size_t j = 0; j < COUNT(values); j++) {
			w = rados_create_write_op();
			rados_write_op_cmpxattr(w, "str", cmp[i].op, values[j], strlen(values[j]));
			rados_write_op_setxattr(w, "seen", "1", 1);
			SAY("write: value \"%s\" %s stored \"b\"", values[j], cmp[i].what);
			R(rados_write_op_operate(w, io, a, NULL, 0));
			rados_release_write_op(w);
			r = rados_create_read_op();
			rados_read_op_cmpxattr(r, "str", cmp[i].op, values[j], strlen(values[j]));
			R(rados_read_op_operate(r, io, a, 0));
			rados_release_read_op(r);
		}
	static const struct { const char *key; uint8_t op; const char *value; } odd[] = {
		{ "none", LIBRADOS_CMPXATTR_OP_EQ, "" }, { "none", LIBRADOS_CMPXATTR_OP_EQ, "a" }, { "none", LIBRADOS_CMPXATTR_OP_NE, "a" },
		{ "none", LIBRADOS_CMPXATTR_OP_GT, "a" }, { "empty", LIBRADOS_CMPXATTR_OP_EQ, "" }, { "empty", LIBRADOS_CMPXATTR_OP_LT, "a" },
	};
	for (size_t i = 0; i < COUNT(odd); i++) {
		w = rados_create_write_op();
		rados_write_op_cmpxattr(w, odd[i].key, odd[i].op, odd[i].value, strlen(odd[i].value));
		rados_write_op_setxattr(w, "seen", "1", 1);
		SAY("%s op %d \"%s\"", odd[i].key, odd[i].op, odd[i].value);
		R(rados_write_op_operate(w, io, a, NULL, 0));
		rados_release_write_op(w);
	}
	w = rados_create_write_op();
	rados_write_op_cmpxattr(w, "str", LIBRADOS_CMPXATTR_OP_EQ, "b", 1);
	rados_write_op_setxattr(w, "seen", "1", 1);
	R(rados_write_op_operate(w, io, name("none"), NULL, 0));
	rados_release_write_op(w);
	R(rados_stat(io, name("none"), NULL, NULL));
	MUST(rados_remove(io, a));
}

int main(int argc, char **argv)
{
	t_start(argc, argv);
	rados_t cluster = t_connect();
	io = t_ioctx(cluster);
	plain();
	limits();
	ops();
	rados_ioctx_destroy(io);
	rados_shutdown(cluster);
	return 0;
}
