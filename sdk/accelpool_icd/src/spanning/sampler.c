/* Samplers: one in each session. */
#include "../memory.h"
#include "spanning.h"

static void release_spanning_sampler(struct spanning_sampler *sampler) {
    if (release(sampler)) {
        remove_handle(sampler);
        FOR_PARTS(i, sampler) {
            release_sampler(part_at(sampler, i));
        }
        release_spanning_context(sampler->base.context);
        free_object(sampler);
    }
}

/* One part is enough: a session whose devices have no images has none. */
static cl_sampler created(struct spanning_sampler *sampler, cl_int *errcode_ret) {
    cl_int code = sampler ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;
    if (sampler) {
        enter_handle(sampler);
    }
    if (sampler && !some_part(sampler)) {
        code = why_no_part(sampler);
        release_spanning_sampler(sampler);
    }
    return result(errcode_ret, code, sampler);
}

cl_sampler spanning_clCreateSampler(cl_context handle, cl_bool is_normalized, cl_addressing_mode addressing,
                                    cl_filter_mode filter, cl_int *errcode_ret) {
    struct spanning_context *context = spanning_of(handle, A_SPANNING_CONTEXT);
    if (!context) {
        return result(errcode_ret, CL_INVALID_CONTEXT, NULL);
    }
    struct spanning_sampler *sampler = new_spanning(A_SPANNING_SAMPLER, sizeof *sampler, context);
    for (cl_uint i = 0; sampler && i < context->part_count; i++) {
        struct part *part = &sampler->base.parts[i];
        part->object = clCreateSampler(part_at(context, i), is_normalized, addressing, filter, &part->code);
    }
    return created(sampler, errcode_ret);
}

cl_sampler spanning_clCreateSamplerWithProperties(cl_context handle, const cl_sampler_properties *properties,
                                                  cl_int *errcode_ret) {
    struct spanning_context *context = spanning_of(handle, A_SPANNING_CONTEXT);
    if (!context) {
        return result(errcode_ret, CL_INVALID_CONTEXT, NULL);
    }
    struct spanning_sampler *sampler = new_spanning(A_SPANNING_SAMPLER, sizeof *sampler, context);
    for (cl_uint i = 0; sampler && i < context->part_count; i++) {
        struct part *part = &sampler->base.parts[i];
        part->object = clCreateSamplerWithProperties(part_at(context, i), properties, &part->code);
    }
    return created(sampler, errcode_ret);
}

cl_int spanning_clRetainSampler(cl_sampler sampler) {
    return retained(spanning_of(sampler, A_SPANNING_SAMPLER), CL_INVALID_SAMPLER);
}

cl_int spanning_clReleaseSampler(cl_sampler handle) {
    struct spanning_sampler *sampler = spanning_of(handle, A_SPANNING_SAMPLER);
    if (!sampler) {
        return CL_INVALID_SAMPLER;
    }
    release_spanning_sampler(sampler);
    return CL_SUCCESS;
}

cl_int spanning_clGetSamplerInfo(cl_sampler handle, cl_sampler_info name, size_t room, void *value,
                                 size_t *size_ret) {
    struct spanning_sampler *sampler = spanning_of(handle, A_SPANNING_SAMPLER);
    if (!sampler) {
        return CL_INVALID_SAMPLER;
    }
    switch (name) {
    case CL_SAMPLER_REFERENCE_COUNT:
        return GIVE(cl_uint, (cl_uint)sampler->base.object.references);
    case CL_SAMPLER_CONTEXT:
        return GIVE(cl_context, (cl_context)sampler->base.context);
    default:
        return clGetSamplerInfo(some_part(sampler), name, room, value, size_ret);
    }
}
