/* Kernels: what launches and arguments share. */
#ifndef ACCELPOOL_KERNEL_H
#define ACCELPOOL_KERNEL_H

#include "objects.h"

/* Where a device's numbers are among a kernel's; NULL if its program is not over that device. */
const struct work_group_info *group_of(cl_kernel kernel, cl_device_id device);

/* Whether the compiler lets an argument be a memory object or a sampler. */
bool takes_object(const struct kernel_info *info, cl_uint index);

#endif
