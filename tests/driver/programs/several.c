/* Several null devices: the first and the last share a context, of whatever endpoints they are. */
#include "check.h"

static cl_device_id devices[2];

static void share_a_context(void) {
    int sent[16], received[16];
    cl_int code;
    cl_event written;
    cl_command_queue queues[2];
    cl_context both = clCreateContext(NULL, 2, devices, NULL, NULL, &code);
    OK(code);
    for (int i = 0; i < 2; i++) {
        queues[i] = clCreateCommandQueue(both, devices[i], 0, &code);
        OK(code);
    }
    memset(sent, 5, sizeof sent);
    cl_mem buffer = clCreateBuffer(both, 0, sizeof sent, NULL, &code);
    OK(code);
    OK(clEnqueueWriteBuffer(queues[0], buffer, CL_FALSE, 0, sizeof sent, sent, 0, NULL, &written));
    OK(clEnqueueReadBuffer(queues[1], buffer, CL_TRUE, 0, sizeof received, received, 1, &written, NULL));
    EXPECT(memcmp(sent, received, sizeof sent), 0);
    OK(clReleaseEvent(written));
    OK(clReleaseMemObject(buffer));
    OK(clReleaseCommandQueue(queues[0]));
    OK(clReleaseCommandQueue(queues[1]));
    OK(clReleaseContext(both));
}

int main(void) {
    cl_uint found = 0;
    cl_device_id all[8];
    device_type = CL_DEVICE_TYPE_CUSTOM;
    set_up(0);
    OK(clGetDeviceIDs(platform, device_type, 8, all, &found));
    EXPECT(found >= 2 && found <= 8, 1);
    devices[0] = all[0];
    devices[1] = all[found - 1];
    share_a_context();
    tear_down();
    return 0;
}
