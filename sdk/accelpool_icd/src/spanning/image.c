/* Images: over a buffer they are where that is; others stay in the session of the context's first device. */
#include "../image.h"
#include "memory.h"

static struct spanning_mem *over_buffer(struct spanning_context *context, struct spanning_mem *buffer,
                                        const cl_mem_properties *properties, cl_mem_flags flags,
                                        const cl_image_format *format, const cl_image_desc *desc, void *host_ptr) {
    struct spanning_mem *image = new_spanning_mem(context, buffer, 0, 0, false);
    for (cl_uint i = 0; image && i < context->part_count; i++) {
        struct part *part = &image->base.parts[i];
        cl_image_desc own = *desc;
        own.mem_object = part_at(buffer, i);
        part->code = buffer->base.parts[i].code;
        part->object = own.mem_object ? clCreateImageWithProperties(part_at(context, i), properties, flags, format,
                                                                    &own, host_ptr, &part->code)
                                      : NULL;
    }
    return image;
}

static struct spanning_mem *bound(struct spanning_context *context, const cl_mem_properties *properties,
                                  cl_mem_flags flags, const cl_image_format *format, const cl_image_desc *desc,
                                  void *host_ptr) {
    struct spanning_mem *image = new_spanning_mem(context, NULL, 0, 0, true);
    for (cl_uint i = 1; image && i < context->part_count; i++) {
        image->base.parts[i].code = CL_INVALID_OPERATION;
    }
    if (image) {
        image->base.parts[0].object = clCreateImageWithProperties(part_at(context, 0), properties, flags, format,
                                                                  desc, host_ptr, &image->base.parts[0].code);
    }
    return image;
}

cl_mem spanning_clCreateImageWithProperties(cl_context handle, const cl_mem_properties *properties,
                                            cl_mem_flags flags, const cl_image_format *format,
                                            const cl_image_desc *desc, void *host_ptr, cl_int *errcode_ret) {
    struct spanning_context *context = spanning_of(handle, A_SPANNING_CONTEXT);
    if (!context) {
        return result(errcode_ret, CL_INVALID_CONTEXT, NULL);
    }
    if (!desc || !desc->mem_object) {
        return spanning_mem_created(bound(context, properties, flags, format, desc, host_ptr), errcode_ret);
    }
    struct spanning_mem *buffer = spanning_of(desc->mem_object, A_SPANNING_MEM);
    if (!buffer || buffer->base.context != context || buffer->is_bound) {
        return result(errcode_ret, CL_INVALID_IMAGE_DESCRIPTOR, NULL);
    }
    return spanning_mem_created(over_buffer(context, buffer, properties, flags, format, desc, host_ptr), errcode_ret);
}

cl_mem spanning_clCreateImage(cl_context context, cl_mem_flags flags, const cl_image_format *format,
                              const cl_image_desc *desc, void *host_ptr, cl_int *errcode_ret) {
    return spanning_clCreateImageWithProperties(context, NULL, flags, format, desc, host_ptr, errcode_ret);
}

cl_mem spanning_clCreateImage2D(cl_context context, cl_mem_flags flags, const cl_image_format *format, size_t width,
                                size_t height, size_t row_pitch, void *host_ptr, cl_int *errcode_ret) {
    cl_image_desc desc = image_2d(width, height, row_pitch);
    return spanning_clCreateImage(context, flags, format, &desc, host_ptr, errcode_ret);
}

cl_mem spanning_clCreateImage3D(cl_context context, cl_mem_flags flags, const cl_image_format *format, size_t width,
                                size_t height, size_t depth, size_t row_pitch, size_t slice_pitch, void *host_ptr,
                                cl_int *errcode_ret) {
    cl_image_desc desc = image_3d(width, height, depth, row_pitch, slice_pitch);
    return spanning_clCreateImage(context, flags, format, &desc, host_ptr, errcode_ret);
}

cl_int spanning_clGetImageInfo(cl_mem handle, cl_image_info name, size_t room, void *value, size_t *size_ret) {
    struct spanning_mem *image = spanning_of(handle, A_SPANNING_MEM);
    if (!image) {
        return CL_INVALID_MEM_OBJECT;
    }
    cl_int code = clGetImageInfo(some_part(image), name, 0, NULL, NULL);
    if (code == CL_SUCCESS && name == CL_IMAGE_BUFFER) {
        return GIVE(cl_mem, (cl_mem)image->parent);
    }
    return clGetImageInfo(some_part(image), name, room, value, size_ret);
}
