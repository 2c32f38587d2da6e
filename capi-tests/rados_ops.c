/* Op lists: atomicity, results of single ops, assertions, exclusive creation, cmpxattr, flags, versions. */
#include "t.h"

static rados_ioctx_t io;
static char buf[4096];

static void data(const char *obj)
{
	int n = rados_read(io, obj, buf, sizeof buf, 0);
	if (n < 0)
		SAY("  data: -%s", t_errname(n));
	else
		show("  data", buf, (size_t)n);
}

static void creating(void)
{
	const char *a = name("c");
	SECTION("create: exclusive or not");
	static const int how[] = { LIBRADOS_CREATE_IDEMPOTENT, LIBRADOS_CREATE_IDEMPOTENT, LIBRADOS_CREATE_EXCLUSIVE };
	for (size_t i = 0; i < COUNT(how); i++) {
		rados_write_op_t op = rados_create_write_op();
		rados_write_op_create(op, how[i], NULL);
		SAY("%s", how[i] == LIBRADOS_CREATE_EXCLUSIVE ? "exclusive" : "idempotent");
		R(rados_write_op_operate(op, io, a, NULL, 0));
		rados_release_write_op(op);
	}
	MUST(rados_remove(io, a));
	rados_write_op_t op = rados_create_write_op();
	rados_write_op_create(op, LIBRADOS_CREATE_EXCLUSIVE, "a category, which nobody looks at");
	rados_write_op_write_full(op, "first", 5);
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	op = rados_create_write_op();
	rados_write_op_write_full(op, "second", 6);
	rados_write_op_create(op, LIBRADOS_CREATE_EXCLUSIVE, NULL);
	SAY("exclusive after a write in the same list");
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	data(a);
	MUST(rados_remove(io, a));
	op = rados_create_write_op();
	rados_write_op_write_full(op, "second", 6);
	rados_write_op_create(op, LIBRADOS_CREATE_EXCLUSIVE, NULL);
	SAY("the same on a missing object");
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	data(a);
	rados_remove(io, a);
	SECTION("assert_exists");
	op = rados_create_write_op();
	rados_write_op_assert_exists(op);
	rados_write_op_write_full(op, "x", 1);
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	data(a);
	MUST(rados_write_full(io, a, "here", 4));
	op = rados_create_write_op();
	rados_write_op_assert_exists(op);
	rados_write_op_append(op, "x", 1);
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	data(a);
	rados_read_op_t r = rados_create_read_op();
	rados_read_op_assert_exists(r);
	R(rados_read_op_operate(r, io, a, 0));
	rados_release_read_op(r);
	r = rados_create_read_op();
	rados_read_op_assert_exists(r);
	R(rados_read_op_operate(r, io, name("none"), 0));
	rados_release_read_op(r);
	MUST(rados_remove(io, a));
}

