/* Contexts over several sessions: an ordinary one in each. */
#include "spanning.h"

struct session *session_at(const struct spanning_context *context, cl_uint part) {
    return ((cl_context)part_at(context, part))->session;
}

int part_of_device(const struct spanning_context *context, cl_device_id device) {
    if (!is_object(device, A_DEVICE)) {
        return -1;
    }
    for (cl_uint i = 0; i < context->part_count; i++) {
        if (session_at(context, i) == device->session) {
            return (int)i;
        }
    }
    return -1;
}

/* Devices once each, in their order. */
static void take_devices(struct spanning_context *context, cl_uint count, const cl_device_id *devices) {
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

static cl_uint count_sessions(cl_uint count, const cl_device_id *devices) {
    cl_uint sessions = 0;
    for (cl_uint i = 0; i < count; i++) {
        bool is_new = true;
        for (cl_uint j = 0; j < i; j++) {
            is_new = is_new && devices[j]->session != devices[i]->session;
        }
        sessions += is_new;
    }
    return sessions;
}

static bool has_part_for(const struct spanning_context *context, cl_uint parts, const struct session *session) {
    for (cl_uint i = 0; i < parts; i++) {
        if (session_at(context, i) == session) {
            return true;
        }
    }
    return false;
}

/* Make the parts, in the order of the devices: the first one is that of the first device. */
static cl_int make_parts(struct spanning_context *context, const cl_context_properties *properties,
                         context_callback notify, void *user_data) {
    cl_device_id *own = calloc(context->device_count, sizeof *own);
    cl_int code = own ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;
    cl_uint made = 0;
    for (cl_uint i = 0; code == CL_SUCCESS && i < context->device_count; i++) {
        const struct session *session = context->devices[i]->session;
        if (has_part_for(context, made, session)) {
            continue;
        }
        cl_uint count = 0;
        for (cl_uint j = i; j < context->device_count; j++) {
            if (context->devices[j]->session == session) {
                own[count++] = context->devices[j];
            }
        }
        cl_context part = clCreateContext(properties, count, own, notify, user_data, &code);
        if (part) {
            part->is_part = true;
            context->base.parts[made++].object = part;
        }
    }
    free(own);
    return code;
}

cl_context create_spanning_context(const cl_context_properties *properties, cl_uint count,
                                   const cl_device_id *devices, context_callback notify, void *user_data,
                                   cl_int *errcode_ret) {
    cl_uint part_count = count_sessions(count, devices);
    struct spanning_context *context = allocate_spanning(A_SPANNING_CONTEXT, sizeof *context, part_count);
    if (!context) {
        return result(errcode_ret, CL_OUT_OF_HOST_MEMORY, NULL);
    }
    context->base.context = context;
    context->part_count = part_count;
    pthread_mutex_init(&context->lock, NULL);
    context->devices = calloc(count, sizeof *devices);
    context->movers = calloc(part_count, sizeof *context->movers);
    cl_int code = CL_OUT_OF_HOST_MEMORY;
    if (context->devices && context->movers) {
        take_devices(context, count, devices);
        code = make_parts(context, properties, notify, user_data);
    }
    if (code != CL_SUCCESS) {
        release_spanning_context(context);
    }
    return result(errcode_ret, code, context);
}

void release_spanning_context(struct spanning_context *context) {
    if (!release(context)) {
        return;
    }
    while (context->destructors) {
        struct callback *callback = context->destructors;
        context->destructors = callback->next;
        ((context_destructor)callback->call)((cl_context)context, callback->user_data);
        free(callback);
    }
    FOR_PARTS(i, context) {
        for (int direction = 0; direction < 2; direction++) {
            if (context->movers[i][direction]) {
                release_queue(context->movers[i][direction]);
            }
        }
        release_context(part_at(context, i));
    }
    for (cl_uint i = 0; i < context->device_count; i++) {
        release_device(context->devices[i]);
    }
    pthread_mutex_destroy(&context->lock);
    free(context->movers);
    free(context->devices);
    free_object(context);
}

void flush_parts(const struct spanning_context *context) {
    FOR_PARTS(i, context) {
        flush(session_at(context, i)->connection);
    }
}

cl_command_queue mover_at(struct spanning_context *context, cl_uint part, bool is_sender, cl_int *code) {
    cl_context own = part_at(context, part);
    pthread_mutex_lock(&context->lock);
    cl_command_queue *mover = &context->movers[part][is_sender];
    if (!*mover) {
        *mover = clCreateCommandQueue(own, own->devices[0], 0, code);
    }
    cl_command_queue found = *mover;
    pthread_mutex_unlock(&context->lock);
    return found;
}

/* ---- what the application calls ---------------------------------------------------------------------------- */

cl_int spanning_clRetainContext(cl_context context) {
    return retained(spanning_of(context, A_SPANNING_CONTEXT), CL_INVALID_CONTEXT);
}

cl_int spanning_clReleaseContext(cl_context handle) {
    struct spanning_context *context = spanning_of(handle, A_SPANNING_CONTEXT);
    if (!context) {
        return CL_INVALID_CONTEXT;
    }
    release_spanning_context(context);
    return CL_SUCCESS;
}

cl_int spanning_clSetContextDestructorCallback(cl_context handle, context_destructor call, void *user_data) {
    struct spanning_context *context = spanning_of(handle, A_SPANNING_CONTEXT);
    if (!context) {
        return CL_INVALID_CONTEXT;
    }
    return add_destructor(&context->destructors, &context->lock, (void (*)(void))call, user_data);
}

cl_int spanning_clGetContextInfo(cl_context handle, cl_context_info name, size_t room, void *value,
                                 size_t *size_ret) {
    struct spanning_context *context = spanning_of(handle, A_SPANNING_CONTEXT);
    if (!context) {
        return CL_INVALID_CONTEXT;
    }
    switch (name) {
    case CL_CONTEXT_REFERENCE_COUNT:
        return GIVE(cl_uint, (cl_uint)context->base.object.references);
    case CL_CONTEXT_NUM_DEVICES:
        return GIVE(cl_uint, context->device_count);
    case CL_CONTEXT_DEVICES:
        return GIVE_BYTES(context->devices, context->device_count * sizeof *context->devices);
    default:
        return clGetContextInfo(part_at(context, 0), name, room, value, size_ret);
    }
}

/* Of images: those of the session where they are. */
cl_int spanning_clGetSupportedImageFormats(cl_context handle, cl_mem_flags flags, cl_mem_object_type type,
                                           cl_uint room, cl_image_format *formats, cl_uint *count_ret) {
    struct spanning_context *context = spanning_of(handle, A_SPANNING_CONTEXT);
    if (!context) {
        return CL_INVALID_CONTEXT;
    }
    return clGetSupportedImageFormats(part_at(context, 0), flags, type, room, formats, count_ret);
}

cl_int spanning_clSetDefaultDeviceCommandQueue(cl_context context, cl_device_id device, cl_command_queue queue) {
    (void)device, (void)queue;
    return is_object(context, A_SPANNING_CONTEXT) ? CL_INVALID_OPERATION : CL_INVALID_CONTEXT;
}
