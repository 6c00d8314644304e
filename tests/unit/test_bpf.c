/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The BPF layer as far as it can be tested without privileges: the shared header, probes, refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <linux/types.h>

#include "bpf/agentcg_bpf.h"

/* The records are read by another compiler (and another word size): no hidden padding. */
static void test_record_sizes(void **state)
{
	(void)state;
	assert_int_equal(sizeof(struct acg_group_entry), 4 * 8 + 6 * 4);
	assert_int_equal(sizeof(struct acg_bpf_event), 2 * 8 + 2 * 4 + 4 * 8 + ACG_COMM_LEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