static void atomic(void)
{
	const char *a = name("a");
	SECTION("an op that fails undoes the whole list");
	MUST(rados_write_full(io, a, "before", 6));
	MUST(rados_setxattr(io, a, "x", "old", 3));
	const char *k[] = { "k" }, *v[] = { "v" };
	const size_t l[] = { 1 };
	rados_write_op_t op = rados_create_write_op();
	int rval = 99;
	rados_write_op_write_full(op, "after", 5);
	rados_write_op_setxattr(op, "x", "new", 3);
	rados_write_op_omap_set(op, k, v, l, 1);
	rados_write_op_cmpxattr(op, "none", LIBRADOS_CMPXATTR_OP_EQ, "x", 1);
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	data(a);
	R(rados_getxattr(io, a, "x", buf, 10));
	show("  x", buf, 3);
	rados_omap_iter_t it;
	rados_read_op_t r = rados_create_read_op();
	rados_read_op_omap_get_vals2(r, "", "", 10, &it, NULL, NULL);
	R(rados_read_op_operate(r, io, a, 0));
	SAY("  omap keys: %u", rados_omap_iter_size(it));
	rados_omap_get_end(it);
	rados_release_read_op(r);
	SECTION("a later op sees what an earlier one wrote");
	op = rados_create_write_op();
	rados_write_op_write_full(op, "0123456789", 10);
	rados_write_op_truncate(op, 5);
	rados_write_op_append(op, "abc", 3);
	rados_write_op_write(op, "ZZ", 2, 1);
	rados_write_op_zero(op, 3, 1);
	rados_write_op_writesame(op, "xy", 2, 4, 10);
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	data(a);
	SECTION("comparisons see what was there before the list, not what its earlier ops wrote");
	/* A cmpext after a write_full makes an OSD take the object for damaged, and the call never ends. */
	MUST(rados_write_full(io, a, "0123456789", 10));
	MUST(rados_write(io, a, "x", 1, 10));
	MUST(rados_setxattr(io, a, "x", "old", 3));
	static const struct { const char *ext, *attr, *omap; } after[] = {
		{ "0123", NULL, NULL }, { "0ZZ3", NULL, NULL }, { NULL, "old", NULL }, { NULL, "new", NULL }, { NULL, NULL, "" }, { NULL, NULL, "v" },
	};
	for (size_t i = 0; i < COUNT(after); i++) {
		op = rados_create_write_op();
		rval = 99;
		rados_write_op_write(op, "ZZ", 2, 1);
		rados_write_op_setxattr(op, "x", "new", 3);
		rados_write_op_omap_set(op, k, v, l, 1);
		if (after[i].ext)
			rados_write_op_cmpext(op, after[i].ext, 4, 0, &rval);
		if (after[i].attr)
			rados_write_op_cmpxattr(op, "x", LIBRADOS_CMPXATTR_OP_EQ, after[i].attr, 3);
		if (after[i].omap)
			rados_write_op_omap_cmp(op, "k", LIBRADOS_CMPXATTR_OP_EQ, after[i].omap, strlen(after[i].omap), &rval);
		SAY("ext %s attr %s omap %s", after[i].ext ? after[i].ext : "-", after[i].attr ? after[i].attr : "-", after[i].omap ? after[i].omap : "-");
		R(rados_write_op_operate(op, io, a, NULL, 0));
		show_rval(rval);
		rados_release_write_op(op);
		data(a);
		MUST(rados_write(io, a, "12", 2, 1));
		MUST(rados_setxattr(io, a, "x", "old", 3));
		op = rados_create_write_op();
		rados_write_op_omap_rm_keys(op, k, 1);
		MUST(rados_write_op_operate(op, io, a, NULL, 0));
		rados_release_write_op(op);
	}
	SECTION("cmpext before a write");
	MUST(rados_write_full(io, a, "compare me", 10));
	for (int good = 0; good < 2; good++) {
		op = rados_create_write_op();
		rval = 99;
		rados_write_op_cmpext(op, good ? "compare" : "comparE", 7, 0, &rval);
		rados_write_op_write_full(op, "done", 4);
		R(rados_write_op_operate(op, io, a, NULL, 0));
		show_rval(rval);
		rados_release_write_op(op);
		data(a);
	}
	op = rados_create_write_op();
	rados_write_op_cmpext(op, "\0\0", 2, 0, &rval);
	rados_write_op_write_full(op, "done", 4);
	R(rados_write_op_operate(op, io, name("none"), NULL, 0));
	rados_release_write_op(op);
	data(name("none"));
	rados_remove(io, name("none"));
	SECTION("remove in a list");
	MUST(rados_write_full(io, a, "data", 4));
	op = rados_create_write_op();
	rados_write_op_remove(op);
	rados_write_op_write_full(op, "reborn", 6);
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	data(a);
	R(rados_getxattr(io, a, "x", buf, 10));
	op = rados_create_write_op();
	rados_write_op_setxattr(op, "y", "z", 1);
	rados_write_op_remove(op);
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	data(a);
	op = rados_create_write_op();
	rados_write_op_remove(op);
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	op = rados_create_write_op();
	rados_write_op_write_full(op, "x", 1);
	rados_write_op_remove(op);
	SAY("written and removed in one list, not there before");
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	data(a);
	SECTION("a list is used up when it is carried out: the second time it is empty");
	op = rados_create_write_op();
	rados_write_op_append(op, "ab", 2);
	R(rados_write_op_operate(op, io, a, NULL, 0));
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	data(a);
	rados_remove(io, a);
	SECTION("a given mtime");
	op = rados_create_write_op();
	rados_write_op_write_full(op, "x", 1);
	time_t when = 1000000000, got = 0;
	R(rados_write_op_operate(op, io, a, &when, 0));
	R(rados_stat(io, a, NULL, &got));
	SAY("mtime %lld", (long long)got);
	rados_release_write_op(op);
	op = rados_create_write_op();
	rados_write_op_append(op, "y", 1);
	struct timespec ts = { 1100000000, 5 };
	R(rados_write_op_operate2(op, io, a, &ts, 0));
	R(rados_stat(io, a, NULL, &got));
	SAY("mtime %lld", (long long)got);
	rados_release_write_op(op);
	rados_remove(io, a);
}

