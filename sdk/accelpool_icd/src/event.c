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

bool open_end(cl_event event) {
    event->end = new_end(event->type == CL_COMMAND_USER);
    if (event->end) {
        atomic_fetch_add(&event->session->connection->open_ends, 1);
    }
    return event->end != NULL;
}

static void close_end(cl_event event) {
    if (event->end && !atomic_exchange(&event->end->is_over, true)) {
        atomic_fetch_sub(&event->session->connection->open_ends, 1);
    }
}

static void destroy_event(cl_event event) {
    if (event->handle) {
        release_handle(event->session->connection, event->handle);
    }
    if (event->type == CL_COMMAND_USER && !event->is_set) {
        atomic_fetch_sub(&event->session->connection->unset_events, 1);
    }
    close_end(event);
    release_end(event->end);
    clear_ends(&event->before);
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
    if (call->event->status == CL_COMPLETE) {
        struct connection *c = call->event->session->connection;
        pthread_mutex_lock(&c->lock);
        wait_until(c, have_arrived, &call->event->before);
        pthread_mutex_unlock(&c->lock);
    }
    call->call(call->event, call->status, call->user_data);
    release_event(call->event);
    free(call);
}

void call_soon(cl_event event, struct callback *callback, cl_int status) {
    struct event_call *call = malloc(sizeof *call);
    if (call) {
        *call = (struct event_call){{NULL, run_event_call},
                                    event,
                                    (event_callback)callback->call,
                                    status < 0 ? status : callback->status,
                                    callback->user_data};
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
    close_end(event);
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
    bool is_lost = event->session->connection->is_lost;
    if (status == CL_COMPLETE && !is_lost && !have_arrived(&event->before)) {
        return CL_RUNNING;
    }
    return status > CL_COMPLETE && is_lost ? CL_DEVICE_NOT_AVAILABLE : status;
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

cl_int watch(struct session *session, cl_uint count, const cl_event *events) {
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

bool is_complete(cl_event event) {
    cl_int status = event->status;
    return status < CL_COMPLETE || (status == CL_COMPLETE && have_arrived(&event->before));
}

static bool are_complete(void *what) {
    struct waited *waited = what;
    while (waited->count > 0 && is_complete(waited->events[waited->count - 1])) {
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
