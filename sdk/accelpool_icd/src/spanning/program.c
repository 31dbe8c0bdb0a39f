/* Making programs: one in each session, or in those of the devices that they are for. */
#include "program.h"

struct spanning_program *new_spanning_program(struct spanning_context *context, cl_uint count,
                                              const cl_device_id *devices) {
    if (count == 0) {
        count = context->device_count;
        devices = context->devices;
    }
    cl_device_id *kept = calloc(count, sizeof *kept);
    struct spanning_program *program = kept ? new_spanning(A_SPANNING_PROGRAM, sizeof *program, context) : NULL;
    if (!program) {
        free(kept);
        return NULL;
    }
    program->device_count = count;
    program->devices = kept;
    for (cl_uint i = 0; i < count; i++) {
        kept[i] = devices[i];
        retain(kept[i]);
    }
    return program;
}

cl_program spanning_program_created(struct spanning_program *program, cl_int code, cl_int *errcode_ret) {
    if (code != CL_SUCCESS && program) {
        release_spanning_program(program);
    }
    return result(errcode_ret, code, program);
}

void release_spanning_program(struct spanning_program *program) {
    if (!release(program)) {
        return;
    }
    FOR_PARTS(i, program) {
        release_program(part_at(program, i));
    }
    for (cl_uint i = 0; i < program->device_count; i++) {
        release_device(program->devices[i]);
    }
    release_spanning_context(program->base.context);
    free(program->devices);
    free_object(program);
}

cl_uint devices_at(const struct spanning_context *context, cl_uint part, cl_uint count, const cl_device_id *devices,
                   cl_device_id *own) {
    cl_uint found = 0;
    for (cl_uint i = 0; i < count; i++) {
        if (part_of_device(context, devices[i]) == (int)part) {
            own[found++] = devices[i];
        }
    }
    return found;
}

cl_int check_devices_of(const struct spanning_context *context, cl_uint count, const cl_device_id *devices) {
    for (cl_uint i = 0; i < count; i++) {
        if (part_of_device(context, devices[i]) < 0) {
            return CL_INVALID_DEVICE;
        }
    }
    return CL_SUCCESS;
}

cl_int spanning_clRetainProgram(cl_program program) {
    return retained(spanning_of(program, A_SPANNING_PROGRAM), CL_INVALID_PROGRAM);
}

cl_int spanning_clReleaseProgram(cl_program handle) {
    struct spanning_program *program = spanning_of(handle, A_SPANNING_PROGRAM);
    if (!program) {
        return CL_INVALID_PROGRAM;
    }
    release_spanning_program(program);
    return CL_SUCCESS;
}

/* ---- of all devices ------------------------------------------------------------------------------------------ */

cl_program spanning_clCreateProgramWithSource(cl_context handle, cl_uint count, const char **strings,
                                              const size_t *lengths, cl_int *errcode_ret) {
    struct spanning_context *context = spanning_of(handle, A_SPANNING_CONTEXT);
    if (!context) {
        return result(errcode_ret, CL_INVALID_CONTEXT, NULL);
    }
    struct spanning_program *program = new_spanning_program(context, 0, NULL);
    cl_int code = program ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;
    for (cl_uint i = 0; code == CL_SUCCESS && i < context->part_count; i++) {
        program->base.parts[i].object =
            clCreateProgramWithSource(part_at(context, i), count, strings, lengths, &code);
    }
    return spanning_program_created(program, code, errcode_ret);
}

cl_program spanning_clCreateProgramWithIL(cl_context handle, const void *il, size_t length, cl_int *errcode_ret) {
    struct spanning_context *context = spanning_of(handle, A_SPANNING_CONTEXT);
    if (!context) {
        return result(errcode_ret, CL_INVALID_CONTEXT, NULL);
    }
    struct spanning_program *program = new_spanning_program(context, 0, NULL);
    cl_int code = program ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;
    for (cl_uint i = 0; code == CL_SUCCESS && i < context->part_count; i++) {
        program->base.parts[i].object = clCreateProgramWithIL(part_at(context, i), il, length, &code);
    }
    return spanning_program_created(program, code, errcode_ret);
}

/* ---- of the devices named ------------------------------------------------------------------------------------ */

