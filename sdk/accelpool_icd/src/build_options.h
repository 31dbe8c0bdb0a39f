/* A compiler's options, told apart by whom they are for, as the SDK's build_options.py does. */
#ifndef ACCELPOOL_BUILD_OPTIONS_H
#define ACCELPOOL_BUILD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

struct build_options {
    char *sent;     /* what the node's compiler gets: without the folders of this machine that -I names */
    char **folders; /* where included files are looked for: the working folder, then those; as realpath has them */
    size_t folder_count;
};

bool read_build_options(struct build_options *options,
                        const char *given); /* false without memory; freed all the same */
void build_options_free(struct build_options *options);

#endif
