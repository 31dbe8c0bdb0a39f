/* Commands on shared virtual memory: those on buffers, on the node's memory, found by an address. */
#include "svm.h"

#include "event.h"
#include "memory.h"

cl_int check_svm_queue(cl_command_queue queue) {
    if (is_object(queue, A_SPANNING_QUEUE)) { /* one address would have to be free on several nodes */
        return CL_INVALID_OPERATION;
    }
    if (!is_object(queue, A_QUEUE)) {
        return CL_INVALID_COMMAND_QUEUE;
    }
    return has_svm(queue->context) ? CL_SUCCESS : CL_INVALID_OPERATION;
}

/* What a command is about. */
struct place {
    cl_mem mem; /* held */
    size_t offset;
};

static cl_int find(struct place *place, cl_command_queue queue, const void *pointer) {
    cl_int code = check_svm_queue(queue);
    place->mem = code == CL_SUCCESS ? hold_svm(pointer, &place->offset) : NULL;
    return code == CL_SUCCESS && !place->mem ? CL_INVALID_VALUE : code;
}

/* The end of a command that was one on buffers: its event says which one it is. */
static cl_int typed(cl_command_type type, cl_event *event, cl_int code) {
    if (code == CL_SUCCESS && event) {
        (*event)->type = type;
    }
    return code;
}

/* ---- copies -------------------------------------------------------------------------------------------------- */

/* The end of a copy whose event is `own`: a blocking one is over when it returns. */
static cl_int waited(bool is_blocking, cl_event own, cl_event *event, cl_int code) {
    code = code == CL_SUCCESS && is_blocking ? wait_events(1, &own) : code;
    if (code == CL_SUCCESS && event) {
        *event = own;
    } else if (own) {
        release_event(own);
    }
    return code;
}

/* By way of the node: there it has its turn among the other commands. */
static cl_int copy_here(cl_command_queue queue, bool is_blocking, void *to, const void *from, size_t size,
                        cl_uint wait_count, const cl_event *wait_list, cl_event *event) {
    uintptr_t first = (uintptr_t)to, second = (uintptr_t)from;
    if (first < second ? second - first < size : first - second < size) {
        return CL_MEM_COPY_OVERLAP;
    }
    cl_int code;
    cl_mem mem = clCreateBuffer(queue->context, CL_MEM_COPY_HOST_PTR, size, (void *)second, &code);
    if (mem) {
        code = clEnqueueReadBuffer(queue, mem, is_blocking, 0, size, to, wait_count, wait_list, event);
        release_mem(mem);
    }
    return code;
}

cl_int clEnqueueSVMMemcpy(cl_command_queue queue, cl_bool is_blocking, void *to, const void *from, size_t size,
                          cl_uint wait_count, const cl_event *wait_list, cl_event *event) {
    cl_int code = check_svm_queue(queue);
    if (code != CL_SUCCESS) {
        return code;
    }
    if (!to || !from) {
        return CL_INVALID_VALUE;
    }
    struct place target = {0}, source = {0};
    cl_event own = NULL, *told = event || is_blocking ? &own : NULL;
    target.mem = hold_svm(to, &target.offset);
    source.mem = hold_svm(from, &source.offset);
    if (size == 0) { /* allowed, and nothing to do */
        code = clEnqueueMarkerWithWaitList(queue, wait_count, wait_list, told);
        code = waited(is_blocking, own, event, code);
    } else if (target.mem && source.mem) {
        code = clEnqueueCopyBuffer(queue, source.mem, target.mem, source.offset, target.offset, size, wait_count,
                                   wait_list, told);
        code = waited(is_blocking, own, event, code);
    } else if (target.mem) {
        code = clEnqueueWriteBuffer(queue, target.mem, is_blocking, target.offset, size, from, wait_count, wait_list,
                                    told);
        code = waited(is_blocking, own, event, code);
    } else if (source.mem) {
        code = clEnqueueReadBuffer(queue, source.mem, is_blocking, source.offset, size, to, wait_count, wait_list,
                                   event);
    } else {
        code = copy_here(queue, is_blocking, to, from, size, wait_count, wait_list, event);
    }
    if (target.mem) {
        release_mem(target.mem);
    }
    if (source.mem) {
        release_mem(source.mem);
    }
    return typed(CL_COMMAND_SVM_MEMCPY, event, code);
}

