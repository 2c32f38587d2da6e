/* Object listing: nobjects_list, namespaces, cursors, slices. Their order is the store's own, so that sorted sets are
 * compared, and of cursors what holds for each order. */
#include "t.h"

static rados_t cluster;
static rados_ioctx_t io;
enum { MANY = 150 };

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

struct names {
	char *at[1000];
	size_t n;
};

static void add(struct names *s, const char *nspace, const char *entry, const char *key)
{
	if (s->n < COUNT(s->at) && asprintf(&s->at[s->n], "%s/%s%s%s", nspace ? nspace : "", unname(entry), key ? " key " : "", key ? key : "") > 0)
		s->n++;
}

static void print(struct names *s, bool all)
{
	size_t twice = 0;
	qsort(s->at, s->n, sizeof s->at[0], by_text);
	for (size_t i = 0; i < s->n; i++) {
		twice += i && !strcmp(s->at[i], s->at[i - 1]);
		if (all)
			SAY("  %s", s->at[i]);
	}
	SAY("  %zu objects, %zu twice", s->n, twice);
	for (size_t i = 0; i < s->n; i++)
		free(s->at[i]);
	s->n = 0;
}

static void all(bool show_all)
{
	rados_list_ctx_t ctx;
	struct names s = { { 0 }, 0 };
	R(rados_nobjects_list_open(io, &ctx));
	const char *entry, *key, *nspace;
	int r;
	while ((r = rados_nobjects_list_next(ctx, &entry, &key, &nspace)) == 0)
		add(&s, nspace, entry, key);
	SAY("  end: -%s", t_errname(r));
	R(rados_nobjects_list_next(ctx, &entry, &key, &nspace));
	rados_nobjects_list_close(ctx);
	print(&s, show_all);
}

static void plain(void)
{
	SECTION("an empty pool");
	all(true);
	SECTION("one namespace, and all");
	MUST(rados_write_full(io, "a", "1", 1));
	MUST(rados_write_full(io, "b", "1", 1));
	rados_ioctx_set_namespace(io, "ns1");
	MUST(rados_write_full(io, "a", "1", 1));
	MUST(rados_write_full(io, "c", "1", 1));
	rados_ioctx_set_namespace(io, "ns2");
	MUST(rados_write_full(io, "d", "1", 1));
	rados_ioctx_locator_set_key(io, "loc");
	MUST(rados_write_full(io, "e", "1", 1));
	rados_ioctx_locator_set_key(io, NULL);
	all(true);
	rados_ioctx_set_namespace(io, "ns1");
	all(true);
	rados_ioctx_set_namespace(io, "none");
	all(true);
	rados_ioctx_set_namespace(io, "");
	all(true);
	rados_ioctx_set_namespace(io, LIBRADOS_ALL_NSPACES);
	all(true);
	SECTION("lengths: next2");
	rados_list_ctx_t ctx;
	rados_ioctx_set_namespace(io, "ns2");
	struct names s = { { 0 }, 0 };
	R(rados_nobjects_list_open(io, &ctx));
	const char *entry, *key, *nspace;
	size_t entry_len, key_len, nspace_len;
	while (rados_nobjects_list_next2(ctx, &entry, &key, &nspace, &entry_len, &key_len, &nspace_len) == 0) {
		char text[200];
		snprintf(text, sizeof text, "%s(%zu)", entry, entry_len);
		add(&s, nspace, text, key);
		if (key_len != (key ? strlen(key) : 0) || nspace_len != strlen(nspace))
			SAY("  lengths are wrong: %zu %zu", key_len, nspace_len);
	}
	rados_nobjects_list_close(ctx);
	print(&s, true);
	SECTION("next without places for key and namespace");
	R(rados_nobjects_list_open(io, &ctx));
	R(rados_nobjects_list_next(ctx, &entry, NULL, NULL));
	R(rados_nobjects_list_next(ctx, &entry, &key, NULL));
	R(rados_nobjects_list_next(ctx, &entry, NULL, NULL));
	rados_nobjects_list_close(ctx);
	rados_ioctx_set_namespace(io, "");
}

