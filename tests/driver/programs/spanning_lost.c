/* Says "running" once commands of both nodes wait for the second one, which is ended then: everything must come back,
 * and what does not need that node goes on as long as the lease does. */
#include <pthread.h>

#include "two_nodes.h"

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
    return (void *)(intptr_t)clFinish(queues[1]);
}

int main(void) {
    char out[64];
    cl_int code, status = 0;
    cl_event events[4];
    pthread_t finishing;
    void *finished;
    device_type = CL_DEVICE_TYPE_CUSTOM;
    set_up_two_nodes(0, context_called);
    cl_mem there = new_buffer(64), here = new_buffer(64);
    cl_event gate = clCreateUserEvent(context, &code);
    OK(code);
    OK(clEnqueueFillBuffer(queues[1], there, &(int){1}, 4, 0, 64, 1, &gate, &events[0]));
    OK(clEnqueueFillBuffer(queues[0], here, &(int){1}, 4, 0, 64, 1, &events[0], &events[1]));
    OK(clEnqueueReadBuffer(queues[0], here, CL_FALSE, 0, 64, out, 1, &events[1], &events[2]));
    OK(clSetEventCallback(events[1], CL_COMPLETE, event_called, NULL));
    OK(clFlush(queues[0]));
    OK(clFlush(queues[1]));
    EXPECT(pthread_create(&finishing, NULL, finish, NULL), 0);
    printf("running\n");
    fflush(stdout);
    EXPECT(clWaitForEvents(3, events), CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
    OK(clGetEventInfo(events[0], CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, NULL));
    EXPECT(status, CL_DEVICE_NOT_AVAILABLE);
    OK(clGetEventInfo(events[1], CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, NULL));
    EXPECT(status < 0, 1);
    EXPECT(pthread_join(finishing, &finished), 0);
    EXPECT((intptr_t)finished < 0, 1);
    EXPECT(clFinish(queues[1]), CL_OUT_OF_RESOURCES);
    EXPECT(clEnqueueReadBuffer(queues[1], there, CL_TRUE, 0, 64, out, 0, NULL, NULL), CL_OUT_OF_RESOURCES);
    EXPECT(clEnqueueReadBuffer(queues[0], there, CL_TRUE, 0, 64, out, 0, NULL, NULL), CL_OUT_OF_RESOURCES);
    EXPECT(clEnqueueFillBuffer(queues[1], here, &(int){1}, 4, 0, 4, 0, NULL, &events[3]), CL_OUT_OF_RESOURCES);
    clCreateUserEvent(context, &code);
    EXPECT(code, CL_OUT_OF_RESOURCES);
    clCreateContext(NULL, 2, devices, NULL, NULL, &code);
    EXPECT(code, CL_DEVICE_NOT_AVAILABLE);
    EXPECT(clSetUserEventStatus(gate, CL_COMPLETE), CL_OUT_OF_RESOURCES);
    pthread_mutex_lock(&lock);
    while (event_calls < 1 || context_calls < 1) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < 3; i++) {
        OK(clReleaseEvent(events[i]));
    }
    OK(clReleaseEvent(gate));
    OK(clReleaseMemObject(there));
    OK(clReleaseMemObject(here));
    tear_down_two_nodes();
    return 0;
}
