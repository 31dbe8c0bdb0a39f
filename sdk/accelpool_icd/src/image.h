/* Images: their layout at the host. */
#ifndef ACCELPOOL_IMAGE_H
#define ACCELPOOL_IMAGE_H

#include "transfer.h"

size_t pixel_bytes(const cl_image_format *format); /* 0 for a format that there is not */
/* Whether a region of pixels lies in an image, as clEnqueue...Image check it. */
cl_int check_pixels(cl_mem image, const size_t *origin, const size_t *region);
/* Where a region of pixels lies at the host; pitches of 0 mean no gaps, and are filled in. CL_INVALID_VALUE for
 * pitches that cannot be. */
cl_int pixels_at_host(cl_mem image, const size_t *region, size_t *row_pitch, size_t *slice_pitch, const void *pointer,
                      struct destination *place);
bool has_slices(cl_mem image); /* whether its slice pitch means anything */
/* Tell the worker of an image. */
cl_int announce_image(cl_mem image, const struct destination *content);
/* Whether images of this kind can have this format: CL_SUCCESS, or CL_IMAGE_FORMAT_NOT_SUPPORTED. */
cl_int check_format(cl_context context, cl_mem_flags flags, cl_mem_object_type type, const cl_image_format *format);

/* What the functions before OpenCL 1.2 describe by their arguments. */
cl_image_desc image_2d(size_t width, size_t height, size_t row_pitch);
cl_image_desc image_3d(size_t width, size_t height, size_t depth, size_t row_pitch, size_t slice_pitch);

#endif
