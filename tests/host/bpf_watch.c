/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For the host tests: loads the monitor, enters the cgroup directories that are named into the map as calls, says
 * "ready", then prints each event as a line, until COUNT events have come or SECONDS have passed.
 *
 *     bpf_watch PIN_DIR COUNT SECONDS CGROUP_DIR...
 *
 * Exit status: 0: COUNT events came, 1: fewer, 2: it could not be loaded.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "bpf/loader.h"

static void print_event(const struct acg_bpf_event *event, void *data)
{
	int *left = data;

	printf("type=%u cgroup=%" PRIu64 " pid=%u comm=%s vm=%" PRIu64 " anon=%" PRIu64
	       " file=%" PRIu64 " shmem=%" PRIu64 "\n",
	       event->type, (uint64_t)event->cgroup, event->pid, event->comm,
	       (uint64_t)event->total_vm_kib, (uint64_t)event->anon_rss_kib,
	       (uint64_t)event->file_rss_kib, (uint64_t)event->shmem_rss_kib);
	fflush(stdout);
	--*left;
}

static int add_group(struct acg_bpf *bpf, const char *dir, GError **error)
{
	struct acg_group_entry entry = {.kind = ACG_KIND_CALL, .memory_grant = ~0ULL};
	struct stat st;

	if (stat(dir, &st) < 0)
		return acg_fail_errno(error, errno, "%s", dir);
	entry.agent = st.st_ino;
	return acg_bpf_group_update(bpf, st.st_ino, &entry, error);
}

static int watch(struct acg_bpf *bpf, int count, int seconds, GError **error)
{
	gint64 end = g_get_monotonic_time() + seconds * G_USEC_PER_SEC;
	struct pollfd pfd = {.fd = acg_bpf_ring_fd(bpf), .events = POLLIN};
	int rc;

	while (count > 0 && g_get_monotonic_time() < end) {
		poll(&pfd, 1, 100);
		rc = acg_bpf_ring_consume(bpf, print_event, &count, error);
		if (rc < 0)
			return rc;
	}
	return count > 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;
	struct acg_bpf *bpf;
	int i, rc = 0;

	if (argc < 5) {
		fprintf(stderr, "usage: bpf_watch PIN_DIR COUNT SECONDS CGROUP_DIR...\n");
		return 2;
	}
	if (acg_bpf_load(argv[1], &bpf, &error) < 0) {
		fprintf(stderr, "bpf_watch: %s\n", error->message);
		return 2;
	}
	printf("%s\n", acg_bpf_state(bpf));
	for (i = 4; i < argc && rc == 0; i++)
		rc = add_group(bpf, argv[i], &error);
	if (rc == 0) {
		printf("ready\n");
		fflush(stdout);
		rc = watch(bpf, atoi(argv[2]), atoi(argv[3]), &error);
	}
	if (error)
		fprintf(stderr, "bpf_watch: %s\n", error->message);
	acg_bpf_free(bpf);
	return rc < 0 ? 2 : rc;
}
