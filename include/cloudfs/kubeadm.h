/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What kubeadm, the kubelet and kube-proxy are told in etc/kubeadm.yml: the kinds of its documents
 * and their fields, by version; and what is effective of a CloudRootfs's files.
 *
 * Source: the Go types of the API groups kubeadm.k8s.io (v1beta1 to v1beta4), kubelet.config.k8s.io
 * (v1beta1) and kubeproxy.config.k8s.io (v1alpha1), in Kubernetes 1.13 to 1.34.
 */
#ifndef CLOUDFS_KUBEADM_H
#define CLOUDFS_KUBEADM_H

#include <stdbool.h>
#include <stddef.h>

#include <cloudfs/edit.h>
#include <cloudfs/error.h>
#include <cloudfs/image.h>
#include <cloudfs/override.h>
#include <cloudfs/scope.h>
#include <cloudfs/store.h>

enum cf_kubeadm_type {
    CF_KUBEADM_STRING,
    CF_KUBEADM_DURATION, /* a string: 5m0s */
    CF_KUBEADM_BOOL,
    CF_KUBEADM_INT,
    CF_KUBEADM_FLOAT,
    CF_KUBEADM_OBJECT,      /* has fields */
    CF_KUBEADM_OBJECTS,     /* a list of such */
    CF_KUBEADM_STRING_LIST, /* [a, b] */
    CF_KUBEADM_INT_LIST,
    CF_KUBEADM_STRING_MAP, /* any keys, and strings: {a: b} */
    CF_KUBEADM_BOOL_MAP,
    CF_KUBEADM_ANY, /* not looked at further */
};

/*
 * first and last count versions: of kubeadm's kinds those of the API (2 is v1beta2), of the
 * kubelet's and kube-proxy's those of Kubernetes (25 is 1.25), whose API versions stay the same; 0:
 * no bound that is known.
 */
struct cf_kubeadm_field {
    const char *name; /* NULL: behind the last */
    enum cf_kubeadm_type type;
    unsigned char first, last;
    const struct cf_kubeadm_field *fields; /* of objects */
};
struct cf_kubeadm_kind {
    const char *kind, *group; /* "kubeadm.k8s.io" */
    unsigned char first, last;
    const struct cf_kubeadm_field *fields;
};

/* NULL: it is none of theirs. */
const struct cf_kubeadm_kind *cf_kubeadm_kind_find(const char *kind);

/* What a document's fields are judged by. */
struct cf_kubeadm_version {
    const char *api_version; /* "kubeadm.k8s.io/v1beta2"; NULL: the newest of its kind */
    unsigned minor;          /* of Kubernetes 1.MINOR; 0: not known */
};

enum cf_kubeadm_known {
    CF_KUBEADM_KNOWN,
    CF_KUBEADM_UNKNOWN,
    CF_KUBEADM_REMOVED, /* older versions had it */
    CF_KUBEADM_LATER,   /* newer versions have it */
    CF_KUBEADM_WRONG_TYPE,
};
/*
 * path is as edit.h has it, without the kind: "apiServer.extraVolumes[name=audit].hostPath"; what
 * is below a map of any keys is known. ret_field (may be NULL) is the field, also where it is of
 * another version, and NULL where it is unknown or below such a map.
 */
enum cf_kubeadm_known cf_kubeadm_field_find(const char *kind,
                                            const struct cf_kubeadm_version *version,
                                            const char *path,
                                            const struct cf_kubeadm_field **ret_field);

/* One field that is not as it should be. */
struct cf_kubeadm_finding {
    enum cf_kubeadm_known what;           /* not KNOWN */
    const struct cf_edit_node *node;      /* the value; its key has the line */
    const struct cf_kubeadm_field *field; /* NULL: UNKNOWN */
    const char *text; /* "dns.type: v1beta3 has this field no more ...": cf_edit_path */
};
typedef int cf_kubeadm_finding_fn(const struct cf_kubeadm_finding *finding, void *context);
/*
 * Tells every field of a document (a map with kind and apiVersion) that is not known to its
 * version, or of another type. A document of another kind, or of an API group that is not this
 * kind's, has none. fn returns 0 to go on. minor: as above.
 */
