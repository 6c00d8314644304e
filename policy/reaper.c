/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Removing ended calls' cgroups; see the header. */
#include "policy/reaper.h"

#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#include "policy/cgroupfs.h"

struct job {
	int parent_dirfd;
	int dirfd;
	char *name;
};

struct acg_reaper {
	GThread *thread;
	GMutex lock; /* held while a job is taken and while it is removed by name: a name is never removed twice */
	GCond wake;
	GQueue jobs; /* struct job, oldest first */
	bool quit;
	bool has_memory;
};

static void job_free(struct job *job)
{
	close(job->parent_dirfd);
	close(job->dirfd);
	g_free(job->name);
	g_free(job);
}

/* Drops a small rest of page cache. What cannot be dropped now (dirty pages) stays. */
static void reclaim_rest(const struct job *job)
{
	uint64_t rest = 0;

	if (acg_cgroup_read_u64(job->dirfd, "memory.current", &rest, NULL) == 0 && rest > 0 &&
	    rest <= ACG_REAPER_RECLAIM)
		acg_cgroup_write_u64(job->dirfd, "memory.reclaim", rest, NULL);
}

static void remove_first(struct acg_reaper *reaper)
{
	struct job *job = g_queue_pop_head(&reaper->jobs);

	if (!job)
		return;
	acg_cgroup_remove(job->parent_dirfd, job->name, NULL);
	job_free(job);
}

static void *reap(void *data)
{
	struct acg_reaper *reaper = data;

	g_mutex_lock(&reaper->lock);
	while (!reaper->quit) {
		struct job *job = g_queue_peek_head(&reaper->jobs);
		struct job copy;

		if (!job) {
			g_cond_wait(&reaper->wake, &reaper->lock);
			continue;
		}
		if (reaper->has_memory) { /* reclaiming may take long: not under the lock, and on a descriptor of our own */
			copy = (struct job){.dirfd = fcntl(job->dirfd, F_DUPFD_CLOEXEC, 0)};
			g_mutex_unlock(&reaper->lock);
			reclaim_rest(&copy);
			close(copy.dirfd);
			g_mutex_lock(&reaper->lock);
			if (g_queue_peek_head(&reaper->jobs) != job)
				continue; /* flushed meanwhile */
		}
		remove_first(reaper);
	}
	g_mutex_unlock(&reaper->lock);
	return NULL;
}

struct acg_reaper *acg_reaper_new(bool has_memory)
{
	struct acg_reaper *reaper = g_new0(struct acg_reaper, 1);

	reaper->has_memory = has_memory;
	g_mutex_init(&reaper->lock);
	g_cond_init(&reaper->wake);
	reaper->thread = g_thread_new("reaper", reap, reaper);
	return reaper;
}

void acg_reaper_free(struct acg_reaper *reaper)
{
	g_mutex_lock(&reaper->lock);
	reaper->quit = true;
	g_cond_signal(&reaper->wake);
	g_mutex_unlock(&reaper->lock);
	g_thread_join(reaper->thread);
	while (!g_queue_is_empty(&reaper->jobs))
		remove_first(reaper);
	g_cond_clear(&reaper->wake);
	g_mutex_clear(&reaper->lock);
	g_free(reaper);
}

void acg_reaper_push(struct acg_reaper *reaper, int parent_dirfd, int dirfd, const char *name)
{
	struct job *job = g_new(struct job, 1);

	*job = (struct job){fcntl(parent_dirfd, F_DUPFD_CLOEXEC, 0), dirfd, g_strdup(name)};
	g_mutex_lock(&reaper->lock);
	g_queue_push_tail(&reaper->jobs, job);
	g_cond_signal(&reaper->wake);
	g_mutex_unlock(&reaper->lock);
}

void acg_reaper_flush(struct acg_reaper *reaper)
{
	g_mutex_lock(&reaper->lock);
	while (!g_queue_is_empty(&reaper->jobs))
		remove_first(reaper);
	g_mutex_unlock(&reaper->lock);
}
