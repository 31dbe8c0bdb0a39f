/* What events are asked for. */
#include <string.h>

#include "event.h"
#include "tags.h"

/* Ask the worker how far a command is; the status, or an error. */
static cl_int ask_state(cl_event event, struct event_end *end) {
    struct connection *c = event->session->connection;
    struct writer *w = begin(c, GET_EVENT, 1);
    if (!w) {
        return CL_OUT_OF_RESOURCES;
    }
    write_uint(w, event->handle);
    struct pending answer = {0};
    cl_int code = call(c, &answer);
    if (code == CL_SUCCESS) {
        end->status = (cl_int)read_int(&answer.fields);
        c->failures += end->status < 0;
        end->has_times = read_kind(&answer.fields) == KIND_ARRAY && read_array(&answer.fields) == 4;
        for (int i = 0; end->has_times && i < 4; i++) {
            end->times[i] = read_uint(&answer.fields);
        }
    }
    answer_free(&answer);
    return code;
}

cl_int current_status(cl_event event) {
    cl_int status = event_status(event);
    if (event->status <= CL_COMPLETE || status <= CL_COMPLETE || event->type == CL_COMMAND_USER) {
        return status;
    }
    struct connection *c = event->session->connection;
    if (event->is_read && !event->handle) {
        flush(c);
        try_receive(c);
        return event_status(event);
    }
    struct event_end end = {0};
    if (ask_state(event, &end) != CL_SUCCESS) {
        return event_status(event) > CL_COMPLETE ? CL_DEVICE_NOT_AVAILABLE : event_status(event);
    }
    if (end.status == CL_SUBMITTED && wait_for_application(&event->before)) {
        end.status = CL_QUEUED; /* the worker flushes before it is asked to; the device has it no sooner */
    }
    if (event->is_read) { /* complete once its bytes are here */
        return event_status(event) <= CL_COMPLETE ? event_status(event)
               : end.status <= CL_COMPLETE        ? CL_RUNNING
                                                  : end.status;
    }
    if (end.status <= CL_COMPLETE) {
        pthread_mutex_lock(&c->lock);
        complete_event(event, &end);
        pthread_mutex_unlock(&c->lock);
        return event_status(event);
    }
    return end.status;
}

cl_int clGetEventInfo(cl_event event, cl_event_info name, size_t room, void *value, size_t *size_ret) {
    if (!is_object(event, AN_EVENT)) {
        return CL_INVALID_EVENT;
    }
    switch (name) {
    case CL_EVENT_COMMAND_QUEUE:
        return GIVE(cl_command_queue, event->queue);
    case CL_EVENT_CONTEXT:
        return GIVE(cl_context, event->context);
    case CL_EVENT_COMMAND_TYPE:
        return GIVE(cl_command_type, event->type);
    case CL_EVENT_REFERENCE_COUNT:
        return GIVE(cl_uint, (cl_uint)event->object.references);
    case CL_EVENT_COMMAND_EXECUTION_STATUS:
        return GIVE(cl_int, value ? current_status(event) : 0);
    default:
        return CL_INVALID_VALUE;
    }
}

cl_int clGetEventProfilingInfo(cl_event event, cl_profiling_info name, size_t room, void *value, size_t *size_ret) {
    if (!is_object(event, AN_EVENT)) {
        return CL_INVALID_EVENT;
    }
    if (name < CL_PROFILING_COMMAND_QUEUED || name > CL_PROFILING_COMMAND_COMPLETE) {
        return CL_INVALID_VALUE;
    }
    if (!event->queue || !(event->queue->flags & CL_QUEUE_PROFILING_ENABLE) || current_status(event) != CL_COMPLETE) {
        return CL_PROFILING_INFO_NOT_AVAILABLE;
    }
    struct connection *c = event->session->connection;
    struct event_end end = {0};
    pthread_mutex_lock(&c->lock);
    end.has_times = event->has_times;
    memcpy(end.times, event->times, sizeof end.times);
    pthread_mutex_unlock(&c->lock);
    if (!end.has_times && event->handle) {
        ask_state(event, &end);
    }
    if (!end.has_times) {
        return CL_PROFILING_INFO_NOT_AVAILABLE;
    }
    return GIVE(cl_ulong, end.times[name == CL_PROFILING_COMMAND_COMPLETE ? 3 : name - CL_PROFILING_COMMAND_QUEUED]);
}
