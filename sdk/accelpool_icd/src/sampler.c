#include "memory.h"
#include "tags.h"

static cl_int announce(cl_sampler sampler) {
    struct connection *c = sampler->session->connection;
    struct writer *w = begin(c, CREATE_SAMPLER, 5);
    if (!w) {
        return CL_OUT_OF_RESOURCES;
    }
    write_uint(w, sampler->handle);
    write_uint(w, sampler->context->handle);
    write_bool(w, sampler->is_normalized);
    write_uint(w, sampler->addressing_mode);
    write_uint(w, sampler->filter_mode);
    return post(c);
}

static cl_sampler create(cl_context context, cl_bool is_normalized, cl_addressing_mode addressing,
                         cl_filter_mode filter, const cl_sampler_properties *properties, cl_int *errcode_ret) {
    if (!is_object(context, A_CONTEXT)) {
        return result(errcode_ret, CL_INVALID_CONTEXT, NULL);
    }
    bool needs_normalized = addressing == CL_ADDRESS_REPEAT || addressing == CL_ADDRESS_MIRRORED_REPEAT;
    if (addressing < CL_ADDRESS_NONE || addressing > CL_ADDRESS_MIRRORED_REPEAT || is_normalized > CL_TRUE ||
        (filter != CL_FILTER_NEAREST && filter != CL_FILTER_LINEAR) || (needs_normalized && !is_normalized)) {
        return result(errcode_ret, CL_INVALID_VALUE, NULL);
    }
    if (!most_of_devices(context, CL_DEVICE_IMAGE_SUPPORT)) {
        return result(errcode_ret, CL_INVALID_OPERATION, NULL);
    }
    cl_sampler sampler = new_object(A_SAMPLER, sizeof *sampler);
    if (!sampler || !copy_properties(&sampler->properties, properties, sizeof *properties, 2)) {
        free(sampler);
        return result(errcode_ret, CL_OUT_OF_HOST_MEMORY, NULL);
    }
    sampler->session = context->session;
    sampler->handle = new_handle(context->session->connection);
    sampler->context = context;
    sampler->is_normalized = is_normalized;
    sampler->addressing_mode = addressing;
    sampler->filter_mode = filter;
    retain(context);
    enter_handle(sampler);
    cl_int code = announce(sampler);
    if (code != CL_SUCCESS) {
        release_sampler(sampler);
    }
    return result(errcode_ret, code, sampler);
}

cl_sampler clCreateSampler(cl_context context, cl_bool is_normalized, cl_addressing_mode addressing,
                           cl_filter_mode filter, cl_int *errcode_ret) {
    return create(context, is_normalized, addressing, filter, NULL, errcode_ret);
}

cl_sampler clCreateSamplerWithProperties(cl_context context, const cl_sampler_properties *properties,
                                         cl_int *errcode_ret) {
    cl_bool is_normalized = CL_TRUE;
    cl_addressing_mode addressing = CL_ADDRESS_CLAMP;
    cl_filter_mode filter = CL_FILTER_NEAREST;
    for (const cl_sampler_properties *at = properties; at && *at; at += 2) {
        switch (at[0]) {
        case CL_SAMPLER_NORMALIZED_COORDS:
            is_normalized = (cl_bool)at[1];
            break;
        case CL_SAMPLER_ADDRESSING_MODE:
            addressing = (cl_addressing_mode)at[1];
            break;
        case CL_SAMPLER_FILTER_MODE:
            filter = (cl_filter_mode)at[1];
            break;
        default:
            return result(errcode_ret, CL_INVALID_VALUE, NULL);
        }
    }
    return create(context, is_normalized, addressing, filter, properties, errcode_ret);
}

void release_sampler(cl_sampler sampler) {
    if (release(sampler)) {
        remove_handle(sampler);
        release_handle(sampler->session->connection, sampler->handle);
        release_context(sampler->context);
        free(sampler->properties.list);
        free_object(sampler);
    }
}

cl_int clRetainSampler(cl_sampler sampler) {
    if (!is_object(sampler, A_SAMPLER)) {
        return CL_INVALID_SAMPLER;
    }
    retain(sampler);
    return CL_SUCCESS;
}

cl_int clReleaseSampler(cl_sampler sampler) {
    if (!is_object(sampler, A_SAMPLER)) {
        return CL_INVALID_SAMPLER;
    }
    release_sampler(sampler);
    return CL_SUCCESS;
}

cl_int clGetSamplerInfo(cl_sampler sampler, cl_sampler_info name, size_t room, void *value, size_t *size_ret) {
    if (!is_object(sampler, A_SAMPLER)) {
        return CL_INVALID_SAMPLER;
    }
    switch (name) {
    case CL_SAMPLER_REFERENCE_COUNT:
        return GIVE(cl_uint, (cl_uint)sampler->object.references);
    case CL_SAMPLER_CONTEXT:
        return GIVE(cl_context, sampler->context);
    case CL_SAMPLER_NORMALIZED_COORDS:
        return GIVE(cl_bool, sampler->is_normalized);
    case CL_SAMPLER_ADDRESSING_MODE:
        return GIVE(cl_addressing_mode, sampler->addressing_mode);
    case CL_SAMPLER_FILTER_MODE:
        return GIVE(cl_filter_mode, sampler->filter_mode);
    case CL_SAMPLER_PROPERTIES:
        return GIVE_BYTES(sampler->properties.list, sampler->properties.bytes);
    default:
        return CL_INVALID_VALUE;
    }
}
