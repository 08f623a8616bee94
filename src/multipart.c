/* Renders the framing of a multipart/form-data body (RFC 7578): everything but the file's bytes.
 * SPDX-License-Identifier: MIT */
#include "multipart.h"

#include "random.h"

#include <stdint.h>
#include <string.h>

bool loomta_multipart_boundary(char boundary[LOOMTA_BOUNDARY_SIZE])
{
    static const char prefix[] = "----loomta-";
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
    unsigned char random[24];

    if (!loomta_random_bytes(random, sizeof random))
        return false;
    memcpy(boundary, prefix, sizeof prefix - 1);
    char *out = boundary + sizeof prefix - 1;
    for (size_t i = 0; i < sizeof random; i++)
        *out++ = digits[random[i] & 31];
    *out = '\0';
    return true;
}

/* How many bytes the UTF-8 character at `bytes` has; 0 when there is no valid one (RFC 3629: no overlong forms,
 * no surrogates, nothing above U+10FFFF). */
static size_t utf8_length(const unsigned char *bytes, size_t available)
{
    unsigned char lead = bytes[0];
    unsigned char low = 0x80, high = 0xBF; /* what the second byte may be */
    size_t length;

    if (lead < 0x80)
        return 1;
    if (lead >= 0xC2 && lead <= 0xDF)
        length = 2;
    else if (lead >= 0xE0 && lead <= 0xEF)
        length = 3;
    else if (lead >= 0xF0 && lead <= 0xF4)
        length = 4;
    else
        return 0;
    if (length > available)
        return 0;

    if (lead == 0xE0)
        low = 0xA0;
    else if (lead == 0xED)
        high = 0x9F;
    else if (lead == 0xF0)
        low = 0x90;
    else if (lead == 0xF4)
        high = 0x8F;

    if (bytes[1] < low || bytes[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if (bytes[i] < 0x80 || bytes[i] > 0xBF)
            return 0;
    return length;
}

bool loomta_multipart_append_text(struct loomta_buffer *buffer, const char *text, size_t length, bool quoted)
{
    const unsigned char *bytes = (const unsigned char *)text;

    while (length > 0) {
        const void *out = bytes;
        size_t taken = utf8_length(bytes, length), given = taken;

        if (taken == 0) {
            taken = 1, out = "\xEF\xBF\xBD", given = 3;
        } else if (quoted && *bytes == '"') {
            out = "%22", given = 3;
        } else if (quoted && *bytes == '\r') {
            out = "%0D", given = 3;
        } else if (quoted && *bytes == '\n') {
            out = "%0A", given = 3;
        } else if (quoted && *bytes == '\\' && length == 1) {
            out = "%5C", given = 3;
        }
        if (loomta_buffer_append(buffer, out, given) != LOOMTA_BUFFER_OK)
            return false;
        bytes += taken;
        length -= taken;
    }
    return true;
}

static bool append_delimiter(struct loomta_buffer *out, const char *boundary, const char *name)
{
    return loomta_buffer_append_string(out, "--") && loomta_buffer_append_string(out, boundary) &&
           loomta_buffer_append_string(out, "\r\nContent-Disposition: form-data; name=\"") &&
           loomta_buffer_append_string(out, name) && loomta_buffer_append_string(out, "\"");
}

bool loomta_multipart_render(const char *boundary, const struct loomta_field *fields, size_t field_count,
                             const struct loomta_file_part *file, struct loomta_buffer *prologue,
                             struct loomta_buffer *epilogue)
{
    for (size_t i = 0; i < field_count; i++)
        if (!append_delimiter(prologue, boundary, fields[i].name) ||
            !loomta_buffer_append_string(prologue, "\r\n\r\n") ||
            !loomta_multipart_append_text(prologue, fields[i].value, fields[i].length, false) ||
            !loomta_buffer_append_string(prologue, "\r\n"))
            return false;

    return append_delimiter(prologue, boundary, file->name) && loomta_buffer_append_string(prologue, "; filename=\"") &&
           loomta_multipart_append_text(prologue, file->file_name, file->file_name_length, true) &&
           loomta_buffer_append_string(prologue, "\"\r\nContent-Type: ") &&
           loomta_buffer_append_string(prologue, file->content_type) &&
           loomta_buffer_append_string(prologue, "\r\n\r\n") && loomta_buffer_append_string(epilogue, "\r\n--") &&
           loomta_buffer_append_string(epilogue, boundary) && loomta_buffer_append_string(epilogue, "--\r\n");
}
