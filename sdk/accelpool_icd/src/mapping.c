/* Mapping: a region is read into host memory (the application's, of a buffer that uses it, or some of ours), and
 * written back when it is unmapped, if it was mapped to be written. */
#define _GNU_SOURCE
#include <string.h>

#include "event.h"
#include "image.h"
#include "memory.h"
#include "tags.h"

enum { ALIGNMENT = 128 }; /* of the largest type of OpenCL C */

void free_mapping(struct mapping *mapping) {
    if (mapping->event) { /* lest bytes arrive in memory that is gone */
        wait_events(1, &mapping->event);
        release_event(mapping->event);
    }
    free(mapping->memory);
    free(mapping);
}

static void *align_alloc(size_t bytes) {
    void *memory = NULL;
    return posix_memalign(&memory, ALIGNMENT, bytes) ? NULL : memory;
}

static cl_int check_map(const struct command *command, cl_mem mem, cl_map_flags flags) {
    const cl_map_flags known = CL_MAP_READ | CL_MAP_WRITE | CL_MAP_WRITE_INVALIDATE_REGION;
    bool reads = flags & CL_MAP_READ;
    bool writes = flags & (CL_MAP_WRITE | CL_MAP_WRITE_INVALIDATE_REGION);
    if (mem->context != command->queue->context) {
        return CL_INVALID_CONTEXT;
    }
    if ((flags & ~known) || ((flags & CL_MAP_WRITE_INVALIDATE_REGION) && (flags & (CL_MAP_READ | CL_MAP_WRITE)))) {
        return CL_INVALID_VALUE;
    }
    if ((reads && (mem->flags & (CL_MEM_HOST_WRITE_ONLY | CL_MEM_HOST_NO_ACCESS))) ||
        (writes && (mem->flags & (CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_NO_ACCESS)))) {
        return CL_INVALID_OPERATION;
    }
    return CL_SUCCESS;
}

void enter_mapping(cl_mem mem, struct mapping *mapping) {
    pthread_mutex_lock(&mem->lock);
    mapping->next = mem->mappings;
    mem->mappings = mapping;
    mem->map_count++;
    pthread_mutex_unlock(&mem->lock);
}

struct mapping *take_mapping(cl_mem mem, const void *pointer) {
    pthread_mutex_lock(&mem->lock);
    struct mapping **link = &mem->mappings;
    while (*link && (*link)->pointer != pointer) {
        link = &(*link)->next;
    }
    struct mapping *mapping = *link;
    if (mapping) {
        *link = mapping->next;
        mem->map_count--;
    }
    pthread_mutex_unlock(&mem->lock);
    return mapping;
}

static bool is_for_new_content(cl_map_flags flags) {
    return flags & CL_MAP_WRITE_INVALIDATE_REGION;
}

/* Whether a mapping takes an event: whoever asks for it, or we, to know when it is there. */
static bool wants_event(const cl_event *event, bool is_blocking, cl_map_flags flags) {
    return event || !is_blocking || is_for_new_content(flags);
}

/* Fill a mapping: read its region, or where its content does not matter only take its turn in the queue. */
static cl_int fill(struct command *command, cl_mem mem, struct mapping *mapping, const struct destination *to,
                   bool is_blocking, cl_event *event) {
    bool is_buffer_map = is_buffer(mem), needs_content = !is_for_new_content(mapping->flags);
    int tag = !needs_content ? ENQUEUE_MARKER : is_buffer_map ? ENQUEUE_READ_BUFFER : ENQUEUE_READ_IMAGE;
    cl_int code = CL_SUCCESS;
    struct writer *w = begin_command(command, tag, !needs_content ? 3 : is_buffer_map ? 7 : 6, &code);
    if (!w) {
        return finish(command, code, event);
    }
    if (needs_content) {
        write_uint(w, mem->handle);
        if (is_buffer_map) {
            write_uint(w, mapping->origin[0]);
            write_uint(w, mapping->region[0]);
        } else {
            write_triple(w, mapping->origin);
            write_triple(w, mapping->region);
        }
    }
    write_event(w, command);
    write_wait_list(w, command);
    if (!needs_content) {
        return finish(command, post(command->connection), event);
    }
    if (is_buffer_map) {
        write_bool(w, is_blocking);
    }
    return finish_read(command, to, is_blocking, event);
}

