/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory: who is delayed, and who is protected from reclaim, decided in the kernel at the charge itself
 * (struct memcg_bpf_ops). User space keeps `agentcg_groups` (who is what, grants, priorities) and
 * `agentcg_memory_figures` (the policy's figures); all else is known here.
 *
 * A charge that got past the per-CPU stock (every 256 KiB, or each huge page) asks get_high_delay_ms. The answer is 0 unless the task
 * charges its own cgroup, and that is, or lies in, a call or a self: an unrelated mkdir or a kernel thread may
 * charge for somebody else with locks held. Then:
 *
 *   1. Growth is measured in windows of 100 ms, per group, and of what is short as a whole.
 *   2. From the agent upwards we look for the memcg whose usage is nearest to its memory.max. Below the low mark (or, for who
 *      holds back nobody, the high mark) there is no delay: memory is free. Page cache and reclaimable slab count as
 *      free; since they have to be asked for, that is done only above the mark, and at most ten times a
 *      second. Above all memcgs stands the machine: it is short for half a second after a task had to reclaim directly.
 *   3. The short one's state remembers which priorities grow in it now. Who is below the highest of them is delayed, the more
 *      the further below; the highest itself only by how far it is into its grant, and, while somebody lower still
 *      grows, not before memory is all but used up.
 *   4. The delay is the product of how short memory is, that share, and how soon this growth would use up the rest
 *      (memcg_delay.h). It falls off by itself with each of them. A `self` is treated like a call once it is
 *      above its own grant.
 *   5. It is at most delay_max_ms, since the task may hold mmap_lock; what is too short for the kernel to sleep is
 *      saved up; and the sum of delays is never more than the progress made would have taken at min_progress bytes
 *      a second: a delayed call moves on at that pace at the least.
 *
 * The policy may set a fixed delay instead (delay_ms): each charge above its grant gets it, short of memory or not.
 *
 * Reclaim asks below_low and below_min. A self is below low up to its grant, below min up to what the policy protects of it. All
 * of a high-priority agent is below low while the agent is active, which is while it charges: sitting idle it
 * keeps nothing from others. Nobody else is protected here.
 *
 * User space is told through the ring buffer when pressure is met (repeated five times a second while charges meet it), at
 * a group's first delay, and when a group that was delayed charges freely again: that starts and ends the steps that follow.
 *
 * State is made with the cgroup and freed with it; for cgroups that were there before us, at the first charge. It is written
 * without a lock: tasks of one group that charge at the same moment may lose an addition to a counter, or spend the same
 * credit twice, as many times as there are CPUs.
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/agentcg_bpf.h"
#include "bpf/memcg_delay.h"

/* After what they use. */
#include "bpf/events.bpf.h"
#include "bpf/groups.bpf.h"

#define LEVELS_MAX  16 /* memcgs looked at on the way up */
#define WINDOW_NS   (100 * ACG_NS_PER_MS)
#define CACHE_NS    (100 * ACG_NS_PER_MS)
#define TELL_NS     (200 * ACG_NS_PER_MS)
#define GROWS_NS    (3 * ACG_NS_PER_SEC)
#define ACTIVE_NS   (2 * ACG_NS_PER_SEC)
#define RECLAIM_NS  (500 * ACG_NS_PER_MS)
#define DELAYING_NS ACG_NS_PER_SEC /* without a delay for so long, delaying is over */
#define MACHINE     0ULL           /* key of the machine's state: no cgroup has this id */

#define PF_EXITING  0x00000004
#define PF_KTHREAD  0x00200000

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ACG_GROUPS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct acg_memory_state);
} agentcg_memory SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct acg_memory_figures);
} agentcg_memory_figures SEC(".maps");

const volatile __u64 page_size = 4096; /* set by the loader */
__u64 unknown;                         /* charges let through because no state could be made */

extern struct mem_cgroup *bpf_get_mem_cgroup(struct cgroup_subsys_state *css) __ksym __weak;
extern void bpf_put_mem_cgroup(struct mem_cgroup *memcg) __ksym __weak;
extern unsigned long bpf_mem_cgroup_page_state(struct mem_cgroup *memcg, int idx) __ksym __weak;
extern struct cgroup *bpf_cgroup_from_id(u64 id) __ksym __weak;
extern void bpf_cgroup_release(struct cgroup *cgroup) __ksym __weak;

