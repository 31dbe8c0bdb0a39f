/* What a build found: the kernels of a program, and what the compiler says of them. */
#ifndef ACCELPOOL_BUILD_H
#define ACCELPOOL_BUILD_H

#include "objects.h"

/* Read the kernels of a Built; NULL if they cannot be read. */
struct build *build_read(struct reader *fields, cl_uint group_count);
void release_build(struct build *build);
struct kernel_info *find_kernel(struct build *build, const char *name);

#endif
