/* SPDX-License-Identifier: Apache-2.0 */
/* Which keys say something of images. */
#include "scan_private.h"

#include <string.h>

/* Ascending by length, then by text. */
#define NAME(name) name, sizeof(name) - 1
static const struct {
    const char *name;
    size_t len;
    enum key key;
} keys[] = {
    {NAME("<<"), KEY_MERGE},
    {NAME("env"), KEY_ENV},
    {NAME("rbd"), KEY_SKIP}, /* its image is a block device's */
    {NAME("sha"), KEY_SHA},
    {NAME("tag"), KEY_TAG},
    {NAME("args"), KEY_ARGS},
    {NAME("data"), KEY_DATA},
    {NAME("enum"), KEY_SKIP},
    {NAME("kind"), KEY_KIND},
    {NAME("name"), KEY_NAME},
    {NAME("image"), KEY_IMAGE},
    {NAME("value"), KEY_VALUE},
    {NAME("digest"), KEY_DIGEST},
    {NAME("images"), KEY_IMAGES},
    {NAME("labels"), KEY_SKIP},
    {NAME("newTag"), KEY_NEW_TAG},
    {NAME("status"), KEY_SKIP},
    {NAME("values"), KEY_TEXT},
    {NAME("command"), KEY_ARGS},
    {NAME("default"), KEY_VALUE},
    {NAME("envVars"), KEY_ENV},
    {NAME("newName"), KEY_NEW_NAME},
    {NAME("version"), KEY_VERSION},
    {NAME("extraEnv"), KEY_ENV},
    {NAME("imageTag"), KEY_IMAGE_TAG},
    {NAME("manifest"), KEY_TEXT},
    {NAME("metadata"), KEY_METADATA},
    {NAME("registry"), KEY_REGISTRY},
    {NAME("selector"), KEY_SKIP},
    {NAME("baseImage"), KEY_BASE_IMAGE},
    {NAME("manifests"), KEY_TEXT},
    {NAME("reference"), KEY_REFERENCE},
    {NAME("apiVersion"), KEY_API_VERSION},
    {NAME("containers"), KEY_CONTAINERS},
    {NAME("repository"), KEY_REPOSITORY},
    {NAME("stringData"), KEY_DATA},
    {NAME("annotations"), KEY_ANNOTATIONS},
    {NAME("matchLabels"), KEY_SKIP},
    {NAME("nodeSelector"), KEY_SKIP},
    {NAME("valuesInline"), KEY_TEXT},
    {NAME("valuesContent"), KEY_TEXT},
    {NAME("initContainers"), KEY_CONTAINERS},
    {NAME("imageRepository"), KEY_IMAGE_REPOSITORY},
    {NAME("openAPIV3Schema"), KEY_SKIP},
    {NAME("ephemeralContainers"), KEY_CONTAINERS},
};

static bool is_image_at(const char *text)
{
    return (text[0] | 0x20) == 'i' && (text[1] | 0x20) == 'm' && (text[2] | 0x20) == 'a' &&
           (text[3] | 0x20) == 'g' && (text[4] | 0x20) == 'e';
}

enum key cf_scan_key(const char *text, size_t len, bool *ret_imageish, bool *ret_suffix)
{
    *ret_imageish = false;
    *ret_suffix = len >= 5 && is_image_at(text + len - 5);
    for (size_t i = 0; i + 5 <= len && !*ret_imageish; i++)
        *ret_imageish = is_image_at(text + i);
    size_t low = 0, high = CF_COUNT(keys);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = keys[middle].len == len  ? memcmp(keys[middle].name, text, len)
                    : keys[middle].len < len ? -1
                                             : 1;
        if (order == 0)
            return keys[middle].key;
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return KEY_OTHER;
}
