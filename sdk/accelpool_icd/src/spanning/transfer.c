/* Commands on buffers. */
#include "command.h"

cl_int spanning_clEnqueueReadBuffer(cl_command_queue queue, cl_mem buffer, cl_bool is_blocking, size_t offset,
                                    size_t size, void *pointer, cl_uint wait_count, const cl_event *wait_list,
                                    cl_event *event) {
    struct spanning_command c;
    if (open_command(&c, queue, wait_count, wait_list, event != NULL)) {
        cl_mem own = use(&c, buffer, READS);
        c.is_blocking = is_blocking;
        if (occupy(&c)) {
            c.code = clEnqueueReadBuffer(c.queue, own, CL_FALSE, offset, size, pointer, ORDER(c));
        }
    }
    return close_command(&c, event);
}

cl_int spanning_clEnqueueWriteBuffer(cl_command_queue queue, cl_mem buffer, cl_bool is_blocking, size_t offset,
                                     size_t size, const void *pointer, cl_uint wait_count, const cl_event *wait_list,
                                     cl_event *event) {
    (void)is_blocking; /* the bytes have left when this returns */
    struct spanning_command c;
    if (open_command(&c, queue, wait_count, wait_list, event != NULL)) {
        cl_mem own = use(&c, buffer, writing(buffer, offset, size));
        if (occupy(&c)) {
            c.code = clEnqueueWriteBuffer(c.queue, own, CL_FALSE, offset, size, pointer, ORDER(c));
        }
    }
    return close_command(&c, event);
}

cl_int spanning_clEnqueueReadBufferRect(cl_command_queue queue, cl_mem buffer, cl_bool is_blocking,
                                        const size_t *buffer_origin, const size_t *host_origin, const size_t *region,
                                        size_t buffer_row_pitch, size_t buffer_slice_pitch, size_t host_row_pitch,
                                        size_t host_slice_pitch, void *pointer, cl_uint wait_count,
                                        const cl_event *wait_list, cl_event *event) {
    struct spanning_command c;
    if (open_command(&c, queue, wait_count, wait_list, event != NULL)) {
        cl_mem own = use(&c, buffer, READS);
        c.is_blocking = is_blocking;
        if (occupy(&c)) {
            c.code =
                clEnqueueReadBufferRect(c.queue, own, CL_FALSE, buffer_origin, host_origin, region, buffer_row_pitch,
                                        buffer_slice_pitch, host_row_pitch, host_slice_pitch, pointer, ORDER(c));
        }
    }
    return close_command(&c, event);
}

cl_int spanning_clEnqueueWriteBufferRect(cl_command_queue queue, cl_mem buffer, cl_bool is_blocking,
                                         const size_t *buffer_origin, const size_t *host_origin, const size_t *region,
                                         size_t buffer_row_pitch, size_t buffer_slice_pitch, size_t host_row_pitch,
                                         size_t host_slice_pitch, const void *pointer, cl_uint wait_count,
                                         const cl_event *wait_list, cl_event *event) {
    (void)is_blocking;
    struct spanning_command c;
    if (open_command(&c, queue, wait_count, wait_list, event != NULL)) {
        cl_mem own = use(&c, buffer, WRITES);
        if (occupy(&c)) {
            c.code =
                clEnqueueWriteBufferRect(c.queue, own, CL_FALSE, buffer_origin, host_origin, region, buffer_row_pitch,
                                         buffer_slice_pitch, host_row_pitch, host_slice_pitch, pointer, ORDER(c));
        }
    }
    return close_command(&c, event);
}

cl_int spanning_clEnqueueCopyBuffer(cl_command_queue queue, cl_mem source, cl_mem target, size_t from, size_t to,
                                    size_t size, cl_uint wait_count, const cl_event *wait_list, cl_event *event) {
    struct spanning_command c;
    if (open_command(&c, queue, wait_count, wait_list, event != NULL)) {
        cl_mem own_source = use(&c, source, READS), own_target = use(&c, target, writing(target, to, size));
        if (occupy(&c)) {
            c.code = clEnqueueCopyBuffer(c.queue, own_source, own_target, from, to, size, ORDER(c));
        }
    }
    return close_command(&c, event);
}

cl_int spanning_clEnqueueCopyBufferRect(cl_command_queue queue, cl_mem source, cl_mem target,
                                        const size_t *source_origin, const size_t *target_origin,
                                        const size_t *region, size_t source_row_pitch, size_t source_slice_pitch,
                                        size_t target_row_pitch, size_t target_slice_pitch, cl_uint wait_count,
                                        const cl_event *wait_list, cl_event *event) {
    struct spanning_command c;
    if (open_command(&c, queue, wait_count, wait_list, event != NULL)) {
        cl_mem own_source = use(&c, source, READS), own_target = use(&c, target, WRITES);
        if (occupy(&c)) {
            c.code = clEnqueueCopyBufferRect(c.queue, own_source, own_target, source_origin, target_origin, region,
                                             source_row_pitch, source_slice_pitch, target_row_pitch,
                                             target_slice_pitch, ORDER(c));
        }
    }
    return close_command(&c, event);
}

cl_int spanning_clEnqueueFillBuffer(cl_command_queue queue, cl_mem buffer, const void *pattern, size_t pattern_bytes,
                                    size_t offset, size_t size, cl_uint wait_count, const cl_event *wait_list,
                                    cl_event *event) {
    struct spanning_command c;
    if (open_command(&c, queue, wait_count, wait_list, event != NULL)) {
        cl_mem own = use(&c, buffer, writing(buffer, offset, size));
        if (occupy(&c)) {
            c.code = clEnqueueFillBuffer(c.queue, own, pattern, pattern_bytes, offset, size, ORDER(c));
        }
    }
    return close_command(&c, event);
}

/* To the host nothing migrates: the content stays in its session, and the event is that of a marker. */
static cl_int mark_migration(struct spanning_command *c) {
    cl_int code = clEnqueueMarkerWithWaitList(c->queue, ORDER(*c));
    if (c->own) {
        c->own->type = CL_COMMAND_MIGRATE_MEM_OBJECTS;
    }
    return code;
}

cl_int spanning_clEnqueueMigrateMemObjects(cl_command_queue queue, cl_uint count, const cl_mem *mems,
                                           cl_mem_migration_flags flags, cl_uint wait_count,
                                           const cl_event *wait_list, cl_event *event) {
    const cl_mem_migration_flags known = CL_MIGRATE_MEM_OBJECT_HOST | CL_MIGRATE_MEM_OBJECT_CONTENT_UNDEFINED;
    enum access access = flags & CL_MIGRATE_MEM_OBJECT_HOST                ? NOTHING
                         : flags & CL_MIGRATE_MEM_OBJECT_CONTENT_UNDEFINED ? DISCARDS
                                                                           : READS;
    struct spanning_command c;
    cl_mem *own = count && mems ? calloc(count, sizeof *own) : NULL;
    if (open_command(&c, queue, wait_count, wait_list, event != NULL)) {
        bool is_valid = count && mems && !(flags & ~known);
        c.code = !is_valid ? CL_INVALID_VALUE : !own ? CL_OUT_OF_HOST_MEMORY : CL_SUCCESS;
        for (cl_uint i = 0; c.code == CL_SUCCESS && i < count; i++) {
            own[i] = use(&c, mems[i], access);
        }
        if (occupy(&c)) {
            c.code = access == NOTHING ? mark_migration(&c)
                                       : clEnqueueMigrateMemObjects(c.queue, count, own, flags, ORDER(c));
        }
    }
    free(own);
    return close_command(&c, event);
}
