/* What an exchange's end means: a code, a kind, whether the server may have stored the upload, whether to try again.
 * SPDX-License-Identifier: MIT */
#include "failure.h"

#include <stddef.h>

static struct loomta_failure failure(const char *code, const char *kind, const char *message)
{
    return (struct loomta_failure){.code = code, .kind = kind, .message = message, .retry_after_ms = -1};
}

/* Something broke before an answer came. What it means hangs on how much of the body had gone out. */
static struct loomta_failure without_answer(const struct loomta_end *end, const char *code, const char *kind,
                                            const char *message)
{
    if (end->safe || !end->body_complete) {
        struct loomta_failure broken = failure(code, kind, message);
        broken.retryable = true;
        return broken;
    }
    struct loomta_failure unknown =
        failure("outcome_unknown", kind, "the whole request was sent, but no answer came: it may have been stored");
    unknown.reason = message;
    unknown.possibly_stored = unknown.unknown = true;
    return unknown;
}

static struct loomta_failure source_failure(enum loomta_source_error error)
{
    switch (error) {
    case LOOMTA_SOURCE_CHANGED:
        return failure("file_changed", "input", "the file changed while it was being sent");
    case LOOMTA_SOURCE_TOO_SHORT:
        return failure("file_read_failed", "input", "the reader ended before it had given 'size' bytes");
    case LOOMTA_SOURCE_TOO_LONG:
        return failure("file_read_failed", "input", "the reader gave more than 'size' bytes");
    default:
        return failure("file_read_failed", "input", "the file could not be read");
    }
}

/* We ended the exchange. The server may still finish what it has: after the whole body the outcome is open. */
static struct loomta_failure aborted(const struct loomta_end *end)
{
    bool maybe = end->body_complete && !end->safe;
    struct loomta_failure result;

    switch (end->abort) {
    case LOOMTA_ABORT_SOURCE:
        return source_failure(end->source_error);
    case LOOMTA_ABORT_IDLE:
        return without_answer(end, "timeout", "timeout", "no byte moved for 'idleTimeoutMs'");
    case LOOMTA_ABORT_DEADLINE:
        result = without_answer(end, "timeout", "timeout", "the call took longer than 'timeoutMs'");
        result.retryable = result.unknown = false;
        return result;
    case LOOMTA_ABORT_CANCELED:
        result = failure("canceled", "canceled",
                         maybe ? "the call was canceled after the whole request was sent: it may have been stored"
                               : "the call was canceled");
        break;
    case LOOMTA_ABORT_RESPONSE_TOO_LARGE:
        result = failure("response_too_large", "protocol", "the server's answer is larger than allowed");
        break;
    default:
        result = failure("out_of_memory", "input", "out of memory");
        break;
    }
    result.possibly_stored = maybe;
    return result;
}

static struct loomta_failure by_status(const struct loomta_end *end)
{
    struct loomta_failure answer = failure("http", "api", NULL);
    bool maybe = end->body_complete && !end->safe;

    answer.retry_after_ms = end->retry_after_ms;
    switch (end->status) {
    case 401:
    case 403:
        answer.kind = "auth";
        break;
    case 408: /* the server gave up waiting for the request */
        answer.kind = "timeout";
        answer.retryable = !maybe;
        answer.possibly_stored = maybe;
        break;
    case 417:
        answer.without_expect = answer.retryable = end->expect_sent;
        break;
    case 429:
        answer.kind = "rate_limit";
        answer.retryable = true;
        break;
    case 503:
        answer.kind = "server";
        answer.retryable = end->safe || !end->body_complete || end->retry_after_ms >= 0;
        answer.possibly_stored = maybe && !answer.retryable;
        break;
    default:
        if (end->status >= 500) {
            answer.kind = "server";
            answer.retryable = end->safe || !end->body_complete;
            answer.possibly_stored = maybe;
        } else if (end->status < 400) {
            answer.kind = "protocol";
        }
    }
    answer.unknown = answer.possibly_stored;
    return answer;
}

static struct loomta_failure by_result(const struct loomta_end *end)
{
    struct loomta_failure result;

    switch (end->result) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return without_answer(end, "dns_failed", "network", "the host's name could not be resolved");
    case CURLE_COULDNT_CONNECT:
        return without_answer(end, "connect_failed", "network", "no connection to the server");
#if LIBCURL_VERSION_NUM >= 0x074900
    case CURLE_PROXY:
        return without_answer(end, "connect_failed", "network", "no connection through the proxy");
#endif
    case CURLE_PEER_FAILED_VERIFICATION: /* CURLE_SSL_CACERT has the same number */
        return failure("tls_failed", "network", "the server's certificate is not trusted");
    case CURLE_SSL_CONNECT_ERROR:
        return without_answer(end, "tls_failed", "network", "the TLS handshake failed");
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_BAD_FUNCTION_ARGUMENT: /* libcurl 8.22 of a key with a pass phrase */
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_ENGINE_SETFAILED:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
        return failure("tls_failed", "input", "a certificate or key given to us could not be used");
    case CURLE_OPERATION_TIMEDOUT:
        if (!end->connected)
            return without_answer(end, "timeout", "timeout", "no connection within 'connectTimeoutMs'");
        return without_answer(end, "timeout", "timeout", "the connection timed out");
    case CURLE_URL_MALFORMAT:
    case CURLE_NOT_BUILT_IN:
        return failure("invalid_option", "input", "libcurl does not take this URL or option");
    case CURLE_OUT_OF_MEMORY:
        result = failure("out_of_memory", "input", "out of memory");
        result.possibly_stored = end->body_complete && !end->safe;
        return result;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL: /* an answer without a status line */
        result = without_answer(end, "invalid_response", "protocol", "the server does not speak HTTP as it should");
        result.retryable = false;
        return result;
    default:
        if (end->proxy_status >= 400 && end->proxy_status < 500)
            return failure("connect_failed", "network", "the proxy refuses to connect us");
        if (!end->connected)
            return without_answer(end, "connect_failed", "network", "no connection to the server");
        return without_answer(end, "network_error", "network", "the connection broke");
    }
}

struct loomta_failure loomta_failure_classify(const struct loomta_end *end)
{
    bool success = end->status >= 200 && end->status < 300;

    if (end->abort == LOOMTA_ABORT_SOURCE && success) {
        struct loomta_failure source = source_failure(end->source_error);
        source.possibly_stored = !end->safe;
        return source;
    }
    /* An answer that came is the truth, also where the connection broke right behind it or we stopped reading it. */
    if (end->abort == LOOMTA_ABORT_SOURCE || end->status == 0)
        return end->abort != LOOMTA_ABORT_NONE ? aborted(end) : by_result(end);
    if (!success)
        return by_status(end);

    bool broke_off = end->result != CURLE_OK || end->abort != LOOMTA_ABORT_NONE;
    struct loomta_failure stored;
    if (end->abort == LOOMTA_ABORT_CANCELED || end->abort == LOOMTA_ABORT_RESPONSE_TOO_LARGE ||
        end->abort == LOOMTA_ABORT_NO_MEMORY)
        stored = aborted(end);
    else if (broke_off)
        stored = failure("invalid_response", "protocol",
                         "the server's answer broke off: what was sent is stored, but its id is not known");
    else if (!end->body_complete && !end->safe)
        stored = failure("invalid_response", "protocol", "the server said yes before it had the whole request");
    else
        return failure(NULL, NULL, NULL);
    stored.possibly_stored = !end->safe;
    return stored;
}
