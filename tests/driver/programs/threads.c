/* Threads that share a context and a queue, and have a kernel and a queue of their own. */
#include <pthread.h>

#include "check.h"

enum { THREADS = 4, ROUNDS = 60, ITEMS = 256 };

static const char *const SOURCE = "kernel void add(global int *a, int b) { a[get_global_id(0)] += b; }";

static void called(cl_event event, cl_int status, void *count) {
    (void)event, (void)status;
    __atomic_fetch_add((int *)count, 1, __ATOMIC_SEQ_CST);
}

static void *work(void *number) {
    static int callbacks;
    int mine = (int)(intptr_t)number, out[ITEMS];
    size_t items = ITEMS;
    cl_int code;
    cl_command_queue own = clCreateCommandQueue(context, device, 0, &code);
    OK(code);
    cl_kernel kernel = new_kernel(SOURCE, "add");
    cl_mem buffer = new_buffer(sizeof out);
    OK(clEnqueueFillBuffer(own, buffer, &(int){0}, 4, 0, sizeof out, 0, NULL, NULL));
    OK(clSetKernelArg(kernel, 0, sizeof buffer, &buffer));
    for (int round = 1; round <= ROUNDS; round++) {
        cl_event launched, read;
        cl_command_queue used = round % 2 ? own : queue;
        OK(clSetKernelArg(kernel, 1, sizeof mine, &mine));
        OK(clEnqueueNDRangeKernel(used, kernel, 1, NULL, &items, NULL, 0, NULL, &launched));
        OK(clSetEventCallback(launched, CL_COMPLETE, called, &callbacks));
        OK(clEnqueueReadBuffer(used, buffer, round % 3 == 0, 0, sizeof out, out, 1, &launched, &read));
        OK(clWaitForEvents(1, &read));
        EXPECT(out[ITEMS - 1], round * mine);
        OK(clReleaseEvent(launched));
        OK(clReleaseEvent(read));
    }
    OK(clFinish(own));
    OK(clReleaseMemObject(buffer));
    OK(clReleaseKernel(kernel));
    OK(clReleaseCommandQueue(own));
    return NULL;
}

int main(void) {
    pthread_t threads[THREADS];
    set_up(0);
    for (int i = 0; i < THREADS; i++) {
        EXPECT(pthread_create(&threads[i], NULL, work, (void *)(intptr_t)(i + 1)), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        EXPECT(pthread_join(threads[i], NULL), 0);
    }
    tear_down();
    return 0;
}
