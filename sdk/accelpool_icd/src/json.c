#include "json.h"

#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 32 };

static const char *skip_space(const char *at) {
    return at + strspn(at, " \t\r\n");
}

static const char *skip_string(const char *at) {
    if (*at != '"') {
        return NULL;
    }
    for (at++; *at && *at != '"'; at++) {
        if (*at == '\\' && !*++at) {
            return NULL;
        }
    }
    return *at ? at + 1 : NULL;
}

static const char *skip_value(const char *at, int depth);

/* Skip what is between brackets; with `has_names` each value has a name before it. */
static const char *skip_items(const char *at, char end, bool has_names, int depth) {
    at = skip_space(at + 1);
    if (*at == end) {
        return at + 1;
    }
    for (;;) {
        if (has_names) {
            at = skip_string(at);
            at = at ? skip_space(at) : NULL;
            if (!at || *at != ':') {
                return NULL;
            }
            at = skip_space(at + 1);
        }
        at = skip_value(at, depth + 1);
        at = at ? skip_space(at) : NULL;
        if (!at || (*at != ',' && *at != end)) {
            return NULL;
        }
        if (*at == end) {
            return at + 1;
        }
        at = skip_space(at + 1);
    }
}

static const char *skip_value(const char *at, int depth) {
    if (depth > DEEPEST) {
        return NULL;
    }
    if (*at == '{') {
        return skip_items(at, '}', true, depth);
    }
    if (*at == '[') {
        return skip_items(at, ']', false, depth);
    }
    if (*at == '"') {
        return skip_string(at);
    }
    size_t length = strspn(at, "+-.0123456789aeflnrstuE");
    return length ? at + length : NULL;
}

json json_parse(const char *text) {
    json value = skip_space(text);
    const char *end = skip_value(value, 0);
    return end && !*skip_space(end) ? value : NULL;
}

json json_member(json object, const char *name) {
    if (!object || *object != '{') {
        return NULL;
    }
    size_t length = strlen(name);
    const char *at = skip_space(object + 1);
    while (*at == '"') {
        const char *end = skip_string(at);
        json value = skip_space(skip_space(end) + 1);
        if ((size_t)(end - at) == length + 2 && !memcmp(at + 1, name, length)) {
            return value;
        }
        at = skip_space(skip_value(value, 0));
        at = *at == ',' ? skip_space(at + 1) : at;
    }
    return NULL;
}

json json_first(json array) {
    if (!array || *array != '[') {
        return NULL;
    }
    json element = skip_space(array + 1);
    return *element == ']' ? NULL : element;
}

json json_next(json element) {
    const char *at = element ? skip_space(skip_value(element, 0)) : NULL;
    return at && *at == ',' ? skip_space(at + 1) : NULL;
}

/* One escaped character; \u of what is not ASCII becomes '?': names of hosts and tokens are ASCII. */
static char unescape(const char **at) {
    char escaped = *(*at)++;
    if (escaped == 'u') {
        char digits[5] = {0};
        strncpy(digits, *at, 4);
        *at += strlen(digits);
        long code = strtol(digits, NULL, 16);
        return code > 0 && code < 0x80 ? (char)code : '?';
    }
    const char *found = strchr("n\nt\tr\rb\bf\f", escaped);
    return found && *found != '\0' ? found[1] : escaped;
}

char *json_string(json value) {
    const char *end = value ? skip_string(value) : NULL;
    char *text = end ? malloc((size_t)(end - value)) : NULL;
    if (!text) {
        return NULL;
    }
    char *to = text;
    for (const char *at = value + 1; at < end - 1;) {
        if (*at == '\\') {
            at++;
            *to++ = unescape(&at);
        } else {
            *to++ = *at++;
        }
    }
    *to = '\0';
    return text;
}

bool json_integer(json value, long *number) {
    char *end = NULL;
    if (!value || !strchr("-0123456789", *value)) {
        return false;
    }
    *number = strtol(value, &end, 10);
    return end != value;
}
