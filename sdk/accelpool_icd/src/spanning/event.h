/* Events of spanning contexts: of a command in its session, where others wait for it a user event in theirs. */
#ifndef ACCELPOOL_SPANNING_EVENT_H
#define ACCELPOOL_SPANNING_EVENT_H

#include "../event.h"
#include "spanning.h"

struct spanning_event {
    struct spanning base;
    cl_uint home;                 /* the session that has the command; of a user event the first */
    struct spanning_queue *queue; /* held; NULL of a user event */
    pthread_mutex_t lock;         /* of the parts that are not at home */
};

/* An event whose part at home is still to come. NULL without memory. */
struct spanning_event *new_spanning_event(struct spanning_context *context, struct spanning_queue *queue);
void release_spanning_event(struct spanning_event *event);
/* What a session's commands wait for in its place; NULL, and why. It lives as long as the event. */
cl_event event_at(struct spanning_event *event, cl_uint part, cl_int *code);
bool is_over(const struct spanning_event *event); /* whether it is known here to be complete, and well */

#endif
