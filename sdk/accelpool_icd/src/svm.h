/* Shared virtual memory, coarse-grained: a buffer of the worker's whose address is told, and memory of this process
 * at the same address. As of mapped buffers their contents agree
 *
 *     once a mapping that reads is complete   the node's has been copied here
 *     once a mapping that writes is unmapped  what was mapped is copied to the node, before later commands
 *
 * and nowhere else. svm_mirror.c has the memory here, svm_memory.c the allocations and which one an address is in,
 * svm.c the commands, svm_free.c those that free.
 */
#ifndef ACCELPOOL_SVM_H
#define ACCELPOOL_SVM_H

#include "objects.h"
#include "svm_mirror.h"

bool has_svm(cl_context context);               /* whether all of its devices have */
cl_int check_svm_queue(cl_command_queue queue); /* whether it may have commands on such memory */

/* The memory that a pointer points into, held, and where in it; NULL if into none. */
cl_mem hold_svm(const void *pointer, size_t *offset);

/* Whether all pointers but NULL are those of allocations of a context that are not to be freed yet. */
bool may_free(cl_context context, cl_uint count, void *const *pointers);
/* Have allocations freed with an event, which is `freed` or `keep`; either may be late or missing. */
void free_with(cl_event event, cl_uint count, void *const *pointers);
void free_those_with(cl_event event);
void keep_those_with(cl_event event);

void hold_memories(void); /* around a fork */
void let_go_of_memories(void);
void abandon_memories(void); /* in the child */

#endif
