#include "memory.h"

#include <string.h>

#include "device_info.h"
#include "image.h"
#include "svm.h"
#include "tags.h"

#define ACCESS (CL_MEM_READ_WRITE | CL_MEM_WRITE_ONLY | CL_MEM_READ_ONLY)
#define HOST_ACCESS (CL_MEM_HOST_WRITE_ONLY | CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_NO_ACCESS)
#define HOST_PLACE (CL_MEM_USE_HOST_PTR | CL_MEM_ALLOC_HOST_PTR | CL_MEM_COPY_HOST_PTR)

bool is_buffer(const void *handle) {
    return is_object(handle, A_MEM) && ((cl_mem)(uintptr_t)handle)->type == CL_MEM_OBJECT_BUFFER;
}

bool is_image(const void *handle) {
    return is_object(handle, A_MEM) && ((cl_mem)(uintptr_t)handle)->type != CL_MEM_OBJECT_BUFFER;
}

static bool is_at_most_one(cl_mem_flags flags) {
    return (flags & (flags - 1)) == 0;
}

cl_int check_mem_flags(cl_mem_flags flags, const void *host_ptr) {
    const cl_mem_flags known = ACCESS | HOST_ACCESS | HOST_PLACE | CL_MEM_KERNEL_READ_AND_WRITE;
    bool has_place = flags & (CL_MEM_USE_HOST_PTR | CL_MEM_COPY_HOST_PTR);
    if ((flags & ~known) || !is_at_most_one(flags & ACCESS) || !is_at_most_one(flags & HOST_ACCESS) ||
        ((flags & CL_MEM_USE_HOST_PTR) && (flags & (CL_MEM_ALLOC_HOST_PTR | CL_MEM_COPY_HOST_PTR)))) {
        return CL_INVALID_VALUE;
    }
    return has_place == (host_ptr != NULL) ? CL_SUCCESS : CL_INVALID_HOST_PTR;
}

uint64_t most_of_devices(cl_context context, cl_device_info name) {
    uint64_t most = 0;
    for (cl_uint i = 0; i < context->device_count; i++) {
        uint64_t number = device_number(context->devices[i], name);
        most = number > most ? number : most;
    }
    return most;
}

cl_mem new_mem(cl_context context, cl_mem_object_type type, cl_mem_flags flags, size_t size, void *host_ptr) {
    cl_mem mem = new_object(A_MEM, sizeof *mem);
    if (!mem) {
        return NULL;
    }
    mem->session = context->session;
    mem->handle = new_handle(context->session->connection);
    mem->context = context;
    mem->type = type;
    mem->flags = flags & ACCESS ? flags : flags | CL_MEM_READ_WRITE;
    mem->size = size;
    mem->host_ptr = flags & CL_MEM_USE_HOST_PTR ? host_ptr : NULL;
    pthread_mutex_init(&mem->lock, NULL);
    retain(context);
    enter_handle(mem);
    return mem;
}

cl_mem mem_created(cl_mem mem, cl_int code, cl_int *errcode_ret) {
    if (code != CL_SUCCESS && mem) {
        release_mem(mem);
    }
    return result(errcode_ret, code, mem);
}

static cl_int announce_buffer(cl_mem mem, const void *content) {
    struct connection *c = mem->session->connection;
    struct writer *w = begin(c, CREATE_BUFFER, 4);
    if (!w) {
        return CL_OUT_OF_RESOURCES;
    }
    write_uint(w, mem->handle);
    write_uint(w, mem->context->handle);
    write_uint(w, mem->flags & ACCESS);
    write_uint(w, mem->size);
    return content ? post_payload(c, content, mem->size) : post(c);
}

/* ---- regions: sub-buffers, and buffers over shared virtual memory ------------------------------------------------
 */

cl_mem whole_of(cl_mem mem, size_t *origin) {
    *origin = 0;
    if (mem->parent) {
        *origin = mem->origin;
        mem = mem->parent;
    }
    if (mem->svm) {
        *origin += (size_t)((char *)mem->host_ptr - (char *)mem->svm->host_ptr);
        mem = mem->svm;
    }
    return mem;
}

static cl_int announce_region(cl_mem mem) {
    struct connection *c = mem->session->connection;
    size_t origin;
    cl_mem whole = whole_of(mem, &origin);
    bool is_wider = whole->is_svm && !(whole->flags & CL_MEM_READ_WRITE); /* a buffer may be; it is not on the node */
    struct writer *w = begin(c, CREATE_SUB_BUFFER, 5);
    if (!w) {
        return CL_OUT_OF_RESOURCES;
    }
    write_uint(w, mem->handle);
    write_uint(w, whole->handle);
    write_uint(w, (is_wider ? whole : mem)->flags & ACCESS);
    write_uint(w, origin);
    write_uint(w, mem->size);
    return post(c);
}

