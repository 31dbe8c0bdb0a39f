/* Contexts over devices of several sessions, and all that is made in them.
 *
 * The loader calls through the table that an object begins with. Spanning objects have a table of their own, whose
 * functions are those here, named spanning_cl...; so nothing is asked, or slower, where one session is enough. A
 * spanning object stands for one ordinary object in each session that it concerns: its *parts*, which know nothing of
 * it. The functions here translate handles and call the ordinary functions on the parts.
 *
 *     context, sampler, program, user event   have a part in every session
 *     kernel                                  where its program is built
 *     queue                                   in its device's session
 *     buffer, sub-buffer, image over a buffer everywhere, but the workers are told where it is first used: replica.h
 *     other images                            in the session of the context's first device
 *     event                                   in its command's session, and user events where others wait for it
 *
 * Locks, in this order: a kernel's, memory objects' by their address, an event's or the context's, then those of the
 * parts and of their connections. None is held while a command is waited for.
 */
#ifndef ACCELPOOL_SPANNING_H
#define ACCELPOOL_SPANNING_H

#include "../objects.h"

#define SHARED(name)
#define OWN(name) __typeof__(name) spanning_##name;
#include "../dispatch_order.h"
#undef SHARED
#undef OWN

struct spanning_context;

/* What a spanning object is in one session: an ordinary object, or NULL and what using it there is answered with. */
struct part {
    void *object;
    cl_int code;
};

/* What all spanning objects begin with. */
struct spanning {
    struct object object;
    struct spanning_context *context; /* held, but by itself */
    struct part *parts;               /* as many as the context has, in its order */
};

struct spanning_context {
    struct spanning base;
    cl_uint part_count;
    cl_uint device_count;
    cl_device_id *devices;
    pthread_mutex_t lock; /* of what follows */
    struct callback *destructors;
    cl_command_queue (*movers)[2]; /* of each part, that content is sent and received by; made with the first */
};

struct spanning_queue {
    struct spanning base;
    cl_uint home; /* its part */
};

struct spanning_program {
    struct spanning base;
    cl_uint device_count;
    cl_device_id *devices;
};

struct spanning_sampler {
    struct spanning base;
};

/* An object with so many parts, all to be made then; NULL without memory. */
void *allocate_spanning(enum what what, size_t size, cl_uint part_count);
/* An object of its context. Its parts are to be made then. NULL without memory. */
void *new_spanning(enum what what, size_t size, struct spanning_context *context);
/* The spanning object that a handle of the application's is, or NULL. */
void *spanning_of(const void *handle, enum what what);
void *part_at(const void *spanning, cl_uint number); /* its part there, or NULL */
void *some_part(const void *spanning);               /* its first part that there is, or NULL */
cl_int why_no_part(const void *spanning);            /* the first code of those that there are not */
cl_int retained(void *spanning, cl_int invalid);     /* of clRetain...: `invalid` without an object */

/* For each part of a spanning object that there is. */
#define FOR_PARTS(number, whole)                                                                   \
    for (cl_uint number = 0; number < ((struct spanning *)(whole))->context->part_count; number++) \
        if (part_at(whole, number))

/* ---- contexts and devices ---------------------------------------------------------------------------------- */

/* clCreateContext, where the devices are of several sessions; what it is given has been checked. */
cl_context create_spanning_context(const cl_context_properties *properties, cl_uint count,
                                   const cl_device_id *devices, context_callback notify, void *user_data,
                                   cl_int *errcode_ret);
void release_spanning_context(struct spanning_context *context);
struct session *session_at(const struct spanning_context *context, cl_uint part);
int part_of_device(const struct spanning_context *context, cl_device_id device); /* -1 if it is of none */
/* Send what is gathered for all sessions: what is waited for in one may wait for another. */
void flush_parts(const struct spanning_context *context);
/* The queue of a part that content is sent or received by; NULL, and why. */
cl_command_queue mover_at(struct spanning_context *context, cl_uint part, bool is_sender, cl_int *code);

void release_spanning_queue(struct spanning_queue *queue);
void release_spanning_program(struct spanning_program *program);

#endif
