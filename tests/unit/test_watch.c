/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Being told of changes: of which node and file, no longer once the node is gone, and the words of a PSI trigger. */
#include "tests/unit/tmp_tree.h"

#include <poll.h>
#include <sys/stat.h>

#include "policy/enforcer.h"
#include "policy/watch.h"

struct seen {
	GString *changes; /* "ID:FILE " each */
	struct acg_watch *watch;
};

struct cgroup {
	struct acg_group group;
	struct acg_node node;
	char *dir;
};

static void on_change(void *data, uint64_t id, const char *file)
{
	struct seen *seen = data;

	g_string_append_printf(seen->changes, "%u:%s ", (unsigned int)id, file);
}

static void on_pressure(void *data, uint64_t id)
{
	struct seen *seen = data;

	g_string_append_printf(seen->changes, "%u:psi ", (unsigned int)id);
}

static struct seen seen_new(void)
{
	return (struct seen){.changes = g_string_new(NULL)};
}

static void start(struct seen *seen)
{
	const struct acg_watch_callbacks callbacks = {on_change, on_pressure, seen};

	assert_int_equal(acg_watch_new(&callbacks, &seen->watch, NULL), 0);
}

static void seen_free(struct seen *seen)
{
	acg_watch_free(seen->watch);
	g_string_free(seen->changes, TRUE);
}

static struct cgroup *cgroup_new(uint64_t id)
{
	struct cgroup *cgroup = g_new0(struct cgroup, 1);

	cgroup->dir = tmp_new();
	cgroup->group.dirfd = tmp_open(cgroup->dir);
	cgroup->group.id = cgroup->node.id = id;
	cgroup->node.group = &cgroup->group;
	return cgroup;
}

static void cgroup_free(struct cgroup *cgroup)
{
	close(cgroup->group.dirfd);
	tmp_free(cgroup->dir);
	g_free(cgroup);
}

/* In place, as the kernel does; g_file_set_contents() would put another file there. */
static void change(const struct cgroup *cgroup, const char *file)
{
	int fd = openat(cgroup->group.dirfd, file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
}

/* inotify queues at once: all that happened before is dispatched when nothing is pending any more. */
static const char *heard(struct seen *seen)
{
	while (g_main_context_iteration(NULL, FALSE))
		;
	return seen->changes->str;
}

static void changes_of_watched_files(void **state)
{
	struct seen seen = seen_new();
	struct cgroup *a = cgroup_new(1), *b = cgroup_new(2);

	(void)state;
	start(&seen);
	change(a, "cgroup.events");
	change(a, "memory.events");
	change(b, "cgroup.events");
	assert_int_equal(acg_watch_file(seen.watch, &a->node, "cgroup.events", NULL), 0);
	assert_int_equal(acg_watch_file(seen.watch, &b->node, "cgroup.events", NULL), 0);
	assert_int_equal(acg_watch_file(seen.watch, &a->node, "pids.events", NULL), -ENOENT);
	assert_string_equal(heard(&seen), "");
	change(b, "cgroup.events");
	assert_string_equal(heard(&seen), "2:cgroup.events ");
	change(a, "memory.events"); /* nobody asked */
	change(a, "cgroup.events");
	assert_string_equal(heard(&seen), "2:cgroup.events 1:cgroup.events ");
	seen_free(&seen);
	cgroup_free(a);
	cgroup_free(b);
}

static void asking_twice_is_being_told_once(void **state)
{
	struct seen seen = seen_new();
	struct cgroup *a = cgroup_new(1);

	(void)state;
	start(&seen);
	change(a, "cgroup.events");
	acg_watch_file(seen.watch, &a->node, "cgroup.events", NULL);
	acg_watch_file(seen.watch, &a->node, "cgroup.events", NULL);
	change(a, "cgroup.events");
	assert_string_equal(heard(&seen), "1:cgroup.events ");
	seen_free(&seen);
	cgroup_free(a);
}

static void a_node_that_is_gone_is_silent(void **state)
{
	struct seen seen = seen_new();
	struct cgroup *a = cgroup_new(1), *b = cgroup_new(2);

	(void)state;
	start(&seen);
	change(a, "cgroup.events");
	change(b, "cgroup.events");
	acg_watch_file(seen.watch, &a->node, "cgroup.events", NULL);
	acg_watch_file(seen.watch, &b->node, "cgroup.events", NULL);
	change(a, "cgroup.events"); /* still in the queue when the node goes */
	acg_watch_remove(seen.watch, 1);
	acg_watch_remove(seen.watch, 1);
	change(a, "cgroup.events");
	change(b, "cgroup.events");
	assert_string_equal(heard(&seen), "2:cgroup.events ");
	seen_free(&seen);
	cgroup_free(a);
	cgroup_free(b);
}

/* What is written next to the fifo, which stands for a trigger: a regular file cannot be waited for. */
static void assert_trigger(int fifo, const char *text)
{
	struct pollfd written = {.fd = fifo, .events = POLLIN};
	char buf[64] = "";

	assert_int_equal(poll(&written, 1, 20000), 1);
	assert_int_equal(read(fifo, buf, strlen(text) + 1), strlen(text) + 1);
	assert_string_equal(buf, text);
}

static void one_pressure_trigger_a_node(void **state)
{
	struct seen seen = seen_new();
	struct cgroup *a = cgroup_new(1), *b = cgroup_new(2);
	const uint64_t id = 1;
	int fifo;

	(void)state;
	start(&seen);
	acg_watch_pressure(seen.watch, &b->node, 150000, 1000000); /* it has no such file */
	assert_int_equal(mkfifoat(a->group.dirfd, "memory.pressure", 0600), 0);
	fifo = openat(a->group.dirfd, "memory.pressure", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	acg_watch_pressure(seen.watch, &a->node, 150000, 1000000);
	assert_trigger(fifo, "some 150000 1000000");
	acg_watch_pressure(seen.watch, &a->node, 160000, 1000000); /* it has one */
	acg_watch_remove(seen.watch, id);
	acg_watch_pressure(seen.watch, &a->node, 1000, 2000000);
	assert_trigger(fifo, "some 1000 2000000");
	assert_string_equal(heard(&seen), "");
	close(fifo);
	seen_free(&seen);
	cgroup_free(a);
	cgroup_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_of_watched_files),
		cmocka_unit_test(asking_twice_is_being_told_once),
		cmocka_unit_test(a_node_that_is_gone_is_silent),
		cmocka_unit_test(one_pressure_trigger_a_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
