/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agentcgd: options, background, exit status. What it does is in fusefs/supervisor.c and, for each worker, in fusefs/daemon.c. */
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fusefs/daemon.h"
#include "fusefs/shelter.h"
#include "fusefs/supervisor.h"
#include "policy/policy.h"

#define EXIT_USAGE 2 /* also: a bad policy */

/* Of all that standard error can be, only a file is still there for who reads it later. */
static bool logs_to_file(void)
{
	struct stat st;

	return fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode);
}

/* data: whether we are in the background, and so have no standard error but a file. */
static GLogWriterOutput write_log(GLogLevelFlags level, const GLogField *fields, gsize n_fields,
				  void *data)
{
	const gboolean *background = data;

	if (g_log_writer_is_journald(STDERR_FILENO) || (*background && !logs_to_file()))
		return g_log_writer_journald(level, fields, n_fields, NULL);
	for (gsize i = 0; i < n_fields; i++)
		if (g_str_equal(fields[i].key, "MESSAGE"))
			fprintf(stderr, "agentcgd: %s\n", (const char *)fields[i].value);
	return G_LOG_WRITER_HANDLED;
}

/* The child writes one byte when the tree answers; the parent passes on how it went. */
static int wait_until_ready(int fd, pid_t child)
{
	char byte;
	int status;

	if (read(fd, &byte, 1) == 1)
		return 0;
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static void leave_streams(bool stderr_too)
{
	int null = open("/dev/null", O_RDWR);

	for (int i = 0; i < 3 && null >= 0; i++)
		if (i != STDERR_FILENO || stderr_too)
			dup2(null, i);
	if (null > 2)
		close(null);
}

static void leave_input(void)
{
	leave_streams(false);
}

/* Whoever started us may be a pipe's other end that waits for its end of file. */
static void leave_terminal(void)
{
	leave_streams(!logs_to_file());
}

static void say_ready(void *data)
{
	int fd = *(int *)data;

	leave_terminal();
	if (write(fd, "", 1) < 0)
		exit(1); /* nobody waits any more: whoever started us was killed */
	close(fd);
}

/* Forks into the background. Returns in the child; the parent exits. */
static void go_background(struct acg_supervisor_options *options, int *fd)
{
	int ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0 || (child = fork()) < 0) {
		perror("agentcgd: cannot go to the background");
		exit(1);
	}
	if (child) {
		close(ends[1]);
		exit(wait_until_ready(ends[0], child));
	}
	close(ends[0]);
	setsid();
	*fd = ends[1];
	options->ready = say_ready;
	options->data = fd;
}

static int check_policy(const char *path)
{
	struct acg_policy *policy;
	g_autoptr(GError) error = NULL;

	if (acg_policy_load_file(path, &policy, &error) < 0) {
		fprintf(stderr, "%s\n", error->message);
		return EXIT_USAGE;
	}
	acg_policy_unref(policy);
	printf("%s: a good policy\n", path);
	return 0;
}

/* "/" is where a daemon lives; paths from the command line are relative to where it was started. */
static char *absolute(const char *path)
{
	return path ? g_canonicalize_filename(path, NULL) : NULL;
}

static int work(const struct acg_daemon_options *options)
{
	g_autoptr(GError) error = NULL;
	int ret = acg_daemon_run(options, &error);

	if (!ret)
		return 0;
	fprintf(stderr, "agentcgd: %s\n", error ? error->message : g_strerror(-ret));
	return ret == -EINVAL ? EXIT_USAGE : 1;
}

static void add_option(GPtrArray *argv, const char *name, const char *value)
{
	if (!value)
		return;
	g_ptr_array_add(argv, (void *)name);
	g_ptr_array_add(argv, (void *)value);
}

/* A worker's arguments: ours, with the paths as we understand them. They borrow. */
static GPtrArray *worker_arguments(const struct acg_daemon_options *options, const char *mountpoint,
				   bool foreground)
{
	GPtrArray *argv = g_ptr_array_new();

	g_ptr_array_add(argv, "agentcgd");
	g_ptr_array_add(argv, "--worker");
	add_option(argv, "--config", options->config);
	add_option(argv, "--root", options->root);
	add_option(argv, "--run-dir", options->run_dir);
	add_option(argv, "--pin-dir", options->pin_dir);
	if (foreground)
		g_ptr_array_add(argv, "--foreground");
	if (options->dry_run)
		g_ptr_array_add(argv, "--dry-run");
	if (options->no_bpf)
		g_ptr_array_add(argv, "--no-bpf");
	if (options->debug)
		g_ptr_array_add(argv, "--debug");
	g_ptr_array_add(argv, (void *)mountpoint);
	g_ptr_array_add(argv, NULL);
	return argv;
}

/*
 * A mount point in the daemon's own directory is made. It is not looked at: if a supervisor was killed, what is mounted there answers
 * only when the next one runs.
 */
