/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who we are: Basic from the account, Bearer from the realm that a challenge names. Source:
 * distribution, "Token Authentication Specification" and "OAuth2 Token Authentication".
 */
#include "session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cloudfs/base64.h>
#include <cloudfs/json.h>
#include <cloudfs/log.h>

enum { ANSWER_MAX = 1 << 20, LIFE_MIN = 60, LIFE_MARGIN = 10, LIFE_MAX = 86400 };

static int64_t now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static void add_escaped(struct cf_buf *buf, const char *text)
{
    for (; *text; text++)
        if ((*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
            (*text >= '0' && *text <= '9') || strchr("-._~", *text))
            (void)cf_buf_add_char(buf, *text);
        else
            (void)cf_buf_printf(buf, "%%%02X", (unsigned char)*text);
}

static void add_parameter(struct cf_buf *buf, char before, const char *name, const char *value)
{
    (void)cf_buf_printf(buf, "%c%s=", before, name);
    add_escaped(buf, value);
}

/* Each scope of a list with blanks between them. */
static void add_scopes(struct cf_buf *buf, char before, const char *scopes)
{
    char one[CF_TOKEN_SCOPE];
    while (*scopes) {
        const size_t len = strcspn(scopes, " ");
        if (len > 0 && len < sizeof one) {
            memcpy(one, scopes, len);
            one[len] = '\0';
            add_parameter(buf, before, "scope", one);
            before = '&';
        }
        scopes += len + strspn(scopes + len, " ");
    }
}

static int basic(const struct cf_account *account, struct cf_buf *ret_header)
{
    struct cf_buf plain cf_autobuf = CF_BUF_INIT;
    int r = cf_buf_printf(&plain, "%s:%s", account->user, account->password);
    if (r == 0)
        r = cf_buf_add_str(ret_header, "Authorization: Basic ");
    if (r == 0)
        r = cf_base64_encode(plain.data, plain.len, ret_header);
    if (plain.data)
        explicit_bzero(plain.data, plain.len);
    return r;
}

/* ---- asking the realm ---- */

struct asking {
    struct cf_registry *registry;
    struct cf_host *host;
    const struct cf_challenge *challenge;
    const char *scope;
    const struct cf_account *account;
};

static int take_token(const struct cf_buf *text, char **ret_token, int64_t *ret_life,
                      struct cf_error *err)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;
    int64_t life = LIFE_MIN;
    (void)cf_json_parse(text->data ? text->data : "", text->len, &json, NULL);
    const char *token = cf_json_get_string(json, "token");
    if (!token || !*token)
        token = cf_json_get_string(json, "access_token");
    (void)cf_json_int(cf_json_get(json, "expires_in"), &life);
    if (!token || !*token || strpbrk(token, "\r\n"))
        return cf_fail(err, -EPROTO, "the token server gave no token");
    *ret_life = life < LIFE_MIN ? LIFE_MIN : life > LIFE_MAX ? LIFE_MAX : life;
    *ret_token = strdup(token);
    return *ret_token ? 0 : cf_fail(err, -ENOMEM, "out of memory");
}

static int realm_answer(const struct asking *asking, const struct cf_http_request *request,
                        struct cf_buf *ret_text, int *ret_status, struct cf_error *err)
{
    for (unsigned tries = 0;; tries++) {
        struct cf_http_transfer *transfer cf_cleanup(cf_http_free_ptr) = NULL;
        int r = cf_session_send(asking->registry, asking->host, request, &transfer, err);
        if (r == 0)
            r = cf_http_wait(transfer, ret_status, err);
        cf_buf_clear(ret_text);
        if (r == 0)
            r = cf_session_read_all(asking->registry, transfer, ANSWER_MAX, ret_text, err);
        const bool passing = r == -EAGAIN || r == -ETIMEDOUT ||
                             (r == 0 && (*ret_status == 429 || *ret_status >= 500));
        if (!passing || tries + 1 >= CF_SESSION_TRIES)
            return r;
        cf_session_pause(tries, r == 0 ? cf_http_header(transfer, "Retry-After", 0) : NULL);
    }
}

