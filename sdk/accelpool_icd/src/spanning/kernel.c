/* Kernels: one in each session that their program is built in. */
#include "kernel.h"

#include <string.h>

static const struct kernel_info *most_telling(struct spanning_kernel *kernel) {
    const struct kernel_info *found = NULL;
    FOR_PARTS(i, kernel) {
        const struct kernel_info *info = ((cl_kernel)part_at(kernel, i))->info;
        found = found && (found->has_args || !info->has_args) ? found : info;
    }
    return found;
}

static void release_spanning_kernel(struct spanning_kernel *kernel) {
    if (!release(kernel)) {
        return;
    }
    FOR_PARTS(i, kernel) {
        release_kernel(part_at(kernel, i));
    }
    release_spanning_program(kernel->program);
    release_spanning_context(kernel->base.context);
    pthread_mutex_destroy(&kernel->lock);
    free(kernel->mem_args);
    free_object(kernel);
}

static struct spanning_kernel *new_spanning_kernel(struct spanning_program *program) {
    struct spanning_kernel *kernel = new_spanning(A_SPANNING_KERNEL, sizeof *kernel, program->base.context);
    if (kernel) {
        kernel->program = program;
        retain(program);
        pthread_mutex_init(&kernel->lock, NULL);
    }
    return kernel;
}

/* What a creating function gives, once the parts are made: one is enough, where others are not built. */
static cl_kernel created(struct spanning_kernel *kernel, cl_int *errcode_ret) {
    if (!kernel) {
        return result(errcode_ret, CL_OUT_OF_HOST_MEMORY, NULL);
    }
    cl_int code = some_part(kernel) ? CL_SUCCESS : why_no_part(kernel);
    if (code == CL_SUCCESS) {
        kernel->info = most_telling(kernel);
        kernel->mem_args = calloc(kernel->info->arg_count + 1, sizeof *kernel->mem_args);
        code = kernel->mem_args ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;
    }
    if (code != CL_SUCCESS) {
        release_spanning_kernel(kernel);
    }
    return result(errcode_ret, code, kernel);
}

cl_kernel spanning_clCreateKernel(cl_program handle, const char *name, cl_int *errcode_ret) {
    struct spanning_program *program = spanning_of(handle, A_SPANNING_PROGRAM);
    if (!program) {
        return result(errcode_ret, CL_INVALID_PROGRAM, NULL);
    }
    struct spanning_kernel *kernel = new_spanning_kernel(program);
    for (cl_uint i = 0; kernel && i < program->base.context->part_count; i++) {
        struct part *part = &kernel->base.parts[i];
        cl_program own = part_at(program, i);
        part->code = CL_INVALID_PROGRAM_EXECUTABLE;
        part->object = own ? clCreateKernel(own, name, &part->code) : NULL;
    }
    return created(kernel, errcode_ret);
}

/* A program's kernels' names, each ended by 0; NULL, and why. */
static char *kernel_names(cl_program program, size_t *count, cl_int *code) {
    size_t bytes = 0;
    *code = spanning_clGetProgramInfo(program, CL_PROGRAM_NUM_KERNELS, sizeof *count, count, NULL);
    if (*code == CL_SUCCESS) {
        *code = spanning_clGetProgramInfo(program, CL_PROGRAM_KERNEL_NAMES, 0, NULL, &bytes);
    }
    char *names = *code == CL_SUCCESS ? malloc(bytes) : NULL;
    if (!names) {
        *code = *code == CL_SUCCESS ? CL_OUT_OF_HOST_MEMORY : *code;
        return NULL;
    }
    *code = spanning_clGetProgramInfo(program, CL_PROGRAM_KERNEL_NAMES, bytes, names, NULL);
    for (char *at = names; *code == CL_SUCCESS && (at = strchr(at, ';')) != NULL;) {
        *at++ = '\0';
    }
    if (*code != CL_SUCCESS) {
        free(names);
        return NULL;
    }
    return names;
}

cl_int spanning_clCreateKernelsInProgram(cl_program program, cl_uint room, cl_kernel *kernels, cl_uint *count_ret) {
    if (!is_object(program, A_SPANNING_PROGRAM)) {
        return CL_INVALID_PROGRAM;
    }
    size_t count = 0;
    cl_int code;
    char *names = kernel_names(program, &count, &code);
    if (!names) {
        return code;
    }
    code = kernels && room < count ? CL_INVALID_VALUE : CL_SUCCESS;
    cl_uint made = 0;
    for (const char *name = names; kernels && code == CL_SUCCESS && made < count; name += strlen(name) + 1) {
        kernels[made++] = spanning_clCreateKernel(program, name, &code);
    }
    while (code != CL_SUCCESS && made-- > 0) {
        if (kernels[made]) {
            spanning_clReleaseKernel(kernels[made]);
        }
    }
    if (code == CL_SUCCESS && count_ret) {
        *count_ret = (cl_uint)count;
    }
    free(names);
    return code;
}

cl_kernel spanning_clCloneKernel(cl_kernel handle, cl_int *errcode_ret) {
    struct spanning_kernel *source = spanning_of(handle, A_SPANNING_KERNEL);
    if (!source) {
        return result(errcode_ret, CL_INVALID_KERNEL, NULL);
    }
    struct spanning_kernel *kernel = new_spanning_kernel(source->program);
    pthread_mutex_lock(&source->lock);
    for (cl_uint i = 0; kernel && i < source->base.context->part_count; i++) {
        struct part *part = &kernel->base.parts[i];
        cl_kernel own = part_at(source, i);
        part->code = source->base.parts[i].code;
        part->object = own ? clCloneKernel(own, &part->code) : NULL;
    }
    cl_kernel clone = created(kernel, errcode_ret);
    if (clone) {
        memcpy(kernel->mem_args, source->mem_args, source->info->arg_count * sizeof *source->mem_args);
    }
    pthread_mutex_unlock(&source->lock);
    return clone;
}

cl_int spanning_clRetainKernel(cl_kernel kernel) {
    return retained(spanning_of(kernel, A_SPANNING_KERNEL), CL_INVALID_KERNEL);
}

cl_int spanning_clReleaseKernel(cl_kernel handle) {
    struct spanning_kernel *kernel = spanning_of(handle, A_SPANNING_KERNEL);
    if (!kernel) {
        return CL_INVALID_KERNEL;
    }
    release_spanning_kernel(kernel);
    return CL_SUCCESS;
}
