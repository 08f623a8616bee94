/* Judges JSON member by member and gathers what is wrong, each finding with the path to it.
 * SPDX-License-Identifier: MIT */
#include "check.h"

#include "ids.h"
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void sandbox_check_start(struct sandbox_check *check)
{
    check->path = json_array();
    check->details = json_array();
}

json_t *sandbox_check_finish(struct sandbox_check *check)
{
    json_t *details = check->details;
    json_decref(check->path);
    *check = (struct sandbox_check){0};
    if (json_array_size(details) > 0)
        return details;
    json_decref(details);
    return NULL;
}

void sandbox_check_enter(struct sandbox_check *check, const char *name)
{
    json_array_append_new(check->path, json_string(name));
}

void sandbox_check_enter_index(struct sandbox_check *check, size_t index)
{
    json_array_append_new(check->path, json_integer((json_int_t)index));
}

void sandbox_check_leave(struct sandbox_check *check)
{
    json_array_remove(check->path, json_array_size(check->path) - 1);
}

void sandbox_check_fail(struct sandbox_check *check, const char *format, ...)
{
    char message[400];
    va_list values;
    va_start(values, format);
    vsnprintf(message, sizeof message, format, values);
    va_end(values);
    json_array_append_new(check->details,
                          json_pack("{s:o, s:s}", "path", json_deep_copy(check->path), "message", message));
}

static const char *type_name(json_type type)
{
    switch (type) {
    case JSON_OBJECT:
        return "object";
    case JSON_ARRAY:
        return "array";
    case JSON_STRING:
        return "string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "boolean";
    case JSON_NULL:
        break;
    }
    return "null";
}

bool sandbox_check_type(struct sandbox_check *check, json_t *value, json_type type)
{
    const char *wanted = type_name(type);
    const char *given = type_name(json_typeof(value));
    if (strcmp(wanted, given) == 0)
        return true;
    sandbox_check_fail(check, "Expected %s, received %s", wanted, given);
    return false;
}

json_t *sandbox_check_member(struct sandbox_check *check, json_t *object, const char *name, json_type type,
                             bool required)
{
    json_t *value = json_object_get(object, name);
    bool right = false;
    sandbox_check_enter(check, name);
    if (value)
        right = sandbox_check_type(check, value, type);
    else if (required)
        sandbox_check_fail(check, "Required");
    sandbox_check_leave(check);
    return right ? value : NULL;
}

const char *sandbox_check_string(struct sandbox_check *check, json_t *object, const char *name, bool required,
                                 size_t minimum, size_t maximum)
{
    const char *string = json_string_value(sandbox_check_member(check, object, name, JSON_STRING, required));
    size_t length = string ? sandbox_text_characters(string) : 0;
    bool right = string && length >= minimum && (maximum == 0 || length <= maximum);
    sandbox_check_enter(check, name);
    if (string && length < minimum)
        sandbox_check_fail(check, "String must contain at least %zu character(s)", minimum);
    else if (string && !right)
        sandbox_check_fail(check, "String must contain at most %zu character(s)", maximum);
    sandbox_check_leave(check);
    return right ? string : NULL;
}

json_t *sandbox_check_strings(struct sandbox_check *check, json_t *object, const char *name, bool required, bool uuids)
{
    json_t *list = sandbox_check_member(check, object, name, JSON_ARRAY, required);
    size_t before = json_array_size(check->details);
    size_t index;
    json_t *value;
    sandbox_check_enter(check, name);
    json_array_foreach (list, index, value) {
        sandbox_check_enter_index(check, index);
        if (sandbox_check_type(check, value, JSON_STRING) && uuids && !sandbox_ids_is_uuid(json_string_value(value)))
            sandbox_check_fail(check, "Invalid uuid");
        sandbox_check_leave(check);
    }
    sandbox_check_leave(check);
    return json_array_size(check->details) == before ? list : NULL;
}

bool sandbox_check_one_of(struct sandbox_check *check, json_t *value, const char *const *choices, int *place)
{
    struct sandbox_text names = {0};
    for (int i = 0; choices[i]; i++) {
        if (json_is_string(value) && strcmp(json_string_value(value), choices[i]) == 0) {
            *place = i;
            sandbox_text_free(&names);
            return true;
        }
        sandbox_text_append(&names, i > 0 ? " | '" : "'");
        sandbox_text_append(&names, choices[i]);
        sandbox_text_append(&names, "'");
    }
    sandbox_check_fail(check, "Expected %s", names.data);
    sandbox_text_free(&names);
    return false;
}

int sandbox_check_choice(struct sandbox_check *check, json_t *object, const char *name, bool required,
                         const char *const *choices)
{
    json_t *value = sandbox_check_member(check, object, name, JSON_STRING, required);
    int place = -1;
    sandbox_check_enter(check, name);
    if (value)
        sandbox_check_one_of(check, value, choices, &place);
    sandbox_check_leave(check);
    return place;
}

bool sandbox_check_integer(struct sandbox_check *check, json_t *value, json_int_t low, json_int_t high)
{
    if (!sandbox_check_type(check, value, JSON_INTEGER))
        return false;
    /* 3.0 is an integer, too. */
    double number = json_number_value(value);
    if (number < (double)low)
        sandbox_check_fail(check, "Number must be greater than or equal to %lld", (long long)low);
    else if (number > (double)high)
        sandbox_check_fail(check, "Number must be less than or equal to %lld", (long long)high);
    else if (number != (double)(json_int_t)number)
        sandbox_check_fail(check, "Expected integer, received float");
    else
        return true;
    return false;
}
