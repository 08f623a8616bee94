/* POST /public/v1/slides/…: captions made up from the request, and an echo.
 * SPDX-License-Identifier: MIT */
#include "slides.h"

#include "body.h"
#include "exchange.h"

/* False after having answered that there are no credits left. */
static bool spend_credit(struct sandbox_exchange *exchange)
{
    struct sandbox *sandbox = exchange->sandbox;
    pthread_mutex_lock(&sandbox->lock);
    json_int_t left = sandbox->settings.credits;
    bool spent = sandbox_settings_spend(&left);
    if (sandbox_exchange_keeps(exchange))
        sandbox->settings.credits = left;
    pthread_mutex_unlock(&sandbox->lock);
    if (!spent)
        sandbox_answer_error(&exchange->answer, 402, "insufficient_credits", "There are no AI credits left.", NULL);
    return spent;
}

void sandbox_slides_caption(struct sandbox_exchange *exchange)
{
    static const char *const lengths[] = {"short", "medium", "long", NULL};
    static const char *const endings[] = {"", " One more sentence.", " One more sentence. And then another one."};
    struct sandbox_check check;
    json_int_t count = 0;
    json_t *request = sandbox_body_object(exchange);
    if (!request)
        return;
    sandbox_check_start(&check);
    const char *wish = sandbox_check_string(&check, request, "userRequest", true, 1, 500);
    json_t *slide_count = sandbox_check_member(&check, request, "slideCount", JSON_INTEGER, true);
    sandbox_check_enter(&check, "slideCount");
    if (slide_count && sandbox_check_integer(&check, slide_count, 3, 10))
        count = (json_int_t)json_number_value(slide_count);
    sandbox_check_leave(&check);
    const char *language = sandbox_check_string(&check, request, "language", false, 0, 0);
    int length = sandbox_check_choice(&check, request, "slideLength", false, lengths);
    if (!sandbox_body_passes(exchange, &check) || !spend_credit(exchange))
        return;

    json_t *slides = json_array();
    for (json_int_t i = 0; i < count; i++)
        json_array_append_new(slides, json_pack("{s:I, s:o}", "index", i, "caption",
                                                json_sprintf("%lld of %lld: %s%s", (long long)i + 1, (long long)count,
                                                             wish, endings[length < 0 ? 1 : length])));
    json_t *caption =
        json_sprintf("%s%s%s%s", wish, language ? " (" : "", language ? language : "", language ? ")" : "");
    sandbox_answer_json(&exchange->answer, 200, json_pack("{s:o, s:o}", "caption", caption, "slides", slides));
}

void sandbox_slides_composite(struct sandbox_exchange *exchange)
{
    json_t *request = sandbox_body_object(exchange);
    if (request && spend_credit(exchange))
        sandbox_answer_json(&exchange->answer, 200, json_pack("{s:O, s:[]}", "received", request, "slides"));
}
