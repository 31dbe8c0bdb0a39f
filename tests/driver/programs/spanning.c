/* Memory in a context over two nodes: whatever one node writes the other one sees. */
#include "two_nodes.h"

enum { ITEMS = 256 };

static const size_t items = ITEMS;
static int found[ITEMS];

static void launch(cl_command_queue used, cl_kernel kernel, cl_mem a, cl_mem b, cl_uint count, const cl_event *list,
                   cl_event *event) {
    OK(clSetKernelArg(kernel, 0, sizeof a, &a));
    OK(clSetKernelArg(kernel, 1, sizeof b, &b));
    OK(clEnqueueNDRangeKernel(used, kernel, 1, NULL, &items, NULL, count, list, event));
}

static void read_all(cl_command_queue used, cl_mem buffer, size_t bytes) {
    memset(found, 0xee, sizeof found);
    OK(clEnqueueReadBuffer(used, buffer, CL_TRUE, 0, bytes, found, 0, NULL, NULL));
}

static void is_what_it_says(void) {
    cl_uint number = 0;
    cl_device_id told[3];
    size_t bytes = 0;
    cl_context of = NULL;
    cl_device_id on = NULL;
    OK(clGetContextInfo(context, CL_CONTEXT_NUM_DEVICES, sizeof number, &number, NULL));
    EXPECT(number, 2);
    OK(clGetContextInfo(context, CL_CONTEXT_DEVICES, sizeof told, told, &bytes));
    EXPECT(bytes == sizeof devices && !memcmp(told, devices, bytes), 1);
    OK(clGetCommandQueueInfo(queues[1], CL_QUEUE_CONTEXT, sizeof of, &of, NULL));
    OK(clGetCommandQueueInfo(queues[1], CL_QUEUE_DEVICE, sizeof on, &on, NULL));
    EXPECT(of == context && on == devices[1], 1);
    OK(clRetainContext(context));
    OK(clGetContextInfo(context, CL_CONTEXT_REFERENCE_COUNT, sizeof number, &number, NULL));
    EXPECT(number >= 2, 1);
    OK(clReleaseContext(context));
    EXPECT(clRetainMemObject((cl_mem)context), CL_INVALID_MEM_OBJECT);
}

static void what_one_writes_the_other_reads(cl_kernel add) {
    cl_int code;
    int content[ITEMS], one[ITEMS];
    cl_event written, added[2];
    for (int i = 0; i < ITEMS; i++) {
        content[i] = i;
        one[i] = 1;
    }
    cl_mem ones = clCreateBuffer(context, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, sizeof one, one, &code);
    OK(code);
    cl_mem buffer = new_buffer(sizeof content);
    OK(clEnqueueWriteBuffer(queues[0], buffer, CL_FALSE, 0, sizeof content, content, 0, NULL, &written));
    launch(queues[1], add, buffer, ones, 1, &written, &added[0]);
    launch(queues[0], add, buffer, ones, 1, &added[0], &added[1]);
    OK(clEnqueueReadBuffer(queues[1], buffer, CL_TRUE, 0, sizeof found, found, 1, &added[1], NULL));
    for (int i = 0; i < ITEMS; i++) {
        EXPECT(found[i], i + 2);
    }
    OK(clReleaseEvent(written));
    OK(clReleaseEvent(added[0]));
    OK(clReleaseEvent(added[1]));
    OK(clReleaseMemObject(buffer));
    OK(clReleaseMemObject(ones));
}

/* Each turn on the other node, with nothing but the memory to order them. */
static void content_goes_to_and_fro(cl_kernel add, int turns) {
    cl_event last = NULL;
    cl_mem one = new_buffer(sizeof found), sum = new_buffer(sizeof found);
    OK(clEnqueueFillBuffer(queues[0], one, &(int){1}, 4, 0, sizeof found, 0, NULL, NULL));
    OK(clEnqueueFillBuffer(queues[1], sum, &(int){0}, 4, 0, sizeof found, 0, NULL, NULL));
    for (int turn = 0; turn < turns; turn++) {
        cl_event before = last;
        launch(queues[turn % 2], add, sum, one, before != NULL, before ? &before : NULL, &last);
        if (before) {
            OK(clReleaseEvent(before));
        }
    }
    OK(clWaitForEvents(1, &last));
    OK(clReleaseEvent(last));
    read_all(queues[0], sum, sizeof found);
    EXPECT(found[0], turns);
    EXPECT(found[ITEMS - 1], turns);
    read_all(queues[1], sum, sizeof found);
    EXPECT(found[ITEMS - 1], turns);
    OK(clReleaseMemObject(one));
    OK(clReleaseMemObject(sum));
}

