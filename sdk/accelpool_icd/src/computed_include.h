/* The names of included files that come from macros, `#include M2S(INCLUDE_PATH/inc_vendor.h)`: the same rules as in
 * the SDK's computed_include.py.
 *
 * Macros are replaced as a compiler does it: the arguments first, then what has become of the text, once more,
 * without the macros that it came from. `#` makes a string of an argument. `##` and `...` are not known here: an
 * include that needs them is the node's compiler's, as is one that makes no sense, or needs too much.
 */
#ifndef ACCELPOOL_COMPUTED_INCLUDE_H
#define ACCELPOOL_COMPUTED_INCLUDE_H

#include "definitions.h"

/* Write an include without macros. False if a line is none, or is the compiler's to understand. `characters`: how
 * many the source's includes have needed so far. */
bool compute_include(struct definitions *definitions, struct text line, size_t *characters, struct writer *directive);

#endif
