/* A compiler's options, told apart by whom they are for, as the SDK's build_options.py does. */
#ifndef ACCELPOOL_BUILD_OPTIONS_H
#define ACCELPOOL_BUILD_OPTIONS_H

#include "msgpack.h"

struct build_options {
    char *sent;     /* what the node's compiler gets: without the folders of this machine that -I names */
    char **folders; /* where included files are looked for: the working folder, then those; as realpath has them */
    size_t folder_count;
    struct writer definitions; /* what -D and -U say, as lines of directives */
    char **named;              /* files and folders of this machine that -D names in full; as realpath has them */
    size_t named_count;
};

bool read_build_options(struct build_options *options,
                        const char *given); /* false without memory; freed all the same */
void build_options_free(struct build_options *options);

#endif
