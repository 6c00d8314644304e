/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For the guest tests: attaches memcg_bpf_ops to a cgroup and detaches them again, over and over, with the cgroups below it entered as calls
 * that are delayed as soon as they hold anything.
 *
 *     memcg_cycle PIN_DIR CYCLES DELAY_MS CGROUP_DIR CALL_DIR...
 *
 * Exit status: 0: all cycles worked; 1: one did not; 2: it could not be loaded.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/host/memcg_run.h"

static int add_call(struct acg_bpf *bpf, const char *dir, GError **error)
{
	struct acg_group_entry entry = {.kind = ACG_KIND_CALL, .memory_grant = 1};
	struct stat st;

	if (stat(dir, &st) < 0)
		return acg_fail_errno(error, errno, "%s", dir);
	entry.agent = st.st_ino;
	return acg_bpf_group_update(bpf, st.st_ino, &entry, error);
}

static int cycle(struct acg_memcg_ops *ops, const char *dir, int cycles, GError **error)
{
	int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
	struct stat st;

	if (dirfd < 0 || fstat(dirfd, &st) < 0)
		return acg_fail_errno(error, errno, "%s", dir);
	while (cycles-- > 0 && rc == 0) {
		rc = acg_memcg_ops_attach(ops, dirfd, error);
		if (rc == 0)
			rc = acg_memcg_ops_detach(ops, st.st_ino, error);
	}
	close(dirfd);
	return rc;
}

static int run(struct acg_bpf *bpf, struct acg_memcg_ops *ops, char **argv, GError **error)
{
	const struct acg_memory_figures figures = {
		.enabled = 1, .delay_ms = atoi(argv[3]), .delay_max_ms = 2000};
	int i, rc = acg_memcg_ops_figures(ops, &figures, error);

	for (i = 5; argv[i] && rc == 0; i++)
		rc = add_call(bpf, argv[i], error);
	if (rc == 0)
		rc = cycle(ops, argv[4], atoi(argv[2]), error);
	return rc;
}

int main(int argc, char **argv)
{
	int status;

	if (argc < 5) {
		fprintf(stderr,
			"usage: memcg_cycle PIN_DIR CYCLES DELAY_MS CGROUP_DIR CALL_DIR...\n");
		return 2;
	}
	status = memcg_run(argv, run);
	if (status == 0)
		printf("%s cycles\n", argv[2]);
	return status;
}
