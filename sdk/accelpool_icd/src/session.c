#define _GNU_SOURCE
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device_info.h"
#include "event.h"
#include "lease.h"
#include "objects.h"

static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;
static struct sessions sessions;

void say(const char *what, const char *why) {
    if (getenv("ACCELPOOL_ICD_VERBOSE")) {
        fprintf(stderr, "accelpool: %s: %s\n", what, why);
    }
}

static void event_done(void *session, const struct event_end *end) {
    events_done(session, end);
}

static void lost(void *owner) {
    struct session *session = owner;
    say(session->node, session->connection->reason);
    events_lost(session);
}

static void failed(void *session, struct text routine, struct text what) {
    (void)session;
    if (getenv("ACCELPOOL_ICD_VERBOSE")) {
        fprintf(stderr, "accelpool: %.*s: %.*s\n", (int)routine.length, routine.chars, (int)what.length, what.chars);
    }
}

static const struct connection_owner CALLS = {event_done, failed, lost};

static cl_device_id new_device(struct session *session, cl_uint place, struct reader *devices) {
    cl_device_id device = new_object(A_DEVICE, sizeof *device);
    struct reader fields = take_value(devices);
    if (!device || read_array(&fields) < 3) {
        free(device);
        return NULL;
    }
    device->session = session;
    device->place = place;
    skip_value(&fields); /* its name on the node */
    skip_value(&fields); /* its platform there */
    device->info = take_value(&fields);
    keep_launch_limits(device);
    return device;
}

/* Take what Welcome says: [version, features, session, limits, devices]. */
static bool welcomed(struct session *session, struct reader fields) {
    struct connection *c = session->connection;
    skip_value(&fields);
    skip_value(&fields);
    struct text id = read_text(&fields);
    struct reader limits = take_value(&fields);
    uint64_t *limit[] = {&c->limits.body_bytes,    &c->limits.payload_bytes, &c->limits.handles,
                         &c->limits.wait_list,     &c->limits.kernel_args,   &c->limits.pending,
                         &c->limits.pattern_bytes, &c->limits.staged_bytes};
    size_t known = read_array(&limits);
    for (size_t i = 0; i < known && i < sizeof limit / sizeof *limit; i++) {
        *limit[i] = read_uint(&limits);
    }
    size_t count = read_array(&fields);
    session->devices = calloc(count + 1, sizeof *session->devices);
    if (fields.failed || limits.failed || !session->devices) {
        return false;
    }
    snprintf(session->id, sizeof session->id, "%.*s", (int)id.length, id.chars);
    for (size_t i = 0; i < count; i++) {
        cl_device_id device = new_device(session, (cl_uint)i, &fields);
        if (!device) {
            return false;
        }
        session->devices[session->device_count++] = device;
    }
    return true;
}

static void session_free(struct session *session) {
    for (cl_uint i = 0; i < session->device_count; i++) {
        free_object(session->devices[i]);
    }
    if (session->connection) {
        connection_close(session->connection);
    }
    free(session->devices);
    free(session->welcome);
    free(session->node);
    free(session->environment);
    free(session);
}

static struct session *session_open(const struct endpoint *endpoint) {
    char problem[200] = "no memory";
    struct session *session = calloc(1, sizeof *session);
    if (!session) {
        return NULL;
    }
    session->node = strdup(endpoint->node);
    session->environment = strdup(endpoint->environment ? endpoint->environment : "");
    struct reader fields;
    session->connection = connection_open(endpoint->host, (int)endpoint->port, endpoint->token, &fields,
                                          &session->welcome, problem, sizeof problem);
    if (!session->node || !session->environment || !session->connection || !welcomed(session, fields) ||
        !connection_start(session->connection, &CALLS, session)) {
        say(endpoint->node, problem);
        session_free(session);
        return NULL;
    }
    return session;
}

static bool is_open(const struct endpoint *endpoint) {
    for (size_t i = 0; i < sessions.count; i++) {
        const struct session *session = sessions.list[i];
        const char *environment = endpoint->environment ? endpoint->environment : "";
        if (!strcmp(session->node, endpoint->node) && !strcmp(session->environment, environment)) {
            return true; /* or it was, and is lost: its devices stay, and are not available */
        }
    }
    return false;
}

/* In a process just forked the sessions are the other one's: every use here fails, and nothing is sent. */
static void abandon_all(void) {
    pthread_mutex_init(&opening, NULL);
    for (size_t i = 0; i < sessions.count; i++) {
        connection_abandon(sessions.list[i]->connection);
    }
    sessions.count = 0; /* the objects stay; the child may open sessions of its own */
    sessions.list = NULL;
}

static void at_fork(void) {
    static bool is_set;
    if (!is_set) {
        is_set = !pthread_atfork(NULL, NULL, abandon_all);
    }
}

const struct sessions *all_sessions(void) {
    struct lease lease;
    pthread_mutex_lock(&opening);
    if (lease_read(&lease)) {
        at_fork();
        for (size_t i = 0; i < lease.count; i++) {
            if (is_open(&lease.endpoints[i])) {
                continue;
            }
            struct session *session = session_open(&lease.endpoints[i]);
            struct session **list = realloc(sessions.list, (sessions.count + 1) * sizeof *list);
            sessions.list = list ? list : sessions.list;
            if (session && list) {
                sessions.list[sessions.count++] = session;
            }
        }
    }
    lease_free(&lease);
    pthread_mutex_unlock(&opening);
    return &sessions;
}
