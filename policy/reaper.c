/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Removing ended calls' cgroups; see the header. */
#include "policy/reaper.h"

#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#include "policy/cgroupfs.h"
#include "policy/reclaim.h"

#define SCRAPE_FIRST (G_USEC_PER_SEC) /* after the last removal */
#define SCRAPE_LAST  (64 * G_USEC_PER_SEC)
#define SCRAPE_AFTER 256 /* removals, when there is no pause */

/* Ended calls are removed some at a time, and not while others begin: rmdir holds up every mkdir and every move in the kernel. */
#define BATCH_DELAY (20 * 1000) /* usec from the first one */
#define BATCH_MOST  64
#define QUEUE_MOST  2048 /* then who ends a call removes it himself: an agent's rmdir has to wait for what is queued */

struct job {
	int parent_dirfd; /* -1: nothing is to be removed */
	int dirfd;
	char *name;
	uint64_t reclaim; /* bytes to be asked back; 0: what would keep the cgroup in the kernel */
	bool started;     /* the thread is at it; one at most */
};

struct acg_reaper {
	GThread *thread;
	GMutex lock;
	GCond wake;  /* there is a first job, or a batch, or the end */
	GCond idle;  /* the thread is done with the job that it took */
	GQueue jobs; /* struct job, oldest first */
	bool busy;   /* the thread has taken one */
	bool quit;
	int root_dirfd;       /* borrowed */
	bool reclaims;        /* there is a memory controller */
	int64_t pause;        /* usec until the next scraping; 0: none is due */
	uint64_t dying;       /* when it was last looked at */
	unsigned int removed; /* since then */
};

static void job_free(struct job *job)
{
	if (job->parent_dirfd >= 0)
		close(job->parent_dirfd);
	close(job->dirfd);
	g_free(job->name);
	g_free(job);
}

static void remove_group(struct job *job)
{
	if (job->parent_dirfd >= 0)
		acg_cgroup_remove(job->parent_dirfd, job->name, NULL);
	job_free(job);
}

/* With the lock held: from here on the job is nobody else's. */
static void remove_first(struct acg_reaper *reaper)
{
	struct job *job = g_queue_pop_head(&reaper->jobs);

	reaper->busy = true;
	g_mutex_unlock(&reaper->lock);
	remove_group(job);
	g_mutex_lock(&reaper->lock);
	reaper->busy = false;
	g_cond_signal(&reaper->idle);
}

/* Looks after what is dying. Longer pauses, and more at once, while that does not help; shorter ones while it does. */
static void scrape(struct acg_reaper *reaper)
{
	unsigned int times = MAX(reaper->pause / SCRAPE_FIRST, 1);
	bool helped = acg_reclaim_scrape(reaper->root_dirfd, times);

	reaper->removed = 0;
	reaper->dying = acg_reclaim_dying(reaper->root_dirfd);
	if (helped)
		reaper->pause = MAX(reaper->pause / 2, SCRAPE_FIRST);
	else
		reaper->pause *= 2;
	if (!reaper->dying || reaper->pause > SCRAPE_LAST)
		reaper->pause = 0;
}

/* Both may take long: not under the lock, and on a descriptor of our own. */
static void reclaim_first(struct acg_reaper *reaper, struct job *job)
{
	int dirfd = fcntl(job->dirfd, F_DUPFD_CLOEXEC, 0);
	uint64_t bytes = job->reclaim;

	job->started = true;
	g_mutex_unlock(&reaper->lock);
	if (bytes)
		acg_reclaim_bytes(dirfd, bytes);
	else
		acg_reclaim_rest(dirfd, reaper->dying);
	close(dirfd);
	if (++reaper->removed >= SCRAPE_AFTER)
		scrape(reaper);
	reaper->pause = MAX(reaper->pause, SCRAPE_FIRST);
	g_mutex_lock(&reaper->lock);
}

