/* SPDX-License-Identifier: Apache-2.0 */
/* Registries as an origin. */
#include "origins.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LIST "imageListWithAuth.yaml"
#define LIST_MAX (1u << 20)

struct upstream {
    const struct cf_registry_options *options;
    struct cf_registry *registry; /* with the accounts that are kept */
    struct cf_auth_list list;
    struct cf_registry **with_account; /* one for each entry of the list; NULL: not used yet */
};

void cf_upstream_close(struct upstream *upstream)
{
    if (!upstream)
        return;
    for (size_t i = 0; upstream->with_account && i < upstream->list.count; i++)
        cf_registry_close(upstream->with_account[i]);
    free(upstream->with_account);
    cf_registry_close(upstream->registry);
    cf_auth_list_done(&upstream->list);
    free(upstream);
}

static int read_list(struct upstream *upstream, struct cf_rootfs *rootfs, struct cf_error *err)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    int r = cf_rootfs_read(rootfs, LIST, LIST_MAX, &text, err);

    if (r < 0)
        return r == -ENOENT ? 0 : r;
    r = cf_auth_list_parse(text.data ? text.data : "", text.len, &upstream->list, err);
    if (text.data)
        explicit_bzero(text.data, text.len);
    if (r < 0)
        return cf_fail_in(err, r, LIST);
    upstream->with_account = calloc(upstream->list.count + 1, sizeof(*upstream->with_account));
    return upstream->with_account ? 0 : cf_fail(err, -ENOMEM, "out of memory");
}

int cf_upstream_open(struct cf_rootfs *rootfs, const struct cf_registry_options *options,
                     struct upstream **ret_upstream, struct cf_error *err)
{
    struct upstream *upstream = calloc(1, sizeof(*upstream));
    int r = upstream ? read_list(upstream, rootfs, err) : cf_fail(err, -ENOMEM, "out of memory");

    if (r < 0) {
        cf_upstream_close(upstream);
        return r;
    }
    upstream->options = options;
    *ret_upstream = upstream;
    return 0;
}

/* Whether an entry of the list names the reference. */
static bool is_named(const struct cf_auth_entry *entry, const char *whole)
{
    struct cf_reference reference;
    char text[CF_REFERENCE_WHOLE_SIZE];

    for (size_t i = 0; i < entry->image_count; i++) {
        if (cf_auth_list_reference(entry, entry->images[i].text, &reference, NULL) < 0)
            continue;
        (void)cf_reference_whole(&reference, text);
        if (!strcmp(text, whole))
            return true;
    }
    return false;
}

int cf_upstream_remote(struct upstream *upstream, const char *whole, struct cf_remote **ret_remote,
                       struct cf_error *err)
{
    struct cf_registry_options options = *upstream->options;
    struct cf_registry **registry = &upstream->registry;

    for (size_t i = 0; i < upstream->list.count; i++) {
        const struct cf_auth_entry *entry = &upstream->list.entries[i];
        if (!entry->username || !entry->password || !is_named(entry, whole))
            continue;
        registry = &upstream->with_account[i];
        options.user = entry->username;
        options.password = entry->password;
        break;
    }
    int r = *registry ? 0 : cf_registry_open(&options, registry, err);
    return r < 0 ? r : cf_remote_open(*registry, whole, CF_NAMES_CONTAINER, 0, ret_remote, err);
}

static int remote_document(void *context, const struct cf_digest *digest, struct cf_buf *ret_text,
                           struct cf_error *err)
{
    struct asked *asked = context;
    struct cf_remote_document document = CF_REMOTE_DOCUMENT_INIT;
    int r = cf_remote_manifest(asked->remote, digest, &document, err);

    if (r == 0)
        r = cf_buf_add(ret_text, document.text.data ? document.text.data : "", document.text.len);
    cf_buf_done(&document.text);
    return r;
}

static int remote_blob(void *context, const struct cf_digest *digest, uint64_t size,
                       cf_sink_fn *sink, void *sink_context, struct cf_error *err)
{
    struct asked *asked = context;
    return cf_remote_copy(asked->remote, digest, size, 0, NULL, sink, sink_context, err);
}

struct origin cf_origin_remote(struct asked *asked)
{
    return (struct origin){remote_document, remote_blob, asked, .many = true};
}
