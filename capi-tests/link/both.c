/* Calls both libraries through the dynamic linker and prints what they answer. */
#include <rados/librados.h>
#include <rbd/librbd.h>
#include <stdio.h>

int main(void)
{
	int major = -1, minor = -1, extra = -1;

	rados_version(&major, &minor, &extra);
	printf("rados %d.%d.%d\n", major, minor, extra);
	rbd_version(&major, &minor, &extra);
	printf("rbd %d.%d.%d\n", major, minor, extra);
	/* A versioned symbol: ld.so aborts the program where the version is missing. */
	int (*volatile versioned)(rados_ioctx_t, struct rados_pool_stat_t *) = rados_ioctx_pool_stat;
	printf("%s\n", versioned ? "there" : "missing");
	return 0;
}
