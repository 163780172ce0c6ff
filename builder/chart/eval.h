/* SPDX-License-Identifier: Apache-2.0 */
/* Pipelines, operands, fields, calls. */
#ifndef CF_EVAL_H
#define CF_EVAL_H

#include "exec.h"

/* The value of a pipeline; its variables are declared or assigned. */
struct cf_val cf_eval_pipeline(struct cf_exec *x, struct cf_val dot, const struct cf_node *pipe);
/* The same without the variables. */
struct cf_val cf_eval_commands(struct cf_exec *x, struct cf_val dot, const struct cf_node *pipe);
void cf_eval_push(struct cf_exec *x, struct cf_name name, struct cf_val val);
void cf_eval_assign(struct cf_exec *x, struct cf_name name, struct cf_val val);

/* Methods of values that have some (method.c). False: there is no such method. */
bool cf_eval_method(struct cf_exec *x, struct cf_val receiver, struct cf_name name,
                    const struct cf_val *args, size_t count, struct cf_val *ret_val);
bool cf_eval_has_methods(struct cf_val receiver);
/* .Files as a map of path to content. */
struct cf_val cf_eval_files_map(struct cf_exec *x, struct cf_val files);

#endif
