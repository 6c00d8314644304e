/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one error object of agentcg: a GError whose code is the errno (the kernel's own where the kernel
 * refused) and whose message says, in words, what was wrong and what to do about it.
 */
#ifndef AGENTCG_BPF_ERROR_H
#define AGENTCG_BPF_ERROR_H

#include <errno.h>
#include <glib.h>

#define ACG_ERROR (acg_error_quark())
GQuark acg_error_quark(void);

/*
 * Sets *error (may be NULL: the words are dropped) to errnum (positive, an errno) with the formatted words.
 * Returns -errnum, so that a function can say `return acg_fail(error, EINVAL, "...")`.
 */
int acg_fail(GError **error, int errnum, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* The same with ": <strerror(errnum)>" appended, for a refusal by the kernel. */
int acg_fail_errno(GError **error, int errnum, const char *format, ...) G_GNUC_PRINTF(3, 4);

#endif
