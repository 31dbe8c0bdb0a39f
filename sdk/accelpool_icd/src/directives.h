/* What lines of OpenCL C say to its preprocessor. */
#ifndef ACCELPOOL_DIRECTIVES_H
#define ACCELPOOL_DIRECTIVES_H

#include "msgpack.h"

struct text first_line(struct text source); /* without its end */

/* What a line includes; false if it is no #include of a name. `is_near`: looked for beside the including file first.
 */
bool find_include(struct text line, struct text *name, bool *is_near);
bool is_pragma_once(struct text line);

/* Whether the line after this one begins within a comment. */
bool ends_in_comment(struct text line, bool is_in_comment);

#endif
