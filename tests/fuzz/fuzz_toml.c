/* SPDX-License-Identifier: Apache-2.0 */
/* Any text is TOML or is refused with one line; as registries.conf it gives endpoints or an error.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct cf_registry_config config = {0};
    struct cf_endpoint endpoints[CF_ENDPOINTS_MAX];
    struct cf_error err = {0};
    size_t count = 0;
    int r = cf_registry_config_add(&config, (const char *)data, len, "conf", &err);
    if (r < 0 && (err.code >= 0 || !err.text[0] || strchr(err.text, '\n')))
        abort();
    if (r == 0 &&
        cf_registry_endpoints(&config, "r.io/a/b", false, true, endpoints, &count, &err) == 0) {
        if (count == 0 || count > CF_ENDPOINTS_MAX)
            abort();
        for (size_t i = 0; i < count; i++)
            if (!memchr(endpoints[i].host, 0, sizeof endpoints[i].host))
                abort();
    }
    cf_registry_config_done(&config);
    return 0;
}
