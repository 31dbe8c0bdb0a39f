#include "computed_include.h"

#include <string.h>

#include "directives.h"
#include "tokens.h"

enum { MOST_PARAMETERS = 16, MOST_NESTED = 32 /* calls in the arguments of each other */ };

struct call {
    size_t parameter_count, argument_count;
    struct text parameters[MOST_PARAMETERS];
    struct tokens arguments[MOST_PARAMETERS];
};

/* ---- calls -------------------------------------------------------------------------------------------------- */

/* Read the names between the parentheses that begin a definition, and take both off it. */
static void take_parameters(struct replacing *r, struct tokens *definition, struct call *call) {
    bool is_name_next = true;
    for (struct token *token = definition->first->next; token && !r->failed; token = token->next) {
        if (is_one(token, ')')) {
            definition->first = token->next;
            r->failed = is_name_next && call->parameter_count;
            return;
        }
        if (is_one(token, ' ')) {
            continue;
        }
        if (!is_name_next) {
            r->failed = !is_one(token, ',');
        } else if (token->is_name && call->parameter_count < MOST_PARAMETERS) {
            call->parameters[call->parameter_count++] = token->text;
        } else {
            r->failed = true;
        }
        is_name_next = !is_name_next;
    }
    r->failed = true;
}

static struct token *pop(struct token **todo) {
    struct token *token = *todo;
    *todo = token->next;
    if (token->ends) {
        token->ends->is_open = false;
    }
    return token;
}

static bool is_call(const struct token *todo) {
    while (todo && (todo->ends || is_one(todo, ' '))) {
        todo = todo->next;
    }
    return todo && is_one(todo, '(');
}

/* Take the arguments of a call off what is to be done. */
static void take_arguments(struct replacing *r, struct token **todo, struct call *call) {
    size_t depth = 0;
    while (*todo && !r->failed) {
        struct token *token = pop(todo);
        depth += is_one(token, '(');
        depth -= depth && is_one(token, ')');
        bool begins_argument = depth == 1 && (call->argument_count == 0 || is_one(token, ','));
        if (begins_argument && call->argument_count == MOST_PARAMETERS) {
            break;
        }
        if (begins_argument) {
            call->argument_count++;
        } else if (depth == 0 && call->argument_count) {
            return;
        } else if (call->argument_count && !token->ends) {
            put(r, &call->arguments[call->argument_count - 1], token);
        }
    }
    r->failed = true;
}

/* Whether there are as many arguments as parameters; a call without parameters has one that is empty. */
static bool is_fitting(const struct call *call) {
    return call->argument_count == call->parameter_count ||
           (call->parameter_count == 0 && call->argument_count == 1 && !call->arguments[0].first);
}

/* The argument that a token of a body stands for; NULL if it stands for itself. */
static const struct tokens *argument_of(const struct call *call, const struct token *token) {
    for (size_t i = 0; token->is_name && i < call->parameter_count; i++) {
        struct text name = call->parameters[i];
        if (name.length == token->text.length && !memcmp(name.chars, token->text.chars, name.length)) {
            return &call->arguments[i];
        }
    }
    return NULL;
}

/* ---- replacing ---------------------------------------------------------------------------------------------- */

static struct tokens replaced(struct replacing *r, struct token *todo, int nested);

/* An argument in the place of a parameter. */
static void put_argument(struct replacing *r, struct tokens *result, const struct tokens *argument, bool is_quoted,
                         int nested) {
    struct tokens copy = {0};
    for (const struct token *token = argument->first; token && !r->failed; token = token->next) {
        note_characters(r, token->text);
        if (!is_quoted) {
            append(&copy, new_token(r, token->text, token->is_name));
        }
    }
    if (r->failed) {
        return;
    }
    if (is_quoted) {
        put(r, result, quoted(r, argument));
        return;
    }
    struct token *token = replaced(r, copy.first, nested + 1).first;
    while (token) {
        struct token *next = token->next;
        put(r, result, token);
        token = next;
    }
}

