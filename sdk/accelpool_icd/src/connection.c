#define _GNU_SOURCE
#include "connection.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "opencl_constants.h"
#include "stream.h"
#include "tags.h"

enum { HEADER_BYTES = 12, COALESCE_BYTES = 16 * 1024, GATHERED_BYTES = 4096, RELEASE_HANDLES = 4096, ROOM_MS = 20 };

#define COALESCE_NS 200000u

uint64_t new_handle(struct connection *c) {
    return atomic_fetch_add(&c->next_handle, 1);
}

void release_handle(struct connection *c, uint64_t handle) {
    pthread_mutex_lock(&c->releasing);
    if (c->released_count == c->released_room) {
        size_t room = c->released_room ? 2 * c->released_room : 64;
        uint64_t *grown = realloc(c->released, room * sizeof *grown);
        if (grown) {
            c->released = grown;
            c->released_room = room;
        }
    }
    if (c->released_count < c->released_room) { /* without memory the session keeps it until its end */
        c->released[c->released_count++] = handle;
    }
    pthread_mutex_unlock(&c->releasing);
    service_arm(c);
}

void connection_fail(struct connection *c, const char *reason) {
    pthread_mutex_lock(&c->lock);
    if (!c->is_lost) {
        if (!c->reason[0]) {
            snprintf(c->reason, sizeof c->reason, "%s", reason);
        }
        shutdown(c->fd, SHUT_RDWR);
        if (!c->is_reading) { /* else its reader finds out, and does it */
            settle_lost(c);
        }
    }
    pthread_mutex_unlock(&c->lock);
}

/* ---- sending: all with `sending` held -------------------------------------------------------------------- */

/* Whether this thread took the reader's role, so that it may receive while it sends. */
static bool take_reading(struct connection *c) {
    pthread_mutex_lock(&c->lock);
    bool is_free = !c->is_reading;
    c->is_reading = true;
    pthread_mutex_unlock(&c->lock);
    return is_free;
}

static void leave_reading(struct connection *c) {
    pthread_mutex_lock(&c->lock);
    c->is_reading = false;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

/* The socket takes no more: read what has arrived, or both ends may wait for each other for ever. */
static bool await_room(struct connection *c) {
    bool is_reader = take_reading(c);
    int happened = stream_await(c->fd, is_reader ? POLLIN | POLLOUT : POLLOUT, is_reader ? -1 : ROOM_MS);
    if (is_reader) {
        leave_reading(c);
    }
    if (happened > 0 && (happened & POLLIN) && !(happened & POLLOUT)) {
        try_receive(c);
    }
    if (is_reader) {
        service_wake(c); /* it may have looked while somebody read, and nobody does now */
    }
    return happened >= 0 && !c->is_lost;
}

static bool send_all(struct connection *c, struct iovec *parts, size_t count) {
    while (count > 0) {
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
        ssize_t sent = sendmsg(c->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno == EINTR || (errno == EAGAIN && await_room(c))) {
                continue;
            }
            return false;
        }
        size_t left = (size_t)sent;
        while (count > 0 && left >= parts->iov_len) {
            left -= parts->iov_len;
            parts++;
            count--;
        }
        if (count > 0) {
            parts->iov_base = (char *)parts->iov_base + left;
            parts->iov_len -= left;
        }
    }
    return true;
}

static void open_frame(struct connection *c, int tag, size_t fields) {
    c->frame = c->unsent.length;
    write_raw(&c->unsent, (unsigned char[HEADER_BYTES]){0}, HEADER_BYTES);
    write_array(&c->unsent, fields + 1);
    write_uint(&c->unsent, (uint64_t)tag);
}

/* Fill in the message's lengths and count it; if it cannot be sent it is taken back. */
static cl_int close_frame(struct connection *c, uint64_t payload_bytes) {
    struct writer *w = &c->unsent;
    uint64_t body_bytes = w->length - c->frame - HEADER_BYTES;
    if (w->failed || body_bytes > c->limits.body_bytes || payload_bytes > c->limits.payload_bytes) {
        cl_int code = w->failed ? CL_OUT_OF_HOST_MEMORY : CL_OUT_OF_RESOURCES;
        w->failed = false;
        w->length = c->frame;
        return code;
    }
    unsigned char *header = w->bytes + c->frame;
    for (int i = 0; i < 4; i++) {
        header[i] = (unsigned char)(body_bytes >> (8 * i));
    }
    for (int i = 0; i < 8; i++) {
        header[4 + i] = (unsigned char)(payload_bytes >> (8 * i));
    }
    c->command++;
    return CL_SUCCESS;
}

static void append_releases(struct connection *c) {
    pthread_mutex_lock(&c->releasing);
    for (size_t at = 0; at < c->released_count; at += RELEASE_HANDLES) {
        size_t count = c->released_count - at < RELEASE_HANDLES ? c->released_count - at : RELEASE_HANDLES;
        open_frame(c, RELEASE, 1);
        write_array(&c->unsent, count);
        for (size_t i = 0; i < count; i++) {
            write_uint(&c->unsent, c->released[at + i]);
        }
        (void)close_frame(c, 0); /* not sent: the session's end frees them */
    }
    c->released_count = 0;
    pthread_mutex_unlock(&c->releasing);
}

static void transmit(struct connection *c, const void *payload, size_t payload_bytes) {
    if (payload_bytes == 0) {
        append_releases(c);
    }
    struct iovec parts[2] = {{c->unsent.bytes, c->unsent.length}, {(void *)(uintptr_t)payload, payload_bytes}};
    if (c->unsent.length && !c->is_lost && !send_all(c, parts, payload_bytes ? 2 : 1)) {
        connection_fail(c, "the connection to the node broke while sending");
    }
    c->unsent.length = 0;
    c->sent_ns = now_ns();
}

