/* Arguments: what one is, is told by the compiler's info on it; without, by its bytes. */
#include <string.h>

#include "kernel.h"
#include "memory.h"
#include "svm.h"

enum arg_kind { A_VALUE, A_BUFFER, AN_IMAGE_ARG, A_SAMPLER_ARG, A_LOCAL, IS_UNKNOWN };

/* Whether a type is one of OpenCL C's images, such as image2d_array_t: not a pointer to an `image_info_t`. */
static bool is_image_type(const char *name) {
    size_t length = strlen(name);
    return !strncmp(name, "image", 5) && name[5] >= '1' && name[5] <= '3' && name[6] == 'd' &&
           !strcmp(name + length - 2, "_t");
}

static enum arg_kind kind_of(const struct arg_info *info) {
    if (is_image_type(info->type_name)) {
        return AN_IMAGE_ARG;
    }
    if (!strcmp(info->type_name, "sampler_t")) {
        return A_SAMPLER_ARG;
    }
    if (info->address == CL_KERNEL_ARG_ADDRESS_LOCAL) {
        return A_LOCAL;
    }
    if (!*info->type_name) {
        return IS_UNKNOWN; /* as of some SPIR-V: an image has a pointer's address qualifier */
    }
    switch (info->address) {
    case CL_KERNEL_ARG_ADDRESS_GLOBAL:
    case CL_KERNEL_ARG_ADDRESS_CONSTANT:
        return A_BUFFER;
    default:
        return A_VALUE;
    }
}

bool takes_object(const struct kernel_info *info, cl_uint index) {
    enum arg_kind kind = info->has_args ? kind_of(&info->args[index]) : IS_UNKNOWN;
    return kind != A_VALUE && kind != A_LOCAL;
}

/* The bytes of a scalar or vector type of OpenCL C by its name; 0 for others, such as structs. */
static size_t type_bytes(const char *name) {
    static const struct {
        const char *name;
        size_t bytes;
    } types[] = {{"char", 1}, {"uchar", 1}, {"short", 2}, {"ushort", 2}, {"half", 2},  {"int", 4},
                 {"uint", 4}, {"float", 4}, {"long", 8},  {"ulong", 8},  {"double", 8}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        size_t length = strlen(types[i].name);
        if (strncmp(name, types[i].name, length)) {
            continue;
        }
        static const char *const widths[] = {"", "2", "3", "4", "8", "16"};
        static const size_t counts[] = {1, 2, 4, 4, 8, 16};
        for (size_t w = 0; w < sizeof counts / sizeof *counts; w++) {
            if (!strcmp(name + length, widths[w])) {
                return counts[w] * types[i].bytes;
            }
        }
    }
    return 0;
}

/* A handle that the application passes by its address; NULL where it passes none. */
static void *handle_at(const void *value) {
    void *handle = NULL;
    if (value) {
        memcpy(&handle, value, sizeof handle);
    }
    return handle;
}

static cl_int write_mem(struct writer *w, cl_kernel kernel, size_t size, const void *value, enum arg_kind kind) {
    if (size != sizeof(cl_mem)) {
        return CL_INVALID_ARG_SIZE;
    }
    void *handle = handle_at(value);
    if (kind == A_BUFFER && !handle) {
        write_nil(w);
        return CL_SUCCESS;
    }
    if (kind == A_SAMPLER_ARG) {
        if (!is_live_handle(handle) || !is_object(handle, A_SAMPLER) ||
            ((cl_sampler)handle)->context != kernel->program->context) {
            return CL_INVALID_SAMPLER;
        }
        write_uint(w, ((cl_sampler)handle)->handle);
        return CL_SUCCESS;
    }
    if (!is_live_handle(handle) || (kind == A_BUFFER ? !is_buffer(handle) : !is_image(handle))) {
        return CL_INVALID_MEM_OBJECT;
    }
    if (((cl_mem)handle)->context != kernel->program->context) {
        return CL_INVALID_MEM_OBJECT;
    }
    write_uint(w, ((cl_mem)handle)->handle);
    return CL_SUCCESS;
}

