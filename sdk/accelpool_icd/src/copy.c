/* Commands on buffers alone: copies, fills, migrations. */
#include <string.h>

#include "memory.h"
#include "tags.h"
#include "transfer.h"

static cl_int check_pair(const struct command *command, cl_mem source, cl_mem target) {
    if (!is_buffer(source) || !is_buffer(target)) {
        return CL_INVALID_MEM_OBJECT;
    }
    bool is_same = source->context == command->queue->context && target->context == command->queue->context;
    return is_same ? CL_SUCCESS : CL_INVALID_CONTEXT;
}

static cl_int check_copy(const struct command *command, cl_mem source, cl_mem target, size_t from, size_t to,
                         size_t size) {
    cl_int code = check_pair(command, source, target);
    if (code != CL_SUCCESS) {
        return code;
    }
    if (size == 0 || from > source->size || size > source->size - from || to > target->size ||
        size > target->size - to) {
        return CL_INVALID_VALUE;
    }
    size_t first, second;
    bool share_memory = whole_of(source, &first) == whole_of(target, &second);
    first += from;
    second += to;
    return share_memory && first < second + size && second < first + size ? CL_MEM_COPY_OVERLAP : CL_SUCCESS;
}

cl_int clEnqueueCopyBuffer(cl_command_queue queue, cl_mem source, cl_mem target, size_t from, size_t to, size_t size,
                           cl_uint wait_count, const cl_event *wait_list, cl_event *event) {
    struct command command;
    cl_int code = prepare(&command, queue, CL_COMMAND_COPY_BUFFER, wait_count, wait_list, event != NULL);
    if (code == CL_SUCCESS) {
        code = check_copy(&command, source, target, from, to, size);
    }
    struct writer *w = begin_command(&command, ENQUEUE_COPY_BUFFER, 8, &code);
    if (w) {
        write_uint(w, source->handle);
        write_uint(w, target->handle);
        write_uint(w, from);
        write_uint(w, to);
        write_uint(w, size);
        write_event(w, &command);
        write_wait_list(w, &command);
        code = post(command.connection);
    }
    return finish(&command, code, event);
}

static size_t first_byte(const struct rectangle *r) {
    return r->origin[0] + r->origin[1] * r->row_pitch + r->origin[2] * r->slice_pitch;
}

static size_t last_byte(const struct rectangle *r) {
    return first_byte(r) + r->region[0] + (r->region[1] - 1) * r->row_pitch + (r->region[2] - 1) * r->slice_pitch;
}

/* Whether two rectangles of one buffer overlap: of the same pitches if their boxes do, else if their spans do. */
static bool do_overlap(const struct rectangle *one, const struct rectangle *other) {
    if (first_byte(one) >= last_byte(other) || first_byte(other) >= last_byte(one)) {
        return false;
    }
    for (int i = 0; i < 3; i++) {
        if (one->origin[i] >= other->origin[i] + one->region[i] ||
            other->origin[i] >= one->origin[i] + one->region[i]) {
            return false;
        }
    }
    return true;
}

static void write_pitches(struct writer *w, const struct rectangle *r) {
    write_array(w, 2);
    write_uint(w, r->row_pitch);
    write_uint(w, r->slice_pitch);
}

static cl_int check_copy_rect(const struct command *command, cl_mem source, cl_mem target, struct rectangle *from,
                              struct rectangle *to) {
    cl_int code = check_pair(command, source, target);
    code = code == CL_SUCCESS ? check_rectangle(from, source->size) : code;
    code = code == CL_SUCCESS ? check_rectangle(to, target->size) : code;
    size_t source_origin, target_origin;
    bool share_memory = code == CL_SUCCESS && whole_of(source, &source_origin) == whole_of(target, &target_origin);
    if (share_memory && source != target) {
        size_t first = source_origin + first_byte(from), last = source_origin + last_byte(from);
        size_t other_first = target_origin + first_byte(to), other_last = target_origin + last_byte(to);
        return first < other_last && other_first < last ? CL_MEM_COPY_OVERLAP : CL_SUCCESS;
    }
    if (code == CL_SUCCESS && source == target) {
        bool is_same_layout = from->row_pitch == to->row_pitch && from->slice_pitch == to->slice_pitch;
        bool is_apart = first_byte(from) >= last_byte(to) || first_byte(to) >= last_byte(from);
        code = is_same_layout || is_apart ? CL_SUCCESS : CL_INVALID_VALUE;
        code = code == CL_SUCCESS && do_overlap(from, to) ? CL_MEM_COPY_OVERLAP : code;
    }
    return code;
}