static void versions(void)
{
	const char *a = name("v"), *b = name("v2");
	SECTION("versions: the object's own, for reads and writes");
	R(rados_write_full(io, a, "1", 1));
	uint64_t v1 = rados_get_last_version(io);
	SAY("after the first write: %s", v1 ? "set" : "zero");
	R(rados_read(io, a, buf, 10, 0));
	SAY("a read gives the same: %s", rados_get_last_version(io) == v1 ? "yes" : "no");
	R(rados_write_full(io, b, "1", 1));
	R(rados_stat(io, a, NULL, NULL));
	SAY("after a write elsewhere, stat gives the same: %s", rados_get_last_version(io) == v1 ? "yes" : "no");
	R(rados_write_full(io, a, "2", 1));
	uint64_t v2 = rados_get_last_version(io);
	SAY("a write makes it larger: %s", v2 > v1 ? "yes" : "no");
	R(rados_setxattr(io, a, "x", "y", 1));
	uint64_t v3 = rados_get_last_version(io);
	SAY("an xattr too: %s", v3 > v2 ? "yes" : "no");
	R(rados_getxattr(io, a, "x", buf, 10));
	SAY("getxattr gives it: %s", rados_get_last_version(io) == v3 ? "yes" : "no");
	rados_write_op_t op = rados_create_write_op();
	rados_write_op_setxattr(op, "a", "b", 1);
	rados_write_op_setxattr(op, "c", "d", 1);
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	uint64_t v4 = rados_get_last_version(io);
	/* Not by how much: in Ceph the placement group counts, and other objects' writes with it. */
	SAY("a list with two ops makes it larger: %s", v4 > v3 ? "yes" : "no");
	R(rados_read(io, name("none"), buf, 10, 0));
	SAY("after a failed read: %s", rados_get_last_version(io) == v4 ? "as before" : rados_get_last_version(io) ? "another" : "zero");
	op = rados_create_write_op();
	rados_write_op_cmpxattr(op, "x", LIBRADOS_CMPXATTR_OP_EQ, "n", 1);
	rados_write_op_setxattr(op, "a", "b", 1);
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	R(rados_stat(io, a, NULL, NULL));
	SAY("a list that failed changes nothing: %s", rados_get_last_version(io) == v4 ? "yes" : "no");
	SECTION("assert_version: ERANGE when it is too small, EOVERFLOW when too large");
	static const int off[] = { 0, -1, 1, 1000, -1000 };
	for (size_t i = 0; i < COUNT(off); i++) {
		if (off[i] == -1000)
			v4 = 1001;
		rados_read_op_t r = rados_create_read_op();
		size_t got = 0;
		int rval = 99;
		rados_read_op_assert_version(r, v4 + (uint64_t)(int64_t)off[i]);
		rados_read_op_read(r, 0, 10, buf, &got, &rval);
		SAY("version%+d", off[i]);
		R(rados_read_op_operate(r, io, a, 0));
		SAY("  got %zu rval %d", got, rval);
		rados_release_read_op(r);
	}
	R(rados_stat(io, a, NULL, NULL));
	v4 = rados_get_last_version(io);
	for (size_t i = 0; i < 4; i++) {
		op = rados_create_write_op();
		rados_write_op_assert_version(op, v4 + (uint64_t)(int64_t)off[i]);
		rados_write_op_append(op, "+", 1);
		SAY("write, version%+d", off[i]);
		if (R(rados_write_op_operate(op, io, a, NULL, 0)) == 0)
			v4 = rados_get_last_version(io);
		rados_release_write_op(op);
	}
	data(a);
	op = rados_create_write_op();
	rados_write_op_assert_version(op, 0);
	rados_write_op_append(op, "+", 1);
	SAY("version 0");
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	op = rados_create_write_op();
	rados_write_op_assert_version(op, 0);
	rados_write_op_append(op, "+", 1);
	SAY("version 0 of a missing object");
	R(rados_write_op_operate(op, io, name("none"), NULL, 0));
	rados_release_write_op(op);
	op = rados_create_write_op();
	rados_write_op_assert_version(op, 5);
	rados_write_op_append(op, "+", 1);
	SAY("version 5 of a missing object");
	R(rados_write_op_operate(op, io, name("none"), NULL, 0));
	rados_release_write_op(op);
	rados_read_op_t r = rados_create_read_op();
	rados_read_op_assert_version(r, 5);
	R(rados_read_op_operate(r, io, name("none"), 0));
	rados_release_read_op(r);
	rados_remove(io, name("none"));
	op = rados_create_write_op();
	rados_write_op_assert_version(op, v4);
	rados_write_op_assert_version(op, v4);
	rados_write_op_append(op, "+", 1);
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	v4 = rados_get_last_version(io);
	SECTION("a new object of the same name never has an old version");
	R(rados_remove(io, a));
	uint64_t gone = rados_get_last_version(io);
	SAY("remove gives a larger version: %s", gone > v4 ? "yes" : "no");
	R(rados_write_full(io, a, "again", 5));
	SAY("version grows over the removal: %s", rados_get_last_version(io) > v4 ? "yes" : "no");
	op = rados_create_write_op();
	rados_write_op_assert_version(op, v4);
	rados_write_op_append(op, "+", 1);
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	SECTION("each handle has its own last version");
	rados_ioctx_t other;
	MUST(rados_ioctx_create(rados_ioctx_get_cluster(io), t_pool, &other));
	SAY("a new one: %" PRIu64, rados_get_last_version(other));
	rados_ioctx_destroy(other);
	MUST(rados_remove(io, a));
	MUST(rados_remove(io, b));
}

