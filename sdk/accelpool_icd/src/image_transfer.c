/* Reading, writing, copying and filling images. */
#include <string.h>

#include "image.h"
#include "memory.h"
#include "tags.h"

cl_int check_pixels(cl_mem image, const size_t *origin, const size_t *region) {
    if (!origin || !region) {
        return CL_INVALID_VALUE;
    }
    for (int i = 0; i < 3; i++) {
        if (region[i] == 0 || origin[i] > image->extent[i] || region[i] > image->extent[i] - origin[i]) {
            return CL_INVALID_VALUE;
        }
    }
    return CL_SUCCESS;
}

static cl_int check_image(const struct command *command, cl_mem image) {
    if (!is_image(image)) {
        return CL_INVALID_MEM_OBJECT;
    }
    return image->context == command->queue->context ? CL_SUCCESS : CL_INVALID_CONTEXT;
}

static cl_int check_transfer(const struct command *command, cl_mem image, const size_t *origin, const size_t *region,
                             const void *pointer, cl_mem_flags forbidden) {
    cl_int code = check_image(command, image);
    if (code == CL_SUCCESS) {
        code = pointer ? check_pixels(image, origin, region) : CL_INVALID_VALUE;
    }
    return code == CL_SUCCESS && (image->flags & forbidden) ? CL_INVALID_OPERATION : code;
}

static struct writer *begin_pixels(struct command *command, int tag, cl_mem image, const size_t *origin,
                                   const size_t *region, cl_int *code) {
    struct writer *w = begin_command(command, tag, 6, code);
    if (w) {
        write_uint(w, image->handle);
        write_triple(w, origin);
        write_triple(w, region);
        write_event(w, command);
        write_wait_list(w, command);
    }
    return w;
}

cl_int clEnqueueReadImage(cl_command_queue queue, cl_mem image, cl_bool is_blocking, const size_t *origin,
                          const size_t *region, size_t row_pitch, size_t slice_pitch, void *pointer,
                          cl_uint wait_count, const cl_event *wait_list, cl_event *event) {
    struct command command;
    struct destination to;
    cl_int code = prepare(&command, queue, CL_COMMAND_READ_IMAGE, wait_count, wait_list, event != NULL);
    if (code == CL_SUCCESS) {
        code =
            check_transfer(&command, image, origin, region, pointer, CL_MEM_HOST_WRITE_ONLY | CL_MEM_HOST_NO_ACCESS);
    }
    code = code == CL_SUCCESS ? pixels_at_host(image, region, &row_pitch, &slice_pitch, pointer, &to) : code;
    struct writer *w = begin_pixels(&command, ENQUEUE_READ_IMAGE, image, origin, region, &code);
    if (!w) {
        return finish(&command, code, event);
    }
    return finish_read(&command, &to, is_blocking, event);
}

cl_int clEnqueueWriteImage(cl_command_queue queue, cl_mem image, cl_bool is_blocking, const size_t *origin,
                           const size_t *region, size_t row_pitch, size_t slice_pitch, const void *pointer,
                           cl_uint wait_count, const cl_event *wait_list, cl_event *event) {
    (void)is_blocking; /* the bytes have left when this returns */
    struct command command;
    struct destination from;
    cl_int code = prepare(&command, queue, CL_COMMAND_WRITE_IMAGE, wait_count, wait_list, event != NULL);
    if (code == CL_SUCCESS) {
        code =
            check_transfer(&command, image, origin, region, pointer, CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_NO_ACCESS);
    }
    code = code == CL_SUCCESS ? pixels_at_host(image, region, &row_pitch, &slice_pitch, pointer, &from) : code;
    struct writer *w = begin_pixels(&command, ENQUEUE_WRITE_IMAGE, image, origin, region, &code);
    if (w) {
        code = post_region(command.connection, &from);
    }
    return finish(&command, code, event);
}

static bool do_overlap(const size_t *one, const size_t *other, const size_t *region) {
    for (int i = 0; i < 3; i++) {
        if (one[i] >= other[i] + region[i] || other[i] >= one[i] + region[i]) {
            return false;
        }
    }
    return true;
}

static cl_int check_copy(const struct command *command, cl_mem source, cl_mem target, const size_t *from,
                         const size_t *to, const size_t *region) {
    cl_int code = check_image(command, source);
    code = code == CL_SUCCESS ? check_image(command, target) : code;
    if (code == CL_SUCCESS && memcmp(&source->format, &target->format, sizeof source->format)) {
        code = CL_IMAGE_FORMAT_MISMATCH;
    }
    code = code == CL_SUCCESS ? check_pixels(source, from, region) : code;
    code = code == CL_SUCCESS ? check_pixels(target, to, region) : code;
    return code == CL_SUCCESS && source == target && do_overlap(from, to, region) ? CL_MEM_COPY_OVERLAP : code;
}

