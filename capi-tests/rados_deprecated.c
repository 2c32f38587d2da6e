/* What is no longer supported, and what exists twice: rados_objects_list_*, rados_tmap_* and rados_ioctx_pool_stat.
 *
 * Both forms of a name are looked up: dlvsym() gives the one of LIBRADOS_14.2.0, dlsym() the plain one, as a program
 * from before the version gets it. rados_tmap_* stand in no header any more: their arguments are those of the headers
 * before 14.2, and the letters of an update are CEPH_OSD_TMAP_* of today's. */
#include "t.h"
#include <dlfcn.h>

typedef int tmap_write(rados_ioctx_t, const char *o, const char *buf, size_t len);
typedef int tmap_read(rados_ioctx_t, const char *o, char *buf, size_t len);
typedef int pool_stat(rados_ioctx_t, void *stats);

static rados_t cluster;
static rados_ioctx_t io;
static tmap_write *new_update, *old_update, *new_put, *old_put;
static tmap_read *new_get, *old_get;
static pool_stat *new_stat, *old_stat;

static void both(const char *symbol, void **new_form, void **old_form)
{
	*new_form = dlvsym(RTLD_DEFAULT, symbol, "LIBRADOS_14.2.0");
	*old_form = dlsym(RTLD_DEFAULT, symbol);
	if (!*new_form || !*old_form || *new_form == *old_form) {
		SAY("SETUP FAILED: %s has not two forms", symbol);
		exit(3);
	}
	SAY("%s has two forms", symbol);
}

static void objects_list(void)
{
	static const char mark[] = "mark";
	rados_list_ctx_t ctx = (rados_list_ctx_t)mark;
	const char *entry = mark, *key = mark;
	SECTION("rados_objects_list");
	MUST(rados_write_full(io, name("listed"), "1", 1));
	R(rados_objects_list_open(io, &ctx));
	SAY("  ctx untouched: %d", ctx == (rados_list_ctx_t)mark);
	R(rados_objects_list_get_pg_hash_position(ctx));
	R(rados_objects_list_seek(ctx, 0));
	R(rados_objects_list_seek(ctx, 12345));
	R(rados_objects_list_get_pg_hash_position(ctx));
	R(rados_objects_list_next(ctx, &entry, &key));
	R(rados_objects_list_next(ctx, &entry, NULL));
	SAY("  entry and key untouched: %d %d", entry == mark, key == mark);
	V(rados_objects_list_close(ctx));
	SECTION("rados_objects_list on a listing of rados_nobjects_list_open");
	MUST(rados_nobjects_list_open(io, &ctx));
	R(rados_objects_list_next(ctx, &entry, &key));
	R(rados_objects_list_seek(ctx, 77));
	R(rados_objects_list_get_pg_hash_position(ctx));
	V(rados_objects_list_close(ctx));
	const char *nspace;
	R(rados_nobjects_list_next(ctx, &entry, &key, &nspace));
	rados_nobjects_list_close(ctx);
	SECTION("rados_objects_list on nothing");
	R(rados_objects_list_open(NULL, NULL));
	R(rados_objects_list_get_pg_hash_position(NULL));
	R(rados_objects_list_seek(NULL, 5));
	R(rados_objects_list_next(NULL, NULL, NULL));
	V(rados_objects_list_close(NULL));
}

/* A buffer of lengths (32 bits, little endian) and bytes. */
struct packed {
	char at[400];
	size_t len;
};

static void letter(struct packed *p, char c)
{
	p->at[p->len++] = c;
}

static void number(struct packed *p, uint32_t n)
{
	for (int i = 0; i < 4; i++)
		letter(p, (char)(n >> (8 * i)));
}

static void text(struct packed *p, const char *s)
{
	number(p, (uint32_t)strlen(s));
	while (*s)
		letter(p, *s++);
}

static void part(struct packed *p, char op, const char *key, const char *value)
{
	letter(p, op);
	text(p, key);
	if (value)
		text(p, value);
}

static struct packed update(char op, const char *key, const char *value)
{
	struct packed p = { "", 0 };
	part(&p, op, key, value);
	return p;
}

static void content(const char *o)
{
	char buf[500];
	int r = R(rados_read(io, o, buf, sizeof buf, 0));
	if (r >= 0)
		show("  content", buf, (size_t)r);
}