/* A group that the map knows. */
struct group {
	struct mem_cgroup *memcg;
	__u64 id;
	struct acg_group_entry *entry;
};

/* What is short, if anything. */
struct shortage {
	__u64 id; /* of the memcg; MACHINE */
	struct acg_memory_state *state;
	__u64 held;
	__u64 limit;
};

/* --- memcgs ---------------------------------------------------------------------------------- */

static __u64 id_of(struct mem_cgroup *memcg)
{
	return BPF_CORE_READ(memcg, css.cgroup, kn, id);
}

static struct mem_cgroup *parent_of(struct mem_cgroup *memcg)
{
	struct cgroup_subsys_state *parent = BPF_CORE_READ(memcg, css.parent);

	if (!parent)
		return NULL;
	return (void *)parent - bpf_core_field_offset(struct mem_cgroup, css);
}

static __u64 usage_of(struct mem_cgroup *memcg)
{
	return (__u64)BPF_CORE_READ(memcg, memory.usage.counter) * page_size;
}

/* The nearest memcg, from this one upwards, that is in agentcg_groups. */
static bool find_group(struct mem_cgroup *memcg, struct group *group)
{
	int level;

	for (level = 0; level < LEVELS_MAX && memcg; level++) {
		__u64 id = id_of(memcg);
		struct acg_group_entry *entry = bpf_map_lookup_elem(&agentcg_groups, &id);

		if (entry) {
			*group = (struct group){memcg, id, entry};
			return true;
		}
		memcg = parent_of(memcg);
	}
	return false;
}

static struct acg_memory_state *state_of(__u64 id)
{
	static const struct acg_memory_state fresh;
	struct acg_memory_state *state = bpf_map_lookup_elem(&agentcg_memory, &id);

	if (state)
		return state;
	bpf_map_update_elem(&agentcg_memory, &id, &fresh, BPF_NOEXIST);
	state = bpf_map_lookup_elem(&agentcg_memory, &id);
	if (!state)
		__sync_fetch_and_add(&unknown, 1);
	return state;
}

static struct acg_memory_figures *figures_of_policy(void)
{
	__u32 zero = 0;
	struct acg_memory_figures *figures = bpf_map_lookup_elem(&agentcg_memory_figures, &zero);

	return figures && figures->enabled ? figures : NULL;
}

static void tell(__u32 type, __u64 group, __u64 now)
{
	struct acg_bpf_event *event = event_new(type, group, now);

	if (event)
		bpf_ringbuf_submit(event, 0);
}

static void tell_short(__u32 type, __u64 group, const struct shortage *shortage, __u64 now)
{
	struct acg_bpf_event *event = event_new(type, group, now);

	if (!event)
		return;
	event->usage = shortage->held;
	event->limit = shortage->limit;
	if (shortage->id != MACHINE && shortage->held < shortage->limit)
		event->left = shortage->limit - shortage->held;
	bpf_ringbuf_submit(event, 0);
}

/* --- what is short ---------------------------------------------------------------------------- */

static __u64 page_state(struct mem_cgroup *memcg, int item)
{
	unsigned long bytes = bpf_mem_cgroup_page_state(memcg, item);

	return bytes == ~0UL ? 0 : bytes;
}

/* Page cache and reclaimable slab of the cgroup and below, as last summed up by the kernel; 0 where it cannot be asked. */
static __u64 read_cache(__u64 id)
{
	struct mem_cgroup *memcg;
	struct cgroup *cgroup;
	__u64 bytes = 0;

	if (!bpf_ksym_exists(bpf_mem_cgroup_page_state) || !bpf_ksym_exists(bpf_cgroup_from_id) ||
	    !bpf_ksym_exists(bpf_get_mem_cgroup))
		return 0;
	cgroup = bpf_cgroup_from_id(id);
	if (!cgroup)
		return 0;
	memcg = bpf_get_mem_cgroup(&cgroup->self);
	if (memcg) {
		bytes += page_state(memcg,
				    bpf_core_enum_value(enum node_stat_item, NR_INACTIVE_FILE));
		bytes +=
			page_state(memcg, bpf_core_enum_value(enum node_stat_item, NR_ACTIVE_FILE));
		bytes += page_state(
			memcg, bpf_core_enum_value(enum node_stat_item, NR_SLAB_RECLAIMABLE_B));
		bpf_put_mem_cgroup(memcg);
	}
	bpf_cgroup_release(cgroup);
	return bytes;
}