/* POST with the identity token; docker's own form is GET with the account. */
static int ask(const struct asking *asking, bool post, struct cf_buf *ret_text, int *ret_status,
               struct cf_error *err)
{
    struct cf_buf url cf_autobuf = CF_BUF_INIT, form cf_autobuf = CF_BUF_INIT,
                      header cf_autobuf = CF_BUF_INIT;
    const struct cf_challenge *challenge = asking->challenge;
    const struct cf_account *account = asking->account;
    struct cf_buf *target = post ? &form : &url;
    int r = cf_buf_add_str(&url, challenge->realm);
    if (post && r == 0)
        r = cf_buf_add_str(&form, "grant_type=refresh_token&client_id=cloudfs");
    char before = post || strchr(challenge->realm, '?') ? '&' : '?';
    if (challenge->service[0]) {
        add_parameter(target, before, "service", challenge->service);
        before = '&';
    }
    if (asking->scope[0]) {
        add_scopes(target, before, asking->scope);
        before = '&';
    }
    if (post)
        add_parameter(&form, '&', "refresh_token", account->password);
    else if (account->user && !account->is_token)
        add_parameter(&url, before, "account", account->user);
    if (r == 0 && !post && account->user && !account->is_token)
        r = basic(account, &header);
    if (r < 0)
        return cf_fail(err, r, "out of memory");
    const char *headers[3] = {header.len ? header.data
                              : post     ? "Content-Type: application/x-www-form-urlencoded"
                                         : NULL};
    const struct cf_http_request request = {.method = post ? "POST" : "GET",
                                            .url = url.data,
                                            .headers = headers,
                                            .body = post ? form.data : NULL,
                                            .body_len = form.len};
    r = realm_answer(asking, &request, ret_text, ret_status, err);
    if (form.data)
        explicit_bzero(form.data, form.len);
    if (header.data)
        explicit_bzero(header.data, header.len);
    return r;
}

static int fetch_token(const struct asking *asking, char **ret_token, int64_t *ret_life,
                       struct cf_error *err)
{
    struct cf_url realm cf_cleanup(cf_url_done) = {0};
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    const struct cf_host *host = asking->host;
    int status = 0;
    int r = cf_url_resolve(NULL, asking->challenge->realm, &realm, err);
    if (r < 0)
        return cf_fail_in(err, r, "the token server");
    if (realm.is_plain && !host->base.is_plain && !host->insecure)
        return cf_fail(err, -EPROTO, "its token server has no TLS");
    r = ask(asking, asking->account->is_token, &text, &status, err);
    if (r == 0 && status == 404 && asking->account->is_token)
        r = ask(asking, false, &text, &status, err);
    if (r < 0)
        return cf_fail_in(err, r, "token server %s", realm.origin);
    if (status == 401 || status == 403)
        return cf_fail(err, -EACCES, "%s",
                       asking->account->user
                           ? "the token server refuses this account (wrong name or password?)"
                           : "access is only for accounts, and none is known here");
    if (status != 200)
        return cf_fail(err, status == 429 || status >= 500 ? -EAGAIN : -EPROTO,
                       "the token server answers %d", status);
    r = take_token(&text, ret_token, ret_life, err);
    explicit_bzero(text.data ? text.data : (char[1]){0}, text.data ? text.len : 1);
    return r;
}

/* ---- tokens that we have ---- */

static void wanted_scope(const struct cf_call *call, char ret_scope[CF_TOKEN_SCOPE])
{
    int n = 0;
    ret_scope[0] = '\0';
    if (call->repository && *call->repository)
        n = snprintf(ret_scope, CF_TOKEN_SCOPE, "repository:%s:%s", call->repository,
                     call->actions);
    if (call->from && n > 0 && n < CF_TOKEN_SCOPE)
        (void)snprintf(ret_scope + n, (size_t)(CF_TOKEN_SCOPE - n), " repository:%s:pull",
                       call->from);
}

static struct cf_token *find_token(struct cf_host *host, const char *scope)
{
    for (struct cf_token *token = host->tokens; token; token = token->next)
        if (!strcmp(token->scope, scope))
            return token;
    return NULL;
}

static int keep_token(struct cf_host *host, const char *scope, char *text, int64_t life,
                      struct cf_token **ret_token)
{
    struct cf_token *token = find_token(host, scope);
    if (!token) {
        token = calloc(1, sizeof *token);
        if (!token) {
            free(text);
            return -ENOMEM;
        }
        (void)snprintf(token->scope, sizeof token->scope, "%s", scope);
        token->next = host->tokens;
        host->tokens = token;
    }
    free(token->text);
    token->text = text;
    token->expires = now_seconds() + life - LIFE_MARGIN;
    *ret_token = token;
    return 0;
}