/* A macro's body with the arguments in their places. */
static struct tokens substituted(struct replacing *r, struct token *body, const struct call *call, int nested) {
    struct tokens result = {0};
    bool is_quoted = false;
    for (struct token *next; body && !r->failed; body = next) {
        next = body->next;
        const struct tokens *argument = argument_of(call, body);
        bool is_quoting = is_one(body, '#') || (is_quoted && is_one(body, ' '));
        if (argument) {
            put_argument(r, &result, argument, is_quoted, nested);
        } else if (!is_quoting && !is_quoted) {
            put(r, &result, body);
        } else if (is_quoted && !is_one(body, ' ')) {
            r->failed = true;
        }
        is_quoted = is_quoting;
    }
    r->failed |= is_quoted;
    return result;
}

/* What takes a macro's place; false if it takes arguments, and none follow. */
static bool find_replacement(struct replacing *r, const struct macro *macro, struct token **todo, int nested,
                             struct tokens *result) {
    struct call call = {0};
    bool is_function = macro->text.length && macro->text.chars[0] == '(';
    *result = read_tokens(r, macro->text);
    if (is_function && !r->failed) {
        take_parameters(r, result, &call);
    }
    for (const struct token *token = result->first; token; token = token->next) {
        r->failed |= begins_with(token->text, "##");
    }
    if (r->failed || !is_function) {
        return true;
    }
    if (!is_call(*todo)) {
        return false;
    }
    take_arguments(r, todo, &call);
    r->failed |= !is_fitting(&call);
    if (!r->failed) {
        *result = substituted(r, result->first, &call, nested);
    }
    return true;
}

/* Put what took a macro's place before what is to be done, with its end behind it. */
static void push(struct replacing *r, struct token **todo, struct tokens *result, struct macro *macro) {
    struct token *end = new_token(r, (struct text){"", 0}, false);
    if (end) {
        end->ends = macro;
        macro->is_open = true;
        append(result, end);
        end->next = *todo;
        *todo = result->first;
    }
}

/* Tokens with the macros among them replaced. */
static struct tokens replaced(struct replacing *r, struct token *todo, int nested) {
    struct tokens done = {0}, result;
    r->failed |= nested > MOST_NESTED;
    while (todo && !r->failed) {
        struct token *token = pop(&todo);
        struct macro *macro = token->is_name ? find_macro(r->definitions, token->text) : NULL;
        if (macro && is_in_doubt(r->definitions, macro)) {
            r->failed = true;
        } else if (macro && macro->is_open) {
            token->is_name = false; /* never again */
            put(r, &done, token);
        } else if (macro && find_replacement(r, macro, &todo, nested, &result)) {
            push(r, &todo, &result, macro);
        } else if (!token->ends) {
            put(r, &done, token);
        }
    }
    return done;
}

/* What follows an #include that names no file itself. */
static bool find_computed(struct text line, struct text *rest) {
    static const char WORD[] = "include";
    struct text word;
    return find_directive(line, &word, rest) && word.length == strlen(WORD) &&
           !memcmp(word.chars, WORD, word.length) && skip_blanks(rest) && rest->length && is_letter(rest->chars[0]);
}

bool compute_include(struct definitions *definitions, struct text line, size_t *characters,
                     struct writer *directive) {
    static const char BEGINNING[] = "#include ";
    struct text rest;
    if (definitions->failed || !find_computed(line, &rest)) {
        return false;
    }
    struct replacing r = {.definitions = definitions, .characters = characters};
    struct tokens name = replaced(&r, read_tokens(&r, rest).first, 0);
    if (!r.failed) {
        write_raw(directive, BEGINNING, strlen(BEGINNING));
        write_tokens(directive, &name, false);
    }
    free_tokens(&r);
    return !r.failed;
}
