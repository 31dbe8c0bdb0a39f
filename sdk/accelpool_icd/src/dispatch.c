/* The table through which loaders call, in the order that Khronos' loader and ocl-icd agree on, and the functions
 * that loaders look up by name. No entry is NULL: what there is no support for says so. */
#include <string.h>

#include "objects.h"

typedef void (*function)(void);

/* In the place of functions for Direct3D and EGL, which are extensions that no device has here. */
static cl_int refuse(void) {
    return CL_INVALID_OPERATION;
}

static void *refuse_to_create(void) {
    return NULL;
}

#define ENTRY(name) (function) name

const function the_dispatch_table[] = {
    ENTRY(clGetPlatformIDs),
    ENTRY(clGetPlatformInfo),
    ENTRY(clGetDeviceIDs),
    ENTRY(clGetDeviceInfo),
    ENTRY(clCreateContext),
    ENTRY(clCreateContextFromType),
    ENTRY(clRetainContext),
    ENTRY(clReleaseContext),
    ENTRY(clGetContextInfo),
    ENTRY(clCreateCommandQueue),
    ENTRY(clRetainCommandQueue),
    ENTRY(clReleaseCommandQueue),
    ENTRY(clGetCommandQueueInfo),
    ENTRY(clSetCommandQueueProperty),
    ENTRY(clCreateBuffer),
    ENTRY(clCreateImage2D),
    ENTRY(clCreateImage3D),
    ENTRY(clRetainMemObject),
    ENTRY(clReleaseMemObject),
    ENTRY(clGetSupportedImageFormats),
    ENTRY(clGetMemObjectInfo),
    ENTRY(clGetImageInfo),
    ENTRY(clCreateSampler),
    ENTRY(clRetainSampler),
    ENTRY(clReleaseSampler),
    ENTRY(clGetSamplerInfo),
    ENTRY(clCreateProgramWithSource),
    ENTRY(clCreateProgramWithBinary),
    ENTRY(clRetainProgram),
    ENTRY(clReleaseProgram),
    ENTRY(clBuildProgram),
    ENTRY(clUnloadCompiler),
    ENTRY(clGetProgramInfo),
    ENTRY(clGetProgramBuildInfo),
    ENTRY(clCreateKernel),
    ENTRY(clCreateKernelsInProgram),
    ENTRY(clRetainKernel),
    ENTRY(clReleaseKernel),
    ENTRY(clSetKernelArg),
    ENTRY(clGetKernelInfo),
    ENTRY(clGetKernelWorkGroupInfo),
    ENTRY(clWaitForEvents),
    ENTRY(clGetEventInfo),
    ENTRY(clRetainEvent),
    ENTRY(clReleaseEvent),
    ENTRY(clGetEventProfilingInfo),
    ENTRY(clFlush),
    ENTRY(clFinish),
    ENTRY(clEnqueueReadBuffer),
    ENTRY(clEnqueueWriteBuffer),
    ENTRY(clEnqueueCopyBuffer),
    ENTRY(clEnqueueReadImage),
    ENTRY(clEnqueueWriteImage),
    ENTRY(clEnqueueCopyImage),
    ENTRY(clEnqueueCopyImageToBuffer),
    ENTRY(clEnqueueCopyBufferToImage),
    ENTRY(clEnqueueMapBuffer),
    ENTRY(clEnqueueMapImage),
    ENTRY(clEnqueueUnmapMemObject),
    ENTRY(clEnqueueNDRangeKernel),
    ENTRY(clEnqueueTask),
    ENTRY(clEnqueueNativeKernel),
    ENTRY(clEnqueueMarker),
    ENTRY(clEnqueueWaitForEvents),
    ENTRY(clEnqueueBarrier),
    ENTRY(clGetExtensionFunctionAddress),
    ENTRY(clCreateFromGLBuffer),
    ENTRY(clCreateFromGLTexture2D),
    ENTRY(clCreateFromGLTexture3D),
    ENTRY(clCreateFromGLRenderbuffer),
    ENTRY(clGetGLObjectInfo),
    ENTRY(clGetGLTextureInfo),
    ENTRY(clEnqueueAcquireGLObjects),
    ENTRY(clEnqueueReleaseGLObjects),
    ENTRY(clGetGLContextInfoKHR),
    ENTRY(refuse),           /* clGetDeviceIDsFromD3D10KHR */
    ENTRY(refuse_to_create), /* clCreateFromD3D10BufferKHR */
    ENTRY(refuse_to_create), /* clCreateFromD3D10Texture2DKHR */
    ENTRY(refuse_to_create), /* clCreateFromD3D10Texture3DKHR */
    ENTRY(refuse),           /* clEnqueueAcquireD3D10ObjectsKHR */
    ENTRY(refuse),           /* clEnqueueReleaseD3D10ObjectsKHR */
    ENTRY(clSetEventCallback),
    ENTRY(clCreateSubBuffer),
    ENTRY(clSetMemObjectDestructorCallback),
    ENTRY(clCreateUserEvent),
    ENTRY(clSetUserEventStatus),
    ENTRY(clEnqueueReadBufferRect),
    ENTRY(clEnqueueWriteBufferRect),
    ENTRY(clEnqueueCopyBufferRect),
    ENTRY(clCreateSubDevicesEXT),
    ENTRY(clRetainDeviceEXT),
    ENTRY(clReleaseDeviceEXT),
    ENTRY(clCreateEventFromGLsyncKHR),
    ENTRY(clCreateSubDevices),
    ENTRY(clRetainDevice),
    ENTRY(clReleaseDevice),
    ENTRY(clCreateImage),
    ENTRY(clCreateProgramWithBuiltInKernels),
    ENTRY(clCompileProgram),
    ENTRY(clLinkProgram),
    ENTRY(clUnloadPlatformCompiler),
    ENTRY(clGetKernelArgInfo),
    ENTRY(clEnqueueFillBuffer),
    ENTRY(clEnqueueFillImage),
    ENTRY(clEnqueueMigrateMemObjects),
    ENTRY(clEnqueueMarkerWithWaitList),
    ENTRY(clEnqueueBarrierWithWaitList),
    ENTRY(clGetExtensionFunctionAddressForPlatform),
    ENTRY(clCreateFromGLTexture),
    ENTRY(refuse),           /* clGetDeviceIDsFromD3D11KHR */
    ENTRY(refuse_to_create), /* clCreateFromD3D11BufferKHR */
    ENTRY(refuse_to_create), /* clCreateFromD3D11Texture2DKHR */
    ENTRY(refuse_to_create), /* clCreateFromD3D11Texture3DKHR */
    ENTRY(refuse_to_create), /* clCreateFromDX9MediaSurfaceKHR */
    ENTRY(refuse),           /* clEnqueueAcquireD3D11ObjectsKHR */
    ENTRY(refuse),           /* clEnqueueReleaseD3D11ObjectsKHR */
    ENTRY(refuse),           /* clGetDeviceIDsFromDX9MediaAdapterKHR */
    ENTRY(refuse),           /* clEnqueueAcquireDX9MediaSurfacesKHR */
    ENTRY(refuse),           /* clEnqueueReleaseDX9MediaSurfacesKHR */
    ENTRY(refuse_to_create), /* clCreateFromEGLImageKHR */
    ENTRY(refuse),           /* clEnqueueAcquireEGLObjectsKHR */
    ENTRY(refuse),           /* clEnqueueReleaseEGLObjectsKHR */
    ENTRY(refuse_to_create), /* clCreateEventFromEGLSyncKHR */
    ENTRY(clCreateCommandQueueWithProperties),
    ENTRY(clCreatePipe),
    ENTRY(clGetPipeInfo),
    ENTRY(clSVMAlloc),
    ENTRY(clSVMFree),
    ENTRY(clEnqueueSVMFree),
    ENTRY(clEnqueueSVMMemcpy),
    ENTRY(clEnqueueSVMMemFill),
    ENTRY(clEnqueueSVMMap),
    ENTRY(clEnqueueSVMUnmap),
    ENTRY(clCreateSamplerWithProperties),
    ENTRY(clSetKernelArgSVMPointer),
    ENTRY(clSetKernelExecInfo),
    ENTRY(clGetKernelSubGroupInfoKHR),
    ENTRY(clCloneKernel),
    ENTRY(clCreateProgramWithIL),
    ENTRY(clEnqueueSVMMigrateMem),
    ENTRY(clGetDeviceAndHostTimer),
    ENTRY(clGetHostTimer),
    ENTRY(clGetKernelSubGroupInfo),
    ENTRY(clSetDefaultDeviceCommandQueue),
    ENTRY(clSetProgramReleaseCallback),
    ENTRY(clSetProgramSpecializationConstant),
    ENTRY(clCreateBufferWithProperties),
    ENTRY(clCreateImageWithProperties),
    ENTRY(clSetContextDestructorCallback),
};

static const struct {
    const char *name;
    function function;
} BY_NAME[] = {
    {"clIcdGetPlatformIDsKHR", ENTRY(clIcdGetPlatformIDsKHR)},
    {"clGetPlatformInfo", ENTRY(clGetPlatformInfo)},
    {"clCreateProgramWithILKHR", ENTRY(clCreateProgramWithIL)},
    {"clGetKernelSubGroupInfoKHR", ENTRY(clGetKernelSubGroupInfo)},
};

EXPORTED void *clGetExtensionFunctionAddress(const char *name) {
    for (size_t i = 0; name && i < sizeof BY_NAME / sizeof *BY_NAME; i++) {
        if (!strcmp(BY_NAME[i].name, name)) {
            return (void *)(uintptr_t)BY_NAME[i].function;
        }
    }
    return NULL;
}

void *clGetExtensionFunctionAddressForPlatform(cl_platform_id platform, const char *name) {
    return is_object(platform, A_PLATFORM) ? clGetExtensionFunctionAddress(name) : NULL;
}
