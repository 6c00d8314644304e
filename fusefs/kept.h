/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rendered texts, one an open file, so that a file of several reads is not torn. Bounded for each owner: a text that does not
 * fit any more drops the owner's oldest, which are rendered again when they are read on. Pure.
 */
#ifndef AGENTCG_FUSEFS_KEPT_H
#define AGENTCG_FUSEFS_KEPT_H

#include <glib.h>
#include <stdint.h>

struct acg_kept;

/* max_bytes: of each owner; the newest text is kept whatever its size. */
struct acg_kept *acg_kept_new(size_t max_bytes);
void acg_kept_free(struct acg_kept *kept);

/* NULL: there is none (any more). Owned by kept, valid until the next put or drop. */
GString *acg_kept_get(const struct acg_kept *kept, uint64_t fh);
/* Takes the text over; replaces the one that this fh has. owner 0: unbounded. */
void acg_kept_put(struct acg_kept *kept, uint64_t fh, uint64_t owner, GString *text);
void acg_kept_drop(struct acg_kept *kept, uint64_t fh);

#endif
