#ifndef ACCELPOOL_SPANNING_MEMORY_H
#define ACCELPOOL_SPANNING_MEMORY_H

#include "replica.h"

/* A memory object over `parent`, or a whole, whose parts are still to come. NULL without memory. */
struct spanning_mem *new_spanning_mem(struct spanning_context *context, struct spanning_mem *parent, size_t origin,
                                      size_t size, bool is_bound);
void release_spanning_mem(struct spanning_mem *mem);
/* What a creating function gives: one part is enough, where others say why they are none. */
cl_mem spanning_mem_created(struct spanning_mem *mem, cl_int *errcode_ret);

#endif