static int bearer(struct cf_registry *registry, struct cf_host *host, const struct cf_call *call,
                  const struct cf_challenge *challenge, bool refused,
                  const struct cf_account *account, struct cf_buf *ret_header, struct cf_error *err)
{
    char scope[CF_TOKEN_SCOPE];
    char *text = NULL;
    int64_t life = 0;
    wanted_scope(call, scope);
    struct cf_token *token = find_token(host, scope);
    if (!token || refused || token->expires <= now_seconds()) {
        const struct asking asking = {registry, host, challenge,
                                      refused && challenge->scope[0] ? challenge->scope : scope,
                                      account};
        int r = fetch_token(&asking, &text, &life, err);
        if (r == 0)
            r = keep_token(host, scope, text, life, &token) < 0
                    ? cf_fail(err, -ENOMEM, "out of memory")
                    : 0;
        if (r < 0)
            return r;
    }
    return cf_buf_printf(ret_header, "Authorization: Bearer %s", token->text) < 0
               ? cf_fail(err, -ENOMEM, "out of memory")
               : 0;
}

static int find_account(const struct cf_registry *registry, const struct cf_host *host,
                        const char *repository, struct cf_account *ret_account,
                        struct cf_error *err)
{
    const struct cf_registry_options *options = &registry->options;
    if (!options->user)
        return cf_account_find(options->authfile, host->name, repository ? repository : "",
                               ret_account, err);
    struct cf_account account = {strdup(options->user),
                                 strdup(options->password ? options->password : ""), false};
    if (!account.user || !account.password) {
        cf_account_done(&account);
        return cf_fail(err, -ENOMEM, "out of memory");
    }
    *ret_account = account;
    return 0;
}

int cf_session_authorize(struct cf_registry *registry, struct cf_host *host,
                         const struct cf_call *call, const struct cf_challenge *challenge,
                         struct cf_buf *ret_header, struct cf_error *err)
{
    struct cf_account account cf_cleanup(cf_account_done) = {0};
    const bool refused = challenge != NULL;
    challenge = challenge ? challenge : &host->welcome;
    if (!challenge->basic && !challenge->bearer)
        return 0;
    int r = find_account(registry, host, call->repository, &account, err);
    if (r < 0)
        return r;
    if (challenge->bearer && challenge->realm[0]) {
        pthread_mutex_lock(&host->mutex);
        r = bearer(registry, host, call, challenge, refused, &account, ret_header, err);
        pthread_mutex_unlock(&host->mutex);
        return r;
    }
    if (!account.user || account.is_token)
        return refused ? cf_fail(err, -EACCES,
                                 "access is only for accounts, and none is known here (cloudfs "
                                 "login %s)",
                                 host->name)
                       : 0;
    return basic(&account, ret_header) < 0 ? cf_fail(err, -ENOMEM, "out of memory") : 0;
}

int cf_session_try_account(struct cf_registry *registry, struct cf_host *host,
                           const struct cf_account *account, struct cf_error *err)
{
    struct cf_http_transfer *transfer cf_cleanup(cf_http_free_ptr) = NULL;
    struct cf_buf header cf_autobuf = CF_BUF_INIT, url cf_autobuf = CF_BUF_INIT;
    char *text cf_autofree = NULL;
    int64_t life = 0;
    int status = 0;
    const struct asking asking = {registry, host, &host->welcome, "", account};
    int r = 0;
    if (!host->welcome.basic && !host->welcome.bearer)
        return 0; /* everybody is welcome */
    if (host->welcome.bearer && host->welcome.realm[0]) {
        r = fetch_token(&asking, &text, &life, err);
        if (r == 0 && cf_buf_printf(&header, "Authorization: Bearer %s", text) < 0)
            r = cf_fail(err, -ENOMEM, "out of memory");
    } else if (basic(account, &header) < 0) {
        r = cf_fail(err, -ENOMEM, "out of memory");
    }
    if (r < 0)
        return r;
    const char *headers[] = {header.data, NULL};
    const struct cf_http_request request = {
        .method = "GET", .url = host->base.whole, .headers = headers};
    r = cf_session_send(registry, host, &request, &transfer, err);
    if (r == 0)
        r = cf_http_wait(transfer, &status, err);
    explicit_bzero(header.data, header.len);
    if (r == 0 && (status == 401 || status == 403))
        return cf_fail(err, -EACCES, "wrong name or password");
    if (r == 0 && status >= 400)
        return cf_fail(err, -EPROTO, "the registry answers %d", status);
    return r;
}
