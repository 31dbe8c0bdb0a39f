#ifndef ACCELPOOL_SPANNING_PROGRAM_H
#define ACCELPOOL_SPANNING_PROGRAM_H

#include "spanning.h"

/* A program over devices, of the context or of some of them, whose parts are still to come; all of the context's with
 * a count of 0. NULL without memory. */
struct spanning_program *new_spanning_program(struct spanning_context *context, cl_uint count,
                                              const cl_device_id *devices);
/* What a creating function gives: all parts were made, or `code` says why one was not. */
cl_program spanning_program_created(struct spanning_program *program, cl_int code, cl_int *errcode_ret);

/* Those of a list of devices that are of a part, in their order; `own` has room for all. How many. */
cl_uint devices_at(const struct spanning_context *context, cl_uint part, cl_uint count, const cl_device_id *devices,
                   cl_device_id *own);
/* CL_INVALID_DEVICE for a device that is of no part. */
cl_int check_devices_of(const struct spanning_context *context, cl_uint count, const cl_device_id *devices);

#endif