/* More commands than are kept of an out-of-order queue, before the content goes to the other node. */
static void many_may_have_written(cl_kernel add, int count) {
    cl_event last = NULL;
    cl_mem one = new_buffer(sizeof found), sum = new_buffer(sizeof found);
    OK(clEnqueueFillBuffer(queues[0], one, &(int){1}, 4, 0, sizeof found, 0, NULL, NULL));
    OK(clEnqueueFillBuffer(queues[0], sum, &(int){0}, 4, 0, sizeof found, 0, NULL, &last));
    OK(clEnqueueBarrier(queues[0]));
    for (int i = 0; i < count; i++) {
        cl_event before = last;
        launch(queues[0], add, sum, one, 1, &before, &last);
        OK(clReleaseEvent(before));
    }
    OK(clEnqueueReadBuffer(queues[1], sum, CL_TRUE, 0, sizeof found, found, 1, &last, NULL));
    EXPECT(found[ITEMS - 1], count);
    OK(clReleaseEvent(last));
    OK(clReleaseMemObject(one));
    OK(clReleaseMemObject(sum));
}

static void regions_are_where_their_buffer_is(cl_kernel add) {
    cl_int code;
    cl_mem parent = NULL;
    size_t offset = 0;
    enum { HALF = ITEMS * sizeof(int) };
    cl_mem whole = new_buffer(2 * HALF), one = new_buffer(HALF);
    cl_mem halves[2];
    for (size_t i = 0; i < 2; i++) {
        cl_buffer_region region = {i * HALF, HALF};
        halves[i] = clCreateSubBuffer(whole, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &code);
        OK(code);
    }
    OK(clGetMemObjectInfo(halves[1], CL_MEM_ASSOCIATED_MEMOBJECT, sizeof parent, &parent, NULL));
    OK(clGetMemObjectInfo(halves[1], CL_MEM_OFFSET, sizeof offset, &offset, NULL));
    EXPECT(parent == whole && offset == HALF, 1);
    OK(clEnqueueFillBuffer(queues[0], whole, &(int){5}, 4, 0, 2 * HALF, 0, NULL, NULL));
    OK(clEnqueueFillBuffer(queues[0], one, &(int){1}, 4, 0, HALF, 0, NULL, NULL));
    OK(clFinish(queues[0]));
    launch(queues[1], add, halves[1], one, 0, NULL, NULL); /* the other half must come along */
    OK(clFinish(queues[1]));
    read_all(queues[0], halves[0], HALF);
    EXPECT(found[ITEMS - 1], 5);
    read_all(queues[0], halves[1], HALF);
    EXPECT(found[0], 6);
    launch(queues[0], add, halves[0], halves[1], 0, NULL, NULL);
    OK(clFinish(queues[0]));
    OK(clReleaseMemObject(whole));
    read_all(queues[1], halves[0], HALF);
    EXPECT(found[0], 11);
    OK(clReleaseMemObject(halves[0]));
    OK(clReleaseMemObject(halves[1]));
    OK(clReleaseMemObject(one));
}