static void *map(struct command *command, cl_mem mem, struct mapping *mapping, const struct destination *to,
                 bool is_blocking, cl_event *event, cl_int *errcode_ret) {
    cl_event own = NULL;
    cl_int code = fill(command, mem, mapping, to, is_blocking, command->event ? &own : NULL);
    if (code == CL_SUCCESS && is_blocking && is_for_new_content(mapping->flags)) {
        code = wait_events(1, &own);
    }
    if (code != CL_SUCCESS) {
        if (own) {
            release_event(own);
        }
        free_mapping(mapping);
        return result(errcode_ret, code, NULL);
    }
    if (!is_blocking) {
        mapping->event = own;
        retain(own);
    }
    if (event) {
        *event = own;
    } else if (own) {
        release_event(own);
    }
    enter_mapping(mem, mapping);
    return result(errcode_ret, CL_SUCCESS, mapping->pointer);
}

void *clEnqueueMapBuffer(cl_command_queue queue, cl_mem buffer, cl_bool is_blocking, cl_map_flags flags,
                         size_t offset, size_t size, cl_uint wait_count, const cl_event *wait_list, cl_event *event,
                         cl_int *errcode_ret) {
    struct command command;
    cl_int code = prepare(&command, queue, CL_COMMAND_MAP_BUFFER, wait_count, wait_list,
                          wants_event(event, is_blocking, flags));
    if (code == CL_SUCCESS) {
        code = is_buffer(buffer) ? check_map(&command, buffer, flags) : CL_INVALID_MEM_OBJECT;
    }
    if (code == CL_SUCCESS && (size == 0 || offset > buffer->size || size > buffer->size - offset)) {
        code = CL_INVALID_VALUE;
    }
    struct mapping *mapping = code == CL_SUCCESS ? calloc(1, sizeof *mapping) : NULL;
    if (mapping) {
        mapping->flags = flags ? flags : CL_MAP_READ;
        mapping->origin[0] = offset;
        mapping->region[0] = size;
        mapping->memory = buffer->host_ptr ? NULL : align_alloc(size);
        mapping->pointer = buffer->host_ptr ? (char *)buffer->host_ptr + offset : mapping->memory;
    }
    if (!mapping || !mapping->pointer) {
        free(mapping);
        code = code == CL_SUCCESS ? CL_OUT_OF_HOST_MEMORY : code;
        return result(errcode_ret, finish(&command, code, NULL), NULL);
    }
    struct destination to = {mapping->pointer, size, 1, 1, size, size};
    return map(&command, buffer, mapping, &to, is_blocking, event, errcode_ret);
}

/* Where a mapped region of an image is: in the host memory that it uses, or in memory of our own without gaps. */
static cl_int place_image(cl_mem image, struct mapping *mapping, struct destination *to) {
    bool is_ours = !image->host_ptr || image->parent;
    mapping->row_pitch = is_ours ? 0 : image->row_pitch;
    mapping->slice_pitch = is_ours ? 0 : image->slice_pitch;
    if (is_ours) {
        size_t pixels = mapping->region[0] * mapping->region[1] * mapping->region[2];
        mapping->pointer = mapping->memory = align_alloc(pixels * image->element_bytes);
    } else {
        bool is_line_array = image->type == CL_MEM_OBJECT_IMAGE1D_ARRAY;
        size_t row = is_line_array ? image->slice_pitch : image->row_pitch;
        mapping->pointer = (char *)image->host_ptr + mapping->origin[0] * image->element_bytes +
                           mapping->origin[1] * row + mapping->origin[2] * image->slice_pitch;
    }
    if (!mapping->pointer) {
        return CL_OUT_OF_HOST_MEMORY;
    }
    return pixels_at_host(image, mapping->region, &mapping->row_pitch, &mapping->slice_pitch, mapping->pointer, to);
}

void *clEnqueueMapImage(cl_command_queue queue, cl_mem image, cl_bool is_blocking, cl_map_flags flags,
                        const size_t *origin, const size_t *region, size_t *row_pitch, size_t *slice_pitch,
                        cl_uint wait_count, const cl_event *wait_list, cl_event *event, cl_int *errcode_ret) {
    struct command command;
    struct destination to;
    cl_int code =
        prepare(&command, queue, CL_COMMAND_MAP_IMAGE, wait_count, wait_list, wants_event(event, is_blocking, flags));
    if (code == CL_SUCCESS) {
        code = is_image(image) ? check_map(&command, image, flags) : CL_INVALID_MEM_OBJECT;
    }
    code = code == CL_SUCCESS ? check_pixels(image, origin, region) : code;
    if (code == CL_SUCCESS && (!row_pitch || (has_slices(image) && !slice_pitch))) {
        code = CL_INVALID_VALUE;
    }
    struct mapping *mapping = code == CL_SUCCESS ? calloc(1, sizeof *mapping) : NULL;
    if (mapping) {
        mapping->flags = flags ? flags : CL_MAP_READ;
        memcpy(mapping->origin, origin, sizeof mapping->origin);
        memcpy(mapping->region, region, sizeof mapping->region);
        code = place_image(image, mapping, &to);
    }
    if (!mapping || code != CL_SUCCESS) {
        free(mapping ? mapping->memory : NULL);
        free(mapping);
        code = code == CL_SUCCESS ? CL_OUT_OF_HOST_MEMORY : code;
        return result(errcode_ret, finish(&command, code, NULL), NULL);
    }
    *row_pitch = mapping->row_pitch;
    if (slice_pitch) {
        *slice_pitch = has_slices(image) ? mapping->slice_pitch : 0;
    }
    return map(&command, image, mapping, &to, is_blocking, event, errcode_ret);
}

