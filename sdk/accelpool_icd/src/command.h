/* What all clEnqueue... have in common: a queue, a wait list, and an event if it is wanted.
 *
 *     struct command command;
 *     cl_int code = prepare(&command, queue, TYPE, wait_count, wait_list, event != NULL);
 *     ... check the rest, then write the message, with write_event and write_wait_list ...
 *     return finish(&command, code, event);
 */
#ifndef ACCELPOOL_COMMAND_H
#define ACCELPOOL_COMMAND_H

#include "objects.h"

struct command {
    cl_command_queue queue;
    struct connection *connection;
    cl_uint wait_count;
    const cl_event *wait_list;
    cl_event event;
    struct ends before; /* of one without an event */
};

cl_int prepare(struct command *command, cl_command_queue queue, cl_command_type type, cl_uint wait_count,
               const cl_event *wait_list, bool wants_event);
/* Begin its message with the queue, the first field; NULL where `code` is an error, or becomes one. */
struct writer *begin_command(struct command *command, int tag, size_t fields, cl_int *code);
void write_event(struct writer *w, const struct command *command);
void write_wait_list(struct writer *w, const struct command *command);
cl_int finish(struct command *command, cl_int code, cl_event *event);

/* A read, whose answer brings bytes: waits for them, or makes `command`'s event complete once they are there. */
struct destination {
    unsigned char *bytes;           /* where to */
    size_t row_bytes, rows, slices; /* what comes, without gaps */
    size_t row_pitch, slice_pitch;
};
cl_int finish_read(struct command *command, const struct destination *to, bool is_blocking, cl_event *event);

/* Whether the bytes lie without gaps at the other end, too. */
bool is_dense(const struct destination *to);
/* Gather a region's bytes without gaps; NULL without memory. */
unsigned char *gathered(const struct destination *from);

#endif
