/* What programs are asked for: of all their devices, whose binaries are with their parts. */
#include <string.h>

#include "program.h"

#define INFO_ROOM size_t room, void *value, size_t *size_ret

/* Where the program's devices of a part are among all of it. */
static cl_uint places_at(const struct spanning_program *program, cl_uint part, cl_uint *places) {
    cl_uint count = 0;
    for (cl_uint i = 0; i < program->device_count; i++) {
        if (part_of_device(program->base.context, program->devices[i]) == (int)part) {
            places[count++] = i;
        }
    }
    return count;
}

static cl_int give_binary_sizes(struct spanning_program *program, INFO_ROOM) {
    cl_uint count = program->device_count;
    size_t *sizes = calloc(count, sizeof *sizes), *own = calloc(count, sizeof *own);
    cl_uint *places = calloc(count, sizeof *places);
    cl_int code = sizes && own && places ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;
    for (cl_uint i = 0; value && code == CL_SUCCESS && i < program->base.context->part_count; i++) {
        cl_program part = part_at(program, i);
        cl_uint own_count = part ? places_at(program, i, places) : 0;
        if (own_count) {
            code = clGetProgramInfo(part, CL_PROGRAM_BINARY_SIZES, own_count * sizeof *own, own, NULL);
        }
        for (cl_uint d = 0; d < own_count; d++) {
            sizes[places[d]] = own[d];
        }
    }
    code = code == CL_SUCCESS ? GIVE_BYTES(sizes, count * sizeof *sizes) : code;
    free(sizes);
    free(own);
    free(places);
    return code;
}

static cl_int give_binaries(struct spanning_program *program, INFO_ROOM) {
    cl_uint count = program->device_count;
    unsigned char **own = calloc(count, sizeof *own);
    cl_uint *places = calloc(count, sizeof *places);
    cl_int code = own && places ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;
    if (code == CL_SUCCESS && value && room < count * sizeof *own) {
        code = CL_INVALID_VALUE;
    }
    for (cl_uint i = 0; value && code == CL_SUCCESS && i < program->base.context->part_count; i++) {
        cl_program part = part_at(program, i);
        cl_uint own_count = part ? places_at(program, i, places) : 0;
        for (cl_uint d = 0; d < own_count; d++) {
            own[d] = ((unsigned char **)value)[places[d]];
        }
        if (own_count) {
            code = clGetProgramInfo(part, CL_PROGRAM_BINARIES, own_count * sizeof *own, own, NULL);
        }
    }
    if (code == CL_SUCCESS && size_ret) {
        *size_ret = count * sizeof *own;
    }
    free(own);
    free(places);
    return code;
}

/* Of the parts that are built: the first that has an answer. */
static cl_int give_of_a_part(struct spanning_program *program, cl_program_info name, INFO_ROOM) {
    cl_int code = CL_INVALID_PROGRAM;
    FOR_PARTS(i, program) {
        code = clGetProgramInfo(part_at(program, i), name, room, value, size_ret);
        if (code != CL_INVALID_PROGRAM_EXECUTABLE) {
            return code;
        }
    }
    return code;
}

cl_int spanning_clGetProgramInfo(cl_program handle, cl_program_info name, INFO_ROOM) {
    struct spanning_program *program = spanning_of(handle, A_SPANNING_PROGRAM);
    if (!program) {
        return CL_INVALID_PROGRAM;
    }
    switch (name) {
    case CL_PROGRAM_REFERENCE_COUNT:
        return GIVE(cl_uint, (cl_uint)program->base.object.references);
    case CL_PROGRAM_CONTEXT:
        return GIVE(cl_context, (cl_context)program->base.context);
    case CL_PROGRAM_NUM_DEVICES:
        return GIVE(cl_uint, program->device_count);
    case CL_PROGRAM_DEVICES:
        return GIVE_BYTES(program->devices, program->device_count * sizeof *program->devices);
    case CL_PROGRAM_BINARY_SIZES:
        return give_binary_sizes(program, room, value, size_ret);
    case CL_PROGRAM_BINARIES:
        return give_binaries(program, room, value, size_ret);
    default:
        return give_of_a_part(program, name, room, value, size_ret);
    }
}

cl_int spanning_clGetProgramBuildInfo(cl_program handle, cl_device_id device, cl_program_build_info name, INFO_ROOM) {
    struct spanning_program *program = spanning_of(handle, A_SPANNING_PROGRAM);
    if (!program) {
        return CL_INVALID_PROGRAM;
    }
    int part = part_of_device(program->base.context, device);
    cl_program own = part < 0 ? NULL : part_at(program, (cl_uint)part);
    return own ? clGetProgramBuildInfo(own, device, name, room, value, size_ret) : CL_INVALID_DEVICE;
}
