/* Programs: what creating, building and asking have in common. */
#ifndef ACCELPOOL_PROGRAM_H
#define ACCELPOOL_PROGRAM_H

#include "objects.h"

/* A program over devices of a context; all of them with a count of 0. NULL without memory. */
cl_program new_program(cl_context context, cl_uint count, const cl_device_id *devices);
cl_program program_created(cl_program program, cl_int code, cl_int *errcode_ret);

/* Ask what kind of binary was loaded for a device: CL_INVALID_BINARY if it is none. */
cl_int learn_binary_type(cl_program program, cl_uint index);

/* The list of devices that a build is for: CL_SUCCESS, or what is wrong with it. 0 of them mean all of the program.
 */
cl_int check_program_devices(cl_program program, cl_uint *count, const cl_device_id **devices);
int device_index(cl_program program, cl_device_id device); /* -1 if it is not among the program's */

/* With the program's lock held: the kernels of a program that was built to run; NULL if it was not. */
struct build *executable(cl_program program);

#endif
