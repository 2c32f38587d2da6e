/* Images with a data pool: what a creation takes and refuses, ids and features. `NAME POOL SUFFIX DATA_POOL`; DATA_POOL is
 * erasure-coded, with overwrites. */
#include "../t_rbd.h"

static rados_t cluster;
static rados_ioctx_t io;

static int make(const char *image, const char *data_pool)
{
	rbd_image_options_t options;
	rbd_image_options_create(&options);
	if (data_pool)
		MUST(rbd_image_options_set_string(options, RBD_IMAGE_OPTION_DATA_POOL, data_pool));
	int r = rbd_create4(io, image, 16 * MIB, options);
	rbd_image_options_destroy(options);
	return r;
}

static void look(const char *image, const char *data_pool)
{
	rbd_image_t img;
	MUST(rbd_open(io, image, &img, NULL));
	int64_t own = rados_ioctx_get_id(io), data = MUST(rados_pool_lookup(cluster, data_pool));
	int64_t id = rbd_get_data_pool_id(img);
	uint64_t features = 0;
	MUST(rbd_get_features(img, &features));
	SAY("  data pool %s, feature %s", id == data ? "as asked" : id == own ? "the image's own" : "another one",
	    features & RBD_FEATURE_DATA_POOL ? "set" : "not set");
	static char out[8192], in[8192];
	memset(out, 'd', sizeof out);
	R(rbd_write(img, 4096, sizeof out, out));
	R(rbd_flush(img));
	R(rbd_read(img, 4096, sizeof in, in));
	SAY("  %s", memcmp(out, in, sizeof in) ? "differs" : "as written");
	MUST(rbd_close(img));
}

/* Options of new images are fixed when a client connects. */
static void reconnect(const char *default_data_pool)
{
	rados_ioctx_destroy(io);
	rados_shutdown(cluster);
	MUST(rados_create(&cluster, NULL));
	MUST(rados_conf_read_file(cluster, NULL));
	if (default_data_pool)
		MUST(rados_conf_set(cluster, "rbd_default_data_pool", default_data_pool));
	MUST(rados_connect(cluster));
	io = t_ioctx(cluster);
}

int main(int argc, char **argv)
{
	t_start(argc, argv);
	if (argc < 4)
		return 2;
	const char *data_pool = argv[3];
	cluster = t_connect();
	io = t_ioctx(cluster);

	SECTION("option of the creation");
	R(make(name("a"), data_pool));
	look(name("a"), data_pool);
	R(make(name("b"), NULL));
	look(name("b"), data_pool);
	R(make(name("c"), t_pool));
	look(name("c"), data_pool);
	R(make(name("d"), "no such pool"));

	SECTION("rbd_default_data_pool");
	reconnect(data_pool);
	R(make(name("e"), NULL));
	look(name("e"), data_pool);
	reconnect("no such pool");
	R(make(name("f"), NULL));
	reconnect(NULL);

	SECTION("erasure-coded as the image's own pool");
	rados_ioctx_t own = io;
	MUST(rados_ioctx_create(cluster, data_pool, &io));
	R(make(name("g"), NULL));
	rados_ioctx_destroy(io);
	io = own;

	SECTION("removal");
	const char *made[] = { "a", "b", "c", "e" };
	for (size_t i = 0; i < COUNT(made); i++)
		R(rbd_remove(io, name(made[i])));
	rados_ioctx_destroy(io);
	rados_shutdown(cluster);
	return 0;
}