cl_int clEnqueueSVMMemFill(cl_command_queue queue, void *pointer, const void *pattern, size_t pattern_bytes,
                           size_t size, cl_uint wait_count, const cl_event *wait_list, cl_event *event) {
    struct place place;
    cl_int code = find(&place, queue, pointer);
    if (code != CL_SUCCESS) {
        return code;
    }
    code = clEnqueueFillBuffer(queue, place.mem, pattern, pattern_bytes, place.offset, size, wait_count, wait_list,
                               event);
    release_mem(place.mem);
    return typed(CL_COMMAND_SVM_MEMFILL, event, code);
}

/* ---- mappings: of the buffer that uses the memory here ----------------------------------------------------------
 */

cl_int clEnqueueSVMMap(cl_command_queue queue, cl_bool is_blocking, cl_map_flags flags, void *pointer, size_t size,
                       cl_uint wait_count, const cl_event *wait_list, cl_event *event) {
    struct place place;
    cl_int code = find(&place, queue, pointer);
    if (code != CL_SUCCESS) {
        return code;
    }
    clEnqueueMapBuffer(queue, place.mem, is_blocking, flags, place.offset, size, wait_count, wait_list, event, &code);
    release_mem(place.mem);
    return typed(CL_COMMAND_SVM_MAP, event, code);
}

cl_int clEnqueueSVMUnmap(cl_command_queue queue, void *pointer, cl_uint wait_count, const cl_event *wait_list,
                         cl_event *event) {
    struct place place;
    cl_int code = find(&place, queue, pointer);
    if (code != CL_SUCCESS) {
        return code;
    }
    code = clEnqueueUnmapMemObject(queue, place.mem, pointer, wait_count, wait_list, event);
    release_mem(place.mem);
    return typed(CL_COMMAND_SVM_UNMAP, event, code);
}

/* ---- migration ------------------------------------------------------------------------------------------------- */

static void release_all(cl_mem *mems, cl_uint count) {
    while (count > 0) {
        release_mem(mems[--count]);
    }
    free(mems);
}

/* The allocations that pointers point into, each once; how many, held. */
static cl_int find_all(cl_uint count, const void **pointers, const size_t *sizes, cl_mem *mems, cl_uint *found) {
    for (cl_uint i = 0; i < count; i++) {
        size_t offset;
        cl_mem mem = hold_svm(pointers[i], &offset);
        if (!mem) {
            return CL_INVALID_VALUE;
        }
        bool is_inside = !sizes || sizes[i] <= mem->size - offset, is_new = true;
        for (cl_uint j = 0; j < *found; j++) {
            is_new = is_new && mems[j] != mem;
        }
        if (is_inside && is_new) {
            mems[(*found)++] = mem;
        } else {
            release_mem(mem);
        }
        if (!is_inside) {
            return CL_INVALID_VALUE;
        }
    }
    return CL_SUCCESS;
}

cl_int clEnqueueSVMMigrateMem(cl_command_queue queue, cl_uint count, const void **pointers, const size_t *sizes,
                              cl_mem_migration_flags flags, cl_uint wait_count, const cl_event *wait_list,
                              cl_event *event) {
    cl_int code = check_svm_queue(queue);
    if (code != CL_SUCCESS) {
        return code;
    }
    cl_mem *mems = count > 0 && pointers ? malloc(count * sizeof *mems) : NULL;
    if (!mems) {
        return count > 0 && pointers ? CL_OUT_OF_HOST_MEMORY : CL_INVALID_VALUE;
    }
    cl_uint found = 0;
    code = find_all(count, pointers, sizes, mems, &found);
    if (code == CL_SUCCESS) {
        code = clEnqueueMigrateMemObjects(queue, found, mems, flags, wait_count, wait_list, event);
    }
    release_all(mems, found);
    return typed(CL_COMMAND_SVM_MIGRATE_MEM, event, code);
}
