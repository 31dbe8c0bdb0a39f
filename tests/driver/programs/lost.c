/* Says "running" once a command waits that will never end; its session is ended then, and everything must come back.
 */
#include <pthread.h>
#include <unistd.h>

#include "check.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int event_calls, context_calls;

static void count(int *calls) {
    pthread_mutex_lock(&lock);
    ++*calls;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void event_called(cl_event event, cl_int status, void *user_data) {
    (void)event, (void)user_data;
    EXPECT(status < 0, 1);
    count(&event_calls);
}

static void context_called(const char *what, const void *info, size_t bytes, void *user_data) {
    (void)info, (void)bytes, (void)user_data;
    EXPECT(strlen(what) > 0, 1);
    count(&context_calls);
}

static void *finish(void *unused) {
    (void)unused;
    return (void *)(intptr_t)clFinish(queue);
}

int main(void) {
    char out[64];
    cl_int code, status;
    cl_bool is_available;
    cl_event events[2];
    pthread_t finishing;
    void *finished;
    set_up(0);
    cl_context other = clCreateContext(NULL, 1, &device, context_called, NULL, &code);
    OK(code);
    cl_mem buffer = new_buffer(64);
    cl_event gate = clCreateUserEvent(context, &code);
    OK(code);
    OK(clEnqueueFillBuffer(queue, buffer, &(int){1}, 4, 0, 64, 1, &gate, &events[0]));
    OK(clEnqueueReadBuffer(queue, buffer, CL_FALSE, 0, 64, out, 1, &events[0], &events[1]));
    OK(clSetEventCallback(events[1], CL_COMPLETE, event_called, NULL));
    cl_program program = clCreateProgramWithSource(context, 1, &(const char *){"kernel void f() {}"}, NULL, &code);
    OK(code);
    OK(clFlush(queue));
    EXPECT(pthread_create(&finishing, NULL, finish, NULL), 0);
    printf("running\n");
    fflush(stdout);
    EXPECT(clWaitForEvents(2, events), CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
    OK(clGetEventInfo(events[0], CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, NULL));
    EXPECT(status, CL_DEVICE_NOT_AVAILABLE);
    pthread_join(finishing, &finished);
    EXPECT((intptr_t)finished < 0, 1);
    EXPECT(clFinish(queue), CL_OUT_OF_RESOURCES);
    EXPECT(clEnqueueReadBuffer(queue, buffer, CL_TRUE, 0, 64, out, 0, NULL, NULL), CL_OUT_OF_RESOURCES);
    EXPECT(clSetUserEventStatus(gate, CL_COMPLETE), CL_OUT_OF_RESOURCES);
    clCreateBuffer(context, 0, 64, NULL, &code);
    EXPECT(code, CL_OUT_OF_RESOURCES);
    clCreateContext(NULL, 1, &device, NULL, NULL, &code);
    EXPECT(code, CL_DEVICE_NOT_AVAILABLE);
    EXPECT(clBuildProgram(program, 0, NULL, "", NULL, NULL), CL_OUT_OF_RESOURCES);
    OK(clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_STATUS, sizeof status, &status, NULL));
    EXPECT(status, CL_BUILD_ERROR);
    OK(clReleaseProgram(program));
    OK(clGetDeviceInfo(device, CL_DEVICE_AVAILABLE, sizeof is_available, &is_available, NULL));
    EXPECT(is_available, CL_FALSE);
    pthread_mutex_lock(&lock);
    while (event_calls < 1 || context_calls < 1) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
    OK(clReleaseEvent(events[0]));
    OK(clReleaseEvent(events[1]));
    OK(clReleaseEvent(gate));
    OK(clReleaseMemObject(buffer));
    OK(clReleaseContext(other));
    tear_down();
    return 0;
}
