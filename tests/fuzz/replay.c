/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Gives a fuzzer's target each of its seeds once, without libFuzzer: what was found once stays found, in every build. The seeds are
 * those in $srcdir/tests/fuzz/seeds/ACG_SEEDS; none at all is a failure.
 */
#include <glib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void replay(const char *path)
{
	g_autofree char *data = NULL;
	g_autoptr(GError) error = NULL;
	size_t size;

	if (!g_file_get_contents(path, &data, &size, &error))
		g_error("%s", error->message);
	printf("%s\n", path);
	fflush(stdout); /* so that the one that fails is the last that is named */
	LLVMFuzzerTestOneInput((const uint8_t *)data, size);
}

int main(void)
{
	const char *top = getenv("srcdir");
	g_autofree char *folder =
		g_build_filename(top ? top : ".", "tests", "fuzz", "seeds", ACG_SEEDS, NULL);
	g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
	unsigned int n = 0;
	const char *name;

	while (dir && (name = g_dir_read_name(dir))) {
		g_autofree char *path = g_build_filename(folder, name, NULL);

		replay(path);
		n++;
	}
	if (!n)
		fprintf(stderr, "no seeds in %s\n", folder);
	return n ? 0 : 1;
}
