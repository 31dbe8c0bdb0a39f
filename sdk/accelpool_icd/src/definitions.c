#include "definitions.h"

#include <stdlib.h>
#include <string.h>

#include "directives.h"

enum { BUCKETS = 1 << 14 };
enum certainty { UNKNOWN, HOLDS, FAILS };

static bool is_word(struct text text, const char *word) {
    return text.length == strlen(word) && !memcmp(text.chars, word, text.length);
}

static bool is_same(struct text one, struct text other) {
    return one.length == other.length && !memcmp(one.chars, other.chars, one.length);
}

/* ---- macros ------------------------------------------------------------------------------------------------- */

static struct macro **bucket(const struct definitions *d, struct text name) {
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < name.length; i++) {
        hash = (hash ^ (unsigned char)name.chars[i]) * 16777619u;
    }
    return &d->macros[(hash ^ hash >> 16) % BUCKETS];
}

static struct macro *find(const struct definitions *d, struct text name) {
    struct macro *macro = *bucket(d, name);
    while (macro && !is_same(macro->name, name)) {
        macro = macro->next;
    }
    return macro;
}

struct macro *find_macro(struct definitions *d, struct text name) {
    struct macro *macro = find(d, name);
    return macro && (macro->text.chars || is_in_doubt(d, macro)) ? macro : NULL;
}

/* Whether the branch that defines it so has not ended: if this line counts, so does that one. */
static bool is_sure(const struct definitions *d, const struct macro *macro) {
    return macro->depth <= d->depth && d->branches[macro->depth - 1].number == macro->branch;
}

bool is_in_doubt(const struct definitions *d, const struct macro *macro) {
    return macro->is_one_of_several && !is_sure(d, macro);
}

static struct macro *add_macro(struct definitions *d, struct text name) {
    struct macro *macro = calloc(1, sizeof *macro), **place = bucket(d, name);
    if (!macro) {
        d->failed = true;
        return NULL;
    }
    macro->name = name;
    macro->next = *place;
    *place = macro;
    return macro;
}

static bool is_same_text(struct text one, struct text other) {
    return one.chars && other.chars ? is_same(one, other) : one.chars == other.chars;
}

/* `text`: no characters at all undefine it. */
static void define(struct definitions *d, struct text name, struct text text) {
    const struct branch *branch = &d->branches[d->depth - 1];
    struct macro *macro = find(d, name);
    if (branch->is_dead || (!macro && !text.chars)) {
        return;
    }
    if (macro) {
        bool is_another = macro->branch < branch->number && !is_same_text(macro->text, text);
        macro->is_one_of_several |= is_another;
    } else {
        macro = add_macro(d, name);
    }
    if (macro) {
        macro->text = text;
        macro->depth = d->depth;
        macro->branch = branch->number;
    }
}

/* ---- conditionals ------------------------------------------------------------------------------------------- */

static void begin_branch(struct definitions *d, bool is_dead, bool is_rest_dead) {
    if (d->depth == d->room) {
        size_t room = d->room ? 2 * d->room : 16;
        struct branch *grown = realloc(d->branches, room * sizeof *grown);
        if (!grown) {
            d->failed = true;
            return;
        }
        d->branches = grown;
        d->room = room;
    }
    d->branches[d->depth++] = (struct branch){d->branch_count++, is_dead, is_rest_dead};
}

/* Whether `#if` is followed by 0 or 1 alone. */
static enum certainty constant_condition(struct text rest) {
    if (skip_blanks(&rest) == 0 || rest.length == 0 || (rest.chars[0] != '0' && rest.chars[0] != '1')) {
        return UNKNOWN;
    }
    enum certainty certainty = rest.chars[0] == '1' ? HOLDS : FAILS;
    do {
        rest = (struct text){rest.chars + 1, rest.length - 1};
    } while (rest.length && strchr(" \t\r", rest.chars[0]));
    return rest.length == 0 || begins_with(rest, "//") ? certainty : UNKNOWN;
}

static enum certainty condition(const struct definitions *d, struct text word, struct text rest) {
    if (is_word(word, "if")) {
        return constant_condition(rest);
    }
    struct text name = skip_blanks(&rest) ? take_name(&rest) : (struct text){0};
    const struct macro *macro = name.length ? find(d, name) : NULL;
    if (!macro || !macro->text.chars || !is_sure(d, macro)) {
        return UNKNOWN;
    }
    return is_word(word, "ifdef") ? HOLDS : FAILS;
}

static bool is_if(struct text word) {
    return is_word(word, "if") || is_word(word, "ifdef") || is_word(word, "ifndef");
}

static bool is_else(struct text word) {
    return is_word(word, "else") || begins_with(word, "elif");
}

void read_definition(struct definitions *d, struct text line) {
    struct text word, rest;
    if (d->failed || !find_directive(line, &word, &rest)) {
        return;
    }
    bool is_define = is_word(word, "define");
    if (is_define || is_word(word, "undef")) {
        struct text name = skip_blanks(&rest) ? take_name(&rest) : (struct text){0};
        if (name.length) {
            define(d, name, is_define ? rest : (struct text){0});
        }
    } else if (is_if(word)) {
        bool is_dead = d->branches[d->depth - 1].is_dead;
        enum certainty certainty = condition(d, word, rest);
        begin_branch(d, is_dead || certainty == FAILS, is_dead || certainty == HOLDS);
    } else if (d->depth > 1 && is_else(word)) {
        struct branch branch = d->branches[--d->depth];
        begin_branch(d, branch.is_rest_dead, branch.is_rest_dead);
    } else if (d->depth > 1 && is_word(word, "endif")) {
        d->depth--;
    }
}

/* ---- from beginning to end ---------------------------------------------------------------------------------- */

void open_definitions(struct definitions *d, struct text lines) {
    *d = (struct definitions){.macros = calloc(BUCKETS, sizeof *d->macros)};
    d->failed = !d->macros;
    begin_branch(d, false, false);
    for (;;) {
        struct text line = first_line(lines);
        read_definition(d, line);
        if (line.length == lines.length) {
            return;
        }
        lines = (struct text){line.chars + line.length + 1, lines.length - line.length - 1};
    }
}

void close_definitions(struct definitions *d) {
    for (size_t i = 0; d->macros && i < BUCKETS; i++) {
        while (d->macros[i]) {
            struct macro *macro = d->macros[i];
            d->macros[i] = macro->next;
            free(macro);
        }
    }
    free(d->macros);
    free(d->branches);
}