static void tmap_new(void)
{
	const char *o = name("new");
	char buf[64];
	memset(buf, '#', sizeof buf);
	struct packed set = update(CEPH_OSD_TMAP_SET, "key", "value"), map = { "", 0 };
	text(&map, "header");
	number(&map, 0);
	SECTION("rados_tmap of LIBRADOS_14.2.0, no object");
	R(new_update(io, o, set.at, set.len));
	R(new_put(io, o, map.at, map.len));
	R(new_get(io, o, buf, sizeof buf));
	show("  buf", buf, sizeof buf);
	content(o);
	SECTION("rados_tmap of LIBRADOS_14.2.0, an object");
	MUST(rados_write_full(io, o, map.at, map.len));
	R(new_update(io, o, set.at, set.len));
	R(new_put(io, o, map.at, map.len));
	R(new_get(io, o, buf, sizeof buf));
	show("  buf", buf, sizeof buf);
	content(o);
	SECTION("rados_tmap of LIBRADOS_14.2.0, nothing");
	R(new_update(NULL, NULL, NULL, 0));
	R(new_put(NULL, NULL, NULL, 0));
	R(new_get(NULL, NULL, NULL, 0));
}

/* One update of many parts: "sk=v" sets, "ck=v" creates, "rk" removes, "hv" is a header. */
static void many(const char *o, const char *parts)
{
	struct packed p = { "", 0 };
	char words[100];
	snprintf(words, sizeof words, "%s", parts);
	for (char *rest, *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		char *value = strchr(word, '=');
		if (value)
			*value++ = 0;
		part(&p, word[0], word + 1, value);
	}
	SAY("%s", parts);
	R(old_update(io, o, p.at, p.len));
	content(o);
}

