#include "command.h"

#include <string.h>

#include "event.h"

/* What it comes after: kept by its event, if it has one. */
static struct ends *before_it(struct command *command) {
    return command->event ? &command->event->before : &command->before;
}

static cl_int check_wait_list(cl_context context, cl_uint count, const cl_event *list) {
    if ((count == 0) != (list == NULL) || count > context->session->connection->limits.wait_list) {
        return CL_INVALID_EVENT_WAIT_LIST;
    }
    for (cl_uint i = 0; i < count; i++) {
        if (!is_object(list[i], AN_EVENT)) {
            return CL_INVALID_EVENT_WAIT_LIST;
        }
        if (list[i]->context != context) {
            return CL_INVALID_CONTEXT;
        }
    }
    return CL_SUCCESS;
}

/* Find what a command comes after, and note in its queue what comes after it. */
static bool find_ends(cl_command_queue queue, cl_command_type type, cl_uint count, const cl_event *list,
                      struct ends *before) {
    struct connection *c = queue->session->connection;
    if (c->open_ends == 0) {
        return true;
    }
    bool is_in_order = !(queue->flags & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
    bool waits_for_all = is_in_order || (count == 0 && (type == CL_COMMAND_MARKER || type == CL_COMMAND_BARRIER));
    pthread_mutex_lock(&c->lock);
    drop_those_over(&queue->earlier);
    bool is_good = add_ends(before, waits_for_all ? &queue->earlier : &queue->fence);
    for (cl_uint i = 0; i < count; i++) {
        is_good = is_good && add_ends(before, &list[i]->before) && add_end(before, list[i]->end);
    }
    is_good = is_good && add_ends(&queue->earlier, before);
    if (type == CL_COMMAND_BARRIER) {
        clear_ends(&queue->fence);
        is_good = is_good && add_ends(&queue->fence, before);
    }
    pthread_mutex_unlock(&c->lock);
    return is_good;
}

cl_int prepare(struct command *command, cl_command_queue queue, cl_command_type type, cl_uint wait_count,
               const cl_event *wait_list, bool wants_event) {
    *command = (struct command){0};
    if (!is_object(queue, A_QUEUE)) {
        return CL_INVALID_COMMAND_QUEUE;
    }
    cl_int code = check_wait_list(queue->context, wait_count, wait_list);
    if (code != CL_SUCCESS) {
        return code;
    }
    *command = (struct command){queue, queue->session->connection, wait_count, wait_list, NULL, {0}};
    if (wants_event && !(command->event = new_event(queue, type, true))) {
        return CL_OUT_OF_HOST_MEMORY;
    }
    bool is_good = find_ends(queue, type, wait_count, wait_list, before_it(command));
    return is_good ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;
}

struct writer *begin_command(struct command *command, int tag, size_t fields, cl_int *code) {
    struct writer *w = *code == CL_SUCCESS ? begin(command->connection, tag, fields) : NULL;
    if (w) {
        write_uint(w, command->queue->handle);
    } else if (*code == CL_SUCCESS) {
        *code = CL_OUT_OF_RESOURCES;
    }
    return w;
}

void write_event(struct writer *w, const struct command *command) {
    write_uint(w, command->event ? command->event->handle : 0);
}

/* Whether the worker need not be told to wait for it: a read's bytes are here, or its end was told. */
static bool is_over(cl_event event) {
    return event->status == CL_COMPLETE;
}

void write_wait_list(struct writer *w, const struct command *command) {
    size_t count = 0;
    for (cl_uint i = 0; i < command->wait_count; i++) {
        count += !is_over(command->wait_list[i]);
    }
    if (count == 0 && command->wait_count > 0) { /* a marker on nothing would wait for the queue */
        count = 1;
    }
    if (count == 0) {
        write_nil(w);
        return;
    }
    write_array(w, count);
    for (cl_uint i = 0; i < command->wait_count && count > 0; i++) {
        if (!is_over(command->wait_list[i]) || command->wait_count - i <= count) {
            write_uint(w, command->wait_list[i]->handle);
            count--;
        }
    }
}

cl_int finish(struct command *command, cl_int code, cl_event *event) {
    if (code == CL_SUCCESS && event) {
        *event = command->event;
    } else if (command->event) {
        release_event(command->event);
    }
    clear_ends(&command->before);
    return code;
}

/* ---- reads ------------------------------------------------------------------------------------------------ */

bool is_dense(const struct destination *to) {
    return (to->rows == 1 || to->row_pitch == to->row_bytes) &&
           (to->slices == 1 || to->slice_pitch == to->row_bytes * to->rows);
}

static size_t dense_bytes(const struct destination *to) {
    return to->row_bytes * to->rows * to->slices;
}

static void copy_rows(const struct destination *place, unsigned char *dense, bool is_out) {
    for (size_t slice = 0; slice < place->slices; slice++) {
        for (size_t row = 0; row < place->rows; row++) {
            unsigned char *there = place->bytes + slice * place->slice_pitch + row * place->row_pitch;
            memcpy(is_out ? dense : there, is_out ? there : dense, place->row_bytes);
            dense += place->row_bytes;
        }
    }
}

unsigned char *gathered(const struct destination *from) {
    unsigned char *dense = malloc(dense_bytes(from));
    if (dense) {
        copy_rows(from, dense, true);
    }
    return dense;
}

struct read {
    struct pending answer;
    cl_event event; /* NULL of a blocking read */
    struct destination to;
};

static void place_bytes(struct read *read) {
    struct pending *answer = &read->answer;
    if (answer->code != CL_SUCCESS || answer->into) {
        return;
    }
    if (answer->payload && answer->payload_bytes == dense_bytes(&read->to)) {
        copy_rows(&read->to, answer->payload, false);
    } else {
        answer->code = CL_OUT_OF_RESOURCES;
    }
}

static struct event_end read_end(struct read *read) {
    struct event_end end = {.status = read->answer.code};
    struct reader fields = read->answer.fields;
    if (end.status == CL_SUCCESS && read_array(&fields) == 4) {
        end.has_times = true;
        for (int i = 0; i < 4; i++) {
            end.times[i] = read_uint(&fields);
        }
    }
    return end;
}

static void read_is_done(struct connection *c, struct pending *answer) {
    (void)c;
    struct read *read = (struct read *)answer;
    cl_event event = read->event;
    place_bytes(read);
    struct event_end end = read_end(read);
    event->queue->reads_under_way--;
    complete_event(event, &end);
    answer_free(answer);
    free(read);
    drop_event(event);
}

static cl_int read_now(struct command *command, struct read *read) {
    struct connection *c = command->connection;
    cl_int code = call(c, &read->answer);
    place_bytes(read);
    code = code == CL_SUCCESS ? read->answer.code : code;
    pthread_mutex_lock(&c->lock);
    if (code == CL_SUCCESS) {
        wait_until(c, have_arrived, before_it(command));
    }
    if (command->event) {
        struct event_end end = read_end(read);
        complete_event(command->event, &end);
    }
    pthread_mutex_unlock(&c->lock);
    answer_free(&read->answer);
    return code;
}

/* Count a read whose event is this; false without memory. */
static bool enter_read(struct connection *c, cl_event event) {
    pthread_mutex_lock(&c->lock);
    bool is_good = add_end(&event->queue->earlier, event->end);
    event->queue->reads_under_way += is_good;
    pthread_mutex_unlock(&c->lock);
    return is_good;
}

/* It could not be sent: whoever finishes the queue may wait for it already. */
static void leave_read(struct connection *c, cl_event event) {
    pthread_mutex_lock(&c->lock);
    event->queue->reads_under_way--;
    complete_event(event, &(struct event_end){.status = CL_OUT_OF_RESOURCES});
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

static cl_int read_later(struct command *command, const struct read *prepared) {
    struct connection *c = command->connection;
    struct read *read = malloc(sizeof *read);
    cl_event event = command->event;
    if (read && !event && (event = new_event(command->queue, CL_COMMAND_READ_BUFFER, false)) && !open_end(event)) {
        release_event(event);
        event = NULL;
    }
    if (!read || !event || !enter_read(c, event)) {
        if (event && !command->event) {
            release_event(event);
        }
        free(read);
        return abandon(c, CL_OUT_OF_HOST_MEMORY);
    }
    *read = *prepared;
    read->event = event;
    read->answer.then = read_is_done;
    read->answer.is_gated = wait_for_application(before_it(command));
    event->is_read = true;
    retain(event); /* the read's own */
    cl_int code = call_later(c, &read->answer);
    if (code != CL_SUCCESS) {
        leave_read(c, event);
        free(read);
        release_event(event);
    }
    if (!command->event) {
        release_event(event);
    }
    return code;
}

cl_int finish_read(struct command *command, const struct destination *to, bool is_blocking, cl_event *event) {
    struct read read = {.to = *to};
    if (is_dense(to)) {
        read.answer.into = to->bytes;
        read.answer.into_bytes = dense_bytes(to);
    }
    if (command->event && !open_end(command->event)) {
        return finish(command, abandon(command->connection, CL_OUT_OF_HOST_MEMORY), event);
    }
    if (command->event) {
        command->event->is_read = true;
    }
    return finish(command, is_blocking ? read_now(command, &read) : read_later(command, &read), event);
}
