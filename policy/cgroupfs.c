/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of a cgroup by directory descriptor; see the header. */
#include "policy/cgroupfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

int acg_cgroup_write(int dirfd, const char *file, const char *text, GError **error)
{
	int fd = openat(dirfd, file, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	ssize_t n;
	int saved;

	if (fd < 0)
		return acg_fail_errno(error, errno, "cannot open %s", file);
	n = write(fd, text, strlen(text));
	saved = errno;
	close(fd);
	if (n < 0)
		return acg_fail_errno(error, saved, "the kernel refused \"%s\" for %s", text, file);
	return 0;
}

int acg_cgroup_write_u64(int dirfd, const char *file, uint64_t value, GError **error)
{
	char text[24];

	if (value == UINT64_MAX)
		return acg_cgroup_write(dirfd, file, "max", error);
	snprintf(text, sizeof(text), "%" PRIu64, value);
	return acg_cgroup_write(dirfd, file, text, error);
}

ssize_t acg_cgroup_read(int dirfd, const char *file, char *buf, size_t size, GError **error)
{
	int fd = openat(dirfd, file, O_RDONLY | O_CLOEXEC);
	ssize_t n;
	int saved;

	if (fd < 0)
		return acg_fail_errno(error, errno, "cannot open %s", file);
	n = read(fd, buf, size - 1);
	saved = errno;
	close(fd);
	if (n < 0)
		return acg_fail_errno(error, saved, "cannot read %s", file);
	buf[n] = '\0';
	return n;
}

int acg_cgroup_read_u64(int dirfd, const char *file, uint64_t *ret_value, GError **error)
{
	char buf[32];
	ssize_t n = acg_cgroup_read(dirfd, file, buf, sizeof(buf), error);
	char *end;
	uint64_t value;

	if (n < 0)
		return n;
	if (g_str_has_prefix(buf, "max")) {
		*ret_value = UINT64_MAX;
		return 0;
	}
	errno = 0;
	value = strtoull(buf, &end, 10);
	if (errno || end == buf)
		return acg_fail(error, EINVAL, "%s holds no number", file);
	*ret_value = value;
	return 0;
}

bool acg_cgroup_keyed(const char *text, const char *key, uint64_t *ret_value)
{
	size_t len = strlen(key);

	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, len) == 0 && line[len] == ' ') {
			*ret_value = strtoull(line + len + 1, NULL, 10);
			return true;
		}
	}
	return false;
}

bool acg_cgroup_has(int dirfd, const char *file)
{
	return faccessat(dirfd, file, F_OK, 0) == 0;
}

bool acg_cgroup_has_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = text; (at = strstr(at, word)); at += len)
		if ((at == text || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\n' || !at[len]))
			return true;
	return false;
}

bool acg_cgroup_lists(int dirfd, const char *file, const char *word)
{
	char buf[256];

	return acg_cgroup_read(dirfd, file, buf, sizeof(buf), NULL) >= 0 &&
	       acg_cgroup_has_word(buf, word);
}

int acg_cgroup_each_id(int dirfd, const char *name, int (*fn)(pid_t pid, void *data), void *data,
		       GError **error)
{
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	g_autofree char *line = NULL;
	size_t size = 0;
	FILE *file;
	int ret = 0;

	if (fd < 0)
		return acg_fail_errno(error, errno, "cannot open %s", name);
	file = fdopen(fd, "r");
	while (!ret && getline(&line, &size, file) > 0)
		ret = fn(atoi(line), data);
	fclose(file);
	return ret;
}

int acg_cgroup_each_pid(int dirfd, int (*fn)(pid_t pid, void *data), void *data, GError **error)
{
	return acg_cgroup_each_id(dirfd, "cgroup.procs", fn, data, error);
}

static int add_pidfd(pid_t pid, void *data)
{
	int fd = syscall(SYS_pidfd_open, pid, 0);

	if (fd >= 0)
		g_hash_table_insert(data, GINT_TO_POINTER(pid), GINT_TO_POINTER(fd));
	return 0;
}

struct to_signal {
	GHashTable *pidfds;
	int signo;
};

static int send_to_pidfd(pid_t pid, void *data)
{
	const struct to_signal *to = data;
	void *fd;

	if (g_hash_table_lookup_extended(to->pidfds, GINT_TO_POINTER(pid), NULL, &fd))
		syscall(SYS_pidfd_send_signal, GPOINTER_TO_INT(fd), to->signo, NULL, 0);
	return 0;
}

static void close_pidfd(void *fd)
{
	close(GPOINTER_TO_INT(fd));
}

int acg_cgroup_signal(int dirfd, int signo, GError **error)
{
	g_autoptr(GHashTable) pidfds = NULL;
	struct to_signal to = {.signo = signo};
	int ret;

	if (signo == SIGKILL && acg_cgroup_has(dirfd, "cgroup.kill"))
		return acg_cgroup_write(dirfd, "cgroup.kill", "1", error);
	to.pidfds = pidfds =
		g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, close_pidfd);
	ret = acg_cgroup_each_pid(dirfd, add_pidfd, pidfds, error);
	return ret ? ret : acg_cgroup_each_pid(dirfd, send_to_pidfd, &to, error);
}

