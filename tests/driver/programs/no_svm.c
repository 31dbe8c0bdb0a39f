/* A device, or a context, without shared virtual memory: all of it is refused. */
#include "check.h"

int main(void) {
    cl_ulong capabilities = 1;
    int here[2] = {0};
    const void *pointers[] = {here};
    device_type = CL_DEVICE_TYPE_CUSTOM;
    set_up(0);
    OK(clGetDeviceInfo(device, CL_DEVICE_SVM_CAPABILITIES, sizeof capabilities, &capabilities, NULL));
    EXPECT(capabilities, 0);
    EXPECT(clSVMAlloc(context, CL_MEM_READ_WRITE, 64, 0) == NULL, 1);
    clSVMFree(context, here);
    EXPECT(clEnqueueSVMFree(queue, 0, NULL, NULL, NULL, 0, NULL, NULL), CL_INVALID_OPERATION);
    EXPECT(clEnqueueSVMMemcpy(queue, CL_TRUE, here, here + 1, 4, 0, NULL, NULL), CL_INVALID_OPERATION);
    EXPECT(clEnqueueSVMMemFill(queue, here, here + 1, 4, 4, 0, NULL, NULL), CL_INVALID_OPERATION);
    EXPECT(clEnqueueSVMMap(queue, CL_TRUE, CL_MAP_READ, here, 4, 0, NULL, NULL), CL_INVALID_OPERATION);
    EXPECT(clEnqueueSVMUnmap(queue, here, 0, NULL, NULL), CL_INVALID_OPERATION);
    EXPECT(clEnqueueSVMMigrateMem(queue, 1, pointers, NULL, 0, 0, NULL, NULL), CL_INVALID_OPERATION);
    EXPECT(clEnqueueSVMFree(NULL, 0, NULL, NULL, NULL, 0, NULL, NULL), CL_INVALID_COMMAND_QUEUE);
    tear_down();
    return 0;
}
