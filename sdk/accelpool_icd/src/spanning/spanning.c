#include "spanning.h"

void *allocate_spanning(enum what what, size_t size, cl_uint part_count) {
    struct spanning *spanning = new_object(what, size + part_count * sizeof *spanning->parts);
    if (spanning) {
        spanning->object.dispatch = the_spanning_dispatch_table;
        spanning->parts = (struct part *)((char *)spanning + size);
    }
    return spanning;
}

void *new_spanning(enum what what, size_t size, struct spanning_context *context) {
    struct spanning *spanning = allocate_spanning(what, size, context->part_count);
    if (spanning) {
        spanning->context = context;
        retain(context);
    }
    return spanning;
}

void *spanning_of(const void *handle, enum what what) {
    return is_object(handle, what) ? (void *)(uintptr_t)handle : NULL;
}

void *part_at(const void *spanning, cl_uint number) {
    return ((const struct spanning *)spanning)->parts[number].object;
}

void *some_part(const void *spanning) {
    FOR_PARTS(number, spanning) {
        return part_at(spanning, number);
    }
    return NULL;
}

cl_int why_no_part(const void *spanning) {
    const struct spanning *object = spanning;
    for (cl_uint i = 0; i < object->context->part_count; i++) {
        if (object->parts[i].code != CL_SUCCESS) {
            return object->parts[i].code;
        }
    }
    return CL_SUCCESS;
}

cl_int retained(void *spanning, cl_int invalid) {
    if (!spanning) {
        return invalid;
    }
    retain(spanning);
    return CL_SUCCESS;
}
