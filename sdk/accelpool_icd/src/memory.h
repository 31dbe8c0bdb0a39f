/* Memory objects: what buffers and images share. */
#ifndef ACCELPOOL_MEMORY_H
#define ACCELPOOL_MEMORY_H

#include "objects.h"

bool is_buffer(const void *handle);
bool is_image(const void *handle);

/* What clCreateBuffer and clCreateImage check alike. */
cl_int check_mem_flags(cl_mem_flags flags, const void *host_ptr);
/* What is made of a buffer has its flags where it has none of its own, and may not allow more. */
cl_int inherit_flags(cl_mem buffer, cl_mem_flags *flags);
/* A memory object of a context, without a handle of the session's yet in use there; NULL without memory. */
cl_mem new_mem(cl_context context, cl_mem_object_type type, cl_mem_flags flags, size_t size, void *host_ptr);
cl_mem mem_created(cl_mem mem, cl_int code, cl_int *errcode_ret);

/* What a buffer is a region of, on the node, and where in it: itself, its parent, shared virtual memory. */
cl_mem whole_of(cl_mem mem, size_t *origin);

/* The largest of the numbers that the context's devices tell. */
uint64_t most_of_devices(cl_context context, cl_device_info name);

/* Tell the worker of a buffer, or of what is over one, in a part of a spanning context; only once. */
cl_int announce_mem(cl_mem mem, const void *content);

void enter_mapping(cl_mem mem, struct mapping *mapping);
struct mapping *take_mapping(cl_mem mem, const void *pointer); /* NULL if nothing is mapped there */
void free_mapping(struct mapping *mapping);

/* Whether an 8-byte kernel argument is one of our memory objects or samplers that is alive. */
void enter_handle(void *handle);
void remove_handle(void *handle);
bool is_live_handle(const void *handle);
void hold_handles(void); /* around a fork */
void let_go_of_handles(void);

#endif
