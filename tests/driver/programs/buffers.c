/* Writing, reading, copying, filling and mapping buffers, of all shapes. */
#include "check.h"

static unsigned char sent[4096], received[4096];

static void read_back(cl_mem buffer) {
    memset(received, 0, sizeof received);
    OK(clEnqueueReadBuffer(queue, buffer, CL_TRUE, 0, sizeof received, received, 0, NULL, NULL));
}

static void writes_and_reads(cl_mem buffer) {
    cl_event events[2];
    OK(clEnqueueWriteBuffer(queue, buffer, CL_FALSE, 0, sizeof sent, sent, 0, NULL, &events[0]));
    OK(clEnqueueReadBuffer(queue, buffer, CL_FALSE, 0, sizeof received, received, 1, events, &events[1]));
    OK(clWaitForEvents(2, events));
    EXPECT(memcmp(sent, received, sizeof sent), 0);
    OK(clReleaseEvent(events[0]));
    OK(clReleaseEvent(events[1]));
}

static void a_read_that_nobody_waits_for_is_there_after_finish(cl_mem buffer) {
    memset(received, 0, sizeof received);
    OK(clEnqueueReadBuffer(queue, buffer, CL_FALSE, 1024, 1024, received, 0, NULL, NULL));
    OK(clFinish(queue));
    EXPECT(memcmp(sent + 1024, received, 1024), 0);
}

static void copies_and_fills(cl_mem buffer) {
    cl_mem other = new_buffer(sizeof sent);
    cl_uint pattern = 0x01020304;
    OK(clEnqueueFillBuffer(queue, other, &pattern, 4, 0, sizeof sent, 0, NULL, NULL));
    OK(clEnqueueCopyBuffer(queue, buffer, other, 0, 2048, 1024, 0, NULL, NULL));
    read_back(other);
    EXPECT(memcmp(received + 2044, &pattern, 4), 0);
    EXPECT(memcmp(received + 2048, sent, 1024), 0);
    EXPECT(memcmp(received + 3072, &pattern, 4), 0);
    EXPECT(clEnqueueCopyBuffer(queue, buffer, buffer, 0, 512, 1024, 0, NULL, NULL), CL_MEM_COPY_OVERLAP);
    EXPECT(clEnqueueCopyBuffer(queue, buffer, other, 0, 4000, 1024, 0, NULL, NULL), CL_INVALID_VALUE);
    EXPECT(clEnqueueFillBuffer(queue, other, &pattern, 3, 0, 6, 0, NULL, NULL), CL_INVALID_VALUE);
    OK(clReleaseMemObject(other));
}

static void rectangles(cl_mem buffer) {
    const size_t there[3] = {8, 2, 0}, here[3] = {4, 1, 0}, region[3] = {16, 4, 2};
    memset(received, 0, sizeof received);
    OK(clEnqueueReadBufferRect(queue, buffer, CL_TRUE, there, here, region, 64, 1024, 32, 256, received, 0, NULL,
                               NULL));
    for (size_t z = 0; z < 2; z++) {
        for (size_t y = 0; y < 4; y++) {
            EXPECT(memcmp(received + 4 + (1 + y) * 32 + z * 256, sent + 8 + (2 + y) * 64 + z * 1024, 16), 0);
        }
    }
    EXPECT(received[3], 0);
    EXPECT(received[20 + 32], 0);
    cl_mem other = new_buffer(sizeof sent);
    OK(clEnqueueWriteBufferRect(queue, other, CL_FALSE, there, here, region, 64, 1024, 32, 256, received, 0, NULL,
                                NULL));
    OK(clEnqueueCopyBufferRect(queue, other, other, there, (size_t[]){8, 10, 0}, region, 64, 1024, 64, 1024, 0, NULL,
                               NULL));
    read_back(other);
    EXPECT(memcmp(received + 8 + 10 * 64, sent + 8 + 2 * 64, 16), 0);
    EXPECT(memcmp(received + 8 + 13 * 64 + 1024, sent + 8 + 5 * 64 + 1024, 16), 0);
    OK(clReleaseMemObject(other));
}

static void sub_buffers(cl_mem buffer) {
    cl_uint bits;
    cl_int code;
    cl_mem parent;
    OK(clGetDeviceInfo(device, CL_DEVICE_MEM_BASE_ADDR_ALIGN, sizeof bits, &bits, NULL));
    cl_buffer_region region = {bits / 8, 64}, odd = {1, 64}, far = {bits / 8, 4096};
    cl_mem part = clCreateSubBuffer(buffer, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &code);
    OK(code);
    OK(clGetMemObjectInfo(part, CL_MEM_ASSOCIATED_MEMOBJECT, sizeof parent, &parent, NULL));
    EXPECT(parent == buffer, 1);
    OK(clEnqueueReadBuffer(queue, part, CL_TRUE, 0, 64, received, 0, NULL, NULL));
    EXPECT(memcmp(received, sent + bits / 8, 64), 0);
    clCreateSubBuffer(buffer, 0, CL_BUFFER_CREATE_TYPE_REGION, &odd, &code);
    EXPECT(code, CL_MISALIGNED_SUB_BUFFER_OFFSET);
    clCreateSubBuffer(buffer, 0, CL_BUFFER_CREATE_TYPE_REGION, &far, &code);
    EXPECT(code, CL_INVALID_VALUE);
    OK(clReleaseMemObject(part));
}

