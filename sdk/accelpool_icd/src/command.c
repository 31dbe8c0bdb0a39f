#include "command.h"

#include <string.h>

#include "event.h"

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
    *command = (struct command){queue, queue->session->connection, wait_count, wait_list, NULL};
    if (wants_event) {
        command->event = new_event(queue, type, true);
        return command->event ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;
    }
    return CL_SUCCESS;
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
    cl_int code = call(command->connection, &read->answer);
    place_bytes(read);
    code = code == CL_SUCCESS ? read->answer.code : code;
    if (command->event) {
        struct event_end end = read_end(read);
        pthread_mutex_lock(&command->connection->lock);
        complete_event(command->event, &end);
        pthread_mutex_unlock(&command->connection->lock);
    }
    answer_free(&read->answer);
    return code;
}

static void count_read(struct command *command, int more) {
    pthread_mutex_lock(&command->connection->lock);
    command->queue->reads_under_way += (size_t)more;
    pthread_mutex_unlock(&command->connection->lock);
}

static cl_int read_later(struct command *command, const struct read *prepared) {
    struct connection *c = command->connection;
    struct read *read = malloc(sizeof *read);
    cl_event event = command->event;
    if (read && !event) {
        event = new_event(command->queue, CL_COMMAND_READ_BUFFER, false);
    }
    if (!read || !event) {
        free(read);
        return abandon(c, CL_OUT_OF_HOST_MEMORY);
    }
    *read = *prepared;
    read->event = event;
    read->answer.then = read_is_done;
    event->is_read = true;
    retain(event); /* the read's own */
    count_read(command, 1);
    cl_int code = call_later(c, &read->answer);
    if (code != CL_SUCCESS) {
        count_read(command, -1);
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
    if (command->event) {
        command->event->is_read = true;
    }
    return finish(command, is_blocking ? read_now(command, &read) : read_later(command, &read), event);
}
