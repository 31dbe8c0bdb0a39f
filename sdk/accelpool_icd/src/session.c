#define _GNU_SOURCE
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "device_info.h"
#include "event.h"
#include "lease.h"
#include "memory.h"
#include "objects.h"
#include "stream.h"
#include "svm.h"
#include "tags.h"

#define RETRY_NS UINT64_C(10000000000)
#define PAUSE_NS 200000000
#define CLOSED_NS UINT64_C(2000000000) /* how long an endpoint that did not let us in is left alone */

/* An endpoint of the lease, and the session there. */
struct place {
    char *node, *environment;
    struct session *session; /* the last that could be opened */
    uint64_t closed_until_ns;
};

static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;
static struct place *places; /* with `opening` */
static size_t place_count;

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
    device->platform_info = take_value(&fields);
    device->info = take_value(&fields);
    keep_facts(device);
    return device;
}

/* Take the features that both sides know; false if one was not offered. */
static bool take_features(struct session *session, struct reader *fields) {
    struct reader features = take_value(fields);
    for (size_t count = read_array(&features); count > 0; count--) {
        struct text name = read_text(&features);
        if (name.length != sizeof FEATURE_SVM - 1 || memcmp(name.chars, FEATURE_SVM, name.length)) {
            return false;
        }
        session->knows_svm = CAN_MIRROR;
    }
    return !features.failed;
}

/* Take what Welcome says: [version, features, session, limits, devices]. */
static bool welcomed(struct session *session, struct reader fields) {
    struct connection *c = session->connection;
    skip_value(&fields);
    if (!take_features(session, &fields)) {
        return false;
    }
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
    free(session->host);
    free(session);
}

/* Connect; a node that cannot answer now is asked again for a while, as the SDK does. */
static struct connection *enter(const struct endpoint *endpoint, struct reader *fields, unsigned char **body,
                                char *problem, size_t room) {
    bool is_secure = endpoint->certificate && *endpoint->certificate;
    if (is_secure && !endpoint->tunnel_port) {
        snprintf(problem, room, "it takes no connection without TLS, which this driver does not do by itself");
        return NULL;
    }
    const char *host = is_secure ? "127.0.0.1" : endpoint->host;
    int port = (int)(is_secure ? endpoint->tunnel_port : endpoint->port);
    uint64_t until = now_ns() + RETRY_NS;
    for (;;) {
        struct connection *c = connection_open(host, port, endpoint->token, fields, body, problem, room);
        if (c || strncmp(problem, "unavailable", 11) || now_ns() + PAUSE_NS > until) {
            return c;
        }
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    }
}

static struct session *session_open(const struct endpoint *endpoint) {
    char problem[200] = "no memory";
    struct session *session = calloc(1, sizeof *session);
    if (!session) {
        return NULL;
    }
    session->node = strdup(endpoint->node);
    session->environment = strdup(endpoint->environment ? endpoint->environment : "");
    session->host = strdup(endpoint->host);
    session->port = (int)endpoint->port;
    struct reader fields;
    session->connection = enter(endpoint, &fields, &session->welcome, problem, sizeof problem);
    if (!session->node || !session->environment || !session->host || !session->connection ||
        !welcomed(session, fields) || !connection_start(session->connection, &CALLS, session)) {
        say(endpoint->node, problem);
        session_free(session);
        return NULL;
    }
    return session;
}

static struct place *place_of(const struct endpoint *endpoint) {
    const char *environment = endpoint->environment ? endpoint->environment : "";
    for (size_t i = 0; i < place_count; i++) {
        if (!strcmp(places[i].node, endpoint->node) && !strcmp(places[i].environment, environment)) {
            return &places[i];
        }
    }
    struct place *grown = realloc(places, (place_count + 1) * sizeof *places);
    if (!grown) {
        return NULL;
    }
    places = grown;
    places[place_count] = (struct place){.node = strdup(endpoint->node), .environment = strdup(environment)};
    if (!places[place_count].node || !places[place_count].environment) {
        free(places[place_count].node);
        free(places[place_count].environment);
        return NULL;
    }
    return &places[place_count++];
}

/* Have a session there if one is to be had. One that was lost stays behind, with the objects that are made of it. */
static void open_place(struct place *place, const struct endpoint *endpoint) {
    bool is_lost = !place->session || place->session->connection->is_lost;
    if (!is_lost || now_ns() < place->closed_until_ns) {
        return;
    }
    struct session *session = session_open(endpoint);
    if (session) {
        place->session = session;
    } else {
        place->closed_until_ns = now_ns() + CLOSED_NS;
    }
}

/* ---- forks ------------------------------------------------------------------------------------------------ */

static void for_each(void (*call)(struct connection *c)) {
    for (size_t i = 0; i < place_count; i++) {
        if (places[i].session) {
            call(places[i].session->connection);
        }
    }
}

/* No other thread may be within a lock, or the child would find what it guards half done, and locked for ever. */
static void before_fork(void) {
    pthread_mutex_lock(&opening);
    hold_handles();
    hold_memories();
    for_each(connection_hold);
}

static void after_fork(void) {
    for_each(connection_let_go);
    let_go_of_memories();
    let_go_of_handles();
    pthread_mutex_unlock(&opening);
}

/* The sessions are the other process's: every use here fails, and nothing is sent. */
static void abandon_all(void) {
    for_each(connection_abandon);
    abandon_memories();
    let_go_of_handles();
    pthread_mutex_init(&opening, NULL);
}

static void at_fork(void) {
    static bool is_set;
    if (!is_set) {
        is_set = !pthread_atfork(before_fork, after_fork, abandon_all);
    }
}

size_t all_sessions(struct session *list[MOST_SESSIONS]) {
    struct lease lease;
    size_t count = 0;
    pthread_mutex_lock(&opening);
    if (lease_read(&lease)) {
        at_fork();
        for (size_t i = 0; i < lease.count; i++) {
            struct place *place = place_of(&lease.endpoints[i]);
            if (place) {
                open_place(place, &lease.endpoints[i]);
            }
        }
    }
    for (size_t i = 0; i < place_count && count < MOST_SESSIONS; i++) {
        if (places[i].session) {
            list[count++] = places[i].session;
        }
    }
    lease_free(&lease);
    pthread_mutex_unlock(&opening);
    return count;
}
