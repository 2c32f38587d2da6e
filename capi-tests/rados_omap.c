/* Omap in every form of the header: set, get, by key, keys, paging, removal by key and range, clear, cmp. */
#include "t.h"

static rados_ioctx_t io;

struct pair {
	const char *key;
	size_t key_len;
	const char *val;
	size_t val_len;
};

static int set(const char *obj, const struct pair *pairs, size_t n)
{
	const char *keys[16], *vals[16];
	size_t key_lens[16], val_lens[16];
	for (size_t i = 0; i < n; i++) {
		keys[i] = pairs[i].key;
		key_lens[i] = pairs[i].key_len;
		vals[i] = pairs[i].val;
		val_lens[i] = pairs[i].val_len;
	}
	rados_write_op_t op = rados_create_write_op();
	rados_write_op_omap_set2(op, keys, vals, key_lens, val_lens, n);
	int r = rados_write_op_operate(op, io, obj, NULL, 0);
	rados_release_write_op(op);
	return r;
}

static int set1(const char *obj, const char *key, const char *val)
{
	struct pair p = { key, strlen(key), val, strlen(val) };
	return set(obj, &p, 1);
}

static void drain2(rados_omap_iter_t it)
{
	SAY("  iter_size %u", rados_omap_iter_size(it));
	for (;;) {
		char *key = (char *)1, *val = (char *)1;
		size_t klen = 77, vlen = 77;
		int r = rados_omap_get_next2(it, &key, &val, &klen, &vlen);
		if (r || !key) {
			SAY("  end: %d key %s val %s lens %zu %zu", r, key ? "set" : "null", val ? "set" : "null", klen, vlen);
			break;
		}
		show("  key", key, klen);
		if (val)
			show("    val", val, vlen);
		else
			SAY("    val null, len %zu", vlen);
	}
	rados_omap_get_end(it);
}

static void drain1(rados_omap_iter_t it)
{
	SAY("  iter_size %u", rados_omap_iter_size(it));
	for (;;) {
		char *key = (char *)1, *val = (char *)1;
		size_t vlen = 77;
		int r = rados_omap_get_next(it, &key, &val, &vlen);
		if (r || !key) {
			SAY("  end: %d key %s val %s len %zu", r, key ? "set" : "null", val ? "set" : "null", vlen);
			break;
		}
		SAY("  key %s", key);
		if (val)
			show("    val", val, vlen);
		else
			SAY("    val null, len %zu", vlen);
	}
	rados_omap_get_end(it);
}

static void vals2(const char *obj, const char *after, const char *prefix, uint64_t max)
{
	rados_omap_iter_t it = NULL;
	unsigned char more = 9;
	int rval = 99;
	rados_read_op_t op = rados_create_read_op();
	SAY("get_vals2 after \"%s\" prefix \"%s\" max %" PRIu64, after ? after : "(null)", prefix ? prefix : "(null)", max);
	rados_read_op_omap_get_vals2(op, after, prefix, max, &it, &more, &rval);
	R(rados_read_op_operate(op, io, obj, 0));
	SAY("  rval %d pmore %u", rval, more);
	drain2(it);
	rados_release_read_op(op);
}

static void keys2(const char *obj, const char *after, uint64_t max)
{
	rados_omap_iter_t it = NULL;
	unsigned char more = 9;
	int rval = 99;
	rados_read_op_t op = rados_create_read_op();
	SAY("get_keys2 after \"%s\" max %" PRIu64, after ? after : "(null)", max);
	rados_read_op_omap_get_keys2(op, after, max, &it, &more, &rval);
	R(rados_read_op_operate(op, io, obj, 0));
	SAY("  rval %d pmore %u", rval, more);
	drain2(it);
	rados_release_read_op(op);
}

static void missing(void)
{
	const char *a = name("missing");
	SECTION("missing object");
	vals2(a, "", "", 10);
	keys2(a, "", 10);
	rados_omap_iter_t it = NULL;
	int rval = 99;
	const char *keys[] = { "a" };
	rados_read_op_t r = rados_create_read_op();
	rados_read_op_omap_get_vals_by_keys(r, keys, 1, &it, &rval);
	R(rados_read_op_operate(r, io, a, 0));
	SAY("  by keys: rval %d", rval);
	drain2(it);
	rados_release_read_op(r);
	rados_write_op_t op = rados_create_write_op();
	rados_write_op_omap_rm_keys(op, keys, 1);
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	R(rados_stat(io, a, NULL, NULL));
	op = rados_create_write_op();
	rados_write_op_omap_clear(op);
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	R(rados_stat(io, a, NULL, NULL));
	op = rados_create_write_op();
	rados_write_op_omap_rm_range2(op, "a", 1, "z", 1);
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	R(rados_stat(io, a, NULL, NULL));
	R(set(a, NULL, 0));
	R(rados_stat(io, a, NULL, NULL));
	rados_remove(io, a);
}

