/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks a kernel's features up by name in its BTF; see the header. */
#include "bpf/probe.h"

#include <bpf/btf.h>
#include <string.h>
#include <unistd.h>

#include "bpf/quiet.h"

static const char *const memcg_hook_names[ACG_N_MEMCG_HOOKS] = {
	[ACG_MEMCG_ONLINE] = "handle_cgroup_online",
	[ACG_MEMCG_OFFLINE] = "handle_cgroup_offline",
	[ACG_MEMCG_LOW] = "below_low",
	[ACG_MEMCG_MIN] = "below_min",
	[ACG_MEMCG_DELAY] = "get_high_delay_ms",
	[ACG_MEMCG_CHARGED] = "memcg_charged",
	[ACG_MEMCG_UNCHARGED] = "memcg_uncharged",
};

static void G_GNUC_PRINTF(3, 4)
	feature_set(struct acg_feature *feature, bool present, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	feature->present = present;
	feature->reason = g_strdup_vprintf(format, args);
	va_end(args);
}

static const struct btf_type *find_type(const struct btf *btf, const char *name, __u32 kind)
{
	__s32 id = btf__find_by_name_kind(btf, name, kind);

	return id < 0 ? NULL : btf__type_by_id(btf, id);
}

/* The type behind modifiers and typedefs. */
static const struct btf_type *strip_type(const struct btf *btf, __u32 id)
{
	const struct btf_type *type = btf__type_by_id(btf, id);

	while (type && (btf_is_mod(type) || btf_is_typedef(type)))
		type = btf__type_by_id(btf, type->type);
	return type;
}

/* A struct_ops type counts if the kernel registered it, which makes this wrapper. */
static const struct btf_type *find_struct_ops(const struct btf *btf, const char *name)
{
	g_autofree char *wrapper = g_strdup_printf("bpf_struct_ops_%s", name);

	if (!find_type(btf, wrapper, BTF_KIND_STRUCT))
		return NULL;
	return find_type(btf, name, BTF_KIND_STRUCT);
}

/* The tracepoint's second argument (the first is the tracepoint's own): a task, or a pid before 6.10. */
static bool tracepoint_passes_task(const struct btf *btf)
{
	const struct btf_type *type = find_type(btf, "btf_trace_mark_victim", BTF_KIND_TYPEDEF);

	if (type)
		type = strip_type(btf, type->type);
	if (!type || !btf_is_ptr(type))
		return false;
	type = strip_type(btf, type->type);
	if (!type || !btf_is_func_proto(type) || btf_vlen(type) < 2)
		return false;
	type = strip_type(btf, btf_params(type)[1].type);
	if (!type || !btf_is_ptr(type))
		return false;
	type = strip_type(btf, type->type);
	return type && btf_is_struct(type) &&
	       !strcmp(btf__name_by_offset(btf, type->name_off), "task_struct");
}

static void probe_oom(const struct btf *btf, struct acg_probe *probe)
{
	if (tracepoint_passes_task(btf)) {
		probe->oom_source = ACG_OOM_TRACEPOINT;
		feature_set(&probe->oom_events, true, "tracepoint mark_victim");
	} else if (find_type(btf, "mark_oom_victim", BTF_KIND_FUNC)) {
		probe->oom_source = ACG_OOM_FUNCTION;
		feature_set(&probe->oom_events, true, "function mark_oom_victim");
	} else {
		feature_set(&probe->oom_events, false,
			    "neither the tracepoint mark_victim with a task nor the function "
			    "mark_oom_victim is in this kernel's BTF");
	}
}

static void probe_ringbuf(const struct btf *btf, struct acg_probe *probe)
{
	const struct btf_type *type = find_type(btf, "bpf_map_type", BTF_KIND_ENUM);
	int i;

	for (i = 0; type && i < btf_vlen(type); i++) {
		const char *name = btf__name_by_offset(btf, btf_enum(type)[i].name_off);

		if (!strcmp(name, "BPF_MAP_TYPE_RINGBUF")) {
			feature_set(&probe->ringbuf, true, "BPF ring buffers");
			return;
		}
	}
	feature_set(&probe->ringbuf, false, "no BPF ring buffers: they need Linux 5.8 or later");
}

static void probe_sched_ext(const struct btf *btf, struct acg_probe *probe)
{
	if (find_struct_ops(btf, "sched_ext_ops"))
		feature_set(&probe->sched_ext, true, "struct_ops sched_ext_ops");
	else
		feature_set(&probe->sched_ext, false,
			    "no sched_ext_ops in this kernel's BTF: CONFIG_SCHED_CLASS_EXT is off "
			    "or not known yet");
}

