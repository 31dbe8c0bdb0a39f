#include "event.h"

struct spanning_event *new_spanning_event(struct spanning_context *context, struct spanning_queue *queue) {
    struct spanning_event *event = new_spanning(AN_SPANNING_EVENT, sizeof *event, context);
    if (event) {
        pthread_mutex_init(&event->lock, NULL);
        event->home = queue ? queue->home : 0;
        event->queue = queue;
        if (queue) {
            retain(queue);
        }
    }
    return event;
}

void release_spanning_event(struct spanning_event *event) {
    if (!release(event)) {
        return;
    }
    FOR_PARTS(i, event) {
        release_event(part_at(event, i));
    }
    if (event->queue) {
        release_spanning_queue(event->queue);
    }
    release_spanning_context(event->base.context);
    pthread_mutex_destroy(&event->lock);
    free_object(event);
}

bool is_over(const struct spanning_event *event) {
    return event_status(part_at(event, event->home)) == CL_COMPLETE;
}

/* ---- from session to session -------------------------------------------------------------------------------- */

static void pass_on(cl_event ended, cl_int status, void *user_event) {
    (void)ended;
    clSetUserEventStatus(user_event, status); /* if that session is lost, nobody waits there */
    release_event(user_event);
}

/* A user event that is set once another session's event has ended; NULL, and why. */
static cl_event follower(cl_event event, cl_context context, cl_int *code) {
    cl_event user_event = clCreateUserEvent(context, code);
    if (!user_event) {
        return NULL;
    }
    retain(user_event); /* for pass_on */
    *code = clSetEventCallback(event, CL_COMPLETE, pass_on, user_event);
    if (*code != CL_SUCCESS) {
        release_event(user_event);
        release_event(user_event);
        return NULL;
    }
    return user_event;
}

cl_event event_at(struct spanning_event *event, cl_uint part, cl_int *code) {
    if (part == event->home) {
        return part_at(event, part);
    }
    pthread_mutex_lock(&event->lock);
    if (!part_at(event, part)) {
        cl_context context = part_at(event->base.context, part);
        event->base.parts[part].object = follower(part_at(event, event->home), context, code);
    }
    cl_event found = part_at(event, part);
    pthread_mutex_unlock(&event->lock);
    return found;
}

/* ---- what the application calls ----------------------------------------------------------------------------- */

cl_int spanning_clRetainEvent(cl_event event) {
    return retained(spanning_of(event, AN_SPANNING_EVENT), CL_INVALID_EVENT);
}

cl_int spanning_clReleaseEvent(cl_event handle) {
    struct spanning_event *event = spanning_of(handle, AN_SPANNING_EVENT);
    if (!event) {
        return CL_INVALID_EVENT;
    }
    release_spanning_event(event);
    return CL_SUCCESS;
}

cl_int spanning_clGetEventInfo(cl_event handle, cl_event_info name, size_t room, void *value, size_t *size_ret) {
    struct spanning_event *event = spanning_of(handle, AN_SPANNING_EVENT);
    if (!event) {
        return CL_INVALID_EVENT;
    }
    switch (name) {
    case CL_EVENT_COMMAND_QUEUE:
        return GIVE(cl_command_queue, (cl_command_queue)event->queue);
    case CL_EVENT_CONTEXT:
        return GIVE(cl_context, (cl_context)event->base.context);
    case CL_EVENT_REFERENCE_COUNT:
        return GIVE(cl_uint, (cl_uint)event->base.object.references);
    default:
        return clGetEventInfo(part_at(event, event->home), name, room, value, size_ret);
    }
}

cl_int spanning_clGetEventProfilingInfo(cl_event handle, cl_profiling_info name, size_t room, void *value,
                                        size_t *size_ret) {
    struct spanning_event *event = spanning_of(handle, AN_SPANNING_EVENT);
    if (!event) {
        return CL_INVALID_EVENT;
    }
    return clGetEventProfilingInfo(part_at(event, event->home), name, room, value, size_ret);
}

