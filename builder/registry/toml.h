/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of TOML that registries.conf and cloudfs's own configuration need: tables, arrays of
 * tables, and keys whose values are strings, booleans, whole numbers, or arrays and inline tables
 * of these. Source: toml.io, version 1.0.0. Dates, floats and multi-line strings are refused.
 */
#ifndef CF_REGISTRY_TOML_H
#define CF_REGISTRY_TOML_H

#include <stddef.h>

#include <cloudfs/error.h>
#include <cloudfs/json.h>

/* The document as JSON. -EINVAL with a line "line N: what is wrong". */
int cf_toml_parse(const char *text, size_t len, struct cf_json **ret_json, struct cf_error *err);

#endif