cl_int clEnqueueCopyImage(cl_command_queue queue, cl_mem source, cl_mem target, const size_t *from, const size_t *to,
                          const size_t *region, cl_uint wait_count, const cl_event *wait_list, cl_event *event) {
    struct command command;
    cl_int code = prepare(&command, queue, CL_COMMAND_COPY_IMAGE, wait_count, wait_list, event != NULL);
    code = code == CL_SUCCESS ? check_copy(&command, source, target, from, to, region) : code;
    struct writer *w = begin_command(&command, ENQUEUE_COPY_IMAGE, 8, &code);
    if (w) {
        write_uint(w, source->handle);
        write_uint(w, target->handle);
        write_triple(w, from);
        write_triple(w, to);
        write_triple(w, region);
        write_event(w, &command);
        write_wait_list(w, &command);
        code = post(command.connection);
    }
    return finish(&command, code, event);
}

/* Between an image and a buffer, whose bytes have no gaps. */
static cl_int check_mixed(const struct command *command, cl_mem image, cl_mem buffer, const size_t *origin,
                          const size_t *region, size_t offset) {
    cl_int code = check_image(command, image);
    if (code == CL_SUCCESS && !is_buffer(buffer)) {
        code = CL_INVALID_MEM_OBJECT;
    }
    if (code == CL_SUCCESS && buffer->context != image->context) {
        code = CL_INVALID_CONTEXT;
    }
    code = code == CL_SUCCESS ? check_pixels(image, origin, region) : code;
    if (code == CL_SUCCESS) {
        size_t bytes = image->element_bytes * region[0] * region[1] * region[2];
        code = offset <= buffer->size && bytes <= buffer->size - offset ? CL_SUCCESS : CL_INVALID_VALUE;
    }
    return code;
}

cl_int clEnqueueCopyImageToBuffer(cl_command_queue queue, cl_mem image, cl_mem buffer, const size_t *origin,
                                  const size_t *region, size_t offset, cl_uint wait_count, const cl_event *wait_list,
                                  cl_event *event) {
    struct command command;
    cl_int code = prepare(&command, queue, CL_COMMAND_COPY_IMAGE_TO_BUFFER, wait_count, wait_list, event != NULL);
    code = code == CL_SUCCESS ? check_mixed(&command, image, buffer, origin, region, offset) : code;
    struct writer *w = begin_command(&command, ENQUEUE_COPY_IMAGE_TO_BUFFER, 8, &code);
    if (w) {
        write_uint(w, image->handle);
        write_uint(w, buffer->handle);
        write_triple(w, origin);
        write_triple(w, region);
        write_uint(w, offset);
        write_event(w, &command);
        write_wait_list(w, &command);
        code = post(command.connection);
    }
    return finish(&command, code, event);
}

cl_int clEnqueueCopyBufferToImage(cl_command_queue queue, cl_mem buffer, cl_mem image, size_t offset,
                                  const size_t *origin, const size_t *region, cl_uint wait_count,
                                  const cl_event *wait_list, cl_event *event) {
    struct command command;
    cl_int code = prepare(&command, queue, CL_COMMAND_COPY_BUFFER_TO_IMAGE, wait_count, wait_list, event != NULL);
    code = code == CL_SUCCESS ? check_mixed(&command, image, buffer, origin, region, offset) : code;
    struct writer *w = begin_command(&command, ENQUEUE_COPY_BUFFER_TO_IMAGE, 8, &code);
    if (w) {
        write_uint(w, buffer->handle);
        write_uint(w, image->handle);
        write_uint(w, offset);
        write_triple(w, origin);
        write_triple(w, region);
        write_event(w, &command);
        write_wait_list(w, &command);
        code = post(command.connection);
    }
    return finish(&command, code, event);
}

cl_int clEnqueueFillImage(cl_command_queue queue, cl_mem image, const void *color, const size_t *origin,
                          const size_t *region, cl_uint wait_count, const cl_event *wait_list, cl_event *event) {
    struct command command;
    cl_int code = prepare(&command, queue, CL_COMMAND_FILL_IMAGE, wait_count, wait_list, event != NULL);
    code = code == CL_SUCCESS ? check_transfer(&command, image, origin, region, color, 0) : code;
    struct writer *w = begin_command(&command, ENQUEUE_FILL_IMAGE, 7, &code);
    if (w) {
        unsigned char bytes[16] = {0};
        memcpy(bytes, color, image->format.image_channel_order == CL_DEPTH ? 4 : 16);
        write_uint(w, image->handle);
        write_bin(w, bytes, sizeof bytes);
        write_triple(w, origin);
        write_triple(w, region);
        write_event(w, &command);
        write_wait_list(w, &command);
        code = post(command.connection);
    }
    return finish(&command, code, event);
}
