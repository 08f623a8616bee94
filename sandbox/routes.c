/* The table of everything the sandbox answers.
 * SPDX-License-Identifier: MIT */
#include "routes.h"

#include "control.h"
#include "library.h"
#include "login.h"
#include "media.h"
#include "platforms.h"
#include "publishing.h"
#include "settings.h"
#include "slides.h"
#include "text.h"

#include <string.h>

static const struct sandbox_route routes[] = {
    {"POST", "/public/v1/media", SANDBOX_KEY_NEEDED, SANDBOX_BODY_MULTIPART, sandbox_media_upload},
    {"GET", "/public/v1/media", SANDBOX_KEY_NEEDED, SANDBOX_BODY_IGNORED, sandbox_library_list_media},
    {"GET", "/public/v1/media/folders", SANDBOX_KEY_NEEDED, SANDBOX_BODY_IGNORED, sandbox_library_list_folders},
    {"POST", "/public/v1/media/folders", SANDBOX_KEY_NEEDED, SANDBOX_BODY_JSON, sandbox_library_create_folder},

    {"GET", "/public/v1/platforms", SANDBOX_KEY_NEEDED, SANDBOX_BODY_IGNORED, sandbox_platforms_list},
    {"GET", "/public/v1/platforms/{id}/schema", SANDBOX_KEY_NEEDED, SANDBOX_BODY_IGNORED, sandbox_platforms_get_schema},

    {"POST", "/public/v1/posts", SANDBOX_KEY_NEEDED, SANDBOX_BODY_JSON, sandbox_publishing_create},
    {"GET", "/public/v1/posts", SANDBOX_KEY_NEEDED, SANDBOX_BODY_IGNORED, sandbox_publishing_list},
    {"GET", "/public/v1/posts/{id}", SANDBOX_KEY_NEEDED, SANDBOX_BODY_IGNORED, sandbox_publishing_get},
    {"PATCH", "/public/v1/posts/{id}/schedule", SANDBOX_KEY_NEEDED, SANDBOX_BODY_JSON, sandbox_publishing_reschedule},

    {"POST", "/public/v1/slides/caption", SANDBOX_KEY_NEEDED, SANDBOX_BODY_JSON, sandbox_slides_caption},
    {"POST", "/public/v1/slides/composite", SANDBOX_KEY_NEEDED, SANDBOX_BODY_JSON, sandbox_slides_composite},

    {"POST", "/auth/device/start", SANDBOX_NO_KEY, SANDBOX_BODY_IGNORED, sandbox_login_start},
    {"POST", "/auth/device/token", SANDBOX_NO_KEY, SANDBOX_BODY_JSON, sandbox_login_poll},

    {"GET", "/sandbox/requests", SANDBOX_NO_KEY, SANDBOX_BODY_IGNORED, sandbox_control_requests},
    {"GET", "/sandbox/requests/{id}/body", SANDBOX_NO_KEY, SANDBOX_BODY_IGNORED, sandbox_control_body},
    {"GET", "/sandbox/media", SANDBOX_NO_KEY, SANDBOX_BODY_IGNORED, sandbox_control_media},
    {"GET", "/sandbox/posts", SANDBOX_NO_KEY, SANDBOX_BODY_IGNORED, sandbox_publishing_show},
    {"GET", "/sandbox/settings", SANDBOX_NO_KEY, SANDBOX_BODY_IGNORED, sandbox_settings_show},
    {"PATCH", "/sandbox/settings", SANDBOX_NO_KEY, SANDBOX_BODY_JSON, sandbox_settings_change},
    {"GET", "/sandbox/device", SANDBOX_NO_KEY, SANDBOX_BODY_IGNORED, sandbox_login_page},
    {"POST", "/sandbox/device/approve", SANDBOX_NO_KEY, SANDBOX_BODY_JSON, sandbox_login_approve},
    {"POST", "/sandbox/device/deny", SANDBOX_NO_KEY, SANDBOX_BODY_JSON, sandbox_login_deny},
    {"POST", "/sandbox/reset", SANDBOX_NO_KEY, SANDBOX_BODY_IGNORED, sandbox_control_reset},
    {"POST", "/sandbox/faults", SANDBOX_NO_KEY, SANDBOX_BODY_JSON, sandbox_control_add_fault},
    {"GET", "/sandbox/faults", SANDBOX_NO_KEY, SANDBOX_BODY_IGNORED, sandbox_control_list_faults},
    {"DELETE", "/sandbox/faults", SANDBOX_NO_KEY, SANDBOX_BODY_IGNORED, sandbox_control_clear_faults},
};

static bool matches(const char *pattern, const char *path, const char **parameter, size_t *length)
{
    *parameter = NULL;
    while (*pattern) {
        if (strncmp(pattern, "{id}", 4) == 0) {
            *parameter = path;
            *length = strcspn(path, "/");
            if (*length == 0)
                return false;
            path += *length;
            pattern += 4;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *path == '\0';
}

const struct sandbox_route *sandbox_routes_find(const char *method, const char *path, bool *known, char **parameter)
{
    *known = false;
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        const char *start;
        size_t length = 0;
        if (!matches(routes[i].path, path, &start, &length))
            continue;
        *known = true;
        if (strcmp(routes[i].method, method) != 0)
            continue;
        if (start)
            *parameter = sandbox_text_copy(start, length);
        return &routes[i];
    }
    return NULL;
}

bool sandbox_routes_is_control(const char *path)
{
    return strcmp(path, "/sandbox") == 0 || strncmp(path, "/sandbox/", 9) == 0;
}
