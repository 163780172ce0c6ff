/* SPDX-License-Identifier: Apache-2.0 */
/* Moments as the OCI config spells them: RFC 3339, UTC. Not public. */
#ifndef CF_COMMIT_MOMENT_H
#define CF_COMMIT_MOMENT_H

#include <stdint.h>

#define MOMENT_SIZE 40

/* "2024-05-01T08:00:00.25Z": no trailing zeros of the fraction, as Go prints it. Years outside 1 to
 * 9999, which RFC 3339 cannot say, become the nearest that it can. */
void cf_moment_text(int64_t sec, uint32_t nsec, char ret_text[MOMENT_SIZE]);

#endif