static cl_int write_back(struct command *command, cl_mem mem, struct mapping *mapping) {
    struct connection *c = command->connection;
    bool is_of_buffer = is_buffer(mem), is_written = mapping->flags & (CL_MAP_WRITE | CL_MAP_WRITE_INVALIDATE_REGION);
    int tag = !is_written ? ENQUEUE_MARKER : is_of_buffer ? ENQUEUE_WRITE_BUFFER : ENQUEUE_WRITE_IMAGE;
    cl_int code = CL_SUCCESS;
    struct writer *w = begin_command(command, tag, !is_written ? 3 : is_of_buffer ? 5 : 6, &code);
    if (!w) {
        return code;
    }
    if (is_written) {
        write_uint(w, mem->handle);
    }
    if (is_written && is_of_buffer) {
        write_uint(w, mapping->origin[0]);
    } else if (is_written) {
        write_triple(w, mapping->origin);
        write_triple(w, mapping->region);
    }
    write_event(w, command);
    write_wait_list(w, command);
    if (!is_written) {
        return post(c);
    }
    if (is_of_buffer) {
        return post_payload(c, mapping->pointer, mapping->region[0]);
    }
    struct destination from;
    pixels_at_host(mem, mapping->region, &mapping->row_pitch, &mapping->slice_pitch, mapping->pointer, &from);
    return post_region(c, &from);
}

/* Whether the application has seen a mapping's bytes, and may have changed them. It may know that they are there from
 * a later command: then they are on their way at least, and are waited for. */
static bool is_filled(struct mapping *mapping) {
    if (!mapping->event) {
        return true;
    }
    cl_int status = current_status(mapping->event);
    return status >= CL_COMPLETE && status <= CL_RUNNING && wait_events(1, &mapping->event) == CL_SUCCESS;
}

static void bytes_are_there(cl_event event, cl_int status, void *user_data) {
    (void)event, (void)status;
    struct mapping *mapping = user_data;
    cl_mem mem = mapping->mem;
    free_mapping(mapping);
    release_mem(mem);
}

/* What is still to be read into must be there until then. */
static void free_later(cl_mem mem, struct mapping *mapping) {
    mapping->mem = mem;
    retain(mem);
    if (clSetEventCallback(mapping->event, CL_COMPLETE, bytes_are_there, mapping) != CL_SUCCESS) {
        bytes_are_there(mapping->event, 0, mapping);
    }
}

cl_int clEnqueueUnmapMemObject(cl_command_queue queue, cl_mem mem, void *pointer, cl_uint wait_count,
                               const cl_event *wait_list, cl_event *event) {
    struct command command;
    cl_int code = prepare(&command, queue, CL_COMMAND_UNMAP_MEM_OBJECT, wait_count, wait_list, event != NULL);
    if (code == CL_SUCCESS && !is_object(mem, A_MEM)) {
        code = CL_INVALID_MEM_OBJECT;
    }
    if (code == CL_SUCCESS && mem->context != queue->context) {
        code = CL_INVALID_CONTEXT;
    }
    struct mapping *mapping = code == CL_SUCCESS ? take_mapping(mem, pointer) : NULL;
    if (!mapping) {
        return finish(&command, code == CL_SUCCESS ? CL_INVALID_VALUE : code, event);
    }
    if (!is_filled(mapping)) {
        mapping->flags = CL_MAP_READ; /* nothing was mapped that could have been changed */
    }
    code = write_back(&command, mem, mapping);
    if (!mapping->event || mapping->event->status <= CL_COMPLETE) {
        free_mapping(mapping);
    } else {
        free_later(mem, mapping);
    }
    return finish(&command, code, event);
}
