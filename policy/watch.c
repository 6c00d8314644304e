/* SPDX-License-Identifier: GPL-2.0-or-later */
/* inotify and PSI triggers; see the header. */
#include "policy/watch.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "policy/enforcer.h"

/* One watched file; the kernel knows it by wd. */
struct watched {
	uint64_t id;
	const char *file; /* interned */
	int wd;
};

/* All that is watched of one node. */
struct watched_node {
	uint64_t id;
	GPtrArray *files; /* struct watched, owned by by_wd */
	bool pressure;    /* a trigger was asked for */
	int psi_fd;       /* -1: none (yet); closed, it leaves the epoll */
};

/* A trigger that is to be opened, or was. */
struct trigger {
	uint64_t id;
	uint64_t stall, window; /* usec */
	int dirfd;              /* of the cgroup; ours */
	int fd;                 /* -1: not opened, or the kernel would not */
};

/* What a trigger said. */
struct heard {
	uint64_t id;
	uint64_t gone; /* 1: there will be no more, the cgroup is gone */
};

struct acg_watch {
	struct acg_watch_callbacks callbacks;
	int inotify_fd;
	unsigned int source;
	struct psi {
		int epoll_fd;
		int wake_fd; /* an eventfd: something was asked for, or the end */
		int stop;    /* atomic */
		int pipe[2]; /* struct heard, from the thread */
		GAsyncQueue *asked, *opened; /* struct trigger, to the thread and back */
		GThread *thread;
		unsigned int source;
	} psi;
	GHashTable *by_wd;   /* wd -> struct watched, owned */
	GHashTable *by_node; /* &id -> struct watched_node, owned */
};

static void watched_node_free(void *data)
{
	struct watched_node *node = data;

	if (node->psi_fd >= 0)
		close(node->psi_fd);
	g_ptr_array_unref(node->files);
	g_free(node);
}

static void dispatch(struct acg_watch *watch, const struct inotify_event *event)
{
	struct watched *watched = g_hash_table_lookup(watch->by_wd, GINT_TO_POINTER(event->wd));

	if (watched && (event->mask & IN_MODIFY))
		watch->callbacks.changed(watch->callbacks.data, watched->id, watched->file);
}

static gboolean on_inotify(int fd, GIOCondition condition, void *data)
{
	char buf[16 * 1024] __attribute__((aligned(__alignof__(struct inotify_event))));
	struct acg_watch *watch = data;
	const struct inotify_event *event;
	ssize_t n = read(fd, buf, sizeof(buf)); /* if there are more we are called again */

	(void)condition;
	for (char *at = buf; at < buf + n; at += sizeof(*event) + event->len) {
		event = (const struct inotify_event *)at;
		dispatch(watch, event);
	}
	return G_SOURCE_CONTINUE;
}

/* --- PSI ----------------------------------------------------------------------------------------------------- */

static void trigger_free(void *data)
{
	struct trigger *trigger = data;

	if (trigger->dirfd >= 0)
		close(trigger->dirfd);
	if (trigger->fd >= 0)
		close(trigger->fd);
	g_free(trigger);
}

/* The descriptor is the node's from now on; if that was removed meanwhile, or asked again, one is left over and is closed. */
static void take_opened(struct acg_watch *watch)
{
	struct trigger *trigger;

	while ((trigger = g_async_queue_try_pop(watch->psi.opened))) {
		struct watched_node *node = g_hash_table_lookup(watch->by_node, &trigger->id);

		if (node && node->pressure) {
			int left = node->psi_fd;

			node->psi_fd = trigger->fd;
			trigger->fd = left;
		}
		trigger_free(trigger);
	}
}

static void psi_event(struct acg_watch *watch, const struct heard *heard)
{
	struct watched_node *node = g_hash_table_lookup(watch->by_node, &heard->id);

	if (!node || node->psi_fd < 0)
		return; /* removed meanwhile */
	if (heard->gone) {
		close(node->psi_fd);
		node->psi_fd = -1;
		return;
	}
	watch->callbacks.pressure(watch->callbacks.data, heard->id);
}

