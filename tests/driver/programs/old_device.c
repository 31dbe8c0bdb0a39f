/* A device of OpenCL 1 under a platform of OpenCL 3: without an intermediate language, whatever extension it has. */
#include "check.h"

int main(void) {
    char version[256], il[256];
    cl_int code;
    const cl_uint words[8] = {0x07230203};
    device_type = CL_DEVICE_TYPE_CUSTOM;
    set_up(0);
    OK(clGetDeviceInfo(device, CL_DEVICE_VERSION, sizeof version, version, NULL));
    EXPECT(strncmp(version, "OpenCL 1.2", 10), 0);
    OK(clGetDeviceInfo(device, CL_DEVICE_IL_VERSION, sizeof il, il, NULL));
    EXPECT(il[0], '\0');
    clCreateProgramWithIL(context, words, sizeof words, &code);
    EXPECT(code, CL_INVALID_OPERATION);
    tear_down();
    return 0;
}