static void getting(void)
{
	const char *a = name("g");
	static const struct pair pairs[] = {
		{ "b", 1, "bee", 3 }, { "a", 1, "ay", 2 }, { "ab", 2, "", 0 }, { "a\0b", 3, "n\0l", 3 }, { "c", 1, "see", 3 },
		{ "ca", 2, "x", 1 }, { "cb", 2, "y", 1 }, { "\xff\xfe", 2, "high", 4 }, { "B", 1, "upper", 5 },
	};
	SECTION("set2 creates; vals2, keys2");
	R(set(a, pairs, COUNT(pairs)));
	uint64_t size = 99;
	R(rados_stat(io, a, &size, NULL));
	SAY("size %" PRIu64, size);
	vals2(a, "", "", 100);
	vals2(a, NULL, NULL, 100);
	keys2(a, "", 100);
	keys2(a, NULL, 100);
	SECTION("paging");
	vals2(a, "", "", 1);
	vals2(a, "a", "", 2);
	vals2(a, "aa", "", 2);
	vals2(a, "cb", "", 100);
	vals2(a, "zzz", "", 1);
	vals2(a, "\xff\xfe", "", 1);
	vals2(a, "", "", COUNT(pairs));
	vals2(a, "", "", 0);
	keys2(a, "b", 2);
	keys2(a, "", 0);
	keys2(a, "\xff\xfe", 5);
	SECTION("prefix");
	vals2(a, "", "c", 100);
	vals2(a, "", "c", 3);
	vals2(a, "", "c", 2);
	vals2(a, "c", "c", 100);
	vals2(a, "a", "c", 100);
	vals2(a, "cb", "c", 100);
	vals2(a, "d", "c", 100);
	vals2(a, "", "nothing", 100);
	SECTION("the older forms");
	rados_omap_iter_t it = NULL;
	int rval = 99;
	rados_read_op_t op = rados_create_read_op();
	rados_read_op_omap_get_vals(op, "", "", 3, &it, &rval);
	R(rados_read_op_operate(op, io, a, 0));
	SAY("  rval %d", rval);
	drain1(it);
	rados_release_read_op(op);
	op = rados_create_read_op();
	rados_read_op_omap_get_keys(op, "ab", 3, &it, &rval);
	R(rados_read_op_operate(op, io, a, 0));
	SAY("  rval %d", rval);
	drain1(it);
	rados_release_read_op(op);
	SECTION("by keys: what is missing is left out");
	const char *keys[] = { "c", "none", "a", "a", "ab" };
	op = rados_create_read_op();
	rados_read_op_omap_get_vals_by_keys(op, keys, COUNT(keys), &it, &rval);
	R(rados_read_op_operate(op, io, a, 0));
	SAY("  rval %d", rval);
	drain2(it);
	rados_release_read_op(op);
	const char *keys2b[] = { "a\0b", "a\0c", "b" };
	const size_t lens[] = { 3, 3, 1 };
	op = rados_create_read_op();
	rados_read_op_omap_get_vals_by_keys2(op, keys2b, COUNT(keys2b), lens, &it, &rval);
	R(rados_read_op_operate(op, io, a, 0));
	SAY("  rval %d", rval);
	drain2(it);
	rados_release_read_op(op);
	op = rados_create_read_op();
	rados_read_op_omap_get_vals_by_keys(op, keys, 0, &it, &rval);
	R(rados_read_op_operate(op, io, a, 0));
	SAY("  no keys at all: rval %d", rval);
	drain2(it);
	rados_release_read_op(op);
	SECTION("several in one read op");
	rados_omap_iter_t it2 = NULL, it3 = NULL;
	int rval2 = 99, rval3 = 99;
	unsigned char more = 9;
	op = rados_create_read_op();
	rados_read_op_omap_get_vals2(op, "", "", 2, &it, &more, &rval);
	rados_read_op_omap_get_keys2(op, "c", 1, &it2, NULL, &rval2);
	rados_read_op_omap_get_vals_by_keys(op, keys, 1, &it3, &rval3);
	R(rados_read_op_operate(op, io, a, 0));
	SAY("  rvals %d %d %d more %u", rval, rval2, rval3, more);
	drain2(it);
	drain2(it2);
	drain2(it3);
	rados_release_read_op(op);
	MUST(rados_remove(io, a));
}

