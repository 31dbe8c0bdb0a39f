/* Building, compiling and linking: each waits for the compiler, then calls the callback. */
#include <string.h>

#include "build.h"
#include "program.h"
#include "tags.h"

int device_index(cl_program program, cl_device_id device) {
    for (cl_uint i = 0; i < program->device_count; i++) {
        if (program->devices[i] == device) {
            return (int)i;
        }
    }
    return -1;
}

cl_int check_program_devices(cl_program program, cl_uint *count, const cl_device_id **devices) {
    if ((*count == 0) != (*devices == NULL)) {
        return CL_INVALID_VALUE;
    }
    if (*count == 0) {
        *count = program->device_count;
        *devices = program->devices;
    }
    for (cl_uint i = 0; i < *count; i++) {
        if (device_index(program, (*devices)[i]) < 0) {
            return CL_INVALID_DEVICE;
        }
    }
    return CL_SUCCESS;
}

/* What a build, compilation or link is about. */
struct job {
    cl_program program;
    cl_uint count;
    const cl_device_id *devices;
    const char *options;
    cl_uint binary_type; /* of what comes out */
};

static void set_result(struct job *job, cl_build_status status) {
    for (cl_uint i = 0; i < job->count; i++) {
        int index = device_index(job->program, job->devices[i]);
        if (index >= 0) {
            struct device_build *result = &job->program->results[index];
            result->status = status;
            result->binary_type = status == CL_BUILD_SUCCESS ? job->binary_type : CL_PROGRAM_BINARY_TYPE_NONE;
            free(result->log);
            result->log = NULL; /* asked for when it is wanted */
        }
    }
    free(job->program->options);
    job->program->options = strdup(job->options);
    free(job->program->binaries);
    free(job->program->binary_sizes);
    job->program->binaries = NULL;
    job->program->binary_sizes = NULL;
}

/* Send what is begun, and take what comes: the kernels. */
static cl_int carry_out(struct job *job) {
    cl_program program = job->program;
    struct pending answer = {0};
    cl_int code = call(program->session->connection, &answer);
    struct build *build = code == CL_SUCCESS ? build_read(&answer.fields, program->context->device_count) : NULL;
    if (code == CL_SUCCESS && !build) { /* it made no sense, or there is no memory for it */
        code = CL_OUT_OF_RESOURCES;
    }
    answer_free(&answer);
    pthread_mutex_lock(&program->lock);
    set_result(job, code == CL_SUCCESS ? CL_BUILD_SUCCESS : CL_BUILD_ERROR);
    release_build(program->build);
    program->build = build;
    pthread_mutex_unlock(&program->lock);
    return code;
}

static cl_int check(cl_program program, struct job *job, program_callback notify, void *user_data) {
    if (!is_object(program, A_PROGRAM)) {
        return CL_INVALID_PROGRAM;
    }
    if (!notify && user_data) {
        return CL_INVALID_VALUE;
    }
    if (program->kernel_count > 0) {
        return CL_INVALID_OPERATION;
    }
    job->program = program;
    job->options = job->options ? job->options : "";
    return check_program_devices(program, &job->count, &job->devices);
}

static void set_status(struct job *job, cl_build_status status) {
    pthread_mutex_lock(&job->program->lock);
    set_result(job, status);
    pthread_mutex_unlock(&job->program->lock);
}

/* Begin the message of a job that is then in progress; NULL, and it failed, if the session is lost. */
static struct writer *begin_job(struct job *job, int tag, size_t fields) {
    set_status(job, CL_BUILD_IN_PROGRESS);
    struct writer *w = begin(job->program->session->connection, tag, fields);
    if (!w) {
        set_status(job, CL_BUILD_ERROR);
    }
    return w;
}

cl_int clBuildProgram(cl_program program, cl_uint count, const cl_device_id *devices, const char *options,
                      program_callback notify, void *user_data) {
    struct job job = {NULL, count, devices, options, CL_PROGRAM_BINARY_TYPE_EXECUTABLE};
    cl_int code = check(program, &job, notify, user_data);
    if (code != CL_SUCCESS) {
        return code;
    }
    struct writer *w = begin_job(&job, BUILD_PROGRAM, 3);
    if (!w) {
        return CL_OUT_OF_RESOURCES;
    }
    write_uint(w, program->handle);
    write_places(w, job.count, job.devices);
    write_text(w, job.options);
    code = carry_out(&job);
    if (notify) {
        notify(program, user_data);
    }
    return code;
}

