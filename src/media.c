/* Tells what a file is from its first bytes, and whether the Loomta API takes it.
 * SPDX-License-Identifier: MIT */
#include "media.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

// clang-format off
enum type {
    JPEG, WEBP, MP4, WEBM, QUICKTIME, /* accepted */
    PNG, GIF, HEIC, AVIF, JPEG_XL, JPEG_2000, BMP, TIFF, ICO, PSD, SVG,
    MATROSKA, AVI, FLV, WINDOWS_MEDIA, MPEG_PS, MPEG_TS, THREE_GP, OGG,
    MP3, AAC, M4A, WAV, FLAC, MIDI,
    PDF, HTML, XML, ZIP, GZIP, SEVEN_ZIP, RAR, ELF, EXE,
    TYPE_COUNT
};
// clang-format on

static const struct loomta_media types[TYPE_COUNT] = {
    [JPEG] = {"JPEG image", "image/jpeg", "jpg", true},
    [WEBP] = {"WebP image", "image/webp", "webp", true},
    [MP4] = {"MP4 video", "video/mp4", "mp4", true},
    [QUICKTIME] = {"QuickTime video", "video/quicktime", "mov", true},
    [WEBM] = {"WebM video", "video/webm", "webm", true},
    [PNG] = {"PNG image", "image/png", "png", false},
    [GIF] = {"GIF image", "image/gif", "gif", false},
    [HEIC] = {"HEIC image", "image/heic", "heic", false},
    [AVIF] = {"AVIF image", "image/avif", "avif", false},
    [JPEG_XL] = {"JPEG XL image", "image/jxl", "jxl", false},
    [JPEG_2000] = {"JPEG 2000 image", "image/jp2", "jp2", false},
    [BMP] = {"BMP image", "image/bmp", "bmp", false},
    [TIFF] = {"TIFF image", "image/tiff", "tiff", false},
    [ICO] = {"Windows icon", "image/vnd.microsoft.icon", "ico", false},
    [PSD] = {"Photoshop image", "image/vnd.adobe.photoshop", "psd", false},
    [SVG] = {"SVG image", "image/svg+xml", "svg", false},
    [MATROSKA] = {"Matroska video", "video/x-matroska", "mkv", false},
    [AVI] = {"AVI video", "video/x-msvideo", "avi", false},
    [FLV] = {"Flash video", "video/x-flv", "flv", false},
    [WINDOWS_MEDIA] = {"Windows Media file", "video/x-ms-wmv", "wmv", false},
    [MPEG_PS] = {"MPEG program stream", "video/mpeg", "mpg", false},
    [MPEG_TS] = {"MPEG transport stream", "video/mp2t", "ts", false},
    [THREE_GP] = {"3GPP video", "video/3gpp", "3gp", false},
    [OGG] = {"Ogg file", "application/ogg", "ogg", false},
    [MP3] = {"MP3 audio", "audio/mpeg", "mp3", false},
    [AAC] = {"AAC audio", "audio/aac", "aac", false},
    [M4A] = {"MPEG-4 audio", "audio/mp4", "m4a", false},
    [WAV] = {"WAV audio", "audio/wav", "wav", false},
    [FLAC] = {"FLAC audio", "audio/flac", "flac", false},
    [MIDI] = {"MIDI file", "audio/midi", "mid", false},
    [PDF] = {"PDF document", "application/pdf", "pdf", false},
    [HTML] = {"HTML page", "text/html", "html", false},
    [XML] = {"XML document", "application/xml", "xml", false},
    [ZIP] = {"ZIP archive", "application/zip", "zip", false},
    [GZIP] = {"gzip archive", "application/gzip", "gz", false},
    [SEVEN_ZIP] = {"7-Zip archive", "application/x-7z-compressed", "7z", false},
    [RAR] = {"RAR archive", "application/vnd.rar", "rar", false},
    [ELF] = {"ELF program", "application/x-elf", "elf", false},
    [EXE] = {"Windows program", "application/vnd.microsoft.portable-executable", "exe", false},
};

