/* Who has an image open, and being told that its header changed. */
#include "t_rbd.h"

static rados_ioctx_t io1, io2;

static void watchers(rbd_image_t img)
{
	rbd_image_watcher_t list[10];
	size_t max = 10;
	int r = rbd_watchers_list(img, list, &max);
	SAY("  watchers: %d, %zu", r, max);
	if (r == 0) {
		for (size_t i = 0; i < max; i++)
			if (!list[i].addr || !*list[i].addr || !list[i].id)
				SAY("  watcher %zu is not complete", i);
		rbd_watchers_list_cleanup(list, max);
	}
}

static void on_update(void *arg)
{
	event_set(arg);
}

int main(int argc, char **argv)
{
	t_start(argc, argv);
	rados_t c1 = t_connect(), c2 = t_connect();
	io1 = t_ioctx(c1);
	io2 = t_ioctx(c2);
	image_make(io1, name("img"), 10 * MIB);
	SECTION("watchers");
	rbd_image_t a = image_open(io1, name("img")), b, c;
	watchers(a);
	b = image_open(io2, name("img"));
	watchers(a);
	MUST(rbd_open_read_only(io2, name("img"), &c, NULL));
	watchers(a);
	watchers(c);
	R(rbd_close(c));
	rbd_image_watcher_t one[1];
	size_t max = 1;
	R(rbd_watchers_list(a, one, &max));
	SAY("max %zu", max);
	R(rbd_remove(io1, name("img")));
	SECTION("update_watch");
	struct event e = EVENT_INIT, f = EVENT_INIT;
	uint64_t handle = 0, other = 0;
	R(rbd_update_watch(a, &handle, on_update, &e));
	R(rbd_update_watch(b, &other, on_update, &f));
	R(rbd_resize(b, 20 * MIB));
	SAY("told of the resize: %d, the one who did it: %d", event_wait(&e, 1, 20000), event_wait(&f, 1, 20000));
	int before = e.count;
	R(rbd_snap_create(b, "s"));
	SAY("told of the snapshot: %d", event_wait(&e, before + 1, 20000));
	before = e.count;
	R(rbd_snap_remove(b, "s"));
	SAY("told of its removal: %d", event_wait(&e, before + 1, 20000));
	before = e.count;
	R(rbd_metadata_set(b, "k", "v"));
	R(rbd_write(b, 0, 1, "x"));
	R(rbd_flush(b));
	R(rbd_update_unwatch(a, handle));
	R(rbd_update_unwatch(b, other));
	before = e.count;
	R(rbd_resize(b, 10 * MIB));
	SAY("told after unwatch: %d", event_wait(&e, before + 1, 1000));
	R(rbd_close(b));
	watchers(a);
	R(rbd_close(a));
	R(rbd_remove(io1, name("img")));
	rados_ioctx_destroy(io1);
	rados_ioctx_destroy(io2);
	rados_shutdown(c1);
	rados_shutdown(c2);
	return 0;
}
