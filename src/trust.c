/* Whom a transfer may talk to, and whom it believes: TLS, protocols, redirects, proxies.
 * SPDX-License-Identifier: MIT */
#include "trust.h"

#include <string.h>
#include <unistd.h>

/* Debian's libcurl has a folder of CAs compiled in besides the bundle: with the folder, each new connection loads them all
 * anew, 25 ms of CPU; with the bundle alone libcurl 7.87 and later keep what they loaded. */
static CURLcode use_bundle_only(CURL *easy, const char *url)
{
#if LIBCURL_VERSION_NUM >= 0x075400
    char *bundle = NULL;

    if (strncmp(url, "https:", 6) == 0 && curl_easy_getinfo(easy, CURLINFO_CAINFO, &bundle) == CURLE_OK && bundle &&
        access(bundle, R_OK) == 0)
        return curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
#else
    (void)easy;
    (void)url;
#endif
    return CURLE_OK;
}

static CURLcode set_protocols(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    CURLcode result = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    /* Older at run time than at build time: the URL's scheme was checked, and no redirect is followed. */
    return result == CURLE_UNKNOWN_OPTION ? CURLE_OK : result;
#else
    return curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

/* What was given replaces the system's. */
static CURLcode set_authorities(CURL *easy, const struct loomta_request *request)
{
    if (!request->ca_file && !request->ca_path)
        return use_bundle_only(easy, request->url);
    CURLcode result = curl_easy_setopt(easy, CURLOPT_CAINFO, request->ca_file);
    return result == CURLE_OK ? curl_easy_setopt(easy, CURLOPT_CAPATH, request->ca_path) : result;
}

CURLcode loomta_trust_apply(CURL *easy, const struct loomta_request *request)
{
    CURLcode result;

#define SET(option, value)                                                                                             \
    if ((result = curl_easy_setopt(easy, CURLOPT_##option, value)) != CURLE_OK)                                        \
    return result
    SET(FOLLOWLOCATION, 0L);
    SET(NETRC, (long)CURL_NETRC_IGNORED);
    SET(SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(SSL_VERIFYPEER, request->verify ? 1L : 0L);
    SET(SSL_VERIFYHOST, request->verify ? 2L : 0L);
    if (request->client_cert)
        SET(SSLCERT, request->client_cert);
    if (request->client_key)
        SET(SSLKEY, request->client_key);
    SET(KEYPASSWD, ""); /* a key with a pass phrase is an error, not a prompt on the terminal */
    if (request->proxy || request->direct)
        SET(PROXY, request->proxy ? request->proxy : "");
#undef SET
    if ((result = set_protocols(easy)) != CURLE_OK)
        return result;
    return set_authorities(easy, request);
}