cl_int clEnqueueCopyBufferRect(cl_command_queue queue, cl_mem source, cl_mem target, const size_t *source_origin,
                               const size_t *target_origin, const size_t *region, size_t source_row_pitch,
                               size_t source_slice_pitch, size_t target_row_pitch, size_t target_slice_pitch,
                               cl_uint wait_count, const cl_event *wait_list, cl_event *event) {
    struct command command;
    struct rectangle from = {.row_pitch = source_row_pitch, .slice_pitch = source_slice_pitch};
    struct rectangle to = {.row_pitch = target_row_pitch, .slice_pitch = target_slice_pitch};
    cl_int code = prepare(&command, queue, CL_COMMAND_COPY_BUFFER_RECT, wait_count, wait_list, event != NULL);
    if (code == CL_SUCCESS && (!source_origin || !target_origin || !region)) {
        code = CL_INVALID_VALUE;
    }
    if (code == CL_SUCCESS) {
        memcpy(from.origin, source_origin, sizeof from.origin);
        memcpy(to.origin, target_origin, sizeof to.origin);
        memcpy(from.region, region, sizeof from.region);
        memcpy(to.region, region, sizeof to.region);
        code = check_copy_rect(&command, source, target, &from, &to);
    }
    struct writer *w = begin_command(&command, ENQUEUE_COPY_BUFFER_RECT, 10, &code);
    if (w) {
        write_uint(w, source->handle);
        write_uint(w, target->handle);
        write_triple(w, from.origin);
        write_triple(w, to.origin);
        write_triple(w, from.region);
        write_pitches(w, &from);
        write_pitches(w, &to);
        write_event(w, &command);
        write_wait_list(w, &command);
        code = post(command.connection);
    }
    return finish(&command, code, event);
}

static cl_int check_fill(const struct command *command, cl_mem buffer, const void *pattern, size_t pattern_bytes,
                         size_t offset, size_t size) {
    if (!is_buffer(buffer)) {
        return CL_INVALID_MEM_OBJECT;
    }
    if (buffer->context != command->queue->context) {
        return CL_INVALID_CONTEXT;
    }
    bool is_power = pattern_bytes && !(pattern_bytes & (pattern_bytes - 1)) && pattern_bytes <= 128;
    if (!pattern || !is_power || offset % pattern_bytes || size % pattern_bytes || offset > buffer->size ||
        size > buffer->size - offset) {
        return CL_INVALID_VALUE;
    }
    return CL_SUCCESS;
}

cl_int clEnqueueFillBuffer(cl_command_queue queue, cl_mem buffer, const void *pattern, size_t pattern_bytes,
                           size_t offset, size_t size, cl_uint wait_count, const cl_event *wait_list,
                           cl_event *event) {
    struct command command;
    cl_int code = prepare(&command, queue, CL_COMMAND_FILL_BUFFER, wait_count, wait_list, event != NULL);
    if (code == CL_SUCCESS) {
        code = check_fill(&command, buffer, pattern, pattern_bytes, offset, size);
    }
    struct writer *w = NULL;
    if (size == 0) { /* allowed, and nothing to do */
        w = begin_command(&command, ENQUEUE_MARKER, 3, &code);
    } else if ((w = begin_command(&command, ENQUEUE_FILL_BUFFER, 7, &code))) {
        write_uint(w, buffer->handle);
        write_bin(w, pattern, pattern_bytes);
        write_uint(w, offset);
        write_uint(w, size);
    }
    if (w) {
        write_event(w, &command);
        write_wait_list(w, &command);
        code = post(command.connection);
    }
    return finish(&command, code, event);
}

cl_int clEnqueueMigrateMemObjects(cl_command_queue queue, cl_uint count, const cl_mem *mems,
                                  cl_mem_migration_flags flags, cl_uint wait_count, const cl_event *wait_list,
                                  cl_event *event) {
    const cl_mem_migration_flags known = CL_MIGRATE_MEM_OBJECT_HOST | CL_MIGRATE_MEM_OBJECT_CONTENT_UNDEFINED;
    struct command command;
    cl_int code = prepare(&command, queue, CL_COMMAND_MIGRATE_MEM_OBJECTS, wait_count, wait_list, event != NULL);
    if (code == CL_SUCCESS && (count == 0 || !mems || (flags & ~known))) {
        code = CL_INVALID_VALUE;
    }
    for (cl_uint i = 0; code == CL_SUCCESS && i < count; i++) {
        code = !is_object(mems[i], A_MEM)           ? CL_INVALID_MEM_OBJECT
               : mems[i]->context != queue->context ? CL_INVALID_CONTEXT
                                                    : CL_SUCCESS;
    }
    struct writer *w = begin_command(&command, ENQUEUE_MIGRATE_MEM_OBJECTS, 5, &code);
    if (w) {
        write_array(w, count);
        for (cl_uint i = 0; i < count; i++) {
            write_uint(w, mems[i]->handle);
        }
        write_uint(w, flags);
        write_event(w, &command);
        write_wait_list(w, &command);
        code = post(command.connection);
    }
    return finish(&command, code, event);
}
