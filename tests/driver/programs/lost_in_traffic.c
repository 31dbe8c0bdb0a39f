/* Threads that write, read and launch as fast as they can; says "running" once all do. The session is ended under
 * them: each must get an error, and come to an end. */
#include <pthread.h>

#include "check.h"

enum { THREADS = 4, BYTES = 4 << 20 };

static pthread_barrier_t started;

static cl_int write_and_read(cl_mem buffer, unsigned char *bytes) {
    cl_event events[2] = {NULL, NULL};
    cl_int code = clEnqueueWriteBuffer(queue, buffer, CL_FALSE, 0, BYTES, bytes, 0, NULL, &events[0]);
    if (code == CL_SUCCESS) {
        code = clEnqueueReadBuffer(queue, buffer, CL_FALSE, 0, BYTES, bytes, 1, &events[0], &events[1]);
    }
    if (code == CL_SUCCESS) {
        code = clWaitForEvents(2, events);
    }
    for (int i = 0; i < 2; i++) {
        if (events[i]) {
            OK(clReleaseEvent(events[i]));
        }
    }
    return code;
}

static cl_int launch(cl_kernel kernel) {
    size_t items = 64;
    cl_int code = clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &items, NULL, 0, NULL, NULL);
    return code == CL_SUCCESS ? clFinish(queue) : code;
}

static void *work(void *number) {
    unsigned char *bytes = calloc(1, BYTES);
    cl_mem buffer = new_buffer(BYTES);
    cl_kernel kernel = new_kernel("kernel void f(global int *a) { a[get_global_id(0)] += 1; }", "f");
    OK(clSetKernelArg(kernel, 0, sizeof buffer, &buffer));
    pthread_barrier_wait(&started);
    cl_int code = CL_SUCCESS;
    while (code == CL_SUCCESS) {
        code = (intptr_t)number % 2 ? write_and_read(buffer, bytes) : launch(kernel);
    }
    EXPECT(code < 0, 1);
    OK(clReleaseKernel(kernel));
    OK(clReleaseMemObject(buffer));
    free(bytes);
    return NULL;
}

int main(void) {
    pthread_t threads[THREADS];
    set_up(0);
    pthread_barrier_init(&started, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++) {
        EXPECT(pthread_create(&threads[i], NULL, work, (void *)(intptr_t)i), 0);
    }
    pthread_barrier_wait(&started);
    printf("running\n");
    fflush(stdout);
    for (int i = 0; i < THREADS; i++) {
        EXPECT(pthread_join(threads[i], NULL), 0);
    }
    tear_down();
    return 0;
}