static void mappings(cl_mem buffer) {
    cl_int code;
    cl_event event;
    unsigned char *mapped =
        clEnqueueMapBuffer(queue, buffer, CL_FALSE, CL_MAP_READ | CL_MAP_WRITE, 512, 256, 0, NULL, &event, &code);
    OK(code);
    OK(clWaitForEvents(1, &event));
    OK(clReleaseEvent(event));
    EXPECT(memcmp(mapped, sent + 512, 256), 0);
    memset(mapped, 0xab, 256);
    EXPECT(clEnqueueUnmapMemObject(queue, buffer, mapped + 1, 0, NULL, NULL), CL_INVALID_VALUE);
    OK(clEnqueueUnmapMemObject(queue, buffer, mapped, 0, NULL, NULL));
    read_back(buffer);
    EXPECT(received[511], sent[511]);
    EXPECT(received[512], 0xab);
    EXPECT(received[767], 0xab);
    EXPECT(received[768], sent[768]);
}

/* What could not be mapped has nothing to be written back. */
static void a_mapping_that_failed(cl_mem buffer) {
    cl_int code;
    cl_event event, gate = clCreateUserEvent(context, &code);
    OK(code);
    unsigned char *mapped =
        clEnqueueMapBuffer(queue, buffer, CL_FALSE, CL_MAP_READ | CL_MAP_WRITE, 0, 256, 1, &gate, &event, &code);
    OK(code);
    memset(mapped, 0xcd, 256);
    OK(clSetUserEventStatus(gate, -5));
    EXPECT(clWaitForEvents(1, &event), CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
    OK(clEnqueueUnmapMemObject(queue, buffer, mapped, 0, NULL, NULL));
    clFinish(queue); /* tells the failure, or that it was told */
    read_back(buffer);
    EXPECT(received[0], sent[0]);
    OK(clReleaseEvent(event));
    OK(clReleaseEvent(gate));
}

static void host_memory_in_use(void) {
    static unsigned char host[256];
    cl_int code;
    cl_uint count;
    memset(host, 7, sizeof host);
    cl_mem buffer = clCreateBuffer(context, CL_MEM_USE_HOST_PTR, sizeof host, host, &code);
    OK(code);
    cl_uchar nine = 9;
    OK(clEnqueueFillBuffer(queue, buffer, &nine, 1, 0, 128, 0, NULL, NULL));
    unsigned char *mapped = clEnqueueMapBuffer(queue, buffer, CL_TRUE, CL_MAP_READ, 64, 128, 0, NULL, NULL, &code);
    OK(code);
    EXPECT(mapped == host + 64, 1);
    EXPECT(host[64], 9);
    EXPECT(host[128], 7);
    OK(clGetMemObjectInfo(buffer, CL_MEM_MAP_COUNT, sizeof count, &count, NULL));
    EXPECT(count, 1);
    OK(clEnqueueUnmapMemObject(queue, buffer, mapped, 0, NULL, NULL));
    OK(clReleaseMemObject(buffer));
}

static void destroyed(cl_mem mem, void *count) {
    (void)mem;
    ++*(int *)count;
}

static void take_back(cl_mem mem, void *host) {
    (void)mem;
    memset(host, 0x55, 1 << 20);
}

/* A destructor callback may free the memory that a buffer used: nothing is read into it any more. */
static void released_while_mapped(void) {
    unsigned char *host = calloc(1, 1 << 20);
    cl_int code;
    cl_mem buffer = clCreateBuffer(context, CL_MEM_USE_HOST_PTR, 1 << 20, host, &code);
    OK(code);
    OK(clSetMemObjectDestructorCallback(buffer, take_back, host));
    clEnqueueMapBuffer(queue, buffer, CL_FALSE, CL_MAP_READ, 0, 1 << 20, 0, NULL, NULL, &code);
    OK(code);
    OK(clReleaseMemObject(buffer));
    OK(clFinish(queue));
    EXPECT(host[0], 0x55);
    EXPECT(host[(1 << 20) - 1], 0x55);
    free(host);
}

int main(void) {
    int destroyed_count = 0;
    cl_int code;
    set_up(0);
    for (size_t i = 0; i < sizeof sent; i++) {
        sent[i] = (unsigned char)(i * 7 + i / 256);
    }
    cl_mem buffer = clCreateBuffer(context, CL_MEM_COPY_HOST_PTR, sizeof sent, sent, &code);
    OK(code);
    OK(clSetMemObjectDestructorCallback(buffer, destroyed, &destroyed_count));
    read_back(buffer);
    EXPECT(memcmp(sent, received, sizeof sent), 0);
    writes_and_reads(buffer);
    a_read_that_nobody_waits_for_is_there_after_finish(buffer);
    copies_and_fills(buffer);
    rectangles(buffer);
    sub_buffers(buffer);
    mappings(buffer);
    a_mapping_that_failed(buffer);
    host_memory_in_use();
    released_while_mapped();
    clCreateBuffer(context, 0, 0, NULL, &code);
    EXPECT(code, CL_INVALID_BUFFER_SIZE);
    clCreateBuffer(context, CL_MEM_READ_ONLY | CL_MEM_WRITE_ONLY, 4, NULL, &code);
    EXPECT(code, CL_INVALID_VALUE);
    clCreateBuffer(context, CL_MEM_COPY_HOST_PTR, 4, NULL, &code);
    EXPECT(code, CL_INVALID_HOST_PTR);
    OK(clReleaseMemObject(buffer));
    EXPECT(destroyed_count, 1);
    tear_down();
    return 0;
}
