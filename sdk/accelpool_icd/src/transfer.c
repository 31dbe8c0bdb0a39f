/* Reading, writing, copying and filling buffers. */
#include "transfer.h"

#include <string.h>

#include "memory.h"
#include "tags.h"

cl_int check_rectangle(struct rectangle *r, size_t bytes) {
    size_t row = 0, slice = 0, last = 0;
    if (!r->region[0] || !r->region[1] || !r->region[2]) {
        return CL_INVALID_VALUE;
    }
    r->row_pitch = r->row_pitch ? r->row_pitch : r->region[0];
    if (__builtin_mul_overflow(r->row_pitch, r->region[1], &row)) {
        return CL_INVALID_VALUE;
    }
    bool has_slices = r->slice_pitch != 0;
    r->slice_pitch = has_slices ? r->slice_pitch : row;
    if (r->row_pitch < r->region[0] || r->slice_pitch < row || (has_slices && r->slice_pitch % r->row_pitch)) {
        return CL_INVALID_VALUE;
    }
    if (__builtin_add_overflow(r->origin[2], r->region[2] - 1, &slice) ||
        __builtin_mul_overflow(slice, r->slice_pitch, &slice) ||
        __builtin_add_overflow(r->origin[1], r->region[1] - 1, &row) ||
        __builtin_mul_overflow(row, r->row_pitch, &row) ||
        __builtin_add_overflow(r->origin[0], r->region[0], &last) || __builtin_add_overflow(last, row, &last) ||
        __builtin_add_overflow(last, slice, &last)) {
        return CL_INVALID_VALUE;
    }
    return last <= bytes ? CL_SUCCESS : CL_INVALID_VALUE;
}

struct destination host_place(const void *pointer, const struct rectangle *r) {
    unsigned char *bytes = (unsigned char *)(uintptr_t)pointer;
    return (struct destination){bytes + r->origin[0] + r->origin[1] * r->row_pitch + r->origin[2] * r->slice_pitch,
                                r->region[0],
                                r->region[1],
                                r->region[2],
                                r->row_pitch,
                                r->slice_pitch};
}

void write_triple(struct writer *w, const size_t *triple) {
    write_array(w, 3);
    for (int i = 0; i < 3; i++) {
        write_uint(w, triple[i]);
    }
}

cl_int post_region(struct connection *c, const struct destination *from) {
    size_t bytes = from->row_bytes * from->rows * from->slices;
    if (is_dense(from)) {
        return post_payload(c, from->bytes, bytes);
    }
    unsigned char *dense = gathered(from);
    if (!dense) {
        return abandon(c, CL_OUT_OF_HOST_MEMORY);
    }
    cl_int code = post_payload(c, dense, bytes);
    free(dense);
    return code;
}

static struct rectangle linear(size_t offset, size_t size) {
    return (struct rectangle){{offset, 0, 0}, {size, 1, 1}, size, size};
}

static cl_int check_buffer(const struct command *command, cl_mem buffer) {
    if (!is_buffer(buffer)) {
        return CL_INVALID_MEM_OBJECT;
    }
    return buffer->context == command->queue->context ? CL_SUCCESS : CL_INVALID_CONTEXT;
}

static bool is_inside(cl_mem buffer, size_t offset, size_t size) {
    return size > 0 && offset <= buffer->size && size <= buffer->size - offset;
}

/* ---- reads and writes -------------------------------------------------------------------------------------- */

static cl_int check_linear(const struct command *command, cl_mem buffer, size_t offset, size_t size,
                           const void *pointer, cl_mem_flags forbidden) {
    cl_int code = check_buffer(command, buffer);
    if (code == CL_SUCCESS && (!pointer || !is_inside(buffer, offset, size))) {
        code = CL_INVALID_VALUE;
    }
    return code == CL_SUCCESS && (buffer->flags & forbidden) ? CL_INVALID_OPERATION : code;
}

cl_int clEnqueueReadBuffer(cl_command_queue queue, cl_mem buffer, cl_bool is_blocking, size_t offset, size_t size,
                           void *pointer, cl_uint wait_count, const cl_event *wait_list, cl_event *event) {
    struct command command;
    cl_int code = prepare(&command, queue, CL_COMMAND_READ_BUFFER, wait_count, wait_list, event != NULL);
    if (code == CL_SUCCESS) {
        code = check_linear(&command, buffer, offset, size, pointer, CL_MEM_HOST_WRITE_ONLY | CL_MEM_HOST_NO_ACCESS);
    }
    struct writer *w = begin_command(&command, ENQUEUE_READ_BUFFER, 7, &code);
    if (!w) {
        return finish(&command, code, event);
    }
    write_uint(w, buffer->handle);
    write_uint(w, offset);
    write_uint(w, size);
    write_event(w, &command);
    write_wait_list(w, &command);
    write_bool(w, is_blocking);
    struct rectangle all = linear(0, size);
    struct destination to = host_place(pointer, &all);
    return finish_read(&command, &to, is_blocking, event);
}