static __u64 cache_of(__u64 id, struct acg_memory_state *state, __u64 now)
{
	if (now - state->cache_ns > CACHE_NS) {
		state->cache_ns = now;
		state->cache = read_cache(id);
	}
	return state->cache;
}

/* Takes the memcg as the shortage if it is nearer to its limit than the one found so far. */
static void look_at(struct mem_cgroup *memcg, __u32 low_percent, __u64 now,
		    struct shortage *shortage)
{
	__u64 pages = BPF_CORE_READ(memcg, memory.max);
	__u64 usage = usage_of(memcg), limit, held, cache, id;
	struct acg_memory_state *state;

	if (pages >= ~0ULL / page_size / 2)
		return;
	limit = pages * page_size;
	if (usage < limit / 100 * low_percent)
		return;
	id = id_of(memcg);
	state = state_of(id);
	if (!state)
		return;
	cache = cache_of(id, state, now);
	held = usage > cache ? usage - cache : 0;
	if (held < limit / 100 * low_percent)
		return;
	if (shortage->state &&
	    acg_thousandths(held, limit) <= acg_thousandths(shortage->held, shortage->limit))
		return;
	*shortage = (struct shortage){id, state, held, limit};
}

static bool machine_is_short(struct shortage *shortage, __u64 now)
{
	__u64 id = MACHINE;
	struct acg_memory_state *state = bpf_map_lookup_elem(&agentcg_memory, &id);

	if (!state || !state->charged_ns || now - state->charged_ns > RECLAIM_NS)
		return false;
	/* How short is not known: halfway between the mark and the end is as good a guess as any. */
	*shortage = (struct shortage){MACHINE, state, 95, 100};
	return true;
}

static bool find_shortage(struct mem_cgroup *call, __u32 low_percent, __u64 now,
			  struct shortage *shortage)
{
	struct mem_cgroup *memcg = parent_of(call);
	int level;

	for (level = 0; level < LEVELS_MAX && memcg; level++) {
		look_at(memcg, low_percent, now, shortage);
		memcg = parent_of(memcg);
	}
	return shortage->state || machine_is_short(shortage, now);
}

/* --- delays ----------------------------------------------------------------------------------- */

/* False if somebody is charged in whose name the task does not run, or who must not be held up. */
static bool may_delay(struct mem_cgroup *memcg)
{
	struct task_struct *task = bpf_get_current_task_btf();

	if (task->flags & (PF_KTHREAD | PF_EXITING))
		return false;
	if (bpf_core_field_exists(task->active_memcg) && BPF_CORE_READ(task, active_memcg))
		return false;
	return bpf_get_current_cgroup_id() == id_of(memcg);
}

/* Growth by windows. */
static void note_growth(struct acg_memory_state *state, __u64 usage, __u64 now)
{
	__u64 age = now - state->window_ns;

	if (state->window_ns && age < WINDOW_NS)
		return;
	state->growth = 0;
	if (state->window_ns && usage > state->window_usage)
		state->growth = (usage - state->window_usage) * 1000 / (age / ACG_NS_PER_MS);
	state->window_ns = now;
	state->window_usage = usage;
}

/* Growth, credit, and when the grant was left behind. */
static void note_charge(struct acg_memory_state *state, __u64 usage, __u64 grant,
			__u64 min_progress, __u64 now)
{
	if (!state->window_ns)
		state->usage = usage;
	note_growth(state, usage, now);
	if (usage > state->usage)
		state->credit_ns += acg_delay_earned(usage - state->usage, min_progress);
	if (state->credit_ns > ACG_DELAY_CREDIT_NS)
		state->credit_ns = ACG_DELAY_CREDIT_NS;
	if (usage > grant && !state->over_ns)
		state->over_ns = now;
	state->usage = usage;
	state->charged_ns = now;
}

/* Agents count as active while they charge. */
static void note_active(__u64 agent, __u64 now)
{
	struct acg_memory_state *state = state_of(agent);

	if (state)
		state->charged_ns = now;
}

