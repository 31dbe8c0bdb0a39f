/* Buffers and sub-buffers, and what all memory objects have in common. */
#include "memory.h"

#include <string.h>

#include "../memory.h"

static atomic_uint_fast64_t last_serial;

struct spanning_mem *new_spanning_mem(struct spanning_context *context, struct spanning_mem *parent, size_t origin,
                                      size_t size, bool is_bound) {
    struct replica *replicas = parent || is_bound ? NULL : calloc(context->part_count, sizeof *replicas);
    struct spanning_mem *mem = new_spanning(A_SPANNING_MEM, sizeof *mem, context);
    if (!mem || (!parent && !is_bound && !replicas)) {
        free(replicas);
        if (mem) {
            release_spanning_context(context);
            free(mem);
        }
        return NULL;
    }
    mem->serial = atomic_fetch_add(&last_serial, 1) + 1;
    mem->parent = parent;
    mem->whole = parent ? parent->whole : mem;
    mem->origin = origin + (parent ? parent->origin : 0);
    mem->size = size;
    mem->is_bound = is_bound;
    mem->replicas = replicas;
    mem->owner = -1;
    pthread_mutex_init(&mem->lock, NULL);
    if (parent) {
        retain(parent);
    }
    enter_handle(mem);
    return mem;
}

cl_mem spanning_mem_created(struct spanning_mem *mem, cl_int *errcode_ret) {
    cl_int code = mem ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;
    if (mem && !some_part(mem)) {
        code = why_no_part(mem);
        release_spanning_mem(mem);
    }
    return result(errcode_ret, code, mem);
}

void release_spanning_mem(struct spanning_mem *mem) {
    if (!release(mem)) {
        return;
    }
    remove_handle(mem);
    for (cl_uint i = 0; i < mem->base.context->part_count; i++) {
        cl_mem part = part_at(mem, i);
        while (part && part->mappings) { /* first: they may still be read into what a destructor callback frees */
            free_mapping(take_mapping(part, part->mappings->pointer));
        }
    }
    while (mem->destructors) {
        struct callback *callback = mem->destructors;
        mem->destructors = callback->next;
        ((mem_callback)callback->call)((cl_mem)mem, callback->user_data);
        free(callback);
    }
    free_replicas(mem);
    FOR_PARTS(i, mem) {
        release_mem(part_at(mem, i));
    }
    if (mem->parent) {
        release_spanning_mem(mem->parent);
    }
    release_spanning_context(mem->base.context);
    pthread_mutex_destroy(&mem->lock);
    free_object(mem);
}

/* ---- buffers ------------------------------------------------------------------------------------------------ */

/* Its first content goes to the first session that takes such a buffer. */
static cl_int fill(struct spanning_mem *mem, const void *content) {
    FOR_PARTS(i, mem) {
        mem->replicas[i].is_valid = true;
        mem->owner = (int)i;
        return announce_mem(part_at(mem, i), content);
    }
    return CL_SUCCESS;
}

cl_mem spanning_clCreateBufferWithProperties(cl_context handle, const cl_mem_properties *properties,
                                             cl_mem_flags flags, size_t size, void *host_ptr, cl_int *errcode_ret) {
    struct spanning_context *context = spanning_of(handle, A_SPANNING_CONTEXT);
    if (!context) {
        return result(errcode_ret, CL_INVALID_CONTEXT, NULL);
    }
    struct spanning_mem *mem = new_spanning_mem(context, NULL, 0, size, false);
    for (cl_uint i = 0; mem && i < context->part_count; i++) {
        struct part *part = &mem->base.parts[i];
        part->object =
            clCreateBufferWithProperties(part_at(context, i), properties, flags, size, host_ptr, &part->code);
    }
    cl_int code = mem && host_ptr ? fill(mem, host_ptr) : CL_SUCCESS;
    if (code != CL_SUCCESS) {
        release_spanning_mem(mem);
        return result(errcode_ret, code, NULL);
    }
    return spanning_mem_created(mem, errcode_ret);
}

cl_mem spanning_clCreateBuffer(cl_context context, cl_mem_flags flags, size_t size, void *host_ptr,
                               cl_int *errcode_ret) {
    return spanning_clCreateBufferWithProperties(context, NULL, flags, size, host_ptr, errcode_ret);
}

cl_mem spanning_clCreateSubBuffer(cl_mem handle, cl_mem_flags flags, cl_buffer_create_type type, const void *info,
                                  cl_int *errcode_ret) {
    struct spanning_mem *buffer = spanning_of(handle, A_SPANNING_MEM);
    const cl_buffer_region *region = info;
    if (!buffer || buffer->is_bound) {
        return result(errcode_ret, CL_INVALID_MEM_OBJECT, NULL);
    }
    if (!region) {
        return result(errcode_ret, CL_INVALID_VALUE, NULL);
    }
    struct spanning_mem *mem = new_spanning_mem(buffer->base.context, buffer, region->origin, region->size, false);
    for (cl_uint i = 0; mem && i < buffer->base.context->part_count; i++) {
        struct part *part = &mem->base.parts[i];
        cl_mem over = part_at(buffer, i);
        part->code = buffer->base.parts[i].code;
        part->object = over ? clCreateSubBuffer(over, flags, type, info, &part->code) : NULL;
    }
    return spanning_mem_created(mem, errcode_ret);
}

/* ---- what the application calls ----------------------------------------------------------------------------- */

cl_int spanning_clRetainMemObject(cl_mem mem) {
    return retained(spanning_of(mem, A_SPANNING_MEM), CL_INVALID_MEM_OBJECT);
}

cl_int spanning_clReleaseMemObject(cl_mem handle) {
    struct spanning_mem *mem = spanning_of(handle, A_SPANNING_MEM);
    if (!mem) {
        return CL_INVALID_MEM_OBJECT;
    }
    release_spanning_mem(mem);
    return CL_SUCCESS;
}

cl_int spanning_clSetMemObjectDestructorCallback(cl_mem handle, mem_callback call, void *user_data) {
    struct spanning_mem *mem = spanning_of(handle, A_SPANNING_MEM);
    if (!mem) {
        return CL_INVALID_MEM_OBJECT;
    }
    return add_destructor(&mem->destructors, &mem->lock, (void (*)(void))call, user_data);
}

static cl_uint count_mappings(struct spanning_mem *mem) {
    cl_uint count = 0;
    FOR_PARTS(i, mem) {
        cl_mem part = part_at(mem, i);
        pthread_mutex_lock(&part->lock);
        count += part->map_count;
        pthread_mutex_unlock(&part->lock);
    }
    return count;
}

cl_int spanning_clGetMemObjectInfo(cl_mem handle, cl_mem_info name, size_t room, void *value, size_t *size_ret) {
    struct spanning_mem *mem = spanning_of(handle, A_SPANNING_MEM);
    if (!mem) {
        return CL_INVALID_MEM_OBJECT;
    }
    switch (name) {
    case CL_MEM_MAP_COUNT:
        return GIVE(cl_uint, count_mappings(mem));
    case CL_MEM_REFERENCE_COUNT:
        return GIVE(cl_uint, (cl_uint)mem->base.object.references);
    case CL_MEM_CONTEXT:
        return GIVE(cl_context, (cl_context)mem->base.context);
    case CL_MEM_ASSOCIATED_MEMOBJECT:
        return GIVE(cl_mem, (cl_mem)mem->parent);
    default:
        return clGetMemObjectInfo(some_part(mem), name, room, value, size_ret);
    }
}