static gboolean on_psi(int fd, GIOCondition condition, void *data)
{
	struct heard heard[64]; /* if there are more we are called again */
	ssize_t n = read(fd, heard, sizeof(heard));

	(void)condition;
	take_opened(data);
	for (unsigned int i = 0; (i + 1) * sizeof(*heard) <= (size_t)MAX(n, 0); i++)
		psi_event(data, &heard[i]);
	return G_SOURCE_CONTINUE;
}

/* Opens memory.pressure with the trigger written. */
static int open_trigger(const struct trigger *trigger)
{
	int fd = openat(trigger->dirfd, "memory.pressure", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	char text[64];

	snprintf(text, sizeof(text), "some %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT,
		 trigger->stall, trigger->window);
	if (fd < 0 || write(fd, text, strlen(text) + 1) >= 0)
		return fd;
	close(fd);
	return -1;
}

/* A full pipe has as much to say as anybody can listen to. */
static void tell(const struct psi *psi, struct heard heard)
{
	if (write(psi->pipe[1], &heard, sizeof(heard)) < 0)
		return;
}

static void open_asked(const struct psi *psi)
{
	struct trigger *trigger;

	while (!g_atomic_int_get(&psi->stop) && (trigger = g_async_queue_try_pop(psi->asked))) {
		struct epoll_event event = {.events = EPOLLPRI | EPOLLET, .data.u64 = trigger->id};

		trigger->fd = open_trigger(trigger);
		if (trigger->fd >= 0)
			epoll_ctl(psi->epoll_fd, EPOLL_CTL_ADD, trigger->fd, &event);
		g_async_queue_push(psi->opened, trigger);
		tell(psi, (struct heard){0});
	}
}

/* The thread. Id 0 is wake_fd. */
static void *hear_psi(void *data)
{
	const struct psi *psi = data;
	struct epoll_event events[16];
	eventfd_t wakes;

	for (;;) {
		int n = epoll_wait(psi->epoll_fd, events, G_N_ELEMENTS(events), -1);

		for (int i = 0; i < n; i++) {
			const struct heard heard = {events[i].data.u64,
						    (events[i].events & EPOLLERR) != 0};

			if (heard.id)
				tell(psi, heard);
			else
				eventfd_read(psi->wake_fd, &wakes);
		}
		if (g_atomic_int_get(&psi->stop))
			return NULL;
		open_asked(psi);
	}
}

static void psi_close(const struct psi *psi)
{
	const int fds[] = {psi->pipe[0], psi->pipe[1], psi->wake_fd, psi->epoll_fd};

	for (unsigned int i = 0; i < G_N_ELEMENTS(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static int psi_start(struct acg_watch *watch, GError **error)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0};
	struct psi *psi = &watch->psi;
	int saved;

	psi->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	psi->wake_fd = eventfd(0, EFD_CLOEXEC);
	psi->pipe[0] = psi->pipe[1] = -1;
	if (pipe2(psi->pipe, O_CLOEXEC | O_NONBLOCK) < 0 ||
	    epoll_ctl(psi->epoll_fd, EPOLL_CTL_ADD, psi->wake_fd, &event) < 0) {
		saved = errno;
		psi_close(psi);
		return acg_fail_errno(error, saved, "cannot wait for PSI triggers");
	}
	psi->asked = g_async_queue_new_full(trigger_free);
	psi->opened = g_async_queue_new_full(trigger_free);
	psi->source = acg_watch_fd(psi->pipe[0], G_IO_IN, on_psi, watch);
	psi->thread = g_thread_new("psi", hear_psi, psi);
	return 0;
}

static void psi_stop(struct psi *psi)
{
	g_source_remove(psi->source);
	g_atomic_int_set(&psi->stop, 1);
	eventfd_write(psi->wake_fd, 1);
	g_thread_join(psi->thread);
	g_async_queue_unref(psi->asked);
	g_async_queue_unref(psi->opened);
	psi_close(psi);
}

unsigned int acg_watch_fd(int fd, GIOCondition condition, GUnixFDSourceFunc fn, void *data)
{
	GSource *source = g_unix_fd_source_new(fd, condition);
	unsigned int id;

	g_source_set_can_recurse(source, TRUE);
	g_source_set_callback(source, G_SOURCE_FUNC(fn), data, NULL);
	id = g_source_attach(source, NULL);
	g_source_unref(source);
	return id;
}

int acg_watch_new(const struct acg_watch_callbacks *callbacks, struct acg_watch **ret_watch,
		  GError **error)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), ret;
	struct acg_watch *watch;

	if (fd < 0)
		return acg_fail_errno(error, errno,
				      "cannot use inotify (see /proc/sys/fs/inotify)");
	watch = g_new0(struct acg_watch, 1);
	ret = psi_start(watch, error);
	if (ret) {
		close(fd);
		g_free(watch);
		return ret;
	}
	watch->callbacks = *callbacks;
	watch->inotify_fd = fd;
	watch->by_wd = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, g_free);
	watch->by_node =
		g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, watched_node_free);
	watch->source = acg_watch_fd(fd, G_IO_IN, on_inotify, watch);
	*ret_watch = watch;
	return 0;
}

