/* A process that forks: the child's copies are dead, it may begin anew, and the parent goes on. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { THREADS = 3, FORKS = 100, PATIENCE_S = 20 };

static void compute(void) {
    int value = 20;
    cl_kernel kernel = new_kernel("kernel void f(global int *a) { *a += 1; }", "f");
    cl_mem buffer = new_buffer(sizeof value);
    OK(clEnqueueWriteBuffer(queue, buffer, CL_FALSE, 0, sizeof value, &value, 0, NULL, NULL));
    OK(clSetKernelArg(kernel, 0, sizeof buffer, &buffer));
    OK(clEnqueueTask(queue, kernel, 0, NULL, NULL));
    OK(clEnqueueReadBuffer(queue, buffer, CL_TRUE, 0, sizeof value, &value, 0, NULL, NULL));
    EXPECT(value, 21);
    OK(clReleaseMemObject(buffer));
    OK(clReleaseKernel(kernel));
}

static void child(void) {
    cl_device_id before = device;
    cl_bool is_available;
    OK(clGetDeviceInfo(device, CL_DEVICE_AVAILABLE, sizeof is_available, &is_available, NULL));
    EXPECT(is_available, CL_FALSE);
    EXPECT(clFinish(queue), CL_OUT_OF_RESOURCES);
    tear_down();
    set_up(0);
    EXPECT(device != before, 1);
    compute();
    tear_down();
    exit(0);
}

static void fork_and_compute(void) {
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        alarm(PATIENCE_S); /* what hangs ends, and is seen to */
        child();
    }
    compute();
    EXPECT(waitpid(pid, &status, 0), pid);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0, 1);
}

static atomic_bool is_over;

static void *keep_busy(void *unused) {
    while (!is_over) {
        cl_mem buffer = new_buffer(64);
        OK(clEnqueueFillBuffer(queue, buffer, &(int){1}, 4, 0, 64, 0, NULL, NULL));
        OK(clReleaseMemObject(buffer));
        clSVMFree(context, clSVMAlloc(context, CL_MEM_READ_WRITE, 64, 0));
    }
    return unused;
}

/* Whatever other threads are doing here at that moment. */
static void fork_among_threads(void) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        EXPECT(pthread_create(&threads[i], NULL, keep_busy, NULL), 0);
    }
    for (int i = 0; i < FORKS; i++) {
        int status;
        pid_t pid = fork();
        if (pid == 0) {
            cl_int code;
            alarm(PATIENCE_S);
            clCreateBuffer(context, 0, 64, NULL, &code);
            EXPECT(clSVMAlloc(context, CL_MEM_READ_WRITE, 64, 0) == NULL, 1);
            EXPECT(clFinish(queue), CL_OUT_OF_RESOURCES);
            _exit(code == CL_OUT_OF_RESOURCES ? 0 : 1);
        }
        EXPECT(waitpid(pid, &status, 0), pid);
        EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0, 1);
    }
    is_over = true;
    for (int i = 0; i < THREADS; i++) {
        EXPECT(pthread_join(threads[i], NULL), 0);
    }
    OK(clFinish(queue));
}

int main(void) {
    set_up(0);
    compute();
    fork_and_compute();
    fork_among_threads();
    compute();
    tear_down();
    return 0;
}
