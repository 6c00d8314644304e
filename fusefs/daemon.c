/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The worker: the parts joined, and the signals; see the header. */
#include "fusefs/daemon.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <syslog.h>
#include <unistd.h>

#include "bpf/loader.h"
#include "fusefs/harden.h"
#include "fusefs/journal.h"
#include "fusefs/session.h"
#include "fusefs/supervisor.h"
#include "policy/memory_tier.h"
#include "policy/record.h"
#include "policy/state.h"

#define ALONE_MAX    5000 /* msec: who is told to end waits for that as long */
#define LOADING_NICE 10 /* who waits for an answer comes first */

struct daemon {
	const struct acg_daemon_options *options;
	GMainLoop *loop;
	struct acg_policy *policy;
	struct acg_bpf *bpf;
	char *bpf_off;       /* why there is none */
	unsigned int alone_source; /* GSource: BPF is loaded when the supervisor says so; 0: none */
	GThread *bpf_loader; /* while BPF is loaded beside the serving; else NULL */
	struct acg_enforcer *cgroup, *bpf_enforcer; /* the manager's; NULL: dry run */
	struct acg_memory_tier *memory;             /* NULL: dry run, or being loaded */
	struct acg_fs *fs;
	struct acg_manager *manager;
	struct acg_session *session;
	struct acg_shared *shared; /* mapped */
	char *policy_path;         /* where a policy that was written is kept */
	char *good_path;           /* and the last one of the file that was good */
	GError *file_error;        /* the policy file is bad; NULL: it is not */
	bool over;                 /* it served, and was told to end */
	const char *fallback;      /* so this is in force; NULL: the file is, or what was written */
};

static void log_line(int priority, const char *message, const char *agent_path, const char *call_id)
{
	g_autofree char *level = g_strdup_printf("%d", priority);
	const GLogField fields[] = {
		{"PRIORITY", level, -1},
		{"MESSAGE", message, -1},
		{"SYSLOG_IDENTIFIER", "agentcgd", -1},
		{"AGENTCG_AGENT", agent_path ? agent_path : "", -1},
		{"AGENTCG_CALL", call_id ? call_id : "", -1},
	};

	g_log_structured_array(priority <= LOG_WARNING ? G_LOG_LEVEL_WARNING : G_LOG_LEVEL_MESSAGE,
			       fields, G_N_ELEMENTS(fields));
}

/* Somebody served before us: callers wait. */
static bool takes_over(const struct daemon *daemon)
{
	return daemon->shared->version;
}

/* A bad file is an error at the start of it all. Later it must keep nobody from serving. */
static int load_policy(struct daemon *daemon, GError **error)
{
	int ret = 0;

	if (daemon->options->config)
		ret = acg_policy_load_file(daemon->options->config, &daemon->policy,
					   &daemon->file_error);
	else
		daemon->policy = acg_policy_new_default();
	if (!ret || takes_over(daemon))
		return 0;
	g_propagate_error(error, g_steal_pointer(&daemon->file_error));
	return ret;
}

static struct acg_policy *policy_of(const char *path)
{
	struct acg_policy *policy = NULL;

	if (g_file_test(path, G_FILE_TEST_EXISTS))
		acg_policy_load_file(path, &policy, NULL);
	return policy;
}

static void keep_good(const struct daemon *daemon, const struct acg_policy *policy)
{
	g_autofree char *kept = NULL;

	if (g_file_get_contents(daemon->good_path, &kept, NULL, NULL) &&
	    strcmp(kept, policy->text) == 0)
		return;
	g_file_set_contents_full(daemon->good_path, policy->text, -1,
				 G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL);
}

static struct acg_policy *policy_instead(struct daemon *daemon)
{
	struct acg_policy *policy = policy_of(daemon->good_path);

	daemon->fallback = policy ? "the last good policy" : "no policy";
	return policy ? policy : acg_policy_new_default();
}

/*
 * The worker may have waited for its turn for days: what was written into the tree since, or else the file as it is now,
 * is in force; if that is bad, what it was before. A first worker and a new binary start from the file.
 */
static void load_policy_again(struct daemon *daemon, bool afresh)
{
	g_clear_pointer(&daemon->policy, acg_policy_unref);
	g_clear_error(&daemon->file_error);
	if (afresh)
		g_unlink(daemon->policy_path);
	daemon->policy = policy_of(daemon->policy_path);
	if (daemon->policy)
		return;
	if (!daemon->options->config)
		daemon->policy = acg_policy_new_default();
	else if (acg_policy_load_file(daemon->options->config, &daemon->policy,
				      &daemon->file_error) == 0)
		keep_good(daemon, daemon->policy);
	else
		daemon->policy = policy_instead(daemon);
}

