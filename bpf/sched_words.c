/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of bpf/sched.h that need no BPF. */
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bpf/sched.h"

#define UEVENT_BYTES 4096 /* the kernel's are at most 2 KiB and the device's path */

#define LEVELS_MAX   64

static const char *const counter_names[ACG_SCHED_N_COUNTERS] = {
	[ACG_SCHED_DIRECT] = "direct",
	[ACG_SCHED_BOOSTED] = "boosted",
	[ACG_SCHED_BOOST_SPENT] = "boost_spent",
	[ACG_SCHED_BOOST_DENIED] = "boost_denied",
	[ACG_SCHED_KEPT] = "kept",
	[ACG_SCHED_PREEMPTED] = "preempted",
	[ACG_SCHED_PINNED] = "pinned",
	[ACG_SCHED_STOLEN] = "stolen",
	[ACG_SCHED_SPREAD] = "spread",
	[ACG_SCHED_REKEYED] = "rekeyed",
	[ACG_SCHED_EMPTY] = "empty",
	[ACG_SCHED_PARKED] = "parked",
	[ACG_SCHED_UNPARKED] = "unparked",
	[ACG_SCHED_STOPPED] = "stopped",
	[ACG_SCHED_OVERRUN] = "overrun",
	[ACG_SCHED_LAGGED] = "lagged",
	[ACG_SCHED_CAPPED] = "capped",
	[ACG_SCHED_NO_PLACE] = "no_place",
	[ACG_SCHED_NO_TASK] = "no_task",
	[ACG_SCHED_RESCUED] = "rescued",
	[ACG_SCHED_TIMER_FAILED] = "timer_failed",
};

const char *acg_sched_counter_name(enum acg_sched_counter counter)
{
	return counter_names[counter];
}

/* A table that is being changed may have a loop for a moment: the number of steps is bounded. */
static bool is_below(const struct acg_sched_place *places, uint32_t used, uint32_t at, uint32_t top)
{
	for (int level = 0; level < LEVELS_MAX && at < used; level++) {
		if (at == top)
			return true;
		if (!at || !places[at].cgroup)
			return false;
		at = places[at].parent;
	}
	return false;
}

static void add_figures(struct acg_sched_figures *sum, const struct acg_sched_figures *figures)
{
	sum->run_ns += figures->run_ns;
	sum->wait_ns += figures->wait_ns;
	sum->slices += figures->slices;
	sum->preemptions += figures->preemptions;
}

bool acg_sched_sum(const struct acg_sched_place *places, uint32_t used, uint64_t cgroup_id,
		   struct acg_sched_figures *ret_figures)
{
	struct acg_sched_figures sum = {0};
	uint32_t top = 0;

	for (uint32_t i = 1; i < used && !top; i++)
		if (places[i].cgroup == cgroup_id)
			top = i;
	if (!top || !cgroup_id)
		return false;
	for (uint32_t i = 1; i < used; i++)
		if (places[i].cgroup && is_below(places, used, i, top))
			add_figures(&sum, &places[i].figures);
	*ret_figures = sum;
	return true;
}

char *acg_sched_exit_words(const struct acg_sched_exit *exit)
{
	g_autofree char *reason = g_strndup(exit->reason, sizeof(exit->reason));
	g_autofree char *message = g_strndup(exit->message, sizeof(exit->message));
	g_autofree char *words = *message ? g_strdup_printf("%s: %s", reason, message)
					  : g_strdup(*reason ? reason : "no reason given");

	return g_utf8_make_valid(g_strdelimit(words, "\n\r\t", ' '), -1);
}

char *acg_sched_loaded_name(const char *sysfs_dir)
{
	g_autofree char *path = g_build_filename(sysfs_dir, "root", "ops", NULL);
	char *name = NULL;

	if (!g_file_get_contents(path, &name, NULL, NULL))
		return NULL;
	return g_strstrip(name);
}

bool acg_sched_is_leaving(const char *uevent, size_t size)
{
	static const char gone[] =
		"remove@/kernel/sched_ext/root"; /* "ACTION@DEVPATH" comes first */

	return size >= sizeof(gone) && !memcmp(uevent, gone, sizeof(gone));
}

int acg_sched_watch_others(GError **error)
{
	const struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = 1};
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			NETLINK_KOBJECT_UEVENT);
	int errnum;

	if (fd < 0)
		return acg_fail_errno(error, errno, "cannot listen to uevents");
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	errnum = errno;
	close(fd);
	return acg_fail_errno(error, errnum, "cannot listen to uevents");
}

bool acg_sched_left(int fd)
{
	char uevent[UEVENT_BYTES];
	bool left = false;
	ssize_t size;

	/* ENOBUFS: some were lost; look as if it had been the one. */
	while ((size = recv(fd, uevent, sizeof(uevent), 0)) > 0 || (size < 0 && errno == ENOBUFS))
		left |= size < 0 || acg_sched_is_leaving(uevent, size);
	return left;
}
