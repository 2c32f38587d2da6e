/* mkpool POOL...: creates pools; one that is there already is fine. For the runner, not a transcript. */
#include <errno.h>
#include <rados/librados.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	rados_t cluster;
	int r = rados_create(&cluster, NULL);
	if (r == 0)
		r = rados_conf_read_file(cluster, NULL);
	if (r == 0)
		r = rados_connect(cluster);
	for (int i = 1; i < argc && r == 0; i++) {
		r = rados_pool_create(cluster, argv[i]);
		if (r == -EEXIST)
			r = 0;
	}
	if (r)
		fprintf(stderr, "mkpool: %d\n", r);
	else
		rados_shutdown(cluster);
	return r != 0;
}