static void probe_memcg(const struct btf *btf, struct acg_probe *probe)
{
	const struct btf_type *type = find_struct_ops(btf, "memcg_bpf_ops");
	g_autoptr(GString) found = g_string_new(NULL);
	int i, hook;

	if (!type) {
		feature_set(&probe->memcg_bpf_ops, false,
			    "no memcg_bpf_ops in this kernel's BTF: it needs a kernel with that "
			    "patch series");
		return;
	}
	for (i = 0; i < btf_vlen(type); i++) {
		const char *name = btf__name_by_offset(btf, btf_members(type)[i].name_off);

		for (hook = 0; hook < ACG_N_MEMCG_HOOKS; hook++) {
			if (strcmp(name, memcg_hook_names[hook]))
				continue;
			probe->memcg_hooks |= 1U << hook;
			g_string_append_printf(found, "%s%s", found->len ? ", " : "", name);
		}
	}
	feature_set(&probe->memcg_bpf_ops, probe->memcg_hooks != 0,
		    "struct_ops memcg_bpf_ops with %s",
		    found->len ? found->str : "no member that is known here");
}

static bool has_function(const struct btf *btf, const char *name)
{
	return find_type(btf, name, BTF_KIND_FUNC) != NULL;
}

static bool has_tracepoint(const struct btf *btf, const char *name)
{
	g_autofree char *type = g_strdup_printf("btf_trace_%s", name);

	return find_type(btf, type, BTF_KIND_TYPEDEF) != NULL;
}

static void probe_monitor(const struct btf *btf, struct acg_probe *probe)
{
	probe->process_events = has_tracepoint(btf, "sched_process_fork") &&
				has_tracepoint(btf, "sched_process_exec") &&
				has_tracepoint(btf, "sched_process_exit");
	probe->tracefs = access("/sys/kernel/tracing/events/sched", X_OK) == 0 ||
			 access("/sys/kernel/debug/tracing/events/sched", X_OK) == 0;
	probe->charges = has_function(btf, "page_counter_try_charge");
	probe->memcg_reclaim = has_function(btf, "try_to_free_mem_cgroup_pages");
	probe->stalls = has_function(btf, "psi_memstall_enter") &&
			has_function(btf, "psi_memstall_leave");
}

char *acg_probe_memcg_words(unsigned int hooks)
{
	g_autoptr(GString) used = g_string_new(NULL);
	g_autoptr(GString) missing = g_string_new(NULL);
	int hook;

	for (hook = ACG_MEMCG_ONLINE; hook <= ACG_MEMCG_DELAY; hook++) {
		GString *list = hooks & (1U << hook) ? used : missing;

		g_string_append_printf(list, "%s%s", list->len ? ", " : "", memcg_hook_names[hook]);
	}
	if (!missing->len)
		return g_strdup(used->str);
	return g_strdup_printf("%s; this kernel has no %s",
			       used->len ? used->str : "no member that there is a program for",
			       missing->str);
}

static void set_without_btf(struct acg_probe *probe)
{
	struct acg_feature *const others[] = {&probe->ringbuf, &probe->oom_events,
					      &probe->sched_ext, &probe->memcg_bpf_ops};
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(others); i++)
		feature_set(others[i], false, "not looked for: %s", probe->btf.reason);
}

static struct btf *read_btf(const char *path, struct acg_feature *feature)
{
	libbpf_print_fn_t print = acg_quiet_begin();
	struct btf *btf = btf__parse(path, NULL);
	int errnum = errno;

	acg_quiet_end(print);
	if (btf)
		feature_set(feature, true, "%s", path);
	else if (errnum == ENOENT)
		feature_set(feature, false, "no BTF: there is no %s (CONFIG_DEBUG_INFO_BTF is off)",
			    path);
	else if (errnum == EACCES || errnum == EPERM)
		feature_set(feature, false, "no BTF: %s cannot be read: %s", path,
			    g_strerror(errnum));
	else
		feature_set(feature, false, "no BTF: %s is not BTF: %s", path, g_strerror(errnum));
	return btf;
}

struct acg_probe *acg_probe_new(const char *btf_path)
{
	struct acg_probe *probe = g_new0(struct acg_probe, 1);
	struct btf *btf = read_btf(btf_path ? btf_path : ACG_VMLINUX_BTF, &probe->btf);

	if (!btf) {
		set_without_btf(probe);
		return probe;
	}
	probe_ringbuf(btf, probe);
	probe_oom(btf, probe);
	probe_sched_ext(btf, probe);
	probe_memcg(btf, probe);
	probe_monitor(btf, probe);
	probe->direct_reclaim = has_tracepoint(btf, "mm_vmscan_direct_reclaim_begin");
	btf__free(btf);
	return probe;
}