static bool is_aligned(cl_context context, size_t origin) {
    for (cl_uint i = 0; i < context->device_count; i++) {
        uint64_t bytes = device_number(context->devices[i], CL_DEVICE_MEM_BASE_ADDR_ALIGN) / 8;
        if (bytes == 0 || origin % bytes == 0) {
            return true;
        }
    }
    return false;
}

/* Note whether a buffer uses shared virtual memory of its context: it has the node's then, too. */
static cl_int find_svm(cl_mem mem) {
    size_t offset;
    cl_mem svm = mem->host_ptr ? hold_svm(mem->host_ptr, &offset) : NULL;
    if (svm && svm->context != mem->context) {
        release_mem(svm);
        svm = NULL;
    }
    mem->svm = svm;
    if (!svm) {
        return CL_SUCCESS;
    }
    if (mem->size > svm->size - offset) {
        return CL_INVALID_BUFFER_SIZE;
    }
    return is_aligned(mem->context, offset) ? CL_SUCCESS : CL_MISALIGNED_SUB_BUFFER_OFFSET;
}

/* ---- buffers ----------------------------------------------------------------------------------------------- */

cl_mem clCreateBufferWithProperties(cl_context context, const cl_mem_properties *properties, cl_mem_flags flags,
                                    size_t size, void *host_ptr, cl_int *errcode_ret) {
    if (!is_object(context, A_CONTEXT)) {
        return result(errcode_ret, CL_INVALID_CONTEXT, NULL);
    }
    if (properties && *properties) {
        return result(errcode_ret, CL_INVALID_PROPERTY, NULL); /* the core specification has none */
    }
    cl_int code = check_mem_flags(flags, host_ptr);
    if (code != CL_SUCCESS) {
        return result(errcode_ret, code, NULL);
    }
    if (size == 0 || size > most_of_devices(context, CL_DEVICE_MAX_MEM_ALLOC_SIZE)) {
        return result(errcode_ret, CL_INVALID_BUFFER_SIZE, NULL);
    }
    cl_mem mem = new_mem(context, CL_MEM_OBJECT_BUFFER, flags, size, host_ptr);
    if (!mem || !copy_properties(&mem->properties, properties, sizeof *properties, 2)) {
        return mem_created(mem, CL_OUT_OF_HOST_MEMORY, errcode_ret);
    }
    code = find_svm(mem);
    if (code == CL_SUCCESS && !context->is_part) {
        code = mem->svm ? announce_region(mem) : announce_buffer(mem, host_ptr);
    }
    return mem_created(mem, code, errcode_ret);
}

cl_mem clCreateBuffer(cl_context context, cl_mem_flags flags, size_t size, void *host_ptr, cl_int *errcode_ret) {
    return clCreateBufferWithProperties(context, NULL, flags, size, host_ptr, errcode_ret);
}

/* ---- sub-buffers ------------------------------------------------------------------------------------------ */

cl_int inherit_flags(cl_mem buffer, cl_mem_flags *flags) {
    cl_mem_flags own = *flags, parent = buffer->flags;
    bool widens_access = ((parent & CL_MEM_WRITE_ONLY) && (own & (CL_MEM_READ_WRITE | CL_MEM_READ_ONLY))) ||
                         ((parent & CL_MEM_READ_ONLY) && (own & (CL_MEM_READ_WRITE | CL_MEM_WRITE_ONLY)));
    bool widens_host = ((parent & CL_MEM_HOST_WRITE_ONLY) && (own & CL_MEM_HOST_READ_ONLY)) ||
                       ((parent & CL_MEM_HOST_READ_ONLY) && (own & CL_MEM_HOST_WRITE_ONLY)) ||
                       ((parent & CL_MEM_HOST_NO_ACCESS) && (own & (CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_WRITE_ONLY)));
    if (widens_access || widens_host || (own & HOST_PLACE) || !is_at_most_one(own & ACCESS) ||
        !is_at_most_one(own & HOST_ACCESS) ||
        (own & ~(cl_mem_flags)(ACCESS | HOST_ACCESS | CL_MEM_KERNEL_READ_AND_WRITE))) {
        return CL_INVALID_VALUE;
    }
    *flags |= own & ACCESS ? 0 : parent & ACCESS;
    *flags |= own & HOST_ACCESS ? 0 : parent & HOST_ACCESS;
    *flags |= parent & HOST_PLACE;
    return CL_SUCCESS;
}