static void removing(void)
{
	const char *a = name("r");
	static const char *const all[] = { "a", "b", "c", "d", "e", "f", "g" };
	static const struct { const char *from, *to; } ranges[] = { { "b", "d" }, { "d", "b" }, { "b", "b" }, { "", "c" }, { "c", "" }, { "x", "z" }, { "a", "zz" } };
	SECTION("remove a range: from the first, up to and without the last");
	for (size_t i = 0; i < COUNT(ranges); i++) {
		for (size_t j = 0; j < COUNT(all); j++)
			MUST(set1(a, all[j], "v"));
		SAY("range \"%s\" to \"%s\"", ranges[i].from, ranges[i].to);
		rados_write_op_t op = rados_create_write_op();
		rados_write_op_omap_rm_range2(op, ranges[i].from, strlen(ranges[i].from), ranges[i].to, strlen(ranges[i].to));
		int r = R(rados_write_op_operate(op, io, a, NULL, 0));
		rados_release_write_op(op);
		if (r == 0)
			keys2(a, "", 100);
	}
	SECTION("remove keys");
	rados_remove(io, a);
	for (size_t j = 0; j < COUNT(all); j++)
		MUST(set1(a, all[j], "v"));
	const char *some[] = { "b", "none", "d", "b" };
	rados_write_op_t op = rados_create_write_op();
	rados_write_op_omap_rm_keys(op, some, COUNT(some));
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	keys2(a, "", 100);
	struct pair nul = { "e\0e", 3, "v", 1 };
	MUST(set(a, &nul, 1));
	const char *nulkey[] = { "e\0e" };
	const size_t lens[] = { 3 };
	op = rados_create_write_op();
	rados_write_op_omap_rm_keys2(op, nulkey, lens, 1);
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	keys2(a, "", 100);
	SECTION("overwrite; set and remove in one list, both orders; clear");
	R(set1(a, "a", "a longer value"));
	vals2(a, "", "a", 1);
	const char *k[] = { "a" }, *v[] = { "again" };
	const size_t l[] = { 5 };
	op = rados_create_write_op();
	rados_write_op_omap_rm_keys(op, k, 1);
	rados_write_op_omap_set(op, k, v, l, 1);
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	vals2(a, "", "a", 1);
	op = rados_create_write_op();
	rados_write_op_omap_set(op, k, v, l, 1);
	rados_write_op_omap_rm_keys(op, k, 1);
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	vals2(a, "", "a", 1);
	op = rados_create_write_op();
	rados_write_op_omap_clear(op);
	rados_write_op_omap_set(op, k, v, l, 1);
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	keys2(a, "", 100);
	op = rados_create_write_op();
	rados_write_op_omap_clear(op);
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	keys2(a, "", 100);
	R(rados_stat(io, a, NULL, NULL));
	SECTION("data calls leave it alone, remove does not; the empty key");
	R(set1(a, "k", "v"));
	R(rados_write_full(io, a, "data", 4));
	R(rados_trunc(io, a, 0));
	keys2(a, "", 100);
	R(rados_remove(io, a));
	R(rados_write_full(io, a, "data", 4));
	keys2(a, "", 100);
	struct pair empty = { "", 0, "empty key", 9 };
	R(set(a, &empty, 1));
	vals2(a, "", "", 10);
	const char *ek[] = { "" };
	rados_omap_iter_t it = NULL;
	int rval = 99;
	rados_read_op_t r = rados_create_read_op();
	rados_read_op_omap_get_vals_by_keys(r, ek, 1, &it, &rval);
	R(rados_read_op_operate(r, io, a, 0));
	SAY("  rval %d", rval);
	drain2(it);
	rados_release_read_op(r);
	MUST(rados_remove(io, a));
}

static void many(void)
{
	const char *a = name("many");
	char keytext[3000][16];
	const char *keys[3000], *vals[3000];
	size_t lens[3000];
	SECTION("three thousand keys: one call gives at most osd_max_omap_entries_per_request");
	for (int i = 0; i < 3000; i++) {
		snprintf(keytext[i], sizeof keytext[i], "key%05d", i);
		keys[i] = keytext[i];
		vals[i] = "0123456789abcdef";
		lens[i] = 16;
	}
	rados_write_op_t op = rados_create_write_op();
	rados_write_op_omap_set(op, keys, vals, lens, 3000);
	R(rados_write_op_operate(op, io, a, NULL, 0));
	rados_release_write_op(op);
	static const uint64_t maxes[] = { 10, 1024, 1025, 5000, UINT64_MAX };
	for (size_t i = 0; i < COUNT(maxes); i++)
		for (int form = 0; form < 2; form++) {
			char after[32] = "";
			unsigned total = 0, calls = 0, first = 0;
			unsigned char more = 1;
			while (more && calls < 400) {
				rados_omap_iter_t it = NULL;
				int rval = 0;
				rados_read_op_t r = rados_create_read_op();
				if (form)
					rados_read_op_omap_get_keys2(r, after, maxes[i], &it, &more, &rval);
				else
					rados_read_op_omap_get_vals2(r, after, "", maxes[i], &it, &more, &rval);
				MUST(rados_read_op_operate(r, io, a, 0));
				rados_release_read_op(r);
				unsigned n = rados_omap_iter_size(it);
				char *key = NULL, *val = NULL;
				size_t klen, vlen;
				while (rados_omap_get_next2(it, &key, &val, &klen, &vlen) == 0 && key)
					snprintf(after, sizeof after, "%.*s", (int)klen, key);
				rados_omap_get_end(it);
				if (!calls++)
					first = n;
				total += n;
			}
			SAY("%s max %" PRIu64 ": %u in all, %u calls, the first gave %u", form ? "keys" : "vals", maxes[i], total, calls, first);
		}
	MUST(rados_remove(io, a));
}

