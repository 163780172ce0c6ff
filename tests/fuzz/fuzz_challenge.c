/* SPDX-License-Identifier: Apache-2.0 */
/* Any header is parsed without harm, and what comes out are strings that end. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "challenge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct cf_challenge challenge = {0};
    char *text = malloc(len + 1);
    if (!text)
        return 0;
    memcpy(text, data, len);
    text[len] = '\0';
    cf_challenge_parse(text, &challenge);
    if (!memchr(challenge.realm, 0, sizeof challenge.realm) ||
        !memchr(challenge.service, 0, sizeof challenge.service) ||
        !memchr(challenge.scope, 0, sizeof challenge.scope) ||
        (challenge.realm[0] && !challenge.bearer))
        abort();
    free(text);
    return 0;
}
