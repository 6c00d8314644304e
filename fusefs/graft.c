/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Views into mount namespaces, and out of them again; see the header. */
#include "fusefs/graft.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define FS_TYPE	     "fuse.agentcg" /* as mountinfo has it: fsname and subtype of fusefs/session.c */
#define COVER_SOURCE "agentcg"	    /* of the tmpfs on /sys/fs */

/* By number: libfuse's and glibc's headers of Debian 12 do not go together with linux/mount.h. */
static int open_tree_at(int dirfd, const char *path, unsigned int flags)
{
	return syscall(SYS_open_tree, dirfd, path, flags);
}

static int move_mount_to(int fd, const char *path)
{
	return syscall(SYS_move_mount, fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH);
}

/* With all that is mounted below it. */
static int make_read_only(int mount_fd)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};

	return syscall(SYS_mount_setattr, mount_fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr,
		       sizeof(attr));
}

/* --- what is mounted where -------------------------------------------------------------------------------------- */

/* One line of /proc/PID/mountinfo. */
struct mount_line {
	dev_t dev;
	char *root;  /* of the mount within its file system */
	char *point;
	char *options;
	char *type;
	char *source;
	bool shared;
};

static void mount_line_clear(struct mount_line *line)
{
	g_free(line->root);
	g_free(line->point);
	g_free(line->options);
	g_free(line->type);
	g_free(line->source);
}

/* "36 35 0:31 / /sys/fs rw,nosuid shared:9 - tmpfs agentcg rw": see proc_pid_mountinfo(5). */
static bool parse_line(const char *text, struct mount_line *ret_line)
{
	g_auto(GStrv) words = g_strsplit(text, " ", -1);
	unsigned int n = g_strv_length(words), dash = 6, major, minor;

	while (dash < n && strcmp(words[dash], "-") != 0)
		dash++;
	if (dash + 2 >= n || sscanf(words[2], "%u:%u", &major, &minor) != 2)
		return false;
	*ret_line = (struct mount_line){.dev = makedev(major, minor),
					.root = g_strcompress(words[3]),
					.point = g_strcompress(words[4]),
					.options = g_strdup(words[5]),
					.type = g_strdup(words[dash + 1]),
					.source = g_strcompress(words[dash + 2])};
	for (unsigned int i = 6; i < dash; i++)
		ret_line->shared |= g_str_has_prefix(words[i], "shared:");
	return true;
}

static int open_proc(GError **error)
{
	int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return proc < 0 ? acg_fail_errno(error, errno, "cannot open /proc") : proc;
}

/* The whole text of a file, to be freed; NULL: it cannot be read. */
static char *read_at(int dirfd, const char *path)
{
	int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	GIOChannel *channel = fd < 0 ? NULL : g_io_channel_unix_new(fd);
	char *text = NULL;

	if (!channel)
		return NULL;
	g_io_channel_set_close_on_unref(channel, TRUE);
	g_io_channel_set_encoding(channel, NULL, NULL);
	g_io_channel_read_to_end(channel, &text, NULL, NULL);
	g_io_channel_unref(channel);
	return text;
}

/*
 * struct mount_line of each mount that the process sees from its root, in the order of mounting. NULL with *error set. proc: /proc,
 * opened before going anywhere, since the /proc of a sandbox does not show us.
 */
static GArray *mounts_of(int proc, const char *process, GError **error)
{
	g_autofree char *path = g_strdup_printf("%s/mountinfo", process);
	g_autofree char *text = read_at(proc, path);
	g_auto(GStrv) lines = NULL;
	GArray *mounts;

	if (!text) {
		acg_fail(error, ESRCH, "cannot read /proc/%s: is the process gone?", path);
		return NULL;
	}
	mounts = g_array_new(FALSE, FALSE, sizeof(struct mount_line));
	g_array_set_clear_func(mounts, (GDestroyNotify)mount_line_clear);
	lines = g_strsplit(text, "\n", -1);
	for (unsigned int i = 0; lines[i]; i++) {
		struct mount_line line;

		if (parse_line(lines[i], &line))
			g_array_append_val(mounts, line);
	}
	return mounts;
}

