#include <string.h>

#include "build.h"
#include "device_info.h"
#include "program.h"
#include "tags.h"

#define INFO_ROOM size_t room, void *value, size_t *size_ret

/* Ask the worker for an info; `answer` holds it, to be freed. */
static cl_int ask_info(cl_program program, int about, cl_uint name, cl_uint place, struct pending *answer) {
    struct connection *c = program->session->connection;
    struct writer *w = begin(c, GET_INFO, 4);
    if (!w) {
        return CL_OUT_OF_RESOURCES;
    }
    write_uint(w, (uint64_t)about);
    write_uint(w, program->handle);
    write_uint(w, name);
    write_uint(w, place);
    return call(c, answer);
}

/* Fetch the binaries, with the program's lock held; they stay until the next build. */
static cl_int fetch_binaries(cl_program program) {
    if (program->binary_sizes) {
        return CL_SUCCESS;
    }
    struct connection *c = program->session->connection;
    struct writer *w = begin(c, GET_PROGRAM_BINARIES, 1);
    if (!w) {
        return CL_OUT_OF_RESOURCES;
    }
    write_uint(w, program->handle);
    struct pending answer = {0};
    cl_int code = call(c, &answer);
    cl_uint context_count = program->context->device_count;
    size_t *sizes = code == CL_SUCCESS ? calloc(context_count, sizeof *sizes) : NULL;
    size_t count = sizes ? read_array(&answer.fields) : 0, total = 0;
    bool is_whole = true;
    for (size_t i = 0; i < count && i < context_count; i++) {
        sizes[i] = (size_t)read_uint(&answer.fields);
        is_whole = is_whole && !__builtin_add_overflow(total, sizes[i], &total);
    }
    if (code == CL_SUCCESS && (!sizes || !is_whole || total != answer.payload_bytes || answer.fields.failed)) {
        code = CL_OUT_OF_RESOURCES;
    }
    if (code == CL_SUCCESS) {
        program->binary_sizes = sizes;
        program->binaries = answer.payload;
        answer.payload = NULL;
    } else {
        free(sizes);
    }
    answer_free(&answer);
    return code;
}

/* Where the binary of a program's device is among those of its context's. */
static const unsigned char *binary_of(cl_program program, cl_device_id device, size_t *bytes) {
    const unsigned char *at = program->binaries;
    for (cl_uint i = 0; i < program->context->device_count; i++) {
        *bytes = program->binary_sizes[i];
        if (program->context->devices[i] == device) {
            return at;
        }
        at += *bytes;
    }
    *bytes = 0;
    return NULL;
}

static cl_int give_binary_sizes(cl_program program, INFO_ROOM) {
    size_t *sizes = calloc(program->device_count, sizeof *sizes);
    if (!sizes) {
        return CL_OUT_OF_HOST_MEMORY;
    }
    cl_int code = value ? fetch_binaries(program) : CL_SUCCESS;
    for (cl_uint i = 0; code == CL_SUCCESS && value && i < program->device_count; i++) {
        binary_of(program, program->devices[i], &sizes[i]);
    }
    if (code == CL_SUCCESS || code == CL_INVALID_PROGRAM_EXECUTABLE || code == CL_INVALID_PROGRAM) {
        code = GIVE_BYTES(sizes, program->device_count * sizeof *sizes); /* not built: no bytes each */
    }
    free(sizes);
    return code;
}

static cl_int give_binaries(cl_program program, INFO_ROOM) {
    size_t needed = program->device_count * sizeof(unsigned char *);
    if (size_ret) {
        *size_ret = needed;
    }
    if (!value) {
        return CL_SUCCESS;
    }
    if (room < needed) {
        return CL_INVALID_VALUE;
    }
    cl_int code = fetch_binaries(program);
    for (cl_uint i = 0; code == CL_SUCCESS && i < program->device_count; i++) {
        size_t bytes = 0;
        const unsigned char *binary = binary_of(program, program->devices[i], &bytes);
        unsigned char *to = ((unsigned char **)value)[i];
        if (to && bytes) {
            memcpy(to, binary, bytes);
        }
    }
    return code;
}

static cl_int give_kernel_names(cl_program program, INFO_ROOM) {
    struct build *build = executable(program);
    if (!build) {
        return CL_INVALID_PROGRAM_EXECUTABLE;
    }
    size_t length = 1;
    for (cl_uint k = 0; k < build->kernel_count; k++) {
        length += strlen(build->kernels[k].name) + 1;
    }
    char *names = calloc(1, length);
    if (!names) {
        return CL_OUT_OF_HOST_MEMORY;
    }
    char *at = names;
    for (cl_uint k = 0; k < build->kernel_count; k++) {
        size_t own = strlen(build->kernels[k].name);
        if (k > 0) {
            *at++ = ';';
        }
        memcpy(at, build->kernels[k].name, own);
        at += own;
    }
    cl_int code = GIVE_TEXT(names);
    free(names);
    return code;
}

