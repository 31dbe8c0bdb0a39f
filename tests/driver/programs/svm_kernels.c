/* Shared virtual memory in kernels, and buffers over it. */
#include <stdint.h>

#include "check.h"

enum { COUNT = 1000, ITEMS = 4096, BYTES = ITEMS * 4 };

struct node {
    cl_ulong next, value;
};

static const char *const SOURCE =
    "typedef struct node { ulong next; ulong value; } node_t;\n"
    "kernel void walk(global node_t *first, global ulong *sum) {\n"
    "    *sum = 0;\n"
    "    for (global node_t *at = first; at; at = (global node_t *)at->next) *sum += at->value;\n"
    "}\n"
    "kernel void link(global node_t *nodes, ulong count) {\n"
    "    for (ulong i = 0; i < count; i++) {\n"
    "        nodes[i].next = i + 1 < count ? (ulong)(nodes + i + 1) : 0;\n"
    "        nodes[i].value = i;\n"
    "    }\n"
    "}\n"
    "kernel void add(global int *a, constant int *b, local int *c, int d) {\n"
    "    if (a && b) a[get_global_id(0)] += b[0] + d;\n"
    "}\n";

static cl_program program;

static cl_kernel kernel_named(const char *name) {
    cl_int code;
    cl_kernel kernel = clCreateKernel(program, name, &code);
    OK(code);
    return kernel;
}

static void *allocate(size_t size) {
    void *memory = clSVMAlloc(context, CL_MEM_READ_WRITE, size, 0);
    EXPECT(memory != NULL, 1);
    return memory;
}

static void map(void *memory, size_t size) {
    OK(clEnqueueSVMMap(queue, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, memory, size, 0, NULL, NULL));
}

static void unmap(void *memory) {
    OK(clEnqueueSVMUnmap(queue, memory, 0, NULL, NULL));
}

static int int_at(const int *place) {
    int found;
    OK(clEnqueueSVMMemcpy(queue, CL_TRUE, &found, place, sizeof found, 0, NULL, NULL));
    return found;
}

/* ---- kernels -----------------------------------------------------------------------------------------------------
 */

static void a_list_that_the_host_links_is_walked_by_the_device(void) {
    struct node *nodes = allocate(COUNT * sizeof *nodes);
    cl_ulong sum, *there = allocate(sizeof sum);
    cl_kernel walk = kernel_named("walk");
    map(nodes, COUNT * sizeof *nodes);
    for (int i = 0; i < COUNT; i++) { /* 7 and 1000 have no common factor: it comes by all of them */
        nodes[i * 7 % COUNT].next = i + 1 < COUNT ? (cl_ulong)(uintptr_t)&nodes[(i + 1) * 7 % COUNT] : 0;
        nodes[i].value = (cl_ulong)i;
    }
    nodes[0].value = 1000000;
    unmap(nodes);
    OK(clSetKernelArgSVMPointer(walk, 0, &nodes[7])); /* into the middle: the first one is left out */
    OK(clSetKernelArgSVMPointer(walk, 1, there));
    OK(clSetKernelExecInfo(walk, CL_KERNEL_EXEC_INFO_SVM_PTRS, sizeof nodes, &nodes));
    OK(clEnqueueTask(queue, walk, 0, NULL, NULL));
    OK(clEnqueueSVMMemcpy(queue, CL_TRUE, &sum, there, sizeof sum, 0, NULL, NULL));
    EXPECT(sum, COUNT * (COUNT - 1) / 2);
    OK(clReleaseKernel(walk));
    clSVMFree(context, nodes);
    clSVMFree(context, there);
}

static void a_list_that_the_device_links_is_walked_by_the_host(void) {
    struct node *nodes = allocate(COUNT * sizeof *nodes);
    cl_ulong count = COUNT, sum = 0;
    cl_kernel link = kernel_named("link");
    OK(clSetKernelArgSVMPointer(link, 0, nodes));
    OK(clSetKernelArg(link, 1, sizeof count, &count));
    OK(clEnqueueTask(queue, link, 0, NULL, NULL));
    map(nodes, COUNT * sizeof *nodes);
    for (const struct node *at = nodes; at; at = (const struct node *)(uintptr_t)at->next) {
        sum += at->value;
    }
    unmap(nodes);
    EXPECT(sum, COUNT * (COUNT - 1) / 2);
    OK(clFinish(queue));
    OK(clReleaseKernel(link));
    clSVMFree(context, nodes);
}