/* A view; or, of a file system that ends (dev), each mount of it: namespaces have copies of the whole tree, too. */
static bool is_view(const struct mount_line *line, dev_t dev)
{
	return strcmp(line->type, FS_TYPE) == 0 &&
	       (dev ? line->dev == dev : g_str_has_prefix(line->root, "/agents/"));
}

static bool is_cover(const struct mount_line *line)
{
	return strcmp(line->type, "tmpfs") == 0 && strcmp(line->source, COVER_SOURCE) == 0;
}

static bool is_cgroup(const struct mount_line *line)
{
	return strcmp(line->type, "cgroup2") == 0 || strcmp(line->type, "cgroup") == 0;
}

static bool is_writable(const struct mount_line *line)
{
	return strcmp(line->options, "rw") == 0 || g_str_has_prefix(line->options, "rw,");
}

/* --- the view ------------------------------------------------------------------------------------------------------ */

void acg_view_close(struct acg_view *view)
{
	if (view->sys_fd >= 0)
		close(view->sys_fd);
	if (view->run_fd >= 0)
		close(view->run_fd);
	view->sys_fd = view->run_fd = -1;
}

int acg_view_open(const char *directory, struct acg_view *ret_view, GError **error)
{
	g_autofree char *marker = g_build_filename(directory, "call", NULL);
	struct acg_view view = {-1, -1};

	if (access(marker, F_OK) < 0)
		return acg_fail_errno(error, errno, "%s is no agent's directory", directory);
	view.sys_fd = open_tree_at(AT_FDCWD, directory, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (view.sys_fd >= 0)
		view.run_fd = open_tree_at(AT_FDCWD, directory, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (view.run_fd < 0) {
		int saved = errno;

		acg_view_close(&view);
		return acg_fail_errno(error, saved, "cannot copy the mount of %s", directory);
	}
	*ret_view = view;
	return 0;
}

/* --- covering /sys/fs ------------------------------------------------------------------------------------------------ */

/* A directory of /sys/fs, with all that is mounted on it and below. */
struct clone {
	char *name;
	int fd;
};

static void clone_clear(struct clone *clone)
{
	g_free(clone->name);
	if (clone->fd >= 0)
		close(clone->fd);
}

static int clone_children(const char *path, GArray *clones, GError **error)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int ret = 0;

	if (!dir)
		return acg_fail_errno(error, errno, "cannot read %s", path);
	while (!ret && (entry = readdir(dir))) {
		struct clone clone;

		if (entry->d_name[0] == '.' || (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN))
			continue;
		clone.fd = open_tree_at(dirfd(dir), entry->d_name,
					OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
		if (clone.fd < 0) {
			ret = acg_fail_errno(error, errno, "cannot copy the mounts of %s/%s", path,
					     entry->d_name);
			break;
		}
		clone.name = g_strdup(entry->d_name);
		g_array_append_val(clones, clone);
	}
	closedir(dir);
	return ret;
}

static int put_back(const char *path, const GArray *clones, bool read_only, GError **error)
{
	for (unsigned int i = 0; i < clones->len; i++) {
		const struct clone *clone = &g_array_index(clones, struct clone, i);
		g_autofree char *point = g_build_filename(path, clone->name, NULL);

		if (mkdir(point, 0755) < 0 || (read_only && make_read_only(clone->fd) < 0) ||
		    move_mount_to(clone->fd, point) < 0)
			return acg_fail_errno(error, errno, "cannot put %s back", point);
	}
	return 0;
}

/* Covers the directory with a tmpfs that shows what was in it, and `agentcg`. */
static int cover(const char *path, bool read_only, GError **error)
{
	g_autoptr(GArray) clones = g_array_new(FALSE, FALSE, sizeof(struct clone));
	g_autofree char *point = g_build_filename(path, "agentcg", NULL);
	int ret;

	g_array_set_clear_func(clones, (GDestroyNotify)clone_clear);
	ret = clone_children(path, clones, error);
	if (ret)
		return ret;
	if (mount(COVER_SOURCE, path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  "mode=755,size=64k") < 0)
		return acg_fail_errno(error, errno, "cannot mount a tmpfs on %s", path);
	ret = put_back(path, clones, read_only, error);
	if (!ret && mkdir(point, 0755) < 0)
		ret = acg_fail_errno(error, errno, "cannot make %s", point);
	if (ret)
		umount2(path, MNT_DETACH);
	else
		mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
		      NULL);
	return ret;
}

/* --- grafting in this namespace --------------------------------------------------------------------------------------- */

/* What is mounted here must not appear at those who share the mount below: it becomes a slave of theirs. */
static void keep_to_ourselves(int proc, const char *path)
{
	g_autoptr(GArray) mounts = mounts_of(proc, "self", NULL);
	const struct mount_line *best = NULL;

	for (unsigned int i = 0; mounts && i < mounts->len; i++) {
		const struct mount_line *line = &g_array_index(mounts, struct mount_line, i);
		size_t len = strlen(line->point);

		if (strncmp(path, line->point, len) == 0 &&
		    (len == 1 || path[len] == '/' || !path[len]) &&
		    (!best || len >= strlen(best->point)))
			best = line;
	}
	if (best && best->shared)
		mount(NULL, best->point, NULL, MS_SLAVE, NULL);
}

static int make_point(int proc, const char *point, bool read_only, GError **error)
{
	g_autofree char *parent = g_path_get_dirname(point);
	struct stat st;

	if (lstat(point, &st) == 0)
		return S_ISDIR(st.st_mode) ? 0
					   : acg_fail(error, ENOTDIR, "%s is no directory", point);
	keep_to_ourselves(proc, parent);
	if (g_mkdir_with_parents(point, 0755) == 0)
		return 0;
	if (access(parent, F_OK) < 0)
		return acg_fail_errno(error, errno, "there is no %s, and it cannot be made", parent);
	return cover(parent, read_only, error);
}

static int attach(int fd, int proc, const char *point, bool read_only, GError **error)
{
	g_autofree char *marker = g_build_filename(point, "call", NULL);
	int ret;

	if (access(marker, F_OK) == 0)
		return acg_fail(error, EEXIST, "%s shows an agent already", point);
	ret = make_point(proc, point, read_only, error);
	if (ret)
		return ret;
	keep_to_ourselves(proc, point);
	if (move_mount_to(fd, point) < 0)
		return acg_fail_errno(error, errno, "cannot mount at %s", point);
	return 0;
}

static int graft(const struct acg_view *view, int proc, bool read_only, char **ret_note,
		 GError **error)
{
	g_autoptr(GError) run_error = NULL, sys_error = NULL;
	int sys = attach(view->sys_fd, proc, ACG_VIEW_SYS, read_only, &sys_error);
	int run = sys == -EEXIST ? sys
				 : attach(view->run_fd, proc, ACG_VIEW_RUN, read_only, &run_error);

	*ret_note = NULL;
	if (sys && run) {
		g_propagate_error(error, g_steal_pointer(&sys_error));
		return sys;
	}
	if (sys)
		*ret_note = g_strdup_printf("only at " ACG_VIEW_RUN ": %s", sys_error->message);
	else if (run)
		*ret_note = g_strdup_printf("only at " ACG_VIEW_SYS ": %s", run_error->message);
	return 0;
}

int acg_graft_here(const struct acg_view *view, char **ret_note, GError **error)
{
	int proc = open_proc(error);
	int ret = proc < 0 ? proc : graft(view, proc, true, ret_note, error);

	if (proc >= 0)
		close(proc);
	return ret;
}

static GArray *own_mounts(GError **error)
{
	int proc = open_proc(error);
	GArray *mounts = proc < 0 ? NULL : mounts_of(proc, "self", error);

	if (proc >= 0)
		close(proc);
	return mounts;
}

int acg_graft_protect_cgroups(GError **error)
{
	g_autoptr(GArray) mounts = own_mounts(error);

	if (!mounts)
		return -ESRCH;
	for (unsigned int i = 0; i < mounts->len; i++) {
		const struct mount_line *line = &g_array_index(mounts, struct mount_line, i);

		if (is_cgroup(line) && is_writable(line) &&
		    mount(NULL, line->point, NULL,
			  MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
			return acg_fail_errno(error, errno, "cannot make %s read-only", line->point);
	}
	return 0;
}

/* --- in another namespace ----------------------------------------------------------------------------------------------- */

/* What a child in the other namespace reports. */
struct report {
	int ret;
	char words[1000]; /* the error, or the note */
};

static int enter(pid_t pid, GError **error)
{
	g_autofree char *ns_path = g_strdup_printf("/proc/%d/ns/mnt", pid);
	g_autofree char *root_path = g_strdup_printf("/proc/%d/root", pid);
	int ns = open(ns_path, O_RDONLY | O_CLOEXEC);
	int root = open(root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (ns < 0 || root < 0)
		return acg_fail_errno(error, errno, "cannot look at process %d", pid);
	if (setns(ns, CLONE_NEWNS) < 0 || fchdir(root) < 0 || chroot(".") < 0)
		return acg_fail_errno(error, errno, "cannot enter the mount namespace of process %d",
				      pid);
	close(ns);
	close(root);
	return 0;
}

/* Runs fn in a child, in the mount namespace of the process; its words come back. */
static int run_in(pid_t pid, int (*fn)(void *data, char **ret_note, GError **error), void *data,
		  char **ret_note, GError **error)
{
	struct report report = {0};
	int ends[2];
	pid_t child;
	ssize_t n;

	if (pipe2(ends, O_CLOEXEC) < 0 || (child = fork()) < 0)
		return acg_fail_errno(error, errno, "cannot make a process");
	if (child == 0) {
		g_autoptr(GError) why = NULL;
		g_autofree char *note = NULL;

		report.ret = enter(pid, &why);
		if (!report.ret)
			report.ret = fn(data, &note, &why);
		g_strlcpy(report.words, report.ret < 0 ? why->message : note ? note : "",
			  sizeof(report.words));
		n = write(ends[1], &report, sizeof(report));
		_exit(n != sizeof(report));
	}
	close(ends[1]);
	n = read(ends[0], &report, sizeof(report));
	close(ends[0]);
	waitpid(child, NULL, 0);
	if (n != sizeof(report))
		return acg_fail(error, EIO, "the process in the namespace of %d was killed", pid);
	if (report.ret < 0)
		return acg_fail(error, -report.ret, "%s", report.words);
	if (ret_note)
		*ret_note = report.words[0] ? g_strdup(report.words) : NULL;
	return report.ret;
}

/* Of a cgroup's files systemd gives this one alone to units, writable: the triggers in it are the reader's own. */
static bool is_pressure(const struct mount_line *line)
{
	return g_str_has_suffix(line->root, "/memory.pressure");
}

/* A process that can write the cgroupfs that it sees goes by that what the tree refuses it. */
static int check_cgroups(int proc, const char *const *read_only, GError **error)
{
	g_autoptr(GArray) mounts = mounts_of(proc, "self", error);

	if (!mounts)
		return -ESRCH;
	for (unsigned int i = 0; i < mounts->len; i++) {
		const struct mount_line *line = &g_array_index(mounts, struct mount_line, i);

		if (strcmp(line->type, "cgroup2") == 0 && is_writable(line) && !is_pressure(line) &&
		    !(read_only && g_strv_contains(read_only, line->point)))
			return acg_fail(error, EPERM,
					"it has a cgroupfs at %s that it can write, and by it leave its "
					"calls and change their limits: mount that read-only",
					line->point);
	}
	return 0;
}

struct graft_job {
	const struct acg_view *view;
	const struct acg_sandbox *sandbox;
	int proc;
};

/* Only from its own root is it certain that no symbolic link of an image leads to a directory of the host. */
static int graft_job(void *data, char **ret_note, GError **error)
{
	const struct graft_job *job = data;
	const struct acg_sandbox *sandbox = job->sandbox;
	const char *root = sandbox->root ? sandbox->root : "/";
	int ret = 0;

	if (chroot(root) < 0 || chdir("/") < 0)
		return acg_fail_errno(error, errno, "cannot change to %s", root);
	if (!sandbox->force)
		ret = check_cgroups(job->proc, sandbox->read_only, error);
	return ret ? ret : graft(job->view, job->proc, !sandbox->force, ret_note, error);
}

int acg_graft_into(const struct acg_view *view, const struct acg_sandbox *sandbox, char **ret_note,
		   GError **error)
{
	struct graft_job job = {view, sandbox, open_proc(error)};
	int ret = job.proc < 0 ? job.proc : run_in(sandbox->pid, graft_job, &job, ret_note, error);

	if (job.proc >= 0)
		close(job.proc);
	return ret;
}

/* --- taking views back ---------------------------------------------------------------------------------------------------- */

struct ungraft_job {
	const GArray *mounts; /* of the namespace, as seen from its root */
	dev_t dev;
};

static int ungraft_job(void *data, char **ret_note, GError **error)
{
	const struct ungraft_job *job = data;
	int ret = 0;

	(void)ret_note;
	for (unsigned int i = job->mounts->len; i-- > 0;) {
		const struct mount_line *line = &g_array_index(job->mounts, struct mount_line, i);

		if (!is_view(line, job->dev) && !is_cover(line))
			continue;
		/* A cover that shows other mounts of its own has them from us: they go with it. */
		if (umount2(line->point, MNT_DETACH) < 0 && errno != EINVAL && errno != ENOENT)
			ret = acg_fail_errno(error, errno, "cannot unmount %s", line->point);
	}
	return ret;
}

/* 1: there were views; 0: there were none. */
static int ungraft_one(pid_t pid, dev_t dev, GError **error)
{
	g_autofree char *process = g_strdup_printf("/proc/%d", pid);
	g_autoptr(GArray) mounts = mounts_of(AT_FDCWD, process, NULL);
	struct ungraft_job job = {mounts, dev};
	bool found = false;
	int ret;

	for (unsigned int i = 0; mounts && i < mounts->len; i++)
		found |= is_view(&g_array_index(mounts, struct mount_line, i), dev);
	if (!found)
		return 0;
	ret = run_in(pid, ungraft_job, &job, NULL, error);
	return ret < 0 ? ret : 1;
}

static int ungraft_all(dev_t dev, GError **error)
{
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int n = 0, failed = 0;

	if (!proc)
		return acg_fail_errno(error, errno, "cannot read /proc");
	while ((entry = readdir(proc))) {
		g_autofree char *path = g_strdup_printf("/proc/%s/ns/mnt", entry->d_name);
		struct stat st;
		int64_t id;
		int ret;

		if (!g_ascii_isdigit(entry->d_name[0]) || stat(path, &st) < 0)
			continue;
		id = st.st_ino;
		if (!g_hash_table_add(seen, g_memdup2(&id, sizeof(id))))
			continue;
		g_clear_error(error);
		ret = ungraft_one(atoi(entry->d_name), dev, error);
		if (ret < 0)
			failed = ret;
		else
			n += ret;
	}
	closedir(proc);
	return failed ? failed : n;
}

int acg_ungraft(pid_t pid, dev_t dev, GError **error)
{
	g_autoptr(GError) why = NULL;
	int ret = pid ? ungraft_one(pid, dev, &why) : ungraft_all(dev, &why);

	if (ret < 0)
		g_propagate_error(error, g_steal_pointer(&why));
	return ret;
}

int acg_ungraft_tree(const char *mountpoint, GError **error)
{
	g_autoptr(GArray) mounts = own_mounts(error);
	dev_t dev = 0;

	if (!mounts)
		return -ESRCH;
	for (unsigned int i = 0; i < mounts->len; i++) {
		const struct mount_line *line = &g_array_index(mounts, struct mount_line, i);

		if (strcmp(line->type, FS_TYPE) == 0 && strcmp(line->point, mountpoint) == 0)
			dev = line->dev;
	}
	return dev ? acg_ungraft(0, dev, error) : 0;
}
