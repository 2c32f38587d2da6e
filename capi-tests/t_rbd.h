/* For the programs about images: opening, closing, filling and showing them. */
#ifndef LOGRBD_CAPI_TESTS_T_RBD_H
#define LOGRBD_CAPI_TESTS_T_RBD_H

#include "t.h"
#include <rbd/librbd.h>

#define MIB (1024ull * 1024)

/* A small image with the features that both libraries have by default. */
static T_UNUSED void image_make(rados_ioctx_t io, const char *image, uint64_t size)
{
	int order = 22;
	MUST(rbd_create2(io, image, size, RBD_FEATURE_LAYERING | RBD_FEATURE_EXCLUSIVE_LOCK, &order));
}

static T_UNUSED rbd_image_t image_open(rados_ioctx_t io, const char *image)
{
	rbd_image_t out;
	MUST(rbd_open(io, image, &out, NULL));
	return out;
}

static T_UNUSED void image_drop(rados_ioctx_t io, const char *image)
{
	int r = rbd_remove(io, image);
	if (r && r != -ENOENT)
		SAY("removing %s: -%s", unname(image), t_errname(r));
}

/* Reads a range and shows it run-length coded. */
static T_UNUSED void image_show(rbd_image_t image, uint64_t off, size_t len)
{
	char *data = malloc(len + 1), label[64];
	memset(data, '?', len + 1);
	ssize_t n = rbd_read(image, off, len, data);
	snprintf(label, sizeof label, "  %" PRIu64 "+%zu", off, len);
	if (n < 0)
		SAY("%s: -%s", label, t_errname(n));
	else
		show(label, data, (size_t)n);
	free(data);
}

#endif
