#include "directives.h"

#include <string.h>

struct text first_line(struct text source) {
    const char *end = source.length ? memchr(source.chars, '\n', source.length) : NULL;
    return (struct text){source.chars, end ? (size_t)(end - source.chars) : source.length};
}

static void skip(struct text *rest, size_t count) {
    rest->chars += count;
    rest->length -= count;
}

static size_t skip_blanks(struct text *rest) {
    size_t count = 0;
    while (count < rest->length && (rest->chars[count] == ' ' || rest->chars[count] == '\t')) {
        count++;
    }
    skip(rest, count);
    return count;
}

/* Whether a word comes next, after blanks or not; then it is skipped. */
static bool take(struct text *rest, const char *word) {
    size_t length = strlen(word);
    skip_blanks(rest);
    if (rest->length < length || memcmp(rest->chars, word, length)) {
        return false;
    }
    skip(rest, length);
    return true;
}

bool find_include(struct text line, struct text *name, bool *is_near) {
    if (!take(&line, "#") || !take(&line, "include")) {
        return false;
    }
    *is_near = take(&line, "\"");
    if (!*is_near && !take(&line, "<")) {
        return false;
    }
    *name = (struct text){line.chars, 0};
    while (name->length < line.length && !strchr("<>\"", line.chars[name->length])) {
        name->length++;
    }
    return name->length && name->length < line.length && line.chars[name->length] != '<';
}

bool is_pragma_once(struct text line) {
    if (!take(&line, "#") || !take(&line, "pragma") || !skip_blanks(&line) || !take(&line, "once")) {
        return false;
    }
    skip_blanks(&line);
    return line.length == 0;
}

/* How long the text in quotes is that begins a line; 0 if it does not end there. */
static size_t quoted_length(struct text line) {
    for (size_t i = 1; i < line.length; i++) {
        if (line.chars[i] == line.chars[0]) {
            return i + 1;
        }
        i += line.chars[i] == '\\';
    }
    return 0;
}

static bool begins(struct text line, const char *two) {
    return line.length >= 2 && !memcmp(line.chars, two, 2);
}

bool ends_in_comment(struct text line, bool is_in_comment) {
    while (line.length) {
        size_t taken = 1;
        if (is_in_comment) {
            is_in_comment = !begins(line, "*/");
            taken += !is_in_comment;
        } else if (begins(line, "//")) {
            return false;
        } else if (begins(line, "/*")) {
            is_in_comment = true;
            taken = 2;
        } else if (line.chars[0] == '"' || line.chars[0] == '\'') {
            size_t quoted = quoted_length(line);
            taken = quoted ? quoted : 1;
        }
        skip(&line, taken);
    }
    return is_in_comment;
}
