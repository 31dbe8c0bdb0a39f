/* What lines of OpenCL C say to its preprocessor. */
#ifndef ACCELPOOL_DIRECTIVES_H
#define ACCELPOOL_DIRECTIVES_H

#include "msgpack.h"

struct text first_line(struct text source);     /* without its end */
struct text continued_line(struct text source); /* with those that continue it */
bool is_continued(struct text line);
bool begins_with(struct text text, const char *beginning);

size_t skip_blanks(struct text *rest); /* how many there were */
bool is_letter(char is);               /* of names */
bool is_digit(char is);
struct text take_name(struct text *rest); /* the one that begins a text; without characters if none does */

/* The word that says what a directive is, and what follows it. */
bool find_directive(struct text line, struct text *word, struct text *rest);

/* What a line includes; false if it is no #include of a name. `is_near`: looked for beside the including file first.
 */
bool find_include(struct text line, struct text *name, bool *is_near);
bool is_pragma_once(struct text line);

/* Whether the line after this one begins within a comment. */
bool ends_in_comment(struct text line, bool is_in_comment);

#endif
