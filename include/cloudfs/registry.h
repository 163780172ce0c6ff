/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client of image registries: accounts, names, and documents and blobs in both directions.
 * Sources: OCI distribution-spec 1.1; docker registry HTTP API V2 and token authentication;
 * containers-registries.conf(5), containers-certs.d(5), containers-auth.json(5).
 *
 * A struct cf_registry and a struct cf_remote may be used by many threads at once; a stream or an
 * upload by one at a time. Requests that fail in passing are repeated with growing pauses; every
 * wait is bounded. Failures: -ENOENT no such repository, tag or blob; -EACCES not allowed, or a
 * certificate that is not trusted; -EBADMSG content that does not match its digest; -ETIMEDOUT,
 * -EHOSTUNREACH, -EAGAIN the network; -EPROTO a server that does not keep to the protocol;
 * -ENOTSUP no libcurl here.
 */
#ifndef CLOUDFS_REGISTRY_H
#define CLOUDFS_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cloudfs/buf.h>
#include <cloudfs/digest.h>
#include <cloudfs/error.h>
#include <cloudfs/layer.h>
#include <cloudfs/scope.h>

/* ---- the client ---- */

struct cf_registry_options {
    bool no_tls_verify;   /* any certificate will do, and http where there is no https */
    const char *authfile; /* NULL: in podman's order */
    const char *cert_dir; /* certificates of the server; NULL: certs.d/HOST of containers, docker */
    /* An account for every registry, instead of those kept. NULL: none. */
    const char *user, *password;
};
struct cf_registry;
/* Reads registries.conf and cloudfs.conf; opens no connection yet. options is copied. */
int cf_registry_open(const struct cf_registry_options *options, struct cf_registry **ret_registry,
                     struct cf_error *err);
/* Its remotes must have been closed. */
void cf_registry_close(struct cf_registry *registry);
CF_DEFINE_CLEANUP(struct cf_registry *, cf_registry_close)
/* Bytes of answers' bodies that came so far, and requests sent. */
uint64_t cf_registry_fetched(const struct cf_registry *registry);
uint64_t cf_registry_requests(const struct cf_registry *registry);

/* ---- accounts ---- */

/* key: "host[:port]", or that and the beginning of a repository. Asks the registry whether the
 * account is good (-EACCES), then keeps it. ret_path: the file, heap. */
int cf_registry_login(struct cf_registry *registry, const char *key, const char *user,
                      const char *password, char **ret_path, struct cf_error *err);
/* key NULL: all of them. -ENOENT: there was none. */
int cf_registry_logout(struct cf_registry *registry, const char *key, struct cf_error *err);

/* ---- names ---- */

/*
 * What a name without a registry means. A first part with "." or ":", or "localhost", is a
 * registry. CF_NAMES_CLOUD (sealer's rule): the registry and namespace of cloudfs.conf, by default
 * registry.cn-qingdao.aliyuncs.com and sealer-io; the namespace only for names without "/".
 * CF_NAMES_CONTAINER (docker's rule): the first of unqualified-search-registries, else docker.io.
 * docker.io gets "library/" in front of a name without "/", with either.
 */
enum cf_names { CF_NAMES_CLOUD, CF_NAMES_CONTAINER };

/* A repository of a registry, as pulls (by its mirrors, in their order) or pushes see it. */
struct cf_remote;
#define CF_REMOTE_PUSH 1u
/* -EINVAL; -EPERM: registries.conf blocks it. */
int cf_remote_open(struct cf_registry *registry, const char *reference, enum cf_names names,
                   unsigned flags, struct cf_remote **ret_remote, struct cf_error *err);
void cf_remote_close(struct cf_remote *remote);
CF_DEFINE_CLEANUP(struct cf_remote *, cf_remote_close)
/* "registry/repository:tag" or "...@digest", whole; what messages call it. */
const char *cf_remote_name(const struct cf_remote *remote);
/* "registry/repository"; the registry alone: up to the first slash. */
const char *cf_remote_repository(const struct cf_remote *remote);
/* The tag, "latest" where neither tag nor digest was written; "" with a digest alone. */
const char *cf_remote_tag(const struct cf_remote *remote);

