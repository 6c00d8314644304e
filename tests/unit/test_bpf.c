/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The BPF layer as far as it can be tested without privileges: the shared header, what is found in the
 * BTF of kernels that are made up here, where maps may be pinned, refusals. Loading is tested on a real
 * kernel (tests/host, tests/vm).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bpf/loader.h"
#include "bpf/probe.h"

#define NOBODY 65534

/* The records are read by another compiler for another machine: no hidden padding. */
static void test_record_sizes(void **state)
{
	(void)state;
	assert_int_equal(sizeof(struct acg_group_entry), 6 * 8 + 6 * 4);
	assert_int_equal(sizeof(struct acg_memory_state), 18 * 8 + 2 * 4);
	assert_int_equal(sizeof(struct acg_memory_figures), 6 * 4 + 8);
	assert_int_equal(sizeof(struct acg_bpf_event), 2 * 8 + 2 * 4 + 4 * 8 + ACG_COMM_LEN);
	assert_int_equal(sizeof(struct acg_bpf_exec),
			 sizeof(struct acg_bpf_event) + ACG_ARGS_MAX);
	assert_int_equal(sizeof(struct acg_sched_place), 8 + 2 * 4 + 4 * 8);
	assert_int_equal(sizeof(struct acg_sched_exit), 8 + 2 * 4 + 2 * ACG_SCHED_WORDS);
}

static void assert_contains(const char *text, const char *part)
{
	assert_non_null(text);
	if (!strstr(text, part))
		fail_msg("\"%s\" does not contain \"%s\"", text, part);
}

#ifdef HAVE_BPF

#include <bpf/btf.h>
#include <glib/gstdio.h>

#include "bpf/pin.h"

enum victim { VICTIM_NONE, VICTIM_PID, VICTIM_TASK };

/* What a made-up kernel has. */
struct kernel {
	bool ringbuf;
	bool sched_ext;
	enum victim tracepoint;
	bool function;
	const char *memcg[5]; /* members of memcg_bpf_ops; none: no such type */
	bool processes;       /* the tracepoints of fork, exec and exit */
	bool memory;          /* the functions that charges, reclaim and stalls come to */
	bool unregistered;    /* the struct is there, but no struct_ops made of it */
};

static void add_struct_ops(struct btf *btf, const char *name, const char *const *members,
			   bool registered)
{
	g_autofree char *wrapper = g_strdup_printf("bpf_struct_ops_%s", name);
	int pointer = btf__add_ptr(btf, 0);
	unsigned int i;

	btf__add_struct(btf, name, 64);
	for (i = 0; members[i]; i++)
		assert_return_code(btf__add_field(btf, members[i], pointer, i * 64, 0), 0);
	if (registered)
		btf__add_struct(btf, wrapper, 64);
}

static void add_victim(struct btf *btf, enum victim victim)
{
	int integer = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
	int task = btf__add_struct(btf, "task_struct", 8);
	int task_pointer = btf__add_ptr(btf, task);
	int data_pointer = btf__add_ptr(btf, 0);
	int proto = btf__add_func_proto(btf, 0);

	btf__add_func_param(btf, "__data", data_pointer);
	btf__add_func_param(btf, "victim", victim == VICTIM_TASK ? task_pointer : integer);
	if (victim != VICTIM_NONE)
		btf__add_typedef(btf, "btf_trace_mark_victim", btf__add_ptr(btf, proto));
}

static void add_monitor(struct btf *btf, const struct kernel *kernel)
{
	static const char *const tracepoints[] = {"btf_trace_sched_process_fork",
						  "btf_trace_sched_process_exec",
						  "btf_trace_sched_process_exit"};
	static const char *const functions[] = {
		"page_counter_try_charge", "try_to_free_mem_cgroup_pages", "psi_memstall_enter",
		"psi_memstall_leave"};
	int proto = btf__add_func_proto(btf, 0);

	for (size_t i = 0; kernel->processes && i < G_N_ELEMENTS(tracepoints); i++)
		btf__add_typedef(btf, tracepoints[i], btf__add_ptr(btf, proto));
	for (size_t i = 0; kernel->memory && i < G_N_ELEMENTS(functions); i++)
		btf__add_func(btf, functions[i], BTF_FUNC_STATIC, proto);
}

