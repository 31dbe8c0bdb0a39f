/* Making programs, and their end. */
#include "program.h"

#include <string.h>

#include "build.h"
#include "device_info.h"
#include "sources.h"
#include "tags.h"

cl_program new_program(cl_context context, cl_uint count, const cl_device_id *devices) {
    cl_program program = new_object(A_PROGRAM, sizeof *program);
    if (!program) {
        return NULL;
    }
    if (count == 0) {
        count = context->device_count;
        devices = context->devices;
    }
    program->devices = calloc(count, sizeof *devices);
    program->results = calloc(count, sizeof *program->results);
    if (!program->devices || !program->results) {
        free(program->devices);
        free(program->results);
        free(program);
        return NULL;
    }
    program->session = context->session;
    program->handle = new_handle(context->session->connection);
    program->context = context;
    program->device_count = count;
    for (cl_uint i = 0; i < count; i++) {
        program->devices[i] = devices[i];
        program->results[i].status = CL_BUILD_NONE;
        retain(devices[i]);
    }
    pthread_mutex_init(&program->lock, NULL);
    retain(context);
    return program;
}

cl_program program_created(cl_program program, cl_int code, cl_int *errcode_ret) {
    if (code != CL_SUCCESS && program) {
        release_program(program);
    }
    return result(errcode_ret, code, program);
}

void release_program(cl_program program) {
    if (!release(program)) {
        return;
    }
    release_handle(program->session->connection, program->handle);
    for (cl_uint i = 0; i < program->device_count; i++) {
        release_device(program->devices[i]);
        free(program->results[i].log);
    }
    release_build(program->build);
    release_context(program->context);
    pthread_mutex_destroy(&program->lock);
    free(program->devices);
    free(program->results);
    free(program->source);
    free(program->sent);
    free(program->il);
    free(program->options);
    free(program->binaries);
    free(program->binary_sizes);
    free_object(program);
}

cl_int clRetainProgram(cl_program program) {
    if (!is_object(program, A_PROGRAM)) {
        return CL_INVALID_PROGRAM;
    }
    retain(program);
    return CL_SUCCESS;
}

cl_int clReleaseProgram(cl_program program) {
    if (!is_object(program, A_PROGRAM)) {
        return CL_INVALID_PROGRAM;
    }
    release_program(program);
    return CL_SUCCESS;
}

struct build *executable(cl_program program) {
    for (cl_uint i = 0; i < program->device_count; i++) {
        const struct device_build *result = &program->results[i];
        if (result->status == CL_BUILD_SUCCESS && result->binary_type == CL_PROGRAM_BINARY_TYPE_EXECUTABLE) {
            return program->build;
        }
    }
    return NULL;
}

/* ---- source ----------------------------------------------------------------------------------------------- */

static char *join(cl_uint count, const char **strings, const size_t *lengths) {
    size_t total = 0;
    for (cl_uint i = 0; i < count; i++) {
        total += lengths && lengths[i] ? lengths[i] : strlen(strings[i]);
    }
    char *text = malloc(total + 1);
    size_t at = 0;
    for (cl_uint i = 0; text && i < count; i++) {
        size_t length = lengths && lengths[i] ? lengths[i] : strlen(strings[i]);
        memcpy(text + at, strings[i], length);
        at += length;
    }
    if (text) {
        text[total] = '\0';
    }
    return text;
}

cl_program clCreateProgramWithSource(cl_context context, cl_uint count, const char **strings, const size_t *lengths,
                                     cl_int *errcode_ret) {
    if (!is_object(context, A_CONTEXT)) {
        return result(errcode_ret, CL_INVALID_CONTEXT, NULL);
    }
    if (count == 0 || !strings) {
        return result(errcode_ret, CL_INVALID_VALUE, NULL);
    }
    for (cl_uint i = 0; i < count; i++) {
        if (!strings[i]) {
            return result(errcode_ret, CL_INVALID_VALUE, NULL);
        }
    }
    cl_program program = new_program(context, 0, NULL);
    if (!program || !(program->source = join(count, strings, lengths))) {
        return program_created(program, CL_OUT_OF_HOST_MEMORY, errcode_ret);
    }
    return program_created(program, announce_source(context, program->handle, program->source), errcode_ret);
}