static void flags(void)
{
	const char *a = name("f"), *none = name("none");
	int rval = 99;
	SECTION("an op with FAILOK");
	MUST(rados_write_full(io, a, "data", 4));
	rados_write_op_t op = rados_create_write_op();
	rados_write_op_create(op, LIBRADOS_CREATE_EXCLUSIVE, NULL);
	rados_write_op_set_flags(op, LIBRADOS_OP_FLAG_FAILOK);
	rados_write_op_append(op, "+", 1);
	SAY("create exclusive with FAILOK, then append");
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	data(a);
	op = rados_create_write_op();
	rados_write_op_cmpext(op, "nope", 4, 0, &rval);
	rados_write_op_set_flags(op, LIBRADOS_OP_FLAG_FAILOK);
	rados_write_op_append(op, "+", 1);
	SAY("cmpext with FAILOK, then append");
	R(rados_write_op_operate(op, io, a, NULL, 0));
	show_rval(rval);
	rados_release_write_op(op);
	data(a);
	op = rados_create_write_op();
	rados_write_op_cmpxattr(op, "nope", LIBRADOS_CMPXATTR_OP_EQ, "x", 1);
	rados_write_op_set_flags(op, LIBRADOS_OP_FLAG_FAILOK);
	rados_write_op_append(op, "+", 1);
	SAY("cmpxattr with FAILOK, then append");
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	data(a);
	op = rados_create_write_op();
	rados_write_op_assert_version(op, 1);
	rados_write_op_set_flags(op, LIBRADOS_OP_FLAG_FAILOK);
	rados_write_op_append(op, "+", 1);
	SAY("assert_version with FAILOK, then append");
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	data(a);
	op = rados_create_write_op();
	rados_write_op_remove(op);
	rados_write_op_set_flags(op, LIBRADOS_OP_FLAG_FAILOK);
	rados_write_op_write_full(op, "made", 4);
	SAY("remove of a missing object with FAILOK, then write_full");
	R(rados_write_op_operate(op, io, none, NULL, 0));
	rados_release_write_op(op);
	data(none);
	rados_remove(io, none);
	size_t got = 0;
	int rval2 = 99;
	rados_read_op_t r = rados_create_read_op();
	rados_read_op_cmpext(r, "nope", 4, 0, &rval);
	rados_read_op_set_flags(r, LIBRADOS_OP_FLAG_FAILOK);
	rados_read_op_read(r, 0, 4, buf, &got, &rval2);
	SAY("read op: cmpext with FAILOK, then read");
	R(rados_read_op_operate(r, io, a, 0));
	show_rval(rval);
	SAY("  read %zu rval %d", got, rval2);
	rados_release_read_op(r);
	SECTION("hints and flags that change no result");
	op = rados_create_write_op();
	rados_write_op_set_alloc_hint(op, 4 << 20, 4 << 20);
	R(rados_write_op_operate(op, io, none, NULL, 0));
	rados_release_write_op(op);
	data(none);
	rados_remove(io, none);
	R(rados_set_alloc_hint(io, none, 4 << 20, 4 << 20));
	data(none);
	rados_remove(io, none);
	R(rados_set_alloc_hint2(io, a, 4 << 20, 4 << 20, LIBRADOS_ALLOC_HINT_FLAG_COMPRESSIBLE));
	op = rados_create_write_op();
	rados_write_op_set_alloc_hint2(op, 4 << 20, 4 << 20, LIBRADOS_ALLOC_HINT_FLAG_SEQUENTIAL_WRITE);
	rados_write_op_write_full(op, "hinted", 6);
	rados_write_op_set_flags(op, LIBRADOS_OP_FLAG_FADVISE_DONTNEED);
	R(rados_write_op_operate(op, io, a, NULL, LIBRADOS_OPERATION_FULL_TRY | LIBRADOS_OPERATION_IGNORE_CACHE));
	rados_release_write_op(op);
	data(a);
	static const int how[] = { LIBRADOS_OPERATION_BALANCE_READS, LIBRADOS_OPERATION_LOCALIZE_READS, LIBRADOS_OPERATION_ORDER_READS_WRITES };
	for (size_t i = 0; i < COUNT(how); i++) {
		r = rados_create_read_op();
		rados_read_op_read(r, 0, 6, buf, &got, &rval2);
		rados_read_op_set_flags(r, LIBRADOS_OP_FLAG_FADVISE_SEQUENTIAL);
		R(rados_read_op_operate(r, io, a, how[i]));
		SAY("got %zu rval %d", got, rval2);
		rados_release_read_op(r);
	}
	SECTION("results of single ops in a long read list");
	uint64_t size = 0;
	time_t mtime = 0;
	rados_xattrs_iter_t xit = NULL;
	rados_omap_iter_t oit = NULL;
	int rv[5] = { 99, 99, 99, 99, 99 };
	r = rados_create_read_op();
	rados_read_op_stat(r, &size, &mtime, &rv[0]);
	rados_read_op_read(r, 0, 4, buf, &got, &rv[1]);
	rados_read_op_getxattrs(r, &xit, &rv[2]);
	rados_read_op_omap_get_keys2(r, "", 10, &oit, NULL, &rv[3]);
	rados_read_op_omap_cmp(r, "k", LIBRADOS_CMPXATTR_OP_EQ, "", 0, &rv[4]);
	R(rados_read_op_operate(r, io, a, 0));
	SAY("rvals %d %d %d %d %d, size %" PRIu64 ", read %zu", rv[0], rv[1], rv[2], rv[3], rv[4], size, got);
	rados_getxattrs_end(xit);
	rados_omap_get_end(oit);
	rados_release_read_op(r);
	SECTION("class calls");
	char *out = NULL;
	size_t out_len = 0;
	if (R(rados_exec(io, a, "hello", "say_hello", "you", 3, buf, sizeof buf)) >= 0)
		show("  said", buf, 11);
	R(rados_exec(io, a, "nosuchclass", "m", "", 0, buf, sizeof buf));
	R(rados_exec(io, a, "lock", "nosuchmethod", "", 0, buf, sizeof buf));
	R(rados_exec(io, a, "lock", "get_info", "", 0, buf, sizeof buf));
	R(rados_exec(io, a, "version", "read", "", 0, buf, 0));
	r = rados_create_read_op();
	rados_read_op_exec(r, "hello", "say_hello", "me", 2, &out, &out_len, &rval);
	if (R(rados_read_op_operate(r, io, a, 0)) == 0)
		show_rval(rval);
	if (out)
		show("  out", out, out_len);
	rados_buffer_free(out);
	rados_release_read_op(r);
	rados_buffer_free(NULL);
	MUST(rados_remove(io, a));
}

int main(int argc, char **argv)
{
	t_start(argc, argv);
	rados_t cluster = t_connect();
	io = t_ioctx(cluster);
	creating();
	atomic();
	versions();
	flags();
	rados_ioctx_destroy(io);
	rados_shutdown(cluster);
	return 0;
}
