/* Receiving: who waits reads, and cuts what arrives into answers and pushes. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "connection.h"
#include "opencl_constants.h"
#include "stream.h"
#include "tags.h"

enum { HEADER_BYTES = 12, FIRST_BUFFER_BYTES = 64 * 1024, BODY_LIMIT = 64 * 1024 * 1024, MAX_LOST_SPINS = 6 };

#define SPIN_NS 100000u

/* ---- what arrived: with `lock` held --------------------------------------------------------------------- */

static void complete(struct connection *c, struct pending *answer) {
    answer->is_answered = true;
    c->gated_count -= answer->is_gated;
    if (answer->then) {
        c->unwaited--;
        answer->then(c, answer);
    }
}

/* The end of the session: in the reader's role or while nobody has it, so that no bytes arrive any more. */
void settle_lost(struct connection *c) {
    c->is_lost = true;
    if (c->filling) {
        struct pending *answer = c->filling;
        c->filling = NULL;
        answer->code = CL_OUT_OF_RESOURCES;
        complete(c, answer);
    }
    while (c->awaited) {
        struct pending *answer = c->awaited;
        c->awaited = answer->next;
        c->awaited_count--;
        answer->code = CL_OUT_OF_RESOURCES;
        complete(c, answer);
    }
    if (c->calls) {
        c->calls->lost(c->owner);
    }
    pthread_cond_broadcast(&c->changed);
    if (c->wake_fd >= 0) {
        service_wake(c); /* to close the socket */
    }
}

static struct pending *take_awaited(struct connection *c, uint64_t command) {
    for (struct pending **link = &c->awaited; *link; link = &(*link)->next) {
        if ((*link)->command == command) {
            struct pending *answer = *link;
            *link = answer->next;
            c->awaited_count--;
            return answer;
        }
    }
    return NULL;
}

static bool push_event(struct connection *c, struct reader fields) {
    struct event_end end = {.event = read_uint(&fields), .status = (cl_int)read_int(&fields)};
    c->failures += end.status < 0;
    end.has_times = read_array(&fields) == 4;
    for (int i = 0; end.has_times && i < 4; i++) {
        end.times[i] = read_uint(&fields);
    }
    if (!fields.failed && c->calls) {
        c->calls->event_done(c->owner, &end);
    }
    return !fields.failed;
}

/* What a Failed says after its command: its culprit, routine, code and text. */
static cl_int take_failure(struct connection *c, struct reader fields) {
    skip_value(&fields);
    struct text routine = read_text(&fields);
    cl_int code = (cl_int)read_int(&fields);
    struct text what = read_text(&fields);
    c->failures++;
    if (c->calls && !fields.failed) {
        c->calls->failed(c->owner, routine, what);
    }
    return code < 0 ? code : CL_OUT_OF_RESOURCES;
}

/* The answer that a body is, ready but for its payload; NULL if it answers nothing. */
static struct pending *take_answer(struct connection *c, int tag, struct reader fields, size_t payload_bytes) {
    struct pending *answer = take_awaited(c, tag == WELCOME || tag == REFUSED ? 0 : read_uint(&fields));
    if (!answer || fields.failed) {
        return NULL;
    }
    size_t length = (size_t)(fields.end - fields.at);
    answer->tag = tag;
    answer->code = CL_SUCCESS;
    answer->body = malloc(length + 1);
    answer->fields = (struct reader){answer->body, answer->body + length, !answer->body};
    if (answer->body) {
        memcpy(answer->body, fields.at, length);
    }
    if (tag == FAILED) {
        answer->code = take_failure(c, fields);
    }
    answer->payload_bytes = payload_bytes;
    return answer;
}

static void refuse(struct connection *c, struct reader fields) {
    struct text problem = read_text(&fields);
    struct text detail = read_text(&fields);
    snprintf(c->reason, sizeof c->reason, "%.*s: %.*s", (int)problem.length, problem.chars ? problem.chars : "",
             (int)detail.length, detail.chars ? detail.chars : "");
}

/* Take a body; whether it was one. Its payload's place is known afterwards. */
static bool take_body(struct connection *c, struct reader body, uint64_t payload_bytes) {
    if (read_array(&body) == 0) {
        return false;
    }
    int tag = (int)read_int(&body);
    c->filling = NULL;
    c->fill_at = NULL;
    c->fill_left = (size_t)payload_bytes;
    if (tag == EVENT_DONE) {
        return push_event(c, body);
    }
    if (tag == SESSION_ENDING || tag == REFUSED) {
        refuse(c, body);
        return false;
    }
    struct pending *answer = take_answer(c, tag, body, (size_t)payload_bytes);
    if (!answer) {
        return false;
    }
    if (!payload_bytes) {
        if (answer->into && answer->code == CL_SUCCESS) {
            answer->code = CL_OUT_OF_RESOURCES; /* bytes were asked for */
        }
        complete(c, answer);
        return true;
    }
    if (answer->into ? payload_bytes == answer->into_bytes : payload_bytes < SIZE_MAX) {
        c->fill_at = answer->into ? answer->into : (answer->payload = malloc((size_t)payload_bytes));
    }
    if (!c->fill_at) {
        answer->code = CL_OUT_OF_HOST_MEMORY;
    }
    c->filling = answer;
    return true;
}

static void filled(struct connection *c, size_t length) {
    c->fill_left -= length;
    if (c->fill_at) {
        c->fill_at += length;
    }
    if (c->fill_left == 0 && c->filling) {
        struct pending *answer = c->filling;
        c->filling = NULL;
        complete(c, answer);
    }
}

static uint64_t little_endian(const unsigned char *bytes, int count) {
    uint64_t number = 0;
    for (int i = count - 1; i >= 0; i--) {
        number = number << 8 | bytes[i];
    }
    return number;
}

