/* Building, compiling and linking: each waits for the compiler, or with a callback has that told of the end. */
#include <string.h>

#include "build.h"
#include "program.h"
#include "sources.h"
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

/* A build, compilation or link whose end somebody is to be told; else the caller waits for it. */
struct job {
    struct pending answer; /* first: `then` is given it */
    struct task task;
    cl_program program;
    struct sources *sources; /* until it is sent: what it is of; NULL of a link */
    cl_uint binary_type;     /* of what comes out */
    program_callback notify;
    void *user_data;
};

/* With the program's lock held: the result for the devices that it is being built for. */
static void set_results(cl_program program, cl_build_status status, cl_uint binary_type) {
    for (cl_uint i = 0; i < program->device_count; i++) {
        struct device_build *result = &program->results[i];
        if (result->status == CL_BUILD_IN_PROGRESS) {
            result->status = status;
            result->binary_type = status == CL_BUILD_SUCCESS ? binary_type : CL_PROGRAM_BINARY_TYPE_NONE;
        }
    }
}

/* Take what came, the kernels; the code of the build. */
static cl_int conclude(struct job *job, cl_int code) {
    cl_program program = job->program;
    struct build *build = code == CL_SUCCESS ? build_read(&job->answer.fields, program->context->device_count) : NULL;
    if (code == CL_SUCCESS && !build) { /* it made no sense, or there is no memory for it */
        code = CL_OUT_OF_RESOURCES;
    }
    answer_free(&job->answer);
    pthread_mutex_lock(&program->lock);
    set_results(program, code == CL_SUCCESS ? CL_BUILD_SUCCESS : CL_BUILD_ERROR, job->binary_type);
    release_build(program->build);
    program->build = build;
    pthread_mutex_unlock(&program->lock);
    return code;
}

static void conclude_and_tell(struct task *task) {
    struct job *job = (struct job *)((char *)task - offsetof(struct job, task));
    conclude(job, job->answer.code);
    job->notify(job->program, job->user_data);
    release_program(job->program);
    free(job);
}

static void job_is_done(struct connection *c, struct pending *answer) {
    struct job *job = (struct job *)answer;
    job->task.run = conclude_and_tell;
    service_add(c, &job->task);
}

/* Send what is begun, and wait for what comes, unless somebody is to be told of it. */
static cl_int carry_out(const struct job *prepared) {
    struct connection *c = prepared->program->session->connection;
    struct job waited = *prepared;
    if (!prepared->notify) {
        return conclude(&waited, call(c, &waited.answer));
    }
    struct job *job = malloc(sizeof *job);
    if (!job) {
        return conclude(&waited, abandon(c, CL_OUT_OF_HOST_MEMORY));
    }
    *job = *prepared;
    job->answer.then = job_is_done;
    retain(job->program);
    cl_int code = call_later(c, &job->answer);
    if (code != CL_SUCCESS) {
        release_program(job->program);
        free(job);
        conclude(&waited, code);
    }
    return code;
}

static cl_int check(cl_program program, cl_uint *count, const cl_device_id **devices, program_callback notify,
                    void *user_data) {
    if (!is_object(program, A_PROGRAM)) {
        return CL_INVALID_PROGRAM;
    }
    if (!notify && user_data) {
        return CL_INVALID_VALUE;
    }
    if (program->kernel_count > 0) {
        return CL_INVALID_OPERATION;
    }
    return check_program_devices(program, count, devices);
}

/* Whether OpenCL C is of 2.0 or newer, which work-groups of any size came with. Of a binary it is not known here. */
static bool is_new_c(cl_program program, const char *options) {
    const char *standard = strstr(options, "-cl-std=CL");
    return !program->source || (standard && standard[10] >= '2');
}

/* Note that a program is being built; CL_INVALID_OPERATION if it is already. */
static cl_int start(cl_program program, cl_uint count, const cl_device_id *devices, const char *options) {
    cl_int code = CL_SUCCESS;
    pthread_mutex_lock(&program->lock);
    for (cl_uint i = 0; i < program->device_count; i++) {
        code = program->results[i].status == CL_BUILD_IN_PROGRESS ? CL_INVALID_OPERATION : code;
    }
    for (cl_uint i = 0; code == CL_SUCCESS && i < count; i++) {
        struct device_build *result = &program->results[device_index(program, devices[i])];
        result->status = CL_BUILD_IN_PROGRESS;
        free(result->log);
        result->log = NULL; /* asked for when it is wanted */
    }
    if (code == CL_SUCCESS) {
        free(program->options);
        program->options = strdup(options);
        program->has_new_c = is_new_c(program, options);
        free(program->binaries);
        free(program->binary_sizes);
        program->binaries = NULL;
        program->binary_sizes = NULL;
    }
    pthread_mutex_unlock(&program->lock);
    return code;
}