static bool grows(const struct acg_memory_state *state, int priority, __u64 now)
{
	return state->grower_ns[priority] && now - state->grower_ns[priority] < GROWS_NS;
}

/* How far this priority is below the highest that grows in what is short; and whether a lower one grows too. */
static void rank(struct acg_memory_state *state, __u32 priority, __u64 now, struct acg_delay *delay)
{
	if (priority > ACG_PRIORITY_HIGH)
		priority = ACG_PRIORITY_NORMAL;
	state->grower_ns[priority] = now;
	if (grows(state, ACG_PRIORITY_HIGH, now))
		delay->gap = ACG_PRIORITY_HIGH - priority;
	else if (priority == ACG_PRIORITY_LOW && grows(state, ACG_PRIORITY_NORMAL, now))
		delay->gap = 1;
	delay->yields = (priority > ACG_PRIORITY_LOW && grows(state, ACG_PRIORITY_LOW, now)) ||
			(priority > ACG_PRIORITY_NORMAL && grows(state, ACG_PRIORITY_NORMAL, now));
}

/* Reports pressure: on the agent that is short, or, if that is nobody of ours, on the agent that is held back. */
static void tell_pressure(const struct shortage *shortage, const struct acg_group_entry *entry,
			  const struct acg_delay *delay, __u64 now)
{
	__u64 id = shortage->id;

	if (acg_thousandths(shortage->held, shortage->limit) < delay->high_percent * 10 ||
	    now - shortage->state->told_ns < TELL_NS)
		return;
	if (bpf_map_lookup_elem(&agentcg_groups, &id)) {
		shortage->state->told_ns = now;
		tell_short(ACG_BPF_PRESSURE, id, shortage, now);
	} else if (!delay->gap) {
		shortage->state->told_ns = now;
		tell_short(ACG_BPF_PRESSURE_BEYOND, entry->agent, shortage, now);
	}
}

static __u64 graduated(struct group *group, struct acg_memory_state *state,
		       const struct acg_memory_figures *figures, __u64 now)
{
	const struct acg_group_entry *entry = group->entry;
	struct shortage shortage = {};
	struct acg_delay delay = {
		.usage = state->usage,
		.grant = entry->memory_grant,
		.growth = state->growth,
		.low_percent = figures->low_percent,
		.high_percent = figures->high_percent,
		.max_ms = figures->delay_max_ms,
	};

	if (!find_shortage(group->memcg, figures->low_percent, now, &shortage))
		return 0;
	delay.held = shortage.held;
	delay.limit = shortage.limit;
	note_growth(shortage.state, shortage.held, now);
	delay.demand = shortage.state->growth;
	rank(shortage.state, entry->priority, now, &delay);
	tell_pressure(&shortage, entry, &delay, now);
	if (entry->kind == ACG_KIND_SELF) {
		if (state->usage <= entry->memory_grant)
			return 0;
		delay.gap = 0;
	}
	return acg_delay_take(acg_delay_wanted(&delay), delay.max_ms, &state->owed_ns,
			      &state->credit_ns);
}

static void note_delay(struct acg_memory_state *state, __u64 group, __u64 delay, __u64 now)
{
	if (!delay) {
		if (state->delaying && now - state->delay_ns > DELAYING_NS) {
			state->delaying = 0;
			tell(ACG_BPF_DELAY_END, group, now);
		}
		return;
	}
	if (!state->first_ns)
		state->first_ns = now;
	state->delays++;
	state->delayed_ns += delay;
	state->delay_ns = now + delay;
	if (!state->delaying) {
		state->delaying = 1;
		tell(ACG_BPF_DELAY, group, now);
	}
}

static __u64 delay_of(struct group *group, struct acg_memory_state *state,
		      const struct acg_memory_figures *figures, __u64 now)
{
	const struct acg_group_entry *entry = group->entry;

	note_charge(state, usage_of(group->memcg), entry->memory_grant, figures->min_progress, now);
	note_active(entry->agent, now);
	if (!figures->delay_ms)
		return graduated(group, state, figures, now);
	return state->usage > entry->memory_grant ? figures->delay_ms * ACG_NS_PER_MS : 0;
}

