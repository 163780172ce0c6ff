/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of builder/kubeadm/ share. Not public. */
#ifndef CF_KUBEADM_EFFECTIVE_H
#define CF_KUBEADM_EFFECTIVE_H

#include <cloudfs/kubeadm.h>

/* The built-in documents for a version of Kubernetes, in v1betaAPI. */
int cf_kubeadm_default(const char *version, unsigned minor, unsigned api, struct cf_buf *ret_text);

/* All sources of a rootfs but the built-in one, the topmost first, and the version in Metadata
 * (heap, NULL: it says none). Warnings go to kubeadm. */
int cf_kubeadm_read_sources(struct cf_kubeadm *kubeadm, const struct cf_kubeadm_from *from,
                            struct cf_error *err);
int cf_kubeadm_add_source(struct cf_kubeadm *kubeadm, const struct cf_kubeadm_source *source,
                          struct cf_error *err);
int cf_kubeadm_warn(struct cf_kubeadm *kubeadm, struct cf_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Of its key, where it has one. */
size_t cf_kubeadm_line(const struct cf_edit_node *node);
/* Adds a warning for each field of the effective text that is not as it should be, with its place
 * in the source. */
int cf_kubeadm_judge(struct cf_kubeadm *kubeadm, struct cf_error *err);

#endif