static void write_btf(struct btf *btf, const char *path)
{
	g_autoptr(GError) error = NULL;
	const void *raw;
	__u32 size;

	raw = btf__raw_data(btf, &size);
	assert_non_null(raw);
	assert_true(g_file_set_contents(path, raw, size, &error));
}

static void write_kernel(const struct kernel *kernel, const char *path)
{
	static const char *const sched_members[] = {"select_cpu", "enqueue", NULL};
	struct btf *btf = btf__new_empty();
	int proto;

	assert_non_null(btf);
	add_victim(btf, kernel->tracepoint);
	proto = btf__add_func_proto(btf, 0);
	if (kernel->function)
		btf__add_func(btf, "mark_oom_victim", BTF_FUNC_STATIC, proto);
	btf__add_enum(btf, "bpf_map_type", 4);
	btf__add_enum_value(btf, "BPF_MAP_TYPE_HASH", 1);
	if (kernel->ringbuf)
		btf__add_enum_value(btf, "BPF_MAP_TYPE_RINGBUF", 27);
	add_monitor(btf, kernel);
	if (kernel->sched_ext)
		add_struct_ops(btf, "sched_ext_ops", sched_members, !kernel->unregistered);
	if (kernel->memcg[0])
		add_struct_ops(btf, "memcg_bpf_ops", kernel->memcg, !kernel->unregistered);
	write_btf(btf, path);
	btf__free(btf);
}

/* The path of a file that does not exist yet, in a folder of its own. */
static char *scratch_file(void)
{
	g_autofree char *dir = g_dir_make_tmp("agentcg-bpf-XXXXXX", NULL);

	assert_non_null(dir);
	return g_build_filename(dir, "vmlinux", NULL);
}

static void scratch_free(char *path)
{
	g_autofree char *dir = g_path_get_dirname(path);

	unlink(path);
	assert_return_code(rmdir(dir), errno);
	g_free(path);
}

static struct acg_probe *probe_kernel(const struct kernel *kernel)
{
	char *path = scratch_file();
	struct acg_probe *probe;

	write_kernel(kernel, path);
	probe = acg_probe_new(path);
	scratch_free(path);
	assert_true(probe->btf.present);
	return probe;
}

static void test_probe_old_kernel(void **state)
{
	const struct kernel kernel = {.tracepoint = VICTIM_PID};
	struct acg_probe *probe = probe_kernel(&kernel);

	(void)state;
	assert_false(probe->ringbuf.present);
	assert_false(probe->oom_events.present);
	assert_int_equal(probe->oom_source, ACG_OOM_NONE);
	assert_contains(probe->oom_events.reason, "mark_oom_victim");
	assert_false(probe->sched_ext.present);
	assert_contains(probe->sched_ext.reason, "CONFIG_SCHED_CLASS_EXT is off");
	assert_false(probe->memcg_bpf_ops.present);
	assert_int_equal(probe->memcg_hooks, 0);
	acg_probe_free(probe);
}

static void test_probe_oom_source(void **state)
{
	static const struct {
		struct kernel kernel;
		enum acg_oom_source source;
	} table[] = {
		{{.tracepoint = VICTIM_TASK, .function = true}, ACG_OOM_TRACEPOINT},
		{{.tracepoint = VICTIM_TASK}, ACG_OOM_TRACEPOINT},
		{{.tracepoint = VICTIM_PID, .function = true}, ACG_OOM_FUNCTION},
		{{.function = true}, ACG_OOM_FUNCTION},
		{{.ringbuf = true}, ACG_OOM_NONE},
	};
	size_t i;

	(void)state;
	for (i = 0; i < G_N_ELEMENTS(table); i++) {
		struct acg_probe *probe = probe_kernel(&table[i].kernel);

		assert_int_equal(probe->oom_source, table[i].source);
		assert_int_equal(probe->oom_events.present, table[i].source != ACG_OOM_NONE);
		assert_int_equal(probe->ringbuf.present, table[i].kernel.ringbuf);
		acg_probe_free(probe);
	}
}

