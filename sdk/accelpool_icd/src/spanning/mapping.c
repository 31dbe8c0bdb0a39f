/* Mapping: a mapping belongs to the part that filled it, and moves to the one whose queue unmaps it. */
#include "../memory.h"

#include "command.h"

static enum access filling(cl_map_flags flags) {
    return flags & CL_MAP_WRITE_INVALIDATE_REGION ? NOTHING : READS;
}

/* The end of a mapping command: one that was waited for in vain mapped nothing. */
static void *mapped(struct spanning_command *c, cl_mem own, void *pointer, cl_event *event, cl_int *errcode_ret) {
    bool was_sent = c->code == CL_SUCCESS;
    cl_int code = close_command(c, event);
    if (was_sent && code != CL_SUCCESS) {
        struct mapping *mapping = take_mapping(own, pointer);
        if (mapping) {
            free_mapping(mapping);
        }
    }
    return result(errcode_ret, code, pointer);
}

void *spanning_clEnqueueMapBuffer(cl_command_queue queue, cl_mem buffer, cl_bool is_blocking, cl_map_flags flags,
                                  size_t offset, size_t size, cl_uint wait_count, const cl_event *wait_list,
                                  cl_event *event, cl_int *errcode_ret) {
    struct spanning_command c;
    cl_mem own = NULL;
    void *pointer = NULL;
    if (open_command(&c, queue, wait_count, wait_list, event != NULL)) {
        own = use(&c, buffer, filling(flags));
        c.is_blocking = is_blocking;
        if (occupy(&c)) {
            pointer = clEnqueueMapBuffer(c.queue, own, CL_FALSE, flags, offset, size, ORDER(c), &c.code);
        }
    }
    return mapped(&c, own, pointer, event, errcode_ret);
}

void *spanning_clEnqueueMapImage(cl_command_queue queue, cl_mem image, cl_bool is_blocking, cl_map_flags flags,
                                 const size_t *origin, const size_t *region, size_t *row_pitch, size_t *slice_pitch,
                                 cl_uint wait_count, const cl_event *wait_list, cl_event *event,
                                 cl_int *errcode_ret) {
    struct spanning_command c;
    cl_mem own = NULL;
    void *pointer = NULL;
    if (open_command(&c, queue, wait_count, wait_list, event != NULL)) {
        own = use(&c, image, filling(flags));
        c.is_blocking = is_blocking;
        if (occupy(&c)) {
            pointer = clEnqueueMapImage(c.queue, own, CL_FALSE, flags, origin, region, row_pitch, slice_pitch,
                                        ORDER(c), &c.code);
        }
    }
    return mapped(&c, own, pointer, event, errcode_ret);
}

/* The mapping at a pointer, taken from the part that has it; NULL if there is none. */
static struct mapping *taken(struct spanning_mem *mem, const void *pointer) {
    struct mapping *mapping = NULL;
    FOR_PARTS(i, mem) {
        mapping = mapping ? mapping : take_mapping(part_at(mem, i), pointer);
    }
    return mapping;
}

static enum access writing_back(cl_mem mem, const struct mapping *mapping) {
    if (!(mapping->flags & (CL_MAP_WRITE | CL_MAP_WRITE_INVALIDATE_REGION))) {
        return NOTHING;
    }
    bool is_image = ((cl_mem)some_part(mem))->type != CL_MEM_OBJECT_BUFFER;
    return is_image ? WRITES : writing(mem, mapping->origin[0], mapping->region[0]);
}

cl_int spanning_clEnqueueUnmapMemObject(cl_command_queue queue, cl_mem mem, void *pointer, cl_uint wait_count,
                                        const cl_event *wait_list, cl_event *event) {
    struct spanning_command c;
    if (open_command(&c, queue, wait_count, wait_list, event != NULL)) {
        cl_mem own = use(&c, mem, NOTHING);
        struct mapping *mapping = own ? taken((struct spanning_mem *)mem, pointer) : NULL;
        if (own && !mapping) {
            c.code = CL_INVALID_VALUE;
        }
        if (mapping) {
            if (mapping->event) { /* not with the memory locked */
                flush_parts(c.of->base.context);
                wait_events(1, &mapping->event);
            }
            enum access access = writing_back(mem, mapping);
            enter_mapping(own, mapping);
            use(&c, mem, access);
        }
        if (occupy(&c)) {
            c.code = clEnqueueUnmapMemObject(c.queue, own, pointer, ORDER(c));
        }
    }
    return close_command(&c, event);
}