static cl_int check_headers(cl_program program, cl_uint count, const cl_program *headers, const char **names) {
    if ((count == 0) != (headers == NULL) || (count == 0) != (names == NULL)) {
        return CL_INVALID_VALUE;
    }
    for (cl_uint i = 0; i < count; i++) {
        if (!is_object(headers[i], A_PROGRAM) || headers[i]->context != program->context || !headers[i]->source) {
            return CL_INVALID_PROGRAM;
        }
        if (!names[i]) {
            return CL_INVALID_VALUE;
        }
    }
    return CL_SUCCESS;
}

cl_int clCompileProgram(cl_program program, cl_uint count, const cl_device_id *devices, const char *options,
                        cl_uint header_count, const cl_program *headers, const char **names, program_callback notify,
                        void *user_data) {
    struct job job = {NULL, count, devices, options, CL_PROGRAM_BINARY_TYPE_COMPILED_OBJECT};
    cl_int code = check(program, &job, notify, user_data);
    code = code == CL_SUCCESS ? check_headers(program, header_count, headers, names) : code;
    if (code == CL_SUCCESS && !program->source && !program->il) {
        code = CL_INVALID_OPERATION;
    }
    if (code != CL_SUCCESS) {
        return code;
    }
    struct writer *w = begin_job(&job, COMPILE_PROGRAM, 5);
    if (!w) {
        return CL_OUT_OF_RESOURCES;
    }
    write_uint(w, program->handle);
    write_places(w, job.count, job.devices);
    write_text(w, job.options);
    write_array(w, header_count);
    for (cl_uint i = 0; i < header_count; i++) {
        write_uint(w, headers[i]->handle);
    }
    write_array(w, header_count);
    for (cl_uint i = 0; i < header_count; i++) {
        write_text(w, names[i]);
    }
    code = carry_out(&job);
    if (notify) {
        notify(program, user_data);
    }
    return code;
}

static cl_int check_link(cl_context context, cl_uint count, const cl_device_id *devices, cl_uint program_count,
                         const cl_program *programs) {
    if ((count == 0) != (devices == NULL) || program_count == 0 || !programs) {
        return CL_INVALID_VALUE;
    }
    for (cl_uint i = 0; i < count; i++) {
        if (!is_object(devices[i], A_DEVICE) || devices[i]->session != context->session) {
            return CL_INVALID_DEVICE;
        }
    }
    for (cl_uint i = 0; i < program_count; i++) {
        if (!is_object(programs[i], A_PROGRAM) || programs[i]->context != context) {
            return CL_INVALID_PROGRAM;
        }
    }
    return CL_SUCCESS;
}

static cl_int link_programs(struct job *job, cl_uint program_count, const cl_program *programs) {
    cl_program program = job->program;
    struct writer *w = begin(program->session->connection, LINK_PROGRAM, 5);
    if (!w) {
        return CL_OUT_OF_RESOURCES;
    }
    write_uint(w, program->handle);
    write_uint(w, program->context->handle);
    write_array(w, program_count);
    for (cl_uint i = 0; i < program_count; i++) {
        write_uint(w, programs[i]->handle);
    }
    write_places(w, job->count, job->devices);
    write_text(w, job->options);
    return carry_out(job);
}

cl_program clLinkProgram(cl_context context, cl_uint count, const cl_device_id *devices, const char *options,
                         cl_uint program_count, const cl_program *programs, program_callback notify, void *user_data,
                         cl_int *errcode_ret) {
    if (!is_object(context, A_CONTEXT)) {
        return result(errcode_ret, CL_INVALID_CONTEXT, NULL);
    }
    cl_int code =
        !notify && user_data ? CL_INVALID_VALUE : check_link(context, count, devices, program_count, programs);
    if (code != CL_SUCCESS) {
        return result(errcode_ret, code, NULL);
    }
    cl_program program = new_program(context, count, devices);
    if (!program) {
        return result(errcode_ret, CL_OUT_OF_HOST_MEMORY, NULL);
    }
    struct job job = {program, program->device_count, program->devices, options ? options : "",
                      CL_PROGRAM_BINARY_TYPE_EXECUTABLE};
    if (strstr(job.options, "-create-library")) {
        job.binary_type = CL_PROGRAM_BINARY_TYPE_LIBRARY;
    }
    code = link_programs(&job, program_count, programs);
    if (notify) {
        notify(program, user_data);
    }
    /* A program that did not link is given all the same, for its log. */
    if (code != CL_SUCCESS && code != CL_LINK_PROGRAM_FAILURE) {
        release_program(program);
        program = NULL;
    }
    if (errcode_ret) {
        *errcode_ret = code;
    }
    return program;
}
