#include <string.h>

#include "device_info.h"
#include "spanning/spanning.h"
#include "tags.h"

static cl_int check_devices(cl_uint count, const cl_device_id *devices) {
    if (count == 0 || !devices) {
        return CL_INVALID_VALUE;
    }
    for (cl_uint i = 0; i < count; i++) {
        if (!is_object(devices[i], A_DEVICE)) {
            return CL_INVALID_DEVICE;
        }
        if (devices[i]->session->connection->is_lost) {
            return CL_DEVICE_NOT_AVAILABLE;
        }
    }
    return CL_SUCCESS;
}

static cl_int check_property(const cl_context_properties *property) {
    switch (property[0]) {
    case CL_CONTEXT_PLATFORM:
        return property[1] == (cl_context_properties)(uintptr_t)&the_platform ? CL_SUCCESS : CL_INVALID_PLATFORM;
    case CL_CONTEXT_INTEROP_USER_SYNC:
        return property[1] == CL_TRUE || property[1] == CL_FALSE ? CL_SUCCESS : CL_INVALID_PROPERTY;
    default:
        return CL_INVALID_PROPERTY;
    }
}

static cl_int check_properties(const cl_context_properties *properties) {
    cl_int code = CL_SUCCESS;
    for (const cl_context_properties *at = properties; code == CL_SUCCESS && at && *at; at += 2) {
        code = check_property(at);
        for (const cl_context_properties *earlier = properties; earlier < at; earlier += 2) {
            code = *earlier == *at ? CL_INVALID_PROPERTY : code;
        }
    }
    return code;
}

static bool are_of_one_session(cl_uint count, const cl_device_id *devices) {
    for (cl_uint i = 1; i < count; i++) {
        if (devices[i]->session != devices[0]->session) {
            return false;
        }
    }
    return true;
}

/* Devices once each, in their order. */
static void take_devices(cl_context context, cl_uint count, const cl_device_id *devices) {
    for (cl_uint i = 0; i < count; i++) {
        bool is_new = true;
        for (cl_uint j = 0; j < context->device_count; j++) {
            is_new = is_new && context->devices[j] != devices[i];
        }
        if (is_new) {
            retain(devices[i]);
            context->devices[context->device_count++] = devices[i];
        }
    }
}

static cl_int announce(cl_context context) {
    struct connection *c = context->session->connection;
    struct writer *w = begin(c, CREATE_CONTEXT, 2);
    if (!w) {
        return CL_DEVICE_NOT_AVAILABLE;
    }
    write_uint(w, context->handle);
    write_places(w, context->device_count, context->devices);
    cl_int code = post(c);
    if (code == CL_SUCCESS && context->notify) {
        pthread_mutex_lock(&c->lock);
        if (c->is_lost) { /* since: nobody would tell */
            code = CL_DEVICE_NOT_AVAILABLE;
        } else {
            context->next_notified = context->session->notified;
            context->session->notified = context;
        }
        pthread_mutex_unlock(&c->lock);
    }
    return code;
}

cl_context clCreateContext(const cl_context_properties *properties, cl_uint count, const cl_device_id *devices,
                           context_callback notify, void *user_data, cl_int *errcode_ret) {
    cl_int code = !notify && user_data ? CL_INVALID_VALUE : check_properties(properties);
    code = code == CL_SUCCESS ? check_devices(count, devices) : code;
    if (code != CL_SUCCESS) {
        return result(errcode_ret, code, NULL);
    }
    if (!are_of_one_session(count, devices)) {
        return create_spanning_context(properties, count, devices, notify, user_data, errcode_ret);
    }
    cl_context context = new_object(A_CONTEXT, sizeof *context);
    if (!context || !(context->devices = calloc(count, sizeof *devices)) ||
        !copy_properties(&context->properties, properties, sizeof *properties, 2)) {
        free(context ? context->devices : NULL);
        free(context);
        return result(errcode_ret, CL_OUT_OF_HOST_MEMORY, NULL);
    }
    context->session = devices[0]->session;
    context->handle = new_handle(context->session->connection);
    context->notify = notify;
    context->notify_data = user_data;
    pthread_mutex_init(&context->lock, NULL);
    take_devices(context, count, devices);
    code = announce(context);
    if (code != CL_SUCCESS) {
        release_context(context);
    }
    return result(errcode_ret, code, context);
}

