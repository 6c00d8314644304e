/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agentcg doctor: what this host can enforce, what is missing and how to get it, each with the command that shows it; then whether
 * tool calls of agents really get cgroups. One line a finding, and what to do below it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/hook.h"
#include "tools/shell_args.h"
#include "tools/tree.h"
#include "tools/verbs.h"

enum grade { GOOD, COULD_BE, BAD };

struct report {
	unsigned int bad;
};

static void G_GNUC_PRINTF(5, 6) tell(struct report *report, enum grade grade, const char *show,
				     const char *advice, const char *format, ...)
{
	static const char *const marks[] = {"ok", "--", "!!"};
	g_autofree char *text = NULL;
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	printf("%-3s %s\n", marks[grade], text);
	if (show)
		printf("      see: %s\n", show);
	if (advice && grade != GOOD)
		printf("      do:  %s\n", advice);
	report->bad += grade == BAD;
}

static char *read_file(const char *path)
{
	return acg_tree_read(NULL, path, NULL);
}

/* --- the kernel --------------------------------------------------------------------------------------------- */

/* Where cgroup v2 is mounted; free with g_free. NULL: nowhere. */
static char *cgroup2_mount(void)
{
	g_autofree char *mounts = read_file("/proc/self/mounts");
	g_auto(GStrv) lines = g_strsplit(mounts ? mounts : "", "\n", -1);

	for (char **line = lines; *line; line++) {
		g_auto(GStrv) words = g_strsplit(*line, " ", 4);

		if (g_strv_length(words) == 4 && strcmp(words[2], "cgroup2") == 0)
			return g_strdup(words[1]);
	}
	return NULL;
}

static bool lists(const char *controllers, const char *name)
{
	g_auto(GStrv) words = g_strsplit_set(controllers, " \n", -1);

	return g_strv_contains((const char *const *)words, name);
}

static void check_cgroups(struct report *report)
{
	g_autofree char *mount = cgroup2_mount();
	g_autofree char *path = g_strdup_printf("%s/cgroup.controllers", mount ? mount : "");
	g_autofree char *text = mount ? read_file(path) : NULL;
	g_autofree char *show = g_strdup_printf("cat %s", path);

	if (!mount) {
		tell(report, BAD, "findmnt -t cgroup2", "mount -t cgroup2 none /sys/fs/cgroup",
		     "cgroup v2 is not mounted: agents cannot be made");
		return;
	}
	if (text && lists(text, "memory") && lists(text, "cpu") && lists(text, "pids"))
		tell(report, GOOD, show, NULL,
		     "cgroup v2 has the memory, cpu and pids controllers");
	else
		tell(report, BAD, show,
		     "boot with systemd.unified_cgroup_hierarchy=1 (and without "
		     "cgroup_disable=memory): "
		     "v1 mounts hold the controllers",
		     "cgroup v2 at %s lacks a controller (it has: %s): memory is counted by "
		     "process and "
		     "not limited",
		     mount, text && *g_strchomp(text) ? text : "none");
}

static const struct {
	const char *path, *what, *advice;
} files[] = {
	{"/proc/pressure/memory",
	 "pressure stall information: slowing down starts when memory is short", "boot with psi=1"},
	{"/sys/kernel/btf/vmlinux", "BTF: BPF programs can be loaded",
	 "a kernel with CONFIG_DEBUG_INFO_BTF (Debian's have it)"},
	{"/sys/kernel/sched_ext", "sched_ext: CPU classes decided in the kernel",
	 "a kernel with CONFIG_SCHED_CLASS_EXT (Debian 13's backports have one)"},
	{"/dev/fuse", "FUSE", "modprobe fuse"},
};

static void check_files(struct report *report)
{
	for (unsigned int i = 0; i < G_N_ELEMENTS(files); i++) {
		g_autofree char *show = g_strdup_printf("ls -d %s", files[i].path);
		bool there = access(files[i].path, F_OK) == 0;

		tell(report, there ? GOOD : COULD_BE, show, files[i].advice, "%s%s", files[i].what,
		     there ? "" : ": not on this kernel");
	}
}

struct inotify_use {
	unsigned int instances, watches;
};