void acg_watch_free(struct acg_watch *watch)
{
	if (!watch)
		return;
	g_source_remove(watch->source);
	psi_stop(&watch->psi);
	g_hash_table_unref(watch->by_node);
	g_hash_table_unref(watch->by_wd);
	close(watch->inotify_fd);
	g_free(watch);
}

static struct watched_node *node_entry(struct acg_watch *watch, uint64_t id)
{
	struct watched_node *entry = g_hash_table_lookup(watch->by_node, &id);

	if (entry)
		return entry;
	entry = g_new0(struct watched_node, 1);
	entry->id = id;
	entry->psi_fd = -1;
	entry->files = g_ptr_array_new();
	g_hash_table_insert(watch->by_node, &entry->id, entry);
	return entry;
}

int acg_watch_file(struct acg_watch *watch, const struct acg_node *node, const char *file,
		   GError **error)
{
	struct watched_node *entry = node_entry(watch, node->id);
	struct watched *watched;
	char path[128];
	int wd;

	for (unsigned int i = 0; i < entry->files->len; i++)
		if (strcmp(((struct watched *)entry->files->pdata[i])->file, file) == 0)
			return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", node->group->dirfd, file);
	wd = inotify_add_watch(watch->inotify_fd, path, IN_MODIFY);
	if (wd < 0 && errno == ENOSPC) /* its words would be of a disk */
		return acg_fail(error, ENOSPC, "cannot watch %s: fs.inotify.max_user_watches is reached",
				file);
	if (wd < 0)
		return acg_fail_errno(error, errno, "cannot watch %s", file);
	watched = g_new(struct watched, 1);
	*watched = (struct watched){node->id, g_intern_string(file), wd};
	g_hash_table_insert(watch->by_wd, GINT_TO_POINTER(wd), watched);
	g_ptr_array_add(entry->files, watched);
	return 0;
}

void acg_watch_pressure(struct acg_watch *watch, const struct acg_node *node, uint64_t stall,
			uint64_t window)
{
	struct watched_node *entry = node_entry(watch, node->id);
	struct trigger *trigger;

	if (entry->pressure)
		return;
	entry->pressure = true;
	trigger = g_new(struct trigger, 1);
	*trigger = (struct trigger){node->id, stall, window,
				    fcntl(node->group->dirfd, F_DUPFD_CLOEXEC, 0), -1};
	g_async_queue_push(watch->psi.asked, trigger);
	eventfd_write(watch->psi.wake_fd, 1);
}

void acg_watch_remove(struct acg_watch *watch, uint64_t id)
{
	struct watched_node *entry = g_hash_table_lookup(watch->by_node, &id);

	if (!entry)
		return;
	for (unsigned int i = 0; i < entry->files->len; i++) {
		int wd = ((struct watched *)entry->files->pdata[i])->wd;

		/* The kernel does not drop a watch by itself when a cgroup is removed: the watch would pin it. */
		inotify_rm_watch(watch->inotify_fd, wd);
		g_hash_table_remove(watch->by_wd, GINT_TO_POINTER(wd));
	}
	g_hash_table_remove(watch->by_node, &id);
}
