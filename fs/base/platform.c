/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/platform.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include <cloudfs/log.h>
#include <cloudfs/scope.h>

static const struct {
    const char *machine, *architecture, *variant;
} machines[] = {
    {"x86_64", "amd64", ""},
    {"aarch64", "arm64", ""},
    {"armv8l", "arm", "v8"},
    {"armv7l", "arm", "v7"},
    {"armv6l", "arm", "v6"},
    {"i386", "386", ""},
    {"i486", "386", ""},
    {"i586", "386", ""},
    {"i686", "386", ""},
    {"ppc64le", "ppc64le", ""},
    {"s390x", "s390x", ""},
    {"riscv64", "riscv64", ""},
    {"loongarch64", "loong64", ""},
    {"mips64", "mips64le", ""},
};

void cf_platform_host(struct cf_platform *ret_platform)
{
    struct utsname name;

    *ret_platform = (struct cf_platform){.os = "linux", .architecture = "amd64"};
    if (uname(&name) < 0)
        return;
    snprintf(ret_platform->architecture, sizeof(ret_platform->architecture), "%.31s", name.machine);
    for (size_t i = 0; i < CF_COUNT(machines); i++)
        if (!strcmp(name.machine, machines[i].machine)) {
            snprintf(ret_platform->architecture, sizeof(ret_platform->architecture), "%s",
                     machines[i].architecture);
            snprintf(ret_platform->variant, sizeof(ret_platform->variant), "%s",
                     machines[i].variant);
        }
}

/* One part of os/arch/variant; returns what follows its slash, or NULL when it was the last. */
static const char *take_part(const char *text, char ret_part[32], bool *ret_good)
{
    size_t len = strcspn(text, "/");
    *ret_good =
        len > 0 && len < 32 &&
        strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") >= len;
    if (!*ret_good)
        return NULL;
    memcpy(ret_part, text, len);
    ret_part[len] = '\0';
    return text[len] ? text + len + 1 : NULL;
}

int cf_platform_parse(const char *text, struct cf_platform *ret_platform, struct cf_error *err)
{
    struct cf_platform platform = {0};
    bool good = true;

    if (!text || !*text) {
        cf_platform_host(ret_platform);
        return 0;
    }
    const char *rest = take_part(text, platform.os, &good);
    if (good && !rest)
        good = false;
    if (good)
        rest = take_part(rest, platform.architecture, &good);
    if (good && rest)
        rest = take_part(rest, platform.variant, &good);
    if (!good || rest)
        return cf_fail(err, -EINVAL, "%s is no platform: os/arch or os/arch/variant is meant",
                       CF_QUOTE(text));
    *ret_platform = platform;
    return 0;
}

static bool is_listed(const struct cf_platform *list, size_t count, const struct cf_platform *one)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(list[i].os, one->os) && !strcmp(list[i].architecture, one->architecture) &&
            !strcmp(list[i].variant, one->variant))
            return true;
    return false;
}

int cf_platforms_parse(const char *text, struct cf_platform **ret_platforms, size_t *ret_count,
                       struct cf_error *err)
{
    char *copy cf_autofree = strdup(text ? text : "");
    struct cf_platform *list cf_autofree = calloc(CF_PLATFORMS_MAX, sizeof(*list));
    char *rest = copy, *word;
    size_t count = 0;

    if (!copy || !list)
        return cf_fail(err, -ENOMEM, "out of memory");
    while (*copy && (word = strsep(&rest, ","))) {
        struct cf_platform one;
        if (!*word)
            return cf_fail(err, -EINVAL, "%s is no list of platforms: os/arch,os/arch is meant",
                           CF_QUOTE(text));
        int r = cf_platform_parse(word, &one, err);
        if (r < 0)
            return r;
        if (is_listed(list, count, &one))
            continue;
        if (count == CF_PLATFORMS_MAX)
            return cf_fail(err, -E2BIG, "more than %d platforms are asked for", CF_PLATFORMS_MAX);
        list[count++] = one;
    }
    *ret_platforms = CF_TAKE(list);
    *ret_count = count;
    return 0;
}

bool cf_platform_serves(const struct cf_platform *wanted, const char *os, const char *architecture)
{
    return !os || !architecture ||
           (!strcmp(os, wanted->os) && !strcmp(architecture, wanted->architecture));
}

void cf_platform_text(const struct cf_platform *platform, char ret_text[CF_PLATFORM_TEXT_SIZE])
{
    snprintf(ret_text, CF_PLATFORM_TEXT_SIZE, "%s/%s%s%s", platform->os, platform->architecture,
             platform->variant[0] ? "/" : "", platform->variant);
}

/* How well a variant serves who wants another: higher is better, 0 is not at all. */
static int variant_rank(const struct cf_platform *wanted, const char *have)
{
    const char *want = wanted->variant;

    if (!strcmp(wanted->architecture, "arm64")) { /* v8 is what arm64 means */
        want = strcmp(want, "v8") ? want : "";
        have = strcmp(have, "v8") ? have : "";
    }
    if (!strcmp(want, have))
        return 1000;
    if (!*have)
        return 1;
    if (!*want) /* nothing asked for: any will do where there is no plain one, the lowest first */
        return have[0] == 'v' && atoi(have + 1) > 0 ? 500 - (atoi(have + 1) % 400) : 2;
    if (want[0] == 'v' && have[0] == 'v' && atoi(have + 1) > 0 && atoi(have + 1) < atoi(want + 1))
        return 2 + (atoi(have + 1) % 400);
    return 0;
}

const struct cf_json *cf_platform_choose(const struct cf_json *index,
                                         const struct cf_platform *platform)
{
    const struct cf_json *best = NULL;
    int best_rank = 0;

    for (const struct cf_json *item = cf_json_first(cf_json_get(index, "manifests")); item;
         item = cf_json_next(item)) {
        const struct cf_json *other = cf_json_get(item, "platform");
        const char *os = cf_json_get_string(other, "os");
        const char *architecture = cf_json_get_string(other, "architecture");
        const char *variant = cf_json_get_string(other, "variant");
        if (!os || !architecture || strcmp(os, platform->os) != 0 ||
            strcmp(architecture, platform->architecture) != 0)
            continue;
        int rank = variant_rank(platform, variant ? variant : "");
        if (rank > best_rank) {
            best_rank = rank;
            best = item;
        }
    }
    return best;
}