static void wait_for_job(struct acg_reaper *reaper)
{
	if (!reaper->pause) {
		g_cond_wait(&reaper->wake, &reaper->lock);
	} else if (!g_cond_wait_until(&reaper->wake, &reaper->lock,
				      g_get_monotonic_time() + reaper->pause)) {
		g_mutex_unlock(&reaper->lock);
		scrape(reaper);
		g_mutex_lock(&reaper->lock);
	}
}

static void wait_for_batch(struct acg_reaper *reaper)
{
	int64_t until = g_get_monotonic_time() + BATCH_DELAY;

	while (!reaper->quit && reaper->jobs.length < BATCH_MOST &&
	       g_cond_wait_until(&reaper->wake, &reaper->lock, until))
		continue;
}

static void *reap(void *data)
{
	struct acg_reaper *reaper = data;

	g_mutex_lock(&reaper->lock);
	while (!reaper->quit) {
		struct job *job = g_queue_peek_head(&reaper->jobs);

		if (!job) {
			wait_for_job(reaper);
			if (reaper->jobs.length)
				wait_for_batch(reaper);
			continue;
		}
		if (reaper->reclaims)
			reclaim_first(reaper, job);
		job = g_queue_peek_head(&reaper->jobs);
		if (job && (job->started || !reaper->reclaims)) /* else flushed meanwhile */
			remove_first(reaper);
	}
	g_mutex_unlock(&reaper->lock);
	return NULL;
}

struct acg_reaper *acg_reaper_new(int root_dirfd, bool has_memory)
{
	struct acg_reaper *reaper = g_new0(struct acg_reaper, 1);

	reaper->root_dirfd = root_dirfd;
	reaper->reclaims = has_memory;
	g_mutex_init(&reaper->lock);
	g_cond_init(&reaper->wake);
	g_cond_init(&reaper->idle);
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
		remove_group(g_queue_pop_head(&reaper->jobs));
	g_cond_clear(&reaper->idle);
	g_cond_clear(&reaper->wake);
	g_mutex_clear(&reaper->lock);
	g_free(reaper);
}

static void push(struct acg_reaper *reaper, struct job *job)
{
	g_mutex_lock(&reaper->lock);
	if (reaper->jobs.length >= QUEUE_MOST) {
		g_mutex_unlock(&reaper->lock);
		remove_group(job);
		return;
	}
	g_queue_push_tail(&reaper->jobs, job);
	if (reaper->jobs.length == 1 || reaper->jobs.length == BATCH_MOST)
		g_cond_signal(&reaper->wake);
	g_mutex_unlock(&reaper->lock);
}

void acg_reaper_push(struct acg_reaper *reaper, int parent_dirfd, int dirfd, const char *name)
{
	struct job *job = g_new(struct job, 1);

	*job = (struct job){.parent_dirfd = fcntl(parent_dirfd, F_DUPFD_CLOEXEC, 0),
			    .dirfd = dirfd,
			    .name = g_strdup(name)};
	push(reaper, job);
}

void acg_reaper_reclaim(struct acg_reaper *reaper, int dirfd, uint64_t bytes)
{
	struct job *job;

	if (!reaper->reclaims || !bytes)
		return;
	job = g_new(struct job, 1);
	*job = (struct job){
		.parent_dirfd = -1, .dirfd = fcntl(dirfd, F_DUPFD_CLOEXEC, 0), .reclaim = bytes};
	push(reaper, job);
}

void acg_reaper_flush(struct acg_reaper *reaper)
{
	GList *next;

	g_mutex_lock(&reaper->lock);
	for (GList *link = reaper->jobs.head; link; link = next) {
		struct job *job = link->data;

		next = link->next;
		if (job->parent_dirfd < 0)
			continue; /* nobody waits for it */
		g_queue_delete_link(&reaper->jobs, link);
		remove_group(job);
	}
	while (reaper->busy)
		g_cond_wait(&reaper->idle, &reaper->lock);
	g_mutex_unlock(&reaper->lock);
}
