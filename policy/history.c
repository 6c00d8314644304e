/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Append-only history files with rotation; see the header. */
#include "policy/history.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CURRENT  ".jsonl"
#define OLDER    ".jsonl.1"
#define TAIL_BYTES (128 * 1024) /* what a restart reads of each file: far more than the lines that it looks for */
#define STEM_MAX 200 /* bytes of a file name before its suffix; NAME_MAX is 255 */

#define FILES_OPEN 32 /* kept open, of agents that write now */

/* A file that lines are appended to. */
struct file {
	char *name; /* NULL: none */
	int fd;
	off_t size; /* whole lines, all of it */
};

struct acg_history {
	int dirfd;
	struct file files[FILES_OPEN]; /* each at the place that its name hashes to */
};

int acg_history_open(const char *run_dir, struct acg_history **ret_history, GError **error)
{
	g_autofree char *path = g_build_filename(run_dir, "history", NULL);
	int dirfd;

	if (g_mkdir_with_parents(path, 0755) < 0)
		return acg_fail_errno(error, errno, "cannot make %s", path);
	dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return acg_fail_errno(error, errno, "cannot open %s", path);
	*ret_history = g_new0(struct acg_history, 1);
	(*ret_history)->dirfd = dirfd;
	return 0;
}

static void close_file(struct file *file)
{
	if (!file->name)
		return;
	close(file->fd);
	g_clear_pointer(&file->name, g_free);
}

void acg_history_close(struct acg_history *history)
{
	if (!history)
		return;
	for (unsigned int i = 0; i < FILES_OPEN; i++)
		close_file(&history->files[i]);
	close(history->dirfd);
	g_free(history);
}

/*
 * The name of an agent's file. A `,` is in no agent's name either, so a cut name is nobody's whole
 * one.
 */
static char *file_name(const char *agent, const char *suffix)
{
	g_autofree char *stem = g_strdelimit(g_strdup(agent), "/", '+');
	g_autofree char *digest = NULL;

	if (strlen(stem) <= STEM_MAX)
		return g_strconcat(stem, suffix, NULL);
	digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, stem, -1);
	return g_strdup_printf("%.*s,%.32s%s", STEM_MAX - 33, stem, digest, suffix);
}

static int open_file(const struct acg_history *history, const char *name, int flags)
{
	int fd = openat(history->dirfd, name, flags | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd < 0 ? -errno : fd;
}

/*
 * The size without a torn last line: up to and with the last newline. -1 with errno: it cannot be
 * told.
 */
static off_t whole_size(int fd, off_t size)
{
	char buf[4096];

	while (size > 0) {
		size_t want = MIN((off_t)sizeof(buf), size);
		ssize_t n = pread(fd, buf, want, size - want);
		const char *newline;

		if (n < 0)
			return -1;
		if ((size_t)n < want) {
			errno = EIO; /* it shrinks under our hands */
			return -1;
		}
		newline = memrchr(buf, '\n', want);
		if (newline)
			return size - want + (newline - buf) + 1;
		size -= want;
	}
	return 0;
}

/* Nearly always: no line is torn. */
static bool ends_whole(int fd, off_t size)
{
	char last;

	return size == 0 || (pread(fd, &last, 1, size - 1) == 1 && last == '\n');
}

/* Opens the agent's file for appending, without a torn line at its end. */
static int open_whole(const struct acg_history *history, const char *name, struct file *ret_file,
		      GError **error)
{
	int fd = open_file(history, name, O_RDWR | O_APPEND | O_CREAT);
	struct stat st;
	off_t whole;
	int ret;

	if (fd < 0)
		return acg_fail_errno(error, -fd, "cannot open the history file %s", name);
	if (fstat(fd, &st) < 0)
		goto fail;
	whole = ends_whole(fd, st.st_size) ? st.st_size : whole_size(fd, st.st_size);
	if (whole < 0 || (whole < st.st_size && ftruncate(fd, whole) < 0))
		goto fail;
	*ret_file = (struct file){g_strdup(name), fd, whole};
	return 0;
fail:
	ret = acg_fail_errno(error, errno, "cannot use the history file %s", name);
	close(fd);
	return ret;
}

static struct file *place_of(struct acg_history *history, const char *name)
{
	return &history->files[g_str_hash(name) % FILES_OPEN];
}

/* It is still there under its name, and nobody else wrote to it. */
static bool is_as_left(const struct file *file)
{
	struct stat st;

	return fstat(file->fd, &st) == 0 && st.st_nlink && st.st_size == file->size;
}

/* The file, which stays open until another one needs its place. */
static int keep_open(struct acg_history *history, const char *name, struct file **ret_file,
		     GError **error)
{
	struct file *file = place_of(history, name);
	int ret;

	if (g_strcmp0(file->name, name) != 0 || !is_as_left(file)) {
		close_file(file);
		ret = open_whole(history, name, file, error);
		if (ret)
			return ret;
	}
	*ret_file = file;
	return 0;
}

/* One write(2): a reader sees the line whole or not at all. */
static int append_whole(struct file *file, const char *text, size_t len, GError **error)
{
	ssize_t n;

	do
		n = write(file->fd, text, len);
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)len) {
		file->size += len;
		return 0;
	}
	if (n < 0)
		return acg_fail_errno(error, errno, "cannot write a line of history");
	if (ftruncate(file->fd, file->size) < 0)
		return acg_fail_errno(error, errno, "cannot take back half a line of history");
	return acg_fail(error, ENOSPC,
			"no room for a line of history: only %zd of its %zu bytes fit", n, len);
}

