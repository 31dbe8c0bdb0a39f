/* What this driver does not do, and says so: pipes, sharing with OpenGL. */
#include "objects.h"

static cl_int refuse_queue(cl_command_queue queue) {
    bool is_queue = is_object(queue, A_QUEUE) || is_object(queue, A_SPANNING_QUEUE);
    return is_queue ? CL_INVALID_OPERATION : CL_INVALID_COMMAND_QUEUE;
}

static void *refuse_context(cl_context context, cl_int *errcode_ret) {
    bool is_context = is_object(context, A_CONTEXT) || is_object(context, A_SPANNING_CONTEXT);
    return result(errcode_ret, is_context ? CL_INVALID_OPERATION : CL_INVALID_CONTEXT, NULL);
}

#define UNUSED __attribute__((unused))

/* ---- pipes: CL_DEVICE_PIPE_SUPPORT is false ------------------------------------------------------------------- */

cl_mem clCreatePipe(cl_context context, cl_mem_flags flags UNUSED, cl_uint packet_size UNUSED,
                    cl_uint max_packets UNUSED, const cl_pipe_properties *properties UNUSED, cl_int *errcode_ret) {
    return refuse_context(context, errcode_ret);
}

cl_int clGetPipeInfo(cl_mem pipe UNUSED, cl_pipe_info name UNUSED, size_t room UNUSED, void *value UNUSED,
                     size_t *size_ret UNUSED) {
    return CL_INVALID_MEM_OBJECT; /* there is none */
}

/* ---- OpenGL: cl_khr_gl_sharing is no extension of the devices -------------------------------------------------- */

cl_mem clCreateFromGLBuffer(cl_context context, cl_mem_flags flags UNUSED, cl_GLuint buffer UNUSED,
                            cl_int *errcode_ret) {
    return refuse_context(context, errcode_ret);
}

cl_mem clCreateFromGLTexture(cl_context context, cl_mem_flags flags UNUSED, cl_GLenum target UNUSED,
                             cl_GLint level UNUSED, cl_GLuint texture UNUSED, cl_int *errcode_ret) {
    return refuse_context(context, errcode_ret);
}

cl_mem clCreateFromGLTexture2D(cl_context context, cl_mem_flags flags UNUSED, cl_GLenum target UNUSED,
                               cl_GLint level UNUSED, cl_GLuint texture UNUSED, cl_int *errcode_ret) {
    return refuse_context(context, errcode_ret);
}

cl_mem clCreateFromGLTexture3D(cl_context context, cl_mem_flags flags UNUSED, cl_GLenum target UNUSED,
                               cl_GLint level UNUSED, cl_GLuint texture UNUSED, cl_int *errcode_ret) {
    return refuse_context(context, errcode_ret);
}

cl_mem clCreateFromGLRenderbuffer(cl_context context, cl_mem_flags flags UNUSED, cl_GLuint renderbuffer UNUSED,
                                  cl_int *errcode_ret) {
    return refuse_context(context, errcode_ret);
}

cl_int clGetGLObjectInfo(cl_mem mem, cl_gl_object_type *type UNUSED, cl_GLuint *name UNUSED) {
    return is_object(mem, A_MEM) ? CL_INVALID_GL_OBJECT : CL_INVALID_MEM_OBJECT;
}

cl_int clGetGLTextureInfo(cl_mem mem, cl_gl_texture_info name UNUSED, size_t room UNUSED, void *value UNUSED,
                          size_t *size_ret UNUSED) {
    return is_object(mem, A_MEM) ? CL_INVALID_GL_OBJECT : CL_INVALID_MEM_OBJECT;
}

cl_int clEnqueueAcquireGLObjects(cl_command_queue queue, cl_uint count UNUSED, const cl_mem *mems UNUSED,
                                 cl_uint wait_count UNUSED, const cl_event *wait_list UNUSED,
                                 cl_event *event UNUSED) {
    return refuse_queue(queue);
}

cl_int clEnqueueReleaseGLObjects(cl_command_queue queue, cl_uint count UNUSED, const cl_mem *mems UNUSED,
                                 cl_uint wait_count UNUSED, const cl_event *wait_list UNUSED,
                                 cl_event *event UNUSED) {
    return refuse_queue(queue);
}

cl_int clGetGLContextInfoKHR(const cl_context_properties *properties UNUSED, cl_gl_context_info name UNUSED,
                             size_t room UNUSED, void *value UNUSED, size_t *size_ret UNUSED) {
    return CL_INVALID_OPERATION;
}

cl_event clCreateEventFromGLsyncKHR(cl_context context, cl_GLsync sync UNUSED, cl_int *errcode_ret) {
    return refuse_context(context, errcode_ret);
}

/* ---- cl_ext_device_fission, which OpenCL 1.2 replaced -----------------------------------------------------------
 */

cl_int clCreateSubDevicesEXT(cl_device_id device, const cl_device_partition_property_ext *properties UNUSED,
                             cl_uint room UNUSED, cl_device_id *parts UNUSED, cl_uint *count_ret UNUSED) {
    return is_object(device, A_DEVICE) ? CL_INVALID_OPERATION : CL_INVALID_DEVICE;
}

cl_int clRetainDeviceEXT(cl_device_id device) {
    return clRetainDevice(device);
}

cl_int clReleaseDeviceEXT(cl_device_id device) {
    return clReleaseDevice(device);
}
