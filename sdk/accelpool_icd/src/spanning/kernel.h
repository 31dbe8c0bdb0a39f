#ifndef ACCELPOOL_SPANNING_KERNEL_H
#define ACCELPOOL_SPANNING_KERNEL_H

#include "replica.h"

/* A memory object that is an argument. Kernels do not hold theirs: the serial tells whether it is still that one. */
struct mem_arg {
    struct spanning_mem *mem; /* NULL if the argument is none */
    uint64_t serial;
};

struct spanning_kernel {
    struct spanning base;
    struct spanning_program *program;
    const struct kernel_info *info; /* of a part whose compiler tells of arguments, if one does */
    pthread_mutex_t lock;           /* of what follows, and of the parts' arguments */
    struct mem_arg *mem_args;
};

#endif
