#include "event.h"

#include <string.h>

#include "session.h"
#include "tags.h"

cl_event new_event(cl_command_queue queue, cl_command_type type, bool is_known) {
    cl_event event = new_object(AN_EVENT, sizeof *event);
    if (!event) {
        return NULL;
    }
    event->session = queue->session;
    event->context = queue->context;
    event->queue = queue;
    event->type = type;
    event->status = CL_QUEUED;
    event->handle = is_known ? new_handle(queue->session->connection) : 0;
    retain(queue->context);
    retain(queue);
    return event;
}

static void destroy_event(cl_event event) {
    if (event->handle) {
        release_handle(event->session->connection, event->handle);
    }
    if (event->type == CL_COMMAND_USER && !event->is_set) {
        atomic_fetch_sub(&event->session->connection->unset_events, 1);
    }
    while (event->callbacks) {
        struct callback *callback = event->callbacks;
        event->callbacks = callback->next;
        free(callback);
    }
    if (event->queue) {
        release_queue(event->queue);
    }
    release_context(event->context);
    free_object(event);
}

void release_event(cl_event event) {
    if (release(event)) {
        destroy_event(event);
    }
}

static void destroy_later(struct task *task) {
    destroy_event((cl_event)((char *)task - offsetof(struct _cl_event, last)));
}

void drop_event(cl_event event) {
    if (release(event)) { /* its context may die too, and tell the application: not with the lock held */
        event->last.run = destroy_later;
        service_add(event->session->connection, &event->last);
    }
}

/* ---- callbacks ------------------------------------------------------------------------------------------- */

struct event_call {
    struct task task;
    cl_event event;
    event_callback call;
    cl_int status;
    void *user_data;
};

static void run_event_call(struct task *task) {
    struct event_call *call = (struct event_call *)task;
    call->call(call->event, call->status, call->user_data);
    release_event(call->event);
    free(call);
}

static void call_soon(cl_event event, struct callback *callback, cl_int status) {
    struct event_call *call = malloc(sizeof *call);
    if (call) {
        *call = (struct event_call){{NULL, run_event_call}, event, (event_callback)callback->call,
                                    status < 0 ? status : callback->status, callback->user_data};
        retain(event);
        service_add(event->session->connection, &call->task);
    }
    free(callback);
}

/* ---- ends: with the connection's lock held ---------------------------------------------------------------- */

void complete_event(cl_event event, const struct event_end *end) {
    if (event->status <= CL_COMPLETE) {
        return;
    }
    event->has_times = end->has_times;
    memcpy(event->times, end->times, sizeof event->times);
    atomic_store(&event->status, end->status > 0 ? CL_DEVICE_NOT_AVAILABLE : end->status);
    while (event->callbacks) {
        struct callback *callback = event->callbacks;
        event->callbacks = callback->next;
        event->session->connection->unwaited--;
        call_soon(event, callback, event->status);
    }
}

static cl_event *watched_link(struct session *session, uint64_t handle) {
    cl_event *link = &session->watched[handle % WATCH_BUCKETS];
    while (*link && (*link)->handle != handle) {
        link = &(*link)->next_watched;
    }
    return link;
}

static void watched_is_done(cl_event *link, const struct event_end *end) {
    cl_event event = *link;
    *link = event->next_watched;
    if (!event->is_read) {
        complete_event(event, end);
    }
    drop_event(event);
}

void events_done(struct session *session, const struct event_end *end) {
    cl_event *link = watched_link(session, end->event);
    if (*link) {
        watched_is_done(link, end);
    }
}

struct notice {
    struct task task;
    cl_context context;
    char reason[200];
};

static void run_notice(struct task *task) {
    struct notice *notice = (struct notice *)task;
    notice->context->notify(notice->reason, NULL, 0, notice->context->notify_data);
    release_context(notice->context);
    free(notice);
}

void events_lost(struct session *session) {
    const struct event_end end = {.status = CL_DEVICE_NOT_AVAILABLE};
    for (size_t i = 0; i < WATCH_BUCKETS; i++) {
        while (session->watched[i]) {
            watched_is_done(&session->watched[i], &end);
        }
    }
    for (cl_context context = session->notified; context; context = context->next_notified) {
        struct notice *notice = malloc(sizeof *notice);
        if (notice && !try_retain(context)) {
            free(notice);
        } else if (notice) {
            *notice = (struct notice){{NULL, run_notice}, context, ""};
            memcpy(notice->reason, session->connection->reason, sizeof notice->reason);
            service_add(session->connection, &notice->task);
        }
    }
    session->notified = NULL;
}

/* ---- waiting --------------------------------------------------------------------------------------------- */

cl_int event_status(cl_event event) {
    cl_int status = event->status;
    return status > CL_COMPLETE && event->session->connection->is_lost ? CL_DEVICE_NOT_AVAILABLE : status;
}

