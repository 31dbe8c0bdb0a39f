/* Making images, and what they are asked for. */
#include "image.h"

#include <string.h>

#include "device_info.h"
#include "memory.h"
#include "tags.h"

bool has_slices(cl_mem image) {
    return image->type == CL_MEM_OBJECT_IMAGE3D || image->type == CL_MEM_OBJECT_IMAGE2D_ARRAY ||
           image->type == CL_MEM_OBJECT_IMAGE1D_ARRAY;
}

/* The extent of docs/wire.md, of an image's description; false for an image that cannot be. */
static bool extent_of(const cl_image_desc *desc, size_t *extent) {
    extent[0] = desc->image_width;
    extent[1] = extent[2] = 1;
    switch (desc->image_type) {
    case CL_MEM_OBJECT_IMAGE1D:
    case CL_MEM_OBJECT_IMAGE1D_BUFFER:
        break;
    case CL_MEM_OBJECT_IMAGE1D_ARRAY:
        extent[1] = desc->image_array_size;
        break;
    case CL_MEM_OBJECT_IMAGE2D:
        extent[1] = desc->image_height;
        break;
    case CL_MEM_OBJECT_IMAGE2D_ARRAY:
        extent[1] = desc->image_height;
        extent[2] = desc->image_array_size;
        break;
    case CL_MEM_OBJECT_IMAGE3D:
        extent[1] = desc->image_height;
        extent[2] = desc->image_depth;
        break;
    default:
        return false;
    }
    return extent[0] && extent[1] && extent[2];
}

/* The most of each extent that any device of the context has. */
static bool is_too_large(cl_context context, cl_mem_object_type type, const size_t *extent) {
    const cl_device_info limits[][3] = {
        {CL_DEVICE_IMAGE2D_MAX_WIDTH, CL_DEVICE_IMAGE2D_MAX_HEIGHT, 0},                           /* 2D */
        {CL_DEVICE_IMAGE3D_MAX_WIDTH, CL_DEVICE_IMAGE3D_MAX_HEIGHT, CL_DEVICE_IMAGE3D_MAX_DEPTH}, /* 3D */
        {CL_DEVICE_IMAGE2D_MAX_WIDTH, CL_DEVICE_IMAGE2D_MAX_HEIGHT, CL_DEVICE_IMAGE_MAX_ARRAY_SIZE},
        {CL_DEVICE_IMAGE2D_MAX_WIDTH, 0, 0},
        {CL_DEVICE_IMAGE2D_MAX_WIDTH, CL_DEVICE_IMAGE_MAX_ARRAY_SIZE, 0},
        {CL_DEVICE_IMAGE_MAX_BUFFER_SIZE, 0, 0},
    };
    const cl_device_info *names = limits[type - CL_MEM_OBJECT_IMAGE2D];
    for (int i = 0; i < 3; i++) {
        if (names[i] && extent[i] > most_of_devices(context, names[i])) {
            return true;
        }
    }
    return false;
}

/* Pitches are of host memory, or of the buffer that a 2D image is over. */
static bool has_good_pitches(const cl_image_desc *desc, size_t element_bytes, const void *host_ptr) {
    size_t row = desc->image_row_pitch, slice = desc->image_slice_pitch;
    if (desc->mem_object) {
        return slice == 0; /* is_inside_buffer looks at the rows */
    }
    if (!host_ptr) {
        return row == 0 && slice == 0;
    }
    size_t least = desc->image_width * element_bytes;
    row = row ? row : least;
    return row >= least && row % element_bytes == 0 && slice % row == 0;
}

/* Whether an image over a buffer lies within it, and in the same context. */
static bool is_inside_buffer(cl_context context, const cl_image_desc *desc, size_t element_bytes) {
    size_t row = 0, bytes = 0;
    if (desc->mem_object->context != context || __builtin_mul_overflow(desc->image_width, element_bytes, &row)) {
        return false;
    }
    bool is_flat = desc->image_type == CL_MEM_OBJECT_IMAGE1D_BUFFER;
    size_t pitch = is_flat || !desc->image_row_pitch ? row : desc->image_row_pitch;
    return pitch >= row && !__builtin_mul_overflow(pitch, is_flat ? 1 : desc->image_height, &bytes) &&
           bytes <= desc->mem_object->size;
}

/* Whether any device makes 2D images over buffers, and their rows are as far apart as it needs them to be. */
static cl_int check_rows_of_buffer(cl_context context, const cl_image_desc *desc, size_t element_bytes) {
    if (!most_of_devices(context, CL_DEVICE_IMAGE_PITCH_ALIGNMENT)) {
        return CL_INVALID_OPERATION;
    }
    for (cl_uint i = 0; i < context->device_count; i++) {
        struct reader told;
        if (!find_info(context->devices[i], CL_DEVICE_IMAGE_PITCH_ALIGNMENT, &told)) {
            return CL_SUCCESS; /* the worker will tell */
        }
        uint64_t pixels = read_uint(&told);
        if (pixels && desc->image_row_pitch % (pixels * element_bytes) == 0) {
            return CL_SUCCESS;
        }
    }
    return CL_INVALID_IMAGE_FORMAT_DESCRIPTOR;
}