cl_int clEnqueueWriteBuffer(cl_command_queue queue, cl_mem buffer, cl_bool is_blocking, size_t offset, size_t size,
                            const void *pointer, cl_uint wait_count, const cl_event *wait_list, cl_event *event) {
    (void)is_blocking; /* the bytes have left when this returns */
    struct command command;
    cl_int code = prepare(&command, queue, CL_COMMAND_WRITE_BUFFER, wait_count, wait_list, event != NULL);
    if (code == CL_SUCCESS) {
        code = check_linear(&command, buffer, offset, size, pointer, CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_NO_ACCESS);
    }
    struct writer *w = begin_command(&command, ENQUEUE_WRITE_BUFFER, 5, &code);
    if (w) {
        write_uint(w, buffer->handle);
        write_uint(w, offset);
        write_event(w, &command);
        write_wait_list(w, &command);
        code = post_payload(command.connection, pointer, size);
    }
    return finish(&command, code, event);
}

static cl_int check_rectangles(const struct command *command, cl_mem buffer, struct rectangle *there,
                               struct rectangle *here, const void *pointer, cl_mem_flags forbidden) {
    cl_int code = check_buffer(command, buffer);
    if (code == CL_SUCCESS) {
        code = pointer ? check_rectangle(there, buffer->size) : CL_INVALID_VALUE;
    }
    if (code == CL_SUCCESS) {
        code = check_rectangle(here, SIZE_MAX);
    }
    return code == CL_SUCCESS && (buffer->flags & forbidden) ? CL_INVALID_OPERATION : code;
}

static struct rectangle rectangle(const size_t *origin, const size_t *region, size_t row_pitch, size_t slice_pitch) {
    struct rectangle r = {.row_pitch = row_pitch, .slice_pitch = slice_pitch};
    if (origin && region) {
        memcpy(r.origin, origin, sizeof r.origin);
        memcpy(r.region, region, sizeof r.region);
    }
    return r; /* without them it is empty, which is invalid */
}

static void write_rectangle(struct writer *w, cl_mem buffer, const struct rectangle *r,
                            const struct command *command) {
    write_uint(w, buffer->handle);
    write_triple(w, r->origin);
    write_triple(w, r->region);
    write_uint(w, r->row_pitch);
    write_uint(w, r->slice_pitch);
    write_event(w, command);
    write_wait_list(w, command);
}

cl_int clEnqueueReadBufferRect(cl_command_queue queue, cl_mem buffer, cl_bool is_blocking,
                               const size_t *buffer_origin, const size_t *host_origin, const size_t *region,
                               size_t buffer_row_pitch, size_t buffer_slice_pitch, size_t host_row_pitch,
                               size_t host_slice_pitch, void *pointer, cl_uint wait_count, const cl_event *wait_list,
                               cl_event *event) {
    struct command command;
    struct rectangle there = rectangle(buffer_origin, region, buffer_row_pitch, buffer_slice_pitch);
    struct rectangle here = rectangle(host_origin, region, host_row_pitch, host_slice_pitch);
    cl_int code = prepare(&command, queue, CL_COMMAND_READ_BUFFER_RECT, wait_count, wait_list, event != NULL);
    if (code == CL_SUCCESS) {
        code = check_rectangles(&command, buffer, &there, &here, pointer,
                                CL_MEM_HOST_WRITE_ONLY | CL_MEM_HOST_NO_ACCESS);
    }
    struct writer *w = begin_command(&command, ENQUEUE_READ_BUFFER_RECT, 8, &code);
    if (!w) {
        return finish(&command, code, event);
    }
    write_rectangle(w, buffer, &there, &command);
    struct destination to = host_place(pointer, &here);
    return finish_read(&command, &to, is_blocking, event);
}

cl_int clEnqueueWriteBufferRect(cl_command_queue queue, cl_mem buffer, cl_bool is_blocking,
                                const size_t *buffer_origin, const size_t *host_origin, const size_t *region,
                                size_t buffer_row_pitch, size_t buffer_slice_pitch, size_t host_row_pitch,
                                size_t host_slice_pitch, const void *pointer, cl_uint wait_count,
                                const cl_event *wait_list, cl_event *event) {
    (void)is_blocking;
    struct command command;
    struct rectangle there = rectangle(buffer_origin, region, buffer_row_pitch, buffer_slice_pitch);
    struct rectangle here = rectangle(host_origin, region, host_row_pitch, host_slice_pitch);
    cl_int code = prepare(&command, queue, CL_COMMAND_WRITE_BUFFER_RECT, wait_count, wait_list, event != NULL);
    if (code == CL_SUCCESS) {
        code =
            check_rectangles(&command, buffer, &there, &here, pointer, CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_NO_ACCESS);
    }
    struct writer *w = begin_command(&command, ENQUEUE_WRITE_BUFFER_RECT, 8, &code);
    if (w) {
        write_rectangle(w, buffer, &there, &command);
        struct destination from = host_place(pointer, &here);
        code = post_region(command.connection, &from);
    }
    return finish(&command, code, event);
}
