/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a write to `call` does: each marker in it, by the writer's rights, and the answer that the same open reads back. */
#include "fusefs/marker.h"

#include <string.h>
#include <unistd.h>

#include "fusefs/file_ops.h"
#include "fusefs/fs.h"
#include "fusefs/journal.h"
#include "policy/procfs.h"

/* The process that goes into the call, in the daemon's pid namespace: the writer, the one of pid=, or nobody (0). */
static int mover_of(struct acg_fs *fs, const struct acg_agent *agent,
		    const struct acg_caller *caller, const struct acg_marker *marker,
		    pid_t *ret_pid, GError **error)
{
	struct acg_node *from;
	int ret;

	if (marker->pid == ACG_PID_NONE) {
		*ret_pid = 0;
		return 0;
	}
	if (marker->pid == ACG_PID_WRITER) {
		*ret_pid = caller->tgid;
		return acg_rights_begin_self(caller, error);
	}
	if (!agent->node.group)
		return acg_fail(error, ENODEV, "the agent is gone");
	ret = acg_caller_pid(caller, marker->pid, agent->node.group->dirfd, ret_pid, error);
	if (!ret)
		ret = acg_process_node(acg_manager_registry(fs->manager), fs->root_path,
				       fs->by_pidfd, *ret_pid, &from, error);
	if (ret)
		return ret;
	if (!from || !acg_agent_within(from->agent, agent))
		return acg_fail(error, EPERM, "process %d does not belong to agent %s", marker->pid,
				agent->name);
	if (from->kind == ACG_KIND_CALL)
		return acg_fail(error, EBUSY, "process %d is in call %s already", marker->pid,
				acg_node_call(from)->id);
	/* The kernel would move a zombie without an error, and nowhere: the call would never be empty again. */
	if (!acg_proc_alive(*ret_pid))
		return acg_fail(error, ESRCH, "process %d has exited", marker->pid);
	return 0;
}

/* The call that an earlier worker made for this very marker; NULL: it did not come so far. */
static struct acg_call *begun_before(const struct acg_fs *fs, const struct acg_agent *agent)
{
	GHashTableIter iter;
	void *value;

	if (!acg_journal_resumed(fs))
		return NULL;
	g_hash_table_iter_init(&iter, agent->calls);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct acg_call *call = value;

		if (call->request == fs->request.unique &&
		    call->request_step == fs->shared->journal.step)
			return call;
	}
	return NULL;
}

/* As a caller in a nested pid namespace sees it; 0: he is in none. */
static pid_t pid_in_ns(const struct acg_caller *caller, pid_t pid)
{
	int ns = caller->pid_ns_level > 1 ? acg_caller_open_pid_ns(caller->tid) : -1;
	pid_t seen;

	if (ns < 0)
		return 0;
	seen = acg_caller_pid_seen(caller, ns, pid);
	close(ns);
	return seen;
}

static int do_begin(struct acg_fs *fs, struct acg_agent *agent, struct acg_caller *caller,
		    const struct acg_marker *marker, const char **ret_id, GError **error)
{
	struct acg_begin begin = {
		.id = marker->id[0] ? marker->id : NULL,
		.command = marker->command,
		.hint = marker->hint,
		.keep = marker->keep,
		.request = fs->request.unique,
		.request_step = fs->shared->journal.step,
	};
	struct acg_call *call = begun_before(fs, agent);
	int ret;

	if (call) {
		*ret_id = call->id;
		return 0;
	}
	ret = acg_caller_identify(caller, error);
	begin.caller = caller->tgid;
	if (!ret)
		ret = mover_of(fs, agent, caller, marker, &begin.pid, error);
	if (!ret && begin.pid)
		begin.ns_pid = pid_in_ns(caller, begin.pid);
	if (!ret)
		ret = acg_manager_begin(fs->manager, agent, &begin, &call, error);
	if (!ret)
		*ret_id = call->id;
	return ret;
}

/*
 * What `-` means to end and hint: the call that the writer is in, else the one begun last on this open file, as whoever stands in for
 * another process has it. One that a rule of `auto` began is nothing that a writer of markers knows of.
 */
static int call_meant(struct acg_fs *fs, struct acg_agent *agent, const struct acg_caller *caller,
		      const struct acg_open *open, struct acg_call **ret_call, GError **error)
{
	struct acg_call *own = caller->node && caller->agent == agent ? acg_node_call(caller->node)
								      : NULL;
	struct acg_node *begun;

	if (!own && !open->call)
		return acg_fail(error, EINVAL,
				"you are in no call of agent %s: name the call's ID", agent->name);
	if (!own || (own->by_rule && open->call)) {
		begun = acg_registry_find(acg_manager_registry(fs->manager), open->call);
		if (!begun || begun->kind != ACG_KIND_CALL)
			return acg_fail(error, ENOENT,
					"the call that was begun on this file is forgotten");
		own = acg_node_call(begun);
	}
	*ret_call = own;
	return 0;
}

/* The call that end and hint speak of; once noted, the one that it was at first. */
static int call_of(struct acg_fs *fs, struct acg_agent *agent, const struct acg_caller *caller,
		   const struct acg_open *open, const struct acg_marker *marker,
		   struct acg_call **ret_call, GError **error)
{
	const char *noted = acg_journal_noted(fs);
	struct acg_call *call = NULL;
	int ret = 0;

	if (!marker->id[0] && !noted) {
		ret = call_meant(fs, agent, caller, open, &call, error);
	} else {
		call = acg_agent_call(agent, noted ? noted : marker->id);
		if (!call || call->state == ACG_CALL_STARTING)
			ret = acg_fail(error, ENOENT, "agent %s has no call %s", agent->name,
				       marker->id);
	}
	if (ret)
		return ret;
	acg_journal_call(fs, call->id);
	*ret_call = call;
	return 0;
}

