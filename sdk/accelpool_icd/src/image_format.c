#include <string.h>

#include "device_info.h"
#include "image.h"
#include "memory.h"
#include "tags.h"

static size_t channels_of(cl_channel_order order) {
    switch (order) {
    case CL_R:
    case CL_A:
    case CL_INTENSITY:
    case CL_LUMINANCE:
    case CL_DEPTH:
        return 1;
    case CL_RG:
    case CL_RA:
    case CL_Rx:
        return 2;
    case CL_RGB:
    case CL_sRGB:
    case CL_RGx:
        return 3;
    case CL_RGBA:
    case CL_BGRA:
    case CL_ARGB:
    case CL_ABGR:
    case CL_sRGBA:
    case CL_sBGRA:
    case CL_sRGBx:
    case CL_RGBx:
        return 4;
    default:
        return 0;
    }
}

size_t pixel_bytes(const cl_image_format *format) {
    size_t channels = channels_of(format->image_channel_order);
    switch (format->image_channel_data_type) {
    case CL_SNORM_INT8:
    case CL_UNORM_INT8:
    case CL_SIGNED_INT8:
    case CL_UNSIGNED_INT8:
        return channels;
    case CL_SNORM_INT16:
    case CL_UNORM_INT16:
    case CL_SIGNED_INT16:
    case CL_UNSIGNED_INT16:
    case CL_HALF_FLOAT:
        return 2 * channels;
    case CL_SIGNED_INT32:
    case CL_UNSIGNED_INT32:
    case CL_FLOAT:
        return 4 * channels;
    case CL_UNORM_SHORT_565:
    case CL_UNORM_SHORT_555:
        return channels ? 2 : 0;
    case CL_UNORM_INT_101010:
    case CL_UNORM_INT_101010_2:
        return channels ? 4 : 0;
    default:
        return 0;
    }
}

static cl_int ask_formats(cl_context context, cl_mem_flags flags, cl_mem_object_type type,
                          struct image_formats **found) {
    struct connection *c = context->session->connection;
    struct writer *w = begin(c, GET_SUPPORTED_IMAGE_FORMATS, 3);
    if (!w) {
        return CL_OUT_OF_RESOURCES;
    }
    write_uint(w, context->handle);
    write_uint(w, flags);
    write_uint(w, type);
    struct pending answer = {0};
    cl_int code = call(c, &answer);
    size_t count = code == CL_SUCCESS ? read_array(&answer.fields) : 0;
    struct image_formats *formats = malloc(sizeof *formats + count * sizeof formats->formats[0]);
    if (code == CL_SUCCESS && !formats) {
        code = CL_OUT_OF_HOST_MEMORY;
    }
    if (code == CL_SUCCESS) {
        *formats = (struct image_formats){NULL, flags, type, (cl_uint)count};
        for (size_t i = 0; i < count; i++) {
            struct reader format = take_value(&answer.fields);
            read_array(&format);
            formats->formats[i].image_channel_order = (cl_uint)read_uint(&format);
            formats->formats[i].image_channel_data_type = (cl_uint)read_uint(&format);
        }
        *found = formats;
    } else {
        free(formats);
    }
    answer_free(&answer);
    return code;
}

/* The formats of a kind of images, asked for once. */
static cl_int formats_of(cl_context context, cl_mem_flags flags, cl_mem_object_type type,
                         struct image_formats **found) {
    flags &= CL_MEM_READ_WRITE | CL_MEM_READ_ONLY | CL_MEM_WRITE_ONLY | CL_MEM_KERNEL_READ_AND_WRITE;
    flags = flags ? flags : CL_MEM_READ_WRITE;
    cl_int code = CL_SUCCESS;
    pthread_mutex_lock(&context->lock);
    for (*found = context->image_formats; *found; *found = (*found)->next) {
        if ((*found)->flags == flags && (*found)->type == type) {
            break;
        }
    }
    if (!*found && (code = ask_formats(context, flags, type, found)) == CL_SUCCESS) {
        (*found)->next = context->image_formats;
        context->image_formats = *found;
    }
    pthread_mutex_unlock(&context->lock);
    return code;
}

cl_int check_format(cl_context context, cl_mem_flags flags, cl_mem_object_type type, const cl_image_format *format) {
    struct image_formats *formats = NULL;
    cl_int code = formats_of(context, flags, type, &formats);
    for (cl_uint i = 0; code == CL_SUCCESS && i < formats->count; i++) {
        if (!memcmp(&formats->formats[i], format, sizeof *format)) {
            return CL_SUCCESS;
        }
    }
    return code == CL_SUCCESS ? CL_IMAGE_FORMAT_NOT_SUPPORTED : code;
}

cl_int clGetSupportedImageFormats(cl_context context, cl_mem_flags flags, cl_mem_object_type type, cl_uint room,
                                  cl_image_format *formats, cl_uint *count_ret) {
    if (!is_object(context, A_CONTEXT)) {
        return CL_INVALID_CONTEXT;
    }
    if (type < CL_MEM_OBJECT_IMAGE2D || type > CL_MEM_OBJECT_IMAGE1D_BUFFER || (room == 0 && formats)) {
        return CL_INVALID_VALUE;
    }
    struct image_formats *found = NULL;
    cl_int code = formats_of(context, flags, type, &found);
    if (code == CL_SUCCESS && formats) {
        memcpy(formats, found->formats, (room < found->count ? room : found->count) * sizeof *formats);
    }
    if (code == CL_SUCCESS && count_ret) {
        *count_ret = found->count;
    }
    return code;
}