// clang-format off
/* Types with a fixed signature. The ones that need a closer look have functions below. */
static const struct {
    size_t length;
    const char *bytes;
    enum type type;
} signatures[] = {
    {3, "\xFF\xD8\xFF", JPEG},
    {8, "\x89PNG\r\n\x1A\n", PNG},
    {6, "GIF87a", GIF},
    {6, "GIF89a", GIF},
    {2, "\xFF\x0A", JPEG_XL},
    {12, "\0\0\0\x0CJXL \r\n\x87\n", JPEG_XL},
    {12, "\0\0\0\x0CjP  \r\n\x87\n", JPEG_2000},
    {4, "II*\0", TIFF},
    {4, "MM\0*", TIFF},
    {4, "\0\0\1\0", ICO},
    {4, "8BPS", PSD},
    {4, "FLV\1", FLV},
    {8, "\x30\x26\xB2\x75\x8E\x66\xCF\x11", WINDOWS_MEDIA},
    {4, "\0\0\1\xBA", MPEG_PS},
    {4, "\0\0\1\xB3", MPEG_PS},
    {4, "OggS", OGG},
    {3, "ID3", MP3},
    {4, "fLaC", FLAC},
    {4, "MThd", MIDI},
    {5, "%PDF-", PDF},
    {4, "PK\3\4", ZIP},
    {2, "\x1F\x8B", GZIP},
    {6, "7z\xBC\xAF\x27\x1C", SEVEN_ZIP},
    {6, "Rar!\x1A\7", RAR},
    {4, "\x7F" "ELF", ELF},
};

/* Brands of ISO base media files (ftyp). Any other brand is looked up among the file's compatible brands. */
static const struct {
    const char *brand; /* four characters; '?' stands for any */
    enum type type;
} brands[] = {
    {"qt  ", QUICKTIME}, {"avif", AVIF}, {"avis", AVIF}, {"hei?", HEIC}, {"hev?", HEIC}, {"mif1", HEIC}, {"msf1", HEIC},
    {"M4A ", M4A},       {"M4B ", M4A},  {"M4P ", M4A},  {"3g??", THREE_GP}, {"jp2 ", JPEG_2000}, {"isom", MP4},
    {"iso?", MP4},       {"mp4?", MP4},  {"avc1", MP4},  {"M4V?", MP4},  {"dash", MP4},  {"msdh", MP4},
    {"cmf?", MP4},       {"f4v ", MP4},  {"MSNV", MP4},  {"XAVC", MP4},  {"NDS?", MP4},  {"hvc1", MP4}, {"av01", MP4},
};
// clang-format on

static bool starts(const unsigned char *head, size_t length, const char *bytes, size_t count)
{
    return length >= count && memcmp(head, bytes, count) == 0;
}

static uint32_t big_endian_32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static const struct loomta_media *by_brand(const unsigned char *brand)
{
    for (size_t i = 0; i < sizeof brands / sizeof *brands; i++) {
        const char *known = brands[i].brand;
        size_t same = 0;
        while (same < 4 && (known[same] == '?' || (unsigned char)known[same] == brand[same]))
            same++;
        if (same == 4)
            return &types[brands[i].type];
    }
    return NULL;
}

/* ISO/IEC 14496-12: size, "ftyp", major brand, version, compatible brands. */
static const struct loomta_media *by_file_type_box(const unsigned char *head, size_t length)
{
    size_t end = big_endian_32(head);
    const struct loomta_media *major = by_brand(head + 8);

    /* An AVIF may carry HEIF's general brand first and its own among the compatible ones. */
    if (major && major != &types[HEIC])
        return major;
    if (end > length)
        end = length;
    for (size_t at = 16; at + 4 <= end; at += 4) {
        const struct loomta_media *compatible = by_brand(head + at);
        if (compatible && !(major && compatible != &types[AVIF]))
            return compatible;
    }
    return major;
}

/* QuickTime before ftyp existed: the file starts with one of these boxes. */
static bool is_old_quicktime(const unsigned char *head)
{
    static const char boxes[][5] = {"moov", "mdat", "wide", "free", "skip", "pnot"};

    /* 0 means "to the end of the file", 1 that a 64-bit size follows; a box is never shorter than its head. */
    uint32_t size = big_endian_32(head);
    if (size > 1 && size < 8)
        return false;
    for (size_t i = 0; i < sizeof boxes / sizeof *boxes; i++)
        if (memcmp(head + 4, boxes[i], 4) == 0)
            return true;
    return false;
}

/* An EBML number (RFC 8794, section 4) of at most 8 bytes; false at the end of the bytes. With `keep_marker` it is
 * an element's id, else a size. */
static bool ebml_number(const unsigned char **at, const unsigned char *end, bool keep_marker, uint64_t *number)
{
    if (*at == end || **at == 0)
        return false;
    unsigned char first = *(*at)++;
    int more = 0;
    while (!(first << more & 0x80))
        more++;
    *number = keep_marker ? first : first & (0x7Fu >> more);
    if (end - *at < more)
        return false;
    while (more-- > 0)
        *number = *number << 8 | *(*at)++;
    return true;
}