static void load_bpf(struct daemon *daemon)
{
	g_autoptr(GError) error = NULL;

	if (daemon->options->no_bpf && !daemon->options->dry_run)
		acg_bpf_clear(daemon->options->pin_dir); /* what a daemon left that was killed */
	if (daemon->options->no_bpf || daemon->options->dry_run)
		daemon->bpf_off = g_strdup("switched off on the command line");
	else if (acg_bpf_load(daemon->options->pin_dir, &daemon->bpf, &error) < 0)
		daemon->bpf_off = g_strdup(error->message);
	if (daemon->cgroup)
		daemon->memory = acg_memory_tier_new(daemon->bpf, daemon->bpf_off,
						     acg_enforcer_cgroup_dirfd(daemon->cgroup));
}

static gboolean on_bpf_loaded(void *data)
{
	struct daemon *daemon = data;

	g_thread_join(g_steal_pointer(&daemon->bpf_loader));
	acg_enforcer_bpf_memory(daemon->bpf_enforcer, daemon->memory);
	acg_manager_set_bpf(daemon->manager, daemon->bpf, daemon->memory, daemon->bpf_off);
	return G_SOURCE_REMOVE;
}

static void *load_bpf_beside(void *data)
{
	setpriority(PRIO_PROCESS, 0, LOADING_NICE); /* of this thread alone */
	load_bpf(data);
	g_idle_add(on_bpf_loaded, data);
	return NULL;
}

#define MOUNT         "/sys/fs/cgroup"
#define MOUNT_UNIFIED "/sys/fs/cgroup/unified" /* beside hierarchies of v1 */

