/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Adopted cgroups whose list is gone, since somebody emptied /run: what they were like before is not known any more, so they cannot be
 * given back; but it is said which they are. They are known by their attribute.
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <syslog.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/cgroupfs.h"
#include "policy/manager_private.h"
#include "policy/state.h"

#define LOOKED_AT_MAX 20000 /* cgroups; a machine has hundreds */

struct search {
	struct acg_manager *manager;
	GString *path; /* within the mount, of where we are */
	struct stat root;
	unsigned int looked_at;
};

static void say_lost(const struct search *search)
{
	struct acg_manager *manager = search->manager;
	g_autofree char *text =
		g_strdup_printf("the cgroup %s was adopted, but is not in %s/adopted, which has "
				"what it was like before: it is left as it is",
				search->path->str, manager->run_dir);

	acg_manager_event(manager, NULL, "adopted_lost", NULL, text, acg_manager_now());
	manager->log(LOG_WARNING, text, NULL, NULL);
}

static void look_at(int parent, const char *name, void *data)
{
	int dirfd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct search *search = data;
	g_autofree char *text = NULL;
	gsize len = search->path->len;
	struct stat st;

	if (dirfd < 0)
		return;
	g_string_append_printf(search->path, "/%s", name);
	if (fstat(dirfd, &st) == 0 && st.st_ino != search->root.st_ino &&
	    search->looked_at++ < LOOKED_AT_MAX) {
		text = acg_state_get(dirfd, NULL);
		if (text && acg_state_is_adopted(text))
			say_lost(search);
		else
			acg_cgroup_each_child(dirfd, look_at, search);
	}
	g_string_truncate(search->path, len);
	close(dirfd);
}

void acg_manager_find_lost(struct acg_manager *manager)
{
	g_autofree char *list = g_build_filename(manager->run_dir, "adopted", NULL);
	struct acg_enforcer *cgroup = manager->enforcers->pdata[0];
	struct search search = {.manager = manager};
	uint64_t controls[ACG_N_CONTROLS];
	int dirfd;

	if (g_file_test(list, G_FILE_TEST_EXISTS) ||
	    fstat(acg_enforcer_cgroup_dirfd(cgroup), &search.root) < 0 ||
	    acg_enforcer_cgroup_open(cgroup, "/.", &dirfd, controls, NULL) < 0)
		return;
	search.path = g_string_new(NULL);
	acg_cgroup_each_child(dirfd, look_at, &search);
	g_string_free(search.path, TRUE);
	close(dirfd);
	acg_manager_save_adopted(manager); /* from now on there is a list, if an empty one */
}