/* Matroska and WebM share a container (RFC 9559); the DocType in its header tells them apart. */
static const struct loomta_media *by_ebml(const unsigned char *head, size_t length)
{
    enum { HEADER = 0x1A45DFA3, DOC_TYPE = 0x4282 };
    const unsigned char *at = head, *end = head + length;
    uint64_t id, size;

    if (!ebml_number(&at, end, true, &id) || id != HEADER || !ebml_number(&at, end, false, &size))
        return NULL;
    if (size < (uint64_t)(end - at))
        end = at + size;
    while (ebml_number(&at, end, true, &id) && ebml_number(&at, end, false, &size) && size <= (uint64_t)(end - at)) {
        if (id == DOC_TYPE)
            return size >= 4 && memcmp(at, "webm", 4) == 0 ? &types[WEBM] : &types[MATROSKA];
        at += size;
    }
    return &types[MATROSKA];
}

static const struct loomta_media *by_riff(const unsigned char *head)
{
    if (memcmp(head + 8, "WEBP", 4) == 0)
        return &types[WEBP];
    if (memcmp(head + 8, "AVI ", 4) == 0)
        return &types[AVI];
    if (memcmp(head + 8, "WAVE", 4) == 0)
        return &types[WAV];
    return NULL;
}

/* Types whose mark is only a few bits: asked last, and each with a second look. */
static const struct loomta_media *by_weak_signature(const unsigned char *head, size_t length)
{
    enum { PACKET = 188 };

    if (length > PACKET && head[0] == 0x47 && head[PACKET] == 0x47)
        return &types[MPEG_TS];
    if (length >= 7 && head[0] == 0xFF && (head[1] & 0xF6) == 0xF0)
        return &types[AAC];
    /* An MPEG audio frame: layer, bit rate and sampling rate must all be possible ones. */
    if (length >= 4 && head[0] == 0xFF && (head[1] & 0xE0) == 0xE0 && (head[1] & 0x06) != 0 &&
        (head[2] & 0xF0) != 0xF0 && (head[2] & 0x0C) != 0x0C)
        return &types[MP3];
    if (length >= 14 && starts(head, length, "BM", 2) && memcmp(head + 6, "\0\0\0\0", 4) == 0)
        return &types[BMP];
    if (length >= 64 && starts(head, length, "MZ", 2))
        return &types[EXE];
    return NULL;
}

static bool contains_word(const unsigned char *text, size_t length, const char *word)
{
    size_t size = strlen(word);

    for (; length >= size; text++, length--)
        if (strncasecmp((const char *)text, word, size) == 0)
            return true;
    return false;
}

static const struct loomta_media *by_markup(const unsigned char *head, size_t length)
{
    if (starts(head, length, "\xEF\xBB\xBF", 3))
        head += 3, length -= 3;
    while (length > 0 && strchr(" \t\r\n", *head) && *head)
        head++, length--;
    if (length == 0 || *head != '<')
        return NULL;

    bool xml = length >= 5 && strncasecmp((const char *)head, "<?xml", 5) == 0;
    if (contains_word(head, length < 1024 ? length : 1024, "<svg"))
        return &types[SVG];
    if (contains_word(head, length < 1024 ? length : 1024, "<html") ||
        contains_word(head, length < 64 ? length : 64, "<!doctype html"))
        return &types[HTML];
    return xml ? &types[XML] : NULL;
}

const struct loomta_media *loomta_media_recognise(const unsigned char *head, size_t length)
{
    if (length > LOOMTA_MEDIA_HEAD)
        length = LOOMTA_MEDIA_HEAD;

    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++)
        if (starts(head, length, signatures[i].bytes, signatures[i].length))
            return &types[signatures[i].type];

    if (length >= 12 && memcmp(head, "RIFF", 4) == 0)
        return by_riff(head);
    if (length >= 12 && memcmp(head + 4, "ftyp", 4) == 0)
        return by_file_type_box(head, length);
    if (length >= 8 && is_old_quicktime(head))
        return &types[QUICKTIME];
    if (starts(head, length, "\x1A\x45\xDF\xA3", 4))
        return by_ebml(head, length);

    const struct loomta_media *weak = by_weak_signature(head, length);
    return weak ? weak : by_markup(head, length);
}

const struct loomta_media *loomta_media_at(size_t index)
{
    return index < TYPE_COUNT ? &types[index] : NULL;
}
