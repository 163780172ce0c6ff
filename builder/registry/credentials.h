/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accounts at registries: the auth.json of containers and docker's config.json, which have one
 * form, and docker's credential helpers. Source: containers-auth.json(5); docker login, "Credential
 * helpers". Secrets are in memory only while they are needed, and reach helpers by their stdin.
 */
#ifndef CF_REGISTRY_CREDENTIALS_H
#define CF_REGISTRY_CREDENTIALS_H

#include <stdbool.h>

#include <cloudfs/error.h>

struct cf_account {
    char *user;     /* NULL: none is known */
    char *password; /* or the identity token */
    bool is_token;  /* an identity token, to be exchanged for others */
};
void cf_account_done(struct cf_account *account); /* wipes the secret */

/*
 * The account for host/repository (repository may be ""): that of the longest key that is a prefix
 * of it, path component by path component. Files in podman's order: authfile alone if not NULL,
 * else REGISTRY_AUTH_FILE alone if set, else $XDG_RUNTIME_DIR/containers/auth.json,
 * ~/.config/containers/auth.json, ~/.docker/config.json. None known is success. A file that is
 * damaged is an error.
 */
int cf_account_find(const char *authfile, const char *host, const char *repository,
                    struct cf_account *ret_account, struct cf_error *err);

/* Keeps an account under key ("host" or "host/path"), or with user NULL removes it (-ENOENT: there
 * was none); in the first file of the order above, every other key of which stays. ret_path: the
 * file, heap. */
int cf_account_store(const char *authfile, const char *key, const char *user, const char *password,
                     char **ret_path, struct cf_error *err);
/* Removes the account of key, or with key NULL all of them, from every file of the order. */
int cf_account_remove(const char *authfile, const char *key, struct cf_error *err);

/* Runs docker-credential-NAME with that action, input on its stdin; its answer. */
struct cf_buf;
int cf_credential_helper(const char *name, const char *action, const char *input,
                         struct cf_buf *ret_output, struct cf_error *err);

#endif
