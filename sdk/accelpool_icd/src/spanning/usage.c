/* Who used a replica, for migrations to wait for. */
#include "usage.h"

#include "../event.h"

enum { LONGEST = 64 };

static bool grow(void **list, cl_uint *room, cl_uint needed) {
    if (needed <= *room) {
        return true;
    }
    cl_uint larger = needed < 4 ? 4 : 2 * needed;
    void *grown = realloc(*list, larger * sizeof(cl_event));
    if (grown) {
        *list = grown;
        *room = larger;
    }
    return grown != NULL;
}

bool add_wait(struct waits *waits, cl_event event) {
    bool has_room = grow((void **)&waits->events, &waits->room, waits->count + 1);
    if (has_room) {
        waits->events[waits->count++] = event;
    }
    return has_room;
}

void free_waits(struct waits *waits) {
    free(waits->events);
}

static bool is_in_order(cl_command_queue queue) {
    return !(queue->flags & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
}

/* Keep those that are not of a queue. */
static void forget_queue(struct usage *usage, cl_command_queue queue) {
    cl_uint kept = 0;
    for (cl_uint i = 0; i < usage->count; i++) {
        if (usage->events[i]->queue == queue) {
            release_event(usage->events[i]);
        } else {
            usage->events[kept++] = usage->events[i];
        }
    }
    usage->count = kept;
}

static void put_marker(struct usage *usage, cl_command_queue queue) {
    struct waits many = {0};
    cl_event marker;
    bool is_whole = true;
    for (cl_uint i = 0; i < usage->count && is_whole; i++) {
        is_whole = usage->events[i]->queue != queue || add_wait(&many, usage->events[i]);
    }
    if (is_whole && many.count >= LONGEST &&
        clEnqueueMarkerWithWaitList(queue, many.count, many.events, &marker) == CL_SUCCESS) {
        forget_queue(usage, queue);
        usage->events[usage->count++] = marker;
    }
    free_waits(&many);
}

bool reserve_usage(struct usage *usage, cl_command_queue queue) {
    if (usage->count >= LONGEST && !is_in_order(queue)) {
        forget_ended(usage, false);
        put_marker(usage, queue);
    }
    return grow((void **)&usage->events, &usage->room, usage->count + 1);
}

void add_usage(struct usage *usage, cl_event event) {
    if (is_in_order(event->queue)) {
        forget_queue(usage, event->queue);
    }
    retain(event);
    usage->events[usage->count++] = event;
}

void forget_usage(struct usage *usage, cl_event event) {
    for (cl_uint i = 0; i < usage->count; i++) {
        if (usage->events[i] == event) {
            usage->events[i] = usage->events[--usage->count];
            release_event(event);
            return;
        }
    }
}

void forget_ended(struct usage *usage, bool failed_too) {
    cl_uint kept = 0;
    for (cl_uint i = 0; i < usage->count; i++) {
        cl_int status = event_status(usage->events[i]);
        if (status == CL_COMPLETE || (failed_too && status < 0)) {
            release_event(usage->events[i]);
        } else {
            usage->events[kept++] = usage->events[i];
        }
    }
    usage->count = kept;
}

void clear_usage(struct usage *usage) {
    for (cl_uint i = 0; i < usage->count; i++) {
        release_event(usage->events[i]);
    }
    usage->count = 0;
}

bool has_failed(const struct usage *usage) {
    for (cl_uint i = 0; i < usage->count; i++) {
        if (event_status(usage->events[i]) < 0) {
            return true;
        }
    }
    return false;
}

bool add_usage_waits(struct waits *waits, const struct usage *usage) {
    bool has_room = true;
    for (cl_uint i = 0; i < usage->count && has_room; i++) {
        has_room = add_wait(waits, usage->events[i]);
    }
    return has_room;
}
