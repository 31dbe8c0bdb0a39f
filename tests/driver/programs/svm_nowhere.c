/* A worker that tells addresses at which no memory can be: there is none, and all else goes on. */
#include "check.h"

int main(void) {
    int sent = 5, received = 0;
    device_type = CL_DEVICE_TYPE_CUSTOM;
    set_up(0);
    for (int i = 0; i < 3; i++) {
        EXPECT(clSVMAlloc(context, CL_MEM_READ_WRITE, 10000, 0) == NULL, 1);
    }
    cl_mem buffer = new_buffer(4);
    OK(clEnqueueWriteBuffer(queue, buffer, CL_TRUE, 0, 4, &sent, 0, NULL, NULL));
    OK(clEnqueueReadBuffer(queue, buffer, CL_TRUE, 0, 4, &received, 0, NULL, NULL));
    EXPECT(received, 5);
    OK(clReleaseMemObject(buffer));
    tear_down();
    return 0;
}
