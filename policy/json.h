/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes JSON straight into a GString. Of our own because every record goes by here: json-glib
 * builds a tree for each line first, prints times as doubles with 17 digits (1763885.1000001
 * instead of 1763885.1) and has no unsigned numbers. tests/unit/test_json.c reads the output back
 * with json-glib.
 *
 * `key` is NULL inside an array and for the outermost value; it is written as it is, so it must
 * need no escaping. Commas come by themselves.
 */
#ifndef AGENTCG_POLICY_JSON_H
#define AGENTCG_POLICY_JSON_H

#include <glib.h>
#include <stdint.h>

void acg_json_open(GString *out, const char *key, char bracket); /* '{' or '[' */
void acg_json_close(GString *out, char bracket);                 /* '}' or ']' */

/*
 * Any bytes: what is not UTF-8 becomes U+FFFD, control characters (C0, DEL and C1, which terminals
 * obey) are escaped. NULL is written as null.
 */
void acg_json_string(GString *out, const char *key, const char *value);

void acg_json_unsigned(GString *out, const char *key, uint64_t value);
void acg_json_signed(GString *out, const char *key, int64_t value);
void acg_json_null(GString *out, const char *key);

/* Bytes and other limits; UINT64_MAX, which means unlimited, is null. */
void acg_json_limit(GString *out, const char *key, uint64_t value);

/* Microseconds as seconds with six decimals. */
void acg_json_seconds(GString *out, const char *key, int64_t usec);

#endif