/* One open file of a process, if it is an inotify descriptor. */
static void count_inotify(const char *proc, const char *fd, struct inotify_use *use)
{
	g_autofree char *link = g_build_filename(proc, "fd", fd, NULL);
	g_autofree char *info = g_build_filename(proc, "fdinfo", fd, NULL);
	g_autofree char *target = g_file_read_link(link, NULL);
	g_autofree char *text = NULL;

	if (!target || strcmp(target, "anon_inode:inotify") != 0)
		return;
	use->instances++;
	text = read_file(info);
	for (const char *at = text; at && (at = strstr(at, "inotify wd:")); at++)
		use->watches++;
}

/* The kernel counts by user: what root's processes have, as far as the caller may look. */
static struct inotify_use inotify_of_root(void)
{
	g_autoptr(GDir) proc = g_dir_open("/proc", 0, NULL);
	struct inotify_use use = {0};
	const char *pid, *fd;
	struct stat st;

	while (proc && (pid = g_dir_read_name(proc))) {
		g_autofree char *path = g_build_filename("/proc", pid, NULL);
		g_autofree char *fds = g_build_filename(path, "fd", NULL);
		g_autoptr(GDir) dir = NULL;

		if (!g_ascii_isdigit(*pid) || stat(path, &st) < 0 || st.st_uid)
			continue;
		dir = g_dir_open(fds, 0, NULL);
		while (dir && (fd = g_dir_read_name(dir)))
			count_inotify(path, fd, &use);
	}
	return use;
}

static void check_inotify_limit(struct report *report, const char *name, unsigned int used)
{
	g_autofree char *path = g_strdup_printf("/proc/sys/fs/inotify/%s", name);
	g_autofree char *show = g_strdup_printf("cat %s", path);
	g_autofree char *text = read_file(path);
	guint64 limit = text ? g_ascii_strtoull(text, NULL, 10) : 0;
	g_autofree char *advice =
		g_strdup_printf("sysctl -w fs.inotify.%s=%" G_GUINT64_FORMAT
				" (and in /etc/sysctl.d): the daemon watches a few files of each call",
				name, MAX(limit, used) * 4);

	if (text)
		tell(report, used < limit / 4 * 3 ? GOOD : COULD_BE, show, advice,
		     "inotify: root uses %u of %" G_GUINT64_FORMAT " (fs.inotify.%s)", used, limit,
		     name);
}

static void check_inotify(struct report *report)
{
	struct inotify_use use = inotify_of_root();

	check_inotify_limit(report, "max_user_watches", use.watches);
	check_inotify_limit(report, "max_user_instances", use.instances);
}

/* --- the daemon --------------------------------------------------------------------------------------------- */

static const struct {
	const char *mechanism, *advice;
} advices[] = {
	{"memcg_bpf_ops",
	 "a kernel with memcg_bpf_ops; without it the cgroup files do it, some milliseconds later"},
	{"sched_ext",
	 "a kernel with CONFIG_SCHED_CLASS_EXT, and `sched` not \"off\" in the policy"},
	{"monitor", "BTF in the kernel, CAP_BPF for the daemon, and no --no-bpf"},
	{"cgroup", "cgroup v2 with memory, cpu and pids (see above)"},
	{"favordynmods",
	 "`favordynmods` not \"off\" in the policy; Linux 6.0, and the daemon in the machine's own "
	 "cgroup namespace; or there: mount -o remount,favordynmods /sys/fs/cgroup"},
	{"procfs", "nothing: it stands in where cgroup cannot measure"},
	{"watches", "raise fs.inotify.max_user_watches (see above), then systemctl reload agentcg"},
	{"policy",
	 "correct the file (agentcgd --check -c FILE), then systemctl reload agentcg, or SIGHUP"},
};

static const char *advice_for(const char *mechanism)
{
	for (unsigned int i = 0; i < G_N_ELEMENTS(advices); i++)
		if (strcmp(advices[i].mechanism, mechanism) == 0)
			return advices[i].advice;
	return NULL;
}

static void check_status(struct report *report, const char *root)
{
	g_autofree char *text = acg_tree_read(NULL, root, "status", NULL);
	g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);

	for (char **line = lines; *line && **line; line++) {
		g_auto(GStrv) words = g_strsplit(*line, " ", 3);

		if (g_strv_length(words) < 3)
			continue;
		tell(report, strcmp(words[1], "on") == 0 ? GOOD : COULD_BE, NULL,
		     advice_for(words[0]), "%s is %s: %s", words[0], words[1], words[2]);
	}
}

