/* OpenCL C sources that include files of this machine, which a node has not: the same rules as in the SDK's
 * includes.py.
 *
 * Lines that include a file found here are replaced by its content before a source is sent. Looked in are the
 * including file's own folder, the working folder, and the folders that -I names. Names may come from macros. Other
 * includes stay as they are: for headers that clCompileProgram is given, and for files that the node has.
 */
#ifndef ACCELPOOL_INCLUDES_H
#define ACCELPOOL_INCLUDES_H

#include "build_options.h"

enum { MOST_FILES = 4096, MOST_DEPTH = 200 };

/* Names that are included in another way: their lines stay. */
struct kept_names {
    size_t count;
    const char **names;
};

bool has_includes(const char *source); /* whether a line may include a file */

/* A source with the files that are here, to be freed; lines after such a file keep their numbers in the compiler's
 * messages. NULL, and why in `problem`, if there is more than can be sent, or a file is no UTF-8 text; NULL and no
 * problem without memory. */
char *with_includes(const char *source, const struct build_options *options, const struct kept_names *kept,
                    char *problem, size_t problem_room);

#endif