static void make_own_mountpoint(const char *run_dir, const char *mountpoint)
{
	g_autofree char *parent = g_path_get_dirname(mountpoint);

	if (strcmp(parent, run_dir) == 0 && g_mkdir_with_parents(run_dir, 0755) == 0)
		mkdir(mountpoint, 0755); /* if it fails, mounting says why */
}

static int supervise(const struct acg_daemon_options *options, const char *mountpoint,
		     bool foreground)
{
	struct acg_supervisor_options supervisor = {.mountpoint = mountpoint};
	g_autoptr(GPtrArray) argv = worker_arguments(options, mountpoint, foreground);
	g_autoptr(GError) error = NULL;
	struct acg_shelter shelter = ACG_SHELTER_NONE;
	int fd, status;

	make_own_mountpoint(options->run_dir, mountpoint);
	supervisor.worker = (char **)argv->pdata;
	if (!foreground)
		go_background(&supervisor, &fd);
	if (chdir("/") < 0)
		return 1;
	/* Without a memory controller there is nothing to be had, and nothing to say. */
	if (!options->dry_run && acg_shelter_enter(options->root, &shelter, &error) < 0 &&
	    error->code != ENOENT && error->code != ENOTSUP)
		fprintf(stderr, "agentcgd: it may have to wait for memory, or be killed for it: %s\n",
			error->message);
	status = acg_supervise(&supervisor);
	acg_shelter_leave(&shelter);
	return status;
}

int main(int argc, char **argv)
{
	g_autofree char *config = NULL, *root = NULL, *run_dir = NULL, *pin_dir = NULL;
	gboolean foreground = FALSE, background = FALSE, dry_run = FALSE, no_bpf = FALSE, debug = FALSE, check = FALSE,
		 worker = FALSE, version = FALSE;
	const GOptionEntry entries[] = {
		{"foreground", 'f', 0, G_OPTION_ARG_NONE, &foreground, "stay in the foreground",
		 NULL},
		{"dry-run", 'n', 0, G_OPTION_ARG_NONE, &dry_run,
		 "decide and log, change nothing in the kernel", NULL},
		{"config", 'c', 0, G_OPTION_ARG_FILENAME, &config,
		 "the policy, see agentcg.conf(5)", "POLICY"},
		{"root", 'r', 0, G_OPTION_ARG_FILENAME, &root, "cgroup directory for the agents",
		 "CGROUP_ROOT"},
		{"run-dir", 0, 0, G_OPTION_ARG_FILENAME, &run_dir,
		 "where history is kept (/run/agentcg)", "DIR"},
		{"pin-dir", 0, 0, G_OPTION_ARG_FILENAME, &pin_dir,
		 "where BPF maps are pinned (/sys/fs/bpf/agentcg)", "DIR"},
		{"no-bpf", 0, 0, G_OPTION_ARG_NONE, &no_bpf, "load no BPF programs", NULL},
		{"check", 0, 0, G_OPTION_ARG_NONE, &check,
		 "check the policy given with -c and exit", NULL},
		{"debug", 'd', 0, G_OPTION_ARG_NONE, &debug, "show FUSE requests on standard error",
		 NULL},
		{"worker", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &worker,
		 "serve on what the supervisor has left open", NULL},
		{"version", 0, 0, G_OPTION_ARG_NONE, &version, "print the version and exit", NULL},
		{NULL, 0, 0, 0, NULL, NULL, NULL},
	};
	g_autoptr(GOptionContext) context = g_option_context_new("MOUNTPOINT");
	g_autofree char *mountpoint = NULL, *config_path = NULL, *run_path = NULL;
	struct acg_daemon_options options = {0};
	g_autoptr(GError) error = NULL;

	setlocale(LC_ALL, "");
	g_log_set_writer_func(write_log, &background, NULL);
	g_option_context_set_summary(
		context, "Serves the tree of agents and their tool calls, see agentcg(7).");
	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error)) {
		fprintf(stderr, "agentcgd: %s; try --help\n", error->message);
		return EXIT_USAGE;
	}
	background = !foreground;
	if (version) {
		printf("agentcgd %s\n", PACKAGE_VERSION);
		return 0;
	}
	if (check && config)
		return check_policy(config);
	if (argc != 2) {
		fprintf(stderr, "agentcgd: give one MOUNTPOINT; try --help\n");
		return EXIT_USAGE;
	}
	mountpoint = absolute(argv[1]);
	options.config = config_path = absolute(config);
	options.root = root;
	options.run_dir = run_path = absolute(run_dir ? run_dir : "/run/agentcg");
	options.pin_dir = pin_dir;
	options.dry_run = dry_run;
	options.no_bpf = no_bpf;
	options.debug = debug;
	options.serving = foreground ? leave_input : leave_terminal;
	return worker ? work(&options) : supervise(&options, mountpoint, foreground);
}
