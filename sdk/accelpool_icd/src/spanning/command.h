/* What all spanning_clEnqueue... have in common: the wait list in the queue's session, the memory there, an event.
 *
 *     struct spanning_command c;
 *     if (open_command(&c, queue, wait_count, wait_list, event != NULL)) {
 *         cl_mem own = use(&c, buffer, READS);
 *         if (occupy(&c)) {
 *             c.code = clEnqueue...(c.queue, own, ..., ORDER(c));
 *         }
 *     }
 *     return close_command(&c, event);
 *
 * From occupy to close_command the memory is locked: who decides later than another sends later.
 */
#ifndef ACCELPOOL_SPANNING_COMMAND_H
#define ACCELPOOL_SPANNING_COMMAND_H

#include "event.h"
#include "replica.h"

struct spanning_command {
    cl_int code;
    struct spanning_queue *of;
    cl_command_queue queue; /* the part of it */
    cl_uint part;
    struct waits waits;
    struct uses uses;
    bool is_occupied;
    bool is_blocking;             /* to be waited for at its close; its part never is */
    struct spanning_event *event; /* NULL if none is wanted */
    cl_event own;                 /* the part's event, once there is one */
    cl_event *own_ret;            /* where it goes; NULL if nobody needs one */
};

/* The last three arguments of the part's function. */
#define ORDER(c) (c).waits.count, (c).waits.events, (c).own_ret

/* All but close_command: whether it went well; else `code` says why not, and nothing more happens. */
bool open_command(struct spanning_command *c, cl_command_queue queue, cl_uint wait_count, const cl_event *wait_list,
                  bool wants_event);
/* The part of a memory object that the command uses; NULL, and it fails, if there is none. */
cl_mem use(struct spanning_command *c, cl_mem mem, enum access access);
bool occupy(struct spanning_command *c);
cl_int close_command(struct spanning_command *c, cl_event *event);

#endif
