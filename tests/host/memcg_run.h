/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For programs that load the memory programs, do something with them, and take them off again. */
#ifndef AGENTCG_TESTS_HOST_MEMCG_RUN_H
#define AGENTCG_TESTS_HOST_MEMCG_RUN_H

#include <stdio.h>

#include "bpf/memcg.h"

typedef int (*memcg_run_fn)(struct acg_bpf *bpf, struct acg_memcg_ops *ops, char **argv,
			    GError **error);

/* argv[1] is the folder for pins. The exit status: 0; 1: `run` failed; 2: they could not be loaded. Errors are told. */
static inline int memcg_run(char **argv, memcg_run_fn run)
{
	g_autoptr(GError) error = NULL;
	struct acg_memcg_ops *ops = NULL;
	struct acg_bpf *bpf = NULL;
	int rc = acg_bpf_load(argv[1], &bpf, &error), status = 2;

	if (rc == 0)
		rc = acg_memcg_ops_load(bpf, &ops, &error);
	if (rc == 0) {
		rc = run(bpf, ops, argv, &error);
		status = rc < 0;
		acg_memcg_ops_detach_all(ops);
	}
	if (rc < 0)
		fprintf(stderr, "%s: %s\n", argv[0], error->message);
	acg_memcg_ops_free(ops);
	if (bpf)
		acg_bpf_unpin(bpf, NULL);
	acg_bpf_free(bpf);
	return status;
}

#endif
