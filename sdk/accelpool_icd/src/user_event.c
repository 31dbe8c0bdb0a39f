/* What the application brings to events: callbacks, and events that it sets itself. */
#include "event.h"
#include "tags.h"

cl_int clSetEventCallback(cl_event event, cl_int status, event_callback call, void *user_data) {
    if (!is_object(event, AN_EVENT)) {
        return CL_INVALID_EVENT;
    }
    if (!call || (status != CL_COMPLETE && status != CL_RUNNING && status != CL_SUBMITTED)) {
        return CL_INVALID_VALUE;
    }
    struct callback *callback = malloc(sizeof *callback);
    if (!callback) {
        return CL_OUT_OF_HOST_MEMORY;
    }
    *callback = (struct callback){NULL, (void (*)(void))call, status, user_data};
    struct connection *c = event->session->connection;
    watch(event->session, 1, &event);
    pthread_mutex_lock(&c->lock);
    if (c->is_lost && event->status > CL_COMPLETE) {
        complete_event(event, &(struct event_end){.status = CL_DEVICE_NOT_AVAILABLE});
    }
    if (event->status <= CL_COMPLETE || status == CL_SUBMITTED) {
        call_soon(event, callback, event->status <= CL_COMPLETE ? event->status : CL_SUBMITTED);
    } else {
        callback->next = event->callbacks;
        event->callbacks = callback;
        c->unwaited++;
    }
    pthread_mutex_unlock(&c->lock);
    service_wake(c);
    return CL_SUCCESS;
}

cl_event clCreateUserEvent(cl_context context, cl_int *errcode_ret) {
    if (!is_object(context, A_CONTEXT)) {
        return result(errcode_ret, CL_INVALID_CONTEXT, NULL);
    }
    cl_event event = new_object(AN_EVENT, sizeof *event);
    if (!event) {
        return result(errcode_ret, CL_OUT_OF_HOST_MEMORY, NULL);
    }
    struct connection *c = context->session->connection;
    event->session = context->session;
    event->context = context;
    event->type = CL_COMMAND_USER;
    event->status = CL_SUBMITTED;
    event->handle = new_handle(c);
    retain(context);
    atomic_fetch_add(&c->unset_events, 1);
    bool is_good = open_end(event);
    struct writer *w = is_good ? begin(c, CREATE_USER_EVENT, 2) : NULL;
    if (!w) {
        release_event(event);
        return result(errcode_ret, is_good ? CL_OUT_OF_RESOURCES : CL_OUT_OF_HOST_MEMORY, NULL);
    }
    write_uint(w, event->handle);
    write_uint(w, context->handle);
    cl_int code = post(c);
    if (code != CL_SUCCESS) {
        release_event(event);
    }
    return result(errcode_ret, code, event);
}

cl_int clSetUserEventStatus(cl_event event, cl_int status) {
    if (!is_object(event, AN_EVENT) || event->type != CL_COMMAND_USER) {
        return CL_INVALID_EVENT;
    }
    if (status > CL_COMPLETE) {
        return CL_INVALID_VALUE;
    }
    struct connection *c = event->session->connection;
    pthread_mutex_lock(&c->lock);
    bool is_first = !event->is_set;
    event->is_set = true;
    pthread_mutex_unlock(&c->lock);
    if (!is_first) {
        return CL_INVALID_OPERATION;
    }
    struct writer *w = begin(c, SET_USER_EVENT_STATUS, 2);
    if (w) {
        write_uint(w, event->handle);
        write_int(w, status);
        post(c);
        flush(c);
    }
    atomic_fetch_sub(&c->unset_events, 1);
    pthread_mutex_lock(&c->lock);
    complete_event(event, &(struct event_end){.status = status});
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    return w ? CL_SUCCESS : CL_OUT_OF_RESOURCES;
}
