/* Events: how they end, and who is told. */
#ifndef ACCELPOOL_EVENT_H
#define ACCELPOOL_EVENT_H

#include "objects.h"

struct session;

/* A new event of a command; with `is_known` the worker makes one, too, under the same handle. NULL without memory. */
cl_event new_event(cl_command_queue queue, cl_command_type type, bool is_known);

/* Give a read or a user event an end that only this side knows; false without memory. */
bool open_end(cl_event event);

/* All with the connection's lock held: */
void events_done(struct session *session, const struct event_end *end);
void events_lost(struct session *session);
void complete_event(cl_event event, const struct event_end *end);
void drop_event(cl_event event); /* as release_event, whatever dies with it */
void call_soon(cl_event event, struct callback *callback, cl_int status); /* from the connection's own thread */

/* Have the worker push the ends of those events that are not known to be over. */
cl_int watch(struct session *session, cl_uint count, const cl_event *events);
bool is_complete(cl_event event);      /* or failed; with all that it comes after */
cl_int event_status(cl_event event);   /* as far as is known here */
cl_int current_status(cl_event event); /* the worker is asked; of a read once its bytes are here */
cl_int wait_events(cl_uint count, const cl_event *events); /* all of one session */

#endif