/* Wait for those events whose commands are in one of the sessions. */
static cl_int wait_at(cl_uint part, cl_uint count, const cl_event *list, cl_event *own) {
    cl_uint own_count = 0;
    for (cl_uint i = 0; i < count; i++) {
        struct spanning_event *event = (struct spanning_event *)list[i];
        if (event->home == part) {
            own[own_count++] = part_at(event, part);
        }
    }
    return own_count ? wait_events(own_count, own) : CL_SUCCESS;
}

cl_int spanning_clWaitForEvents(cl_uint count, const cl_event *list) {
    if (count == 0 || !list) {
        return CL_INVALID_VALUE;
    }
    struct spanning_context *context = NULL;
    for (cl_uint i = 0; i < count; i++) {
        struct spanning_event *event = spanning_of(list[i], AN_SPANNING_EVENT);
        if (!event) {
            return CL_INVALID_EVENT;
        }
        context = context ? context : event->base.context;
        if (event->base.context != context) {
            return CL_INVALID_CONTEXT;
        }
    }
    cl_event *own = malloc(count * sizeof *own);
    if (!own) {
        return CL_OUT_OF_HOST_MEMORY;
    }
    cl_int code = CL_SUCCESS;
    flush_parts(context);
    FOR_PARTS(part, context) {
        cl_int here = wait_at(part, count, list, own);
        code = code == CL_SUCCESS ? here : code;
    }
    free(own);
    return code;
}

struct told {
    struct spanning_event *event;
    event_callback call;
    void *user_data;
};

static void tell(cl_event part, cl_int status, void *told) {
    (void)part;
    struct told *it = told;
    it->call((cl_event)it->event, status, it->user_data);
    release_spanning_event(it->event);
    free(it);
}

cl_int spanning_clSetEventCallback(cl_event handle, cl_int status, event_callback call, void *user_data) {
    struct spanning_event *event = spanning_of(handle, AN_SPANNING_EVENT);
    if (!event) {
        return CL_INVALID_EVENT;
    }
    struct told *told = call ? malloc(sizeof *told) : NULL;
    if (!told) {
        return call ? CL_OUT_OF_HOST_MEMORY : CL_INVALID_VALUE;
    }
    *told = (struct told){event, call, user_data};
    retain(event);
    cl_int code = clSetEventCallback(part_at(event, event->home), status, tell, told);
    if (code != CL_SUCCESS) {
        release_spanning_event(event);
        free(told);
    }
    return code;
}

/* ---- user events: one in each session ----------------------------------------------------------------------- */

cl_event spanning_clCreateUserEvent(cl_context handle, cl_int *errcode_ret) {
    struct spanning_context *context = spanning_of(handle, A_SPANNING_CONTEXT);
    struct spanning_event *event = context ? new_spanning_event(context, NULL) : NULL;
    if (!event) {
        return result(errcode_ret, context ? CL_OUT_OF_HOST_MEMORY : CL_INVALID_CONTEXT, NULL);
    }
    cl_int code = CL_SUCCESS;
    for (cl_uint i = 0; code == CL_SUCCESS && i < context->part_count; i++) {
        event->base.parts[i].object = clCreateUserEvent(part_at(context, i), &code);
    }
    if (code != CL_SUCCESS) {
        release_spanning_event(event);
    }
    return result(errcode_ret, code, event);
}

cl_int spanning_clSetUserEventStatus(cl_event handle, cl_int status) {
    struct spanning_event *event = spanning_of(handle, AN_SPANNING_EVENT);
    if (!event || event->queue) {
        return CL_INVALID_EVENT;
    }
    if (status > CL_COMPLETE) {
        return CL_INVALID_VALUE;
    }
    cl_int code = CL_SUCCESS;
    FOR_PARTS(i, event) {
        cl_int here = clSetUserEventStatus(part_at(event, i), status);
        if (here == CL_INVALID_OPERATION) {
            return here; /* it was set before, everywhere */
        }
        code = code == CL_SUCCESS ? here : code;
    }
    return code;
}