/* What the monitor has no place for is left out; the rest is loaded. */
static void test_probe_monitor(void **state)
{
	static const struct kernel table[] = {
		{0}, {.processes = true}, {.memory = true}, {.processes = true, .memory = true}};

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
		struct acg_probe *probe = probe_kernel(&table[i]);

		assert_int_equal(probe->process_events, table[i].processes);
		assert_int_equal(probe->charges, table[i].memory);
		assert_int_equal(probe->memcg_reclaim, table[i].memory);
		assert_int_equal(probe->stalls, table[i].memory);
		acg_probe_free(probe);
	}
}

static void test_probe_struct_ops(void **state)
{
	const struct kernel kernel = {
		.sched_ext = true,
		.memcg = {"handle_cgroup_online", "below_low", "get_high_delay_ms", "later"},
	};
	struct acg_probe *probe = probe_kernel(&kernel);

	(void)state;
	assert_true(probe->sched_ext.present);
	assert_true(probe->memcg_bpf_ops.present);
	assert_int_equal(probe->memcg_hooks,
			 1 << ACG_MEMCG_ONLINE | 1 << ACG_MEMCG_LOW | 1 << ACG_MEMCG_DELAY);
	assert_contains(probe->memcg_bpf_ops.reason, "below_low, get_high_delay_ms");
	acg_probe_free(probe);
}

/* What `status` says: each member that there is a program for is named once, as used or as missing. */
static void test_words_of_members(void **state)
{
	g_autofree char *all = acg_probe_memcg_words((1U << (ACG_MEMCG_DELAY + 1)) - 1);
	g_autofree char *some = acg_probe_memcg_words(1 << ACG_MEMCG_LOW | 1 << ACG_MEMCG_CHARGED);
	g_autofree char *none = acg_probe_memcg_words(1 << ACG_MEMCG_CHARGED);

	(void)state;
	assert_string_equal(all,
			    "handle_cgroup_online, handle_cgroup_offline, below_low, below_min, "
			    "get_high_delay_ms");
	assert_string_equal(some, "below_low; this kernel has no handle_cgroup_online, "
				  "handle_cgroup_offline, below_min, get_high_delay_ms");
	assert_string_equal(none, "no member that there is a program for; this kernel has no "
				  "handle_cgroup_online, handle_cgroup_offline, below_low, "
				  "below_min, get_high_delay_ms");
}

/* The next series renamed members; a set that shares nothing with what we know is of no use. */
static void test_probe_other_members(void **state)
{
	const struct kernel v7 = {.memcg = {"memcg_charged", "memcg_uncharged"}};
	const struct kernel unknown = {.memcg = {"something", "else"}};
	struct acg_probe *probe = probe_kernel(&v7);

	(void)state;
	assert_int_equal(probe->memcg_hooks, 1 << ACG_MEMCG_CHARGED | 1 << ACG_MEMCG_UNCHARGED);
	acg_probe_free(probe);
	probe = probe_kernel(&unknown);
	assert_false(probe->memcg_bpf_ops.present);
	assert_contains(probe->memcg_bpf_ops.reason, "no member that is known");
	acg_probe_free(probe);
}

static void test_probe_unregistered(void **state)
{
	const struct kernel kernel = {
		.sched_ext = true,
		.memcg = {"below_low"},
		.unregistered = true,
	};
	struct acg_probe *probe = probe_kernel(&kernel);

	(void)state;
	assert_false(probe->sched_ext.present);
	assert_false(probe->memcg_bpf_ops.present);
	acg_probe_free(probe);
}

static void test_probe_without_btf(void **state)
{
	char *path = scratch_file();
	struct acg_probe *probe = acg_probe_new(path);

	(void)state;
	assert_false(probe->btf.present);
	assert_contains(probe->btf.reason, "CONFIG_DEBUG_INFO_BTF is off");
	assert_contains(probe->sched_ext.reason, "no BTF");
	assert_false(probe->ringbuf.present);
	acg_probe_free(probe);

	assert_true(g_file_set_contents(path, "no type information", -1, NULL));
	probe = acg_probe_new(path);
	assert_false(probe->btf.present);
	assert_contains(probe->btf.reason, "is not BTF");
	acg_probe_free(probe);
	scratch_free(path);
}