static void transfers_of_all_kinds(void) {
    const size_t origin[3] = {4, 1, 0}, zero[3] = {0}, region[3] = {8, 2, 1};
    int sent[4] = {1, 2, 3, 4}, back[4] = {0};
    cl_mem one = new_buffer(64), other = new_buffer(64);
    OK(clEnqueueFillBuffer(queues[0], one, &(int){9}, 4, 0, 64, 0, NULL, NULL));
    OK(clFinish(queues[0]));
    OK(clEnqueueWriteBufferRect(queues[1], one, CL_TRUE, origin, zero, region, 16, 0, 8, 0, sent, 0, NULL, NULL));
    OK(clEnqueueCopyBuffer(queues[1], one, other, 0, 0, 64, 0, NULL, NULL));
    OK(clFinish(queues[1]));
    OK(clEnqueueReadBufferRect(queues[0], other, CL_TRUE, origin, zero, region, 16, 0, 8, 0, back, 0, NULL, NULL));
    EXPECT(memcmp(sent, back, sizeof sent), 0);
    read_all(queues[0], other, 64);
    EXPECT(found[0], 9);
    EXPECT(found[15], 9);
    OK(clEnqueueCopyBufferRect(queues[1], other, one, origin, zero, region, 16, 0, 16, 0, 0, NULL, NULL));
    OK(clFinish(queues[1]));
    read_all(queues[0], one, 64);
    EXPECT(found[0], 1);
    EXPECT(found[5], 4);
    cl_event moved;
    cl_command_type type = 0;
    OK(clEnqueueMigrateMemObjects(queues[1], 1, &one, 0, 0, NULL, NULL));
    OK(clEnqueueMigrateMemObjects(queues[1], 1, &one, CL_MIGRATE_MEM_OBJECT_HOST, 0, NULL, &moved));
    OK(clGetEventInfo(moved, CL_EVENT_COMMAND_TYPE, sizeof type, &type, NULL));
    EXPECT(type, CL_COMMAND_MIGRATE_MEM_OBJECTS);
    OK(clFinish(queues[1]));
    EXPECT(clEnqueueMigrateMemObjects(queues[1], 0, NULL, 0, 0, NULL, NULL), CL_INVALID_VALUE);
    EXPECT(clEnqueueReadBuffer(queues[1], one, CL_TRUE, 60, 8, back, 0, NULL, NULL), CL_INVALID_VALUE);
    OK(clReleaseEvent(moved));
    OK(clReleaseMemObject(one));
    OK(clReleaseMemObject(other));
}

static void what_is_mapped_here_may_be_unmapped_there(void) {
    cl_int code;
    cl_uint count = 7;
    int memory[16] = {3, 4};
    cl_mem buffer = clCreateBuffer(context, CL_MEM_USE_HOST_PTR, sizeof memory, memory, &code);
    OK(code);
    OK(clEnqueueFillBuffer(queues[1], buffer, &(int){8}, 4, 4, 4, 0, NULL, NULL));
    OK(clFinish(queues[1]));
    int *mapped =
        clEnqueueMapBuffer(queues[0], buffer, CL_TRUE, CL_MAP_WRITE, 0, sizeof memory, 0, NULL, NULL, &code);
    OK(code);
    EXPECT(mapped == memory && mapped[0] == 3 && mapped[1] == 8, 1);
    OK(clGetMemObjectInfo(buffer, CL_MEM_MAP_COUNT, sizeof count, &count, NULL));
    EXPECT(count, 1);
    mapped[2] = 77;
    OK(clEnqueueUnmapMemObject(queues[1], buffer, mapped, 0, NULL, NULL));
    OK(clFinish(queues[1]));
    EXPECT(clEnqueueUnmapMemObject(queues[1], buffer, mapped, 0, NULL, NULL), CL_INVALID_VALUE);
    read_all(queues[0], buffer, sizeof memory);
    EXPECT(found[2], 77);
    cl_event filled;
    mapped = clEnqueueMapBuffer(queues[1], buffer, CL_FALSE, CL_MAP_WRITE_INVALIDATE_REGION, 16, 4, 0, NULL, &filled,
                                &code);
    OK(code);
    OK(clWaitForEvents(1, &filled));
    *mapped = 55;
    OK(clEnqueueUnmapMemObject(queues[1], buffer, mapped, 0, NULL, NULL));
    OK(clFinish(queues[1]));
    read_all(queues[0], buffer, sizeof memory);
    EXPECT(found[4] == 55 && found[2] == 77, 1);
    OK(clReleaseEvent(filled));
    OK(clReleaseMemObject(buffer));
}