/* ---- binaries --------------------------------------------------------------------------------------------- */

static cl_int check_binaries(cl_context context, cl_uint count, const cl_device_id *devices, const size_t *lengths,
                             const unsigned char **binaries, cl_int *statuses) {
    if (count == 0 || !devices || !lengths || !binaries) {
        return CL_INVALID_VALUE;
    }
    cl_int code = CL_SUCCESS;
    for (cl_uint i = 0; i < count; i++) {
        bool is_there = false;
        for (cl_uint d = 0; d < context->device_count; d++) {
            is_there = is_there || context->devices[d] == devices[i];
        }
        if (!is_there) {
            return CL_INVALID_DEVICE;
        }
        bool is_good = lengths[i] && binaries[i];
        code = is_good ? code : CL_INVALID_VALUE;
        if (statuses) {
            statuses[i] = is_good ? CL_SUCCESS : CL_INVALID_VALUE;
        }
    }
    return code;
}

static cl_int announce_binaries(cl_program program, const size_t *lengths, const unsigned char **binaries) {
    struct connection *c = program->session->connection;
    size_t total = 0;
    for (cl_uint i = 0; i < program->device_count; i++) {
        total += lengths[i];
    }
    unsigned char *all = malloc(total);
    struct writer *w = all ? begin(c, CREATE_PROGRAM_WITH_BINARY, 4) : NULL;
    if (!w) {
        free(all);
        return all ? CL_OUT_OF_RESOURCES : CL_OUT_OF_HOST_MEMORY;
    }
    write_uint(w, program->handle);
    write_uint(w, program->context->handle);
    write_places(w, program->device_count, program->devices);
    write_array(w, program->device_count);
    size_t at = 0;
    for (cl_uint i = 0; i < program->device_count; i++) {
        write_uint(w, lengths[i]);
        memcpy(all + at, binaries[i], lengths[i]);
        at += lengths[i];
    }
    cl_int code = post_payload(c, all, total);
    free(all);
    return code;
}

cl_program clCreateProgramWithBinary(cl_context context, cl_uint count, const cl_device_id *devices,
                                     const size_t *lengths, const unsigned char **binaries, cl_int *statuses,
                                     cl_int *errcode_ret) {
    if (!is_object(context, A_CONTEXT)) {
        return result(errcode_ret, CL_INVALID_CONTEXT, NULL);
    }
    cl_int code = check_binaries(context, count, devices, lengths, binaries, statuses);
    if (code != CL_SUCCESS) {
        return result(errcode_ret, code, NULL);
    }
    cl_program program = new_program(context, count, devices);
    code = program ? announce_binaries(program, lengths, binaries) : CL_OUT_OF_HOST_MEMORY;
    for (cl_uint i = 0; code == CL_SUCCESS && i < count; i++) {
        code = learn_binary_type(program, i);
    }
    for (cl_uint i = 0; statuses && code == CL_INVALID_BINARY && i < count; i++) {
        statuses[i] = CL_INVALID_BINARY;
    }
    return program_created(program, code, errcode_ret);
}

/* ---- intermediate language, built-in kernels ---------------------------------------------------------------- */

static bool has_il(cl_context context) {
    for (cl_uint i = 0; i < context->device_count; i++) {
        struct reader info;
        if (find_info(context->devices[i], CL_DEVICE_IL_VERSION, &info) && read_text(&info).length > 0) {
            return true;
        }
    }
    return false;
}

cl_program clCreateProgramWithIL(cl_context context, const void *il, size_t length, cl_int *errcode_ret) {
    if (!is_object(context, A_CONTEXT)) {
        return result(errcode_ret, CL_INVALID_CONTEXT, NULL);
    }
    if (!has_il(context)) {
        return result(errcode_ret, CL_INVALID_OPERATION, NULL);
    }
    if (!il || length < 20 || length % 4) {
        return result(errcode_ret, CL_INVALID_VALUE, NULL);
    }
    cl_program program = new_program(context, 0, NULL);
    if (!program || !(program->il = malloc(length))) {
        return program_created(program, CL_OUT_OF_HOST_MEMORY, errcode_ret);
    }
    memcpy(program->il, il, length);
    program->il_bytes = length;
    struct connection *c = context->session->connection;
    struct writer *w = begin(c, CREATE_PROGRAM_WITH_IL, 2);
    if (!w) {
        return program_created(program, CL_OUT_OF_RESOURCES, errcode_ret);
    }
    write_uint(w, program->handle);
    write_uint(w, context->handle);
    return program_created(program, post_payload(c, il, length), errcode_ret);
}