static void arguments(void) {
    const size_t items = 16;
    int *a = allocate(BYTES), *b = allocate(BYTES), d = 3, elsewhere = 0;
    cl_kernel add = kernel_named("add");
    OK(clEnqueueSVMMemFill(queue, a, &(int){10}, 4, BYTES, 0, NULL, NULL));
    OK(clEnqueueSVMMemFill(queue, b, &(int){100}, 4, BYTES, 0, NULL, NULL));
    OK(clSetKernelArgSVMPointer(add, 0, a + 100));
    EXPECT(clSetKernelArgSVMPointer(add, 1, &elsewhere), CL_INVALID_ARG_VALUE);
    EXPECT(clSetKernelArgSVMPointer(add, 1, b + ITEMS), CL_INVALID_ARG_VALUE);
    EXPECT(clSetKernelArgSVMPointer(add, 2, a), CL_INVALID_ARG_VALUE);
    EXPECT(clSetKernelArgSVMPointer(add, 3, a), CL_INVALID_ARG_VALUE);
    EXPECT(clSetKernelArgSVMPointer(add, 4, a), CL_INVALID_ARG_INDEX);
    EXPECT(clSetKernelArgSVMPointer(NULL, 0, a), CL_INVALID_KERNEL);
    OK(clSetKernelArg(add, 2, 16, NULL));
    OK(clSetKernelArg(add, 3, sizeof d, &d));
    EXPECT(clEnqueueNDRangeKernel(queue, add, 1, NULL, &items, NULL, 0, NULL, NULL), CL_INVALID_KERNEL_ARGS);
    OK(clSetKernelArgSVMPointer(add, 1, b + 1));
    OK(clEnqueueNDRangeKernel(queue, add, 1, NULL, &items, NULL, 0, NULL, NULL));
    EXPECT(int_at(a + 99), 10);
    EXPECT(int_at(a + 100), 113);
    EXPECT(int_at(a + 115), 113);
    EXPECT(int_at(a + 116), 10);
    cl_int code;
    cl_kernel clone = clCloneKernel(add, &code);
    OK(code);
    OK(clSetKernelArgSVMPointer(add, 0, NULL));
    OK(clEnqueueNDRangeKernel(queue, add, 1, NULL, &items, NULL, 0, NULL, NULL)); /* to nowhere */
    OK(clEnqueueNDRangeKernel(queue, clone, 1, NULL, &items, NULL, 0, NULL, NULL));
    EXPECT(int_at(a + 115), 216);
    OK(clReleaseKernel(clone));
    OK(clReleaseKernel(add));
    clSVMFree(context, a);
    clSVMFree(context, b);
}

static void what_kernels_are_told_of_memory(void) {
    int *memory = allocate(BYTES), elsewhere;
    void *inside[] = {memory, memory + 1}, *outside[] = {memory, &elsewhere};
    cl_bool yes = CL_TRUE, no = CL_FALSE;
    cl_kernel add = kernel_named("add");
    OK(clSetKernelExecInfo(add, CL_KERNEL_EXEC_INFO_SVM_PTRS, sizeof inside, inside));
    EXPECT(clSetKernelExecInfo(add, CL_KERNEL_EXEC_INFO_SVM_PTRS, sizeof outside, outside), CL_INVALID_VALUE);
    EXPECT(clSetKernelExecInfo(add, CL_KERNEL_EXEC_INFO_SVM_PTRS, 3, inside), CL_INVALID_VALUE);
    EXPECT(clSetKernelExecInfo(add, CL_KERNEL_EXEC_INFO_SVM_PTRS, sizeof inside, NULL), CL_INVALID_VALUE);
    OK(clSetKernelExecInfo(add, CL_KERNEL_EXEC_INFO_SVM_FINE_GRAIN_SYSTEM, sizeof no, &no));
    EXPECT(clSetKernelExecInfo(add, CL_KERNEL_EXEC_INFO_SVM_FINE_GRAIN_SYSTEM, sizeof yes, &yes),
           CL_INVALID_OPERATION);
    EXPECT(clSetKernelExecInfo(add, CL_KERNEL_GLOBAL_WORK_SIZE, sizeof no, &no), CL_INVALID_VALUE);
    EXPECT(clSetKernelExecInfo(NULL, CL_KERNEL_EXEC_INFO_SVM_PTRS, sizeof inside, inside), CL_INVALID_KERNEL);
    OK(clReleaseKernel(add));
    clSVMFree(context, memory);
}

/* ---- buffers over it
 * ------------------------------------------------------------------------------------------------ */

static cl_bool uses_svm(cl_mem mem) {
    cl_bool uses = 7;
    OK(clGetMemObjectInfo(mem, CL_MEM_USES_SVM_POINTER, sizeof uses, &uses, NULL));
    return uses;
}