static void many(void)
{
	char obj[32];
	SECTION("a hundred and fifty, some removed again");
	rados_ioctx_set_namespace(io, "many");
	for (int i = 0; i < MANY; i++) {
		snprintf(obj, sizeof obj, "obj%04d", i);
		MUST(rados_write_full(io, obj, "x", 1));
	}
	all(false);
	for (int i = 0; i < MANY; i += 3) {
		snprintf(obj, sizeof obj, "obj%04d", i);
		MUST(rados_remove(io, obj));
	}
	all(false);
	SECTION("positions");
	rados_list_ctx_t ctx;
	const char *entry;
	char first[32] = "";
	R(rados_nobjects_list_open(io, &ctx));
	MUST(rados_nobjects_list_next(ctx, &entry, NULL, NULL));
	snprintf(first, sizeof first, "%s", entry);
	unsigned n = 1;
	while (rados_nobjects_list_next(ctx, &entry, NULL, NULL) == 0)
		n++;
	SAY("listed %u", n);
	RS(rados_nobjects_list_seek(ctx, 0));
	MUST(rados_nobjects_list_next(ctx, &entry, NULL, NULL));
	SAY("after a seek to 0 the first again: %d", !strcmp(first, entry));
	rados_nobjects_list_close(ctx);
	/* A cursor names the object that was given last: after seeking to it, that one comes again, then those after it. */
	for (unsigned skip = 0; skip < 100; skip += 33) {
		rados_object_list_cursor cursor = NULL, later = NULL;
		char seen[101][32] = { "" };
		MUST(rados_nobjects_list_open(io, &ctx));
		for (unsigned i = 0; i < skip; i++) {
			MUST(rados_nobjects_list_next(ctx, &entry, NULL, NULL));
			snprintf(seen[0], sizeof seen[0], "%s", entry);
		}
		MUST(rados_nobjects_list_get_cursor(ctx, &cursor));
		unsigned given = skip ? 1 : 0;
		for (n = given; n < 100 + given - skip && rados_nobjects_list_next(ctx, &entry, NULL, NULL) == 0; n++)
			snprintf(seen[n], sizeof seen[n], "%s", entry);
		MUST(rados_nobjects_list_get_cursor(ctx, &later));
		SAY("skipped %u, then %u and the last one skipped; the later cursor is not smaller: %d", skip, n, rados_object_list_cursor_cmp(io, cursor, later) <= 0);
		rados_nobjects_list_seek_cursor(ctx, cursor);
		unsigned same = 0, again = 0;
		while (rados_nobjects_list_next(ctx, &entry, NULL, NULL) == 0) {
			same += again < n && !strcmp(seen[again], entry);
			again++;
		}
		SAY("  after seeking back: %u, in the same order %u", again, same);
		rados_object_list_cursor_free(io, cursor);
		rados_object_list_cursor_free(io, later);
		rados_nobjects_list_close(ctx);
	}
}

/* Everything from one cursor to another. The last argument of rados_object_list must be a cursor already. */
static void walk(rados_object_list_cursor from, rados_object_list_cursor to, struct names *s)
{
	rados_object_list_item items[20];
	rados_object_list_cursor at = rados_object_list_begin(io), next = rados_object_list_begin(io), copy_from = from;
	unsigned over = 0;
	for (unsigned calls = 0; calls < 500; calls++) {
		memset(items, 0, sizeof items);
		int n = rados_object_list(io, copy_from, to, COUNT(items), NULL, 0, items, &next);
		if (n < 0) {
			R(n);
			break;
		}
		over += (size_t)n > COUNT(items);
		for (int i = 0; i < n; i++)
			add(s, items[i].nspace, items[i].oid, items[i].locator && *items[i].locator ? items[i].locator : NULL);
		rados_object_list_free(COUNT(items), items);
		rados_object_list_cursor swap = at;
		copy_from = at = next;
		next = swap;
		if (rados_object_list_is_end(io, at) || rados_object_list_cursor_cmp(io, at, to) >= 0)
			break;
	}
	if (over)
		SAY("  more than was asked for: %u times", over);
	rados_object_list_cursor_free(io, at);
	rados_object_list_cursor_free(io, next);
}

static void slices(void)
{
	SECTION("object_list from begin to end");
	rados_object_list_cursor begin = rados_object_list_begin(io), end = rados_object_list_end(io);
	SAY("begin is at the end: %d, end is: %d", rados_object_list_is_end(io, begin), rados_object_list_is_end(io, end));
	SAY("begin before end: %d, itself: %d", rados_object_list_cursor_cmp(io, begin, end) < 0, rados_object_list_cursor_cmp(io, begin, begin));
	struct names s = { { 0 }, 0 };
	walk(begin, end, &s);
	print(&s, false);
	SECTION("slices have no gap and no overlap");
	for (unsigned parts = 1; parts <= 7; parts += 3) {
		unsigned wrong = 0;
		rados_object_list_cursor from = rados_object_list_begin(io), to = rados_object_list_begin(io), last = rados_object_list_begin(io);
		for (unsigned i = 0; i < parts; i++) {
			rados_object_list_slice(io, begin, end, i, parts, &from, &to);
			wrong += rados_object_list_cursor_cmp(io, from, to) > 0;
			wrong += rados_object_list_cursor_cmp(io, last, from) != 0;
			walk(from, to, &s);
			rados_object_list_cursor swap = last;
			last = to;
			to = swap;
		}
		wrong += rados_object_list_cursor_cmp(io, last, end) != 0;
		SAY("%u slices, out of order: %u", parts, wrong);
		print(&s, false);
		rados_object_list_cursor_free(io, from);
		rados_object_list_cursor_free(io, to);
		rados_object_list_cursor_free(io, last);
	}
	rados_object_list_cursor_free(io, begin);
	rados_object_list_cursor_free(io, end);
}

int main(int argc, char **argv)
{
	t_start(argc, argv);
	cluster = t_connect();
	MUST(rados_pool_create(cluster, name("list")));
	MUST(rados_ioctx_create(cluster, name("list"), &io));
	plain();
	many();
	slices();
	rados_ioctx_destroy(io);
	MUST(rados_pool_delete(cluster, name("list")));
	rados_shutdown(cluster);
	return 0;
}