static int do_end(struct acg_fs *fs, struct acg_call *call, struct acg_caller *caller,
		  const struct acg_marker *marker, GError **error)
{
	pid_t writer = 0;
	int ret = 0;

	if (caller->node == &call->node) {
		/* Mostly the process that began it: of that one the id is known without asking. */
		if (caller->tid != call->pid)
			ret = acg_caller_identify(caller, error);
		writer = caller->tid == call->pid ? call->pid : caller->tgid;
	}
	return ret ? ret : acg_manager_end(fs->manager, call, marker->exit, writer, error);
}

static int do_marker(struct acg_fs *fs, struct acg_agent *agent, struct acg_caller *caller,
		     const struct acg_open *open, const struct acg_marker *marker,
		     const char **ret_id, GError **error)
{
	struct acg_call *call = NULL;
	int ret;

	if (marker->verb == ACG_VERB_BEGIN)
		return do_begin(fs, agent, caller, marker, ret_id, error);
	ret = call_of(fs, agent, caller, open, marker, &call, error);
	if (ret)
		return ret;
	*ret_id = call->id;
	if (marker->verb == ACG_VERB_END)
		return do_end(fs, call, caller, marker, error);
	return acg_manager_hint(fs->manager, call, &marker->hint, error);
}

/* One line, whole, even where it has to be cut. */
static void answer(struct acg_open *open, const char *text)
{
	g_autofree char *cut = g_strndup(text, sizeof(open->answer) - 2);
	const char *end;

	if (!g_utf8_validate(cut, -1, &end))
		cut[end - cut] = '\0';
	g_strdelimit(cut, "\n", ' ');
	g_snprintf(open->answer, sizeof(open->answer), "%s\n", cut);
}

/* Who has begun a call and keeps the file open will say how it ended: the call is recorded then, not before. */
static void began(struct acg_fs *fs, struct acg_open *open, const struct acg_call *call)
{
	open->began = 1;
	if (open->call)
		acg_fs_await(fs, open->call, false);
	open->call = call->node.id;
	acg_fs_await(fs, open->call, true);
}

void acg_fs_await(struct acg_fs *fs, uint64_t call_id, bool awaited)
{
	struct acg_node *node = acg_registry_node(acg_manager_registry(fs->manager), call_id);

	if (node && node->kind == ACG_KIND_CALL)
		acg_manager_await(fs->manager, acg_node_call(node), awaited);
}

static int resolve_again(struct acg_fs *fs, struct acg_caller *caller, GError **error);

/* Whoever marks his calls himself needs no rule to do it: where one was faster, the marker counts. */
static int begins_anew(struct acg_fs *fs, struct acg_caller *caller, GError **error)
{
	struct acg_call *call = caller->node ? acg_node_call(caller->node) : NULL;

	if (!call || !call->by_rule)
		return 0;
	acg_manager_yield(fs->manager, call);
	return resolve_again(fs, caller, error);
}

static int do_line(struct acg_fs *fs, const struct acg_place *place, struct acg_caller *caller,
		   struct acg_open *open, const char *line, size_t len, GError **error)
{
	struct acg_marker marker;
	const char *id = NULL;
	int ret = acg_marker_parse(line, len, &marker, error);

	if (ret)
		return ret;
	if (marker.verb == ACG_VERB_BEGIN)
		ret = begins_anew(fs, caller, error);
	if (!ret)
		ret = do_marker(fs, place->agent, caller, open, &marker, &id, error);
	if (!ret)
		answer(open, id);
	if (!ret && marker.verb == ACG_VERB_BEGIN)
		began(fs, open, acg_agent_call(place->agent, id));
	acg_marker_clear(&marker);
	return ret;
}

/* A marker moves its writer: the next one of the same write finds it where it is now. */
static int resolve_again(struct acg_fs *fs, struct acg_caller *caller, GError **error)
{
	return acg_process_node(acg_manager_registry(fs->manager), fs->root_path, fs->by_pidfd,
				caller->tid, &caller->node, error);
}

ACG_WRITER(call)
{
	unsigned int done = fs->shared->journal.step; /* markers, by an earlier worker */
	struct acg_caller now = *caller;
	g_autoptr(GError) why = NULL;
	bool first = true;
	int ret = 0;

	open->position = open->read_unique = 0; /* there will be a new answer to read */
	if (len > ACG_MARKER_MAX)
		ret = acg_fail(&why, EINVAL, "a write to call is at most %d bytes", ACG_MARKER_MAX);
	for (const char *line = text, *end; !ret && line < text + len; line = end + 1) {
		end = memchr(line, '\n', text + len - line);
		end = end ? end : text + len;
		if (end == line && !first)
			continue; /* an empty line after the first is no marker */
		if (open->began && !acg_marker_has_verb(line, end - line))
			continue; /* the rest of a command of several lines */
		if (done) {
			done--;
			first = false;
			continue;
		}
		acg_manager_settle(fs->manager); /* the line before is over, for this one too */
		ret = acg_manager_marker(place->agent, &why);
		if (!ret && !first)
			ret = resolve_again(fs, &now, &why);
		if (!ret)
			ret = do_line(fs, place, &now, open, line, end - line, &why);
		if (!ret)
			acg_journal_step(fs);
		first = false;
	}
	if (!ret)
		return 0;
	answer(open, why->message);
	acg_fs_refuse(fs, place, true, why);
	g_propagate_error(error, g_steal_pointer(&why));
	return ret;
}
