/* A process that forks: the child's copies are dead, it may begin anew, and the parent goes on. */
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

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

int main(void) {
    int status;
    set_up(0);
    compute();
    pid_t pid = fork();
    if (pid == 0) {
        child();
    }
    compute();
    EXPECT(waitpid(pid, &status, 0), pid);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0, 1);
    compute();
    tear_down();
    return 0;
}
