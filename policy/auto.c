/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who waits for a call of his own; see the header. In a queue by due time, since rules may differ in it, and by pid. */
#include "policy/auto.h"

#include <string.h>

struct acg_auto {
	GSequence *by_due;  /* struct acg_candidate, owned */
	GHashTable *by_pid; /* pid -> GSequenceIter */
};

void acg_candidate_free(struct acg_candidate *candidate)
{
	if (!candidate)
		return;
	g_free(candidate->command);
	g_free(candidate);
}

struct acg_auto *acg_auto_new(void)
{
	struct acg_auto *autos = g_new(struct acg_auto, 1);

	autos->by_due = g_sequence_new(NULL);
	autos->by_pid = g_hash_table_new(g_direct_hash, g_direct_equal);
	return autos;
}

void acg_auto_free(struct acg_auto *autos)
{
	if (!autos)
		return;
	while (acg_auto_due(autos))
		acg_candidate_free(acg_auto_next(autos, INT64_MAX));
	g_sequence_free(autos->by_due);
	g_hash_table_unref(autos->by_pid);
	g_free(autos);
}

static int compare_due(const void *a, const void *b, void *data)
{
	const struct acg_candidate *x = a, *y = b;

	(void)data;
	if (x->due != y->due)
		return x->due < y->due ? -1 : 1;
	return x->start.mono < y->start.mono ? -1 : x->start.mono > y->start.mono;
}

bool acg_auto_add(struct acg_auto *autos, struct acg_candidate *candidate)
{
	void *pid = GINT_TO_POINTER(candidate->pid);

	if (g_hash_table_size(autos->by_pid) >= ACG_AUTO_WAITING ||
	    g_hash_table_contains(autos->by_pid, pid)) {
		acg_candidate_free(candidate);
		return false;
	}
	g_hash_table_insert(autos->by_pid, pid,
			    g_sequence_insert_sorted(autos->by_due, candidate, compare_due, NULL));
	return true;
}

static struct acg_candidate *take(struct acg_auto *autos, GSequenceIter *iter)
{
	struct acg_candidate *candidate = g_sequence_get(iter);

	g_hash_table_remove(autos->by_pid, GINT_TO_POINTER(candidate->pid));
	g_sequence_remove(iter);
	return candidate;
}

struct acg_candidate *acg_auto_take(struct acg_auto *autos, pid_t pid)
{
	GSequenceIter *iter = g_hash_table_lookup(autos->by_pid, GINT_TO_POINTER(pid));

	return iter ? take(autos, iter) : NULL;
}

struct acg_candidate *acg_auto_next(struct acg_auto *autos, int64_t now)
{
	GSequenceIter *first = g_sequence_get_begin_iter(autos->by_due);

	if (g_sequence_iter_is_end(first) ||
	    ((struct acg_candidate *)g_sequence_get(first))->due > now)
		return NULL;
	return take(autos, first);
}

int64_t acg_auto_due(const struct acg_auto *autos)
{
	GSequenceIter *first = g_sequence_get_begin_iter(autos->by_due);

	return g_sequence_iter_is_end(first) ? 0
					     : ((struct acg_candidate *)g_sequence_get(first))->due;
}

/* A word that a shell would not take as it is gets quotes. */
static void append_word(GString *line, const char *word)
{
	g_autofree char *quoted = NULL;

	if (*word && !strpbrk(word, " \t\n\r\"'\\$`;&|<>()*?[]#~{}!")) {
		g_string_append(line, word);
		return;
	}
	quoted = g_shell_quote(word);
	g_string_append(line, quoted);
}

char *acg_auto_line(const char *args, size_t len)
{
	g_autofree char *text = g_malloc0(len + 1); /* with a NUL behind the last word */
	GString *line = g_string_new(NULL);
	g_autofree char *raw = NULL;

	memcpy(text, args, len);
	for (const char *word = text; word < text + len; word += strlen(word) + 1) {
		if (line->len)
			g_string_append_c(line, ' ');
		append_word(line, word);
	}
	raw = g_string_free(line, FALSE);
	return g_utf8_make_valid(raw, -1);
}
