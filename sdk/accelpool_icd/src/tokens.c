#define _GNU_SOURCE
#include "tokens.h"

#include <stdlib.h>
#include <string.h>

#include "directives.h"

static const char BLANKS[] = " \t\r\n\f\v";
static const struct text BLANK = {" ", 1};

bool is_one(const struct token *token, char one) {
    return token->text.length == 1 && token->text.chars[0] == one;
}

/* How long the blanks are that begin a text, comments among them, which may go on in lines that are not here. */
static size_t blank_length(struct text text) {
    size_t length = 0;
    while (length < text.length) {
        struct text rest = {text.chars + length, text.length - length};
        if (strchr(BLANKS, rest.chars[0])) {
            length++;
        } else if (begins_with(rest, "\\\n")) {
            length += 2;
        } else if (begins_with(rest, "/*")) {
            const char *end = memmem(rest.chars + 2, rest.length - 2, "*/", 2);
            length = end ? (size_t)(end - text.chars) + 2 : text.length;
        } else {
            return begins_with(rest, "//") ? text.length : length;
        }
    }
    return length;
}

/* A quote that does not end takes the rest. */
static size_t quote_length(struct text text) {
    size_t length = 1;
    while (length < text.length && text.chars[length] != text.chars[0]) {
        if (text.chars[length] == '\\' && length + 1 == text.length) {
            return length;
        }
        length += text.chars[length] == '\\' ? 2 : 1;
    }
    return length + (length < text.length);
}

/* `length`: of what begins it. */
static size_t number_length(struct text text, size_t length) {
    while (length < text.length &&
           (text.chars[length] == '.' || is_letter(text.chars[length]) || is_digit(text.chars[length]))) {
        length++;
    }
    return length;
}

/* How long the token is that begins a text, which does not begin with a blank. */
static size_t token_length(struct text text) {
    size_t point = text.length > 1 && text.chars[0] == '.';
    if (text.chars[0] == '"' || text.chars[0] == '\'') {
        return quote_length(text);
    }
    if (is_digit(text.chars[point])) {
        return number_length(text, point + 1);
    }
    size_t length = take_name(&(struct text){text.chars, text.length}).length;
    return length ? length : begins_with(text, "##") ? 2 : 1;
}

struct token *new_token(struct replacing *r, struct text text, bool is_name) {
    struct token *token = calloc(1, sizeof *token);
    if (!token) {
        r->failed = true;
        return NULL;
    }
    token->text = text;
    token->is_name = is_name;
    token->older = r->newest;
    r->newest = token;
    return token;
}

void append(struct tokens *tokens, struct token *token) {
    if (token) {
        token->next = NULL;
        *(tokens->last ? &tokens->last->next : &tokens->first) = token;
        tokens->last = token;
    }
}

void put(struct replacing *r, struct tokens *tokens, struct token *token) {
    if (token && is_one(token, ' ')) {
        tokens->is_apart = tokens->first;
        return;
    }
    if (tokens->is_apart) {
        append(tokens, new_token(r, BLANK, false));
    }
    append(tokens, token);
    tokens->is_apart = false;
}

void note_characters(struct replacing *r, struct text text) {
    for (size_t i = 0; i < text.length; i++) {
        *r->characters += (text.chars[i] & 0xc0) != 0x80;
    }
    r->failed |= *r->characters > MOST_REPLACED;
}

struct tokens read_tokens(struct replacing *r, struct text rest) {
    struct tokens tokens = {0};
    note_characters(r, rest);
    while (rest.length && !r->failed) {
        size_t blank = blank_length(rest), length = blank ? blank : token_length(rest);
        struct text text = {rest.chars, length};
        put(r, &tokens, blank ? new_token(r, BLANK, false) : new_token(r, text, is_letter(text.chars[0])));
        rest = (struct text){rest.chars + length, rest.length - length};
    }
    return tokens;
}

void write_tokens(struct writer *w, const struct tokens *tokens, bool is_quoted) {
    for (const struct token *token = tokens->first; token; token = token->next) {
        bool is_escaped = is_quoted && strchr("\"'", token->text.chars[0]);
        for (size_t i = 0; i < token->text.length; i++) {
            if (is_escaped && strchr("\"\\", token->text.chars[i])) {
                write_raw(w, "\\", 1);
            }
            write_raw(w, token->text.chars + i, 1);
        }
    }
}

struct token *quoted(struct replacing *r, const struct tokens *tokens) {
    struct writer w = {0};
    write_raw(&w, "\"", 1);
    write_tokens(&w, tokens, true);
    write_raw(&w, "\"", 1);
    struct token *token = w.failed ? NULL : new_token(r, (struct text){(char *)w.bytes, w.length}, false);
    if (!token) {
        writer_free(&w);
        r->failed = true;
        return NULL;
    }
    token->own = w.bytes;
    return token;
}

void free_tokens(struct replacing *r) {
    while (r->newest) {
        struct token *token = r->newest;
        r->newest = token->older;
        if (token->ends) {
            token->ends->is_open = false;
        }
        free(token->own);
        free(token);
    }
}
