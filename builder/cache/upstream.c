/* SPDX-License-Identifier: Apache-2.0 */
/* Registries as an origin. */
#include "origins.h"
#include "proxies.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (1u << 20)

/* Accounts of one file of the rootfs. */
struct accounts {
    struct cf_auth_list list;
    struct cf_registry **registries; /* one for each entry of the list; NULL: not used yet */
};
enum { OF_IMAGES, OF_MANIFESTS, OF_PROXIES, FILES };
struct upstream {
    const struct cf_registry_options *options;
    struct cf_registry *registry; /* with the accounts that are kept */
    struct accounts accounts[FILES];
};
static const struct {
    const char *path;
    int (*parse)(const void *data, size_t len, struct cf_auth_list *ret_list, struct cf_error *err);
} files[FILES] = {
    [OF_IMAGES] = {"imageListWithAuth.yaml", cf_auth_list_parse},
    [OF_MANIFESTS] = {"manifests/imageListWithAuth.yaml", cf_auth_list_parse},
    [OF_PROXIES] = {"etc/registry_config.yml", cf_proxies_parse},
};

static void accounts_done(struct accounts *accounts)
{
    for (size_t i = 0; accounts->registries && i < accounts->list.count; i++)
        cf_registry_close(accounts->registries[i]);
    free(accounts->registries);
    cf_auth_list_done(&accounts->list);
}

void cf_upstream_close(struct upstream *upstream)
{
    if (!upstream)
        return;
    for (size_t i = 0; i < FILES; i++)
        accounts_done(&upstream->accounts[i]);
    cf_registry_close(upstream->registry);
    free(upstream);
}

static int read_accounts(struct upstream *upstream, struct cf_rootfs *rootfs, size_t which,
                         struct cf_error *err)
{
    struct accounts *accounts = &upstream->accounts[which];
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    int r = cf_rootfs_read(rootfs, files[which].path, FILE_MAX, &text, err);

    if (r < 0)
        return r == -ENOENT ? 0 : r;
    r = files[which].parse(text.data ? text.data : "", text.len, &accounts->list, err);
    if (text.data)
        explicit_bzero(text.data, text.len);
    if (r < 0)
        return cf_fail_in(err, r, "%s", files[which].path);
    accounts->registries = calloc(accounts->list.count + 1, sizeof(struct cf_registry *));
    return accounts->registries ? 0 : cf_fail(err, -ENOMEM, "out of memory");
}

int cf_upstream_open(struct cf_rootfs *rootfs, const struct cf_registry_options *options,
                     struct upstream **ret_upstream, struct cf_error *err)
{
    struct upstream *upstream = calloc(1, sizeof(*upstream));
    int r = upstream ? 0 : cf_fail(err, -ENOMEM, "out of memory");

    for (size_t i = 0; i < FILES && r == 0; i++)
        r = read_accounts(upstream, rootfs, i, err);
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

/* The first entry that has an account for the reference: the lists name images, and come first. */
static struct cf_registry **find_account(struct upstream *upstream, const char *whole,
                                         struct cf_registry_options *options)
{
    for (size_t which = 0; which < FILES; which++) {
        struct accounts *accounts = &upstream->accounts[which];
        for (size_t i = 0; i < accounts->list.count; i++) {
            const struct cf_auth_entry *entry = &accounts->list.entries[i];
            bool http = false;
            bool is_for = which == OF_PROXIES ? cf_proxies_is_for(entry, whole, &http)
                                              : is_named(entry, whole);
            bool account = entry->username && *entry->username && entry->password;
            if (!is_for || (!account && !http))
                continue;
            options->no_tls_verify = options->no_tls_verify || http;
            options->user = account ? entry->username : options->user;
            options->password = account ? entry->password : options->password;
            return &accounts->registries[i];
        }
    }
    return &upstream->registry;
}

int cf_upstream_remote(struct upstream *upstream, const char *whole, struct cf_remote **ret_remote,
                       struct cf_error *err)
{
    struct cf_registry_options options = *upstream->options;
    struct cf_registry **registry = find_account(upstream, whole, &options);
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