/* Makes the file the older one and begins a new one. */
static int rotate(struct acg_history *history, const char *agent, struct file **file,
		  GError **error)
{
	g_autofree char *name = g_strdup((*file)->name);
	g_autofree char *older = file_name(agent, OLDER);

	close_file(*file);
	if (renameat(history->dirfd, name, history->dirfd, older) < 0)
		return acg_fail_errno(error, errno, "cannot rotate the history file %s", name);
	return keep_open(history, name, file, error);
}

int acg_history_append(struct acg_history *history, const char *agent, const char *line,
		       uint64_t max_bytes, GError **error)
{
	g_autofree char *name = file_name(agent, CURRENT);
	g_autofree char *text = g_strconcat(line, "\n", NULL);
	size_t len = strlen(text);
	struct file *file;
	int ret;

	if (max_bytes == 0)
		return 0;
	if (len > max_bytes / 2)
		return acg_fail(error, EFBIG,
				"a line of %zu bytes is more than half of the %" PRIu64
				" that history may have: raise its bound",
				len, max_bytes);
	ret = keep_open(history, name, &file, error);
	if (!ret && (uint64_t)file->size + len > max_bytes / 2)
		ret = rotate(history, agent, &file, error);
	if (ret)
		return ret;
	ret = append_whole(file, text, len, error);
	if (ret)
		close_file(file); /* whatever is wrong with it is looked at when it is opened again */
	return ret;
}

/* Whole lines only, of the last max_bytes. */
static int read_file(const struct acg_history *history, const char *name, off_t max_bytes,
		     GString *out, GError **error)
{
	int fd = open_file(history, name, O_RDONLY);
	size_t start = out->len;
	const char *newline;
	char buf[16384];
	bool cut;
	ssize_t n;

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return acg_fail_errno(error, -fd, "cannot open the history file %s", name);
	cut = max_bytes && lseek(fd, -max_bytes, SEEK_END) > 0;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		g_string_append_len(out, buf, n);
	n = n < 0 ? acg_fail_errno(error, errno, "cannot read the history file %s", name) : 0;
	close(fd);
	newline = memrchr(out->str + start, '\n', out->len - start);
	g_string_truncate(out, n < 0 ? start : newline ? (size_t)(newline + 1 - out->str) : start);
	newline = cut ? memchr(out->str + start, '\n', out->len - start) : NULL;
	if (newline)
		g_string_erase(out, start, newline + 1 - (out->str + start));
	return n;
}

int acg_history_read(struct acg_history *history, const char *agent, GString *out, GError **error)
{
	g_autofree char *older = file_name(agent, OLDER);
	g_autofree char *current = file_name(agent, CURRENT);
	size_t start = out->len;
	int ret = read_file(history, older, 0, out, error);

	if (!ret)
		ret = read_file(history, current, 0, out, error);
	if (ret)
		g_string_truncate(out, start);
	return ret;
}

/* Where the last so many lines begin. */
static size_t last_lines(const GString *text, unsigned int n)
{
	const char *at = text->str + text->len;

	for (n++; at && at > text->str && n; n--)
		at = memrchr(text->str, '\n', at - text->str);
	return at && !n ? (size_t)(at + 1 - text->str) : 0;
}

int acg_history_tail(struct acg_history *history, const char *agent, unsigned int max_lines,
		     GString *out, GError **error)
{
	g_autofree char *older = file_name(agent, OLDER);
	g_autofree char *current = file_name(agent, CURRENT);
	g_autoptr(GString) text = g_string_new(NULL);
	int ret = read_file(history, older, TAIL_BYTES, text, error);

	if (!ret)
		ret = read_file(history, current, TAIL_BYTES, text, error);
	if (!ret)
		g_string_append(out, text->str + last_lines(text, max_lines));
	return ret;
}

void acg_history_remove(struct acg_history *history, const char *agent)
{
	g_autofree char *older = file_name(agent, OLDER);
	g_autofree char *current = file_name(agent, CURRENT);
	struct file *file = place_of(history, current);

	if (g_strcmp0(file->name, current) == 0)
		close_file(file);
	unlinkat(history->dirfd, older, 0);
	unlinkat(history->dirfd, current, 0);
}