/* Whether a kernel may do with an image what it says that it does. */
static cl_int check_access(cl_mem image, cl_uint access) {
    cl_mem_flags forbidden = access == CL_KERNEL_ARG_ACCESS_READ_ONLY    ? CL_MEM_WRITE_ONLY
                             : access == CL_KERNEL_ARG_ACCESS_WRITE_ONLY ? CL_MEM_READ_ONLY
                                                                         : 0;
    return image->flags & forbidden ? CL_INVALID_ARG_VALUE : CL_SUCCESS;
}

static cl_int write_local(struct writer *w, size_t size, const void *value) {
    if (value) {
        return CL_INVALID_ARG_VALUE;
    }
    if (size == 0) {
        return CL_INVALID_ARG_SIZE;
    }
    write_array(w, 1);
    write_uint(w, size);
    return CL_SUCCESS;
}

/* Whether there are values so large: a launch that is never sent need not be kept. */
static bool is_sendable(cl_kernel kernel, size_t size) {
    return size > 0 && size <= kernel->session->connection->limits.body_bytes;
}

/* The compiler keeps no argument info, as for most binaries: a live handle is what it is, no value is local memory.
 */
static cl_int write_unknown(struct writer *w, cl_kernel kernel, size_t size, const void *value) {
    if (!value) {
        return write_local(w, size, value);
    }
    void *handle = size == sizeof(void *) ? handle_at(value) : NULL;
    if (handle && is_live_handle(handle)) {
        bool is_mem = is_object(handle, A_MEM);
        return write_mem(w, kernel, size, value,
                         !is_mem             ? A_SAMPLER_ARG
                         : is_buffer(handle) ? A_BUFFER
                                             : AN_IMAGE_ARG);
    }
    if (!is_sendable(kernel, size)) {
        return CL_INVALID_ARG_SIZE;
    }
    write_bin(w, value, size);
    return CL_SUCCESS;
}

static cl_int write_arg(struct writer *w, cl_kernel kernel, cl_uint index, size_t size, const void *value) {
    if (!kernel->info->has_args) {
        return write_unknown(w, kernel, size, value);
    }
    const struct arg_info *info = &kernel->info->args[index];
    enum arg_kind kind = kind_of(info);
    if (kind == A_LOCAL) {
        return write_local(w, size, value);
    }
    if (kind == IS_UNKNOWN) {
        bool is_pointer = info->address != CL_KERNEL_ARG_ADDRESS_PRIVATE;
        bool is_null = is_pointer && size == sizeof(cl_mem) && !handle_at(value);
        return is_null ? write_mem(w, kernel, size, value, A_BUFFER) : write_unknown(w, kernel, size, value);
    }
    if (kind != A_VALUE) {
        cl_int code = write_mem(w, kernel, size, value, kind);
        return code == CL_SUCCESS && kind == AN_IMAGE_ARG ? check_access(handle_at(value), info->access) : code;
    }
    size_t bytes = type_bytes(info->type_name);
    if (!is_sendable(kernel, size) || (bytes && size != bytes)) {
        return CL_INVALID_ARG_SIZE;
    }
    if (!value) {
        return CL_INVALID_ARG_VALUE;
    }
    write_bin(w, value, size);
    return CL_SUCCESS;
}

static cl_int keep_arg(cl_kernel kernel, cl_uint index, const struct writer *w) {
    struct kernel_arg *arg = &kernel->args[index];
    pthread_mutex_lock(&kernel->lock);
    bool is_same = arg->is_set && arg->length == w->length && !memcmp(arg->encoded, w->bytes, w->length);
    unsigned char *grown = is_same ? NULL : realloc(arg->encoded, w->length);
    if (grown) {
        memcpy(grown, w->bytes, w->length);
        kernel->missing -= !arg->is_set;
        *arg = (struct kernel_arg){true, grown, w->length};
        kernel->is_changed = true;
    }
    pthread_mutex_unlock(&kernel->lock);
    return is_same || grown ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;
}