SEC("struct_ops/get_high_delay_ms")
unsigned int BPF_PROG(acg_get_high_delay_ms, struct mem_cgroup *memcg)
{
	struct acg_memory_figures *figures = figures_of_policy();
	__u64 now = bpf_ktime_get_ns(), delay;
	struct acg_memory_state *state;
	struct group group = {};

	if (!figures || !may_delay(memcg) || !find_group(memcg, &group))
		return 0;
	if (group.entry->kind != ACG_KIND_CALL && group.entry->kind != ACG_KIND_SELF)
		return 0;
	state = state_of(group.id);
	if (!state)
		return 0;
	delay = delay_of(&group, state, figures, now);
	note_delay(state, group.id, delay, now);
	if (delay) /* the scheduler gives it less CPU meanwhile */
		group.entry->slowed_until = now + delay + DELAYING_NS;
	return delay / ACG_NS_PER_MS;
}

/* --- protection ------------------------------------------------------------------------------- */

static bool is_active(__u64 agent)
{
	struct acg_memory_state *state = bpf_map_lookup_elem(&agentcg_memory, &agent);

	return state && state->charged_ns && bpf_ktime_get_ns() - state->charged_ns < ACTIVE_NS;
}

/* What of a self is protected against everything but need: up to its grant, or if it has none, what the policy says. */
static __u64 self_low(const struct acg_group_entry *entry)
{
	return entry->memory_grant == ~0ULL ? entry->memory_low : entry->memory_grant;
}

SEC("struct_ops/below_low")
bool BPF_PROG(acg_below_low, struct mem_cgroup *memcg)
{
	struct group group = {};

	if (!figures_of_policy() || !find_group(memcg, &group))
		return false;
	if (group.entry->kind == ACG_KIND_SELF && usage_of(group.memcg) <= self_low(group.entry))
		return true;
	return group.entry->priority == ACG_PRIORITY_HIGH && is_active(group.entry->agent);
}

SEC("struct_ops/below_min")
bool BPF_PROG(acg_below_min, struct mem_cgroup *memcg)
{
	struct group group = {};

	if (!figures_of_policy() || !find_group(memcg, &group))
		return false;
	return group.entry->kind == ACG_KIND_SELF &&
	       usage_of(group.memcg) <= group.entry->memory_low;
}

/* --- cgroups come and go ---------------------------------------------------------------------- */

/* Only what is right below an agent: what a call makes inside itself is part of the call. */
SEC("struct_ops/handle_cgroup_online")
void BPF_PROG(acg_handle_cgroup_online, struct mem_cgroup *memcg)
{
	struct mem_cgroup *parent = parent_of(memcg);
	struct acg_group_entry *entry;
	__u64 id;

	if (!parent)
		return;
	id = id_of(parent);
	entry = bpf_map_lookup_elem(&agentcg_groups, &id);
	if (entry && entry->kind == ACG_KIND_AGENT)
		state_of(id_of(memcg));
}

SEC("struct_ops/handle_cgroup_offline")
void BPF_PROG(acg_handle_cgroup_offline, struct mem_cgroup *memcg)
{
	__u64 id = id_of(memcg);

	bpf_map_delete_elem(&agentcg_memory, &id);
}

/* A task found no free page anywhere and reclaims itself: the machine is short. */
SEC("tp_btf/mm_vmscan_direct_reclaim_begin")
int BPF_PROG(acg_direct_reclaim)
{
	struct acg_memory_state *state = state_of(MACHINE);

	if (state)
		state->charged_ns = bpf_ktime_get_ns();
	return 0;
}

/* The members as the public series and the tests' kernel have them; the loader drops those that this kernel lacks. */
struct memcg_bpf_ops___agentcg {
	void (*handle_cgroup_online)(struct mem_cgroup *memcg);
	void (*handle_cgroup_offline)(struct mem_cgroup *memcg);
	bool (*below_low)(struct mem_cgroup *memcg);
	bool (*below_min)(struct mem_cgroup *memcg);
	unsigned int (*get_high_delay_ms)(struct mem_cgroup *memcg);
};

SEC(".struct_ops.link")
struct memcg_bpf_ops___agentcg agentcg_memcg = {
	.handle_cgroup_online = (void *)acg_handle_cgroup_online,
	.handle_cgroup_offline = (void *)acg_handle_cgroup_offline,
	.below_low = (void *)acg_below_low,
	.below_min = (void *)acg_below_min,
	.get_high_delay_ms = (void *)acg_get_high_delay_ms,
};