static bool takes_memory(int tag) {
    return tag == CREATE_BUFFER || tag == CREATE_IMAGE || tag == CREATE_SVM;
}

struct writer *begin(struct connection *c, int tag, size_t fields) {
    pthread_mutex_lock(&c->sending);
    if (c->is_lost) {
        pthread_mutex_unlock(&c->sending);
        return NULL;
    }
    if (takes_memory(tag)) {
        append_releases(c); /* what was given back is free for it */
    }
    open_frame(c, tag, fields);
    return &c->unsent;
}

static cl_int done_sending(struct connection *c, cl_int code) {
    if (code == CL_SUCCESS && c->is_lost) {
        code = CL_OUT_OF_RESOURCES;
    }
    pthread_mutex_unlock(&c->sending);
    return code;
}

/* Send what is gathered if it is much, or nothing was sent lately; else soon. */
static void gather(struct connection *c) {
    if (c->unsent.length >= COALESCE_BYTES || now_ns() - c->sent_ns > COALESCE_NS) {
        transmit(c, NULL, 0);
    } else {
        service_arm(c);
    }
}

cl_int post(struct connection *c) {
    cl_int code = close_frame(c, 0);
    if (code == CL_SUCCESS) {
        gather(c);
    }
    return done_sending(c, code);
}

cl_int post_payload(struct connection *c, const void *payload, size_t length) {
    cl_int code = close_frame(c, length);
    if (code != CL_SUCCESS) {
        return done_sending(c, code);
    }
    if (length > GATHERED_BYTES) {
        transmit(c, payload, length);
    } else {
        write_raw(&c->unsent, payload, length);
        if (c->unsent.failed) { /* its header may have left: nothing sensible can follow */
            connection_fail(c, "no memory to send with");
        }
        gather(c);
    }
    return done_sending(c, code);
}

static bool has_room(void *connection) {
    struct connection *c = connection;
    return c->awaited_count < c->limits.pending;
}

/* Whether another read may be under way. Half of what the worker takes is theirs, and besides as many as wait for a
 * user event, nearly up to all of it: these do not come back by themselves. */
static bool has_room_to_read(struct connection *c) {
    size_t most = c->limits.pending - c->limits.pending / 16, half = (c->limits.pending + 1) / 2;
    return c->awaited_count < (half + c->gated_count < most ? half + c->gated_count : most);
}

/* Whether to wait no longer for room: who is to set the user event that all reads wait for may be this thread. */
static bool has_waited_for_room(void *connection) {
    struct connection *c = connection;
    return has_room_to_read(c) || (c->unset_events > 0 && c->gated_count == c->awaited_count);
}

/* Enter an answer among those awaited, before its question leaves: another thread may receive it. */
static cl_int await_answer(struct connection *c, struct pending *answer) {
    cl_int code = CL_SUCCESS;
    answer->is_answered = false;
    answer->code = CL_OUT_OF_RESOURCES;
    pthread_mutex_lock(&c->lock);
    wait_until(c, answer->then ? has_waited_for_room : has_room, c);
    if (c->is_lost || !(answer->then ? has_room_to_read(c) : has_room(c))) {
        code = CL_OUT_OF_RESOURCES;
    } else {
        answer->command = c->command + 1;
        answer->next = c->awaited;
        c->awaited = answer;
        c->awaited_count++;
        c->unwaited += answer->then != NULL;
        c->gated_count += answer->is_gated;
    }
    pthread_mutex_unlock(&c->lock);
    return code;
}

static void forget_answer(struct connection *c, struct pending *answer) {
    pthread_mutex_lock(&c->lock);
    for (struct pending **link = &c->awaited; *link; link = &(*link)->next) {
        if (*link == answer) {
            *link = answer->next;
            c->awaited_count--;
            c->unwaited -= answer->then != NULL;
            c->gated_count -= answer->is_gated;
            break;
        }
    }
    pthread_mutex_unlock(&c->lock);
}

cl_int abandon(struct connection *c, cl_int code) {
    c->unsent.length = c->frame;
    c->unsent.failed = false;
    return done_sending(c, code);
}

static cl_int ask(struct connection *c, struct pending *answer) {
    cl_int code = await_answer(c, answer);
    if (code != CL_SUCCESS) {
        return abandon(c, code);
    }
    code = close_frame(c, 0);
    if (code != CL_SUCCESS) {
        forget_answer(c, answer);
        return done_sending(c, code);
    }
    transmit(c, NULL, 0);
    pthread_mutex_unlock(&c->sending);
    return CL_SUCCESS;
}

static bool is_answered(void *answer) {
    return ((struct pending *)answer)->is_answered;
}

cl_int call(struct connection *c, struct pending *answer) {
    answer->then = NULL;
    cl_int code = ask(c, answer);
    if (code != CL_SUCCESS) {
        return code;
    }
    pthread_mutex_lock(&c->lock);
    wait_until(c, is_answered, answer);
    pthread_mutex_unlock(&c->lock);
    return answer->code;
}

cl_int call_later(struct connection *c, struct pending *answer) {
    cl_int code = ask(c, answer);
    if (code == CL_SUCCESS) {
        service_wake(c);
    }
    return code;
}

void answer_free(struct pending *answer) {
    free(answer->body);
    free(answer->payload);
    answer->body = NULL;
    answer->payload = NULL;
}

cl_int flush(struct connection *c) {
    pthread_mutex_lock(&c->sending);
    transmit(c, NULL, 0);
    return done_sending(c, CL_SUCCESS);
}
