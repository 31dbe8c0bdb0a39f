/* Commands on images. */
#include "command.h"

cl_int spanning_clEnqueueReadImage(cl_command_queue queue, cl_mem image, cl_bool is_blocking, const size_t *origin,
                                   const size_t *region, size_t row_pitch, size_t slice_pitch, void *pointer,
                                   cl_uint wait_count, const cl_event *wait_list, cl_event *event) {
    struct spanning_command c;
    if (open_command(&c, queue, wait_count, wait_list, event != NULL)) {
        cl_mem own = use(&c, image, READS);
        c.is_blocking = is_blocking;
        if (occupy(&c)) {
            c.code =
                clEnqueueReadImage(c.queue, own, CL_FALSE, origin, region, row_pitch, slice_pitch, pointer, ORDER(c));
        }
    }
    return close_command(&c, event);
}

cl_int spanning_clEnqueueWriteImage(cl_command_queue queue, cl_mem image, cl_bool is_blocking, const size_t *origin,
                                    const size_t *region, size_t row_pitch, size_t slice_pitch, const void *pointer,
                                    cl_uint wait_count, const cl_event *wait_list, cl_event *event) {
    (void)is_blocking; /* the bytes have left when this returns */
    struct spanning_command c;
    if (open_command(&c, queue, wait_count, wait_list, event != NULL)) {
        cl_mem own = use(&c, image, WRITES);
        if (occupy(&c)) {
            c.code = clEnqueueWriteImage(c.queue, own, CL_FALSE, origin, region, row_pitch, slice_pitch, pointer,
                                         ORDER(c));
        }
    }
    return close_command(&c, event);
}

cl_int spanning_clEnqueueCopyImage(cl_command_queue queue, cl_mem source, cl_mem target, const size_t *from,
                                   const size_t *to, const size_t *region, cl_uint wait_count,
                                   const cl_event *wait_list, cl_event *event) {
    struct spanning_command c;
    if (open_command(&c, queue, wait_count, wait_list, event != NULL)) {
        cl_mem own_source = use(&c, source, READS), own_target = use(&c, target, WRITES);
        if (occupy(&c)) {
            c.code = clEnqueueCopyImage(c.queue, own_source, own_target, from, to, region, ORDER(c));
        }
    }
    return close_command(&c, event);
}

cl_int spanning_clEnqueueCopyImageToBuffer(cl_command_queue queue, cl_mem image, cl_mem buffer, const size_t *origin,
                                           const size_t *region, size_t offset, cl_uint wait_count,
                                           const cl_event *wait_list, cl_event *event) {
    struct spanning_command c;
    if (open_command(&c, queue, wait_count, wait_list, event != NULL)) {
        cl_mem own_image = use(&c, image, READS), own_buffer = use(&c, buffer, WRITES);
        if (occupy(&c)) {
            c.code = clEnqueueCopyImageToBuffer(c.queue, own_image, own_buffer, origin, region, offset, ORDER(c));
        }
    }
    return close_command(&c, event);
}

cl_int spanning_clEnqueueCopyBufferToImage(cl_command_queue queue, cl_mem buffer, cl_mem image, size_t offset,
                                           const size_t *origin, const size_t *region, cl_uint wait_count,
                                           const cl_event *wait_list, cl_event *event) {
    struct spanning_command c;
    if (open_command(&c, queue, wait_count, wait_list, event != NULL)) {
        cl_mem own_buffer = use(&c, buffer, READS), own_image = use(&c, image, WRITES);
        if (occupy(&c)) {
            c.code = clEnqueueCopyBufferToImage(c.queue, own_buffer, own_image, offset, origin, region, ORDER(c));
        }
    }
    return close_command(&c, event);
}

cl_int spanning_clEnqueueFillImage(cl_command_queue queue, cl_mem image, const void *color, const size_t *origin,
                                   const size_t *region, cl_uint wait_count, const cl_event *wait_list,
                                   cl_event *event) {
    struct spanning_command c;
    if (open_command(&c, queue, wait_count, wait_list, event != NULL)) {
        cl_mem own = use(&c, image, WRITES);
        if (occupy(&c)) {
            c.code = clEnqueueFillImage(c.queue, own, color, origin, region, ORDER(c));
        }
    }
    return close_command(&c, event);
}
