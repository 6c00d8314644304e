/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The error object shared by all layers; see the header. */
#include "bpf/error.h"

#include <stdarg.h>

G_DEFINE_QUARK(agentcg-error-quark, acg_error)

int acg_fail(GError **error, int errnum, const char *format, ...)
{
	va_list args;

	if (error) {
		va_start(args, format);
		*error = g_error_new_valist(ACG_ERROR, errnum, format, args);
		va_end(args);
	}
	return -errnum;
}

int acg_fail_errno(GError **error, int errnum, const char *format, ...)
{
	g_autofree char *words = NULL;
	va_list args;

	if (error) {
		va_start(args, format);
		words = g_strdup_vprintf(format, args);
		va_end(args);
		*error = g_error_new(ACG_ERROR, errnum, "%s: %s", words, g_strerror(errnum));
	}
	return -errnum;
}