static cl_int check_desc(cl_context context, const cl_image_format *format, const cl_image_desc *desc,
                         const void *host_ptr, size_t *extent) {
    if (!most_of_devices(context, CL_DEVICE_IMAGE_SUPPORT)) {
        return CL_INVALID_OPERATION;
    }
    if (!format || !pixel_bytes(format)) {
        return CL_INVALID_IMAGE_FORMAT_DESCRIPTOR;
    }
    bool is_over_buffer = desc && desc->mem_object;
    if (!desc || !extent_of(desc, extent) || desc->num_mip_levels || desc->num_samples ||
        (is_over_buffer && !is_buffer(desc->mem_object)) ||
        is_over_buffer != (desc->image_type == CL_MEM_OBJECT_IMAGE1D_BUFFER ||
                           (is_over_buffer && desc->image_type == CL_MEM_OBJECT_IMAGE2D))) {
        return CL_INVALID_IMAGE_DESCRIPTOR;
    }
    if (is_over_buffer && desc->image_type == CL_MEM_OBJECT_IMAGE2D) {
        cl_int code = check_rows_of_buffer(context, desc, pixel_bytes(format));
        if (code != CL_SUCCESS) {
            return code;
        }
    }
    if ((is_over_buffer && !is_inside_buffer(context, desc, pixel_bytes(format))) ||
        !has_good_pitches(desc, pixel_bytes(format), host_ptr)) {
        return CL_INVALID_IMAGE_DESCRIPTOR;
    }
    return is_too_large(context, desc->image_type, extent) ? CL_INVALID_IMAGE_SIZE : CL_SUCCESS;
}

cl_int pixels_at_host(cl_mem image, const size_t *region, size_t *row_pitch, size_t *slice_pitch, const void *pointer,
                      struct destination *place) {
    size_t row = region[0] * image->element_bytes;
    bool is_line_array = image->type == CL_MEM_OBJECT_IMAGE1D_ARRAY;
    *row_pitch = *row_pitch ? *row_pitch : row;
    size_t least = is_line_array ? *row_pitch : *row_pitch * region[1];
    *slice_pitch = *slice_pitch ? *slice_pitch : least;
    if (*row_pitch < row || (has_slices(image) && *slice_pitch < least)) {
        return CL_INVALID_VALUE;
    }
    unsigned char *bytes = (unsigned char *)(uintptr_t)pointer;
    *place = (struct destination){bytes,       row, region[1], region[2], is_line_array ? *slice_pitch : *row_pitch,
                                  *slice_pitch};
    return CL_SUCCESS;
}

cl_int announce_image(cl_mem image, const struct destination *content) {
    struct connection *c = image->session->connection;
    const cl_mem_flags access =
        CL_MEM_READ_WRITE | CL_MEM_WRITE_ONLY | CL_MEM_READ_ONLY | CL_MEM_KERNEL_READ_AND_WRITE;
    struct writer *w = begin(c, CREATE_IMAGE, 8);
    if (!w) {
        return CL_OUT_OF_RESOURCES;
    }
    write_uint(w, image->handle);
    write_uint(w, image->context->handle);
    write_uint(w, image->flags & access);
    write_uint(w, image->type);
    write_array(w, 2);
    write_uint(w, image->format.image_channel_order);
    write_uint(w, image->format.image_channel_data_type);
    write_triple(w, image->extent);
    write_uint(w, image->parent ? image->parent->handle : 0);
    write_uint(w, image->parent ? image->desc.image_row_pitch : 0);
    return content ? post_region(c, content) : post(c);
}

static cl_mem make(cl_context context, cl_mem_flags flags, const cl_image_format *format, const cl_image_desc *desc,
                   const size_t *extent, void *host_ptr, cl_int *errcode_ret) {
    size_t bytes = pixel_bytes(format);
    cl_mem image = new_mem(context, desc->image_type, flags, bytes * extent[0] * extent[1] * extent[2], host_ptr);
    if (!image) {
        return result(errcode_ret, CL_OUT_OF_HOST_MEMORY, NULL);
    }
    image->format = *format;
    image->desc = *desc;
    image->element_bytes = bytes;
    memcpy(image->extent, extent, sizeof image->extent);
    image->row_pitch = desc->image_row_pitch;
    image->slice_pitch = desc->image_slice_pitch;
    if (desc->mem_object) {
        image->parent = desc->mem_object;
        retain(image->parent);
        image->host_ptr = image->parent->host_ptr;
    }
    struct destination content;
    cl_int code = pixels_at_host(image, extent, &image->row_pitch, &image->slice_pitch, host_ptr, &content);
    if (code != CL_SUCCESS) {
        code = CL_INVALID_IMAGE_DESCRIPTOR;
    } else if (!desc->mem_object || !context->is_part) {
        code = announce_image(image, host_ptr && !desc->mem_object ? &content : NULL);
    }
    return mem_created(image, code, errcode_ret);
}

