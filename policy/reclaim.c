/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dropping what ended calls left in the page cache; see the header. */
#include "policy/reclaim.h"

#include <inttypes.h>
#include <stdio.h>

#include "policy/cgroupfs.h"

#define CHUNK        (8ull * 1024 * 1024) /* a request; between two of them others have their turn */
#define SCRAPE_EACH  (16ull * 1024)       /* for each dying cgroup: a page or two are left */
#define SCRAPE_LEAST (128ull * 1024)
#define SCRAPE_MOST  (4ull * 1024 * 1024)

uint64_t acg_reclaim_dying(int dirfd)
{
	uint64_t dying = 0;
	char buf[2048];

	if (acg_cgroup_read(dirfd, "cgroup.stat", buf, sizeof(buf), NULL) > 0)
		acg_cgroup_keyed(buf, "nr_dying_descendants", &dying);
	return dying;
}

/* Shared memory is counted as file, but there is nowhere to drop it to. */
static uint64_t page_cache(int dirfd)
{
	g_autofree char *buf = g_malloc(8192);
	uint64_t file = 0, shmem = 0;

	if (acg_cgroup_read(dirfd, "memory.stat", buf, 8192, NULL) <= 0)
		return 0;
	acg_cgroup_keyed(buf, "file", &file);
	acg_cgroup_keyed(buf, "shmem", &shmem);
	return file - MIN(file, shmem);
}

static int reclaim(int dirfd, uint64_t bytes)
{
	char text[64];
	int ret;

	/* Page cache only. Kernels that do not know the key refuse it. */
	snprintf(text, sizeof(text), "%" PRIu64 " swappiness=0", bytes);
	ret = acg_cgroup_write(dirfd, "memory.reclaim", text, NULL);
	return ret == -EINVAL ? acg_cgroup_write_u64(dirfd, "memory.reclaim", bytes, NULL) : ret;
}

void acg_reclaim_rest(int dirfd, uint64_t dying)
{
	uint64_t most = dying < ACG_RECLAIM_DYING ? ACG_RECLAIM_SMALL : ACG_RECLAIM_LARGE;
	uint64_t rest = page_cache(dirfd);

	if (rest > most)
		return;
	for (; rest; rest -= MIN(rest, CHUNK))
		if (reclaim(dirfd, MIN(rest, CHUNK)) < 0)
			return;
}

void acg_reclaim_bytes(int dirfd, uint64_t bytes)
{
	for (; bytes; bytes -= MIN(bytes, CHUNK)) {
		int ret = acg_cgroup_write_u64(dirfd, "memory.reclaim", MIN(bytes, CHUNK), NULL);

		if (ret < 0 && ret != -EAGAIN) /* that one: it got less than was asked for */
			return;
	}
}

bool acg_reclaim_scrape(int dirfd, unsigned int times)
{
	uint64_t before = acg_reclaim_dying(dirfd);

	if (!before)
		return false;
	reclaim(dirfd, MIN(MAX(before * SCRAPE_EACH, SCRAPE_LEAST) * times, SCRAPE_MOST));
	return acg_reclaim_dying(dirfd) < before;
}
