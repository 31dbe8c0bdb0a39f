/* Events over two nodes: what waits for one node's event on the other, user events, callbacks and failures. */
#include <pthread.h>

#include "two_nodes.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static cl_event called_with;
static cl_int last_status = 1;
static int calls;

static void called(cl_event event, cl_int status, void *user_data) {
    EXPECT(user_data == &calls, 1);
    pthread_mutex_lock(&lock);
    called_with = event;
    last_status = status;
    calls++;
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

static cl_event gate(void) {
    cl_int code;
    cl_event event = clCreateUserEvent(context, &code);
    OK(code);
    return event;
}

static cl_event marker(cl_command_queue used, cl_uint count, const cl_event *list) {
    cl_event event;
    OK(clEnqueueMarkerWithWaitList(used, count, list, &event));
    return event;
}

static void release(cl_uint count, const cl_event *events) {
    for (cl_uint i = 0; i < count; i++) {
        OK(clReleaseEvent(events[i]));
    }
}

static void know_what_they_are_of(void) {
    cl_context of = NULL;
    cl_command_queue by = NULL;
    cl_uint count = 0;
    cl_ulong times[2];
    cl_event events[2] = {marker(queues[1], 0, NULL), gate()};
    OK(clGetEventInfo(events[0], CL_EVENT_CONTEXT, sizeof of, &of, NULL));
    OK(clGetEventInfo(events[0], CL_EVENT_COMMAND_QUEUE, sizeof by, &by, NULL));
    OK(clGetEventInfo(events[0], CL_EVENT_REFERENCE_COUNT, sizeof count, &count, NULL));
    EXPECT(of == context && by == queues[1] && count == 1, 1);
    OK(clGetEventInfo(events[1], CL_EVENT_COMMAND_QUEUE, sizeof by, &by, NULL));
    EXPECT(by == NULL, 1);
    OK(clWaitForEvents(1, events));
    OK(clGetEventProfilingInfo(events[0], CL_PROFILING_COMMAND_QUEUED, sizeof *times, &times[0], NULL));
    OK(clGetEventProfilingInfo(events[0], CL_PROFILING_COMMAND_END, sizeof *times, &times[1], NULL));
    EXPECT(times[0] <= times[1], 1);
    EXPECT(clSetUserEventStatus(events[0], CL_COMPLETE), CL_INVALID_EVENT);
    release(2, events);
}

/* A chain from node to node and back, all of which waits for one user event. */
static void cross_in_both_directions(void) {
    enum { LENGTH = 12 };
    cl_event chain[LENGTH];
    chain[0] = gate();
    for (int i = 1; i < LENGTH; i++) {
        chain[i] = marker(queues[i % 2], 1, &chain[i - 1]);
    }
    EXPECT(status_of(chain[LENGTH - 1]) > CL_COMPLETE, 1);
    EXPECT(clSetUserEventStatus(chain[0], CL_SUBMITTED), CL_INVALID_VALUE);
    OK(clSetUserEventStatus(chain[0], CL_COMPLETE));
    EXPECT(clSetUserEventStatus(chain[0], CL_COMPLETE), CL_INVALID_OPERATION);
    OK(clWaitForEvents(LENGTH, chain));
    EXPECT(status_of(chain[LENGTH - 1]), CL_COMPLETE);
    cl_event late = marker(queues[0], LENGTH, chain); /* all are over by now */
    OK(clWaitForEvents(1, &late));
    OK(clEnqueueBarrierWithWaitList(queues[1], 1, &late, NULL));
    OK(clFinish(queues[1]));
    release(1, &late);
    release(LENGTH, chain);
}

static void are_told_by_their_own_handle(void) {
    cl_event events[2] = {gate()};
    events[1] = marker(queues[1], 1, events);
    OK(clSetEventCallback(events[1], CL_COMPLETE, called, &calls));
    OK(clReleaseEvent(events[1])); /* the callback is called all the same */
    OK(clSetUserEventStatus(events[0], CL_COMPLETE));
    await_calls(1);
    EXPECT(called_with == events[1] && last_status == CL_COMPLETE, 1);
    release(1, events);
}

static void fail_on_the_other_node_too(cl_mem buffer) {
    int content[16], found[16];
    memset(content, 7, sizeof content);
    cl_event events[4] = {gate()};
    OK(clEnqueueFillBuffer(queues[0], buffer, &(int){1}, 4, 0, 4, 1, events, &events[1]));
    events[2] = marker(queues[1], 1, &events[1]);
    OK(clEnqueueFillBuffer(queues[1], buffer, &(int){2}, 4, 4, 4, 0, NULL, &events[3])); /* by its memory */
    OK(clSetUserEventStatus(events[0], -5));
    for (int i = 1; i < 4; i++) {
        EXPECT(clWaitForEvents(1, &events[i]), CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
        EXPECT(status_of(events[i]) < 0, 1);
    }
    EXPECT(clEnqueueReadBuffer(queues[1], buffer, CL_TRUE, 0, 64, found, 1, &events[1], NULL) < 0, 1);
    release(4, events);
    for (int tries = 0; clEnqueueWriteBuffer(queues[1], buffer, CL_TRUE, 0, 64, content, 0, NULL, NULL) ||
                        clEnqueueReadBuffer(queues[1], buffer, CL_TRUE, 0, 64, found, 0, NULL, NULL);
         tries++) {
        EXPECT(tries < 1000, 1); /* earlier failures surface first */
    }
    EXPECT(memcmp(content, found, sizeof found), 0);
    for (int tries = 0; clEnqueueReadBuffer(queues[0], buffer, CL_TRUE, 0, 64, found, 0, NULL, NULL); tries++) {
        EXPECT(tries < 1000, 1);
    }
    EXPECT(memcmp(content, found, sizeof found), 0);
}

/* What is known to have failed is not sent, and nobody waits for it; the next content is good again. */
static void leave_no_content_behind(cl_mem buffer) {
    int found[16];
    cl_event events[2] = {gate()};
    OK(clEnqueueFillBuffer(queues[1], buffer, &(int){3}, 4, 0, 64, 1, events, &events[1]));
    OK(clSetUserEventStatus(events[0], -5));
    EXPECT(clWaitForEvents(1, &events[1]), CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
    EXPECT(clEnqueueReadBuffer(queues[0], buffer, CL_TRUE, 0, 64, found, 0, NULL, NULL),
           CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
    OK(clEnqueueFillBuffer(queues[1], buffer, &(int){6}, 4, 0, 64, 0, NULL, NULL));
    OK(clEnqueueReadBuffer(queues[0], buffer, CL_TRUE, 0, 64, found, 0, NULL, NULL));
    EXPECT(found[15], 6);
    release(2, events);
}

struct reading {
    cl_mem buffer;
    cl_event gate;
    int found[16];
};

static void *read_behind(void *what) {
    struct reading *reading = what;
    OK(clEnqueueReadBuffer(queues[1], reading->buffer, CL_TRUE, 0, 64, reading->found, 1, &reading->gate, NULL));
    return NULL;
}

/* A blocking read holds nothing that another thread needs to let it go on. */
static void let_others_work_meanwhile(cl_mem buffer) {
    pthread_t thread;
    struct reading reading = {buffer, gate(), {0}};
    int found[16];
    OK(clEnqueueFillBuffer(queues[0], buffer, &(int){4}, 4, 0, 64, 0, NULL, NULL));
    OK(clFinish(queues[0]));
    EXPECT(pthread_create(&thread, NULL, read_behind, &reading), 0);
    OK(clEnqueueReadBuffer(queues[0], buffer, CL_TRUE, 0, 64, found, 0, NULL, NULL));
    OK(clSetUserEventStatus(reading.gate, CL_COMPLETE));
    EXPECT(pthread_join(thread, NULL), 0);
    EXPECT(reading.found[15] == 4 && found[15] == 4, 1);
    release(1, &reading.gate);
}

static void of_others_are_refused(void) {
    cl_int code;
    cl_context alone = clCreateContext(NULL, 1, devices, NULL, NULL, &code);
    OK(code);
    cl_event theirs = clCreateUserEvent(alone, &code), ours = gate();
    OK(code);
    EXPECT(clEnqueueMarkerWithWaitList(queues[0], 1, &theirs, NULL), CL_INVALID_EVENT_WAIT_LIST);
    EXPECT(clEnqueueMarkerWithWaitList(queues[0], 1, NULL, NULL), CL_INVALID_EVENT_WAIT_LIST);
    EXPECT(clWaitForEvents(2, (cl_event[]){ours, theirs}), CL_INVALID_EVENT);
    EXPECT(clWaitForEvents(0, &ours), CL_INVALID_VALUE);
    OK(clSetUserEventStatus(theirs, CL_COMPLETE));
    OK(clSetUserEventStatus(ours, CL_COMPLETE));
    release(2, (cl_event[]){ours, theirs});
    OK(clReleaseContext(alone));
}

int main(void) {
    set_up_two_nodes(CL_QUEUE_PROFILING_ENABLE, NULL);
    cl_mem buffer = new_buffer(64);
    know_what_they_are_of();
    cross_in_both_directions();
    are_told_by_their_own_handle();
    let_others_work_meanwhile(buffer);
    leave_no_content_behind(buffer);
    fail_on_the_other_node_too(buffer);
    of_others_are_refused();
    OK(clReleaseMemObject(buffer));
    tear_down_two_nodes();
    return 0;
}