void acg_cgroup_each_child(int dirfd, void (*fn)(int dirfd, const char *name, void *data),
			   void *data)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			fn(dirfd, entry->d_name, data);
	closedir(dir);
}

static void look_into_child(int dirfd, const char *name, void *data)
{
	bool *populated = data;
	int fd = *populated ? -1 : openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	*populated = acg_cgroup_populated(fd);
	close(fd);
}

bool acg_cgroup_populated(int dirfd)
{
	uint64_t counted = 0;
	bool populated = false;
	char buf[128];

	if (acg_cgroup_read(dirfd, "cgroup.events", buf, sizeof(buf), NULL) > 0)
		acg_cgroup_keyed(buf, "populated", &counted);
	if (!counted)
		return false;
	if (acg_cgroup_read(dirfd, "cgroup.procs", buf, sizeof(buf), NULL) != 0)
		return true;
	acg_cgroup_each_child(dirfd, look_into_child, &populated);
	return populated;
}

static void remove_child(int dirfd, const char *name, void *data)
{
	(void)data;
	acg_cgroup_remove(dirfd, name, NULL);
}

int acg_cgroup_remove(int parent_dirfd, const char *name, GError **error)
{
	int dirfd;

	if (unlinkat(parent_dirfd, name, AT_REMOVEDIR) == 0)
		return 0;
	if (errno != EBUSY)
		return acg_fail_errno(error, errno, "cannot remove the cgroup %s", name);
	dirfd = openat(parent_dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd >= 0) {
		acg_cgroup_each_child(dirfd, remove_child, NULL);
		close(dirfd);
	}
	if (unlinkat(parent_dirfd, name, AT_REMOVEDIR) == 0)
		return 0;
	return acg_fail_errno(error, errno, "cannot remove the cgroup %s", name);
}

/* The part of /proc/self/mountinfo that a cgroup path needs: where the cgroup2 mount with this device and root is. */
static char *path_within_mount(const char *real)
{
	g_autofree char *info = NULL;
	g_autofree char *best_root = NULL;
	size_t best = 0;

	if (!g_file_get_contents("/proc/self/mountinfo", &info, NULL, NULL))
		return NULL;
	for (char *save, *line = strtok_r(info, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		char root[PATH_MAX], point[PATH_MAX];
		size_t len;

		if (!strstr(line, " - cgroup2 ") ||
		    sscanf(line, "%*s %*s %*s %4095s %4095s", root, point) != 2)
			continue;
		len = strlen(point);
		if (len < best || strncmp(real, point, len) != 0 || (real[len] != '/' && real[len]))
			continue;
		best = len;
		g_free(best_root);
		best_root = g_strdup(strcmp(root, "/") == 0 ? "" : root);
	}
	return best ? g_strconcat(best_root, real + best, NULL) : NULL;
}

int acg_cgroup_open_root(const char *path, int *ret_dirfd, char **ret_mount_path, GError **error)
{
	g_autofree char *parent = g_path_get_dirname(path);
	g_autofree char *real = NULL;
	char *inside;
	struct statfs fs;
	int dirfd;

	if (statfs(parent, &fs) < 0)
		return acg_fail_errno(error, errno, "cannot look at %s", parent);
	if (fs.f_type != CGROUP2_SUPER_MAGIC)
		return acg_fail(error, ENOTSUP,
				"%s is not on a cgroup2 file system: give one with -r (see `mount "
				"-t cgroup2`)",
				parent);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return acg_fail_errno(error, errno, "cannot make the cgroup %s", path);
	real = realpath(path, NULL);
	inside = real ? path_within_mount(real) : NULL;
	if (!inside)
		return acg_fail(error, ENOTSUP,
				"%s is not below a cgroup2 mount of this mount namespace", path);
	dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0) {
		g_free(inside);
		return acg_fail_errno(error, errno, "cannot open %s", path);
	}
	*ret_dirfd = dirfd;
	*ret_mount_path = inside;
	return 0;
}
