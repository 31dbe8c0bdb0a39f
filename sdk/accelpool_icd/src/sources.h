/* The sources of a build or a compilation: with the files of this machine that they include, as includes.h has it. */
#ifndef ACCELPOOL_SOURCES_H
#define ACCELPOOL_SOURCES_H

#include "build_options.h"
#include "objects.h"

struct header {
    cl_program program;
    char *text;      /* NULL if it has no includes */
    uint64_t handle; /* what the worker knows it by */
};

struct sources {
    struct connection *connection;
    struct build_options options;
    char *text; /* of the program; NULL if it has no includes, or is from no source */
    cl_uint header_count;
    struct header *headers;
};

/* Have the worker know a source by a handle, without the macros of what this driver lacks. */
cl_int announce_source(cl_context context, uint64_t handle, const char *source);

/* Find out what the sources are to be, of the headers too, which go by those names. Nothing is sent yet. Closed if it
 * fails, too. */
cl_int open_sources(struct sources *sources, cl_program program, const char *options, cl_uint header_count,
                    const cl_program *headers, const char **names);

/* Have the worker know them, before the message of a program that is marked as being built. */
cl_int send_sources(struct sources *sources, cl_program program);

/* After that message: the program may be gone. */
void close_sources(struct sources *sources);

#endif