static void comparing(void)
{
	const char *a = name("cmp");
	static const char *const values[] = { "m", "a", "z", "", "mm" };
	SECTION("omap_cmp with every operator");
	MUST(set1(a, "k", "m"));
	MUST(set1(a, "e", ""));
	for (int op = 0; op <= 7; op++)
		for (size_t i = 0; i < COUNT(values); i++) {
			int rval = 99, wrval = 99;
			rados_read_op_t r = rados_create_read_op();
			rados_read_op_omap_cmp(r, "k", (uint8_t)op, values[i], strlen(values[i]), &rval);
			int got = rados_read_op_operate(r, io, a, 0);
			rados_release_read_op(r);
			rados_write_op_t w = rados_create_write_op();
			rados_write_op_omap_cmp(w, "k", (uint8_t)op, values[i], strlen(values[i]), &wrval);
			rados_write_op_setxattr(w, "x", "y", 1);
			int wgot = rados_write_op_operate(w, io, a, NULL, 0);
			rados_release_write_op(w);
			SAY("op %d value \"%s\" against \"m\": read %d rval %d, write %d rval %d", op, values[i], got, rval, wgot, wrval);
		}
	SECTION("omap_cmp with a missing key, an empty value, a missing object");
	static const struct { const char *key; int op; const char *val; } odd[] = {
		{ "none", LIBRADOS_CMPXATTR_OP_EQ, "" }, { "none", LIBRADOS_CMPXATTR_OP_EQ, "a" }, { "none", LIBRADOS_CMPXATTR_OP_GT, "a" },
		{ "none", LIBRADOS_CMPXATTR_OP_LT, "a" }, { "e", LIBRADOS_CMPXATTR_OP_EQ, "" }, { "e", LIBRADOS_CMPXATTR_OP_LT, "a" },
		{ "e", LIBRADOS_CMPXATTR_OP_GT, "a" },
	};
	for (size_t i = 0; i < COUNT(odd); i++) {
		int rval = 99;
		rados_read_op_t r = rados_create_read_op();
		rados_read_op_omap_cmp2(r, odd[i].key, (uint8_t)odd[i].op, odd[i].val, strlen(odd[i].key), strlen(odd[i].val), &rval);
		SAY("key %s op %d value \"%s\"", odd[i].key, odd[i].op, odd[i].val);
		R(rados_read_op_operate(r, io, a, 0));
		SAY("  rval %d", rval);
		rados_release_read_op(r);
	}
	int rval = 99;
	rados_write_op_t w = rados_create_write_op();
	rados_write_op_omap_cmp2(w, "k", LIBRADOS_CMPXATTR_OP_EQ, "m", 1, 1, &rval);
	rados_write_op_setxattr(w, "x", "y", 1);
	R(rados_write_op_operate(w, io, name("none"), NULL, 0));
	SAY("  rval %d", rval);
	rados_release_write_op(w);
	R(rados_stat(io, name("none"), NULL, NULL));
	SECTION("two comparisons in one list, the second fails: nothing is done");
	w = rados_create_write_op();
	rados_write_op_omap_cmp(w, "k", LIBRADOS_CMPXATTR_OP_EQ, "m", 1, NULL);
	rados_write_op_write_full(w, "must not be seen", 16);
	rados_write_op_omap_cmp(w, "e", LIBRADOS_CMPXATTR_OP_EQ, "x", 1, NULL);
	R(rados_write_op_operate(w, io, a, NULL, 0));
	rados_release_write_op(w);
	uint64_t size = 99;
	R(rados_stat(io, a, &size, NULL));
	SAY("size %" PRIu64, size);
	MUST(rados_remove(io, a));
}

int main(int argc, char **argv)
{
	t_start(argc, argv);
	rados_t cluster = t_connect();
	io = t_ioctx(cluster);
	missing();
	getting();
	removing();
	many();
	comparing();
	rados_ioctx_destroy(io);
	rados_shutdown(cluster);
	return 0;
}
