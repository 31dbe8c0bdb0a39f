/* Says "running" with a command that waits; its worker dies then, and devices that are asked for anew work again. */
#include "check.h"

int main(void) {
    cl_int code;
    set_up(0);
    cl_device_id before = device;
    cl_event marker, gate = clCreateUserEvent(context, &code);
    OK(code);
    OK(clEnqueueMarkerWithWaitList(queue, 1, &gate, &marker));
    OK(clFlush(queue));
    printf("running\n");
    fflush(stdout);
    EXPECT(clWaitForEvents(1, &marker), CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
    OK(clReleaseEvent(marker));
    OK(clReleaseEvent(gate));
    tear_down();
    set_up(0);
    EXPECT(device != before, 1);
    OK(clFinish(queue));
    tear_down();
    return 0;
}
