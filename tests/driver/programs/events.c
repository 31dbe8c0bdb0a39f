/* Events: waiting, states, times, callbacks, user events, markers and barriers. */
#include <pthread.h>

#include "check.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int calls;
static cl_int last_status;

static void called(cl_event event, cl_int status, void *user_data) {
    (void)event;
    EXPECT(user_data == &calls, 1);
    pthread_mutex_lock(&lock);
    calls++;
    last_status = status;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void await_calls(int count) {
    pthread_mutex_lock(&lock);
    while (calls < count) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
}

static cl_int status_of(cl_event event) {
    cl_int status;
    OK(clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, NULL));
    return status;
}

static void times(cl_mem buffer) {
    cl_event event;
    cl_ulong at[4];
    cl_uint zero = 0;
    OK(clEnqueueFillBuffer(queue, buffer, &zero, 4, 0, 64, 0, NULL, &event));
    OK(clWaitForEvents(1, &event));
    EXPECT(status_of(event), CL_COMPLETE);
    for (cl_uint i = 0; i < 4; i++) {
        OK(clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_QUEUED + i, sizeof at[i], &at[i], NULL));
    }
    EXPECT(at[0] <= at[1] && at[1] <= at[2] && at[2] <= at[3] && at[3] > 0, 1);
    OK(clReleaseEvent(event));
}

/* What waits for a user event waits until that is set; a callback is called without anybody waiting. */
static void user_events(cl_mem buffer) {
    cl_int code;
    cl_uint one = 1, out = 0;
    cl_event events[3];
    cl_event gate = clCreateUserEvent(context, &code);
    OK(code);
    OK(clEnqueueFillBuffer(queue, buffer, &one, 4, 0, 64, 1, &gate, &events[0]));
    OK(clEnqueueReadBuffer(queue, buffer, CL_FALSE, 0, 4, &out, 1, &events[0], &events[1]));
    OK(clEnqueueMarkerWithWaitList(queue, 2, events, &events[2]));
    OK(clSetEventCallback(events[1], CL_COMPLETE, called, &calls));
    OK(clSetEventCallback(events[2], CL_COMPLETE, called, &calls));
    OK(clFlush(queue));
    EXPECT(status_of(events[0]) > CL_COMPLETE, 1);
    EXPECT(status_of(gate), CL_SUBMITTED);
    EXPECT(clSetUserEventStatus(gate, CL_RUNNING), CL_INVALID_VALUE);
    OK(clSetUserEventStatus(gate, CL_COMPLETE));
    EXPECT(clSetUserEventStatus(gate, CL_COMPLETE), CL_INVALID_OPERATION);
    await_calls(2);
    EXPECT(last_status, CL_COMPLETE);
    EXPECT(out, 1);
    OK(clWaitForEvents(3, events));
    EXPECT(status_of(events[1]), CL_COMPLETE);
    for (int i = 0; i < 3; i++) {
        OK(clReleaseEvent(events[i]));
    }
    OK(clReleaseEvent(gate));
}

static void failures_pass_on(cl_mem buffer) {
    cl_int code;
    cl_uint two = 2;
    cl_event event, gate = clCreateUserEvent(context, &code);
    OK(code);
    OK(clEnqueueFillBuffer(queue, buffer, &two, 4, 0, 64, 1, &gate, &event));
    OK(clSetEventCallback(event, CL_COMPLETE, called, &calls));
    OK(clSetUserEventStatus(gate, -5));
    EXPECT(clWaitForEvents(1, &event), CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
    EXPECT(status_of(event) < 0, 1);
    await_calls(3);
    EXPECT(last_status < 0, 1);
    OK(clReleaseEvent(event));
    OK(clReleaseEvent(gate));
    clFinish(queue); /* tells the failure, or that it was told */
    OK(clFinish(queue));
}

static void queues(cl_mem buffer) {
    cl_int code;
    cl_uint three = 3, out = 0;
    cl_event marker, barrier;
    cl_command_queue other = clCreateCommandQueue(context, device, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, &code);
    OK(code);
    OK(clEnqueueFillBuffer(other, buffer, &three, 4, 0, 64, 0, NULL, NULL));
    OK(clEnqueueBarrierWithWaitList(other, 0, NULL, &barrier));
    OK(clEnqueueReadBuffer(other, buffer, CL_FALSE, 0, 4, &out, 0, NULL, NULL));
    OK(clEnqueueMarker(other, &marker));
    OK(clWaitForEvents(1, &marker));
    OK(clFinish(other));
    EXPECT(out, 3);
    EXPECT(clGetEventProfilingInfo(marker, CL_PROFILING_COMMAND_END, 8, &(cl_ulong){0}, NULL),
           CL_PROFILING_INFO_NOT_AVAILABLE);
    OK(clEnqueueWaitForEvents(queue, 1, &barrier));
    OK(clFinish(queue));
    OK(clReleaseEvent(marker));
    OK(clReleaseEvent(barrier));
    OK(clReleaseCommandQueue(other));
}

int main(void) {
    cl_event none = NULL;
    set_up(CL_QUEUE_PROFILING_ENABLE);
    cl_mem buffer = new_buffer(64);
    times(buffer);
    user_events(buffer);
    failures_pass_on(buffer);
    queues(buffer);
    EXPECT(clWaitForEvents(0, NULL), CL_INVALID_VALUE);
    EXPECT(clWaitForEvents(1, &none), CL_INVALID_EVENT);
    EXPECT(clEnqueueMarkerWithWaitList(queue, 1, NULL, NULL), CL_INVALID_EVENT_WAIT_LIST);
    EXPECT(clEnqueueMarkerWithWaitList(queue, 1, &none, NULL), CL_INVALID_EVENT_WAIT_LIST);
    OK(clReleaseMemObject(buffer));
    tear_down();
    return 0;
}