/* Enter those events that the worker is to push among the watched; how many, their handles in `handles`. */
static size_t enter_watched(struct session *session, cl_uint count, const cl_event *events, uint64_t *handles) {
    size_t fresh = 0;
    pthread_mutex_lock(&session->connection->lock);
    for (cl_uint i = 0; i < count && !session->connection->is_lost; i++) {
        cl_event event = events[i];
        if (event->status > CL_COMPLETE && !event->is_watched && !event->is_read) {
            event->is_watched = true;
            retain(event);
            cl_event *bucket = &session->watched[event->handle % WATCH_BUCKETS];
            event->next_watched = *bucket;
            *bucket = event;
            handles[fresh++] = event->handle;
        }
    }
    pthread_mutex_unlock(&session->connection->lock);
    return fresh;
}

static cl_int watch(struct session *session, cl_uint count, const cl_event *events) {
    uint64_t few[16], *handles = count <= 16 ? few : malloc(count * sizeof *handles);
    if (!handles) {
        return CL_OUT_OF_HOST_MEMORY;
    }
    size_t fresh = enter_watched(session, count, events, handles);
    struct writer *w = fresh ? begin(session->connection, WATCH_EVENTS, 1) : NULL;
    if (w) {
        write_array(w, fresh);
        for (size_t i = 0; i < fresh; i++) {
            write_uint(w, handles[i]);
        }
        post(session->connection);
    }
    if (handles != few) {
        free(handles);
    }
    return CL_SUCCESS;
}

struct waited {
    cl_uint count;
    const cl_event *events;
};

static bool are_complete(void *what) {
    struct waited *waited = what;
    while (waited->count > 0 && waited->events[waited->count - 1]->status <= CL_COMPLETE) {
        waited->count--;
    }
    return waited->count == 0;
}

cl_int wait_events(cl_uint count, const cl_event *events) {
    struct session *session = events[0]->session;
    struct waited waited = {count, events};
    if (!are_complete(&waited)) {
        cl_int code = watch(session, count, events);
        if (code != CL_SUCCESS) {
            return code;
        }
        flush(session->connection);
        pthread_mutex_lock(&session->connection->lock);
        wait_until(session->connection, are_complete, &waited);
        pthread_mutex_unlock(&session->connection->lock);
    }
    for (cl_uint i = 0; i < count; i++) {
        if (event_status(events[i]) < 0) {
            return CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST;
        }
    }
    return CL_SUCCESS;
}

cl_int clWaitForEvents(cl_uint num_events, const cl_event *event_list) {
    if (num_events == 0 || !event_list) {
        return CL_INVALID_VALUE;
    }
    for (cl_uint i = 0; i < num_events; i++) {
        if (!is_object(event_list[i], AN_EVENT)) {
            return CL_INVALID_EVENT;
        }
        if (event_list[i]->context != event_list[0]->context) {
            return CL_INVALID_CONTEXT;
        }
    }
    return wait_events(num_events, event_list);
}

/* ---- asking ---------------------------------------------------------------------------------------------- */

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
        end->has_times = read_kind(&answer.fields) == KIND_ARRAY && read_array(&answer.fields) == 4;
        for (int i = 0; end->has_times && i < 4; i++) {
            end->times[i] = read_uint(&answer.fields);
        }
    }
    answer_free(&answer);
    return code;
}

static cl_int current_status(cl_event event) {
    cl_int status = event_status(event);
    if (status <= CL_COMPLETE || event->type == CL_COMMAND_USER) {
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
    if (event->is_read) { /* complete once its bytes are here */
        return event_status(event) <= CL_COMPLETE ? event_status(event) : end.status <= CL_COMPLETE ? CL_RUNNING : end.status;
    }
    if (end.status <= CL_COMPLETE) {
        pthread_mutex_lock(&c->lock);
        complete_event(event, &end);
        pthread_mutex_unlock(&c->lock);
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

/* ---- callbacks, user events, references ------------------------------------------------------------------- */

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
    struct writer *w = begin(c, CREATE_USER_EVENT, 2);
    if (!w) {
        release_event(event);
        return result(errcode_ret, CL_OUT_OF_RESOURCES, NULL);
    }
    write_uint(w, event->handle);
    write_uint(w, context->handle);
    return result(errcode_ret, post(c), event);
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

cl_int clRetainEvent(cl_event event) {
    if (!is_object(event, AN_EVENT)) {
        return CL_INVALID_EVENT;
    }
    retain(event);
    return CL_SUCCESS;
}

cl_int clReleaseEvent(cl_event event) {
    if (!is_object(event, AN_EVENT)) {
        return CL_INVALID_EVENT;
    }
    release_event(event);
    return CL_SUCCESS;
}
