/* The tokens of OpenCL C's preprocessor, in lists; those of one line are freed together. */
#ifndef ACCELPOOL_TOKENS_H
#define ACCELPOOL_TOKENS_H

#include "definitions.h"

enum { MOST_REPLACED = 1 << 20 }; /* of macros and their arguments, that are looked at for one source */

struct token {
    struct token *next;  /* in its list */
    struct token *older; /* all of a line */
    struct text text;
    void *own;          /* its text's memory, if that is its own */
    bool is_name;       /* that may be a macro's */
    struct macro *ends; /* it is no text, but where the text ends that took that macro's place */
};

/* A list without blanks around it, and with those in it as one. */
struct tokens {
    struct token *first, *last;
    bool is_apart; /* a blank comes next */
};

/* A line whose macros are being replaced. */
struct replacing {
    struct definitions *definitions;
    size_t *characters; /* that were looked at so far */
    struct token *newest;
    bool failed; /* the compiler is to understand it, or there is no memory */
};

bool is_one(const struct token *token, char one);

struct token *new_token(struct replacing *r, struct text text, bool is_name);
struct tokens read_tokens(struct replacing *r, struct text text);
struct token *quoted(struct replacing *r, const struct tokens *tokens); /* as a string of OpenCL C */
void free_tokens(struct replacing *r);

void append(struct tokens *tokens, struct token *token);                   /* as it is; NULL is none */
void put(struct replacing *r, struct tokens *tokens, struct token *token); /* one that is in no list, or NULL */
void write_tokens(struct writer *w, const struct tokens *tokens, bool is_quoted); /* the latter: within a string */
void note_characters(struct replacing *r, struct text text); /* that are looked at: characters, not bytes */

#endif
