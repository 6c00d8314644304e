/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A shell's command line and the shell itself; see the header. */
#include "tools/shell_args.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

/* Long options of bash with a value of their own. */
static bool takes_value(const char *option)
{
	return strcmp(option, "--rcfile") == 0 || strcmp(option, "--init-file") == 0;
}

/* -c, -lc, -ec, -o pipefail -c: what is in a bundle, and how many words it takes behind it. */
static unsigned int look_at_bundle(const char *bundle, bool *has_c)
{
	unsigned int words = 0;

	for (const char *p = bundle + 1; *p; p++) {
		*has_c |= *p == 'c' && bundle[0] == '-';
		words += *p == 'o' || *p == 'O';
	}
	return words;
}

const char *acg_shell_command(char **argv)
{
	bool has_c = false;

	for (argv++; *argv; argv++) {
		const char *word = *argv;
		unsigned int more = 0;

		if (strcmp(word, "-") == 0 || strcmp(word, "--") == 0) {
			argv++;
			break;
		}
		if (word[0] != '-' && word[0] != '+')
			break;
		if (g_str_has_prefix(word, "--"))
			more = takes_value(word);
		else
			more = look_at_bundle(word, &has_c);
		for (; more && argv[1]; more--)
			argv++;
	}
	return has_c ? *argv : NULL;
}

const char *acg_shell_name(const char *argv0)
{
	static const char *const shells[] = {"bash", "sh", "dash", "zsh"};
	const char *base = strrchr(argv0, '/');

	base = base ? base + 1 : argv0;
	if (*base == '-') /* a login shell */
		base++;
	for (unsigned int i = 0; i < G_N_ELEMENTS(shells); i++)
		if (strcmp(base, shells[i]) == 0)
			return base;
	return NULL;
}

/* A copy is no program of that size by chance: two copies would start each other for ever. */
static bool is_shell(const char *path, const struct stat *own)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0 &&
	       !(st.st_dev == own->st_dev && st.st_ino == own->st_ino) &&
	       st.st_size != own->st_size;
}

static char *in_directory(const char *directory, const char *name, const struct stat *own)
{
	g_autofree char *moved = g_strdup_printf("%s/real-%s", directory, name);
	g_autofree char *plain = g_strdup_printf("%s/%s", directory, name);

	if (is_shell(plain, own))
		return g_steal_pointer(&plain);
	return is_shell(moved, own) ? g_steal_pointer(&moved) : NULL;
}

char *acg_shell_find(const char *name)
{
	static const char places[] = "/usr/local/bin:/usr/bin:/bin";
	g_autofree char *all = g_strconcat(g_getenv("PATH") ?: "", ":", places, NULL);
	g_auto(GStrv) directories = g_strsplit(all, ":", -1);
	struct stat own = {0};
	char *found = NULL;

	stat("/proc/self/exe", &own);
	for (char **at = directories; *at && !found; at++)
		if (**at == '/')
			found = in_directory(*at, name, &own);
	return found;
}
