/* Kernels, and their arguments: kept encoded, and sent with the next launch if they changed. */
#include "kernel.h"

#include <string.h>

#include "build.h"
#include "memory.h"
#include "program.h"
#include "tags.h"

static cl_kernel new_kernel(cl_program program, struct build *build, struct kernel_info *info) {
    cl_kernel kernel = new_object(A_KERNEL, sizeof *kernel);
    struct kernel_arg *args = calloc(info->arg_count + 1, sizeof *args);
    if (!kernel || !args) {
        free(kernel);
        free(args);
        return NULL;
    }
    kernel->session = program->session;
    kernel->handle = new_handle(program->session->connection);
    kernel->program = program;
    kernel->build = build;
    kernel->info = info;
    kernel->args = args;
    kernel->missing = info->arg_count;
    kernel->is_changed = info->arg_count > 0;
    pthread_mutex_init(&kernel->lock, NULL);
    retain(program);
    atomic_fetch_add(&build->references, 1);
    atomic_fetch_add(&program->kernel_count, 1);
    return kernel;
}

static cl_int announce(cl_kernel kernel) {
    struct connection *c = kernel->session->connection;
    struct writer *w = begin(c, CREATE_KERNEL, 3);
    if (!w) {
        return CL_OUT_OF_RESOURCES;
    }
    write_uint(w, kernel->handle);
    write_uint(w, kernel->program->handle);
    write_text(w, kernel->info->name);
    return post(c);
}

static cl_kernel created(cl_kernel kernel, cl_int *errcode_ret) {
    cl_int code = kernel ? announce(kernel) : CL_OUT_OF_HOST_MEMORY;
    if (code != CL_SUCCESS && kernel) {
        release_kernel(kernel);
    }
    return result(errcode_ret, code, kernel);
}

/* The program's build, held: it may be built anew meanwhile. NULL if it is not built to run. */
static struct build *hold_build(cl_program program) {
    pthread_mutex_lock(&program->lock);
    struct build *build = executable(program);
    if (build) {
        atomic_fetch_add(&build->references, 1);
    }
    pthread_mutex_unlock(&program->lock);
    return build;
}

cl_kernel clCreateKernel(cl_program program, const char *name, cl_int *errcode_ret) {
    if (!is_object(program, A_PROGRAM)) {
        return result(errcode_ret, CL_INVALID_PROGRAM, NULL);
    }
    if (!name) {
        return result(errcode_ret, CL_INVALID_VALUE, NULL);
    }
    struct build *build = hold_build(program);
    if (!build) {
        return result(errcode_ret, CL_INVALID_PROGRAM_EXECUTABLE, NULL);
    }
    struct kernel_info *info = find_kernel(build, name);
    cl_kernel kernel = info ? created(new_kernel(program, build, info), errcode_ret)
                            : result(errcode_ret, CL_INVALID_KERNEL_NAME, NULL);
    release_build(build);
    return kernel;
}

static cl_int create_all(cl_program program, struct build *build, cl_kernel *kernels) {
    cl_int code = CL_SUCCESS;
    cl_uint made = 0;
    for (; made < build->kernel_count && code == CL_SUCCESS; made++) {
        kernels[made] = created(new_kernel(program, build, &build->kernels[made]), &code);
    }
    while (code != CL_SUCCESS && made-- > 0) {
        if (kernels[made]) {
            release_kernel(kernels[made]);
        }
    }
    return code;
}

cl_int clCreateKernelsInProgram(cl_program program, cl_uint room, cl_kernel *kernels, cl_uint *count_ret) {
    if (!is_object(program, A_PROGRAM)) {
        return CL_INVALID_PROGRAM;
    }
    struct build *build = hold_build(program);
    if (!build) {
        return CL_INVALID_PROGRAM_EXECUTABLE;
    }
    cl_int code = kernels && room < build->kernel_count ? CL_INVALID_VALUE : CL_SUCCESS;
    if (code == CL_SUCCESS && kernels) {
        code = create_all(program, build, kernels);
    }
    if (code == CL_SUCCESS && count_ret) {
        *count_ret = build->kernel_count;
    }
    release_build(build);
    return code;
}

cl_kernel clCloneKernel(cl_kernel source, cl_int *errcode_ret) {
    if (!is_object(source, A_KERNEL)) {
        return result(errcode_ret, CL_INVALID_KERNEL, NULL);
    }
    cl_kernel kernel = created(new_kernel(source->program, source->build, source->info), errcode_ret);
    if (!kernel) {
        return NULL;
    }
    pthread_mutex_lock(&source->lock);
    kernel->missing = source->missing;
    for (cl_uint i = 0; i < source->info->arg_count; i++) {
        const struct kernel_arg *from = &source->args[i];
        unsigned char *copy = from->is_set ? malloc(from->length) : NULL;
        if (copy) {
            memcpy(copy, from->encoded, from->length);
            kernel->args[i] = (struct kernel_arg){true, copy, from->length};
        } else {
            kernel->missing += from->is_set;
        }
    }
    pthread_mutex_unlock(&source->lock);
    return kernel;
}

void release_kernel(cl_kernel kernel) {
    if (!release(kernel)) {
        return;
    }
    release_handle(kernel->session->connection, kernel->handle);
    for (cl_uint i = 0; i < kernel->info->arg_count; i++) {
        free(kernel->args[i].encoded);
    }
    free(kernel->args);
    release_build(kernel->build);
    atomic_fetch_sub(&kernel->program->kernel_count, 1);
    release_program(kernel->program);
    pthread_mutex_destroy(&kernel->lock);
    free_object(kernel);
}

cl_int clRetainKernel(cl_kernel kernel) {
    if (!is_object(kernel, A_KERNEL)) {
        return CL_INVALID_KERNEL;
    }
    retain(kernel);
    return CL_SUCCESS;
}

cl_int clReleaseKernel(cl_kernel kernel) {
    if (!is_object(kernel, A_KERNEL)) {
        return CL_INVALID_KERNEL;
    }
    release_kernel(kernel);
    return CL_SUCCESS;
}