static void a_buffer_over_it_has_the_same_memory(void) {
    int *memory = allocate(BYTES), d = 5;
    const size_t items = 16, half = BYTES / 2;
    cl_int code;
    void *pointer;
    cl_mem parent = (cl_mem)&pointer;
    OK(clEnqueueSVMMemFill(queue, memory, &(int){10}, 4, BYTES, 0, NULL, NULL));
    cl_mem buffer = clCreateBuffer(context, CL_MEM_USE_HOST_PTR, BYTES, memory, &code);
    OK(code);
    EXPECT(uses_svm(buffer), CL_TRUE);
    OK(clGetMemObjectInfo(buffer, CL_MEM_HOST_PTR, sizeof pointer, &pointer, NULL));
    EXPECT(pointer == memory, 1);
    OK(clGetMemObjectInfo(buffer, CL_MEM_ASSOCIATED_MEMOBJECT, sizeof parent, &parent, NULL));
    EXPECT(parent == NULL, 1);
    cl_mem part = clCreateSubBuffer(buffer, CL_MEM_READ_ONLY, CL_BUFFER_CREATE_TYPE_REGION,
                                    &(cl_buffer_region){half, half}, &code);
    OK(code);
    EXPECT(uses_svm(part), CL_TRUE);
    cl_mem copy = clCreateBuffer(context, CL_MEM_COPY_HOST_PTR, BYTES, memory, &code);
    OK(code);
    EXPECT(uses_svm(copy), CL_FALSE);
    cl_kernel add = kernel_named("add");
    OK(clSetKernelArg(add, 0, sizeof buffer, &buffer));
    OK(clSetKernelArg(add, 1, sizeof part, &part));
    OK(clSetKernelArg(add, 2, 16, NULL));
    OK(clSetKernelArg(add, 3, sizeof d, &d));
    OK(clEnqueueNDRangeKernel(queue, add, 1, NULL, &items, NULL, 0, NULL, NULL));
    EXPECT(int_at(memory), 25);
    EXPECT(int_at(memory + 16), 10);
    int *mapped = clEnqueueMapBuffer(queue, part, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, 8, 8, 0, NULL, NULL, &code);
    OK(code);
    EXPECT(mapped == memory + ITEMS / 2 + 2 && mapped[0] == 10, 1);
    mapped[1] = 77;
    OK(clEnqueueUnmapMemObject(queue, part, mapped, 0, NULL, NULL));
    EXPECT(int_at(mapped + 1), 77);
    EXPECT(clEnqueueCopyBuffer(queue, buffer, part, half, 0, 16, 0, NULL, NULL), CL_MEM_COPY_OVERLAP);
    OK(clEnqueueCopyBuffer(queue, copy, buffer, 0, 0, 16, 0, NULL, NULL));
    OK(clReleaseKernel(add));
    OK(clReleaseMemObject(part));
    OK(clReleaseMemObject(buffer));
    OK(clReleaseMemObject(copy));
    clSVMFree(context, memory);
}

static void a_buffer_is_over_a_part_of_it(void) {
    int *memory = clSVMAlloc(context, CL_MEM_READ_ONLY, BYTES, 0), seen;
    cl_int code;
    cl_uint bits;
    EXPECT(memory != NULL, 1);
    OK(clGetDeviceInfo(device, CL_DEVICE_MEM_BASE_ADDR_ALIGN, sizeof bits, &bits, NULL));
    size_t offset = bits / 8;
    OK(clEnqueueSVMMemFill(queue, memory, &(int){10}, 4, BYTES, 0, NULL, NULL));
    OK(clEnqueueSVMMemFill(queue, memory + offset / 4, &(int){11}, 4, 4, 0, NULL, NULL));
    cl_mem buffer =
        clCreateBuffer(context, CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR, BYTES - offset, memory + offset / 4, &code);
    OK(code);
    cl_mem part = clCreateSubBuffer(buffer, 0, CL_BUFFER_CREATE_TYPE_REGION, &(cl_buffer_region){offset, 4}, &code);
    OK(code);
    OK(clEnqueueReadBuffer(queue, buffer, CL_TRUE, 0, sizeof seen, &seen, 0, NULL, NULL));
    EXPECT(seen, 11);
    OK(clEnqueueFillBuffer(queue, part, &(int){12}, 4, 0, 4, 0, NULL, NULL));
    EXPECT(int_at(memory + offset / 2), 12);
    clCreateBuffer(context, CL_MEM_USE_HOST_PTR, BYTES, memory + offset / 4, &code);
    EXPECT(code, CL_INVALID_BUFFER_SIZE);
    clCreateBuffer(context, CL_MEM_USE_HOST_PTR, 4, memory + 1, &code);
    EXPECT(code, CL_MISALIGNED_SUB_BUFFER_OFFSET);
    OK(clReleaseMemObject(part));
    OK(clReleaseMemObject(buffer));
    clSVMFree(context, memory);
}

int main(void) {
    cl_int code;
    set_up(0);
    program = clCreateProgramWithSource(context, 1, (const char **)&SOURCE, NULL, &code);
    OK(code);
    OK(clBuildProgram(program, 1, &device, "-cl-kernel-arg-info", NULL, NULL));
    a_list_that_the_host_links_is_walked_by_the_device();
    a_list_that_the_device_links_is_walked_by_the_host();
    arguments();
    what_kernels_are_told_of_memory();
    a_buffer_over_it_has_the_same_memory();
    a_buffer_is_over_a_part_of_it();
    OK(clReleaseProgram(program));
    tear_down();
    return 0;
}