static cl_int give_info(cl_program program, cl_program_info name, INFO_ROOM) {
    switch (name) {
    case CL_PROGRAM_REFERENCE_COUNT:
        return GIVE(cl_uint, (cl_uint)program->object.references);
    case CL_PROGRAM_CONTEXT:
        return GIVE(cl_context, program->context);
    case CL_PROGRAM_NUM_DEVICES:
        return GIVE(cl_uint, program->device_count);
    case CL_PROGRAM_DEVICES:
        return GIVE_BYTES(program->devices, program->device_count * sizeof *program->devices);
    case CL_PROGRAM_SOURCE:
        return GIVE_TEXT(program->source ? program->source : "");
    case CL_PROGRAM_IL:
        return GIVE_BYTES(program->il, program->il_bytes);
    case CL_PROGRAM_BINARY_SIZES:
        return give_binary_sizes(program, room, value, size_ret);
    case CL_PROGRAM_BINARIES:
        return give_binaries(program, room, value, size_ret);
    case CL_PROGRAM_NUM_KERNELS:
        return executable(program) ? GIVE(size_t, program->build->kernel_count) : CL_INVALID_PROGRAM_EXECUTABLE;
    case CL_PROGRAM_KERNEL_NAMES:
        return give_kernel_names(program, room, value, size_ret);
    case CL_PROGRAM_SCOPE_GLOBAL_CTORS_PRESENT:
    case CL_PROGRAM_SCOPE_GLOBAL_DTORS_PRESENT:
        return GIVE(cl_bool, CL_FALSE);
    default:
        return CL_INVALID_VALUE;
    }
}

cl_int clGetProgramInfo(cl_program program, cl_program_info name, INFO_ROOM) {
    if (!is_object(program, A_PROGRAM)) {
        return CL_INVALID_PROGRAM;
    }
    pthread_mutex_lock(&program->lock);
    cl_int code = give_info(program, name, room, value, size_ret);
    pthread_mutex_unlock(&program->lock);
    return code;
}

/* The build log of a device, with the program's lock held: asked for once after each build. */
static cl_int give_log(cl_program program, int index, INFO_ROOM) {
    struct device_build *result = &program->results[index];
    if (!result->log && (result->status == CL_BUILD_SUCCESS || result->status == CL_BUILD_ERROR)) {
        struct pending answer = {0};
        cl_uint place = program->devices[index]->place;
        cl_int code = ask_info(program, 1, CL_PROGRAM_BUILD_LOG, place, &answer);
        struct text text = {"", 0};
        if (code == CL_SUCCESS && read_kind(&answer.fields) == KIND_STR) {
            text = read_text(&answer.fields);
        }
        result->log = malloc(text.length + 1);
        if (result->log) {
            memcpy(result->log, text.chars, text.length);
            result->log[text.length] = '\0';
        }
        answer_free(&answer);
    }
    return GIVE_TEXT(result->log ? result->log : "");
}

cl_int learn_binary_type(cl_program program, cl_uint index) {
    struct pending answer = {0};
    cl_int code = ask_info(program, 1, CL_PROGRAM_BINARY_TYPE, program->devices[index]->place, &answer);
    if (code == CL_SUCCESS) {
        program->results[index].binary_type = (cl_uint)read_uint(&answer.fields);
    }
    answer_free(&answer);
    return code == CL_INVALID_VALUE ? CL_SUCCESS : code; /* a driver may not know it before it is built */
}

/* What a program's variables take on a device. */
static cl_int give_variables_size(cl_program program, int index, INFO_ROOM) {
    cl_device_id device = program->devices[index];
    uint64_t size = 0;
    if (value && program->results[index].status == CL_BUILD_SUCCESS &&
        device_number(device, CL_DEVICE_MAX_GLOBAL_VARIABLE_SIZE) > 0) {
        struct pending answer = {0};
        cl_int code = ask_info(program, 1, CL_PROGRAM_BUILD_GLOBAL_VARIABLE_TOTAL_SIZE, device->place, &answer);
        size = code == CL_SUCCESS ? read_uint(&answer.fields) : 0;
        answer_free(&answer);
        if (code != CL_SUCCESS) {
            return code;
        }
    }
    return GIVE(size_t, (size_t)size);
}

static cl_int give_build_info(cl_program program, int index, cl_program_build_info name, INFO_ROOM) {
    struct device_build *result = &program->results[index];
    switch (name) {
    case CL_PROGRAM_BUILD_STATUS:
        return GIVE(cl_build_status, result->status);
    case CL_PROGRAM_BUILD_OPTIONS:
        return GIVE_TEXT(program->options ? program->options : "");
    case CL_PROGRAM_BUILD_LOG:
        return give_log(program, index, room, value, size_ret);
    case CL_PROGRAM_BINARY_TYPE:
        return GIVE(cl_uint, result->binary_type);
    case CL_PROGRAM_BUILD_GLOBAL_VARIABLE_TOTAL_SIZE:
        return give_variables_size(program, index, room, value, size_ret);
    default:
        return CL_INVALID_VALUE;
    }
}

cl_int clGetProgramBuildInfo(cl_program program, cl_device_id device, cl_program_build_info name, INFO_ROOM) {
    if (!is_object(program, A_PROGRAM)) {
        return CL_INVALID_PROGRAM;
    }
    int index = is_object(device, A_DEVICE) ? device_index(program, device) : -1;
    if (index < 0) {
        return CL_INVALID_DEVICE;
    }
    pthread_mutex_lock(&program->lock);
    cl_int code = give_build_info(program, index, name, room, value, size_ret);
    pthread_mutex_unlock(&program->lock);
    return code;
}
