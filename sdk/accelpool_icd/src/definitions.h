/* Which macros of OpenCL C are defined where a source has got to, as far as a client can tell: the same rules as in
 * the SDK's definitions.py.
 *
 * Which way a conditional goes is the node's compiler's to say, but for `#if 0`, `#if 1`, and `#ifdef` and `#ifndef`
 * of what is surely defined. So a definition within a conditional holds up to its end, and behind it if it is the
 * only one: else the macro is in doubt there.
 */
#ifndef ACCELPOOL_DEFINITIONS_H
#define ACCELPOOL_DEFINITIONS_H

#include "msgpack.h"

struct macro {
    struct macro *next;
    struct text name;
    struct text text; /* what follows the name; no characters at all once it is undefined */
    size_t depth;     /* of conditionals, where that was said */
    size_t branch;
    bool is_one_of_several; /* behind its branch */
    bool is_open;           /* for who replaces it */
};

struct branch { /* of a conditional; they are numbered as they begin */
    size_t number;
    bool is_dead, is_rest_dead; /* the latter: the branches behind it, of the same conditional */
};

struct definitions {
    struct macro **macros; /* in buckets, by their names */
    struct branch *branches;
    size_t depth, room; /* of `branches` */
    size_t branch_count;
    bool failed; /* without memory */
};

/* Begin with those that lines of directives define. All texts stay where they are until the end. */
void open_definitions(struct definitions *definitions, struct text lines);
void close_definitions(struct definitions *definitions);

/* Read a line, with those that continue it: a directive, or anything else. */
void read_definition(struct definitions *definitions, struct text line);

/* The macro of a name; NULL if there is none. */
struct macro *find_macro(struct definitions *definitions, struct text name);

/* Whether there are several definitions of a macro, one of which is the right one. */
bool is_in_doubt(const struct definitions *definitions, const struct macro *macro);

#endif