static bool is_cgroup2(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

static const char *cgroup_root(const struct daemon *daemon)
{
	const char *root = daemon->options->root ? daemon->options->root : daemon->policy->root;

	if (strcmp(root, ACG_CGROUP_ROOT) == 0 && !is_cgroup2(MOUNT) && is_cgroup2(MOUNT_UNIFIED))
		return MOUNT_UNIFIED "/agentcg";
	return root;
}

/* The enforcers in the order in which they are asked; *ret_root_path is where callers' cgroups are looked for. */
static int make_enforcers(struct daemon *daemon, GPtrArray **ret_enforcers, char **ret_root_path,
			  GError **error)
{
	GPtrArray *enforcers = g_ptr_array_new();
	struct acg_enforcer *cgroup;
	const char *why_not;

	if (daemon->options->dry_run) {
		g_ptr_array_add(enforcers, acg_enforcer_fake_new());
		*ret_root_path = g_strdup("/agentcg-dry-run");
		*ret_enforcers = enforcers;
		return 0;
	}
	cgroup = acg_enforcer_cgroup_new(cgroup_root(daemon), takes_over(daemon), error);
	if (!cgroup) {
		g_ptr_array_unref(enforcers);
		return -ENOTSUP;
	}
	g_ptr_array_add(enforcers, cgroup);
	if (!acg_enforcer_cgroup_has(cgroup, "memory"))
		g_ptr_array_add(enforcers, acg_enforcer_procfs_new(NULL));
	daemon->cgroup = cgroup;
	if (!takes_over(daemon))
		load_bpf(daemon);
	why_not = daemon->bpf_off ? daemon->bpf_off : "it is being loaded";
	daemon->bpf_enforcer = acg_enforcer_bpf_new(daemon->bpf, daemon->memory, why_not);
	g_ptr_array_add(enforcers, daemon->bpf_enforcer);
	g_ptr_array_add(enforcers, acg_enforcer_sched_new(daemon->bpf, why_not));
	g_ptr_array_add(enforcers,
			acg_enforcer_dynmods_new(acg_enforcer_cgroup_dirfd(cgroup)));
	*ret_root_path = g_strdup(acg_enforcer_cgroup_path(cgroup));
	*ret_enforcers = enforcers;
	return 0;
}

static int make_parts(struct daemon *daemon, GError **error)
{
	struct acg_manager_options options = {
		.run_dir = daemon->options->run_dir,
		.dry_run = daemon->options->dry_run,
		.events_memory = (char *)daemon->shared + ACG_SHARED_HEADER_SIZE,
		.events_size = ACG_SHARED_EVENTS_SIZE,
		.awaited = takes_over(daemon),
		.log = log_line,
	};
	g_autofree char *root_path = NULL;
	int ret = make_enforcers(daemon, &options.enforcers, &root_path, error);

	if (ret)
		return ret;
	daemon->fs = acg_fs_new(root_path, daemon->shared, ACG_WORKER_STATE, error);
	if (!daemon->fs)
		return -ENOMEM;
	daemon->fs->policy_path = daemon->policy_path;
	options.bpf = daemon->bpf;
	options.memory = daemon->memory;
	options.last = acg_journal_last(daemon->shared);
	options.listener = acg_fs_listener(daemon->fs);
	ret = acg_manager_new(&options, daemon->policy, &daemon->manager, error);
	daemon->fs->manager = daemon->manager;
	if (!ret && daemon->fallback)
		acg_manager_policy_fallback(daemon->manager, daemon->file_error, daemon->fallback);
	return ret;
}

/* --- signals ------------------------------------------------------------------------------------------------ */

static gboolean on_terminate(void *data)
{
	g_main_loop_quit(((struct daemon *)data)->loop);
	return G_SOURCE_CONTINUE;
}

static void on_session_end(void *data)
{
	g_main_loop_quit(((struct daemon *)data)->loop);
}

static gboolean on_reload(void *data)
{
	struct daemon *daemon = data;
	struct acg_policy *policy;
	g_autoptr(GError) error = NULL;

	if (!daemon->options->config) {
		log_line(LOG_NOTICE, "SIGHUP: there is no policy file to read again (option -c)",
			 NULL, NULL);
		return G_SOURCE_CONTINUE;
	}
	if (acg_policy_load_file(daemon->options->config, &policy, &error) < 0) {
		acg_manager_policy_fallback(daemon->manager, error, "the policy before it");
		return G_SOURCE_CONTINUE;
	}
	g_unlink(daemon->policy_path);
	keep_good(daemon, policy);
	acg_manager_set_policy(daemon->manager, policy);
	acg_policy_unref(policy);
	return G_SOURCE_CONTINUE;
}

static gboolean on_dump(void *data)
{
	struct daemon *daemon = data;
	g_autofree char *state =
		acg_record_state(acg_manager_registry(daemon->manager), acg_manager_now());

	log_line(LOG_INFO, state, NULL, NULL);
	return G_SOURCE_CONTINUE;
}

/* A call holds two or three descriptors while it is alive. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max = MAX(limit.rlim_max, 131072);
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* --- the supervisor ----------------------------------------------------------------------------------------- */

static int map_shared(struct daemon *daemon, GError **error)
{
	void *shared = mmap(NULL, ACG_SHARED_OPENS, PROT_READ | PROT_WRITE, MAP_SHARED,
			    ACG_WORKER_STATE, 0);

	if (shared == MAP_FAILED)
		return acg_fail_errno(error, errno, "cannot map what workers share");
	daemon->shared = shared;
	if (daemon->shared->version && daemon->shared->version != ACG_SHARED_VERSION)
		return acg_fail(error, EPROTO,
				"cannot take over from a worker whose table of open files is of "
				"version %u (ours: %d): restart the service instead",
				daemon->shared->version, ACG_SHARED_VERSION);
	return 0;
}

static int not_wanted(struct daemon *daemon, GError **error)
{
	int ret;

	if (!daemon->file_error)
		return acg_fail(error, ECANCELED, "the supervisor has no use for this worker");
	ret = -daemon->file_error->code;
	g_propagate_error(error, g_steal_pointer(&daemon->file_error));
	return ret;
}

/* What is done for the first time takes many times as long: before callers wait for it. */
static void rehearse(void)
{
	g_autofree char *text = acg_state_root(0);
	uint64_t events;

	acg_state_read_root(text, &events, NULL);
}

/* All that can go wrong with a new binary or policy has been tried: says so, and waits for the one before to be gone. */
static int await_turn(struct daemon *daemon, bool *ret_new_binary, GError **error)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char byte = daemon->file_error ? ACG_SAY_BAD_POLICY : ACG_SAY_ABLE;

	rehearse();
	if (write(ACG_WORKER_CONTROL, &byte, 1) != 1 || read(ACG_WORKER_CONTROL, &byte, 1) != 1)
		return not_wanted(daemon, error);
	*ret_new_binary = byte == ACG_SAY_GO_NEW;
	/*
	 * By process: it also holds back the successor of a supervisor that was killed, and the kernel releases it before anything
	 * else of a process that dies, but not before its last thread has come to its end.
	 */
	if (fcntl(ACG_WORKER_STATE, F_SETLKW, &whole) < 0)
		return acg_fail_errno(error, errno, "cannot lock what workers share");
	return 0;
}

static void say_serving(void)
{
	const char byte = ACG_SAY_SERVING;

	if (write(ACG_WORKER_CONTROL, &byte, 1) != 1)
		raise(SIGTERM); /* nobody is there who would keep the mount */
}

