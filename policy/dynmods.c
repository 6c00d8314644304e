/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the options, and repeats them with one more or less; see the header. */
#include "policy/dynmods.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define OPTION "favordynmods"

/* The fields of a line, up to the third, and from the lone dash on (Documentation/filesystems/proc.rst). */
enum { FIELD_DEVICE = 2, FIELD_POINT = 4, FIELDS_BEFORE = 6 };
enum { FIELD_OPTIONS = 3, FIELDS_AFTER = 4 };

/* Adds what the line says, if it is of the file system `device`, "MAJOR:MINOR". */
static void take_line(const char *line, const char *device, GPtrArray *points, char ***options)
{
	g_auto(GStrv) fields = g_strsplit(line, " ", -1);
	unsigned int n = g_strv_length(fields), dash = FIELDS_BEFORE;

	while (dash < n && strcmp(fields[dash], "-") != 0)
		dash++;
	if (dash + FIELDS_AFTER > n || strcmp(fields[FIELD_DEVICE], device) != 0)
		return;
	g_ptr_array_add(points, g_strcompress(fields[FIELD_POINT]));
	if (!*options)
		*options = g_strsplit(fields[dash + FIELD_OPTIONS], ",", -1);
}

int acg_dynmods_parse(const char *mountinfo, dev_t device, char ***ret_points, char ***ret_options,
		      GError **error)
{
	g_autofree char *wanted = g_strdup_printf("%u:%u", major(device), minor(device));
	g_auto(GStrv) lines = g_strsplit(mountinfo, "\n", -1);
	GPtrArray *points = g_ptr_array_new_with_free_func(g_free);
	char **options = NULL;

	for (unsigned int i = 0; lines[i]; i++)
		take_line(lines[i], wanted, points, &options);
	if (!options) {
		g_ptr_array_unref(points);
		return acg_fail(error, ENOENT,
				"its file system is mounted nowhere that can be seen");
	}
	g_ptr_array_add(points, NULL);
	*ret_points = (char **)g_ptr_array_free(points, FALSE);
	*ret_options = options;
	return 0;
}

static int look(int dirfd, dev_t *ret_device, char ***ret_points, char ***ret_options,
		GError **error)
{
	g_autofree char *mountinfo = NULL;
	struct stat st;

	if (fstat(dirfd, &st) < 0)
		return acg_fail_errno(error, errno, "cannot look at the cgroup root");
	if (!g_file_get_contents("/proc/self/mountinfo", &mountinfo, NULL, NULL))
		return acg_fail(error, ENOENT, "cannot read /proc/self/mountinfo");
	*ret_device = st.st_dev;
	return acg_dynmods_parse(mountinfo, st.st_dev, ret_points, ret_options, error);
}

static bool lists(char **options, const char *option)
{
	return g_strv_contains((const char *const *)options, option);
}

int acg_dynmods_get(int dirfd, GError **error)
{
	g_auto(GStrv) points = NULL, options = NULL;
	dev_t device;
	int ret = look(dirfd, &device, &points, &options, error);

	return ret ? ret : lists(options, OPTION);
}

/* For a change of its options. Something else may be mounted over it by now. */
static int pick(char **points, dev_t device, GError **error)
{
	int saved = ENOENT;

	for (unsigned int i = 0; points[i]; i++) {
		int at = open(points[i], O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;
		struct stat st;

		if (at < 0)
			continue;
		if (fstat(at, &st) == 0 && st.st_dev == device) {
			fd = fspick(at, "", FSPICK_EMPTY_PATH | FSPICK_CLOEXEC);
			saved = errno;
		}
		close(at);
		if (fd >= 0)
			return fd;
	}
	return acg_fail_errno(error, saved, "cannot change the options of cgroup2");
}

static int repeat(int fd, const char *option, GError **error)
{
	g_auto(GStrv) pair = g_strsplit(option, "=", 2);
	g_autofree char *value = pair[0] && pair[1] ? g_strcompress(pair[1]) : NULL;

	if (fsconfig(fd, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, pair[0], value, 0) == 0)
		return 0;
	return acg_fail(error, EOPNOTSUPP,
			"cgroup2 has the option %s, which cannot be repeated: %s", option,
			g_strerror(errno));
}

static int change(int fd, char **options, bool on, GError **error)
{
	for (unsigned int i = 0; options[i]; i++) {
		int ret = strcmp(options[i], OPTION) == 0 ? 0 : repeat(fd, options[i], error);

		if (ret)
			return ret;
	}
	if (on && fsconfig(fd, FSCONFIG_SET_FLAG, OPTION, NULL, 0) < 0)
		return acg_fail(
			error, EOPNOTSUPP,
			"this kernel's cgroup2 has no such option (Linux 6.0 and later have)");
	if (fsconfig(fd, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0)
		return acg_fail_errno(error, errno, "cannot change the options of cgroup2");
	return 0;
}

int acg_dynmods_set(int dirfd, bool on, GError **error)
{
	g_auto(GStrv) points = NULL, options = NULL;
	dev_t device;
	int fd, ret = look(dirfd, &device, &points, &options, error);

	if (ret || lists(options, OPTION) == on)
		return ret;
	fd = pick(points, device, error);
	if (fd < 0)
		return fd;
	ret = change(fd, options, on, error);
	close(fd);
	if (ret)
		return ret;
	ret = acg_dynmods_get(dirfd, error);
	if (ret >= 0 && ret != on)
		return acg_fail(error, EPERM,
				"the kernel ignores it, but in the machine's own cgroup namespace");
	return MIN(ret, 0);
}