/* The binaries for the devices of a part; its program. */
static cl_int load(struct spanning_program *program, cl_uint part, const size_t *lengths,
                   const unsigned char **binaries, cl_int *statuses) {
    struct spanning_context *context = program->base.context;
    cl_uint count = program->device_count, own_count = 0;
    cl_device_id *devices = calloc(count, sizeof *devices);
    size_t *own_lengths = calloc(count, sizeof *own_lengths);
    const unsigned char **own_binaries = calloc(count, sizeof *own_binaries);
    cl_int *own_statuses = calloc(count, sizeof *own_statuses);
    bool has_memory = devices && own_lengths && own_binaries && own_statuses;
    cl_int code = has_memory ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;
    for (cl_uint i = 0; has_memory && i < count; i++) {
        if (part_of_device(context, program->devices[i]) == (int)part) {
            devices[own_count] = program->devices[i];
            own_lengths[own_count] = lengths[i];
            own_binaries[own_count++] = binaries[i];
        }
    }
    if (own_count) {
        program->base.parts[part].object = clCreateProgramWithBinary(part_at(context, part), own_count, devices,
                                                                     own_lengths, own_binaries, own_statuses, &code);
    }
    for (cl_uint i = 0, own = 0; statuses && has_memory && i < count; i++) {
        if (part_of_device(context, program->devices[i]) == (int)part) {
            statuses[i] = own_statuses[own++];
        }
    }
    free(devices);
    free(own_lengths);
    free(own_binaries);
    free(own_statuses);
    return code;
}

cl_program spanning_clCreateProgramWithBinary(cl_context handle, cl_uint count, const cl_device_id *devices,
                                              const size_t *lengths, const unsigned char **binaries, cl_int *statuses,
                                              cl_int *errcode_ret) {
    struct spanning_context *context = spanning_of(handle, A_SPANNING_CONTEXT);
    if (!context) {
        return result(errcode_ret, CL_INVALID_CONTEXT, NULL);
    }
    bool is_told = count && devices && lengths && binaries;
    cl_int code = is_told ? check_devices_of(context, count, devices) : CL_INVALID_VALUE;
    struct spanning_program *program = code == CL_SUCCESS ? new_spanning_program(context, count, devices) : NULL;
    code = code == CL_SUCCESS && !program ? CL_OUT_OF_HOST_MEMORY : code;
    for (cl_uint i = 0; program && i < context->part_count; i++) {
        cl_int here = load(program, i, lengths, binaries, statuses);
        code = code == CL_SUCCESS ? here : code;
    }
    return spanning_program_created(program, code, errcode_ret);
}

cl_program spanning_clCreateProgramWithBuiltInKernels(cl_context handle, cl_uint count, const cl_device_id *devices,
                                                      const char *names, cl_int *errcode_ret) {
    struct spanning_context *context = spanning_of(handle, A_SPANNING_CONTEXT);
    if (!context) {
        return result(errcode_ret, CL_INVALID_CONTEXT, NULL);
    }
    cl_int code = count && devices && names ? check_devices_of(context, count, devices) : CL_INVALID_VALUE;
    cl_device_id *own = code == CL_SUCCESS ? calloc(count, sizeof *own) : NULL;
    struct spanning_program *program = own ? new_spanning_program(context, count, devices) : NULL;
    code = code == CL_SUCCESS && !program ? CL_OUT_OF_HOST_MEMORY : code;
    for (cl_uint i = 0; code == CL_SUCCESS && i < context->part_count; i++) {
        cl_uint own_count = devices_at(context, i, count, devices, own);
        if (own_count) {
            program->base.parts[i].object =
                clCreateProgramWithBuiltInKernels(part_at(context, i), own_count, own, names, &code);
        }
    }
    free(own);
    return spanning_program_created(program, code, errcode_ret);
}

cl_int spanning_clSetProgramReleaseCallback(cl_program program, program_callback call, void *user_data) {
    (void)call, (void)user_data;
    return is_object(program, A_SPANNING_PROGRAM) ? CL_INVALID_OPERATION : CL_INVALID_PROGRAM;
}

cl_int spanning_clSetProgramSpecializationConstant(cl_program handle, cl_uint constant, size_t size,
                                                   const void *value) {
    struct spanning_program *program = spanning_of(handle, A_SPANNING_PROGRAM);
    cl_int code = program ? CL_SUCCESS : CL_INVALID_PROGRAM;
    for (cl_uint i = 0; code == CL_SUCCESS && i < program->base.context->part_count; i++) {
        cl_program part = part_at(program, i);
        code = part ? clSetProgramSpecializationConstant(part, constant, size, value) : CL_SUCCESS;
    }
    return code;
}