cl_context clCreateContextFromType(const cl_context_properties *properties, cl_device_type type,
                                   context_callback notify, void *user_data, cl_int *errcode_ret) {
    cl_uint count = 0;
    cl_int code = clGetDeviceIDs(&the_platform, type, 0, NULL, &count);
    cl_device_id *devices = code == CL_SUCCESS ? calloc(count, sizeof *devices) : NULL;
    if (!devices) {
        return result(errcode_ret, code == CL_SUCCESS ? CL_OUT_OF_HOST_MEMORY : code, NULL);
    }
    cl_uint now = 0, kept = 0; /* there may be fewer of them, or more */
    clGetDeviceIDs(&the_platform, type, count, devices, &now);
    for (cl_uint i = 0; i < count && i < now; i++) { /* those that can be used, or one that says why there are none */
        if (!devices[i]->session->connection->is_lost) {
            devices[kept++] = devices[i];
        }
    }
    cl_context context = clCreateContext(properties, kept ? kept : 1, devices, notify, user_data, errcode_ret);
    free(devices);
    return context;
}

static void forget_notified(cl_context context) {
    struct connection *c = context->session->connection;
    pthread_mutex_lock(&c->lock);
    for (cl_context *link = &context->session->notified; *link; link = &(*link)->next_notified) {
        if (*link == context) {
            *link = context->next_notified;
            break;
        }
    }
    pthread_mutex_unlock(&c->lock);
}

void release_context(cl_context context) {
    if (!release(context)) {
        return;
    }
    if (context->notify) {
        forget_notified(context);
    }
    while (context->destructors) {
        struct callback *callback = context->destructors;
        context->destructors = callback->next;
        ((context_destructor)callback->call)(context, callback->user_data);
        free(callback);
    }
    while (context->image_formats) {
        struct image_formats *formats = context->image_formats;
        context->image_formats = formats->next;
        free(formats);
    }
    release_handle(context->session->connection, context->handle);
    for (cl_uint i = 0; i < context->device_count; i++) {
        release_device(context->devices[i]);
    }
    pthread_mutex_destroy(&context->lock);
    free(context->devices);
    free(context->properties.list);
    free_object(context);
}

cl_int clRetainContext(cl_context context) {
    if (!is_object(context, A_CONTEXT)) {
        return CL_INVALID_CONTEXT;
    }
    retain(context);
    return CL_SUCCESS;
}

cl_int clReleaseContext(cl_context context) {
    if (!is_object(context, A_CONTEXT)) {
        return CL_INVALID_CONTEXT;
    }
    release_context(context);
    return CL_SUCCESS;
}

cl_int clSetContextDestructorCallback(cl_context context, context_destructor call, void *user_data) {
    if (!is_object(context, A_CONTEXT)) {
        return CL_INVALID_CONTEXT;
    }
    return add_destructor(&context->destructors, &context->lock, (void (*)(void))call, user_data);
}

cl_int clGetContextInfo(cl_context context, cl_context_info name, size_t room, void *value, size_t *size_ret) {
    if (!is_object(context, A_CONTEXT)) {
        return CL_INVALID_CONTEXT;
    }
    switch (name) {
    case CL_CONTEXT_REFERENCE_COUNT:
        return GIVE(cl_uint, (cl_uint)context->object.references);
    case CL_CONTEXT_NUM_DEVICES:
        return GIVE(cl_uint, context->device_count);
    case CL_CONTEXT_DEVICES:
        return GIVE_BYTES(context->devices, context->device_count * sizeof *context->devices);
    case CL_CONTEXT_PROPERTIES:
        return GIVE_BYTES(context->properties.list, context->properties.bytes);
    default:
        return CL_INVALID_VALUE;
    }
}