cl_mem clCreateSubBuffer(cl_mem buffer, cl_mem_flags flags, cl_buffer_create_type type, const void *create_info,
                         cl_int *errcode_ret) {
    const cl_buffer_region *region = create_info;
    if (!is_buffer(buffer) || buffer->parent) {
        return result(errcode_ret, CL_INVALID_MEM_OBJECT, NULL);
    }
    if (type != CL_BUFFER_CREATE_TYPE_REGION || !region || inherit_flags(buffer, &flags) != CL_SUCCESS ||
        region->origin > buffer->size || region->size > buffer->size - region->origin) {
        return result(errcode_ret, CL_INVALID_VALUE, NULL);
    }
    if (region->size == 0) {
        return result(errcode_ret, CL_INVALID_BUFFER_SIZE, NULL);
    }
    if (!is_aligned(buffer->context, region->origin)) {
        return result(errcode_ret, CL_MISALIGNED_SUB_BUFFER_OFFSET, NULL);
    }
    char *host_ptr = buffer->host_ptr ? (char *)buffer->host_ptr + region->origin : NULL;
    cl_mem mem = new_mem(buffer->context, CL_MEM_OBJECT_BUFFER, flags, region->size, host_ptr);
    if (!mem) {
        return mem_created(mem, CL_OUT_OF_HOST_MEMORY, errcode_ret);
    }
    mem->parent = buffer;
    mem->origin = region->origin;
    retain(buffer);
    return mem_created(mem, mem->context->is_part ? CL_SUCCESS : announce_region(mem), errcode_ret);
}

cl_int announce_mem(cl_mem mem, const void *content) {
    cl_int code = mem->parent ? announce_mem(mem->parent, NULL) : CL_SUCCESS;
    pthread_mutex_lock(&mem->lock);
    if (code == CL_SUCCESS && !mem->is_announced) {
        code = is_image(mem) ? announce_image(mem, NULL)
               : mem->parent ? announce_region(mem)
                             : announce_buffer(mem, content);
        mem->is_announced = code == CL_SUCCESS;
    }
    pthread_mutex_unlock(&mem->lock);
    return code;
}

/* ---- life and infos --------------------------------------------------------------------------------------- */

void release_mem(cl_mem mem) {
    if (!release(mem)) {
        return;
    }
    remove_handle(mem);
    while (mem->mappings) { /* first: they may still be read into what a destructor callback frees */
        struct mapping *mapping = mem->mappings;
        mem->mappings = mapping->next;
        free_mapping(mapping);
    }
    while (mem->destructors) {
        struct callback *callback = mem->destructors;
        mem->destructors = callback->next;
        ((mem_callback)callback->call)(mem, callback->user_data);
        free(callback);
    }
    if (mem->is_svm) { /* first: the node may have its address for another one at once */
        unmap_mirror(mem->host_ptr, mem->size);
    }
    release_handle(mem->session->connection, mem->handle);
    if (mem->parent) {
        release_mem(mem->parent);
    }
    if (mem->svm) {
        release_mem(mem->svm);
    }
    release_context(mem->context);
    pthread_mutex_destroy(&mem->lock);
    free(mem->properties.list);
    free_object(mem);
}

cl_int clRetainMemObject(cl_mem mem) {
    if (!is_object(mem, A_MEM)) {
        return CL_INVALID_MEM_OBJECT;
    }
    retain(mem);
    return CL_SUCCESS;
}

cl_int clReleaseMemObject(cl_mem mem) {
    if (!is_object(mem, A_MEM)) {
        return CL_INVALID_MEM_OBJECT;
    }
    release_mem(mem);
    return CL_SUCCESS;
}

cl_int clSetMemObjectDestructorCallback(cl_mem mem, mem_callback call, void *user_data) {
    if (!is_object(mem, A_MEM)) {
        return CL_INVALID_MEM_OBJECT;
    }
    return add_destructor(&mem->destructors, &mem->lock, (void (*)(void))call, user_data);
}

cl_int clGetMemObjectInfo(cl_mem mem, cl_mem_info name, size_t room, void *value, size_t *size_ret) {
    if (!is_object(mem, A_MEM)) {
        return CL_INVALID_MEM_OBJECT;
    }
    switch (name) {
    case CL_MEM_TYPE:
        return GIVE(cl_mem_object_type, mem->type);
    case CL_MEM_FLAGS:
        return GIVE(cl_mem_flags, mem->flags);
    case CL_MEM_SIZE:
        return GIVE(size_t, mem->size);
    case CL_MEM_HOST_PTR:
        return GIVE(void *, mem->host_ptr);
    case CL_MEM_MAP_COUNT:
        pthread_mutex_lock(&mem->lock);
        cl_uint count = mem->map_count;
        pthread_mutex_unlock(&mem->lock);
        return GIVE(cl_uint, count);
    case CL_MEM_REFERENCE_COUNT:
        return GIVE(cl_uint, (cl_uint)mem->object.references);
    case CL_MEM_CONTEXT:
        return GIVE(cl_context, mem->context);
    case CL_MEM_ASSOCIATED_MEMOBJECT:
        return GIVE(cl_mem, mem->parent);
    case CL_MEM_OFFSET:
        return GIVE(size_t, mem->origin);
    case CL_MEM_USES_SVM_POINTER:
        return GIVE(cl_bool, is_buffer(mem) && (mem->parent ? mem->parent : mem)->svm != NULL);
    case CL_MEM_PROPERTIES:
        return GIVE_BYTES(mem->properties.list, mem->properties.bytes);
    default:
        return CL_INVALID_VALUE;
    }
}