static void tmap_old(void)
{
	const char *o = name("old");
	char buf[200];
	memset(buf, '#', sizeof buf);
	struct packed map = { "", 0 }, set = update(CEPH_OSD_TMAP_SET, "b", "2");
	text(&map, "header");
	number(&map, 1);
	text(&map, "a");
	text(&map, "1");
	SECTION("the plain rados_tmap_get");
	int r = R(old_get(io, o, buf, 64));
	show("  buf", buf, 64);
	MUST(rados_write_full(io, name("bytes"), "0123456789", 10));
	R(old_get(io, name("bytes"), buf, 64));
	R(old_get(io, name("bytes"), buf, 4));
	show("  buf", buf, 64);
	SECTION("the plain rados_tmap_put");
	R(old_put(io, o, map.at, map.len));
	content(o);
	r = R(old_get(io, o, buf, sizeof buf));
	if (r >= 0)
		show("  got", buf, (size_t)r);
	struct packed odd = { "", 0 };
	text(&odd, "");
	number(&odd, 4);
	text(&odd, "m"), text(&odd, "1");
	text(&odd, "c"), text(&odd, "2");
	text(&odd, "m"), text(&odd, "3");
	text(&odd, ""), text(&odd, "4");
	text(&odd, "what follows");
	R(old_put(io, name("odd"), odd.at, odd.len));
	content(name("odd"));
	MUST(rados_write_full(io, name("longer"), "a content that is longer than the map, which takes its place", 60));
	MUST(rados_setxattr(io, name("longer"), "x", "1", 1));
	R(old_put(io, name("longer"), map.at, map.len));
	content(name("longer"));
	R(rados_getxattr(io, name("longer"), "x", buf, sizeof buf));
	R(old_get(io, name("longer"), buf, 0));
	SECTION("the plain rados_tmap_update");
	R(old_update(io, o, set.at, set.len));
	content(o);
	set = update(CEPH_OSD_TMAP_SET, "a", "one");
	R(old_update(io, o, set.at, set.len));
	set = update(CEPH_OSD_TMAP_CREATE, "0", "zero");
	R(old_update(io, o, set.at, set.len));
	R(old_update(io, o, set.at, set.len));
	content(o);
	set = update(CEPH_OSD_TMAP_RM, "b", NULL);
	R(old_update(io, o, set.at, set.len));
	R(old_update(io, o, set.at, set.len));
	set = update(CEPH_OSD_TMAP_HDR, "new header", NULL);
	R(old_update(io, o, set.at, set.len));
	content(o);
	set = update('?', "a", NULL);
	R(old_update(io, o, set.at, set.len));
	R(old_update(io, o, "s", 1));
	R(old_update(io, o, set.at, set.len - 1));
	R(old_update(io, o, "", 0));
	content(o);
	SECTION("the plain rados_tmap_update, many at once");
	many(o, "sm=1 sx=2 hh");
	many(o, "sx=2 sd=1");
	many(o, "sq=1 r!");
	many(o, "rd sd=new");
	many(o, "sn=1 sn=2");
	many(o, "sn=3");
	many(o, "rn");
	many(o, "rn sn=4");
	many(o, "sn=5 h2 sn=6");
	many(o, "sm=1 sm=2");
	many(o, "sp=1 cp=2");
	many(o, "sp=1 rp");
	many(o, "ra ra");
	many(o, "sz=1 su=1 su=2");
	many(o, "sz=1 cv=1 cv=2");
	many(o, "sz=1 cw=1 rw");
	many(o, "sz=1 rw");
	many(o, "h3 sz=2");
	many(o, "sz=3 h4");
	many(o, "sz=4 ?a");
	many(o, "h5 h6");
	many(o, "sr=1 sr=2 h7");
	many(o, "h8 st=1 st=2");
	many(o, "sz=5 ca=1");
	many(o, "sz=5 cb=1");
	many(o, "sz=5 h9 rz");
	many(o, "sz=5 sb=1 ?a");
	many(o, "sa=5 hz");
	many(o, "sz=5 ra hz1 hz2");
	many(o, "h cc=1 ca=1");
	SECTION("the plain rados_tmap_update, other objects");
	many(name("none"), "sk=v");
	many(name("none2"), "");
	many(name("none3"), "rk");
	struct packed unsorted = { "", 0 };
	text(&unsorted, "");
	number(&unsorted, 3);
	text(&unsorted, "m"), text(&unsorted, "1");
	text(&unsorted, "c"), text(&unsorted, "2");
	text(&unsorted, "x"), text(&unsorted, "3");
	text(&unsorted, "what follows");
	MUST(rados_write_full(io, name("unsorted"), unsorted.at, unsorted.len));
	many(name("unsorted"), "sn=1");
	MUST(rados_write_full(io, name("unsorted"), unsorted.at, unsorted.len));
	many(name("unsorted"), "sc=1");
	MUST(rados_write_full(io, name("empty"), "", 0));
	many(name("empty"), "sk=v");
}

enum { THREADS = 4, UPDATES = 10 };

static void *updates(void *arg)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	for (int i = 0; i < UPDATES; i++) {
		char key[2] = { letters[(intptr_t)arg * UPDATES + i], 0 };
		struct packed p = update(CEPH_OSD_TMAP_CREATE, key, "1");
		MUST(old_update(io, "tmap-together", p.at, p.len));
	}
	return NULL;
}

static void tmap_together(void)
{
	pthread_t threads[THREADS];
	SECTION("the plain rados_tmap_update, four threads on one object");
	for (intptr_t i = 0; i < THREADS; i++)
		MUST(-pthread_create(&threads[i], NULL, updates, (void *)i));
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	char buf[1000];
	int r = R(old_get(io, "tmap-together", buf, sizeof buf));
	show("  got", buf, r < 0 ? 0 : (size_t)r);
	MUST(rados_remove(io, "tmap-together"));
}

enum { WORDS = 24 };
#define SENTINEL UINT64_C(0xa5a5a5a5a5a5a5a5)

static void fill(uint64_t *words)
{
	for (int i = 0; i < WORDS; i++)
		words[i] = SENTINEL;
}

static int written(const uint64_t *words)
{
	int n = 0;
	while (n < WORDS && words[n] != SENTINEL)
		n++;
	for (int i = n; i < WORDS; i++)
		if (words[i] != SENTINEL)
			return -1;
	return n;
}

