/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests: loads the monitor, enters the cgroup directories that are named into the map, each as a call of an agent of its
 * own, says "ready", then prints each event as a line, until COUNT events have come, SECONDS have passed or SIGTERM says that there will be
 * no more; then "lost N".
 *
 *     bpf_watch [--processes BITS] [--ahead MS] PIN_DIR COUNT SECONDS CGROUP_DIR...
 *
 * Exit status: 0: COUNT events came, 1: fewer, 2: it could not be loaded.
 */
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "bpf/loader.h"

static void print_victim(const struct acg_bpf_event *event)
{
	printf(" comm=%s vm=%" PRIu64 " anon=%" PRIu64 " file=%" PRIu64 " shmem=%" PRIu64,
	       event->comm, (uint64_t)event->total_vm_kib, (uint64_t)event->anon_rss_kib,
	       (uint64_t)event->file_rss_kib, (uint64_t)event->shmem_rss_kib);
}

static void print_process(const struct acg_bpf_event *event)
{
	printf(" comm=%s start=%" PRIu64 " sequence=%u parent=%u exit=%u peak=%" PRIu64 " args=%s",
	       event->comm, (uint64_t)event->start_ns, event->sequence, event->parent,
	       event->exit_code, (uint64_t)event->peak_kib,
	       event->args_len ? ((const struct acg_bpf_exec *)event)->args : "");
}

static void print_memory(const struct acg_bpf_event *event)
{
	printf(" usage=%" PRIu64 " limit=%" PRIu64 " left=%" PRIu64 " per_second=%" PRIu64,
	       (uint64_t)event->usage, (uint64_t)event->limit, (uint64_t)event->left,
	       (uint64_t)event->per_second);
}

static void print_event(const struct acg_bpf_event *event, void *data)
{
	int *left = data;

	printf("type=%u cgroup=%" PRIu64 " pid=%u", event->type, (uint64_t)event->cgroup,
	       event->pid);
	if (event->type == ACG_BPF_OOM_KILL)
		print_victim(event);
	else if (event->type >= ACG_BPF_FORK && event->type <= ACG_BPF_EXIT)
		print_process(event);
	else
		print_memory(event);
	putchar('\n');
	--*left;
}

static int add_group(struct acg_bpf *bpf, const char *dir, GError **error)
{
	struct acg_group_entry entry = {.kind = ACG_KIND_CALL, .memory_grant = ~0ULL};
	struct stat st;

	if (stat(dir, &st) < 0)
		return acg_fail_errno(error, errno, "%s", dir);
	entry.agent = st.st_ino;
	return acg_bpf_group_update(bpf, st.st_ino, &entry, error);
}

static bool told_to_end(void)
{
	static const struct timespec at_once;
	sigset_t term;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	return sigtimedwait(&term, NULL, &at_once) == SIGTERM;
}

static int watch(struct acg_bpf *bpf, int count, int seconds, GError **error)
{
	bool last = false;
	gint64 end = g_get_monotonic_time() + (gint64)seconds * G_USEC_PER_SEC;
	struct pollfd pfd = {.fd = acg_bpf_ring_fd(bpf), .events = POLLIN};
	int rc;

	while (count > 0 && !last && g_get_monotonic_time() < end) {
		poll(&pfd, 1, 100);
		last = told_to_end();
		rc = acg_bpf_ring_consume(bpf, print_event, &count, error);
		if (rc < 0)
			return rc;
		fflush(stdout);
	}
	printf("lost %" PRIu64 "\n", acg_bpf_lost(bpf));
	return count > 0 ? 1 : 0;
}

static int run(struct acg_bpf *bpf, char **argv, GError **error)
{
	sigset_t term;
	int rc = 0;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	printf("%s\n", acg_bpf_state(bpf));
	for (int i = 3; argv[i] && rc == 0; i++)
		rc = add_group(bpf, argv[i], error);
	if (rc < 0)
		return rc;
	printf("ready\n");
	fflush(stdout);
	return watch(bpf, atoi(argv[1]), atoi(argv[2]), error);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"processes", required_argument, NULL, 'p'},
		{"ahead", required_argument, NULL, 'a'},
		{NULL, 0, NULL, 0},
	};
	struct acg_monitor_figures figures = {0};
	g_autoptr(GError) error = NULL;
	struct acg_bpf *bpf;
	int option, rc;

	while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (option == 'p')
			figures.processes = atoi(optarg);
		else if (option == 'a')
			figures.ahead_ms = atoi(optarg);
		else
			return 2;
	}
	if (argc - optind < 4) {
		fprintf(stderr, "usage: bpf_watch [--processes BITS] [--ahead MS] PIN_DIR COUNT "
				"SECONDS CGROUP_DIR...\n");
		return 2;
	}
	if (acg_bpf_load(argv[optind], &bpf, &error) < 0) {
		fprintf(stderr, "bpf_watch: %s\n", error->message);
		return 2;
	}
	acg_bpf_monitor(bpf, &figures);
	rc = run(bpf, argv + optind, &error);
	if (error)
		fprintf(stderr, "bpf_watch: %s\n", error->message);
	acg_bpf_free(bpf);
	return rc < 0 ? 2 : rc;
}
