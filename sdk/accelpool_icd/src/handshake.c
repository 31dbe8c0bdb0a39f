/* How a connection begins and ends. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "connection.h"
#include "opencl_constants.h"
#include "stream.h"
#include "tags.h"

enum { HANDSHAKE_MS = 15000 };

static void initialise_locks(struct connection *c) {
    pthread_mutex_init(&c->sending, NULL);
    pthread_mutex_init(&c->releasing, NULL);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
}

static struct connection *connection_new(int fd) {
    struct connection *c = calloc(1, sizeof *c);
    if (!c) {
        close(fd);
        return NULL;
    }
    c->fd = fd;
    c->wake_fd = -1;
    c->patience_ms = HANDSHAKE_MS;
    c->limits = (struct limits){80 * 1024, 0, 1 << 20, 4096, 1024, 256, 128, 1 << 28};
    c->next_handle = 1;
    c->command = UINT64_MAX; /* Hello is 0 */
    c->last_task = &c->tasks;
    initialise_locks(c);
    return c;
}

static cl_int greet(struct connection *c, const char *token, struct pending *answer) {
    struct writer *w = begin(c, HELLO, 4);
    write_array(w, 1);
    write_uint(w, 1);
    write_array(w, 1);
    write_text(w, FEATURE_SVM);
    write_text(w, token);
    write_text(w, "accelpool OpenCL driver");
    return call(c, answer);
}

struct connection *connection_open(const char *host, int port, const char *token, struct reader *fields,
                                   unsigned char **body, char *problem, size_t problem_room) {
    int fd = stream_dial(host, port);
    struct connection *c = fd < 0 ? NULL : connection_new(fd);
    if (!c) {
        snprintf(problem, problem_room, "nobody answers at %s:%d", host, port);
        return NULL;
    }
    struct pending answer = {0};
    cl_int code = greet(c, token, &answer);
    if (code != CL_SUCCESS || answer.tag != WELCOME) {
        snprintf(problem, problem_room, "%s", c->reason);
        answer_free(&answer);
        connection_close(c);
        return NULL;
    }
    *fields = answer.fields;
    *body = answer.body;
    return c;
}

bool connection_start(struct connection *c, const struct connection_owner *calls, void *owner) {
    c->calls = calls;
    c->owner = owner;
    c->patience_ms = -1;
    return service_start(c);
}

void connection_close(struct connection *c) {
    close(c->fd);
    writer_free(&c->unsent);
    free(c->released);
    free(c->buffer);
    free(c);
}

void connection_hold(struct connection *c) {
    pthread_mutex_lock(&c->sending);
    pthread_mutex_lock(&c->lock);
    pthread_mutex_lock(&c->releasing);
}

void connection_let_go(struct connection *c) {
    pthread_mutex_unlock(&c->releasing);
    pthread_mutex_unlock(&c->lock);
    pthread_mutex_unlock(&c->sending);
}

void connection_abandon(struct connection *c) {
    initialise_locks(c); /* whoever held them is not in this process */
    close(c->fd);
    close(c->wake_fd);
    c->fd = c->wake_fd = -1;
    c->is_reading = false;
    c->waiters = c->sleepers = 0;
    settle_lost(c);
}