static void check_adopted(struct report *report, const char *root)
{
	g_autofree char *why = acg_tree_read(NULL, root, "adopt.error", NULL);
	g_autofree char *show = g_strdup_printf("cat %s/adopt.error", root);

	if (why && *g_strchomp(why))
		tell(report, COULD_BE, show, "see agentcg(1), adopt and oci-hook",
		     "what was last to become an agent did not: %s", why);
}

static void check_daemon(struct report *report)
{
	const char *root = acg_tree_find();
	g_autofree char *version = root ? acg_tree_read(NULL, root, "version", NULL) : NULL;
	g_autofree char *show = g_strdup_printf("cat %s/status", root ? root : "/sys/fs/agentcg");
	g_autofree char *self = root ? acg_tree_read(NULL, root, "self", "info", NULL) : NULL;

	if (!root || (!version && !self)) {
		tell(report, BAD, "systemctl status agentcg",
		     "systemctl start agentcg, or agentcgd /run/agentcg/fs; elsewhere: export "
		     "AGENTCG_FS=DIR",
		     "there is no tree: no daemon, or not at a place that is looked at");
		return;
	}
	tell(report, GOOD, show, NULL, "the tree is at %s%s%s", root, version ? ", version " : "",
	     version ? g_strchomp(version) : "");
	check_status(report, root);
	check_adopted(report, root);
	tell(report, self ? GOOD : COULD_BE, "cat /proc/self/cgroup",
	     "put an agent's first process into it: echo PID > agents/NAME/cgroup.procs",
	     self ? "this process is in an agent"
		  : "this process is in no agent (as it should be for an operator)");
}

/* --- tool calls --------------------------------------------------------------------------------------------- */

static void check_shell(struct report *report)
{
	g_autofree char *shell = g_find_program_in_path("agentcg-shell");
	const char *prefix = g_getenv("CLAUDE_CODE_SHELL_PREFIX"), *variable = g_getenv("SHELL");
	char real[PATH_MAX];
	bool found = acg_shell_find("bash", real);

	tell(report, shell ? GOOD : COULD_BE, "command -v agentcg-shell",
	     "install agentcg's tools where agents run",
	     shell ? "agentcg-shell is in $PATH" : "agentcg-shell is not in $PATH");
	tell(report, found ? GOOD : BAD, "command -v bash", "install bash", "the real bash is %s",
	     found ? real : "nowhere");
	if (prefix)
		tell(report, g_str_has_suffix(prefix, "agentcg-shell") ? GOOD : COULD_BE, NULL,
		     "agentcg hook install claude-code", "CLAUDE_CODE_SHELL_PREFIX is %s", prefix);
	else if (variable && strstr(variable, "agentcg"))
		tell(report, GOOD, "echo $SHELL", NULL, "$SHELL is %s", variable);
}

static void check_coverage(struct report *report)
{
	g_autoptr(GPtrArray) records = acg_hook_records();
	unsigned int ended = 0, without = 0;

	for (unsigned int i = 0; i < records->len; i++) {
		JsonObject *record = records->pdata[i];

		if (!json_object_has_member(record, "ended"))
			continue;
		ended++;
		if (json_object_has_member(record, "call"))
			continue;
		if (without++ < 3)
			printf("      no cgroup: %s\n", acg_tree_string(record, "command", "?"));
	}
	if (!ended)
		tell(report, COULD_BE, NULL,
		     "agentcg hook install claude-code (or another framework)",
		     "no hook has told of tool calls yet: it is not known whether they get "
		     "cgroups");
	else
		tell(report, without ? BAD : GOOD, NULL,
		     "CLAUDE_CODE_SHELL_PREFIX or $SHELL must lead to agentcg-shell, in an agent's "
		     "process",
		     "%u of %u tool calls that hooks told of got no cgroup", without, ended);
}

int acg_verb_doctor(int argc, char **argv)
{
	struct report report = {0};

	if (argc > 1) {
		fprintf(strcmp(argv[1], "--help") == 0 ? stdout : stderr,
			"usage: agentcg doctor\nWhat this host can enforce, what is missing and "
			"how to get "
			"it. ok: it is there; --: it would be better; !!: it has to be.\nExit "
			"status 1 if "
			"something has to be.\n");
		return strcmp(argv[1], "--help") == 0 ? 0 : ACG_EXIT_USAGE;
	}
	printf("The kernel\n");
	check_cgroups(&report);
	check_files(&report);
	check_inotify(&report);
	printf("\nThe daemon\n");
	check_daemon(&report);
	printf("\nTool calls\n");
	check_shell(&report);
	check_coverage(&report);
	return report.bad > 0;
}