/* Begin the message of a job that is then in progress; NULL, and why in `code`, if that cannot be. */
static struct writer *begin_job(const struct job *job, cl_uint count, const cl_device_id *devices,
                                const char *options, int tag, size_t fields, cl_int *code) {
    if (*code != CL_SUCCESS || (*code = start(job->program, count, devices, options)) != CL_SUCCESS) {
        return NULL;
    }
    struct connection *c = job->program->session->connection;
    *code = flush(c); /* the worker, too, is to know that no kernel is left */
    if (*code == CL_SUCCESS && job->sources) {
        *code = send_sources(job->sources, job->program);
    }
    struct writer *w = *code == CL_SUCCESS ? begin(c, tag, fields) : NULL;
    if (!w) {
        struct job failed = *job;
        *code = conclude(&failed, *code == CL_SUCCESS ? CL_OUT_OF_RESOURCES : *code);
    }
    return w;
}

cl_int clBuildProgram(cl_program program, cl_uint count, const cl_device_id *devices, const char *options,
                      program_callback notify, void *user_data) {
    struct sources sources = {0};
    struct job job = {.program = program, .sources = &sources, .notify = notify, .user_data = user_data};
    job.binary_type = CL_PROGRAM_BINARY_TYPE_EXECUTABLE;
    options = options ? options : "";
    cl_int code = check(program, &count, &devices, notify, user_data);
    code = code == CL_SUCCESS ? open_sources(&sources, program, options, 0, NULL, NULL) : code;
    struct writer *w = begin_job(&job, count, devices, options, BUILD_PROGRAM, 3, &code);
    if (w) {
        write_uint(w, program->handle);
        write_places(w, count, devices);
        write_text(w, sources.options.sent);
        code = carry_out(&job);
    }
    close_sources(&sources);
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
    struct sources sources = {0};
    struct job job = {.program = program, .sources = &sources, .notify = notify, .user_data = user_data};
    job.binary_type = CL_PROGRAM_BINARY_TYPE_COMPILED_OBJECT;
    options = options ? options : "";
    cl_int code = check(program, &count, &devices, notify, user_data);
    code = code == CL_SUCCESS ? check_headers(program, header_count, headers, names) : code;
    if (code == CL_SUCCESS && !program->source && !program->il) {
        code = CL_INVALID_OPERATION;
    }
    if (code == CL_SUCCESS) {
        code = open_sources(&sources, program, options, header_count, headers, names);
    }
    struct writer *w = begin_job(&job, count, devices, options, COMPILE_PROGRAM, 5, &code);
    if (w) {
        write_uint(w, program->handle);
        write_places(w, count, devices);
        write_text(w, sources.options.sent);
        write_array(w, header_count);
        for (cl_uint i = 0; i < header_count; i++) {
            write_uint(w, sources.headers[i].handle);
        }
        write_array(w, header_count);
        for (cl_uint i = 0; i < header_count; i++) {
            write_text(w, names[i]);
        }
        code = carry_out(&job);
    }
    close_sources(&sources);
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

static cl_int link_programs(const struct job *job, const char *options, cl_uint program_count,
                            const cl_program *programs) {
    cl_program program = job->program;
    cl_int code = CL_SUCCESS;
    struct writer *w = begin_job(job, program->device_count, program->devices, options, LINK_PROGRAM, 5, &code);
    if (!w) {
        return code;
    }
    write_uint(w, program->handle);
    write_uint(w, program->context->handle);
    write_array(w, program_count);
    for (cl_uint i = 0; i < program_count; i++) {
        write_uint(w, programs[i]->handle);
    }
    write_places(w, program->device_count, program->devices);
    write_text(w, options);
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
    options = options ? options : "";
    struct job job = {.program = program, .binary_type = CL_PROGRAM_BINARY_TYPE_EXECUTABLE, .notify = notify};
    job.user_data = user_data;
    if (strstr(options, "-create-library")) {
        job.binary_type = CL_PROGRAM_BINARY_TYPE_LIBRARY;
    }
    code = link_programs(&job, options, program_count, programs);
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