/* ---- fetching ---- */

struct cf_remote_document {
    struct cf_buf text;
    char media_type[128]; /* as the server says; else what the document itself says, or "" */
    struct cf_digest digest;
};
#define CF_REMOTE_DOCUMENT_INIT \
    {                           \
        .text = CF_BUF_INIT     \
    }
/* A manifest or index, at most CF_BLOB_MAX bytes: by digest, or (NULL) the one that the reference
 * names. Its digest is verified. */
int cf_remote_manifest(struct cf_remote *remote, const struct cf_digest *digest,
                       struct cf_remote_document *ret_document, struct cf_error *err);
/* A small blob (a config), whole and verified. */
int cf_remote_blob(struct cf_remote *remote, const struct cf_digest *digest, uint64_t size,
                   struct cf_buf *ret_text, struct cf_error *err);

/*
 * A blob, or a part of it, as a stream. What breaks off is taken up again where it was. NOT
 * verified: whoever reads all of it hashes it (cf_remote_copy does). After -ENOTSUP of a read with
 * an offset the server gives no parts.
 */
struct cf_stream;
/* size: of the whole blob, as its descriptor says; len: of the part. offset + len <= size. */
int cf_stream_open(struct cf_remote *remote, const struct cf_digest *digest, uint64_t size,
                   uint64_t offset, uint64_t len, struct cf_stream **ret_stream,
                   struct cf_error *err);
void cf_stream_close(struct cf_stream *stream);
CF_DEFINE_CLEANUP(struct cf_stream *, cf_stream_close)
ssize_t cf_stream_read(struct cf_stream *stream, void *data, size_t len, struct cf_error *err);
/* A whole blob to a sink, from offset on; verified at the end: -EBADMSG. hasher: has seen what lies
 * before offset; NULL with offset 0. */
int cf_remote_copy(struct cf_remote *remote, const struct cf_digest *digest, uint64_t size,
                   uint64_t offset, struct cf_hasher *hasher, cf_sink_fn *sink, void *sink_context,
                   struct cf_error *err);

/* Every tag, page by page; fn returns 0 to go on. */
typedef int cf_tag_fn(const char *tag, void *context);
int cf_remote_tags(struct cf_remote *remote, cf_tag_fn *fn, void *context, struct cf_error *err);

/* ---- sending ---- */

int cf_remote_has_blob(struct cf_remote *remote, const struct cf_digest *digest, bool *ret_has,
                       struct cf_error *err);
/* Whether a manifest of that digest is there under the tag of the reference. */
int cf_remote_has_tag(struct cf_remote *remote, const struct cf_digest *digest, bool *ret_has,
                      struct cf_error *err);
/* Makes a blob of another repository of the same registry ("registry/repository") one of this one
 * too. ret_mounted false: it cannot be, and must be sent. */
int cf_remote_mount(struct cf_remote *remote, const struct cf_digest *digest, const char *from,
                    bool *ret_mounted, struct cf_error *err);
/* A whole blob at hand. */
int cf_remote_put_blob(struct cf_remote *remote, const void *data, size_t len,
                       const struct cf_digest *digest, struct cf_error *err);
/* A blob as it comes, whose digest is told at the end. A failure before that leaves nothing. In
 * pieces: for servers that take no stream. */
struct cf_upload;
int cf_upload_open(struct cf_remote *remote, bool in_pieces, struct cf_upload **ret_upload,
                   struct cf_error *err);
cf_sink_fn cf_upload_write; /* context: the upload */
int cf_upload_finish(struct cf_upload *upload, const struct cf_digest *digest,
                     struct cf_error *err);
void cf_upload_free(struct cf_upload *upload); /* gives up what was not finished */
CF_DEFINE_CLEANUP(struct cf_upload *, cf_upload_free)
/* The last step; tag NULL: by digest alone. */
int cf_remote_put_manifest(struct cf_remote *remote, const char *tag, const char *media_type,
                           const void *data, size_t len, struct cf_error *err);

#endif