static void pool_stats(void)
{
	const char *pool = name("stat");
	uint64_t new_words[WORDS], old_words[WORDS], again[WORDS];
	struct rados_pool_stat_t ps;
	char buf[2000];
	rados_ioctx_t at;
	SECTION("rados_ioctx_pool_stat, how many numbers");
	SAY("the structure has %zu", sizeof ps / sizeof(uint64_t));
	MUST(rados_pool_create(cluster, pool));
	MUST(rados_ioctx_create(cluster, pool, &at));
	fill(new_words);
	R(new_stat(at, new_words));
	SAY("  written: %d", written(new_words));
	fill(old_words);
	R(old_stat(at, old_words));
	SAY("  written: %d", written(old_words));
	SECTION("rados_ioctx_pool_stat, the numbers");
	memset(buf, 'x', sizeof buf);
	for (int i = 0; i < 5; i++) {
		char o[16];
		snprintf(o, sizeof o, "o%d", i);
		MUST(rados_write_full(at, o, buf, 10));
	}
	MUST(rados_write_full(at, "large", buf, sizeof buf));
	for (int i = 0; i < 3; i++)
		MUST(rados_read(at, "o1", buf, 10, 0));
	MUST(rados_read(at, "large", buf, sizeof buf, 0));
	/* Ceph's numbers come late: ask until they are there. A store that counts no writes counts no reads. */
	uint64_t until = now_ms() + 60000;
	do {
		poll(NULL, 0, 200);
		MUST(new_stat(at, &ps));
	} while ((ps.num_objects != 6 || (ps.num_wr && ps.num_rd < 4)) && now_ms() < until);
	SAY("objects %" PRIu64 ", clones %" PRIu64 ", copies %" PRIu64, ps.num_objects, ps.num_object_clones, ps.num_object_copies);
	SAY("missing on primary %" PRIu64 ", unfound %" PRIu64 ", degraded %" PRIu64, ps.num_objects_missing_on_primary,
	    ps.num_objects_unfound, ps.num_objects_degraded);
	SAY("reads %" PRIu64 ", KB %" PRIu64 "; writes %" PRIu64 ", KB %" PRIu64, ps.num_rd, ps.num_rd_kb, ps.num_wr, ps.num_wr_kb);
	SAY("user bytes %" PRIu64 ", compressed %" PRIu64 " %" PRIu64 " %" PRIu64, ps.num_user_bytes, ps.compressed_bytes_orig,
	    ps.compressed_bytes, ps.compressed_bytes_alloc);
	SAY("bytes at least user bytes: %d, KB is bytes in 1024, rounded up: %d", ps.num_bytes >= ps.num_user_bytes,
	    ps.num_kb == (ps.num_bytes + 1023) / 1024);
	/* Nothing goes on in the pool; should a late number come in between, once more. */
	do {
		fill(new_words);
		fill(old_words);
		fill(again);
		MUST(new_stat(at, new_words));
		MUST(old_stat(at, old_words));
		MUST(new_stat(at, again));
	} while (memcmp(new_words, again, sizeof again) && now_ms() < until);
	for (int i = 0; i < written(old_words); i++)
		if (old_words[i] != new_words[i])
			SAY("  number %d is another one in the plain form", i);
	SECTION("rados_ioctx_pool_stat, the pool is gone");
	MUST(rados_pool_delete(cluster, pool));
	MUST(rados_wait_for_latest_osdmap(cluster));
	fill(new_words);
	R(new_stat(at, new_words));
	SAY("  written: %d", written(new_words));
	fill(old_words);
	R(old_stat(at, old_words));
	SAY("  written: %d", written(old_words));
	R(old_get(at, "o1", buf, 10));
	struct packed set = update(CEPH_OSD_TMAP_SET, "k", "v");
	R(old_update(at, "o1", set.at, set.len));
	rados_ioctx_destroy(at);
}

int main(int argc, char **argv)
{
	t_start(argc, argv);
	SECTION("two forms");
	both("rados_tmap_update", (void **)&new_update, (void **)&old_update);
	both("rados_tmap_put", (void **)&new_put, (void **)&old_put);
	both("rados_tmap_get", (void **)&new_get, (void **)&old_get);
	both("rados_ioctx_pool_stat", (void **)&new_stat, (void **)&old_stat);
	cluster = t_connect();
	io = t_ioctx(cluster);
	objects_list();
	tmap_new();
	tmap_old();
	tmap_together();
	pool_stats();
	rados_ioctx_destroy(io);
	rados_shutdown(cluster);
	return 0;
}
