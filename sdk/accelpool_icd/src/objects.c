#include "objects.h"

#include <string.h>

void *new_object(enum what what, size_t size) {
    struct object *object = calloc(1, size);
    if (object) {
        object->dispatch = the_dispatch_table;
        object->what = what;
        object->references = 1;
    }
    return object;
}

bool is_object(const void *handle, enum what what) {
    return handle && ((const struct object *)handle)->what == what;
}

void retain(void *object) {
    atomic_fetch_add_explicit(&((struct object *)object)->references, 1, memory_order_relaxed);
}

bool try_retain(void *object) {
    atomic_int *references = &((struct object *)object)->references;
    int count = *references;
    while (count > 0 && !atomic_compare_exchange_weak(references, &count, count + 1)) {}
    return count > 0;
}

bool release(void *object) {
    return atomic_fetch_sub(&((struct object *)object)->references, 1) == 1;
}

void free_object(void *object) {
    ((struct object *)object)->what = A_DEAD_ONE;
    free(object);
}

bool copy_properties(struct properties *to, const void *list, size_t element_bytes, size_t pair) {
    *to = (struct properties){0};
    if (!list) {
        return true;
    }
    size_t count = 0;
    const unsigned char *at = list;
    static const unsigned char zero[8];
    while (memcmp(at + count * element_bytes, zero, element_bytes)) {
        count += pair;
    }
    to->bytes = (count + 1) * element_bytes;
    to->list = malloc(to->bytes);
    if (to->list) {
        memcpy(to->list, list, to->bytes);
    }
    return to->list != NULL;
}

void write_places(struct writer *w, cl_uint count, const cl_device_id *devices) {
    write_array(w, count);
    for (cl_uint i = 0; i < count; i++) {
        write_uint(w, devices[i]->place);
    }
}

cl_int give(size_t room, void *value, size_t *size_ret, const void *from, size_t bytes) {
    if (value && room < bytes) {
        return CL_INVALID_VALUE;
    }
    if (value && bytes) {
        memcpy(value, from, bytes);
    }
    if (size_ret) {
        *size_ret = bytes;
    }
    return CL_SUCCESS;
}

cl_int add_destructor(struct callback **list, pthread_mutex_t *lock, void (*call)(void), void *user_data) {
    struct callback *callback = call ? malloc(sizeof *callback) : NULL;
    if (!callback) {
        return call ? CL_OUT_OF_HOST_MEMORY : CL_INVALID_VALUE;
    }
    pthread_mutex_lock(lock);
    *callback = (struct callback){*list, call, 0, user_data};
    *list = callback;
    pthread_mutex_unlock(lock);
    return CL_SUCCESS;
}

void *result(cl_int *errcode_ret, cl_int code, void *object) {
    if (errcode_ret) {
        *errcode_ret = code;
    }
    return code == CL_SUCCESS ? object : NULL;
}