/* Take whatever is whole in the buffer; false if the stream cannot be trusted any further. */
static bool take_buffered(struct connection *c) {
    size_t at = 0;
    for (;;) {
        size_t left = c->received - at;
        if (c->fill_left > 0) {
            size_t length = left < c->fill_left ? left : c->fill_left;
            if (c->fill_at) {
                memcpy(c->fill_at, c->buffer + at, length);
            }
            filled(c, length);
            at += length;
            if (c->fill_left > 0) {
                break;
            }
            continue;
        }
        if (left < HEADER_BYTES) {
            break;
        }
        uint64_t body_bytes = little_endian(c->buffer + at, 4);
        uint64_t payload_bytes = little_endian(c->buffer + at + 4, 8);
        if (body_bytes == 0 || body_bytes > BODY_LIMIT) {
            return false;
        }
        if (left - HEADER_BYTES < body_bytes) {
            if (body_bytes + HEADER_BYTES > c->buffer_bytes) {
                unsigned char *grown = realloc(c->buffer, body_bytes + HEADER_BYTES);
                if (!grown) {
                    return false;
                }
                c->buffer = grown;
                c->buffer_bytes = body_bytes + HEADER_BYTES;
            }
            break;
        }
        const unsigned char *body = c->buffer + at + HEADER_BYTES;
        at += HEADER_BYTES + body_bytes;
        if (!take_body(c, (struct reader){body, body + body_bytes, false}, payload_bytes)) {
            return false;
        }
    }
    c->received -= at;
    memmove(c->buffer, c->buffer + at, c->received);
    return true;
}

/* ---- reading: in the reader's role, without `lock` -------------------------------------------------------- */

static ssize_t receive_now(struct connection *c) {
    if (c->received == 0 && c->fill_left > 0) {
        if (c->fill_at) {
            return recv(c->fd, c->fill_at, c->fill_left, MSG_DONTWAIT);
        }
        return recv(c->fd, c->buffer, c->fill_left < c->buffer_bytes ? c->fill_left : c->buffer_bytes, MSG_DONTWAIT);
    }
    return recv(c->fd, c->buffer + c->received, c->buffer_bytes - c->received, MSG_DONTWAIT);
}

static bool is_empty(ssize_t count) {
    return count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

/* Try for a while: being woken takes longer than most answers. After spins in vain there are rests, twice as many
 * each time: where processors are few, spinning keeps those from running that are waited for. */
static ssize_t spin(struct connection *c) {
    ssize_t count = receive_now(c);
    if (!is_empty(count)) {
        return count;
    }
    if (c->fill_left > 0) {
        return count;
    }
    if (c->rests > 0) {
        c->rests--;
        return count;
    }
    uint64_t deadline = now_ns() + SPIN_NS;
    while (is_empty(count)) {
        if (now_ns() > deadline) {
            c->lost_spins = c->lost_spins < MAX_LOST_SPINS ? c->lost_spins + 1 : MAX_LOST_SPINS;
            c->rests = (1 << c->lost_spins) - 2;
            errno = EAGAIN;
            return -1;
        }
        sched_yield();
        count = receive_now(c);
    }
    c->lost_spins = 0;
    return count;
}

static bool has_buffer(struct connection *c) {
    if (!c->buffer) {
        c->buffer = malloc(FIRST_BUFFER_BYTES);
        c->buffer_bytes = c->buffer ? FIRST_BUFFER_BYTES : 0;
    }
    return c->buffer != NULL;
}

/* Take what was received, in the reader's role; with `lock` held. */
static bool take(struct connection *c, size_t count) {
    if (c->received == 0 && c->fill_left > 0) {
        filled(c, count);
        return true;
    }
    c->received += count;
    return take_buffered(c);
}

/* Receive something, with `lock` held and given up meanwhile; false if the session is lost. */
static bool receive(struct connection *c, bool may_block) {
    c->is_reading = true;
    pthread_mutex_unlock(&c->lock);
    ssize_t count = -1;
    bool is_alive = has_buffer(c);
    while (is_alive && is_empty(count = may_block ? spin(c) : receive_now(c)) && may_block) {
        is_alive = stream_await(c->fd, POLLIN, c->patience_ms) > 0;
    }
    bool is_nothing = is_alive && is_empty(count);
    pthread_mutex_lock(&c->lock);
    bool is_good = is_alive && (is_nothing || (count > 0 && take(c, (size_t)count)));
    c->is_reading = false;
    if (!is_good && !c->is_lost) {
        if (!c->reason[0]) {
            snprintf(c->reason, sizeof c->reason, "the connection to the node is lost");
        }
        shutdown(c->fd, SHUT_RDWR);
        settle_lost(c);
    }
    if (c->sleepers > 0) {
        pthread_cond_broadcast(&c->changed);
    }
    return is_good;
}

bool try_receive(struct connection *c) {
    pthread_mutex_lock(&c->lock);
    bool is_good = !c->is_lost && (c->is_reading || receive(c, false));
    pthread_mutex_unlock(&c->lock);
    return is_good;
}

bool wait_until(struct connection *c, condition is_so, void *what) {
    bool so = is_so(what);
    if (so || c->is_lost) {
        return so;
    }
    c->waiters++;
    while (!(so = is_so(what)) && !c->is_lost) {
        if (c->is_reading) {
            c->sleepers++;
            pthread_cond_wait(&c->changed, &c->lock);
            c->sleepers--;
        } else {
            receive(c, true);
        }
    }
    c->waiters--;
    if (c->sleepers > 0) {
        pthread_cond_broadcast(&c->changed); /* one of them reads now */
    } else if (c->waiters == 0 && c->unwaited > 0) {
        service_wake(c);
    }
    return so;
}