cl_mem clCreateImageWithProperties(cl_context context, const cl_mem_properties *properties, cl_mem_flags flags,
                                   const cl_image_format *format, const cl_image_desc *desc, void *host_ptr,
                                   cl_int *errcode_ret) {
    size_t extent[3];
    if (!is_object(context, A_CONTEXT)) {
        return result(errcode_ret, CL_INVALID_CONTEXT, NULL);
    }
    if (properties && *properties) {
        return result(errcode_ret, CL_INVALID_PROPERTY, NULL);
    }
    cl_int code = check_mem_flags(flags, host_ptr);
    code = code == CL_SUCCESS ? check_desc(context, format, desc, host_ptr, extent) : code;
    code = code == CL_SUCCESS && desc->mem_object ? inherit_flags(desc->mem_object, &flags) : code;
    code = code == CL_SUCCESS ? check_format(context, flags, desc->image_type, format) : code;
    if (code != CL_SUCCESS) {
        return result(errcode_ret, code, NULL);
    }
    cl_mem image = make(context, flags, format, desc, extent, host_ptr, errcode_ret);
    if (image && !copy_properties(&image->properties, properties, sizeof *properties, 2)) {
        return mem_created(image, CL_OUT_OF_HOST_MEMORY, errcode_ret);
    }
    return image;
}

cl_mem clCreateImage(cl_context context, cl_mem_flags flags, const cl_image_format *format, const cl_image_desc *desc,
                     void *host_ptr, cl_int *errcode_ret) {
    return clCreateImageWithProperties(context, NULL, flags, format, desc, host_ptr, errcode_ret);
}

cl_image_desc image_2d(size_t width, size_t height, size_t row_pitch) {
    return (cl_image_desc){.image_type = CL_MEM_OBJECT_IMAGE2D,
                           .image_width = width,
                           .image_height = height,
                           .image_row_pitch = row_pitch};
}

cl_image_desc image_3d(size_t width, size_t height, size_t depth, size_t row_pitch, size_t slice_pitch) {
    return (cl_image_desc){.image_type = CL_MEM_OBJECT_IMAGE3D,
                           .image_width = width,
                           .image_height = height,
                           .image_depth = depth,
                           .image_row_pitch = row_pitch,
                           .image_slice_pitch = slice_pitch};
}

cl_mem clCreateImage2D(cl_context context, cl_mem_flags flags, const cl_image_format *format, size_t width,
                       size_t height, size_t row_pitch, void *host_ptr, cl_int *errcode_ret) {
    cl_image_desc desc = image_2d(width, height, row_pitch);
    return clCreateImage(context, flags, format, &desc, host_ptr, errcode_ret);
}

cl_mem clCreateImage3D(cl_context context, cl_mem_flags flags, const cl_image_format *format, size_t width,
                       size_t height, size_t depth, size_t row_pitch, size_t slice_pitch, void *host_ptr,
                       cl_int *errcode_ret) {
    cl_image_desc desc = image_3d(width, height, depth, row_pitch, slice_pitch);
    return clCreateImage(context, flags, format, &desc, host_ptr, errcode_ret);
}

cl_int clGetImageInfo(cl_mem image, cl_image_info name, size_t room, void *value, size_t *size_ret) {
    if (!is_image(image)) {
        return CL_INVALID_MEM_OBJECT;
    }
    bool is_array = image->type == CL_MEM_OBJECT_IMAGE1D_ARRAY || image->type == CL_MEM_OBJECT_IMAGE2D_ARRAY;
    bool has_height = image->type == CL_MEM_OBJECT_IMAGE2D || image->type == CL_MEM_OBJECT_IMAGE2D_ARRAY ||
                      image->type == CL_MEM_OBJECT_IMAGE3D;
    switch (name) {
    case CL_IMAGE_FORMAT:
        return GIVE_BYTES(&image->format, sizeof image->format);
    case CL_IMAGE_ELEMENT_SIZE:
        return GIVE(size_t, image->element_bytes);
    case CL_IMAGE_ROW_PITCH:
        return GIVE(size_t, image->row_pitch);
    case CL_IMAGE_SLICE_PITCH:
        return GIVE(size_t, has_slices(image) ? image->slice_pitch : 0);
    case CL_IMAGE_WIDTH:
        return GIVE(size_t, image->extent[0]);
    case CL_IMAGE_HEIGHT:
        return GIVE(size_t, has_height ? image->extent[1] : 0);
    case CL_IMAGE_DEPTH:
        return GIVE(size_t, image->type == CL_MEM_OBJECT_IMAGE3D ? image->extent[2] : 0);
    case CL_IMAGE_ARRAY_SIZE:
        return GIVE(size_t, is_array ? image->desc.image_array_size : 0);
    case CL_IMAGE_BUFFER:
        return GIVE(cl_mem, image->parent);
    case CL_IMAGE_NUM_MIP_LEVELS:
    case CL_IMAGE_NUM_SAMPLES:
        return GIVE(cl_uint, 0);
    default:
        return CL_INVALID_VALUE;
    }
}