/* Two of a kind cannot be attached at once, and verifying programs takes longer than callers should wait. */
static gboolean on_alone(int fd, GIOCondition condition, void *data)
{
	struct daemon *daemon = data;
	char byte;

	(void)condition;
	daemon->alone_source = 0;
	if (read(fd, &byte, 1) == 1 && byte == ACG_SAY_ALONE)
		daemon->bpf_loader = g_thread_new("bpf", load_bpf_beside, daemon);
	return G_SOURCE_REMOVE;
}

static int serve(struct daemon *daemon, GError **error)
{
	int ret = acg_session_new(daemon->fs, ACG_WORKER_FUSE, daemon->options->debug,
				  on_session_end, daemon, &daemon->session, error);

	if (ret)
		return ret;
	g_unix_signal_add(SIGTERM, on_terminate, daemon);
	g_unix_signal_add(SIGINT, on_terminate, daemon);
	g_unix_signal_add(SIGHUP, on_reload, daemon);
	g_unix_signal_add(SIGUSR1, on_dump, daemon);
	daemon->loop = g_main_loop_new(NULL, FALSE);
	if (takes_over(daemon) && !daemon->options->dry_run)
		daemon->alone_source =
			g_unix_fd_add(ACG_WORKER_CONTROL, G_IO_IN, on_alone, daemon);
	daemon->shared->version = ACG_SHARED_VERSION;
	say_serving();
	if (daemon->options->serving)
		daemon->options->serving();
	g_main_loop_run(daemon->loop);
	g_main_loop_unref(daemon->loop);
	return 0;
}

/* Told to end before BPF was taken over: what the worker before left pinned is to go all the same, as soon as it holds it no longer. */
static void clear_pins(struct daemon *daemon)
{
	struct pollfd control = {.fd = ACG_WORKER_CONTROL, .events = POLLIN};

	g_source_remove(daemon->alone_source);
	poll(&control, 1, ALONE_MAX);
	acg_bpf_clear(daemon->options->pin_dir);
}

static void free_parts(struct daemon *daemon)
{
	if (daemon->alone_source)
		clear_pins(daemon);
	if (daemon->bpf_loader)
		g_thread_join(daemon->bpf_loader);
	/* Before anything that may take long (a scheduler still being verified): who is killed meanwhile leaves the links pinned. */
	acg_memory_tier_stop(daemon->memory);
	acg_session_free(daemon->session);
	acg_manager_free(daemon->manager);
	acg_fs_free(daemon->fs);
	acg_memory_tier_free(daemon->memory);
	if (daemon->bpf) {
		acg_bpf_unpin(daemon->bpf, NULL);
		acg_bpf_free(daemon->bpf);
	}
	acg_policy_unref(daemon->policy);
	g_free(daemon->bpf_off);
	g_free(daemon->policy_path);
	g_free(daemon->good_path);
	g_clear_error(&daemon->file_error);
	if (!daemon->shared)
		return;
	if (daemon->over)
		daemon->shared->over = 1;
	munmap(daemon->shared, ACG_SHARED_OPENS);
}

static void own_descriptors(void)
{
	for (int fd = ACG_WORKER_FUSE; fd <= ACG_WORKER_CONTROL; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static int take_up(struct daemon *daemon, bool new_binary, GError **error)
{
	int ret;

	load_policy_again(daemon, new_binary || !takes_over(daemon));
	ret = make_parts(daemon, error);
	if (!ret)
		ret = serve(daemon, error);
	if (!ret)
		daemon->over = true;
	return ret;
}

int acg_daemon_run(const struct acg_daemon_options *options, GError **error)
{
	struct daemon daemon = {.options = options};
	bool new_binary = false;
	int ret;

	daemon.policy_path = g_build_filename(options->run_dir, "policy", NULL);
	daemon.good_path = g_build_filename(options->run_dir, "policy.good", NULL);
	own_descriptors();
	prctl(PR_SET_NAME, "agentcgd");
	signal(SIGPIPE, SIG_IGN);
	raise_descriptors();
	ret = acg_harden(error);
	if (!ret)
		ret = map_shared(&daemon, error);
	if (!ret)
		ret = load_policy(&daemon, error);
	if (!ret && g_mkdir_with_parents(options->run_dir, 0755) < 0)
		ret = acg_fail_errno(error, errno, "cannot make %s", options->run_dir);
	if (!ret)
		ret = await_turn(&daemon, &new_binary, error);
	if (!ret && !daemon.shared->over)
		ret = take_up(&daemon, new_binary, error);
	free_parts(&daemon);
	return ret;
}
