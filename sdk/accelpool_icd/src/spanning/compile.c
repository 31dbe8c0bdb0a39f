/* Building, compiling and linking: each session does it for its own devices, one after the other. */
#include "program.h"

/* What the parts have to do: for those of the devices named that are theirs, or all of the program's. */
struct job {
    struct spanning_program *program;
    cl_uint count;
    const cl_device_id *devices;
    cl_device_id *own; /* of the part whose turn it is */
    cl_uint own_count;
};

static cl_int open_job(struct job *job, cl_program handle, cl_uint count, const cl_device_id *devices,
                       bool has_callback, const void *user_data) {
    *job = (struct job){.program = spanning_of(handle, A_SPANNING_PROGRAM)};
    if (!job->program) {
        return CL_INVALID_PROGRAM;
    }
    if ((count == 0) != (devices == NULL) || (!has_callback && user_data)) {
        return CL_INVALID_VALUE;
    }
    job->count = count ? count : job->program->device_count;
    job->devices = count ? devices : job->program->devices;
    cl_int code = check_devices_of(job->program->base.context, job->count, job->devices);
    job->own = code == CL_SUCCESS ? calloc(job->count, sizeof *job->own) : NULL;
    return code == CL_SUCCESS && !job->own ? CL_OUT_OF_HOST_MEMORY : code;
}

/* Whether a part has something to do. */
static bool is_turn_of(struct job *job, cl_uint part) {
    job->own_count = devices_at(job->program->base.context, part, job->count, job->devices, job->own);
    return job->own_count > 0;
}

static cl_int close_job(struct job *job, cl_int code, program_callback notify, void *user_data) {
    free(job->own);
    if (notify) {
        notify((cl_program)job->program, user_data);
    }
    return code;
}

/* The part of a program that has to do something; of a program without that device there is none. */
#define FOR_TURNS(part, job)                                                        \
    for (cl_uint part = 0; part < (job)->program->base.context->part_count; part++) \
        if (is_turn_of(job, part))

cl_int spanning_clBuildProgram(cl_program handle, cl_uint count, const cl_device_id *devices, const char *options,
                               program_callback notify, void *user_data) {
    struct job job;
    cl_int code = open_job(&job, handle, count, devices, notify != NULL, user_data);
    if (code != CL_SUCCESS) {
        return code;
    }
    FOR_TURNS(i, &job) {
        cl_program part = part_at(job.program, i);
        cl_int here = part ? clBuildProgram(part, job.own_count, job.own, options, NULL, NULL) : CL_INVALID_DEVICE;
        code = code == CL_SUCCESS ? here : code;
    }
    return close_job(&job, code, notify, user_data);
}

/* The parts of some programs in a session; NULL, and why. */
static cl_program *parts_of(const struct spanning_context *context, cl_uint part, cl_uint count,
                            const cl_program *programs, cl_int *code) {
    cl_program *parts = calloc(count + 1, sizeof *parts);
    *code = parts ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;
    for (cl_uint i = 0; *code == CL_SUCCESS && i < count; i++) {
        struct spanning_program *program = spanning_of(programs[i], A_SPANNING_PROGRAM);
        bool is_there = program && program->base.context == context && part_at(program, part);
        *code = is_there ? CL_SUCCESS : CL_INVALID_PROGRAM;
        parts[i] = is_there ? part_at(program, part) : NULL;
    }
    if (*code != CL_SUCCESS) {
        free(parts);
        return NULL;
    }
    return parts;
}

cl_int spanning_clCompileProgram(cl_program handle, cl_uint count, const cl_device_id *devices, const char *options,
                                 cl_uint header_count, const cl_program *headers, const char **names,
                                 program_callback notify, void *user_data) {
    struct job job;
    cl_int code = open_job(&job, handle, count, devices, notify != NULL, user_data);
    if (code == CL_SUCCESS && (header_count == 0) != (headers == NULL)) {
        code = CL_INVALID_VALUE;
    }
    if (code != CL_SUCCESS) {
        return close_job(&job, code, NULL, NULL);
    }
    FOR_TURNS(i, &job) {
        cl_int here = CL_INVALID_DEVICE;
        cl_program part = part_at(job.program, i);
        cl_program *own = part ? parts_of(job.program->base.context, i, header_count, headers, &here) : NULL;
        if (own) {
            here = clCompileProgram(part, job.own_count, job.own, options, header_count, headers ? own : NULL, names,
                                    NULL, NULL);
        }
        free(own);
        code = code == CL_SUCCESS ? here : code;
    }
    return close_job(&job, code, notify, user_data);
}

cl_program spanning_clLinkProgram(cl_context handle, cl_uint count, const cl_device_id *devices, const char *options,
                                  cl_uint program_count, const cl_program *programs, program_callback notify,
                                  void *user_data, cl_int *errcode_ret) {
    struct spanning_context *context = spanning_of(handle, A_SPANNING_CONTEXT);
    if (!context) {
        return result(errcode_ret, CL_INVALID_CONTEXT, NULL);
    }
    bool is_valid = (count == 0) == (devices == NULL) && program_count && programs && (notify || !user_data);
    cl_int code = is_valid ? check_devices_of(context, count, devices) : CL_INVALID_VALUE;
    struct spanning_program *program = code == CL_SUCCESS ? new_spanning_program(context, count, devices) : NULL;
    struct job job = {.program = program};
    if (program) {
        code = open_job(&job, (cl_program)program, 0, NULL, false, NULL);
    } else if (code == CL_SUCCESS) {
        code = CL_OUT_OF_HOST_MEMORY;
    }
    if (code != CL_SUCCESS) {
        return spanning_program_created(program, code, errcode_ret);
    }
    FOR_TURNS(i, &job) {
        cl_int here;
        cl_program *own = parts_of(context, i, program_count, programs, &here);
        if (own) {
            program->base.parts[i].object = clLinkProgram(part_at(context, i), job.own_count, job.own, options,
                                                          program_count, own, NULL, NULL, &here);
        }
        free(own);
        code = code == CL_SUCCESS ? here : code;
    }
    close_job(&job, code, notify, user_data);
    /* A program that did not link is given all the same, for its log. */
    if (code == CL_LINK_PROGRAM_FAILURE && some_part(program)) {
        result(errcode_ret, code, NULL);
        return (cl_program)program;
    }
    return spanning_program_created(program, code, errcode_ret);
}