/* Keep what was written of an argument, if it could be. */
static cl_int kept(cl_kernel kernel, cl_uint index, struct writer *w, cl_int code) {
    if (code == CL_SUCCESS) {
        code = w->failed ? CL_OUT_OF_HOST_MEMORY : keep_arg(kernel, index, w);
    }
    writer_free(w);
    return code;
}

cl_int clSetKernelArg(cl_kernel kernel, cl_uint index, size_t size, const void *value) {
    if (!is_object(kernel, A_KERNEL)) {
        return CL_INVALID_KERNEL;
    }
    if (index >= kernel->info->arg_count) {
        return CL_INVALID_ARG_INDEX;
    }
    struct writer w = {0};
    return kept(kernel, index, &w, write_arg(&w, kernel, index, size, value));
}

/* ---- shared virtual memory ------------------------------------------------------------------------------------- */

static cl_int write_pointer(struct writer *w, cl_kernel kernel, cl_uint index, const void *pointer) {
    enum arg_kind kind = kernel->info->has_args ? kind_of(&kernel->info->args[index]) : IS_UNKNOWN;
    if (kind != A_BUFFER && kind != IS_UNKNOWN) {
        return CL_INVALID_ARG_VALUE;
    }
    if (!pointer) {
        write_nil(w);
        return CL_SUCCESS;
    }
    size_t offset;
    cl_mem mem = hold_svm(pointer, &offset);
    bool is_ours = mem && mem->context == kernel->program->context;
    if (is_ours) {
        write_map(w, 1);
        write_uint(w, mem->handle);
        write_uint(w, offset);
    }
    if (mem) {
        release_mem(mem);
    }
    return is_ours ? CL_SUCCESS : CL_INVALID_ARG_VALUE;
}

cl_int clSetKernelArgSVMPointer(cl_kernel kernel, cl_uint index, const void *value) {
    if (!is_object(kernel, A_KERNEL)) {
        return CL_INVALID_KERNEL;
    }
    if (!has_svm(kernel->program->context)) {
        return CL_INVALID_OPERATION;
    }
    if (index >= kernel->info->arg_count) {
        return CL_INVALID_ARG_INDEX;
    }
    struct writer w = {0};
    return kept(kernel, index, &w, write_pointer(&w, kernel, index, value));
}

/* Whether all are in shared virtual memory: what a kernel reaches by them is the device's to judge. */
static cl_int check_pointers(size_t size, const void *value) {
    const void *pointer;
    if (size == 0 || size % sizeof pointer) {
        return CL_INVALID_VALUE;
    }
    for (size_t at = 0; at < size; at += sizeof pointer) {
        size_t offset;
        memcpy(&pointer, (const char *)value + at, sizeof pointer);
        cl_mem mem = hold_svm(pointer, &offset);
        if (!mem) {
            return CL_INVALID_VALUE;
        }
        release_mem(mem);
    }
    return CL_SUCCESS;
}

cl_int clSetKernelExecInfo(cl_kernel kernel, cl_kernel_exec_info name, size_t size, const void *value) {
    if (!is_object(kernel, A_KERNEL)) {
        return CL_INVALID_KERNEL;
    }
    if (!has_svm(kernel->program->context)) {
        return CL_INVALID_OPERATION;
    }
    if (!value) {
        return CL_INVALID_VALUE;
    }
    if (name == CL_KERNEL_EXEC_INFO_SVM_PTRS) {
        return check_pointers(size, value);
    }
    if (name != CL_KERNEL_EXEC_INFO_SVM_FINE_GRAIN_SYSTEM || size != sizeof(cl_bool)) {
        return CL_INVALID_VALUE;
    }
    return *(const cl_bool *)value ? CL_INVALID_OPERATION : CL_SUCCESS;
}