static void test_pin_dir_without_bpffs(void **state)
{
	char *path = scratch_file();
	g_autofree char *below = g_build_filename(path, "agentcg", NULL);
	g_autoptr(GError) error = NULL;

	(void)state;
	assert_int_equal(acg_pin_dir(path, &error), -ENODEV);
	assert_contains(error->message, "is not on a bpffs");
	assert_int_equal(g_access(path, F_OK), -1);
	g_clear_error(&error);
	assert_int_equal(acg_pin_dir(below, &error), -ENOENT);
	scratch_free(path);
}

static void test_places_are_a_builds_own(void **state)
{
	g_autofree char *one = acg_pins_place("/pins", "sched", "one", 3);
	g_autofree char *again = acg_pins_place("/pins", "sched", "one", 3);
	g_autofree char *two = acg_pins_place("/pins", "sched", "two", 3);
	g_autofree char *other = acg_pins_place("/pins", "memcg", "one", 3);

	(void)state;
	assert_true(g_str_has_prefix(one, "/pins/sched_"));
	assert_null(strchr(one, '.')); /* bpffs would refuse it */
	assert_string_equal(one, again);
	assert_string_not_equal(one, two);
	assert_string_not_equal(one, other);
}

/* What is asked to be cleared is a name from the command line: only a bpffs is. */
static void test_nothing_is_cleared_without_bpffs(void **state)
{
	g_autofree char *dir = g_dir_make_tmp("agentcg-pins-XXXXXX", NULL);
	g_autofree char *file = g_build_filename(dir, "mine", NULL);

	(void)state;
	assert_true(g_file_set_contents(file, "x", 1, NULL));
	acg_pins_clear(dir);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void test_one_process_pins(void **state)
{
	g_autofree char *dir = g_dir_make_tmp("agentcg-pins-XXXXXX", NULL);
	g_autoptr(GError) error = NULL;
	int first = acg_pin_lock(dir, NULL), second;

	(void)state;
	assert_true(first >= 0);
	assert_int_equal(acg_pin_lock(dir, &error), -EBUSY);
	close(first);
	second = acg_pin_lock(dir, NULL);
	assert_true(second >= 0);
	close(second);
	assert_int_equal(rmdir(dir), 0);
}

/* In a child, since it gives up root for good. */
static int load_as_nobody(void)
{
	g_autoptr(GError) error = NULL;
	struct acg_bpf *bpf = NULL;
	int rc;

	if (geteuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) < 0)
		return 1;
	rc = acg_bpf_load("/nonexistent/agentcg", &bpf, &error);
	return rc == -(error ? error->code : 0) && (rc == -EPERM || rc == -EOPNOTSUPP) && !bpf ? 0
											       : 2;
}

static void test_load_needs_privileges(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	assert_return_code(pid, errno);
	if (pid == 0)
		_exit(load_as_nobody());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#else

static void test_disabled(void **state)
{
	struct acg_probe *probe = acg_probe_new(NULL);
	g_autoptr(GError) error = NULL;
	struct acg_bpf *bpf = NULL;

	(void)state;
	assert_int_equal(acg_bpf_load(NULL, &bpf, &error), -EOPNOTSUPP);
	assert_null(bpf);
	assert_contains(error->message, "--disable-bpf");
	assert_false(probe->btf.present);
	assert_false(probe->memcg_bpf_ops.present);
	assert_contains(probe->sched_ext.reason, "--disable-bpf");
	acg_probe_free(probe);
	acg_bpf_free(NULL);
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record_sizes),
#ifdef HAVE_BPF
		cmocka_unit_test(test_probe_old_kernel),
		cmocka_unit_test(test_probe_oom_source),
		cmocka_unit_test(test_probe_monitor),
		cmocka_unit_test(test_probe_struct_ops),
		cmocka_unit_test(test_words_of_members),
		cmocka_unit_test(test_probe_other_members),
		cmocka_unit_test(test_probe_unregistered),
		cmocka_unit_test(test_probe_without_btf),
		cmocka_unit_test(test_pin_dir_without_bpffs),
		cmocka_unit_test(test_places_are_a_builds_own),
		cmocka_unit_test(test_nothing_is_cleared_without_bpffs),
		cmocka_unit_test(test_one_process_pins),
		cmocka_unit_test(test_load_needs_privileges),
#else
		cmocka_unit_test(test_disabled),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
