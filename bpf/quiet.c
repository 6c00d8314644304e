/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Silences libbpf; see the header. */
#include "bpf/quiet.h"

#include <errno.h>

static int print_nothing(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

libbpf_print_fn_t acg_quiet_begin(void)
{
	return libbpf_set_print(print_nothing);
}

void acg_quiet_end(libbpf_print_fn_t print)
{
	int errnum = errno;

	libbpf_set_print(print);
	errno = errnum;
}