int cf_kubeadm_check(const struct cf_edit *edit, const struct cf_edit_node *document,
                     unsigned minor, cf_kubeadm_finding_fn *fn, void *context);

/* 19 of "v1.19.8", "1.19" and "v1.19.8-alpha.1"; 0: it is no version of Kubernetes 1. */
unsigned cf_kubeadm_minor(const char *kubernetes_version);
/* The N of "kubeadm.k8s.io/v1betaN", 0: another. */
unsigned cf_kubeadm_api_number(const char *api_version);
/* The N that suits 1.minor best: 0 for what has no such API. */
unsigned cf_kubeadm_api_for(unsigned minor);
/* Whether the kubeadm of 1.minor reads v1betaN. */
bool cf_kubeadm_api_reads(unsigned minor, unsigned number);

/* ---- what is effective ---- */

#define CF_KUBEADM_FILE "etc/kubeadm.yml"

enum cf_kubeadm_origin {
    CF_KUBEADM_FROM_DIR,      /* the file as it is in a directory or mount */
    CF_KUBEADM_FROM_LAYER,    /* the file of a layer */
    CF_KUBEADM_FROM_METADATA, /* the version that the file Metadata tells */
    CF_KUBEADM_FROM_VERSION,  /* what that version of Kubernetes asks for: an apiVersion */
    CF_KUBEADM_FROM_DEFAULT,  /* built in */
};
struct cf_kubeadm_source {
    enum cf_kubeadm_origin origin;
    size_t layer; /* LAYER: index, bottom 0 */
    struct cf_digest diff_id;
    char *created_by;     /* LAYER: of its history, may be NULL */
    struct cf_edit *edit; /* its text; NULL for METADATA and VERSION */
};
struct cf_kubeadm {
    struct cf_edit *edit; /* the effective text */
    struct cf_kubeadm_source *sources;
    size_t count;
    char *metadata; /* the version in Metadata, NULL: none */
    char *version;  /* of Kubernetes */
    unsigned minor; /* 0: not known */
    unsigned api;   /* kubeadm's documents are of v1betaAPI */
    char **warnings;
    size_t warning_count;
};
/* An image (store and image), a directory (dir), or all of it: a mount at dir of that image. */
struct cf_kubeadm_from {
    struct cf_store *store;
    const struct cf_image *image;
    const char *dir;
};

/*
 * The file of the rootfs, completed field by field (cf_edit_complete) by those of the layers below,
 * and by the built-in documents for its version of Kubernetes. All of kubeadm's own documents get
 * one API version: the newest that a file states, where that Kubernetes reads it; from v1beta4 on
 * arguments are lists. What a file says that the version does not know is a warning. -EINVAL for a
 * file that does not parse.
 */
int cf_kubeadm_open(const struct cf_kubeadm_from *from, struct cf_kubeadm *ret_kubeadm,
                    struct cf_error *err);
void cf_kubeadm_done(struct cf_kubeadm *kubeadm);

struct cf_kubeadm_value {
    const char *path; /* "ClusterConfiguration.networking.podSubnet" */
    const struct cf_edit_node *node;
    const struct cf_kubeadm_source *source;
    size_t line; /* in the source's text; 0: it has none */
};
typedef int cf_kubeadm_value_fn(const struct cf_kubeadm_value *value, void *context);
/* Tells every field, in the order of the text, with the lowest source that has this value: where it
 * was set last. fn returns 0 to go on. */
int cf_kubeadm_each(const struct cf_kubeadm *kubeadm, cf_kubeadm_value_fn *fn, void *context);

/* The effective text as an override of the file, for cf_override_image and cf_override_dir. */
int cf_kubeadm_override(const struct cf_kubeadm *kubeadm, struct cf_overrides *ret_overrides,
                        struct cf_error *err);

#endif
