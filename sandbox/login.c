/* The endpoints of the device login, and the part of the person who approves it.
 * SPDX-License-Identifier: MIT */
#include "login.h"

#include "body.h"
#include "exchange.h"

#include <stdio.h>

void sandbox_login_start(struct sandbox_exchange *exchange)
{
    struct sandbox *sandbox = exchange->sandbox;
    pthread_mutex_lock(&sandbox->lock);
    struct sandbox_device_code code = sandbox_device_compose(&sandbox->settings);
    json_int_t expires_in = sandbox->settings.device_expires_in;
    if (sandbox_exchange_keeps(exchange))
        sandbox_device_add(&sandbox->device, &code);
    pthread_mutex_unlock(&sandbox->lock);

    json_t *page = json_sprintf("%s/sandbox/device", sandbox->url);
    json_t *own_page = json_sprintf("%s/sandbox/device?user_code=%s", sandbox->url, code.user_code);
    sandbox_answer_json(&exchange->answer, 200,
                        json_pack("{s:s, s:s, s:o, s:o, s:I, s:I}", "device_code", code.code, "user_code",
                                  code.user_code, "verification_uri", page, "verification_uri_complete", own_page,
                                  "interval", code.interval, "expires_in", expires_in));
}

static void refuse(struct sandbox_exchange *exchange, const char *error)
{
    sandbox_answer_json(&exchange->answer, 400, json_pack("{s:s}", "error", error));
}

void sandbox_login_poll(struct sandbox_exchange *exchange)
{
    static const char *const errors[] = {[SANDBOX_POLL_PENDING] = "authorization_pending",
                                         [SANDBOX_POLL_SLOW_DOWN] = "slow_down",
                                         [SANDBOX_POLL_EXPIRED] = "expired_token",
                                         [SANDBOX_POLL_DENIED] = "access_denied"};
    struct sandbox *sandbox = exchange->sandbox;
    const char *code = json_string_value(json_object_get(sandbox_body_parse(exchange, 0), "device_code"));
    if (!code) {
        refuse(exchange, "invalid_request");
        return;
    }
    pthread_mutex_lock(&sandbox->lock);
    enum sandbox_device_poll answer =
        sandbox_device_ask(&sandbox->device, &sandbox->settings, code, sandbox_exchange_keeps(exchange));
    pthread_mutex_unlock(&sandbox->lock);
    if (answer == SANDBOX_POLL_APPROVED)
        sandbox_answer_json(&exchange->answer, 200,
                            json_pack("{s:s, s:s}", "status", "approved", "api_key", sandbox->options.keys[0]));
    else
        refuse(exchange, errors[answer]);
}

static void answer_unknown(struct sandbox_exchange *exchange)
{
    sandbox_answer_error(&exchange->answer, 404, "not_found", "No sign-in waits with that code.", NULL);
}

void sandbox_login_page(struct sandbox_exchange *exchange)
{
    struct sandbox *sandbox = exchange->sandbox;
    const char *asked = MHD_lookup_connection_value(exchange->connection, MHD_GET_ARGUMENT_KIND, "user_code");
    const char *shown = "LMT-XXXX-XXXX";
    char user_code[SANDBOX_DEVICE_USER_CODE_SIZE];
    char page[1200];
    if (asked) {
        pthread_mutex_lock(&sandbox->lock);
        const struct sandbox_device_code *code = sandbox_device_by_user_code(&sandbox->device, asked);
        if (code)
            snprintf(user_code, sizeof user_code, "%s", code->user_code);
        pthread_mutex_unlock(&sandbox->lock);
        if (!code) {
            answer_unknown(exchange);
            return;
        }
        shown = user_code;
    }
    snprintf(page, sizeof page,
             "A program asks to sign in with the code %s. To approve that, or to deny it:\n\n"
             "  curl -d '{\"user_code\":\"%s\"}' %s/sandbox/device/approve\n"
             "  curl -d '{\"user_code\":\"%s\"}' %s/sandbox/device/deny\n",
             shown, shown, sandbox->url, shown, sandbox->url);
    sandbox_answer_text(&exchange->answer, 200, "text/plain; charset=utf-8", page);
}

static void decide(struct sandbox_exchange *exchange, enum sandbox_device_state state)
{
    struct sandbox *sandbox = exchange->sandbox;
    struct sandbox_check check;
    json_t *body = sandbox_body_object(exchange);
    if (!body)
        return;
    sandbox_check_start(&check);
    const char *user_code = sandbox_check_string(&check, body, "user_code", true, 1, 0);
    if (!sandbox_body_passes(exchange, &check))
        return;
    pthread_mutex_lock(&sandbox->lock);
    struct sandbox_device_code *code = sandbox_device_by_user_code(&sandbox->device, user_code);
    if (code)
        code->state = state;
    pthread_mutex_unlock(&sandbox->lock);
    if (code)
        sandbox_answer_text(&exchange->answer, 204, NULL, "");
    else
        answer_unknown(exchange);
}

void sandbox_login_approve(struct sandbox_exchange *exchange)
{
    decide(exchange, SANDBOX_DEVICE_APPROVED);
}

void sandbox_login_deny(struct sandbox_exchange *exchange)
{
    decide(exchange, SANDBOX_DEVICE_DENIED);
}
