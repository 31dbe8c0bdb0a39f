/* Threads on both nodes, which share what they read and take turns with what they write. */
#include <pthread.h>

#include "two_nodes.h"

enum { THREADS = 4, ROUNDS = 30, ITEMS = 64 };

static const char *const SOURCE =
    "kernel void add(global int *a, global const int *b) { a[get_global_id(0)] += b[get_global_id(0)]; }";
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static cl_kernel kernels[THREADS];
static cl_mem shared, total;
static const size_t items = ITEMS;

static void launch(cl_command_queue used, cl_kernel kernel, cl_mem to, cl_event *event) {
    OK(clSetKernelArg(kernel, 0, sizeof to, &to));
    OK(clSetKernelArg(kernel, 1, sizeof shared, &shared));
    OK(clEnqueueNDRangeKernel(used, kernel, 1, NULL, &items, NULL, 0, NULL, event));
}

static void *work(void *number) {
    intptr_t mine = (intptr_t)number;
    int found[ITEMS];
    cl_command_queue used = queues[mine % 2];
    for (int round = 1; round <= ROUNDS; round++) {
        cl_event added;
        cl_mem own = new_buffer(sizeof found);
        OK(clEnqueueFillBuffer(queues[round % 2], own, &round, 4, 0, sizeof found, 0, NULL, &added));
        OK(clWaitForEvents(1, &added));
        OK(clReleaseEvent(added));
        launch(used, kernels[mine], own, &added);
        OK(clEnqueueReadBuffer(used, own, round % 3 == 0, 0, sizeof found, found, 0, NULL, NULL));
        OK(clWaitForEvents(1, &added));
        OK(clReleaseEvent(added));
        OK(clFinish(used));
        EXPECT(found[ITEMS - 1], round + 1);
        OK(clReleaseMemObject(own));
        pthread_mutex_lock(&turn);
        launch(used, kernels[mine], total, &added);
        OK(clWaitForEvents(1, &added));
        pthread_mutex_unlock(&turn);
        OK(clReleaseEvent(added));
    }
    return NULL;
}

int main(void) {
    pthread_t threads[THREADS];
    int found[ITEMS];
    set_up_two_nodes(0, NULL);
    shared = new_buffer(sizeof found);
    total = new_buffer(sizeof found);
    OK(clEnqueueFillBuffer(queues[0], shared, &(int){1}, 4, 0, sizeof found, 0, NULL, NULL));
    OK(clEnqueueFillBuffer(queues[0], total, &(int){0}, 4, 0, sizeof found, 0, NULL, NULL));
    OK(clFinish(queues[0]));
    for (intptr_t i = 0; i < THREADS; i++) {
        kernels[i] = new_shared_kernel(SOURCE, "add");
    }
    for (intptr_t i = 0; i < THREADS; i++) {
        EXPECT(pthread_create(&threads[i], NULL, work, (void *)i), 0);
    }
    for (intptr_t i = 0; i < THREADS; i++) {
        EXPECT(pthread_join(threads[i], NULL), 0);
        OK(clReleaseKernel(kernels[i]));
    }
    OK(clEnqueueReadBuffer(queues[1], total, CL_TRUE, 0, sizeof found, found, 0, NULL, NULL));
    EXPECT(found[0], THREADS * ROUNDS);
    OK(clReleaseMemObject(shared));
    OK(clReleaseMemObject(total));
    tear_down_two_nodes();
    return 0;
}
