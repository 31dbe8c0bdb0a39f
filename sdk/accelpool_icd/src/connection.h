/* A client's end of a session: posts messages, waits for answers, receives bulk bytes into their place.
 *
 * No thread receives by profession: whoever waits becomes the reader, and reads for everybody until it has what it
 * waits for (round trips are what costs, and waking another thread costs more than the loopback). Each connection has
 * one thread of its own, which sleeps nearly always: it flushes what was gathered, reads while something is under way
 * that no thread waits for, and calls the application's callbacks.
 *
 * Locks, in this order: `sending` (what leaves), `lock` (what is awaited; never held while anything blocks),
 * `releasing` (handles given back; taken wherever an object dies). Those of objects come before: spanning/spanning.h.
 */
#ifndef ACCELPOOL_CONNECTION_H
#define ACCELPOOL_CONNECTION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "msgpack.h"
#include "opencl_types.h"

struct limits {
    uint64_t body_bytes, payload_bytes, handles, wait_list, kernel_args, pending, pattern_bytes, staged_bytes;
};

struct connection;

/* An answer that is awaited. Who waits for it owns it, unless it has a `then`, which is called with `lock` held. */
struct pending {
    struct pending *next;
    uint64_t command;
    void (*then)(struct connection *c, struct pending *answered);
    unsigned char *into; /* where the payload goes; NULL: to `payload`, allocated */
    size_t into_bytes;
    bool is_answered;
    bool is_gated; /* it waits for a user event that is not set */
    cl_int code;   /* CL_SUCCESS, the code of a Failed, or CL_OUT_OF_RESOURCES if the session ended */
    int tag;
    unsigned char *body; /* of the answer; `fields` begins at the field after the command */
    struct reader fields;
    unsigned char *payload;
    size_t payload_bytes;
};

struct event_end {
    uint64_t event;
    cl_int status;
    bool has_times;
    cl_ulong times[4];
};

/* What the connection tells its owner; all called with `lock` held. */
struct connection_owner {
    void (*event_done)(void *owner, const struct event_end *end);
    void (*failed)(void *owner, struct text routine, struct text what); /* for people */
    void (*lost)(void *owner);
};

struct task {
    struct task *next;
    void (*run)(struct task *task); /* frees it */
};

struct connection {
    int fd;
    struct limits limits;
    const struct connection_owner *calls;
    void *owner;
    atomic_bool is_lost;
    char reason[200]; /* why; written once, before is_lost */
    atomic_uint_fast64_t next_handle;

    pthread_mutex_t sending;
    struct writer unsent;
    size_t frame; /* where in `unsent` the message being written begins */
    uint64_t command;
    uint64_t sent_ns;

    pthread_mutex_t releasing;
    uint64_t *released;
    size_t released_count, released_room;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_reading; /* whoever set it may use what follows up to `fill_left` without `lock` */
    unsigned char *buffer;
    size_t buffer_bytes, received;
    struct pending *filling; /* whose payload is arriving */
    unsigned char *fill_at;  /* NULL: dropped */
    size_t fill_left;
    int lost_spins, rests;
    int patience_ms; /* of a receive; -1: for ever */

    int waiters, sleepers;
    struct pending *awaited;
    size_t awaited_count, gated_count;
    size_t unwaited;         /* answers and pushes under way that no thread waits for */
    atomic_uint failures;    /* how many were told: what was posted with them may not have been carried out */
    atomic_int open_ends;    /* ends.h: of reads under way, and of user events that are not set */
    atomic_int unset_events; /* user events that are not set: what waits for them may wait for ever */

    pthread_t service;
    int wake_fd;
    atomic_bool is_woken, is_armed, is_ticking;
    struct task *tasks, **last_task;
};

/* handshake.c */

/* Open a session; NULL, and why in `problem`, if that fails. `fields` are those of the Welcome, which are in `body`.
 */
struct connection *connection_open(const char *host, int port, const char *token, struct reader *fields,
                                   unsigned char **body, char *problem, size_t problem_room);
bool connection_start(struct connection *c, const struct connection_owner *calls, void *owner);
void connection_close(struct connection *c);
void connection_hold(struct connection *c);    /* before a fork: what its locks guard is whole then */
void connection_let_go(struct connection *c);  /* after it, in the parent */
void connection_abandon(struct connection *c); /* after it, in the child */

/* connection.c: sending */
void connection_fail(struct connection *c, const char *reason);

uint64_t new_handle(struct connection *c);
void release_handle(struct connection *c, uint64_t handle);

/* Begin a message of so many fields; NULL if the session is lost. `sending` is held until one of the next five ends
 * it. */
struct writer *begin(struct connection *c, int tag, size_t fields);
cl_int post(struct connection *c);
cl_int post_payload(struct connection *c, const void *payload, size_t length);
cl_int call(struct connection *c, struct pending *answer); /* waits; the answer's code. Free it with answer_free */
cl_int call_later(struct connection *c, struct pending *answer); /* the answer's `then` is called */
cl_int abandon(struct connection *c, cl_int code);               /* take it back: the code */
cl_int flush(struct connection *c);
void answer_free(struct pending *answer);

/* inbox.c: receiving */
bool try_receive(struct connection *c); /* what is there, if nobody else reads */
typedef bool (*condition)(void *what);  /* called with `lock` held */
bool wait_until(struct connection *c, condition is_so,
                void *what); /* with `lock` held; false if the session is lost */
void settle_lost(struct connection *c);

/* service.c: the thread of its own */
bool service_start(struct connection *c);
void service_add(struct connection *c, struct task *task); /* with `lock` held */
void service_arm(struct connection *c);                    /* something is gathered: flush it soon. Takes no lock */
void service_wake(struct connection *c);                   /* look again at what there is to do. Takes no lock */

#endif
