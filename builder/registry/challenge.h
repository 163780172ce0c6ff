/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WWW-Authenticate: what a server asks for. Source: RFC 9110, sections 11.2 and 11.6.1;
 * distribution, token authentication specification.
 */
#ifndef CF_REGISTRY_CHALLENGE_H
#define CF_REGISTRY_CHALLENGE_H

#include <stdbool.h>

#define CF_CHALLENGE_TEXT 1024

struct cf_challenge {
    bool basic, bearer; /* which schemes are offered */
    /* Of bearer; "" where the server does not say. */
    char realm[CF_CHALLENGE_TEXT];
    char service[CF_CHALLENGE_TEXT];
    char scope[CF_CHALLENGE_TEXT];
    char error[64];
};

/* Adds what one header says; challenges of other schemes, and what is malformed, are passed over.
 * challenge: zeros before the first header. */
void cf_challenge_parse(const char *header, struct cf_challenge *challenge);

#endif