static bool has_built_in(cl_device_id device, const char *name, size_t length) {
    struct reader info;
    if (!find_info(device, CL_DEVICE_BUILT_IN_KERNELS, &info)) {
        return false;
    }
    struct text all = read_text(&info);
    for (const char *at = all.chars, *end = all.chars + all.length; at < end;) {
        const char *stop = memchr(at, ';', (size_t)(end - at));
        size_t own = (size_t)((stop ? stop : end) - at);
        if (own == length && !memcmp(at, name, length)) {
            return true;
        }
        at += own + 1;
    }
    return false;
}

static bool have_built_ins(cl_uint count, const cl_device_id *devices, const char *names) {
    for (const char *at = names; *at;) {
        size_t length = strcspn(at, ";");
        for (cl_uint i = 0; i < count; i++) {
            if (!has_built_in(devices[i], at, length)) {
                return false;
            }
        }
        at += length + (at[length] == ';');
    }
    return *names != '\0';
}

cl_program clCreateProgramWithBuiltInKernels(cl_context context, cl_uint count, const cl_device_id *devices,
                                             const char *names, cl_int *errcode_ret) {
    if (!is_object(context, A_CONTEXT)) {
        return result(errcode_ret, CL_INVALID_CONTEXT, NULL);
    }
    if (count == 0 || !devices || !names) {
        return result(errcode_ret, CL_INVALID_VALUE, NULL);
    }
    for (cl_uint i = 0; i < count; i++) {
        if (!is_object(devices[i], A_DEVICE) || devices[i]->session != context->session) {
            return result(errcode_ret, CL_INVALID_DEVICE, NULL);
        }
    }
    if (!have_built_ins(count, devices, names)) {
        return result(errcode_ret, CL_INVALID_VALUE, NULL);
    }
    cl_program program = new_program(context, count, devices);
    struct connection *c = context->session->connection;
    struct writer *w = program ? begin(c, CREATE_PROGRAM_WITH_BUILT_IN_KERNELS, 4) : NULL;
    if (!w) {
        return program_created(program, program ? CL_OUT_OF_RESOURCES : CL_OUT_OF_HOST_MEMORY, errcode_ret);
    }
    write_uint(w, program->handle);
    write_uint(w, context->handle);
    write_places(w, count, devices);
    write_text(w, names);
    return program_created(program, post(c), errcode_ret);
}

cl_int clSetProgramReleaseCallback(cl_program program, program_callback call, void *user_data) {
    (void)call, (void)user_data; /* of global constructors: deprecated, and nothing has them here */
    return is_object(program, A_PROGRAM) ? CL_INVALID_OPERATION : CL_INVALID_PROGRAM;
}

cl_int clSetProgramSpecializationConstant(cl_program program, cl_uint constant, size_t size, const void *value) {
    if (!is_object(program, A_PROGRAM)) {
        return CL_INVALID_PROGRAM;
    }
    if (!program->il) {
        return has_il(program->context) ? CL_INVALID_PROGRAM : CL_INVALID_OPERATION;
    }
    if (!value || size == 0 || size > 8) {
        return CL_INVALID_VALUE;
    }
    struct connection *c = program->session->connection;
    struct writer *w = begin(c, SET_PROGRAM_SPECIALIZATION_CONSTANT, 3);
    if (!w) {
        return CL_OUT_OF_RESOURCES;
    }
    write_uint(w, program->handle);
    write_uint(w, constant);
    write_bin(w, value, size);
    struct pending answer = {0};
    cl_int code = call(c, &answer);
    answer_free(&answer);
    return code;
}
