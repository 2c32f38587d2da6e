/* reftracker -i ID -p POOL -c CONF -r NAME -k K1,K2 -o add|rem
 *
 * Tracks references in one RADOS object: the tracked keys are its omap, their number stands in its data (a little-endian
 * u32), the version of this layout in the xattr "version". A key is counted once, however often it is added. Each
 * change reads the object together with its version, then sends one write op list that asserts that version, and begins
 * again when somebody else was faster. The object comes with the first key and goes with the last. */
#include <endian.h>
#include <errno.h>
#include <getopt.h>
#include <rados/librados.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_KEYS 256
static const char layout[] = "1";

struct state {
	uint64_t version; /* of the object */
	uint32_t count;
	bool present[MAX_KEYS];
};

/* The count, and which of the keys are there, from one moment. -ENOENT: no object, or not any more: S is of no use then. */
static int get(rados_ioctx_t io, const char *obj, const char *const *keys, const size_t *lens, size_t n, struct state *s)
{
	uint32_t raw = 0;
	size_t got = 0;
	int read_rval = 0, omap_rval = 0;
	rados_omap_iter_t it = NULL;
	memset(s, 0, sizeof *s);

	rados_read_op_t op = rados_create_read_op();
	rados_read_op_read(op, 0, sizeof raw, (char *)&raw, &got, &read_rval);
	rados_read_op_omap_get_vals_by_keys2(op, keys, n, lens, &it, &omap_rval);
	int r = rados_read_op_operate(op, io, obj, 0);
	rados_release_read_op(op);
	if (r == 0)
		r = read_rval ? read_rval : omap_rval;
	if (r == 0 && got != sizeof raw)
		r = -EBADMSG;
	if (r == 0) {
		s->version = rados_get_last_version(io);
		s->count = le32toh(raw);
		for (unsigned left = rados_omap_iter_size(it); left; left--) {
			char *key = NULL, *val = NULL;
			size_t klen = 0, vlen = 0;
			r = rados_omap_get_next2(it, &key, &val, &klen, &vlen);
			if (r || !key)
				break;
			for (size_t i = 0; i < n; i++)
				if (lens[i] == klen && !memcmp(keys[i], key, klen))
					s->present[i] = true;
		}
	}
	if (it)
		rados_omap_get_end(it);
	if (r)
		return r;
	/* The layout cannot change under us: the write asserts the version that was read above, and this xattr is
	 * written by the list that creates the object. A reader that meets a newer object retries. */
	char text[8];
	r = rados_getxattr(io, obj, "version", text, sizeof text);
	if (r < 0)
		return r;
	if (r != sizeof layout - 1 || memcmp(text, layout, sizeof layout - 1))
		return -EPROTONOSUPPORT;
	rados_read_op_t check = rados_create_read_op();
	rados_read_op_assert_version(check, s->version);
	r = rados_read_op_operate(check, io, obj, 0);
	rados_release_read_op(check);
	return r;
}

/* One attempt. -ERANGE, -EOVERFLOW, -EEXIST and -ENOENT mean that somebody else changed the object. */
static int change(rados_ioctx_t io, const char *obj, const char *const *keys, const size_t *lens, size_t n, bool add)
{
	struct state s;
	const char *todo[MAX_KEYS], *values[MAX_KEYS];
	size_t todo_lens[MAX_KEYS], value_lens[MAX_KEYS], count = 0;
	int r = get(io, obj, keys, lens, n, &s);
	bool absent = r == -ENOENT;
	if (absent) /* also when it vanished halfway: what was read until then counts for nothing */
		memset(&s, 0, sizeof s);
	if (absent && !add)
		return 0;
	if (r && !absent)
		return r;
	for (size_t i = 0; i < n; i++)
		if (s.present[i] != add) {
			todo[count] = keys[i];
			todo_lens[count] = lens[i];
			values[count] = "";
			value_lens[count++] = 0;
		}
	if (!count)
		return 0;

	uint32_t total = add ? s.count + (uint32_t)count : s.count - (uint32_t)count;
	uint32_t raw = htole32(total);
	rados_write_op_t op = rados_create_write_op();
	if (absent) {
		rados_write_op_create(op, LIBRADOS_CREATE_EXCLUSIVE, NULL);
		rados_write_op_setxattr(op, "version", layout, sizeof layout - 1);
	} else {
		rados_write_op_assert_version(op, s.version);
	}
	if (!add && total == 0) {
		rados_write_op_remove(op);
	} else {
		rados_write_op_write_full(op, (const char *)&raw, sizeof raw);
		if (add)
			rados_write_op_omap_set2(op, todo, values, todo_lens, value_lens, count);
		else
			rados_write_op_omap_rm_keys2(op, todo, todo_lens, count);
	}
	r = rados_write_op_operate(op, io, obj, NULL, 0);
	rados_release_write_op(op);
	/* Missing at the write: removed since it was read. */
	return r == -ENOENT ? -ERANGE : r;
}

static int change_until_done(rados_ioctx_t io, const char *obj, const char *const *keys, const size_t *lens, size_t n, bool add)
{
	for (;;) {
		int r = change(io, obj, keys, lens, n, add);
		if (r != -ERANGE && r != -EOVERFLOW && r != -EEXIST && r != -ENOENT)
			return r;
	}
}

static int fail(const char *what, int r)
{
	fprintf(stderr, "reftracker: %s: %s\n", what, strerror(-r));
	return 1;
}

int main(int argc, char **argv)
{
	const char *id = NULL, *pool = NULL, *conf = NULL, *obj = NULL, *what = NULL;
	char *list = NULL;
	for (int opt; (opt = getopt(argc, argv, "i:p:c:r:k:o:")) != -1;)
		switch (opt) {
		case 'i': id = optarg; break;
		case 'p': pool = optarg; break;
		case 'c': conf = optarg; break;
		case 'r': obj = optarg; break;
		case 'k': list = optarg; break;
		case 'o': what = optarg; break;
		default: return 2;
		}
	if (!pool || !obj || !list || !what || (strcmp(what, "add") && strcmp(what, "rem")) || optind != argc) {
		fprintf(stderr, "usage: reftracker -i ID -p POOL -c CONF -r NAME -k K1,K2 -o add|rem\n");
		return 2;
	}
	const char *keys[MAX_KEYS];
	size_t lens[MAX_KEYS], n = 0;
	for (char *save = NULL, *key = strtok_r(list, ",", &save); key; key = strtok_r(NULL, ",", &save)) {
		size_t i = 0;
		while (i < n && strcmp(keys[i], key))
			i++;
		if (i < n)
			continue;
		if (n == MAX_KEYS)
			return fail("keys", -E2BIG);
		keys[n] = key;
		lens[n++] = strlen(key);
	}
	if (!n)
		return fail("keys", -EINVAL);

	rados_t cluster;
	rados_ioctx_t io;
	int r = rados_create(&cluster, id);
	if (r)
		return fail("rados_create", r);
	r = rados_conf_read_file(cluster, conf);
	if (r == 0)
		r = rados_connect(cluster);
	if (r) {
		fail("connecting", r);
		rados_shutdown(cluster);
		return 1;
	}
	r = rados_ioctx_create(cluster, pool, &io);
	if (r) {
		fail(pool, r);
	} else {
		r = change_until_done(io, obj, keys, lens, n, !strcmp(what, "add"));
		if (r)
			fail(obj, r);
		rados_ioctx_destroy(io);
	}
	rados_shutdown(cluster);
	return r ? 1 : 0;
}
