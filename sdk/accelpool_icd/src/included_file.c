#include "included_file.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "directives.h"

enum { MOST_BYTES = 4 * MOST_CHARACTERS }; /* more are too many characters */

/* The length of the character that bytes begin with; 0 if they do not begin with one. */
static size_t character_length(const unsigned char *at, size_t length) {
    if (*at < 0x80) {
        return *at != '\0';
    }
    size_t count = *at < 0xc2 ? 0 : *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : *at < 0xf5 ? 4 : 0;
    if (count == 0 || count > length) {
        return 0;
    }
    for (size_t i = 1; i < count; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool is_overlong = (*at == 0xe0 && at[1] < 0xa0) || (*at == 0xf0 && at[1] < 0x90);
    bool is_none = (*at == 0xed && at[1] > 0x9f) || (*at == 0xf4 && at[1] > 0x8f); /* a surrogate, or too large */
    return is_overlong || is_none ? 0 : count;
}

/* How many characters bytes are; false if they are no text. */
static bool count_characters(const struct writer *bytes, size_t *count) {
    *count = 0;
    for (size_t at = 0; at < bytes->length; ++*count) {
        size_t length = character_length(bytes->bytes + at, bytes->length - at);
        if (length == 0) {
            return false;
        }
        at += length;
    }
    return true;
}

/* End lines as they end here, whatever they ended with. */
static void end_lines(struct writer *text) {
    size_t to = 0;
    for (size_t at = 0; at < text->length; at++) {
        bool is_first = text->bytes[at] == '\r' && at + 1 < text->length && text->bytes[at + 1] == '\n';
        if (!is_first) {
            text->bytes[to++] = text->bytes[at] == '\r' ? '\n' : text->bytes[at];
        }
    }
    text->length = to;
}

static bool read_bytes(const char *path, struct writer *bytes) {
    FILE *file = fopen(path, "re");
    if (!file) {
        return false;
    }
    unsigned char part[4096];
    size_t count;
    while (bytes->length <= MOST_BYTES && (count = fread(part, 1, sizeof part, file)) > 0) {
        write_raw(bytes, part, count);
    }
    bool is_read = !ferror(file);
    fclose(file);
    return is_read && !bytes->failed;
}

static bool has_pragma_once(struct text rest) {
    for (;;) {
        struct text line = first_line(rest);
        if (is_pragma_once(line)) {
            return true;
        }
        if (line.length == rest.length) {
            return false;
        }
        rest = (struct text){line.chars + line.length + 1, rest.length - line.length - 1};
    }
}

static void write_line(struct writer *w, const char *text, size_t length) {
    write_raw(w, text, length);
    write_raw(w, "\n", 1);
}

/* The name that tells whether a file was included. Files of one name are told apart by their numbers; where they lie
 * is nobody's business. */
static void write_guard(struct writer *w, const char *directive, const char *path, size_t number) {
    char words[100];
    int length = snprintf(words, sizeof words, "#%s ACCELPOOL_INCLUDED_%zu_", directive, number);
    write_raw(w, words, (size_t)length);
    for (const char *at = strrchr(path, '/') + 1; *at; at++) {
        unsigned char is = (unsigned char)*at;
        char letter = is < 0x80 && isalnum(is) ? (char)toupper(is) : '_';
        if ((is & 0xc0) != 0x80) { /* one for a character of several bytes */
            write_raw(w, &letter, 1);
        }
    }
    write_raw(w, "\n", 1);
}

/* The lines between those that let them in once. */
static struct writer guarded(struct text rest, const char *path, size_t number) {
    struct writer w = {0};
    write_guard(&w, "ifndef", path, number);
    write_guard(&w, "define", path, number);
    for (;;) {
        struct text line = first_line(rest);
        write_line(&w, line.chars, is_pragma_once(line) ? 0 : line.length);
        if (line.length == rest.length) {
            break;
        }
        rest = (struct text){line.chars + line.length + 1, rest.length - line.length - 1};
    }
    write_raw(&w, "#endif", strlen("#endif"));
    return w;
}

bool read_included_file(struct included_file *file, char *path, size_t number) {
    file->path = path;
    if (!read_bytes(path, &file->text)) {
        return false;
    }
    if (file->text.length > MOST_BYTES) {
        file->characters = MOST_CHARACTERS + 1;
        return true;
    }
    end_lines(&file->text);
    if (!count_characters(&file->text, &file->characters)) {
        return false;
    }
    struct text whole = {(char *)file->text.bytes, file->text.length};
    if (has_pragma_once(whole)) {
        struct writer text = guarded(whole, path, number);
        writer_free(&file->text);
        file->text = text;
    }
    return !file->text.failed;
}

void included_file_free(struct included_file *file) {
    writer_free(&file->text);
    free(file->path);
    free(file);
}
