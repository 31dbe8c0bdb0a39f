/* Bytes that were read are there once any command is complete that comes after their read. */
#include <pthread.h>

#include "check.h"

enum { BYTES = 64 };

static unsigned char sent[BYTES], received[BYTES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int is_called;

static void called(cl_event event, cl_int status, void *user_data) {
    (void)event, (void)user_data;
    EXPECT(status, CL_COMPLETE);
    EXPECT(memcmp(sent, received, BYTES), 0);
    pthread_mutex_lock(&lock);
    is_called = 1;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

static void read_from(cl_command_queue from, cl_mem buffer, cl_event *event) {
    memset(received, 0, BYTES);
    OK(clEnqueueReadBuffer(from, buffer, CL_FALSE, 0, BYTES, received, 0, NULL, event));
}

static void expect_bytes_after(cl_event event) {
    OK(clWaitForEvents(1, &event));
    EXPECT(memcmp(sent, received, BYTES), 0);
    OK(clReleaseEvent(event));
}

int main(void) {
    const cl_command_queue_properties unordered = CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE;
    cl_event event, read;
    cl_int code, status = CL_QUEUED;
    memset(sent, 3, BYTES);
    set_up(0);
    cl_command_queue other = clCreateCommandQueue(context, device, unordered, &code);
    OK(code);
    cl_mem buffer = clCreateBuffer(context, CL_MEM_COPY_HOST_PTR, BYTES, sent, &code), second = new_buffer(BYTES);
    OK(code);

    read_from(queue, buffer, NULL); /* by its queue's order */
    OK(clEnqueueFillBuffer(queue, second, sent, 1, 0, BYTES, 0, NULL, &event));
    expect_bytes_after(event);

    read_from(queue, buffer, NULL); /* whoever only looks sees it no sooner */
    OK(clEnqueueMarkerWithWaitList(queue, 0, NULL, &event));
    OK(clFlush(queue));
    while (status != CL_COMPLETE) {
        OK(clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, NULL));
    }
    expect_bytes_after(event);

    read_from(queue, buffer, &read); /* by a wait list, of another queue, and over several steps */
    OK(clEnqueueFillBuffer(other, second, sent, 1, 0, BYTES, 1, &read, &event));
    OK(clReleaseEvent(read));
    read = event;
    OK(clEnqueueCopyBuffer(other, second, buffer, 0, 0, 8, 1, &read, &event));
    OK(clReleaseEvent(read));
    expect_bytes_after(event);

    read_from(other, buffer, NULL); /* by a barrier */
    OK(clEnqueueBarrierWithWaitList(other, 0, NULL, NULL));
    OK(clEnqueueFillBuffer(other, second, sent, 1, 0, BYTES, 0, NULL, &event));
    expect_bytes_after(event);

    read_from(queue, buffer, NULL); /* by a mapping that is waited for, though it needs no content */
    void *mapped =
        clEnqueueMapBuffer(queue, second, CL_TRUE, CL_MAP_WRITE_INVALIDATE_REGION, 0, BYTES, 0, NULL, &event, &code);
    OK(code);
    EXPECT(memcmp(sent, received, BYTES), 0);
    OK(clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, NULL));
    EXPECT(status, CL_COMPLETE);
    OK(clReleaseEvent(event));
    read_from(queue, buffer, NULL);
    OK(clEnqueueUnmapMemObject(queue, second, mapped, 0, NULL, NULL));
    mapped =
        clEnqueueMapBuffer(queue, second, CL_TRUE, CL_MAP_WRITE_INVALIDATE_REGION, 0, BYTES, 0, NULL, NULL, &code);
    OK(code);
    EXPECT(memcmp(sent, received, BYTES), 0);
    OK(clEnqueueUnmapMemObject(queue, second, mapped, 0, NULL, NULL));

    read_from(queue, buffer, NULL); /* and callbacks are called no sooner */
    OK(clEnqueueMarkerWithWaitList(queue, 0, NULL, &event));
    OK(clSetEventCallback(event, CL_COMPLETE, called, NULL));
    OK(clReleaseEvent(event));
    pthread_mutex_lock(&lock);
    while (!is_called) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);

    OK(clReleaseMemObject(buffer));
    OK(clReleaseMemObject(second));
    OK(clReleaseCommandQueue(other));
    tear_down();
    return 0;
}
