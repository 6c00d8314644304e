/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cgroup enforcer: one cgroup a node, made with mkdir below its parent's descriptor, limited through its files.
 *
 * Lowering memory.high or memory.max below what a group uses makes the kernel reclaim in the writer's context, for as long as that
 * takes. Kernels from 6.16 leave that out for a file opened with O_NONBLOCK; for the others these two files, where there is
 * something to reclaim, are written by one thread of our own, in order.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "policy/cgroupfs.h"
#include "policy/enforcer.h"
#include "policy/grant.h"
#include "policy/reaper.h"
#include "policy/state.h"

static const char *const control_files[ACG_N_CONTROLS] = {
	[ACG_CONTROL_MEMORY_HIGH] = "memory.high",
	[ACG_CONTROL_MEMORY_MAX] = "memory.max",
	[ACG_CONTROL_SWAP_MAX] = "memory.swap.max",
	[ACG_CONTROL_PIDS_MAX] = "pids.max",
	[ACG_CONTROL_CPU_MAX] = "cpu.max",
	[ACG_CONTROL_MEMORY_LOW] = "memory.low",
	[ACG_CONTROL_OOM_GROUP] = "memory.oom.group",
	[ACG_CONTROL_CPU_WEIGHT] = "cpu.weight",
};

const char *acg_control_file(enum acg_control control)
{
	return control_files[control];
}

static const char *const controllers[] = {"memory", "cpu", "pids", "io"};

struct cgroup_enforcer {
	struct acg_enforcer enforcer;
	int root_dirfd;
	int lock_fd;
	char *root_path; /* within the cgroup2 mount */
	int mount_dirfd; /* the top of that mount, for cgroups of others; -1: not had */
	char enable[64]; /* "+memory +cpu ..." for cgroup.subtree_control */
	bool has[G_N_ELEMENTS(controllers)];
	bool has_kill, has_freeze;
	struct acg_reaper *reaper;
	GThreadPool *writers; /* one thread; jobs are struct slow_write */
	int pending;          /* atomic: jobs that it has not done yet */
};

struct slow_write {
	int dirfd;
	enum acg_control control;
	uint64_t value;
};

static struct cgroup_enforcer *self_of(struct acg_enforcer *enforcer)
{
	return (struct cgroup_enforcer *)enforcer;
}

static int parent_dirfd(const struct cgroup_enforcer *self, const struct acg_node *node)
{
	const struct acg_agent *agent = node->agent;

	if (node->kind != ACG_KIND_AGENT)
		return agent->node.group->dirfd;
	return agent->parent ? agent->parent->node.group->dirfd : self->root_dirfd;
}

/* The directory's name: calls and sub-agents carry a prefix, so that no name collides with a kernel file or with self. */
static char *directory_name(const struct acg_node *node, const char *name)
{
	if (node->kind == ACG_KIND_CALL)
		return g_strconcat("call-", name, NULL);
	if (node->kind == ACG_KIND_AGENT && node->agent->parent)
		return g_strconcat("agent-", name, NULL);
	return g_strdup(name);
}

static bool is_adopted(const struct acg_node *node)
{
	return node->kind == ACG_KIND_AGENT && node->agent->adopted;
}

