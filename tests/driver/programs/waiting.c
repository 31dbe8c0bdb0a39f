/* What does not wait: unmapping, and reads that wait for an event that the application sets later. */
#include "check.h"

enum { READS = 200, BYTES = 4096 };

static unsigned char sent[BYTES];

static cl_int status_of(cl_event event) {
    cl_int status;
    OK(clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, NULL));
    return status;
}

static cl_event new_gate(void) {
    cl_int code;
    cl_event gate = clCreateUserEvent(context, &code);
    OK(code);
    return gate;
}

/* A mapping can be given back before it was made, by who did not wait for it: in its turn, and nothing is changed. */
static void unmapping_what_is_not_mapped_yet(cl_mem buffer, cl_map_flags flags) {
    unsigned char seen[BYTES];
    cl_int code;
    cl_uint count;
    cl_event gate = new_gate(), unmapped;
    void *mapped = clEnqueueMapBuffer(queue, buffer, CL_FALSE, flags, 0, BYTES, 1, &gate, NULL, &code);
    OK(code);
    OK(clEnqueueUnmapMemObject(queue, buffer, mapped, 0, NULL, &unmapped));
    OK(clGetMemObjectInfo(buffer, CL_MEM_MAP_COUNT, sizeof count, &count, NULL));
    EXPECT(count, 0);
    EXPECT(status_of(unmapped) > CL_COMPLETE, 1);
    OK(clSetUserEventStatus(gate, CL_COMPLETE));
    OK(clWaitForEvents(1, &unmapped));
    OK(clEnqueueReadBuffer(queue, buffer, CL_TRUE, 0, BYTES, seen, 0, NULL, NULL));
    EXPECT(memcmp(seen, sent, BYTES), 0);
    OK(clReleaseEvent(unmapped));
    OK(clReleaseEvent(gate));
}

/* Nor does it matter that the buffer is gone by then. */
static void releasing_what_is_not_mapped_yet(void) {
    cl_int code;
    cl_event gate = new_gate();
    unsigned char *host = calloc(1, BYTES);
    cl_mem buffer = clCreateBuffer(context, CL_MEM_USE_HOST_PTR, BYTES, host, &code);
    OK(code);
    void *mapped = clEnqueueMapBuffer(queue, buffer, CL_FALSE, CL_MAP_READ, 0, BYTES, 1, &gate, NULL, &code);
    OK(code);
    OK(clEnqueueUnmapMemObject(queue, buffer, mapped, 0, NULL, NULL));
    OK(clReleaseMemObject(buffer));
    OK(clSetUserEventStatus(gate, CL_COMPLETE));
    OK(clFinish(queue));
    OK(clReleaseEvent(gate));
    free(host);
}

static void many_reads_behind_an_event(cl_mem buffer) {
    static unsigned char seen[READS][16];
    cl_event gate = new_gate(), other = new_gate();
    for (int i = 0; i < READS; i++) {
        OK(clEnqueueReadBuffer(queue, buffer, CL_FALSE, (size_t)i, 16, seen[i], i == 0, i ? NULL : &gate, NULL));
    }
    OK(clSetUserEventStatus(gate, CL_COMPLETE));
    OK(clFinish(queue));
    for (int i = 0; i < READS; i++) {
        EXPECT(memcmp(seen[i], sent + i, 16), 0);
    }
    memset(seen, 0, sizeof seen);
    for (int round = 0; round < 4; round++) { /* these do not wait for the other one, which is not set */
        for (int i = 0; i < READS; i++) {
            OK(clEnqueueReadBuffer(queue, buffer, CL_FALSE, (size_t)i, 16, seen[i], 0, NULL, NULL));
        }
    }
    OK(clFinish(queue));
    EXPECT(memcmp(seen[READS - 1], sent + READS - 1, 16), 0);
    OK(clSetUserEventStatus(other, CL_COMPLETE));
    OK(clReleaseEvent(gate));
    OK(clReleaseEvent(other));
}

/* What waits for an event that the application sets is neither submitted nor running. */
static void states_of_what_waits(cl_mem buffer) {
    size_t none = 0, one = 1;
    cl_event gate = new_gate(), events[3];
    cl_kernel kernel = new_kernel("kernel void f(global int *a) { *a += 0; }", "f");
    OK(clSetKernelArg(kernel, 0, sizeof buffer, &buffer));
    OK(clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &one, NULL, 1, &gate, &events[0]));
    OK(clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &none, NULL, 1, &gate, &events[1]));
    OK(clEnqueueTask(queue, kernel, 1, &gate, &events[2]));
    for (int i = 0; i < 3; i++) {
        EXPECT(status_of(events[i]), CL_QUEUED);
    }
    OK(clSetUserEventStatus(gate, CL_COMPLETE));
    OK(clWaitForEvents(3, events));
    for (int i = 0; i < 3; i++) {
        EXPECT(status_of(events[i]), CL_COMPLETE);
        OK(clReleaseEvent(events[i]));
    }
    OK(clReleaseEvent(gate));
    OK(clReleaseKernel(kernel));
}

int main(void) {
    cl_int code;
    set_up(0);
    for (size_t i = 0; i < sizeof sent; i++) {
        sent[i] = (unsigned char)(i * 5 + i / 256);
    }
    cl_mem buffer = clCreateBuffer(context, CL_MEM_COPY_HOST_PTR, sizeof sent, sent, &code);
    OK(code);
    unmapping_what_is_not_mapped_yet(buffer, CL_MAP_READ);
    unmapping_what_is_not_mapped_yet(buffer, CL_MAP_READ | CL_MAP_WRITE);
    releasing_what_is_not_mapped_yet();
    many_reads_behind_an_event(buffer);
    states_of_what_waits(buffer);
    OK(clReleaseMemObject(buffer));
    tear_down();
    return 0;
}
