#include "directives.h"

#include <string.h>

struct text first_line(struct text source) {
    const char *end = source.length ? memchr(source.chars, '\n', source.length) : NULL;
    return (struct text){source.chars, end ? (size_t)(end - source.chars) : source.length};
}

bool begins_with(struct text text, const char *beginning) {
    size_t length = strlen(beginning);
    return text.length >= length && !memcmp(text.chars, beginning, length);
}

bool is_continued(struct text line) {
    return line.length && line.chars[line.length - 1] == '\\';
}

struct text continued_line(struct text source) {
    struct text line = first_line(source);
    while (is_continued(line) && line.length < source.length) {
        size_t begin = line.length + 1;
        line.length = begin + first_line((struct text){source.chars + begin, source.length - begin}).length;
    }
    return line;
}

static void skip(struct text *rest, size_t count) {
    rest->chars += count;
    rest->length -= count;
}

size_t skip_blanks(struct text *rest) {
    size_t count = 0;
    while (count < rest->length && (rest->chars[count] == ' ' || rest->chars[count] == '\t')) {
        count++;
    }
    skip(rest, count);
    return count;
}

/* Whether a word comes next, after blanks or not; then it is skipped. */
static bool take(struct text *rest, const char *word) {
    skip_blanks(rest);
    if (!begins_with(*rest, word)) {
        return false;
    }
    skip(rest, strlen(word));
    return true;
}

bool is_letter(char is) {
    return (is >= 'a' && is <= 'z') || (is >= 'A' && is <= 'Z') || is == '_';
}

bool is_digit(char is) {
    return is >= '0' && is <= '9';
}

struct text take_name(struct text *rest) {
    struct text name = {rest->chars, 0};
    while (rest->length && (is_letter(rest->chars[0]) || (name.length && is_digit(rest->chars[0])))) {
        name.length++;
        skip(rest, 1);
    }
    return name;
}

bool find_directive(struct text line, struct text *word, struct text *rest) {
    if (!take(&line, "#")) {
        return false;
    }
    skip_blanks(&line);
    *word = take_name(&line);
    *rest = line;
    return word->length;
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

bool ends_in_comment(struct text line, bool is_in_comment) {
    while (line.length) {
        size_t taken = 1;
        if (is_in_comment) {
            is_in_comment = !begins_with(line, "*/");
            taken += !is_in_comment;
        } else if (begins_with(line, "//")) {
            return false;
        } else if (begins_with(line, "/*")) {
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