static int open_directory(const struct cgroup_enforcer *self, const struct acg_node *node,
			  const char *directory)
{
	if (is_adopted(node))
		return openat(self->mount_dirfd, node->agent->adopted + 1,
			      O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return openat(parent_dirfd(self, node), directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int open_group(const struct cgroup_enforcer *self, struct acg_node *node, char *directory,
		      GError **error)
{
	int dirfd = open_directory(self, node, directory);
	struct stat st;

	if (dirfd < 0 || fstat(dirfd, &st) < 0)
		return acg_fail_errno(error, errno, "cannot open the cgroup %s", directory);
	node->group = g_new0(struct acg_group, 1);
	node->group->dirfd = dirfd;
	node->group->id = st.st_ino;
	node->group->name = directory;
	return 0;
}

static int hand_down(const struct cgroup_enforcer *self, int dirfd, GError **error)
{
	return self->enable[0] ? acg_cgroup_write(dirfd, "cgroup.subtree_control", self->enable, error)
			       : 0;
}

static int read_control(int dirfd, enum acg_control control, uint64_t *ret_value)
{
	uint64_t quota, period;
	char buf[64];
	int ret;

	if (control != ACG_CONTROL_CPU_MAX)
		return acg_cgroup_read_u64(dirfd, control_files[control], ret_value, NULL);
	ret = acg_cgroup_read(dirfd, control_files[control], buf, sizeof(buf), NULL);
	if (ret < 0)
		return ret;
	if (sscanf(buf, "%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT, &quota, &period) == 2 && period)
		*ret_value = quota * ACG_CPU_PERIOD / period;
	else
		*ret_value = ACG_MAX;
	return 0;
}

static int cgroup_attach(struct acg_enforcer *enforcer, struct acg_node *node, const char *name,
			 GError **error)
{
	char *directory = directory_name(node, name);
	int ret = open_group(self_of(enforcer), node, directory, error);

	if (ret)
		g_free(directory);
	return ret;
}

/* The kernel keeps whole pages. */
static bool is_the_same(enum acg_control control, uint64_t ours, uint64_t kernels)
{
	bool in_pages = control == ACG_CONTROL_MEMORY_HIGH || control == ACG_CONTROL_MEMORY_MAX ||
			control == ACG_CONTROL_SWAP_MAX || control == ACG_CONTROL_MEMORY_LOW;

	return ours == kernels || (in_pages && ours - ours % getpagesize() == kernels);
}

/* Writing what is so already would wait for every cgroup below that is being removed. */
static bool hands_down_all(const struct cgroup_enforcer *self, int dirfd)
{
	char now[256];

	if (acg_cgroup_read(dirfd, "cgroup.subtree_control", now, sizeof(now), NULL) < 0)
		return false;
	for (unsigned int i = 0; i < G_N_ELEMENTS(controllers); i++)
		if (self->has[i] && !acg_cgroup_has_word(now, controllers[i]))
			return false;
	return true;
}

static void cgroup_read_back(struct acg_enforcer *enforcer, struct acg_node *node)
{
	struct cgroup_enforcer *self = self_of(enforcer);
	int dirfd = node->group->dirfd;
	uint64_t value;

	if (node->kind == ACG_KIND_AGENT && !node->agent->adopted && !hands_down_all(self, dirfd))
		hand_down(self, dirfd, NULL);
	for (unsigned int i = 0; i < ACG_N_CONTROLS; i++)
		if (read_control(dirfd, i, &value) == 0 && !is_the_same(i, node->controls[i], value))
			node->controls[i] = value;
}

/* An ended call of the same name may still be on its way out. */
static int make_directory(struct cgroup_enforcer *self, int parent, const char *directory)
{
	if (mkdirat(parent, directory, 0755) == 0)
		return 0;
	if (errno != EEXIST)
		return -1;
	acg_reaper_flush(self->reaper);
	return mkdirat(parent, directory, 0755);
}

/* --- cgroups of others --------------------------------------------------------------------------------------- */

struct pids_to {
	int dirfd;
	unsigned int moved;
};

static int move_pid(pid_t pid, void *data)
{
	struct pids_to *to = data;

	/* One that is gone, or a kernel thread or zombie that cannot be moved, is not worth giving up for. */
	if (acg_cgroup_write_u64(to->dirfd, "cgroup.procs", pid, NULL) == 0)
		to->moved++;
	return 0;
}

/* All processes; those that are forked meanwhile are found in the next round. */
static void move_all(int from, int to)
{
	struct pids_to pids = {.dirfd = to};

	do {
		pids.moved = 0;
		acg_cgroup_each_pid(from, move_pid, &pids, NULL);
	} while (pids.moved);
}

/* The processes of an adopted cgroup go to its self; then it can hand its controllers down. */
static int settle_in(struct cgroup_enforcer *self, struct acg_node *node, GError **error)
{
	int dirfd = node->agent->node.group->dirfd;

	move_all(dirfd, node->group->dirfd);
	acg_cgroup_write(dirfd, "memory.oom.group", "0", NULL);
	return hand_down(self, dirfd, error);
}

static int write_control(int dirfd, enum acg_control control, uint64_t value, GError **error);

struct give_back {
	int to;
};

static void give_back_child(int dirfd, const char *name, void *data)
{
	const struct give_back *back = data;
	int child = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (child < 0)
		return;
	acg_cgroup_write(child, "cgroup.freeze", "0", NULL);
	acg_cgroup_each_child(child, give_back_child, data);
	move_all(child, back->to);
	close(child);
	acg_cgroup_remove(dirfd, name, NULL);
}

/* As it was: no controllers handed down, all processes in it, nothing below, its own limits. */
static void give_back(struct cgroup_enforcer *self, struct acg_node *node)
{
	g_auto(GStrv) plus = g_strsplit(self->enable, " ", -1);
	struct give_back back = {node->group->dirfd};

	for (unsigned int i = 0; plus[i] && *plus[i]; i++) {
		plus[i][0] = '-';
		acg_cgroup_write(back.to, "cgroup.subtree_control", plus[i], NULL);
	}
	acg_cgroup_each_child(back.to, give_back_child, &back);
	fremovexattr(back.to, ACG_STATE_ATTRIBUTE);
	for (unsigned int i = 0; i < ACG_N_CONTROLS; i++)
		if (i == ACG_CONTROL_OOM_GROUP ||
		    node->controls[i] != node->agent->adopted_controls[i])
			write_control(back.to, i, node->agent->adopted_controls[i], NULL);
}

static int cgroup_adopt(struct cgroup_enforcer *self, struct acg_node *node, char *directory,
			GError **error)
{
	int ret = open_group(self, node, directory, error);

	if (ret)
		g_free(directory);
	return ret;
}

static int cgroup_make(struct acg_enforcer *enforcer, struct acg_node *node, const char *name,
		       GError **error)
{
	struct cgroup_enforcer *self = self_of(enforcer);
	char *directory = directory_name(node, name);
	int parent, ret;

	if (is_adopted(node))
		return cgroup_adopt(self, node, directory, error);
	parent = parent_dirfd(self, node);
	if (make_directory(self, parent, directory) < 0) {
		ret = acg_fail_errno(error, errno, "cannot make the cgroup %s", directory);
		g_free(directory);
		return ret;
	}
	ret = open_group(self, node, directory, error);
	if (ret) {
		unlinkat(parent, directory, AT_REMOVEDIR);
		g_free(directory);
		return ret;
	}
	if (node->kind == ACG_KIND_AGENT)
		return hand_down(self, node->group->dirfd, error);
	return node->kind == ACG_KIND_SELF && node->agent->adopted ? settle_in(self, node, error) : 0;
}

static void forget_group(struct acg_node *node)
{
	g_free(node->group->name);
	g_clear_pointer(&node->group, g_free);
}

/* When that changes cgroup.events is told of again: no need to look at who is counted. */
static bool cgroup_populated(struct acg_enforcer *enforcer, struct acg_node *node)
{
	uint64_t counted = 1;
	char buf[128];

	(void)enforcer;
	if (acg_cgroup_read(node->group->dirfd, "cgroup.events", buf, sizeof(buf), NULL) > 0)
		acg_cgroup_keyed(buf, "populated", &counted);
	return counted;
}

/* A call that was empty when it was last measured can be left to the reaper: rmdir will succeed, and nobody waits for it. */
static bool leave_to_reaper(struct cgroup_enforcer *self, struct acg_node *node)
{
	struct acg_group *group = node->group;

	if (node->kind != ACG_KIND_CALL || acg_node_call(node)->usage.populated)
		return false;
	acg_reaper_push(self->reaper, parent_dirfd(self, node), group->dirfd, group->name);
	forget_group(node);
	return true;
}

static int cgroup_reclaim(struct acg_enforcer *enforcer, struct acg_node *node, uint64_t bytes,
			  GError **error)
{
	(void)error;
	if (node->group)
		acg_reaper_reclaim(self_of(enforcer)->reaper, node->group->dirfd, bytes);
	return 0;
}

static int cgroup_remove(struct acg_enforcer *enforcer, struct acg_node *node, GError **error)
{
	struct cgroup_enforcer *self = self_of(enforcer);
	int ret;

	if (node->kind == ACG_KIND_SELF && node->agent->adopted) { /* it goes with its agent */
		close(node->group->dirfd);
		forget_group(node);
		return 0;
	}
	if (is_adopted(node)) {
		acg_reaper_flush(self->reaper);
		give_back(self, node);
		close(node->group->dirfd);
		forget_group(node);
		return 0;
	}
	if (leave_to_reaper(self, node))
		return 0;
	if (node->kind == ACG_KIND_AGENT)
		acg_reaper_flush(self->reaper);
	ret = acg_cgroup_remove(parent_dirfd(self, node), node->group->name, error);
	if (ret && ret != -ENOENT)
		return ret;
	if (ret)
		g_clear_error(error); /* somebody else removed it: what we wanted */
	close(node->group->dirfd);
	forget_group(node);
	return 0;
}

static int write_control(int dirfd, enum acg_control control, uint64_t value, GError **error)
{
	char text[48];

	if (control != ACG_CONTROL_CPU_MAX)
		return acg_cgroup_write_u64(dirfd, control_files[control], value, error);
	if (value == ACG_MAX)
		snprintf(text, sizeof(text), "max %d", ACG_CPU_PERIOD);
	else
		snprintf(text, sizeof(text), "%" G_GUINT64_FORMAT " %d", value, ACG_CPU_PERIOD);
	return acg_cgroup_write(dirfd, control_files[control], text, error);
}

static void slow_write(void *data, void *user_data)
{
	struct slow_write *job = data;
	struct cgroup_enforcer *self = user_data;

	write_control(job->dirfd, job->control, job->value, NULL);
	close(job->dirfd);
	g_free(job);
	g_atomic_int_add(&self->pending, -1);
}

/* True if the write may have to reclaim, or might overtake one that is under way. */
static bool may_reclaim(struct cgroup_enforcer *self, const struct acg_node *node,
			enum acg_control control, uint64_t value)
{
	uint64_t current = 0;

	if (control != ACG_CONTROL_MEMORY_HIGH && control != ACG_CONTROL_MEMORY_MAX)
		return false;
	if (node->kind == ACG_KIND_CALL && !((const struct acg_call *)node)->inhabited)
		return false;
	acg_cgroup_read_u64(node->group->dirfd, "memory.current", &current, NULL);
	return current > value || g_atomic_int_get(&self->pending);
}

static int cgroup_set(struct acg_enforcer *enforcer, struct acg_node *node,
		      enum acg_control control, uint64_t value, GError **error)
{
	struct cgroup_enforcer *self = self_of(enforcer);
	struct slow_write *job;
	int ret;

	if (may_reclaim(self, node, control, value)) {
		job = g_new(struct slow_write, 1);
		*job = (struct slow_write){fcntl(node->group->dirfd, F_DUPFD_CLOEXEC, 0), control,
					   value};
		g_atomic_int_inc(&self->pending);
		g_thread_pool_push(self->writers, job, NULL);
		return 0;
	}
	ret = write_control(node->group->dirfd, control, value, error);
	if (ret != -ENOENT)
		return ret;
	g_clear_error(error); /* this kernel, or this hierarchy, does not have the control */
	return 0;
}

/*
 * Replaces a process's oom_score_adj, unless it is to be kept, and reads before what it was, if somebody wants to know. A process that
 * is gone is none of our business.
 */
static void swap_oom_score_adj(pid_t pid, int value, int *ret_old)
{
	char path[64], text[16];
	int fd, old = ACG_OOM_KEEP;
	ssize_t n;

	if (!ret_old && value == ACG_OOM_KEEP)
		return;
	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
	fd = open(path, (ret_old ? O_RDWR : O_WRONLY) | O_CLOEXEC);
	if (fd < 0)
		return;
	if (ret_old) {
		n = read(fd, text, sizeof(text) - 1);
		text[MAX(n, 0)] = '\0';
		old = atoi(text);
	}
	if (value != ACG_OOM_KEEP && value != old) {
		n = snprintf(text, sizeof(text), "%d", value);
		if (pwrite(fd, text, n, 0) < 0)
			old = value; /* nothing was changed, nothing is to be put back */
	}
	close(fd);
	if (ret_old)
		*ret_old = old;
}

static int cgroup_move(struct acg_enforcer *enforcer, struct acg_node *to, pid_t pid,
		       int oom_score_adj, int *ret_oom_score_adj, GError **error)
{
	int ret = acg_cgroup_write_u64(to->group->dirfd, "cgroup.procs", pid, error);

	(void)enforcer;
	if (ret)
		return ret;
	swap_oom_score_adj(pid, oom_score_adj, ret_oom_score_adj);
	return 0;
}

static int cgroup_freeze(struct acg_enforcer *enforcer, struct acg_node *node, bool frozen,
			 GError **error)
{
	if (!self_of(enforcer)->has_freeze)
		return 0; /* procfs does it */
	return acg_cgroup_write(node->group->dirfd, "cgroup.freeze", frozen ? "1" : "0", error);
}

static int cgroup_signal(struct acg_enforcer *enforcer, struct acg_node *node, int signo,
			 GError **error)
{
	(void)enforcer;
	return acg_cgroup_signal(node->group->dirfd, signo, error);
}

/* --- measuring ---------------------------------------------------------------------------------------------- */

static void keyed(const char *text, const char *key, uint64_t *value)
{
	acg_cgroup_keyed(text, key, value);
}

static void measure_events(int dirfd, const struct acg_node *node, struct acg_usage *usage)
{
	char buf[256];

	if (acg_cgroup_read(dirfd, "memory.events", buf, sizeof(buf), NULL) > 0) {
		keyed(buf, "oom", &usage->oom_events);
		keyed(buf, "oom_kill", &usage->oom_kills);
	}
	if ((node->kind == ACG_KIND_AGENT || node->controls[ACG_CONTROL_MEMORY_HIGH] != ACG_MAX) &&
	    acg_cgroup_read(dirfd, "memory.events.local", buf, sizeof(buf), NULL) > 0) {
		keyed(buf, "high", &usage->high_events);
		keyed(buf, "max", &usage->max_events);
	}
	if (node->controls[ACG_CONTROL_PIDS_MAX] != ACG_MAX &&
	    acg_cgroup_read(dirfd, "pids.events", buf, sizeof(buf), NULL) > 0)
		keyed(buf, "max", &usage->pids_refused);
}

/* What cannot be dropped: all but page cache (shared memory is no page cache) and reclaimable slab. memory.stat is dear, so only of agents. */
static void measure_held(int dirfd, struct acg_usage *usage)
{
	g_autofree char *buf = g_malloc(8192);
	uint64_t file = 0, shmem = 0, slab = 0;

	usage->memory_held = usage->memory_current;
	if (acg_cgroup_read(dirfd, "memory.stat", buf, 8192, NULL) <= 0)
		return;
	keyed(buf, "file", &file);
	keyed(buf, "shmem", &shmem);
	keyed(buf, "slab_reclaimable", &slab);
	usage->memory_held -= MIN(usage->memory_held, file - MIN(file, shmem) + slab);
}

/* "some avg10=... total=N": N */
static void measure_stalled(int dirfd, struct acg_usage *usage)
{
	char buf[256];
	const char *total;

	if (acg_cgroup_read(dirfd, "memory.pressure", buf, sizeof(buf), NULL) <= 0)
		return;
	total = strstr(buf, "total=");
	if (total)
		usage->stalled_usec = strtoull(total + strlen("total="), NULL, 10);
}

static int cgroup_measure(struct acg_enforcer *enforcer, struct acg_node *node,
			  struct acg_usage *usage, GError **error)
{
	const struct cgroup_enforcer *self = self_of(enforcer);
	const struct acg_call *call =
		node->kind == ACG_KIND_CALL ? (const struct acg_call *)node : NULL;
	int dirfd = node->group->dirfd;
	char buf[1024];

	(void)error;
	usage->populated = acg_cgroup_populated(dirfd);
	if (acg_cgroup_read(dirfd, "cpu.stat", buf, sizeof(buf), NULL) > 0)
		keyed(buf, "usage_usec", &usage->cpu_usec);
	if (!self->has[0])
		return 0;
	acg_cgroup_read_u64(dirfd, "memory.current", &usage->memory_current, NULL);
	if (acg_cgroup_read_u64(dirfd, "memory.peak", &usage->memory_peak, NULL))
		usage->memory_peak = MAX(usage->memory_peak, usage->memory_current);
	measure_events(dirfd, node, usage);
	if (node->kind == ACG_KIND_AGENT)
		measure_held(dirfd, usage);
	else
		usage->memory_held = usage->memory_current;
	if (call && call->delays)
		measure_stalled(dirfd, usage);
	return 0;
}

/* --- the whole ---------------------------------------------------------------------------------------------- */

static void cgroup_status(struct acg_enforcer *enforcer, GArray *mechanisms)
{
	const struct cgroup_enforcer *self = self_of(enforcer);
	g_autoptr(GString) missing = g_string_new(NULL);
	struct acg_mechanism row = {.name = "cgroup"};

	for (unsigned int i = 0; i < 3; i++)
		if (!self->has[i])
			g_string_append_printf(missing, "%s%s", missing->len ? ", " : "",
					       controllers[i]);
	if (!self->has_freeze)
		g_string_append_printf(missing, "%scgroup.freeze", missing->len ? ", " : "");
	if (!self->has_kill)
		g_string_append_printf(missing, "%scgroup.kill", missing->len ? ", " : "");
	row.state = missing->len ? "degraded" : "on";
	row.reason = missing->len ? g_strdup_printf("%s has no %s", self->root_path, missing->str)
				  : g_strdup_printf("%s with memory, cpu, pids", self->root_path);
	g_array_append_val(mechanisms, row);
}

static void cgroup_free(struct acg_enforcer *enforcer)
{
	struct cgroup_enforcer *self = self_of(enforcer);

	acg_reaper_free(self->reaper);
	g_thread_pool_free(self->writers, FALSE, TRUE);
	close(self->lock_fd);
	close(self->root_dirfd);
	if (self->mount_dirfd >= 0)
		close(self->mount_dirfd);
	g_free(self->root_path);
	g_free(self);
}

static const struct acg_enforcer_ops cgroup_ops = {
	.name = "cgroup",
	.make = cgroup_make,
	.attach = cgroup_attach,
	.read_back = cgroup_read_back,
	.remove = cgroup_remove,
	.reclaim = cgroup_reclaim,
	.set = cgroup_set,
	.move = cgroup_move,
	.freeze = cgroup_freeze,
	.signal = cgroup_signal,
	.populated = cgroup_populated,
	.measure = cgroup_measure,
	.status = cgroup_status,
	.free = cgroup_free,
};

/* Hands the controllers down from the parent of the root to the root, and from there to the agents: what can be had. */
static void enable_controllers(struct cgroup_enforcer *self)
{
	int parent = openat(self->root_dirfd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	GString *enable = g_string_new(NULL);

	for (unsigned int i = 0; i < G_N_ELEMENTS(controllers); i++) {
		g_autofree char *plus = g_strconcat("+", controllers[i], NULL);

		if (!acg_cgroup_lists(self->root_dirfd, "cgroup.controllers", controllers[i]))
			acg_cgroup_write(parent, "cgroup.subtree_control", plus, NULL);
		self->has[i] =
			acg_cgroup_lists(self->root_dirfd, "cgroup.subtree_control",
					 controllers[i]) ||
			(acg_cgroup_lists(self->root_dirfd, "cgroup.controllers", controllers[i]) &&
			 acg_cgroup_write(self->root_dirfd, "cgroup.subtree_control", plus, NULL) ==
				 0);
		if (self->has[i])
			g_string_append_printf(enable, "%s%s", enable->len ? " " : "", plus);
	}
	g_strlcpy(self->enable, enable->str, sizeof(self->enable));
	g_string_free(enable, TRUE);
	close(parent);
}

/* Up from the root as many levels as its path has: the top of the mount. */
static int open_mount(const struct cgroup_enforcer *self)
{
	g_autoptr(GString) up = g_string_new(".");

	for (const char *at = self->root_path; *at; at++)
		if (*at == '/' && at[1])
			g_string_append(up, "/..");
	return openat(self->root_dirfd, up->str, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/*
 * By process and not by descriptor (flock), since the kernel releases that before it closes all that a process has, which takes long. On a
 * file that is opened nowhere else: closing any descriptor of it releases the lock.
 */
static int lock_root(struct cgroup_enforcer *self, bool takes_over, const char *root,
		     GError **error)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	self->lock_fd = openat(self->root_dirfd, "cgroup.max.depth", O_RDWR | O_CLOEXEC);
	if (self->lock_fd < 0)
		return acg_fail_errno(error, errno, "cannot open %s/cgroup.max.depth", root);
	if (fcntl(self->lock_fd, takes_over ? F_SETLKW : F_SETLK, &whole) == 0)
		return 0;
	acg_fail_errno(error, errno, "another agentcgd serves the agents of %s", root);
	close(self->lock_fd);
	return -EBUSY;
}

struct acg_enforcer *acg_enforcer_cgroup_new(const char *root, bool takes_over, GError **error)
{
	struct cgroup_enforcer *self = g_new0(struct cgroup_enforcer, 1);

	self->enforcer.ops = &cgroup_ops;
	if (acg_cgroup_open_root(root, &self->root_dirfd, &self->root_path, error) < 0) {
		g_free(self);
		return NULL;
	}
	if (lock_root(self, takes_over, root, error) < 0) {
		close(self->root_dirfd);
		g_free(self->root_path);
		g_free(self);
		return NULL;
	}
	self->mount_dirfd = open_mount(self);
	enable_controllers(self);
	self->has_kill = acg_cgroup_has(self->root_dirfd, "cgroup.kill");
	self->has_freeze = acg_cgroup_has(self->root_dirfd, "cgroup.freeze");
	self->reaper = acg_reaper_new(self->root_dirfd, self->has[0]);
	self->writers = g_thread_pool_new(slow_write, self, 1, FALSE, NULL);
	if (self->has[0]) {
		/* What an agent's memory.low protects is bounded by its ancestors': leave that to the agents' own. */
		acg_cgroup_write(self->root_dirfd, "memory.low", "max", NULL);
		/* The delays that we cause look like pressure: systemd-oomd must not kill for them. */
		fsetxattr(self->root_dirfd, "user.oomd_omit", "1", 1, 0);
	}
	return &self->enforcer;
}

int acg_enforcer_cgroup_open(const struct acg_enforcer *enforcer, const char *path, int *ret_dirfd,
			     uint64_t ret_controls[ACG_N_CONTROLS], GError **error)
{
	const struct cgroup_enforcer *self = (const struct cgroup_enforcer *)enforcer;
	int dirfd = openat(self->mount_dirfd, path + 1,
			   O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (dirfd < 0)
		return acg_fail_errno(error, errno, "cannot open the cgroup %s", path);
	memcpy(ret_controls, acg_control_defaults, sizeof(acg_control_defaults));
	for (unsigned int i = 0; i < ACG_N_CONTROLS; i++)
		read_control(dirfd, i, &ret_controls[i]);
	*ret_dirfd = dirfd;
	return 0;
}

int acg_enforcer_cgroup_dirfd(const struct acg_enforcer *enforcer)
{
	return ((const struct cgroup_enforcer *)enforcer)->root_dirfd;
}

const char *acg_enforcer_cgroup_path(const struct acg_enforcer *enforcer)
{
	return ((const struct cgroup_enforcer *)enforcer)->root_path;
}

bool acg_enforcer_cgroup_has(const struct acg_enforcer *enforcer, const char *controller)
{
	const struct cgroup_enforcer *self = (const struct cgroup_enforcer *)enforcer;

	for (unsigned int i = 0; i < G_N_ELEMENTS(controllers); i++)
		if (strcmp(controllers[i], controller) == 0)
			return self->has[i];
	return false;
}