static void destroyed(cl_mem mem, void *times) {
    EXPECT(mem != NULL, 1);
    ++*(int *)times;
}

static void handles_are_told_apart(cl_kernel add) {
    cl_int code;
    int times = 0;
    cl_mem ours = new_buffer(64), gone = new_buffer(sizeof found);
    cl_context alone = clCreateContext(NULL, 1, devices, NULL, NULL, &code);
    OK(code);
    cl_mem theirs = clCreateBuffer(alone, 0, 64, NULL, &code);
    OK(code);
    cl_command_queue other = clCreateCommandQueue(alone, devices[0], 0, &code);
    OK(code);
    EXPECT(clEnqueueFillBuffer(queues[0], theirs, &(int){0}, 4, 0, 64, 0, NULL, NULL), CL_INVALID_MEM_OBJECT);
    EXPECT(clEnqueueFillBuffer(other, ours, &(int){0}, 4, 0, 64, 0, NULL, NULL), CL_INVALID_MEM_OBJECT);
    EXPECT(clEnqueueReadBuffer(queues[0], NULL, CL_TRUE, 0, 4, found, 0, NULL, NULL), CL_INVALID_MEM_OBJECT);
    EXPECT(clSetKernelArg(add, 0, sizeof theirs, &theirs), CL_INVALID_MEM_OBJECT);
    EXPECT(clSetKernelArg(add, 9, sizeof ours, &ours), CL_INVALID_ARG_INDEX);
    EXPECT(clSetKernelArg(add, 0, 3, &ours), CL_INVALID_ARG_SIZE);
    clCreateCommandQueue(alone, devices[1], 0, &code);
    EXPECT(code, CL_INVALID_DEVICE);
    EXPECT(clSVMAlloc(context, CL_MEM_READ_WRITE, 64, 0) == NULL, 1); /* one address on two nodes */
    EXPECT(clEnqueueSVMFree(queues[0], 0, NULL, NULL, NULL, 0, NULL, NULL), CL_INVALID_OPERATION);
    EXPECT(clEnqueueSVMMemcpy(queues[0], CL_TRUE, found, found + 1, 4, 0, NULL, NULL), CL_INVALID_OPERATION);
    EXPECT(clSetKernelArgSVMPointer(add, 0, found), CL_INVALID_OPERATION);
    OK(clSetMemObjectDestructorCallback(gone, destroyed, &times));
    OK(clSetKernelArg(add, 0, sizeof gone, &gone));
    OK(clSetKernelArg(add, 1, sizeof gone, &gone));
    OK(clReleaseMemObject(gone));
    EXPECT(times, 1); /* kernels do not hold their arguments */
    EXPECT(clEnqueueNDRangeKernel(queues[0], add, 1, NULL, &items, NULL, 0, NULL, NULL), CL_INVALID_MEM_OBJECT);
    clCreateBuffer(context, 0, 0, NULL, &code);
    EXPECT(code, CL_INVALID_BUFFER_SIZE);
    OK(clReleaseMemObject(theirs));
    OK(clReleaseMemObject(ours));
    OK(clReleaseCommandQueue(other));
    OK(clReleaseContext(alone));
}

int main(void) {
    set_up_two_nodes(0, NULL);
    cl_kernel add = new_shared_kernel(
        "kernel void add(global int *a, global const int *b) {"
        "    a[get_global_id(0)] += b[get_global_id(0)]; }",
        "add");
    is_what_it_says();
    what_one_writes_the_other_reads(add);
    content_goes_to_and_fro(add, 200);
    regions_are_where_their_buffer_is(add);
    transfers_of_all_kinds();
    what_is_mapped_here_may_be_unmapped_there();
    handles_are_told_apart(add);
    OK(clReleaseKernel(add));
    tear_down_two_nodes();
    set_up_two_nodes(CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, NULL);
    add = new_shared_kernel(
        "kernel void add(global int *a, global const int *b) {"
        "    a[get_global_id(0)] += b[get_global_id(0)]; }",
        "add");
    content_goes_to_and_fro(add, 200);
    many_may_have_written(add, 200);
    OK(clReleaseKernel(add));
    tear_down_two_nodes();
    return 0;
}
