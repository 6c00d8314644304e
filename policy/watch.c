/* SPDX-License-Identifier: GPL-2.0-or-later */
/* inotify and PSI triggers; see the header. */
#include "policy/watch.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <stdio.h>
#include <string.h>
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
	GPtrArray *files;        /* struct watched, owned by by_wd */
	unsigned int psi_source; /* GSource id; 0: none */
	int psi_fd;              /* with psi_source */
	struct acg_watch *watch;
};

struct acg_watch {
	struct acg_watch_callbacks callbacks;
	int inotify_fd;
	unsigned int source;
	GHashTable *by_wd;   /* wd -> struct watched, owned */
	GHashTable *by_node; /* &id -> struct watched_node, owned */
};

static void watched_node_free(void *data)
{
	struct watched_node *node = data;

	if (node->psi_source) {
		g_source_remove(node->psi_source);
		close(node->psi_fd);
	}
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
	ssize_t n;

	(void)condition;
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		const struct inotify_event *event;

		for (char *at = buf; at < buf + n; at += sizeof(*event) + event->len) {
			event = (const struct inotify_event *)at;
			dispatch(watch, event);
		}
	}
	return G_SOURCE_CONTINUE;
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
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	struct acg_watch *watch;

	if (fd < 0)
		return acg_fail_errno(error, errno,
				      "cannot use inotify (see /proc/sys/fs/inotify)");
	watch = g_new0(struct acg_watch, 1);
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
	entry->watch = watch;
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
	if (wd < 0)
		return acg_fail_errno(error, errno, "cannot watch %s", file);
	watched = g_new(struct watched, 1);
	*watched = (struct watched){node->id, g_intern_string(file), wd};
	g_hash_table_insert(watch->by_wd, GINT_TO_POINTER(wd), watched);
	g_ptr_array_add(entry->files, watched);
	return 0;
}

static gboolean on_psi(int fd, GIOCondition condition, void *data)
{
	struct watched_node *entry = data;

	(void)fd;
	if (condition & (G_IO_ERR | G_IO_NVAL)) { /* the cgroup is gone */
		entry->psi_source = 0;
		close(entry->psi_fd);
		return G_SOURCE_REMOVE;
	}
	entry->watch->callbacks.pressure(entry->watch->callbacks.data, entry->id);
	return G_SOURCE_CONTINUE;
}

int acg_watch_pressure(struct acg_watch *watch, const struct acg_node *node, uint64_t stall,
		       uint64_t window, GError **error)
{
	struct watched_node *entry = node_entry(watch, node->id);
	char trigger[64];
	int fd, saved;

	if (entry->psi_source)
		return 0;
	fd = openat(node->group->dirfd, "memory.pressure", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return acg_fail_errno(error, errno, "cannot open memory.pressure");
	snprintf(trigger, sizeof(trigger), "some %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT, stall,
		 window);
	if (write(fd, trigger, strlen(trigger) + 1) < 0) {
		saved = errno;
		close(fd);
		return acg_fail_errno(error, saved, "the kernel refused the PSI trigger \"%s\"",
				      trigger);
	}
	entry->psi_fd = fd;
	entry->psi_source = g_unix_fd_add(fd, G_IO_PRI | G_IO_ERR, on_psi, entry);
	return 0;
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
