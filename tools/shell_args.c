/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A shell's command line and the shell itself; see the header. */
#include "tools/shell_args.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

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
		if (strncmp(word, "--", 2) == 0)
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
	for (unsigned int i = 0; i < sizeof(shells) / sizeof(shells[0]); i++)
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

static bool in_directory(const char *directory, int len, const char *name, const struct stat *own,
			 char path[static PATH_MAX])
{
	static const char *const prefixes[] = {"", "real-"};

	for (unsigned int i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		int n = snprintf(path, PATH_MAX, "%.*s/%s%s", len, directory, prefixes[i], name);

		if (n < PATH_MAX && is_shell(path, own))
			return true;
	}
	return false;
}

/* list is as $PATH; only what is absolute counts. */
static bool in_list(const char *list, const char *name, const struct stat *own,
		    char path[static PATH_MAX])
{
	for (const char *at = list, *end;; at = end + 1) {
		end = strchrnul(at, ':');
		if (*at == '/' && in_directory(at, end - at, name, own, path))
			return true;
		if (!*end)
			return false;
	}
}

bool acg_shell_find(const char *name, char ret_path[static PATH_MAX])
{
	const char *list = getenv("PATH");
	const char *started = (const char *)getauxval(AT_EXECFN);
	struct stat own = {0};

	/* The same file, but /proc takes ten times as long to find it. */
	if (!started || stat(started, &own) < 0)
		stat("/proc/self/exe", &own);
	return (list && in_list(list, name, &own, ret_path)) ||
	       in_list("/usr/local/bin:/usr/bin:/bin", name, &own, ret_path);
}
