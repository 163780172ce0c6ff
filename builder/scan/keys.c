/* SPDX-License-Identifier: Apache-2.0 */
/* Which keys say something of images. */
#include "scan_private.h"

#include <string.h>

static const struct {
    const char *name;
    enum key key;
} keys[] = {
    {"image", KEY_IMAGE},
    {"containers", KEY_CONTAINERS},
    {"initContainers", KEY_CONTAINERS},
    {"ephemeralContainers", KEY_CONTAINERS},
    {"args", KEY_ARGS},
    {"command", KEY_ARGS},
    {"env", KEY_ENV},
    {"envVars", KEY_ENV},
    {"extraEnv", KEY_ENV},
    {"name", KEY_NAME},
    {"value", KEY_VALUE},
    {"default", KEY_VALUE},
    {"kind", KEY_KIND},
    {"apiVersion", KEY_API_VERSION},
    {"metadata", KEY_METADATA},
    {"annotations", KEY_ANNOTATIONS},
    {"labels", KEY_SKIP},
    {"matchLabels", KEY_SKIP},
    {"selector", KEY_SKIP},
    {"nodeSelector", KEY_SKIP},
    {"status", KEY_SKIP},
    {"openAPIV3Schema", KEY_SKIP},
    {"enum", KEY_SKIP},
    {"rbd", KEY_SKIP}, /* its image is a block device's */
    {"data", KEY_DATA},
    {"stringData", KEY_DATA},
    {"images", KEY_IMAGES},
    {"repository", KEY_REPOSITORY},
    {"tag", KEY_TAG},
    {"digest", KEY_DIGEST},
    {"registry", KEY_REGISTRY},
    {"newName", KEY_NEW_NAME},
    {"newTag", KEY_NEW_TAG},
    {"reference", KEY_REFERENCE},
    {"baseImage", KEY_BASE_IMAGE},
    {"version", KEY_VERSION},
    {"sha", KEY_SHA},
    {"imageRepository", KEY_IMAGE_REPOSITORY},
    {"imageTag", KEY_IMAGE_TAG},
    {"values", KEY_TEXT},
    {"valuesContent", KEY_TEXT},
    {"valuesInline", KEY_TEXT},
    {"manifest", KEY_TEXT},
    {"manifests", KEY_TEXT},
    {"<<", KEY_MERGE},
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
    for (size_t i = 0; i < CF_COUNT(keys); i++)
        if (keys[i].name[0] == text[0] && strlen(keys[i].name) == len &&
            !memcmp(keys[i].name, text, len))
            return keys[i].key;
    return KEY_OTHER;
}
